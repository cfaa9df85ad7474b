/* SPDX-License-Identifier: MIT */
#pragma once

/* KeptGrant: the newest grant of an account where it is kept: its sealed memfd here and in the fd
 * store, its access token in the keyring. The tokens are in this process's memory only while they
 * are on their way from one to the other. */

#include <stdbool.h>
#include <stdint.h>

#include "common/grant.h"

/* To be embedded; fd is -1 before the first grant. */
typedef struct KeptGrant {
        Grant *grant; /* without its tokens; NULL before the first */
        int fd;
        bool renewable;           /* it has a refresh token */
        bool keyring_failed;      /* it does not take the token, and that has been logged */
        uint64_t sequence;        /* of fd in the fd store */
        uint64_t oldest_sequence; /* what the fd store may hold of this account begins here */
        int32_t key_serial;       /* 0: no key */
} KeptGrant;

#define KEPT_GRANT_INIT \
        { .fd = -1, .oldest_sequence = 1 }

void kept_grant_done(KeptGrant *kept);

/* A newer grant: into the fd store, then its token into the keyring, then the older one out of the
 * fd store. Takes @grant over. 0; OUTCOME_NO_KEYRING: kept, but not published; -errno: nothing has
 * changed. */
int kept_grant_replace(KeptGrant *kept, Grant *grant);

/* Begins with a grant that lies in the fd store already. Takes over @grant and @fd. 0 or
 * OUTCOME_NO_KEYRING. */
int kept_grant_restore(KeptGrant *kept, Grant *grant, uint64_t sequence, int fd);

/* The key as it has to be, whatever was done to it; of a grant without its token as it is. 0,
 * OUTCOME_NO_KEYRING, -errno. */
int kept_grant_publish(KeptGrant *kept);

/* The access token alone in a sealed memfd, for whom there is no keyring. -EKEYEXPIRED. */
int kept_grant_token_file(const KeptGrant *kept, int *ret_fd);

/* The key may hold what is worth nothing any more, or soon. */
void kept_grant_take_key_away(KeptGrant *kept);

/* The login is over: forgets the refresh token, and remembers that. The access token stays until it
 * expires. */
int kept_grant_end_login(KeptGrant *kept);
/* The refresh token is about to be exchanged, or (@lost) may have been, but the answer did not
 * come: remembers that, until there is a newer grant. */
int kept_grant_note_sent(KeptGrant *kept, bool lost);

/* Takes key and stored grant away. */
void kept_grant_wipe(KeptGrant *kept);

/* Whether @grant is another state of the login that is kept. */
bool kept_grant_is_of_login_of(const KeptGrant *kept, const Grant *grant);

/* Whether @grant has the very refresh token that is kept already. */
bool kept_grant_has_refresh_token_of(const KeptGrant *kept, const Grant *grant);

/* What is left of the access token's life, 0 when it is over. */
uint64_t kept_grant_remaining(const KeptGrant *kept);

/* Whether it serves who wants so much of it, or is the most that the provider gives. */
bool kept_grant_is_good(const KeptGrant *kept, uint64_t min_valid_usec);
