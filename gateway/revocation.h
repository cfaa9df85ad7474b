/* SPDX-License-Identifier: MIT */
#pragma once

/* Revocation (RFC 7009): at logout, and of grants that nobody came for. Best effort within a
 * deadline: neither a logout nor anything else waits longer for it. The provider's `revoke` may say
 * that it is not done: some end more logins of the user than the one that is revoked. */

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "common/secret.h"
#include "gateway/provider.h"

#define REVOCATION_TIMEOUT_USEC (5 * UINT64_C(1000000))
#define REVOCATIONS_MAX 256u

/* All that are under way. */
typedef struct Revocations Revocations;

int revocations_new(sd_event *event, Revocations **ret);
Revocations *revocations_free(Revocations *revocations); /* ends them; their callers learn so */
DEFINE_CLEANUP(Revocations, revocations_free);

bool revocations_are_idle(const Revocations *revocations);

/* @result: 0, also where nothing is to be revoked or the provider has no endpoint for it; an
 * Outcome; -errno. */
typedef void (*RevocationDone)(int result, void *userdata);

/* Revokes @refresh_token, or without one @access_token (copied; either may be NULL). Of a refresh
 * token the provider SHOULD end the access tokens too (RFC 7009 2.1). @done is called exactly once,
 * perhaps from within. */
void revocation_start(Revocations *revocations, Provider *provider, const Secret *refresh_token,
                      const Secret *access_token, RevocationDone done, void *userdata);

/* The same for what must not stay alive behind anybody's back: nobody waits, failure is logged. */
void revocation_discard(Revocations *revocations, Provider *provider, const Secret *refresh_token,
                        const Secret *access_token);
