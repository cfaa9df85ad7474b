/* SPDX-License-Identifier: MIT */
#pragma once

/* AccountView: what the daemon tells about an account. */

#include <stddef.h>
#include <stdint.h>

#include <systemd/sd-bus.h>

#include "common/macro.h"

#define ACCOUNT_VIEWS_MAX 256u

typedef struct AccountView {
        char *name, *state, *issuer, *subject, *scope, *last_error; /* not NULL */
        uint64_t expires_usec, next_refresh_usec;                   /* realtime, 0: none */
        uint32_t renewals;
        int32_t key_serial;
        int kept_on_disk; /* sd-bus has an int for a boolean */
} AccountView;

typedef struct AccountViews {
        AccountView *views; /* by name */
        size_t n;
} AccountViews;

/* Reads the answer of GetManagedObjects. -EBADMSG: it does not look like one. */
int account_views_read(sd_bus_message *reply, AccountViews *ret);
void account_views_done(AccountViews *views);
