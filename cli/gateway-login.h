/* SPDX-License-Identifier: MIT */
#pragma once

/* A login at the gateway, as the calling user. A person waits for it and may break it off: SIGINT,
 * SIGTERM and SIGHUP end a wait, and the login with it.
 *
 * Each function returns 0 or a negative errno with @error set: an Outcome's name with a sentence,
 * or SD_BUS_ERROR_FAILED where the gateway is not to be had. -EINTR: somebody broke it off. */

#include <stdint.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "common/macro.h"

typedef struct GatewayLogin {
        sd_event *event;
        sd_bus *bus;
        int interrupted;           /* by this signal; 0: by none */
        sd_bus_message *challenge; /* what follows points into it */
        const char *id, *verification_uri, *verification_uri_complete, *user_code, *qr_text;
        uint64_t expires_usec; /* CLOCK_BOOTTIME */
} GatewayLogin;

/* Ends a login that was not claimed: then the gateway revokes what there is to revoke. */
void gateway_login_done(GatewayLogin *login);

int gateway_login_begin(GatewayLogin *login, const char *provider, const char *user,
                        const char *tty, const char *qr, sd_bus_error *error);

/* Waits until the code is approved, refused or expired. The strings are the caller's to free. */
int gateway_login_await(GatewayLogin *login, char **ret_issuer, char **ret_subject,
                        sd_bus_error *error);

/* The descriptor is the caller's, to hand on or to revoke. From here on nothing is interrupted. */
int gateway_login_claim(GatewayLogin *login, const char *user, int *ret_fd, sd_bus_error *error);

/* Best effort: a grant that nobody takes. */
void gateway_login_revoke(GatewayLogin *login, int grant_fd);
