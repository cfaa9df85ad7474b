/* SPDX-License-Identifier: MIT */
#include "daemon/kept-grant.h"

#include <errno.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/outcome.h"
#include "common/sealed-memfd.h"
#include "common/token-key.h"
#include "daemon/fd-store.h"
#include "daemon/schedule.h"

#define KEY_TIMEOUT_MAX_USEC (UINT64_C(365) * 86400 * USEC_PER_SEC)

void kept_grant_done(KeptGrant *kept) {
        kept->grant = grant_free(kept->grant);
        closep(&kept->fd);
        kept->fd = -1;
}

uint64_t kept_grant_remaining(const KeptGrant *kept) {
        uint64_t now = clock_boottime_usec();

        return kept->grant && kept->grant->expires_usec > now ? kept->grant->expires_usec - now : 0;
}

bool kept_grant_is_good(const KeptGrant *kept, uint64_t min_valid_usec) {
        const Grant *grant = kept->grant;
        uint64_t remaining = kept_grant_remaining(kept);

        if (remaining < USEC_PER_SEC)
                return false;
        if (remaining >= SCHEDULE_KEY_ROUNDING_USEC && remaining >= min_valid_usec)
                return true;
        /* One more may live longer than the login's; after that the provider has said its best. */
        return grant->generation > 0 &&
               (remaining >= grant->lifetime_usec ||
                schedule_token_is_young(grant->lifetime_usec, grant->lifetime_usec - remaining));
}

static int kept_grant_write_key(KeptGrant *kept, const Secret *token) {
        uint64_t remaining = kept_grant_remaining(kept);
        int r;

        kept->key_serial = 0;
        if (!token) /* a key that is there is of the daemon before, and may be good for long */
                return 0;
        if (remaining < USEC_PER_SEC) {
                (void)token_key_remove(kept->grant->account);
                return 0;
        }
        if (remaining > KEY_TIMEOUT_MAX_USEC)
                remaining = KEY_TIMEOUT_MAX_USEC;
        r = token_key_publish(kept->grant->account, token, remaining, &kept->key_serial);
        if (r < 0) {
                if (!kept->keyring_failed)
                        (void)log_warning_errno(r, "%s: the token cannot be put into the keyring",
                                                kept->grant->account);
                kept->keyring_failed = true;
                return OUTCOME_NO_KEYRING;
        }

        if (kept->keyring_failed)
                log_info("%s: the token is in the keyring again", kept->grant->account);
        kept->keyring_failed = false;
        return 0;
}

static void kept_grant_strip(Grant *grant) {
        grant->access_token = secret_free(grant->access_token);
        grant->refresh_token = secret_free(grant->refresh_token);
}

static void kept_grant_hold(KeptGrant *kept, Grant *grant, int fd) {
        kept_grant_done(kept);
        kept->grant = grant;
        kept->fd = fd;
        kept->renewable = grant->refresh_token;
}

/* A store that does not answer must not cost the session its token: then the older grant stays
 * stored as well, and the gateway's idempotence covers the time between. */
static void kept_grant_drop_older(KeptGrant *kept) {
        while (kept->oldest_sequence < kept->sequence)
                fd_store_remove(kept->grant->account, kept->oldest_sequence++);
}

/* With its tokens in memory, until it is settled. 1: it is in the fd store, too; 0; -errno: nothing
 * has changed. */
static int kept_grant_store(KeptGrant *kept, Grant *grant) {
        _cleanup_(grant_freep) Grant *owned = grant;
        _cleanup_close_ int fd = -1;
        int stored, r;

        /* Sealed anew: the service manager takes a file only once, and what we store must not be
         * the same open file that somebody else may store or has stored. */
        r = grant_seal(grant, &fd);
        if (r < 0)
                return r;
        kept->sequence++;
        stored = fd_store_push(grant->account, kept->sequence, fd);
        if (stored < 0)
                (void)log_warning_errno(stored, "%s: the grant may not survive a restart",
                                        grant->account);

        kept_grant_hold(kept, TAKE_PTR(owned), TAKE_FD(fd));
        return stored >= 0;
}

static void kept_grant_settle(KeptGrant *kept, bool stored) {
        kept_grant_strip(kept->grant);
        if (stored)
                kept_grant_drop_older(kept);
}

int kept_grant_replace(KeptGrant *kept, Grant *grant) {
        int stored = kept_grant_store(kept, grant), r;

        if (stored < 0)
                return stored;
        r = kept_grant_write_key(kept, kept->grant->access_token);
        kept_grant_settle(kept, stored);
        return r;
}

int kept_grant_restore(KeptGrant *kept, Grant *grant, uint64_t sequence, int fd) {
        int r;

        kept_grant_hold(kept, grant, fd);
        kept->sequence = kept->oldest_sequence = sequence;
        /* Even if there is a key: it may hold the token before this one, or have lost its timeout
         * to a crash between the two calls that write it. */
        r = kept_grant_write_key(kept, grant->access_token);
        kept_grant_strip(kept->grant);
        return r;
}

/* Written, not compared: that costs no more than it would to see that bytes, permissions and
 * timeout are all as they were. */
int kept_grant_publish(KeptGrant *kept) {
        _cleanup_(grant_freep) Grant *whole = NULL;
        int r;

        r = grant_unseal(kept->fd, &whole);
        if (r < 0)
                return r;
        return kept_grant_write_key(kept, whole->access_token);
}

int kept_grant_token_file(const KeptGrant *kept, int *ret_fd) {
        _cleanup_(grant_freep) Grant *whole = NULL;
        int r;

        if (kept_grant_remaining(kept) == 0)
                return -EKEYEXPIRED;
        r = grant_unseal(kept->fd, &whole);
        if (r < 0)
                return r;
        return sealed_memfd_new("token", secret_bytes(whole->access_token),
                                secret_size(whole->access_token), ret_fd);
}

void kept_grant_take_key_away(KeptGrant *kept) {
        int r;

        r = token_key_remove(kept->grant->account);
        if (r < 0 && r != -ENOKEY)
                (void)log_debug_errno(r, "%s: the key cannot be removed", kept->grant->account);
        kept->key_serial = 0;
}

int kept_grant_end_login(KeptGrant *kept) {
        _cleanup_(grant_freep) Grant *whole = NULL;
        int r;

        r = grant_unseal(kept->fd, &whole);
        if (r < 0)
                return r;
        whole->refresh_token = secret_free(whole->refresh_token);
        whole->sent = whole->answer_lost = 0;
        whole->login_over = 1;
        return kept_grant_replace(kept, TAKE_PTR(whole));
}

int kept_grant_note_sent(KeptGrant *kept, bool lost) {
        _cleanup_(grant_freep) Grant *whole = NULL;
        int r;

        if (kept->grant->sent && (kept->grant->answer_lost || !lost))
                return 0;
        r = grant_unseal(kept->fd, &whole);
        if (r < 0)
                return r;
        whole->sent = 1;
        if (lost)
                whole->answer_lost = 1;
        r = kept_grant_store(kept, TAKE_PTR(whole));
        if (r < 0)
                return r;
        kept_grant_settle(kept, r); /* its token is in the keyring already */
        return 0;
}

void kept_grant_wipe(KeptGrant *kept) {
        kept_grant_take_key_away(kept);
        kept_grant_drop_older(kept);
        fd_store_remove(kept->grant->account, kept->sequence);
}

bool kept_grant_is_of_login_of(const KeptGrant *kept, const Grant *grant) {
        const Grant *own = kept->grant;

        return streq(grant->account, own->account) && streq(grant->issuer, own->issuer) &&
               streq(grant->subject, own->subject) && streq(grant->user, own->user);
}

bool kept_grant_has_refresh_token_of(const KeptGrant *kept, const Grant *grant) {
        _cleanup_(grant_freep) Grant *whole = NULL;

        if (!kept->renewable || !grant->refresh_token || grant_unseal(kept->fd, &whole) < 0)
                return false;
        return secret_equal(whole->refresh_token, grant->refresh_token);
}
