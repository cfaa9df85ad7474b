/* SPDX-License-Identifier: MIT */
#pragma once

/* What of a foreign text may reach a terminal or a log. */

#include <stdbool.h>
#include <stddef.h>

/* Whether @text is at most @max bytes of printable ASCII without blanks: codes and URLs. */
bool display_text_is_plain(const char *text, size_t max);

/* A copy of @text for people: C0, C1, escape sequences, bidirectional controls and invalid UTF-8
 * become '?', at most @max bytes, cut at a character. NULL: no memory. */
char *display_text_clean(const char *text, size_t max);
