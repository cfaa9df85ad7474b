/* SPDX-License-Identifier: MIT */
#pragma once

/* The one decoder of UTF-8 (RFC 3629): nothing overlong, no surrogates, nothing above U+10FFFF. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The number of bytes of the character at @text, which has @left bytes; 0 if there is none. */
size_t utf8_decode(const char *text, size_t left, uint32_t *ret);

bool utf8_is_valid(const char *bytes, size_t size);
