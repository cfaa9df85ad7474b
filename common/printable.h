/* SPDX-License-Identifier: MIT */
#pragma once

/* Foreign text on its way to a log or a terminal, where only ASCII is beyond doubt. */

#include <stddef.h>

/* A copy of at most @max bytes in which whatever is not printable ASCII is a '?'. NULL: no memory,
 * or no @text. */
char *printable_copy(const char *text, size_t max);
