/* SPDX-License-Identifier: MIT */
#pragma once

/* The one way in which text becomes a number, a truth value or the name of an account. */

#include <stdbool.h>
#include <stdint.h>

/* Decimal digits only: no sign, no blanks, no base prefix. 0, -EINVAL, or -ERANGE outside
 * [min, max]. */
int parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret);

/* yes/no, true/false, on/off, 1/0 in any case. 0 or -EINVAL. */
int parse_bool(const char *text, bool *ret);

/* Letters, digits, '-', '_' as names.h says. */
bool account_name_is_valid(const char *name);
