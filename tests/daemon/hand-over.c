/* SPDX-License-Identifier: MIT */

/* hand-over LOGIN_ID USER: what the module does when a session opens: claims a grant at the gateway
 * and gives it to the user's daemon. Prints the account's path. Root claims as root, and speaks to
 * the daemon as that user. */

#include <pwd.h>
#include <stdio.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "common/macro.h"
#include "common/names.h"

static int failed(const char *what, const sd_bus_error *error) {
        (void)fprintf(stderr, "%s: %s: %s\n", what, error->name ? error->name : "?",
                      error->message ? error->message : "?");
        return EXIT_FAILURE;
}

static int become(const char *name) {
        const struct passwd *user = getpwnam(name);

        return user && setresuid(user->pw_uid, user->pw_uid, user->pw_uid) == 0 ? 0 : -1;
}

int main(int argc, char *argv[]) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *system = NULL, *user = NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *claimed = NULL, *added = NULL;
        const char *path;
        int fd;

        if (argc != 3 || sd_bus_open_system(&system) < 0)
                return failed("the system bus", &error);
        if (sd_bus_call_method(system, GATEWAY_BUS_NAME, GATEWAY_OBJECT_PATH, GATEWAY_INTERFACE,
                               "ClaimGrant", &error, &claimed, "ss", argv[1], argv[2]) < 0 ||
            sd_bus_message_read(claimed, "h", &fd) < 0)
                return failed("ClaimGrant", &error);
        if ((geteuid() == 0 && become(argv[2]) < 0) || sd_bus_open_user(&user) < 0)
                return failed("the user's bus", &error);
        if (sd_bus_call_method(user, KEYRING_BUS_NAME, KEYRING_OBJECT_PATH, KEYRING_INTERFACE,
                               "AddGrant", &error, &added, "h", fd) < 0 ||
            sd_bus_message_read(added, "o", &path) < 0)
                return failed("AddGrant", &error);
        return puts(path) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
