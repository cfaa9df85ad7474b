/* SPDX-License-Identifier: MIT */
#pragma once

/* org.oidckeyring.Keyring1 as in oidc-keyring-dbus(7): the methods, thin. */

#include "daemon/manager.h"

/* Puts manager and accounts on the manager's bus. The name is the caller's to request. */
int manager_export(Manager *manager);
