/* SPDX-License-Identifier: MIT */
#pragma once

/* What `oidc-keyring login --json` tells a front end: one object on a line of its own for each
 * event, written at once. oidc-keyring(1) documents them. */

#include <systemd/sd-bus.h>

#include "cli/account-view.h"
#include "cli/gateway-login.h"

void login_event_code(const GatewayLogin *gateway);
void login_event_approved(const char *issuer, const char *subject);
void login_event_done(const AccountView *view);
void login_event_error(const sd_bus_error *error);
