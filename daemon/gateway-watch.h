/* SPDX-License-Identifier: MIT */
#pragma once

/* GatewayWatch: listens for the gateway's signal that the network has changed. It holds a
 * connection to the system bus, so there is one only while an account is offline. */

#include "daemon/gateway-client.h"

typedef struct GatewayWatch GatewayWatch;

/* @changed is called from the event loop; it must not free the watch. */
int gateway_watch_new(const GatewayClient *client, void (*changed)(void *userdata), void *userdata,
                      GatewayWatch **ret);
GatewayWatch *gateway_watch_free(GatewayWatch *watch);
DEFINE_CLEANUP(GatewayWatch, gateway_watch_free);
