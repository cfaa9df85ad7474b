/* SPDX-License-Identifier: MIT */
#pragma once

/* Manager: the accounts of one user, what is being revoked, and the way out. */

#include <stdbool.h>
#include <stddef.h>

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "daemon/account.h"

/* Each takes one place in the fd store, two while it is renewed. */
#define MANAGER_ACCOUNTS_MAX 32u
#define MANAGER_RETIREMENTS_MAX 64u

typedef struct Manager Manager;

/* A logout of one or all accounts: 0, or the first failure to revoke with its sentence. */
typedef void (*ManagerDone)(void *userdata, int result, const char *message);

/* @bus: the connection to serve on, already attached to @event; @gateway_open and @userdata as in
 * GatewayClient. Nothing is served before manager_export() of manager-bus.h. */
int manager_new(sd_event *event, sd_bus *bus, int (*gateway_open)(void *userdata, sd_bus **ret),
                void *userdata, Manager **ret);
Manager *manager_free(Manager *manager);
DEFINE_CLEANUP(Manager, manager_free);

/* Takes the grants up that the service manager kept; what is no grant, or older than another, is
 * dropped. -errno: for want of memory or descriptors not all could be. Then this process had better
 * end: they are still there for the next, and nothing older was taken for the newest. */
int manager_restore(Manager *manager);

/* Where there was nothing, asks the gateway for what it kept over a reboot. @ready is called once,
 * later, when that is here or can be waited for no longer: whoever is served then finds it. */
int manager_restore_kept(Manager *manager, void (*ready)(void *userdata), void *userdata);

/* A descriptor from a login; it stays the caller's. -EBADF, -EBADMSG: not a grant; -ENOBUFS: too
 * many accounts; -ESHUTDOWN: on the way out. */
int manager_add_grant(Manager *manager, int fd, Account **ret);

/* @name "": the only one. NULL: none of that name, or not clear. */
Account *manager_find(const Manager *manager, const char *name);
size_t manager_n_accounts(const Manager *manager);
Account *manager_account(const Manager *manager, size_t i);

/* Writes every key again. */
void manager_republish(Manager *manager);
/* For clock_watch_add(): the manager is its userdata. */
void manager_clock_was_set(void *userdata);

/* Ends accounts and calls @done once all is revoked or has failed; NULL: all. */
int manager_logout(Manager *manager, Account *account, ManagerDone done, void *userdata);

/* Ends the event loop: at once with everything kept for the next process if @restart, else when
 * every grant that is not to be kept has been revoked, but within 5 s. Those that the gateway has
 * for after a reboot are kept while their user lingers. */
void manager_leave(Manager *manager, bool restart);

sd_bus *manager_bus(const Manager *manager);
