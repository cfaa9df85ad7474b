/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>
#include <errno.h>

#include "common/clock.h"
#include "gateway/login.h"
#include "tests/unit/fake-provider.h"

#define USER "alice"

/* One login and all that is heard of it. */
typedef struct Heard {
        Login *login;
        bool begun, awaited, over;
        int begun_result, awaited_result;
} Heard;

static sd_event *event;
static HttpClient *http;
static Configuration *configuration;
static Revocations *revocations;
static Bindings *bindings;

static void setup(const char *more) {
        fake_provider_reset(more);
        assert(sd_event_new(&event) >= 0);
        assert(http_client_new(event, &http) == 0);
        assert(configuration_new(fake_provider_root(), http, &configuration) == 0);
        assert(revocations_new(event, &revocations) == 0);
        assert(bindings_new(fake_provider_root(), &bindings) == 0);
}

static void teardown(Heard *heard) {
        login_free(heard->login);
        revocations = revocations_free(revocations);
        bindings = bindings_free(bindings);
        configuration = configuration_free(configuration);
        http = http_client_free(http);
        event = sd_event_unref(event);
}

static void on_begun(Login *login, int result, void *userdata) {
        Heard *heard = userdata;

        assert(!heard->begun && login == heard->login);
        heard->begun = true;
        heard->begun_result = result;
}

static void on_awaited(Login *login, int result, void *userdata) {
        Heard *heard = userdata;

        assert(!heard->awaited && login == heard->login);
        heard->awaited = true;
        heard->awaited_result = result;
}

static void on_over(Login *login, void *userdata) {
        Heard *heard = userdata;

        assert(!heard->over && login == heard->login);
        heard->over = true;
        heard->login = login_free(login);
}

static void begin(Heard *heard) {
        const LoginRequest request = {.user = USER,
                                      .service = "sshd",
                                      .rhost = "",
                                      .user_uid = 1000,
                                      .bindings = bindings};
        Provider *provider;

        *heard = (Heard){0};
        assert(configuration_provider(configuration, "corp", &provider) == 0);
        assert(login_new(event, provider, revocations, &request, on_over, heard, &heard->login) ==
               0);
        login_begin(heard->login, on_begun, heard);
        fake_provider_run(event, &heard->begun);
}

/* The verdict of a login of which everything but the token endpoint is well. */
static int verdict(Heard *heard) {
        begin(heard);
        assert(heard->begun_result == 0 && login_challenge(heard->login));
        login_await(heard->login, on_awaited, heard);
        fake_provider_run(event, &heard->awaited);
        return heard->awaited_result;
}

static void test_success(void) {
        _cleanup_(grant_freep) Grant *grant = NULL;
        uint64_t start;
        Heard heard;

        setup("resource = https://api.example.com/");
        start = clock_boottime_usec();
        fake_provider_say(
                FAKE_TOKEN,
                (FakeAnswer){.status = 400, .body = "{\"error\":\"authorization_pending\"}"});
        fake_provider_grant(USER, "r1");
        assert(verdict(&heard) == 0);
        assert(streq(login_subject(heard.login), "sub-" USER) && !heard.over);
        assert(clock_boottime_usec() - start >= 10 * USEC_PER_SEC);
        assert(fake_provider_requests(FAKE_DISCOVERY) == 1 &&
               fake_provider_requests(FAKE_DEVICE) == 1 && fake_provider_requests(FAKE_JWKS) == 1 &&
               fake_provider_requests(FAKE_TOKEN) == 2);
        assert(strstr(fake_provider_form(FAKE_DEVICE),
                      "resource=https%3A%2F%2Fapi.example.com%2F"));
        assert(strstr(fake_provider_form(FAKE_TOKEN), "device_code=the-device-code"));
        assert(strstr(fake_provider_form(FAKE_TOKEN), "client_id=ssh-login"));

        assert(login_claim(heard.login, &grant) == 0);
        assert(streq(grant->user, USER) && streq(grant->issuer, FAKE_ISSUER) &&
               streq(grant->account, "corp") && streq(grant->subject, "sub-" USER));
        assert(streq(secret_bytes(grant->refresh_token), "r1") && grant->generation == 0);
        assert(grant->lifetime_usec == 300 * USEC_PER_SEC);
        assert(grant->expires_usec <= clock_boottime_usec() + grant->lifetime_usec);
        assert(login_claim(heard.login, &grant) == -ENOENT);
        teardown(&heard);
        assert(fake_provider_requests(FAKE_REVOCATION) == 0);
}

/* The nonce is another one each time; what the configuration asks for is asked of the provider. */
static void test_request(void) {
        _cleanup_free_ char *first = NULL;
        Heard heard;

        setup("acr_values = urn:mfa urn:hardware\nmax_age = 300");
        begin(&heard);
        assert(strstr(fake_provider_form(FAKE_DEVICE), "acr_values=urn%3Amfa%20urn%3Ahardware&"));
        assert(strstr(fake_provider_form(FAKE_DEVICE), "max_age=300&"));
        assert(strstr(fake_provider_form(FAKE_DEVICE), "nonce="));
        first = strndup(strstr(fake_provider_form(FAKE_DEVICE), "nonce="), 6 + 32);
        assert(strspn(first + 6, "0123456789abcdef") == 32);
        assert(!strstr(first, login_id(heard.login)));
        teardown(&heard);

        setup(NULL);
        begin(&heard);
        assert(strstr(fake_provider_form(FAKE_DEVICE), "nonce="));
        assert(!strstr(fake_provider_form(FAKE_DEVICE), first));
        assert(!strstr(fake_provider_form(FAKE_DEVICE), "acr_values"));
        assert(!strstr(fake_provider_form(FAKE_DEVICE), "max_age"));
        teardown(&heard);
}

/* A token that comes and must not be kept is revoked. */
static void test_refused_tokens(void) {
        static const struct {
                const char *user, *refresh, *body, *more, *revoked;
                Outcome outcome;
        } cases[] = {
                {"mallory", "r1", NULL, NULL, "token=r1&token_type_hint=refresh_token",
                 OUTCOME_USER_MISMATCH},
                {USER "x", "r1", NULL, NULL, "token=r1&", OUTCOME_USER_MISMATCH},
                {USER, "r1", NULL, "user_claim = email", "token=r1&", OUTCOME_USER_MISMATCH},
                {USER, "r1", NULL, "allow_groups = ops", "token=r1&", OUTCOME_IDENTITY_NOT_ALLOWED},
                {USER, "r1", NULL, "require_claim = hosts=all", "token=r1&",
                 OUTCOME_IDENTITY_NOT_ALLOWED},
                {USER, "r1", NULL, "user_map = /dev/null", "token=r1&", OUTCOME_CONFIGURATION},
                {USER, NULL, NULL, NULL, "token=access-of-nothing&token_type_hint=access_token",
                 OUTCOME_NO_REFRESH_TOKEN},
                {NULL, NULL,
                 "{\"access_token\":\"a\",\"refresh_token\":\"r\",\"token_type\":\"Bearer\"}", NULL,
                 "token=r&", OUTCOME_ID_TOKEN_INVALID},
                {NULL, NULL,
                 "{\"access_token\":\"a\",\"refresh_token\":\"r\",\"token_type\":\"Bearer\","
                 "\"id_token\":\"e30.e30.\"}",
                 NULL, "token=r&", OUTCOME_ID_TOKEN_INVALID},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Heard heard;

                setup(cases[i].more);
                if (cases[i].body)
                        fake_provider_say(FAKE_TOKEN, (FakeAnswer){.body = cases[i].body});
                else
                        fake_provider_grant(cases[i].user, cases[i].refresh);
                assert(verdict(&heard) == (int)cases[i].outcome && heard.over);
                assert(fake_provider_requests(FAKE_REVOCATION) == 1);
                assert(strncmp(fake_provider_form(FAKE_REVOCATION), cases[i].revoked,
                               strlen(cases[i].revoked)) == 0);
                teardown(&heard);
        }
}

/* Unless its provider would end more than that. */
static void test_refused_tokens_that_are_kept(void) {
        static const char *const policies[] = {"revoke = logout", "revoke = never"};

        for (size_t i = 0; i < ELEMENTSOF(policies); i++) {
                Heard heard;

                setup(policies[i]);
                fake_provider_grant("mallory", "r1");
                assert(verdict(&heard) == OUTCOME_USER_MISMATCH);
                assert(fake_provider_requests(FAKE_REVOCATION) == 0);
                teardown(&heard);
        }
}

static void test_kind_of_login(void) {
        static const struct {
                const char *more, *claims;
                Outcome outcome;
        } cases[] = {
                {"acr_values = urn:mfa", "", OUTCOME_AUTHENTICATION_WEAK},
                {"acr_values = urn:mfa", ",\"acr\":\"urn:password\"", OUTCOME_AUTHENTICATION_WEAK},
                {"acr_values = urn:mfa", ",\"acr\":\"urn:mfa\"", OUTCOME_SUCCESS},
                {"max_age = 300", "", OUTCOME_AUTHENTICATION_WEAK},
                {"max_age = 300", ",\"auth_time\":1000000000", OUTCOME_AUTHENTICATION_WEAK},
                {"", ",\"nonce\":\"of another login\"", OUTCOME_ID_TOKEN_INVALID},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Heard heard;

                setup(cases[i].more);
                fake_provider_claims(cases[i].claims);
                fake_provider_grant(USER, "r1");
                assert(verdict(&heard) == (int)cases[i].outcome);
                teardown(&heard);
                assert(fake_provider_requests(FAKE_REVOCATION) == 1);
        }
}

static int count(const Binding *binding, void *userdata) {
        size_t *n = userdata;

        assert(streq(binding->user, USER) && streq(binding->subject, "sub-" USER));
        (*n)++;
        return 0;
}

static size_t n_bindings(void) {
        size_t n = 0;

        assert(bindings_list(bindings, "", "", 10, count, &n) == 0);
        return n;
}

/* A login that succeeds binds the user, one that fails binds nobody. */
static void test_binding(void) {
        static const ProviderConfig corp = {
                .name = (char *)"corp", .issuer = (char *)FAKE_ISSUER, .bind_subject = true};
        Heard heard;

        setup(NULL);
        fake_provider_grant(USER, NULL);
        assert(verdict(&heard) == OUTCOME_NO_REFRESH_TOKEN && n_bindings() == 0);
        teardown(&heard);

        setup(NULL);
        fake_provider_grant(USER, "r1");
        assert(verdict(&heard) == 0 && n_bindings() == 1);
        teardown(&heard);

        setup(NULL);
        assert(bindings_admit(bindings, &corp, USER, "sub-of-another") == 0);
        fake_provider_grant(USER, "r1");
        assert(verdict(&heard) == OUTCOME_IDENTITY_CHANGED && heard.over);
        assert(fake_provider_requests(FAKE_REVOCATION) == 1);
        teardown(&heard);
}

#define OPS "{\"sub\":\"sub-" USER "\",\"groups\":[\"ops\"]}"

static void test_userinfo(void) {
        static const char asked[] = "userinfo = yes\nallow_groups = ops";
        static const struct {
                const char *more, *claims;
                FakeAnswer answer;
                unsigned n_requests;
                Outcome outcome;
        } cases[] = {
                {"userinfo = yes", "", {.body = "{}"}, 0, OUTCOME_SUCCESS},
                {"allow_groups = ops", "", {.body = OPS}, 0, OUTCOME_IDENTITY_NOT_ALLOWED},
                {asked, "", {.body = OPS}, 1, OUTCOME_SUCCESS},
                {asked, ",\"groups\":[\"ops\"]", {.body = "{}"}, 0, OUTCOME_SUCCESS},
                {asked, ",\"groups\":[]", {.body = OPS}, 0, OUTCOME_IDENTITY_NOT_ALLOWED},
                {"userinfo = yes\nrequire_claim = level=3",
                 "",
                 {.body = "{\"sub\":\"sub-" USER "\",\"level\":3}"},
                 1,
                 OUTCOME_SUCCESS},
                {"userinfo = yes\nuser_claim = nick",
                 "",
                 {.body = "{\"sub\":\"sub-" USER "\",\"nick\":\"" USER "\"}"},
                 1,
                 OUTCOME_SUCCESS},
                {"userinfo = yes\nuser_claim = nick",
                 "",
                 {.body = "{\"sub\":\"sub-" USER "\",\"nick\":\"mallory\"}"},
                 1,
                 OUTCOME_USER_MISMATCH},
                {asked,
                 "",
                 {.body = "{\"sub\":\"sub-" USER "\"}"},
                 1,
                 OUTCOME_IDENTITY_NOT_ALLOWED},
                {asked,
                 "",
                 {.body = "{\"sub\":\"sub-mallory\",\"groups\":[\"ops\"]}"},
                 1,
                 OUTCOME_ID_TOKEN_INVALID},
                {asked, "", {.body = "{\"groups\":[\"ops\"]}"}, 1, OUTCOME_ID_TOKEN_INVALID},
                {asked, "", {.body = OPS, .not_json = true}, 1, OUTCOME_PROVIDER_ANSWER},
                {asked, "", {.body = "<html>"}, 1, OUTCOME_PROVIDER_ANSWER},
                {asked, "", {.body = OPS, .status = 401}, 1, OUTCOME_PROVIDER_ANSWER},
                {asked, "", {.body = OPS, .status = 403}, 1, OUTCOME_PROVIDER_ANSWER},
                {asked, "", {.body = OPS, .status = 503}, 1, OUTCOME_PROVIDER_BUSY},
                {asked, "", {.error = HTTP_E_LOST}, 1, OUTCOME_PROVIDER_UNREACHABLE},
                {asked, "", {.error = HTTP_E_LIMIT}, 1, OUTCOME_PROVIDER_ANSWER},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Heard heard;

                setup(cases[i].more);
                fake_provider_claims(cases[i].claims);
                fake_provider_grant(USER, "r1");
                fake_provider_say(FAKE_USERINFO, cases[i].answer);
                assert(verdict(&heard) == (int)cases[i].outcome);
                assert(fake_provider_requests(FAKE_USERINFO) == cases[i].n_requests);
                assert(streq(fake_provider_authorization(FAKE_USERINFO),
                             cases[i].n_requests > 0 ? "Bearer access-of-r1" : ""));
                teardown(&heard);
                assert(fake_provider_requests(FAKE_REVOCATION) == 1);
        }
}

/* It ends while it waits for the answer. */
static void test_cancelled_at_userinfo(void) {
        Heard heard;

        setup("userinfo = yes\nallow_groups = ops");
        fake_provider_grant(USER, "r1");
        begin(&heard);
        while (fake_provider_requests(FAKE_USERINFO) == 0)
                assert(sd_event_run(event, UINT64_MAX) >= 0);
        login_cancel(heard.login);
        assert(heard.over && fake_provider_requests(FAKE_REVOCATION) == 1);
        teardown(&heard);
}

/* A provider without the endpoint. */
static void test_no_userinfo(void) {
        Heard heard;

        setup("userinfo = yes\nallow_groups = ops");
        fake_provider_say(FAKE_DISCOVERY,
                          (FakeAnswer){.body = "{\"issuer\":\"" FAKE_ISSUER
                                               "\",\"device_authorization_endpoint\":\"" FAKE_ISSUER
                                               "/device\",\"token_endpoint\":\"" FAKE_ISSUER
                                               "/token\",\"jwks_uri\":\"" FAKE_ISSUER "/jwks\"}"});
        fake_provider_grant(USER, "r1");
        assert(verdict(&heard) == OUTCOME_PROVIDER_ANSWER);
        teardown(&heard);
}

static void test_no_refresh_token_allowed(void) {
        Heard heard;

        setup("require_offline_access = no");
        fake_provider_grant(USER, NULL);
        assert(verdict(&heard) == 0);
        teardown(&heard);
        assert(fake_provider_requests(FAKE_REVOCATION) == 1); /* nobody claimed it */
}

static void test_token_endpoint_says_no(void) {
        static const struct {
                FakeAnswer answer;
                Outcome outcome;
        } cases[] = {
                {{.status = 400, .body = "{\"error\":\"access_denied\"}"}, OUTCOME_ACCESS_DENIED},
                {{.status = 400, .body = "{\"error\":\"expired_token\"}"}, OUTCOME_CODE_EXPIRED},
                {{.status = 400, .body = "{\"error\":\"invalid_grant\"}"}, OUTCOME_CODE_EXPIRED},
                {{.status = 401, .body = "{\"error\":\"invalid_client\"}"}, OUTCOME_CLIENT_REFUSED},
                {{.status = 400, .body = ""}, OUTCOME_PROVIDER_ANSWER},
                /* One redemption per code: a 200 that cannot be used is not asked for again. */
                {{.body = "<html>"}, OUTCOME_PROVIDER_ANSWER},
                {{.body = "{\"access_token\":\"a\",\"token_type\":\"DPoP\"}"},
                 OUTCOME_PROVIDER_ANSWER},
                {{.error = HTTP_E_LIMIT}, OUTCOME_PROVIDER_ANSWER},
                {{.error = HTTP_E_UNTRUSTED}, OUTCOME_PROVIDER_UNTRUSTED},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Heard heard;

                setup(NULL);
                fake_provider_say(FAKE_TOKEN, cases[i].answer);
                assert(verdict(&heard) == (int)cases[i].outcome);
                assert(heard.over && !heard.login && fake_provider_requests(FAKE_TOKEN) == 1);
                teardown(&heard);
        }
}

static void test_trouble_while_polling(void) {
        uint64_t start;
        Heard heard;

        setup(NULL);
        start = clock_boottime_usec();
        fake_provider_say(FAKE_TOKEN, (FakeAnswer){.error = HTTP_E_UNREACHABLE});
        fake_provider_say(FAKE_TOKEN, (FakeAnswer){.status = 502});
        fake_provider_grant(USER, "r1");
        assert(verdict(&heard) == 0);
        assert(clock_boottime_usec() - start >= (5 + 10 + 20) * USEC_PER_SEC);
        teardown(&heard);
}

#define PENDING \
        { .status = 400, .body = "{\"error\":\"authorization_pending\"}" }
#define EXPIRED \
        { .status = 400, .body = "{\"error\":\"expired_token\"}" }

/* The answer with the tokens is lost where one was on its way and the code is spent after it. */
static void test_lost_answer(void) {
        static const struct {
                FakeAnswer next[2];
                Outcome outcome;
        } cases[] = {
                {{{.status = 400, .body = "{\"error\":\"invalid_grant\"}"}}, OUTCOME_LOGIN_LOST},
                {{EXPIRED}, OUTCOME_LOGIN_LOST},
                {{{.error = HTTP_E_UNREACHABLE}, EXPIRED}, OUTCOME_LOGIN_LOST},
                {{{.status = 502}, EXPIRED}, OUTCOME_LOGIN_LOST},
                {{PENDING, EXPIRED}, OUTCOME_CODE_EXPIRED},
                {{{.status = 400, .body = "{\"error\":\"access_denied\"}"}}, OUTCOME_ACCESS_DENIED},
        };
        Heard heard;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                setup(NULL);
                fake_provider_say(FAKE_TOKEN, (FakeAnswer){.error = HTTP_E_LOST});
                for (size_t k = 0; k < 2; k++)
                        fake_provider_say(FAKE_TOKEN, cases[i].next[k]);
                assert(verdict(&heard) == (int)cases[i].outcome);
                teardown(&heard);
        }

        /* One that was cut off before it redeemed the code gives them. */
        setup(NULL);
        fake_provider_say(FAKE_TOKEN, (FakeAnswer){.error = HTTP_E_LOST});
        fake_provider_grant(USER, "r1");
        assert(verdict(&heard) == 0);
        teardown(&heard);

        /* In the last seconds an expired code is just that: 8 times 5 s, 5 s, 10 s of 60 s. */
        setup(NULL);
        for (size_t i = 0; i < 8; i++)
                fake_provider_say(FAKE_TOKEN, (FakeAnswer)PENDING);
        fake_provider_say(FAKE_TOKEN, (FakeAnswer){.error = HTTP_E_LOST});
        fake_provider_say(FAKE_TOKEN, (FakeAnswer)EXPIRED);
        assert(verdict(&heard) == OUTCOME_CODE_EXPIRED);
        assert(fake_provider_requests(FAKE_TOKEN) == 10);
        teardown(&heard);
}

static void test_retry_after(void) {
        uint64_t start;
        Heard heard;

        setup(NULL);
        start = clock_boottime_usec();
        fake_provider_say(FAKE_TOKEN,
                          (FakeAnswer){.status = 429, .retry_after_usec = 40 * USEC_PER_SEC});
        fake_provider_grant(USER, "r1");
        assert(verdict(&heard) == 0);
        assert(clock_boottime_usec() - start >= 45 * USEC_PER_SEC);
        teardown(&heard);
}

static void test_expiry(void) {
        uint64_t start;
        Heard heard;

        setup(NULL);
        start = clock_boottime_usec();
        assert(verdict(&heard) == OUTCOME_CODE_EXPIRED);
        assert(clock_boottime_usec() - start >= 60 * USEC_PER_SEC);
        assert(fake_provider_requests(FAKE_TOKEN) >= 8 && fake_provider_requests(FAKE_TOKEN) <= 11);
        teardown(&heard);
}

static void test_no_code(void) {
        static const struct {
                FakeEndpoint endpoint;
                FakeAnswer answer;
                Outcome outcome;
        } cases[] = {
                {FAKE_DISCOVERY, {.error = HTTP_E_UNREACHABLE}, OUTCOME_PROVIDER_UNREACHABLE},
                {FAKE_DISCOVERY, {.error = HTTP_E_UNTRUSTED}, OUTCOME_PROVIDER_UNTRUSTED},
                {FAKE_DISCOVERY, {.status = 503}, OUTCOME_PROVIDER_BUSY},
                {FAKE_DISCOVERY, {.body = "[]"}, OUTCOME_PROVIDER_ANSWER},
                {FAKE_DEVICE, {.error = HTTP_E_LOST}, OUTCOME_PROVIDER_UNREACHABLE},
                {FAKE_DEVICE, {.body = "{}"}, OUTCOME_PROVIDER_ANSWER},
                {FAKE_DEVICE,
                 {.status = 400, .body = "{\"error\":\"invalid_request\"}"},
                 OUTCOME_CLIENT_REFUSED},
                {FAKE_DEVICE,
                 {.status = 429, .body = "{\"error\":\"slow_down\"}"},
                 OUTCOME_PROVIDER_BUSY},
                {FAKE_DEVICE,
                 {.body = "{\"error\":\"device_flow_disabled\"}"},
                 OUTCOME_CLIENT_REFUSED},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Heard heard;

                setup(NULL);
                fake_provider_say(cases[i].endpoint, cases[i].answer);
                begin(&heard);
                assert(heard.begun_result == (int)cases[i].outcome && heard.over);
                assert(fake_provider_requests(FAKE_TOKEN) == 0);
                teardown(&heard);
        }
}

static void test_unclaimed(void) {
        uint64_t start;
        Heard heard;

        setup(NULL);
        fake_provider_grant(USER, "r1");
        assert(verdict(&heard) == 0);
        start = clock_boottime_usec();
        fake_provider_run(event, &heard.over);
        assert(clock_boottime_usec() - start >= 119 * USEC_PER_SEC);
        assert(fake_provider_requests(FAKE_REVOCATION) == 1);
        teardown(&heard);
}

/* The verdict waits to be asked for; what has to be revoked does not wait. */
static void test_verdict_is_kept(void) {
        Heard heard;

        setup(NULL);
        fake_provider_grant("mallory", "r1");
        begin(&heard);
        while (login_is_waiting(heard.login) || fake_provider_requests(FAKE_REVOCATION) == 0)
                assert(sd_event_run(event, UINT64_MAX) >= 0);
        assert(!heard.over && fake_provider_requests(FAKE_REVOCATION) == 1);
        login_await(heard.login, on_awaited, &heard);
        assert(heard.awaited_result == OUTCOME_USER_MISMATCH && heard.over);
        teardown(&heard);
}

static void test_cancel(void) {
        Heard heard, replaced = {0};
        unsigned n;

        setup(NULL);
        begin(&heard);
        replaced.login = heard.login;
        login_await(heard.login, on_awaited, &replaced);
        login_await(heard.login, on_awaited, &heard);
        assert(replaced.awaited && replaced.awaited_result == OUTCOME_CANCELLED && !heard.awaited);
        n = fake_provider_requests(FAKE_TOKEN);
        login_cancel(heard.login);
        assert(heard.awaited_result == OUTCOME_CANCELLED && heard.over);
        fake_provider_run_for(event, 100);
        assert(fake_provider_requests(FAKE_TOKEN) == n);
        teardown(&heard);

        /* While the answer that brings the tokens is under way. */
        setup(NULL);
        fake_provider_grant(USER, "r1");
        begin(&heard);
        login_await(heard.login, on_awaited, &heard);
        while (fake_provider_requests(FAKE_TOKEN) == 0)
                assert(sd_event_run(event, UINT64_MAX) >= 0);
        login_cancel(heard.login);
        assert(heard.awaited_result == OUTCOME_CANCELLED);
        fake_provider_run(event, &heard.over);
        assert(fake_provider_requests(FAKE_REVOCATION) == 1);
        teardown(&heard);

        /* Before the first poll. */
        setup(NULL);
        begin(&heard);
        login_cancel(heard.login);
        assert(heard.over && !heard.awaited);
        teardown(&heard);
}

int main(void) {
        test_success();
        test_request();
        test_refused_tokens();
        test_refused_tokens_that_are_kept();
        test_kind_of_login();
        test_binding();
        test_userinfo();
        test_cancelled_at_userinfo();
        test_no_userinfo();
        test_no_refresh_token_allowed();
        test_token_endpoint_says_no();
        test_trouble_while_polling();
        test_lost_answer();
        test_retry_after();
        test_expiry();
        test_no_code();
        test_unclaimed();
        test_verdict_is_kept();
        test_cancel();
        fake_provider_done();
        return 0;
}
