/* SPDX-License-Identifier: MIT */
#include "common/bus-client.h"

#include "common/macro.h"

int bus_client_new(const char *address, sd_bus **ret) {
        _cleanup_(sd_bus_unrefp) sd_bus *bus = NULL;
        int r;

        r = sd_bus_new(&bus);
        if (r < 0)
                return r;
        r = sd_bus_set_address(bus, address);
        if (r < 0)
                return r;
        r = sd_bus_set_bus_client(bus, 1);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(bus);
        return 0;
}
