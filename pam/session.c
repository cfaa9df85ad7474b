/* SPDX-License-Identifier: MIT */
#include "pam/session.h"

#include <security/pam_modutil.h>

#include "common/clock.h"
#include "pam/gateway-call.h"
#include "pam/handover.h"
#include "pam/user-bus.h"

/* The session waits for its token, but not longer than this. */
#define DEADLINE_USEC (15 * USEC_PER_SEC)

/* Whether the daemon has the grant, or may have it, although AddGrant did not succeed. */
static bool is_kept(int failure) {
        return failure == OUTCOME_NO_KEYRING || failure == FAILURE_DAEMON_SLOW;
}

static int hand_over(const Transaction *t, Gateway *gateway, const char *login_id) {
        _cleanup_close_ int grant_fd = -1;
        uint64_t deadline_usec = clock_boottime_usec() + DEADLINE_USEC;
        const struct passwd *passwd;
        int r;

        passwd = pam_modutil_getpwnam(t->pamh, t->user);
        if (!passwd)
                return FAILURE_USER_UNKNOWN;

        r = gateway_init(gateway, deadline_usec);
        if (r != 0)
                return r;
        r = gateway_claim_grant(gateway, login_id, t->user, deadline_usec, &grant_fd);
        if (r != 0)
                return r;

        transaction_debug(t, "handing the grant to the keyring of %s", t->user);
        r = user_bus_add_grant(passwd->pw_uid, passwd->pw_gid, grant_fd, deadline_usec);
        /* Claimed and not kept: nobody could ever use it again, or end it. */
        if (r != 0 && !is_kept(r))
                gateway_revoke(gateway, grant_fd);
        return r;
}

int session_open(Transaction *t, int argc, const char **argv) {
        _cleanup_(gateway_done) Gateway gateway = {0};
        char login_id[LOGIN_ID_LENGTH + 1] = "";
        int options, taken, r;

        options = transaction_options(t, argc, argv);
        r = transaction_user(t);
        /* A name that is no use to us is not one that we logged in; the variable goes all the same.
         */
        taken = handover_take(t->pamh, r == 0 ? t->user : "", login_id);
        if (taken == 0)
                return PAM_IGNORE;

        r = options;
        if (r == 0)
                r = hand_over(t, &gateway, login_id);
        explicit_bzero(login_id, sizeof(login_id));
        if (r != 0)
                return transaction_fail(t, r, gateway.detail);
        return PAM_SUCCESS;
}
