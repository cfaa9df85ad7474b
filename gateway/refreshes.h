/* SPDX-License-Identifier: MIT */
#pragma once

/* Refreshes: the exchange of refresh tokens, idempotent. A provider that rotates answers each token
 * once only, so callers that bring the same token share one request, and for a while after it the
 * same answer: a daemon that dies before it has stored the new grant asks again with the old one
 * and has lost nothing. The journal carries this over the end of the gateway itself. */

#include <stdbool.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "common/grant.h"
#include "gateway/grant-files.h"
#include "gateway/provider.h"
#include "gateway/revocation.h"

/* Under way or remembered, all users; each has one entry in the journal, two for a moment. */
#define REFRESHES_MAX 2048u
#define REFRESHES_PER_UID_MAX 16u
#define REFRESH_CALLERS_MAX 16u /* of one refresh */
#define REFRESH_BURST 60u       /* requests of one user at once, then one in */
#define REFRESH_PERIOD_USEC UINT64_C(1000000)
#define REFRESH_AMBIGUOUS_MAX 4u /* answers that say neither yes nor no, then it is over */
#define REFRESH_ANSWER_USEC (60 * UINT64_C(1000000)) /* how long an answer is given again */

typedef struct Refreshes Refreshes;

/* Takes up what a predecessor left in the journal. @files: where grants are kept that outlive a
 * reboot. */
int refreshes_new(sd_event *event, Revocations *revocations, GrantFiles *files, Refreshes **ret);
/* Callers are to come again: a successor knows more. */
Refreshes *refreshes_free(Refreshes *refreshes);
DEFINE_CLEANUP(Refreshes, refreshes_free);

/* How long an answer is given again, instead of REFRESH_ANSWER_USEC. */
void refreshes_remember_for(Refreshes *refreshes, uint64_t answer_usec);

/* Leaves what is remembered to the journal, begins nothing more and brings to its end what is under
 * way: the answer to a rotation exists only once. Tokens that wait for the keys to verify them are
 * tried once more. */
void refreshes_stop(Refreshes *refreshes);

/* Nothing under way and no answer kept. */
bool refreshes_are_idle(const Refreshes *refreshes);

/* @result: 0 with the new @grant, which stays ours; an Outcome; -errno. */
typedef void (*RefreshDone)(int result, const Grant *grant, void *userdata);

/* Renews @grant, which is taken over, for a caller of @uid. The provider must be the one that the
 * grant is of. @done is called exactly once, perhaps from within. */
void refreshes_renew(Refreshes *refreshes, Provider *provider, uid_t uid, Grant *grant,
                     RefreshDone done, void *userdata);

/* @uid has another login at @account, whose file is the one from now on: what a refresh brings that
 * is under way there is given to whoever asks, and not kept on disk, nor is the file taken away. */
void refreshes_supersede(Refreshes *refreshes, uid_t uid, const char *account);

/* Drops the answers kept that have to do with @grant, and those before it: it is being revoked. */
void refreshes_forget(Refreshes *refreshes, uid_t uid, const Grant *grant);
