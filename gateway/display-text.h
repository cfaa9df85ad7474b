/* SPDX-License-Identifier: MIT */
#pragma once

/* What of a foreign text may reach a terminal or a log. */

#include <stdbool.h>
#include <stddef.h>

/* Whether @text is 1 to @max bytes of printable ASCII without blanks: codes and URLs. */
bool display_text_is_plain(const char *text, size_t max);

/* A copy of @text for people: C0 (so the start of every escape sequence), C1, bidirectional and
 * invisible characters and invalid UTF-8 become '?', at most @max bytes, cut at a character.
 * NULL: no memory. */
char *display_text_clean(const char *text, size_t max);
