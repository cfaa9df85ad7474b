/* SPDX-License-Identifier: MIT */
#pragma once

/* Refresh: one exchange of a refresh token (RFC 6749 6): the request, what its answer means, and
 * the verification of what came. Who asked, who else asks and what is remembered is not its
 * business, see refreshes.h. */

#include "common/grant.h"
#include "gateway/provider.h"
#include "gateway/refresh-journal.h"
#include "gateway/revocation.h"

typedef struct Refresh Refresh;

typedef enum RefreshEnd {
        REFRESH_RENEWED,    /* refresh_take_grant() has what came of it */
        REFRESH_FAILED,     /* nothing did */
        REFRESH_UNCLEAR,    /* an answer that some providers give for a dead grant, and others for
                             * a passing oddity */
        REFRESH_UNVERIFIED, /* tokens came, but the keys to verify them, or the memory, cannot be
                             * had now, or are without the one that is named, or a clock is wrong:
                             * refresh_verify_again() may find that mended later */
} RefreshEnd;

/* Called exactly once for each run. @result is 0 with REFRESH_RENEWED, else an Outcome or -errno;
 * @detail is for the log, or NULL. The refresh may be freed inside. */
typedef void (*RefreshOver)(Refresh *refresh, RefreshEnd end, int result, const char *detail,
                            void *userdata);

/* @grant, which has a refresh token, is taken over; @revocations outlives the refresh. */
int refresh_new(Provider *provider, Revocations *revocations, const RefreshKey *key, Grant *grant,
                RefreshOver over, void *userdata, Refresh **ret);

/* Revokes what the provider gave and nobody got, unless refresh_spare() was called. */
Refresh *refresh_free(Refresh *refresh);
DEFINE_CLEANUP(Refresh, refresh_free);

/* It was sent before, at @sent_usec (CLOCK_BOOTTIME), which is in the journal, and nobody knows
 * what came of it. */
void refresh_was_sent(Refresh *refresh, uint64_t sent_usec);
/* When it was sent first, if since then an answer was lost and none came that tells what became of
 * it; 0 otherwise. */
uint64_t refresh_lost_since(const Refresh *refresh);

/* @over may be called from within both. */
void refresh_run(Refresh *refresh);
void refresh_verify_again(Refresh *refresh);

/* What is in the journal stays there, and what came is not revoked: the gateway ends, or whoever
 * asks comes again, with the token before it, which may work. */
void refresh_spare(Refresh *refresh);

const ProviderConfig *refresh_provider_config(const Refresh *refresh);

Grant *refresh_take_grant(Refresh *refresh);
/* As it was given. NULL once it was taken. */
const Grant *refresh_grant(const Refresh *refresh);
