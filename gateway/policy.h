/* SPDX-License-Identifier: MIT */
#pragma once

/* Policy: who may log in here, in two steps. What the host alone knows is decided before any
 * request to the provider, and for logins that do not use it, too; who approved is judged on the
 * verified identity. */

#include <stdbool.h>
#include <sys/types.h>

#include "common/config.h"
#include "common/outcome.h"
#include "gateway/identity.h"

/* The uid of local user @user. -ENOENT: no such user, or one that the user database only finds
 * under another spelling: the name is later compared with a claim byte by byte, so it has to be the
 * one that counts on this host. Other -errno: the user database could not be asked. */
int policy_find_user(const char *user, uid_t *ret);

typedef enum PolicyVerdict {
        POLICY_DENIED,    /* managed by us, and not allowed */
        POLICY_UNMANAGED, /* below min_uid, nobody, or of systemd's dynamic users: never ours */
        POLICY_ALLOWED,
} PolicyVerdict;

/* By min_uid, allow_users, and whether user_map has a line for @user. 0; OUTCOME_CONFIGURATION: the
 * user_map cannot be used, *ret_problem (or NULL) says why and is the caller's to free; -ENOMEM. */
int policy_judge_user(const ProviderConfig *config, const char *user, uid_t uid, PolicyVerdict *ret,
                      char **ret_problem);

/* Whether the user_map, if there is one, still says that @user is @subject: for a grant of a login
 * that was judged before. 0, OUTCOME_USER_MISMATCH, OUTCOME_CONFIGURATION as above; -ENOMEM. */
int policy_confirm_subject(const ProviderConfig *config, const char *user, const char *subject,
                           char **ret_problem);

/* Whether @identity is @user, and one that may log in. 0; OUTCOME_USER_MISMATCH: it is somebody
 * else; OUTCOME_IDENTITY_NOT_ALLOWED: allow_groups or require_claim is against it;
 * OUTCOME_CONFIGURATION as above; -ENOMEM. *ret_detail (or NULL) names the rule for the log, fit
 * for a terminal, and is the caller's to free. No claim but the name's is quoted in it. */
int policy_judge_identity(const ProviderConfig *config, const Identity *identity, const char *user,
                          char **ret_detail);

/* Whether a claim is absent that it depends on: worth asking for UserInfo. */
bool policy_lacks_claims(const ProviderConfig *config, const Identity *identity);

/* Whether @claim (the value of user_claim; NULL if the identity has none) names @user: whole, byte
 * by byte, after strip_domain was cut off. Where strip_domain is set, a claim of another domain or
 * of none does not match. With ignore_case the letters A to Z equal a to z; no others do. */
bool policy_claim_is_user(const ProviderConfig *config, const char *claim, const char *user);
