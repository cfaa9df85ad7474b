/* SPDX-License-Identifier: MIT */
#pragma once

/* Logging of the services: one line on standard error with the priority in front that journald
 * understands (sd-daemon(3)). There is no level to set in the program: the units carry
 * LogLevelMax=info, and an administrator who wants debug lines raises that in a drop-in. Nothing
 * that could be replayed is ever passed here: no token, code, secret or login id.
 *
 * The macros with errno return it, so that a failure is logged and returned in one expression. */

#include <errno.h>
#include <stdarg.h>

#include "common/macro.h"

/* @priority is a syslog(3) level. Whatever is not printable ASCII in the result is replaced, as in
 * the log of the module: nobody who logs foreign text has to clean it. Keeps errno. */
void log_line(int priority, const char *format, ...) _printf_(2, 3);
/* The same with ": strerror" at the end; @error is an errno of either sign. Returns -abs(@error).
 */
int log_line_errno(int priority, int error, const char *format, ...) _printf_(3, 4);

#define log_error(...) log_line(3, __VA_ARGS__)
#define log_warning(...) log_line(4, __VA_ARGS__)
#define log_notice(...) log_line(5, __VA_ARGS__)
#define log_info(...) log_line(6, __VA_ARGS__)
#define log_debug(...) log_line(7, __VA_ARGS__)

#define log_error_errno(error, ...) log_line_errno(3, error, __VA_ARGS__)
#define log_warning_errno(error, ...) log_line_errno(4, error, __VA_ARGS__)
#define log_debug_errno(error, ...) log_line_errno(7, error, __VA_ARGS__)
