/* SPDX-License-Identifier: MIT */
#pragma once

/* The access token's key: type "user", "oidc:ACCOUNT", in the user keyring @u, payload the bare
 * token. Where that is not possible for want of quota or for the token's size it is of type
 * "big_key", if the kernel has that. The possessor gets nothing and the user everything that is
 * needed, so that a process of another uid that inherited the keyring (sudo, a set-user-ID program)
 * can neither read nor replace the token; a planted key of the same name is told by its owner. The
 * kernel ends the key no later than the token. Only daemon and CLI link this. */

#include <stdint.h>

#include "common/secret.h"

/* keyctl_setperm() mask: view, read, search, write, setattr for the owner, nothing for others. */
#define TOKEN_KEY_PERMISSIONS 0x002f0000u

/* Writes or replaces the token and sets permissions and timeout (at least 1 s is needed: the
 * kernel takes 0 for "never"), whatever was done to the key before. On an error the former token
 * stands with its timeout, or there is no key; never one without a timeout. The serial stays the
 * same as long as the key lives and nobody else has changed it. -EDQUOT: the quota of the user is
 * used up; -EMSGSIZE: the token is too large; -EPERM, -ENOSYS: no keyrings here; -EINVAL. */
int token_key_publish(const char *account, const Secret *token, uint64_t remaining_usec,
                      int32_t *ret_serial);

/* Finds the key in @u and makes sure that it is the caller's and has the permissions that
 * token_key_publish() gave it. -ENOKEY: none (or expired or revoked); -EPERM: somebody else's. */
int token_key_find(const char *account, int32_t *ret_serial);

/* Reads it. @ret_remaining_sec (may be NULL): seconds until the kernel ends it, rounded down to
 * what /proc/keys shows; UINT64_MAX if that cannot be told. -EPERM: it has no timeout, so it was
 * not token_key_publish() that wrote it last. */
int token_key_read(int32_t serial, Secret **ret_token, uint64_t *ret_remaining_sec);

/* Takes the key away at once. -ENOKEY if there was none. */
int token_key_remove(const char *account);

/* Tells of each account whose key lies in @u, and would be found there. -errno if @u cannot be
 * read. */
int token_key_for_each(void (*visit)(const char *account, int32_t serial, void *userdata),
                       void *userdata);

/* Removes keys that would never end: a process was killed between writing a token and setting its
 * timeout. */
void token_key_remove_torn(void);
