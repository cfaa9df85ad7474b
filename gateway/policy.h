/* SPDX-License-Identifier: MIT */
#pragma once

/* Policy: who may log in here at all, and whether an identity of the provider is that local user.
 * The first is decided before any request to the provider, the second on a verified ID token. */

#include <stdbool.h>
#include <sys/types.h>

#include "common/config.h"

/* The uid of local user @user. -ENOENT: no such user, or one that the user database only finds
 * under another spelling: the name is later compared with a claim byte by byte, so it has to be the
 * one that counts on this host. Other -errno: the user database could not be asked. */
int policy_find_user(const char *user, uid_t *ret);

typedef enum PolicyVerdict {
        POLICY_DENIED,    /* managed by us, and not allowed */
        POLICY_UNMANAGED, /* below min_uid: root and system users are never ours */
        POLICY_ALLOWED,
} PolicyVerdict;

PolicyVerdict policy_judge_user(const ProviderConfig *config, const char *user, uid_t uid);

/* Whether @claim (the value of user_claim; NULL if the ID token has none) names @user: whole, byte
 * by byte, after strip_domain was cut off. Where strip_domain is set, a claim of another domain or
 * of none does not match. */
bool policy_claim_is_user(const ProviderConfig *config, const char *claim, const char *user);
