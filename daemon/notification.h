/* SPDX-License-Identifier: MIT */
#pragma once

/* Notification: what a desktop shows while a login is over, with the way back. It is asked for on
 * the user's bus and never waited for: a session without a desktop has nobody who answers, and
 * nothing is lost. */

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

/* To be embedded, zeroed. */
typedef struct Notification {
        sd_bus_slot *call; /* that asks for it, until the answer is here */
        uint32_t id;       /* the desktop's; 0: none is shown */
        bool unwanted;     /* closed before there was an id */
} Notification;

/* That the login to @account is over. */
void notification_show(Notification *notification, sd_bus *bus, const char *account);

/* Takes it away, if it is there. */
void notification_close(Notification *notification, sd_bus *bus);

/* Forgets it; what is shown stays. */
void notification_done(Notification *notification);
