/* SPDX-License-Identifier: MIT */

/* Whole logins and renewals in the gateway where memory or a system call fails: whoever asked is
 * told exactly once, a grant is whole or is not there, and nobody gets in whom the identity does
 * not. */

#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/clock.h"
#include "common/names.h"
#include "gateway/login.h"
#include "gateway/refreshes.h"
#include "tests/unit/fail-nth.h"
#include "tests/unit/fake-provider.h"
#include "tests/unit/key-server.h"
#include "tests/unit/step-clock.h"

#define USER "alice"
#define PATIENCE 60 /* steps of a second: longer than any interval or retry here */

/* The provider itself does not fail. */
int __real_http_exchange_start(HttpClient *client, const HttpRequest *request,
                               HttpCallback callback, void *userdata, HttpExchange **ret);
int __wrap_http_exchange_start(HttpClient *client, const HttpRequest *request,
                               HttpCallback callback, void *userdata, HttpExchange **ret);
int __wrap_http_exchange_start(HttpClient *client, const HttpRequest *request,
                               HttpCallback callback, void *userdata, HttpExchange **ret) {
        unsigned paused;
        int r;

        if (fail_nth_memory_fails())
                return -ENOMEM;
        paused = fail_nth_pause();
        r = __real_http_exchange_start(client, request, callback, userdata, ret);
        fail_nth_resume(paused);
        return r;
}

static char more[256]; /* of the configuration */
static sd_event *event;
static HttpClient *http;
static Configuration *configuration;
static Provider *provider;
static Revocations *revocations;
static Bindings *bindings;

static void setup(void) {
        fake_provider_reset(more);
        assert(sd_event_new(&event) >= 0);
        assert(http_client_new(event, &http) == 0);
        assert(configuration_new(fake_provider_root(), http, &configuration) == 0);
        assert(revocations_new(event, &revocations) == 0);
        assert(bindings_new(fake_provider_root(), &bindings) == 0);
        assert(configuration_provider(configuration, "corp", &provider) == 0);
}

static void teardown(void) {
        revocations = revocations_free(revocations);
        bindings = bindings_free(bindings);
        configuration = configuration_free(configuration);
        http = http_client_free(http);
        step_clock_reset();
        event = sd_event_unref(event);
        ERR_clear_error();
}

/* Until *@condition. False where the loop itself failed, with which the gateway ends. */
static bool run_until(const bool *condition) {
        int r;

        for (unsigned i = 0; i < PATIENCE; i++) {
                for (r = 1; r > 0;) {
                        r = FAIL_NTH(sd_event_run(event, 0));
                        if (r < 0)
                                return false;
                }
                if (*condition)
                        return true;
                step_clock_advance(USEC_PER_SEC);
        }
        assert(!"everybody who asked is told");
        return false;
}

typedef struct Heard {
        Login *login;
        bool begun, awaited;
        int begun_result, awaited_result;
} Heard;

static void on_begun(Login *login, int result, void *userdata) {
        Heard *heard = userdata;

        assert(!heard->begun && (result != 0 || login_challenge(login)));
        heard->begun = true;
        heard->begun_result = result;
}

static void on_awaited(Login *login, int result, void *userdata) {
        Heard *heard = userdata;

        (void)login;
        assert(!heard->awaited);
        heard->awaited = true;
        heard->awaited_result = result;
}

static void on_over(Login *login, void *userdata) {
        Heard *heard = userdata;

        assert(login == heard->login);
        heard->login = login_free(login);
}

static int log_in(Heard *heard) {
        const LoginRequest request = {.user = USER,
                                      .service = "sshd",
                                      .rhost = "",
                                      .user_uid = 1000,
                                      .bindings = bindings};
        int r;

        r = FAIL_NTH(
                login_new(event, provider, revocations, &request, on_over, heard, &heard->login));
        assert((r == 0) == (heard->login != NULL));
        if (r < 0)
                return r;
        fail_nth_arm();
        login_begin(heard->login, on_begun, heard);
        fail_nth_disarm();
        if (!run_until(&heard->begun))
                return -EIO;
        if (heard->begun_result != 0)
                return heard->begun_result;
        if (!heard->login)
                return OUTCOME_CANCELLED; /* it ended before anybody asked */
        fail_nth_arm();
        login_await(heard->login, on_awaited, heard);
        fail_nth_disarm();
        return run_until(&heard->awaited) ? heard->awaited_result : -EIO;
}

static int claim(Heard *heard) {
        _cleanup_(grant_freep) Grant *grant = NULL;
        int r;

        if (!heard->login)
                return OUTCOME_CANCELLED;
        r = FAIL_NTH(login_claim(heard->login, &grant));
        assert((r == 0) == (grant != NULL));
        if (r < 0)
                return r;
        assert(streq(grant->user, USER) && streq(grant->subject, "sub-" USER));
        assert(streq(grant->issuer, FAKE_ISSUER) && streq(grant->account, "corp"));
        assert(streq(secret_bytes(grant->access_token), "access-of-r1"));
        assert(streq(secret_bytes(grant->refresh_token), "r1"));
        assert(grant->lifetime_usec == 300 * USEC_PER_SEC);
        return 0;
}

static int try_login(void) {
        Heard heard = {0};
        int r;

        setup();
        fake_provider_grant(USER, "r1");
        r = log_in(&heard);
        if (r == 0)
                r = claim(&heard);
        login_free(heard.login);
        teardown();
        return r;
}

/* Approved by somebody else: whatever fails, it is no success. */
static int try_login_of_another(void) {
        Heard heard = {0};
        int r;

        setup();
        fake_provider_grant("mallory", "r1");
        r = log_in(&heard);
        assert(r != 0);
        login_free(heard.login);
        teardown();
        return r == OUTCOME_USER_MISMATCH ? 0 : r;
}

typedef struct Answer {
        bool here;
        int result;
} Answer;

static void on_renewed(int result, const Grant *grant, void *userdata) {
        Answer *answer = userdata;

        assert(!answer->here && (result == 0) == (grant != NULL));
        *answer = (Answer){.here = true, .result = result};
        if (!grant)
                return;
        assert(grant->generation == 5 && streq(grant->subject, "sub-" USER));
        assert(streq(secret_bytes(grant->access_token), "access-of-r2"));
        assert(streq(secret_bytes(grant->refresh_token), "r2"));
}

static int renew_for(const char *user, unsigned *ret_n_revoked) {
        Refreshes *refreshes = NULL;
        GrantFiles *files = NULL;
        Grant *grant;
        Answer answer = {0};
        int r = -EIO;

        setup();
        fake_provider_grant(user, "r2");
        assert(grant_files_new(fake_provider_root(), &files) == 0);
        assert(refreshes_new(event, revocations, files, &refreshes) == 0);
        grant = fake_provider_old_grant(USER, "r1", 4);
        fail_nth_arm();
        refreshes_renew(refreshes, provider, 1000, grant, on_renewed, &answer);
        fail_nth_disarm();
        if (run_until(&answer.here))
                r = answer.result;
        while (sd_event_run(event, 0) > 0)
                ;
        *ret_n_revoked = fake_provider_requests(FAKE_REVOCATION);
        refreshes_free(refreshes);
        grant_files_free(files);
        teardown();
        return r;
}

/* Out of memory is no reason to tell anybody to log in again, nor to revoke what came. */
static int try_renewal(void) {
        unsigned n_revoked;
        int r = renew_for(USER, &n_revoked);

        assert(n_revoked == 0);
        assert(r != OUTCOME_LOGIN_REQUIRED && r != OUTCOME_USER_MISMATCH);
        return r;
}

static int try_renewal_of_another(void) {
        unsigned n_revoked;
        int r = renew_for("mallory", &n_revoked);

        assert(r != 0 && (r == OUTCOME_USER_MISMATCH || fail_nth_injected()));
        return r == OUTCOME_USER_MISMATCH ? 0 : r;
}

/* Grants that outlive a reboot. */

static const ProviderConfig persisting = {.name = (char *)"corp",
                                          .issuer = (char *)FAKE_ISSUER,
                                          .client_id = (char *)"ssh-login",
                                          .persist = true};

static void make_host(void) {
        _cleanup_free_ char *command = NULL;

        assert(asprintf(&command,
                        "cd %s && mkdir -p etc ." STATE_FOLDER " var/lib/systemd/linger && "
                        "echo 0123456789abcdef0123456789abcdef >etc/machine-id && "
                        "touch var/lib/systemd/linger/" USER,
                        fake_provider_root()) > 0);
        assert(system(command) == 0);
}

static bool keep(GrantFiles *files, const char *refresh_token, uint64_t generation) {
        _cleanup_(grant_freep) Grant *grant =
                fake_provider_old_grant(USER, refresh_token, generation);

        fail_nth_arm();
        grant_files_keep(files, &persisting, 1000, grant);
        fail_nth_disarm();
        return grant->kept_on_disk;
}

/* What is kept of @generation, or nothing; never the one before. */
static int read_kept(uint64_t generation) {
        _cleanup_(grant_files_freep) GrantFiles *files = NULL;
        _cleanup_(grant_freep) Grant *grant = NULL;
        int r;

        assert(grant_files_new(fake_provider_root(), &files) == 0);
        r = FAIL_NTH(grant_files_read(files, &persisting, 1000, &grant));
        assert(r != -ESTALE && (r == 0) == (grant != NULL));
        assert(r < 0 || grant->generation == generation);
        return r;
}

static int try_keep(void) {
        _cleanup_(grant_files_freep) GrantFiles *files = NULL;
        bool is_kept;
        int r;

        assert(grant_files_new(fake_provider_root(), &files) == 0);
        grant_files_remove(files, 1000, "corp");
        {
                _cleanup_(grant_freep) Grant *first = fake_provider_old_grant(USER, "r1", 4);

                grant_files_keep(files, &persisting, 1000, first);
                assert(first->kept_on_disk);
        }
        files = grant_files_free(files);
        assert(grant_files_new(fake_provider_root(), &files) == 0);

        is_kept = keep(files, "r2", 5);
        r = read_kept(5);
        ERR_clear_error();
        assert(r == 0 || !is_kept || fail_nth_injected());
        return is_kept ? r : -EIO;
}

/* As above, where a file says who is whom. */
static void use_user_map(void) {
        _cleanup_free_ char *path = NULL;
        FILE *file;

        assert(asprintf(&path, "%s/map", fake_provider_root()) > 0);
        file = fopen(path, "we");
        assert(file && fputs(USER " " FAKE_ISSUER " sub-" USER "\n", file) >= 0);
        assert(fclose(file) == 0 && chmod(path, 0600) == 0);
        assert(snprintf(more, sizeof(more), "user_map = %s", path) < (int)sizeof(more));
}

int main(void) {
        pid_t server;

        if (!fail_nth_works()) {
                (void)puts("a sanitizer has malloc() itself");
                return 77;
        }
        fail_nth_run("login", try_login);
        fail_nth_run("login of another", try_login_of_another);
        fail_nth_run("renewal", try_renewal);
        fail_nth_run("renewal of another", try_renewal_of_another);
        make_host();
        server = key_server_start(fake_provider_root(), "0123456789abcdef0123456789abcdef", 32);
        fail_nth_run("a grant on disk", try_keep);
        key_server_end(fake_provider_root(), server);
        use_user_map();
        fail_nth_run("login by user_map", try_login);
        fail_nth_run("login of another by user_map", try_login_of_another);
        fake_provider_done();
        return 0;
}
