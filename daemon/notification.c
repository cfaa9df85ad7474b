/* SPDX-License-Identifier: MIT */
#include "daemon/notification.h"

#include <stdio.h>

#include "common/log.h"
#include "common/macro.h"
#include "common/names.h"

#define DESKTOP_NAME "org.freedesktop.Notifications"
#define DESKTOP_PATH "/org/freedesktop/Notifications"

#define SUMMARY_FORMAT "The login to %s is over"
#define BODY_FORMAT \
        "Programs lose access soon. To log in again, run in a terminal: oidc-keyring login %s"

/* Of the Desktop Notifications specification. Not critical, which would cover whatever a person is
 * showing to others; but it stays until it is read. */
#define URGENCY_NORMAL 1
#define NEVER_EXPIRES 0

void notification_done(Notification *notification) {
        notification->call = sd_bus_slot_unref(notification->call);
        notification->id = 0;
}

static void desktop_close(sd_bus *bus, uint32_t id) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        r = sd_bus_message_new_method_call(bus, &call, DESKTOP_NAME, DESKTOP_PATH, DESKTOP_NAME,
                                           "CloseNotification");
        if (r >= 0)
                r = sd_bus_message_append(call, "u", id);
        if (r >= 0)
                r = sd_bus_message_set_auto_start(call, 0);
        if (r >= 0)
                r = sd_bus_message_set_expect_reply(call, 0);
        if (r >= 0)
                r = sd_bus_send(bus, call, NULL);
        if (r < 0)
                (void)log_debug_errno(r, "A notification cannot be taken away");
}

static int on_shown(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        Notification *notification = userdata;
        uint32_t id;

        (void)error;
        notification->call = sd_bus_slot_unref(notification->call);
        if (sd_bus_message_is_method_error(reply, NULL) || sd_bus_message_read(reply, "u", &id) < 0)
                return 0; /* no desktop */
        if (notification->unwanted)
                desktop_close(sd_bus_message_get_bus(reply), id);
        else
                notification->id = id;
        return 0;
}

static int desktop_notify(Notification *notification, sd_bus *bus, const char *account) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        char summary[sizeof(SUMMARY_FORMAT) + ACCOUNT_NAME_MAX];
        char body[sizeof(BODY_FORMAT) + ACCOUNT_NAME_MAX];
        int r;

        (void)snprintf(summary, sizeof(summary), SUMMARY_FORMAT, account);
        (void)snprintf(body, sizeof(body), BODY_FORMAT, account);
        r = sd_bus_message_new_method_call(bus, &call, DESKTOP_NAME, DESKTOP_PATH, DESKTOP_NAME,
                                           "Notify");
        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "susssasa{sv}i", "oidc-keyring", 0, "dialog-password",
                                  summary, body, 0, 1, "urgency", "y", URGENCY_NORMAL,
                                  NEVER_EXPIRES);
        if (r < 0)
                return r;
        return sd_bus_call_async(bus, &notification->call, call, on_shown, notification, 0);
}

void notification_show(Notification *notification, sd_bus *bus, const char *account) {
        int r;

        notification_close(notification, bus);
        notification_done(notification);
        notification->unwanted = false;
        r = desktop_notify(notification, bus, account);
        if (r < 0)
                (void)log_debug_errno(r, "%s: no notification", account);
}

void notification_close(Notification *notification, sd_bus *bus) {
        if (notification->id != 0)
                desktop_close(bus, notification->id);
        notification->id = 0;
        notification->unwanted = true;
}
