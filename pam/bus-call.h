/* SPDX-License-Identifier: MIT */
#pragma once

/* A private D-Bus connection whose every step obeys a deadline on CLOCK_BOOTTIME.
 *
 * sd_bus_call() is not used: while the connection is being set up it waits as long as the peer
 * likes, and it queues whatever else arrives until the answer comes. The bus of a user is run by
 * that user, who may answer with silence or with a flood, so the connection is driven here, one
 * message a turn and the clock looked at in each. */

#include <stdint.h>

#include <systemd/sd-bus.h>

/* Begins to connect; never blocks. This is the step (and the only one) for which the kernel notes
 * the credentials of the caller. 0 or -errno; -ENOENT or -ECONNREFUSED: there is no bus. */
int bus_open(const char *address, sd_bus **ret);

/* Waits until the bus has welcomed us. 0, -ETIMEDOUT, other -errno. */
int bus_wait_ready(sd_bus *bus, uint64_t deadline_usec);

/* Sends @call and waits for its answer, which may be an error: see sd_bus_message_get_error().
 * Memory of call and answer is wiped when they are freed. 0, -ETIMEDOUT, other -errno. */
int bus_call(sd_bus *bus, sd_bus_message *call, uint64_t deadline_usec, sd_bus_message **ret);
