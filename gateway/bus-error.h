/* SPDX-License-Identifier: MIT */
#pragma once

/* The border where results become D-Bus errors. */

#include <systemd/sd-bus.h>

/* Puts @result (an Outcome or -errno, not 0) into @error and returns what a method handler returns
 * then. @message replaces the outcome's own sentence; it may be NULL. */
int bus_error_set(sd_bus_error *error, int result, const char *message);

/* The same as the answer to @call, for methods that answer later. */
void bus_error_reply(sd_bus_message *call, int result, const char *message);
