/* SPDX-License-Identifier: MIT */
#pragma once

/* Restoration: a grant that was kept over a reboot is given back to its user, if that user could
 * still have it: policy is asked again, as far as it can be without a login. */

#include <sys/types.h>

#include "gateway/bindings.h"
#include "gateway/configuration.h"
#include "gateway/grant-files.h"
#include "gateway/revocation.h"

typedef struct Restoration {
        Configuration *configuration;
        const Bindings *bindings;
        GrantFiles *files;
        Revocations *revocations;
} Restoration;

/* The grant of @uid at the provider whose name comes next after @after ("": the first) and that has
 * one for this user. One that the user may not have any more is revoked and taken away. 0;
 * OUTCOME_UNKNOWN_ACCOUNT: no provider has one; OUTCOME_CONFIGURATION, OUTCOME_STATE_UNUSABLE,
 * -errno: not now. */
int restoration_next(const Restoration *restoration, uid_t uid, const char *after, Grant **ret);

/* Takes away what could not be given back to anybody: of providers that do not keep grants any
 * more. It does nothing while the configuration cannot be read. */
void restoration_sweep(const Restoration *restoration);
