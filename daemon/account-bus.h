/* SPDX-License-Identifier: MIT */
#pragma once

/* org.oidckeyring.Keyring1.Account as in oidc-keyring-dbus(7): what the properties show. */

#include "daemon/manager.h"

int account_bus_export(Manager *manager);

/* The path of an account's object; the caller frees it. NULL: out of memory. */
char *account_bus_path(const Account *account);

void account_bus_emit_added(sd_bus *bus, const Account *account);
void account_bus_emit_removed(sd_bus *bus, const Account *account);
void account_bus_emit_changed(sd_bus *bus, const Account *account);
