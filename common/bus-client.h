/* SPDX-License-Identifier: MIT */
#pragma once

/* A connection to a bus whose address is known, where sd-bus would look into the environment. */

#include <systemd/sd-bus.h>

/* *ret is not started yet. 0, -EINVAL: no address, -ENOMEM. */
int bus_client_new(const char *address, sd_bus **ret);
