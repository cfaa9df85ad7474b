/* SPDX-License-Identifier: MIT */
#include "gateway/policy.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "gateway/display-text.h"
#include "gateway/user-map.h"

#define USER_NAME_MAX 256u
/* Entries larger than this are no user's that logs in by its own name. */
#define PASSWD_BUFFER_MAX (64u * 1024u)
#define DETAIL_TEXT_MAX 64u

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

static bool list_has(char *const *list, const char *name) {
        for (; *list; list++)
                if (streq(*list, name))
                        return true;
        return false;
}

/* Read anew each time: a line that was taken out of it must not count any more. */
static int map_says(const ProviderConfig *config, const char *user, const char *subject, bool *ret,
                    char **ret_problem) {
        _cleanup_(user_map_freep) UserMap *map = NULL;
        int r;

        r = user_map_read(config->user_map, &map, ret_problem);
        if (r < 0)
                return r == -EINVAL ? OUTCOME_CONFIGURATION : r;
        *ret = user_map_has(map, user, config->issuer, subject);
        return 0;
}

/* What min_uid cannot keep out: users that lie above those of people. */
static const struct {
        uid_t first, last;
} not_people[] = {
        {0, 0},                   /* root */
        {61184, 65519},           /* DynamicUser= of systemd.exec(5) */
        {65534, 65535},           /* nobody, and (uid_t)-1 in 16 bits */
        {UINT32_MAX, UINT32_MAX}, /* (uid_t)-1 */
};

static bool is_managed(const ProviderConfig *config, uid_t uid) {
        for (size_t i = 0; i < ELEMENTSOF(not_people); i++)
                if (uid >= not_people[i].first && uid <= not_people[i].last)
                        return false;
        return uid >= config->min_uid;
}

int policy_judge_user(const ProviderConfig *config, const char *user, uid_t uid, PolicyVerdict *ret,
                      char **ret_problem) {
        bool allowed = true;
        int r;

        *ret_problem = NULL;
        if (!is_managed(config, uid)) {
                *ret = POLICY_UNMANAGED;
                return 0;
        }
        if (config->allow_users)
                allowed = list_has(config->allow_users, user);
        if (allowed && config->user_map) {
                r = map_says(config, user, NULL, &allowed, ret_problem);
                if (r != 0)
                        return r;
        }
        *ret = allowed ? POLICY_ALLOWED : POLICY_DENIED;
        return 0;
}

int policy_confirm_subject(const ProviderConfig *config, const char *user, const char *subject,
                           char **ret_problem) {
        bool same = true;
        int r = 0;

        *ret_problem = NULL;
        if (config->user_map)
                r = map_says(config, user, subject, &same, ret_problem);
        return r == 0 && !same ? OUTCOME_USER_MISMATCH : r;
}

/* Not toupper(): what a letter is must not depend on a locale. */
static char fold(char c, bool ignore_case) {
        return (char)(ignore_case && c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static bool text_equal(const char *a, const char *b, size_t n, bool ignore_case) {
        for (size_t i = 0; i < n; i++)
                if (fold(a[i], ignore_case) != fold(b[i], ignore_case))
                        return false;
        return true;
}

bool policy_claim_is_user(const ProviderConfig *config, const char *claim, const char *user) {
        const char *domain = config->strip_domain ? config->strip_domain : "";
        size_t length, domain_length = strlen(domain);

        if (!claim || !user)
                return false;
        length = strlen(claim);
        if (length <= domain_length) /* so an empty claim is nobody */
                return false;
        length -= domain_length;
        return strlen(user) == length && text_equal(claim, user, length, config->ignore_case) &&
               text_equal(claim + length, domain, domain_length, config->ignore_case);
}

/* @foreign, cleaned, or NULL. A detail that there is no memory for is no detail. */
static int refuse(Outcome outcome, char **ret_detail, const char *rule, const char *foreign) {
        _cleanup_free_ char *clean = foreign ? display_text_clean(foreign, DETAIL_TEXT_MAX) : NULL;

        if (asprintf(ret_detail, "%s%s", rule, clean ? clean : "") < 0)
                *ret_detail = NULL;
        return (int)outcome;
}

static int judge_person(const ProviderConfig *config, const Identity *identity, const char *user,
                        char **ret_detail) {
        const char *claim;
        bool same = false;
        int r;

        if (config->user_map) {
                r = map_says(config, user, identity_subject(identity), &same, ret_detail);
                if (r != 0)
                        return r;
                return same ? 0
                            : refuse(OUTCOME_USER_MISMATCH, ret_detail,
                                     "user_map has no line for this subject", NULL);
        }
        claim = identity_claim_text(identity, config->user_claim);
        if (!claim)
                return refuse(OUTCOME_USER_MISMATCH, ret_detail,
                              "no such claim: ", config->user_claim);
        return policy_claim_is_user(config, claim, user)
                       ? 0
                       : refuse(OUTCOME_USER_MISMATCH, ret_detail, "approved by another: ", claim);
}

static int judge_groups(const ProviderConfig *config, const Identity *identity, char **ret_detail) {
        if (!config->allow_groups)
                return 0;
        for (char **group = config->allow_groups; *group; group++)
                if (identity_claim_lists(identity, config->groups_claim, *group))
                        return 0;
        return refuse(OUTCOME_IDENTITY_NOT_ALLOWED, ret_detail,
                      identity_claim(identity, config->groups_claim)
                              ? "allow_groups: none of them is in "
                              : "allow_groups: there is no claim ",
                      config->groups_claim);
}

/* The name in a "CLAIM=VALUE". NULL: no memory. */
static char *required_name(const char *required) {
        return strndup(required, strcspn(required, "="));
}

static int judge_claims(const ProviderConfig *config, const Identity *identity, char **ret_detail) {
        for (char **required = config->require_claim; required && *required; required++) {
                _cleanup_free_ char *name = required_name(*required);

                if (!name)
                        return -ENOMEM;
                if (!identity_claim_is(identity, name, *required + strlen(name) + 1))
                        return refuse(OUTCOME_IDENTITY_NOT_ALLOWED, ret_detail,
                                      "require_claim: ", name);
        }
        return 0;
}

int policy_judge_identity(const ProviderConfig *config, const Identity *identity, const char *user,
                          char **ret_detail) {
        int r;

        *ret_detail = NULL;
        r = judge_person(config, identity, user, ret_detail);
        if (r == 0)
                r = judge_groups(config, identity, ret_detail);
        if (r == 0)
                r = judge_claims(config, identity, ret_detail);
        return r;
}

bool policy_lacks_claims(const ProviderConfig *config, const Identity *identity) {
        if (!config->user_map && !identity_claim(identity, config->user_claim))
                return true;
        if (config->allow_groups && !identity_claim(identity, config->groups_claim))
                return true;
        for (char **required = config->require_claim; required && *required; required++) {
                _cleanup_free_ char *name = required_name(*required);

                if (name && !identity_claim(identity, name))
                        return true;
        }
        return false;
}
