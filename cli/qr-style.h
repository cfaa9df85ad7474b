/* SPDX-License-Identifier: MIT */
#pragma once

/* Which QR code a terminal can show. */

#include <stdbool.h>
#include <stddef.h>

/* The style to ask the gateway for, from the word that stands after --qr. "auto" is "utf8" on a
 * pseudo-terminal whose locale is of UTF-8, where a font, a line's speed and the height of the
 * screen are not in doubt, and "none" elsewhere. NULL: there is no such word. */
const char *qr_style(const char *word, int fd);

/* Whether each line of @qr is at most @columns wide. */
bool qr_fits(const char *qr, size_t columns);

/* The width of the terminal, 80 if it does not tell, and as much as you like if it is none. */
size_t terminal_columns(int fd);

/* "pts/3"; "": it is none. */
void terminal_name(int fd, char *name, size_t size);
