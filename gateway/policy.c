/* SPDX-License-Identifier: MIT */
#include "gateway/policy.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>

#define USER_NAME_MAX 256u
/* Entries larger than this are no user's that logs in by its own name. */
#define PASSWD_BUFFER_MAX (64u * 1024u)

/* getpwnam_r() answers an unknown user with 0 and no entry, or with one of these. */
static bool errno_means_unknown(int error) {
        return error == 0 || error == ENOENT || error == ESRCH || error == EBADF || error == EPERM;
}

int policy_find_user(const char *user, uid_t *ret) {
        _cleanup_free_ char *buffer = NULL;
        struct passwd entry, *found = NULL;
        int error = ERANGE;

        if (!user || !*user || strlen(user) > USER_NAME_MAX)
                return -ENOENT;

        for (size_t size = 1024; error == ERANGE; size *= 4) {
                if (size > PASSWD_BUFFER_MAX)
                        return -ERANGE;
                free(buffer);
                buffer = malloc(size);
                if (!buffer)
                        return -ENOMEM;
                error = getpwnam_r(user, &entry, buffer, size, &found);
        }
        if (!found)
                return errno_means_unknown(error) ? -ENOENT : -error;
        if (!streq(found->pw_name, user))
                return -ENOENT;

        *ret = found->pw_uid;
        return 0;
}

PolicyVerdict policy_judge_user(const ProviderConfig *config, const char *user, uid_t uid) {
        if (uid == 0 || uid < config->min_uid)
                return POLICY_UNMANAGED;
        if (!config->allow_users)
                return POLICY_ALLOWED;

        for (char **allowed = config->allow_users; *allowed; allowed++)
                if (streq(*allowed, user))
                        return POLICY_ALLOWED;
        return POLICY_DENIED;
}

bool policy_claim_is_user(const ProviderConfig *config, const char *claim, const char *user) {
        size_t length, domain_length;

        if (!claim || !user || !*user)
                return false;
        if (!config->strip_domain)
                return streq(claim, user);

        length = strlen(claim);
        domain_length = strlen(config->strip_domain);
        if (length <= domain_length)
                return false;
        length -= domain_length;
        return streq(claim + length, config->strip_domain) && strlen(user) == length &&
               memcmp(claim, user, length) == 0;
}
