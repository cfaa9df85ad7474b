/* SPDX-License-Identifier: MIT */
#pragma once

/* The daemon on the user's bus, asked synchronously, and what its answers mean to a script. */

#include <stdbool.h>
#include <stdint.h>

#include <systemd/sd-bus.h>

#include "cli/command.h"

/* Opens the user's bus; where the environment does not tell where it is, as under cron, it is
 * looked for at its usual place. -errno. */
int user_bus_open(sd_bus **ret);

/* One method of org.oidckeyring.Keyring1 and its answer. What goes wrong is told on standard error;
 * if @start is false a daemon that is not running means that there is no account. */
ExitCode user_bus_call(bool start, uint64_t timeout_usec, sd_bus_message **ret_reply,
                       const char *member, const char *types, ...);

/* All of a command that has no option but --help and calls one method, which takes an account and
 * answers nothing. */
ExitCode user_bus_command(const Command *command, int argc, char *argv[], const char *member,
                          uint64_t timeout_usec);

/* GetManagedObjects on a bus that is open. 0 with *ret_reply NULL: no daemon, so no accounts. */
int user_bus_get_objects(sd_bus *bus, sd_bus_message **ret_reply, sd_bus_error *error);
/* The same by itself, with what goes wrong told. EXIT_CODE_OK with *ret_reply NULL: no daemon, so
 * no accounts. */
ExitCode user_bus_objects(sd_bus_message **ret_reply);

/* The exit code that an error means. */
ExitCode user_bus_exit_code(const char *error_name);
