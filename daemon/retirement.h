/* SPDX-License-Identifier: MIT */
#pragma once

/* Retirement: the end of a grant. It is revoked at the provider; a refresh that was in flight is
 * awaited first, because it is about to replace the very token that has to be revoked. */

#include "common/macro.h"
#include "daemon/gateway-client.h"

typedef struct Retirement Retirement;

/* The end: 0, an Outcome or -errno with its sentence. Frees the retirement or lets it be. */
typedef void (*RetirementDone)(void *userdata, Retirement *retirement, int result,
                               const char *message);

/* Takes over @grant_fd and @refresh (may be NULL) in every case. @done is called later, never from
 * in here. */
int retirement_new(const GatewayClient *gateway, int grant_fd, GatewayCall *refresh,
                   RetirementDone done, void *userdata, Retirement **ret);
Retirement *retirement_free(Retirement *retirement);
DEFINE_CLEANUP(Retirement, retirement_free);
