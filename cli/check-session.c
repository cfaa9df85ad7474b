/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <keyutils.h>
#include <string.h>

#include <systemd/sd-bus.h>

#include "cli/check-parts.h"
#include "cli/user-bus.h"
#include "common/macro.h"
#include "common/names.h"

static bool strv_has(char **strv, const char *text) {
        for (char **s = strv; s && *s; s++)
                if (streq(*s, text))
                        return true;
        return false;
}

static void check_bus(Findings *findings) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(strv_freep) char **acquired = NULL;
        _cleanup_(strv_freep) char **activatable = NULL;
        int r;

        r = user_bus_open(&bus);
        if (r >= 0)
                r = sd_bus_list_names(bus, &acquired, &activatable);
        if (r < 0)
                finding(findings, SEVERITY_ERROR, "session",
                        "your bus cannot be reached (%s): install dbus-user-session, and log in "
                        "through a service of PAM that has pam_systemd.so",
                        strerror(-r));
        else if (strv_has(acquired, KEYRING_BUS_NAME))
                finding(findings, SEVERITY_OK, "session", "the daemon is on your bus");
        else if (strv_has(activatable, KEYRING_BUS_NAME))
                finding(findings, SEVERITY_OK, "session",
                        "the daemon is not running, and is started by the first login");
        else
                finding(findings, SEVERITY_ERROR, "session",
                        "your bus does not know the daemon: it was installed after the session "
                        "began, so run 'systemctl --user reload dbus' or log in again");
}

void check_session(Findings *findings) {
        check_bus(findings);
        if (keyctl_get_keyring_ID(KEY_SPEC_USER_KEYRING, 1) < 0)
                finding(findings, SEVERITY_ERROR, "session",
                        "the kernel keyring cannot be used here (%s): tokens are not published. "
                        "Containers often forbid it",
                        strerror(errno));
        else
                finding(findings, SEVERITY_OK, "session", "the kernel keyring can be used");
}
