/* SPDX-License-Identifier: MIT */
#include "pam/account.h"

#include <security/pam_modutil.h>

#include "common/clock.h"
#include "pam/gateway-call.h"
#include "pam/handover.h"

#define DEADLINE_USEC (15 * USEC_PER_SEC)

static int check(const Transaction *t, Gateway *gateway, bool *ret_unmanaged) {
        uint64_t deadline_usec = clock_boottime_usec() + DEADLINE_USEC;
        int r;

        r = gateway_init(gateway, deadline_usec);
        if (r != 0)
                return r;
        return gateway_check_account(gateway, t->options.provider, t->user, deadline_usec,
                                     ret_unmanaged);
}

int account(Transaction *t, int argc, const char **argv) {
        _cleanup_(gateway_done) Gateway gateway = {0};
        const struct passwd *passwd;
        bool unmanaged = false;
        int options, r;

        options = transaction_options(t, argc, argv);
        r = transaction_user(t);
        if (r != 0)
                return transaction_fail(t, r, NULL);
        passwd = pam_modutil_getpwnam(t->pamh, t->user);
        if (!passwd)
                return transaction_fail(t, FAILURE_USER_UNKNOWN, NULL);
        /* Root is never ours to decide, so neither a broken gateway nor a slip in the PAM file may
         * keep root's key out. */
        if (passwd->pw_uid == 0)
                return PAM_IGNORE;
        if (options != 0)
                return transaction_fail(t, options, NULL);

        r = check(t, &gateway, &unmanaged);
        if (r != 0)
                return transaction_fail(t, r, gateway.detail);
        transaction_debug(t, "%s is %s", t->user, unmanaged ? "not managed" : "allowed");
        /* "account sufficient" must not wave through whom another module let in. */
        return !unmanaged && handover_present(t->pamh, t->user) ? PAM_SUCCESS : PAM_IGNORE;
}
