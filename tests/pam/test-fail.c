/* SPDX-License-Identifier: MIT */

/* The module where memory or a system call fails: it never lets in whom the gateway did not, never
 * says that a session has a token when it has none, and leaves nothing behind in its host. */

#undef NDEBUG
#include <assert.h>

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>

#include <security/pam_appl.h>
#include <security/pam_ext.h>
#include <security/pam_modules.h>

#include "common/macro.h"
#include "tests/pam/fake-address.h"
#include "tests/pam/fake-bus.h"
#include "tests/pam/fake-clock.h"
#include "tests/pam/fakepam.h"
#include "tests/pam/transcript.h"
#include "tests/unit/fail-nth.h"

static FakeBus system_bus, user_bus;
static char folder[] = "/tmp/oidc-pam.XXXXXX";

/* What libpam does for the module: it may fail, but it is no part of what is tried. */

int __real_pam_putenv(pam_handle_t *pamh, const char *name_value);
int __wrap_pam_putenv(pam_handle_t *pamh, const char *name_value);
int __wrap_pam_putenv(pam_handle_t *pamh, const char *name_value) {
        unsigned paused;
        int r;

        if (fail_nth_memory_fails())
                return PAM_BUF_ERR;
        paused = fail_nth_pause();
        r = __real_pam_putenv(pamh, name_value);
        fail_nth_resume(paused);
        return r;
}

int __real_pam_set_data(pam_handle_t *pamh, const char *name, void *data,
                        void (*cleanup)(pam_handle_t *pamh, void *data, int status));
int __wrap_pam_set_data(pam_handle_t *pamh, const char *name, void *data,
                        void (*cleanup)(pam_handle_t *pamh, void *data, int status));
int __wrap_pam_set_data(pam_handle_t *pamh, const char *name, void *data,
                        void (*cleanup)(pam_handle_t *pamh, void *data, int status)) {
        unsigned paused;
        int r;

        if (fail_nth_memory_fails())
                return PAM_BUF_ERR;
        paused = fail_nth_pause();
        r = __real_pam_set_data(pamh, name, data, cleanup);
        fail_nth_resume(paused);
        return r;
}

void __real_pam_vsyslog(const pam_handle_t *pamh, int priority, const char *format, va_list args);
void __wrap_pam_vsyslog(const pam_handle_t *pamh, int priority, const char *format, va_list args);
void __wrap_pam_vsyslog(const pam_handle_t *pamh, int priority, const char *format, va_list args) {
        unsigned paused = fail_nth_pause();

        __real_pam_vsyslog(pamh, priority, format, args);
        fail_nth_resume(paused);
}

static int converse(int n_messages, const struct pam_message **messages,
                    struct pam_response **ret_responses, void *userdata) {
        unsigned paused = fail_nth_pause();

        (void)messages, (void)userdata;
        assert(n_messages == 1);
        *ret_responses = calloc(1, sizeof(**ret_responses));
        assert(*ret_responses);
        (*ret_responses)->resp = strdup("typed");
        fail_nth_resume(paused);
        return PAM_SUCCESS;
}

/* A transaction of alice's: in all of it but one call nothing fails. */

static pam_handle_t *begin(const char *service) {
        static const struct pam_conv conv = {.conv = converse};
        pam_handle_t *pamh = fakepam_new();

        fakepam_set_item(pamh, PAM_USER, "alice");
        fakepam_set_item(pamh, PAM_SERVICE, service);
        fakepam_set_item(pamh, PAM_RHOST, "192.0.2.1");
        fakepam_set_conv(pamh, &conv);
        fakepam_set_passwd(pamh, 1000, 1000);
        return pamh;
}

static int run_authenticate(const char *service, int granted) {
        pam_handle_t *pamh = begin(service);
        int code = FAIL_NTH(pam_sm_authenticate(pamh, 0, 0, NULL));

        assert(granted == PAM_SUCCESS || (code != PAM_SUCCESS && code != PAM_IGNORE));
        assert(code == granted || fail_nth_injected());
        fakepam_free(pamh);
        return code == granted ? 0 : code;
}

static int try_authenticate(void) {
        return run_authenticate("sshd", PAM_SUCCESS);
}

static int try_authenticate_denied(void) {
        return run_authenticate("sshd", PAM_AUTH_ERR);
}

static int run_account(int verdict) {
        pam_handle_t *pamh = begin("sshd");
        int code = FAIL_NTH(pam_sm_acct_mgmt(pamh, 0, 0, NULL));

        /* An ssh key logged in: the module only has a say where it denies. */
        assert(code == verdict || (fail_nth_injected() && code != PAM_SUCCESS));
        assert(verdict == PAM_IGNORE || code != PAM_IGNORE);
        fakepam_free(pamh);
        return code == verdict ? 0 : code;
}

static int try_account(void) {
        return run_account(PAM_IGNORE);
}

static int try_account_denied(void) {
        return run_account(PAM_PERM_DENIED);
}

/* The login id must not stay where the session's processes see it. */
static void check_environment(pam_handle_t *pamh) {
        for (char **v = fakepam_environment(pamh); v < fakepam_environment(pamh) + 8; v++)
                assert(!*v || !strstr(*v, TRANSCRIPT_LOGIN_ID));
}

static int try_session(void) {
        pam_handle_t *pamh = begin("sshd");
        int code;

        assert(pam_sm_authenticate(pamh, 0, 0, NULL) == PAM_SUCCESS);
        assert(pam_sm_setcred(pamh, PAM_ESTABLISH_CRED, 0, NULL) == PAM_SUCCESS);
        fakepam_set_passwd(pamh, geteuid(), getegid());
        code = FAIL_NTH(pam_sm_open_session(pamh, 0, 0, NULL));
        assert(code != PAM_IGNORE && (code == PAM_SUCCESS || fail_nth_injected()));
        check_environment(pamh);
        (void)pam_sm_close_session(pamh, 0, 0, NULL);
        fakepam_free(pamh);
        return code;
}

static void with_system_bus(const char *member, const char *behaviour) {
        system_bus.label = "system";
        if (member)
                fake_bus_set_reply(&system_bus, member, behaviour);
        fake_bus_start(&system_bus, folder, 0);
        fake_address_set(system_bus.path, user_bus.path);
}

int main(void) {
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

        if (!fail_nth_works()) {
                (void)puts("a sanitizer has malloc() itself");
                return 77;
        }
        assert(null >= 0 && mkdtemp(folder));
        transcript_open(null);
        fake_clock_speed(50);
        user_bus.label = "user";
        fake_bus_start(&user_bus, folder, 0);

        with_system_bus(NULL, NULL);
        fail_nth_run("authenticate", try_authenticate);
        fail_nth_run("account", try_account);
        fail_nth_run("session", try_session);
        fake_bus_stop(&system_bus);
        with_system_bus("AwaitLogin", "error org.oidckeyring.Error.AccessDenied No.");
        fail_nth_run("authenticate, denied", try_authenticate_denied);
        fake_bus_stop(&system_bus);
        with_system_bus("CheckAccount", "error org.oidckeyring.Error.UserNotAllowed No.");
        fail_nth_run("account, denied", try_account_denied);
        fake_bus_stop(&system_bus);
        fake_bus_stop(&user_bus);
        return rmdir(folder);
}
