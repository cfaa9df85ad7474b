/* SPDX-License-Identifier: MIT */
#include "pam/bus-address.h"

#include <errno.h>
#include <stdio.h>

const char *bus_address_system(void) {
        return "unix:path=/run/dbus/system_bus_socket";
}

int bus_address_user(uid_t uid, char **ret) {
        char *address = NULL;

        if (asprintf(&address, "unix:path=/run/user/%u/bus", (unsigned)uid) < 0)
                return -ENOMEM;
        *ret = address;
        return 0;
}
