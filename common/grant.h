/* SPDX-License-Identifier: MIT */
#pragma once

/* Grant: what a login leaves behind and what a refresh replaces: the tokens, whose they are, and
 * the little of the provider's configuration that the daemon needs, so that it reads no
 * configuration itself. It travels as a sealed memfd of lines `name=value`, the first line
 * "oidc-keyring-grant 1". Lines of an unknown name are passed over, so that a daemon which was not
 * restarted at an upgrade understands the gateway of the next version. */

#include <stdbool.h>
#include <stdint.h>

#include "common/macro.h"
#include "common/secret.h"

#define GRANT_SIZE_MAX (192u * 1024u)
#define GRANT_TEXT_MAX 2048u /* of issuer, subject, scope */
#define GRANT_TOKEN_MAX (64u * 1024u)

typedef struct Grant {
        char *account;         /* account_name_is_valid() */
        char *issuer;          /* exactly as configured and verified */
        char *subject;         /* `sub` of the verified ID token */
        char *user;            /* the local user it was verified for */
        char *scope;           /* as granted; "" if the provider did not say */
        uint64_t expires_usec; /* of the access token, CLOCK_BOOTTIME */
        uint64_t lifetime_usec;
        uint64_t refresh_at;     /* percent of the lifetime after which to refresh, 1..99 */
        uint64_t keep_on_logout; /* 0: revoke at the provider when the last session ends */
        uint64_t keep_replaced;  /* 0: revoke what this one takes the place of */
        uint64_t generation;     /* 0 at login, one more with each refresh */
        uint64_t login_over;     /* 1: its provider has ended it, and the refresh token is gone */
        uint64_t sent;           /* 1: its refresh token was given to be exchanged */
        uint64_t answer_lost;    /* 1: and may have been, but the answer did not come */
        uint64_t kept_on_disk;   /* 1: the gateway has it for after a reboot, too */
        Secret *access_token;    /* NULL: it was not kept over the reboot; expires_usec is 0 then */
        Secret *refresh_token;   /* NULL: the provider gave none, the token cannot be renewed */
} Grant;

Grant *grant_free(Grant *grant);
DEFINE_CLEANUP(Grant, grant_free);

/* A sealed memfd of the grant. -EINVAL if a member is missing or malformed (a control character,
 * above its maximum): a grant that cannot be read back is never written. */
int grant_seal(const Grant *grant, int *ret_fd);

/* Reads and checks a foreign descriptor: seals, size, every line. -EBADF or -EBADMSG for anything
 * that grant_seal() cannot have written; -ENOMEM or another -errno: it could not be read now. The
 * descriptor stays the caller's. */
int grant_unseal(int fd, Grant **ret);

/* The same lines as they are, for what encrypts them; the sizes that the descriptor may have. */
int grant_format(const Grant *grant, Secret **ret);
/* The parser behind all this, on its own for tests and fuzzing, too. */
int grant_parse(const char *bytes, size_t size, Grant **ret);
