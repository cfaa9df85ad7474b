/* SPDX-License-Identifier: MIT */
#pragma once

/* What happens in a script, in the order in which it happens, whichever process it happens in: all
 * of them append to one file. */

#include "common/macro.h"

/* What the fake gateway hands out, and what must never be seen in a log. */
#define TRANSCRIPT_LOGIN_ID "0123456789abcdef0123456789abcdef"

/* Opens the file of this process and those it forks; @fd stays open. */
void transcript_open(int fd);

/* Appends a line; the login id becomes ID. */
void transcript_line(const char *format, ...) _printf_(1, 2);

/* Appends a text shown to a person, a line each between bars; host name and time become HOST and
 * TIME. */
void transcript_text(const char *text);
