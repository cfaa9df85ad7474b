/* SPDX-License-Identifier: MIT */
#pragma once

/* The gateway on the system bus, asked synchronously for root. */

#include <systemd/sd-bus.h>

#include "cli/command.h"

/* One method that takes two strings, and its answer. What goes wrong is told on standard error. */
ExitCode gateway_bus_call(const char *member, const char *first, const char *second,
                          sd_bus_message **ret_reply);
