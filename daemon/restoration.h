/* SPDX-License-Identifier: MIT */
#pragma once

/* Restoration: at the start of a daemon to whom nobody left a grant, the gateway is asked for those
 * that it has kept over a reboot, one after another. Nobody waits long for it: a gateway that does
 * not answer is asked again later. */

#include "common/macro.h"
#include "daemon/gateway-client.h"

typedef struct Restoration Restoration;

/* A grant, which stays ours. Less than 0 is for the log alone. */
typedef int (*RestorationFound)(void *userdata, int grant_fd, char **ret_account);
/* Once: all is there, or nothing can be said for now. */
typedef void (*RestorationReady)(void *userdata);

/* @client outlives it. @ready is called later, never from in here. */
int restoration_new(const GatewayClient *client, RestorationFound found, RestorationReady ready,
                    void *userdata, Restoration **ret);
Restoration *restoration_free(Restoration *restoration);
DEFINE_CLEANUP(Restoration, restoration_free);
