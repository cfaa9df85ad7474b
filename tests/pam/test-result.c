/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>

#include <errno.h>
#include <syslog.h>

#include <security/pam_modules.h>

#include "common/macro.h"
#include "pam/result.h"

/* Whatever comes in, nobody is let in by it. */
static void check_fails_closed(void) {
        for (int failure = -200; failure < _FAILURE_MAX + 200; failure++)
                for (int phase = 0; phase < _PHASE_MAX; phase++) {
                        int code = result_pam_code(failure, (Phase)phase);

                        assert(code > PAM_SUCCESS && code != PAM_IGNORE);
                        assert(result_name(failure));
                        assert(result_priority(failure) >= LOG_CRIT);
                        assert(result_priority(failure) <= LOG_DEBUG);
                }
}

static void check_rows(void) {
        for (int failure = OUTCOME_SUCCESS + 1; failure < _FAILURE_MAX; failure++) {
                const char *message = result_message(failure);

                assert(result_priority(failure) != 0); /* a forgotten row */
                assert(!streq(result_name(failure), "Internal"));
                assert(result_pam_code(failure, PHASE_SESSION) == PAM_SESSION_ERR);
                if (message)
                        assert(message[strlen(message) - 1] == '.');
                for (int other = failure + 1; other < _FAILURE_MAX; other++)
                        assert(!streq(result_name(failure), result_name(other)));
        }
}

/* Whoever was refused stays refused: no other module of the stack is asked after that. */
static void check_refusals(void) {
        static const struct {
                Outcome outcome;
                int auth;
        } refusals[] = {
                {OUTCOME_ACCESS_DENIED, PAM_AUTH_ERR},
                {OUTCOME_USER_MISMATCH, PAM_AUTH_ERR},
                {OUTCOME_USER_NOT_ALLOWED, PAM_PERM_DENIED},
                {OUTCOME_IDENTITY_NOT_ALLOWED, PAM_AUTH_ERR},
                {OUTCOME_AUTHENTICATION_WEAK, PAM_AUTH_ERR},
                {OUTCOME_IDENTITY_CHANGED, PAM_AUTH_ERR},
                {OUTCOME_ID_TOKEN_INVALID, PAM_AUTH_ERR},
        };
        /* nobody was let in, and nobody was judged either */
        static const Outcome unfinished[] = {OUTCOME_CODE_EXPIRED, OUTCOME_CANCELLED,
                                             OUTCOME_LOGIN_LOST, OUTCOME_UNKNOWN_LOGIN,
                                             OUTCOME_LOGIN_REQUIRED};

        for (size_t i = 0; i < ELEMENTSOF(refusals); i++) {
                assert(result_pam_code((int)refusals[i].outcome, PHASE_AUTH) == refusals[i].auth);
                assert(result_pam_code((int)refusals[i].outcome, PHASE_ACCOUNT) == PAM_PERM_DENIED);
        }
        for (size_t i = 0; i < ELEMENTSOF(unfinished); i++)
                assert(result_pam_code((int)unfinished[i], PHASE_AUTH) == PAM_AUTH_ERR);
        assert(result_pam_code(OUTCOME_NOT_PERMITTED, PHASE_AUTH) == PAM_CRED_INSUFFICIENT);
        assert(result_pam_code(OUTCOME_NOT_PERMITTED, PHASE_ACCOUNT) == PAM_PERM_DENIED);
        assert(result_pam_code(FAILURE_NOT_APPROVED, PHASE_AUTH) == PAM_AUTH_ERR);
}

int main(void) {
        check_refusals();
        check_fails_closed();
        check_rows();
        assert(result_pam_code(-ENOMEM, PHASE_AUTH) == PAM_BUF_ERR);
        assert(result_pam_code(-EIO, PHASE_AUTH) == PAM_SYSTEM_ERR);
        assert(result_from_error_name("org.oidckeyring.Error.CodeExpired", 1000) ==
               OUTCOME_CODE_EXPIRED);
        assert(result_from_error_name("org.oidckeyring.Error.Nonsense", 1000) == 1000);
        assert(result_from_error_name(NULL, 1000) == 1000);
        return 0;
}
