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

int main(void) {
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
