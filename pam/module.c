/* SPDX-License-Identifier: MIT */

/* What libpam calls: one thin wrapper each, and nothing else leaves this file's object. */

#include <security/pam_modules.h>

#include "pam/account.h"
#include "pam/authenticate.h"
#include "pam/handover.h"
#include "pam/session.h"
#include "pam/transaction.h"

#define EXPORT __attribute__((visibility("default")))

EXPORT int pam_sm_authenticate(pam_handle_t *pamh, int flags, int argc, const char **argv) {
        Transaction t = {.pamh = pamh, .phase = PHASE_AUTH, .silent = flags & PAM_SILENT};

        return authenticate(&t, argc, argv);
}

/* Never PAM_IGNORE: that would change where a stack with jumps goes. */
EXPORT int pam_sm_setcred(pam_handle_t *pamh, int flags, int argc, const char **argv) {
        (void)argc;
        (void)argv;

        /* Nothing of the login is left in the environment even where the session line is missing.
         */
        if (!(flags & PAM_DELETE_CRED))
                handover_adopt(pamh);
        return PAM_SUCCESS;
}

EXPORT int pam_sm_acct_mgmt(pam_handle_t *pamh, int flags, int argc, const char **argv) {
        Transaction t = {.pamh = pamh, .phase = PHASE_ACCOUNT, .silent = flags & PAM_SILENT};

        return account(&t, argc, argv);
}

EXPORT int pam_sm_open_session(pam_handle_t *pamh, int flags, int argc, const char **argv) {
        Transaction t = {.pamh = pamh, .phase = PHASE_SESSION, .silent = flags & PAM_SILENT};

        return session_open(&t, argc, argv);
}

/* The daemon notices the last logout by itself. */
EXPORT int pam_sm_close_session(pam_handle_t *pamh, int flags, int argc, const char **argv) {
        (void)pamh;
        (void)flags;
        (void)argc;
        (void)argv;
        return PAM_SUCCESS;
}

/* There is no password here to change. */
EXPORT int pam_sm_chauthtok(pam_handle_t *pamh, int flags, int argc, const char **argv) {
        (void)pamh;
        (void)flags;
        (void)argc;
        (void)argv;
        return PAM_IGNORE;
}
