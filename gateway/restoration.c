/* SPDX-License-Identifier: MIT */
#include "gateway/restoration.h"

#include <errno.h>

#include "common/log.h"
#include "gateway/policy.h"
#include "gateway/result-text.h"

/* 0; an Outcome that says no, or that it cannot be said now; -errno. */
static int user_may_have(const Restoration *restoration, const ProviderConfig *config, uid_t uid,
                         const Grant *grant) {
        _cleanup_free_ char *problem = NULL;
        PolicyVerdict verdict = POLICY_DENIED;
        uid_t found;
        int r;

        r = policy_find_user(grant->user, &found);
        if (r < 0) /* also an unknown one: a directory may be up later than the host */
                return r == -ENOENT ? -ESRCH : r;
        if (found != uid)
                return OUTCOME_USER_NOT_ALLOWED;
        r = policy_judge_user(config, grant->user, uid, &verdict, &problem);
        if (r != 0)
                return r;
        if (verdict != POLICY_ALLOWED || !grant_files_user_lingers(restoration->files, grant->user))
                return OUTCOME_USER_NOT_ALLOWED;
        r = policy_confirm_subject(config, grant->user, grant->subject, &problem);
        if (r != 0)
                return r;
        return bindings_confirm(restoration->bindings, config, grant->user, grant->subject);
}

static bool says_never(int result) {
        return result == OUTCOME_USER_NOT_ALLOWED || result == OUTCOME_USER_MISMATCH ||
               result == OUTCOME_IDENTITY_CHANGED;
}

static int restore(const Restoration *restoration, Provider *provider, uid_t uid, Grant **ret) {
        const ProviderConfig *config = provider_config(provider);
        _cleanup_(grant_freep) Grant *grant = NULL;
        int r;

        if (!config->persist) {
                grant_files_remove(restoration->files, uid, config->name);
                return -ENOENT;
        }
        r = grant_files_read(restoration->files, config, uid, &grant);
        if (r < 0)
                return r == -ESTALE ? -ENOENT : r;
        r = user_may_have(restoration, config, uid, grant);
        if (r != 0)
                log_notice("Grant of %s (uid %u) through %s: not given back after a reboot, %s; "
                           "issuer %s subject %s",
                           grant->user, (unsigned)uid, grant->account, result_text(r),
                           grant->issuer, grant->subject);
        if (says_never(r)) {
                revocation_discard(restoration->revocations, provider, grant->refresh_token, NULL);
                grant_files_remove(restoration->files, uid, config->name);
                return -ENOENT;
        }
        if (r != 0)
                return r;
        log_info("Grant of %s (uid %u) through %s: given back; issuer %s subject %s", grant->user,
                 (unsigned)uid, grant->account, grant->issuer, grant->subject);
        *ret = TAKE_PTR(grant);
        return 0;
}

int restoration_next(const Restoration *restoration, uid_t uid, const char *after, Grant **ret) {
        Provider *provider;
        int r;

        do {
                r = configuration_provider_after(restoration->configuration, after, &provider);
                if (r == OUTCOME_UNKNOWN_PROVIDER)
                        return OUTCOME_UNKNOWN_ACCOUNT;
                if (r != 0)
                        return r;
                after = provider_config(provider)->name;
                r = restore(restoration, provider, uid, ret);
        } while (r == -ENOENT);
        return r;
}

/* Also where it cannot be told now. */
static int is_wanted(uid_t uid, const char *account, void *userdata) {
        const Restoration *restoration = userdata;
        Provider *provider;
        int r;

        (void)uid;
        r = configuration_provider(restoration->configuration, account, &provider);
        if (r == OUTCOME_UNKNOWN_PROVIDER)
                return 0;
        return r != 0 || provider_config(provider)->persist;
}

void restoration_sweep(const Restoration *restoration) {
        grant_files_sweep(restoration->files, is_wanted, (void *)restoration);
}
