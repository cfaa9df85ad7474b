/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>

#include "tests/pam/fake-address.h"

#include <stdio.h>

#include "common/macro.h"
#include "pam/bus-address.h"

static char *system_address, *user_address;

static char *address_of(const char *path) {
        char *address = NULL;

        assert(asprintf(&address, "unix:path=%s", path ? path : "/nonexistent/bus") >= 0);
        return address;
}

void fake_address_set(const char *system_path, const char *user_path) {
        free(system_address);
        free(user_address);
        system_address = address_of(system_path);
        user_address = address_of(user_path);
}

const char *bus_address_system(void) {
        return system_address;
}

int bus_address_user(uid_t uid, char **ret) {
        (void)uid;
        *ret = strdup(user_address);
        return 0;
}
