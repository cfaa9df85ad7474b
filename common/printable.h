/* SPDX-License-Identifier: MIT */
#pragma once

/* Foreign text on its way to a log or a terminal, where only ASCII is beyond doubt. */

#include <stddef.h>

/* Whatever is not printable ASCII becomes a '?', byte by byte. */
void printable_clean(char *text);

/* The same in a copy of at most @max bytes. NULL: no memory, or no @text. */
char *printable_copy(const char *text, size_t max);
