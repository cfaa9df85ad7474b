/* SPDX-License-Identifier: MIT */
#pragma once

/* What a SIGTERM means: the service manager sends the same to a unit that it stops for good and to
 * one that it is about to start again with its fd store. */

#include <stdbool.h>

#include <systemd/sd-bus.h>

/* Whether the user's service manager is restarting this process's unit. False where it is stopping
 * it, where somebody else sent the signal, and where that cannot be found out: then nothing would
 * bring the grants back. Blocks for 2 s at most. */
bool unit_is_restarting(sd_bus *bus);
