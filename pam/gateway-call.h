/* SPDX-License-Identifier: MIT */
#pragma once

/* The calls of the module to oidc-keyring-gateway. Its word counts, so it is asked on the system
 * bus only, whose policy gives its name to root and the gateway's own user and to nobody else.
 *
 * The connection is the module's own (never sd_bus_default(), which the host may be using), lives
 * within one call of libpam, and belongs to the thread that made it. While a login waits it must
 * stay open: the gateway cancels the login of a caller that goes away.
 *
 * Every function returns 0, an Outcome or Failure (positive, see pam/result.h), or -errno. */

#include <stdbool.h>
#include <stdint.h>

#include <systemd/sd-bus.h>

#include "common/macro.h"

typedef struct Gateway {
        sd_bus *bus;
        char *detail; /* for the log: what the last error said, cleaned; NULL = nothing */
} Gateway;

void gateway_done(Gateway *gateway);

/* Connects. A deadline is on CLOCK_BOOTTIME; each call has its own limit besides. */
int gateway_init(Gateway *gateway, uint64_t deadline_usec);

typedef struct LoginRequest {
        const char *provider, *user, *service, *rhost, *tty, *qr_style;
} LoginRequest;

/* The strings point into @message and live as long as it does. */
typedef struct Login {
        sd_bus_message *message;
        const char *id;
        const char *verification_uri, *verification_uri_complete, *user_code, *qr_text;
        uint64_t expires_usec; /* on CLOCK_BOOTTIME */
} Login;

void login_done(Login *login);

int gateway_begin_login(Gateway *gateway, const LoginRequest *request, uint64_t deadline_usec,
                        Login *ret);

/* Waits for the verdict; FAILURE_NOT_APPROVED when the deadline comes first. @ret_issuer and
 * @ret_subject are cleaned for the log and the caller's to free. */
int gateway_await_login(Gateway *gateway, const char *login_id, uint64_t deadline_usec,
                        char **ret_issuer, char **ret_subject);

/* Best effort. */
void gateway_cancel_login(Gateway *gateway, const char *login_id);

/* 0: allowed, or, if @ret_unmanaged is true, not for us to decide. */
int gateway_check_account(Gateway *gateway, const char *provider, const char *user,
                          uint64_t deadline_usec, bool *ret_unmanaged);

/* @ret_fd is the caller's, above 2, and closed on exec. */
int gateway_claim_grant(Gateway *gateway, const char *login_id, const char *user,
                        uint64_t deadline_usec, int *ret_fd);

/* Best effort. */
void gateway_revoke(Gateway *gateway, int grant_fd);
