/* SPDX-License-Identifier: MIT */
#pragma once

/* The border between D-Bus errors and what travels inside: 0, an Outcome, or -errno. */

#include <systemd/sd-bus.h>

/* Fills @error from a result that is not 0; @message (may be NULL) replaces the sentence of an
 * Outcome. Returns a negative errno for a method handler to return. */
int bus_error_set(sd_bus_error *error, int result, const char *message);

/* The reverse, for an answer of the gateway: an Outcome, or -errno for any foreign error. The
 * message is for the person and lives as long as @error. */
int bus_error_to_result(const sd_bus_error *error, const char **ret_message);

/* The sentence for "no answer from the gateway at all". */
const char *bus_error_gateway_message(void);
