/* SPDX-License-Identifier: MIT */

/* fake-desktop: what shows notifications on the user's bus. Prints "ready", and then a line for
 * each call: "show ID<TAB>URGENCY<TAB>SUMMARY<TAB>BODY" or "close ID". */

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <systemd/sd-bus.h>

#include "common/macro.h"

#define DESKTOP_NAME "org.freedesktop.Notifications"

static int on_notify(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        static uint32_t id;
        const char *program, *icon, *summary, *body, *hint;
        uint32_t replaces;
        uint8_t urgency;
        int32_t timeout;
        int r;

        (void)userdata;
        (void)error;
        r = sd_bus_message_read(call, "susssasa{sv}i", &program, &replaces, &icon, &summary, &body,
                                0, 1, &hint, "y", &urgency, &timeout);
        if (r < 0)
                return r;
        if (!streq(program, "oidc-keyring") || replaces != 0 || timeout != 0 ||
            !streq(hint, "urgency"))
                return -EINVAL;
        (void)printf("show %" PRIu32 "\t%u\t%s\t%s\n", ++id, (unsigned)urgency, summary, body);
        (void)fflush(stdout);
        return sd_bus_reply_method_return(call, "u", id);
}

static int on_close(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        uint32_t id;
        int r;

        (void)userdata;
        (void)error;
        r = sd_bus_message_read(call, "u", &id);
        if (r < 0)
                return r;
        (void)printf("close %" PRIu32 "\n", id);
        (void)fflush(stdout);
        return sd_bus_reply_method_return(call, NULL);
}

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("Notify", "susssasa{sv}i", "u", on_notify, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("CloseNotification", "u", "", on_close, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

int main(void) {
        _cleanup_(sd_bus_unrefp) sd_bus *bus = NULL;
        int r;

        if (sd_bus_open_user(&bus) < 0 ||
            sd_bus_add_object_vtable(bus, NULL, "/org/freedesktop/Notifications", DESKTOP_NAME,
                                     vtable, NULL) < 0 ||
            sd_bus_request_name(bus, DESKTOP_NAME, 0) < 0)
                return EXIT_FAILURE;
        (void)puts("ready");
        (void)fflush(stdout);
        while ((r = sd_bus_process(bus, NULL)) >= 0)
                if (r == 0 && sd_bus_wait(bus, UINT64_MAX) < 0)
                        break;
        return EXIT_SUCCESS;
}
