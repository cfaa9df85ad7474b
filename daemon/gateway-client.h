/* SPDX-License-Identifier: MIT */
#pragma once

/* Calls of the gateway. Each has a connection to the system bus of its own, opened for it and
 * closed after it: a daemon that waits for the next refresh holds none, and nothing that happens on
 * the system bus can wake it. */

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "common/macro.h"

typedef enum GatewayMethod {
        GATEWAY_REFRESH,
        GATEWAY_REVOKE,
        GATEWAY_RESTORE_GRANT, /* gateway_call_new_restore() */
        _GATEWAY_METHOD_MAX,
} GatewayMethod;

typedef struct GatewayClient {
        sd_event *event; /* not owned */
        /* A new connection that is neither started nor attached yet; NULL: the system bus. */
        int (*open)(void *userdata, sd_bus **ret);
        void *userdata;
} GatewayClient;

/* A connection as the client makes it, neither started nor attached. */
int gateway_client_open(const GatewayClient *client, sd_bus **ret);

typedef struct GatewayCall GatewayCall;

/* How a call ended. @result: 0, an Outcome, or -errno where gateway or bus failed; @message: a
 * sentence for the person unless @result is 0; @grant_fd: the grant that a Refresh or a
 * RestoreGrant brought, closed after this returns. May free the call. */
typedef void (*GatewayDone)(void *userdata, int result, const char *message, int grant_fd);

/* Sends a copy of @grant_fd. @done is called later from the event loop, never from in here, and not
 * at all once the call is freed. A bus that cannot be reached is an ending like any other. */
int gateway_call_new(const GatewayClient *client, GatewayMethod method, int grant_fd,
                     GatewayDone done, void *userdata, GatewayCall **ret);
/* The same without a grant: for the one that was kept over a reboot for the account after @after.
 */
int gateway_call_new_restore(const GatewayClient *client, const char *after, GatewayDone done,
                             void *userdata, GatewayCall **ret);
GatewayCall *gateway_call_free(GatewayCall *call);
DEFINE_CLEANUP(GatewayCall, gateway_call_free);

/* Somebody else waits for it from now on. */
void gateway_call_redirect(GatewayCall *call, GatewayDone done, void *userdata);
