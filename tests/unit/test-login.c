/* SPDX-License-Identifier: MIT */

/* A login from the code to its end, whatever the provider answers to the polls. */

#undef NDEBUG
#include <assert.h>
#include <errno.h>

#include "common/clock.h"
#include "tests/unit/login-fixture.h"

static void test_success(void) {
        _cleanup_(grant_freep) Grant *grant = NULL;
        uint64_t start;
        HeardLogin heard;

        login_fixture_begin("resource = https://api.example.com/");
        start = clock_boottime_usec();
        fake_provider_say(
                FAKE_TOKEN,
                (FakeAnswer){.status = 400, .body = "{\"error\":\"authorization_pending\"}"});
        fake_provider_grant(USER, "r1");
        assert(heard_verdict(&heard) == 0);
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
        login_fixture_end(&heard);
        assert(fake_provider_requests(FAKE_REVOCATION) == 0);
}

/* The nonce is another one each time; what the configuration asks for is asked of the provider. */
static void test_request(void) {
        _cleanup_free_ char *first = NULL;
        HeardLogin heard;

        login_fixture_begin("acr_values = urn:mfa urn:hardware\nmax_age = 300");
        heard_begin(&heard);
        assert(strstr(fake_provider_form(FAKE_DEVICE), "acr_values=urn%3Amfa%20urn%3Ahardware&"));
        assert(strstr(fake_provider_form(FAKE_DEVICE), "max_age=300&"));
        assert(strstr(fake_provider_form(FAKE_DEVICE), "nonce="));
        first = strndup(strstr(fake_provider_form(FAKE_DEVICE), "nonce="), 6 + 32);
        assert(strspn(first + 6, "0123456789abcdef") == 32);
        assert(!strstr(first, login_id(heard.login)));
        login_fixture_end(&heard);

        login_fixture_begin(NULL);
        heard_begin(&heard);
        assert(strstr(fake_provider_form(FAKE_DEVICE), "nonce="));
        assert(!strstr(fake_provider_form(FAKE_DEVICE), first));
        assert(!strstr(fake_provider_form(FAKE_DEVICE), "acr_values"));
        assert(!strstr(fake_provider_form(FAKE_DEVICE), "max_age"));
        login_fixture_end(&heard);
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
                HeardLogin heard;

                login_fixture_begin(NULL);
                fake_provider_say(FAKE_TOKEN, cases[i].answer);
                assert(heard_verdict(&heard) == (int)cases[i].outcome);
                assert(heard.over && !heard.login && fake_provider_requests(FAKE_TOKEN) == 1);
                login_fixture_end(&heard);
        }
}

static void test_trouble_while_polling(void) {
        uint64_t start;
        HeardLogin heard;

        login_fixture_begin(NULL);
        start = clock_boottime_usec();
        fake_provider_say(FAKE_TOKEN, (FakeAnswer){.error = HTTP_E_UNREACHABLE});
        fake_provider_say(FAKE_TOKEN, (FakeAnswer){.status = 502});
        fake_provider_grant(USER, "r1");
        assert(heard_verdict(&heard) == 0);
        assert(clock_boottime_usec() - start >= (5 + 10 + 20) * USEC_PER_SEC);
        login_fixture_end(&heard);
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
        HeardLogin heard;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                login_fixture_begin(NULL);
                fake_provider_say(FAKE_TOKEN, (FakeAnswer){.error = HTTP_E_LOST});
                for (size_t k = 0; k < 2; k++)
                        fake_provider_say(FAKE_TOKEN, cases[i].next[k]);
                assert(heard_verdict(&heard) == (int)cases[i].outcome);
                login_fixture_end(&heard);
        }

        /* One that was cut off before it redeemed the code gives them. */
        login_fixture_begin(NULL);
        fake_provider_say(FAKE_TOKEN, (FakeAnswer){.error = HTTP_E_LOST});
        fake_provider_grant(USER, "r1");
        assert(heard_verdict(&heard) == 0);
        login_fixture_end(&heard);

        /* In the last seconds an expired code is just that: 8 times 5 s, 5 s, 10 s of 60 s. */
        login_fixture_begin(NULL);
        for (size_t i = 0; i < 8; i++)
                fake_provider_say(FAKE_TOKEN, (FakeAnswer)PENDING);
        fake_provider_say(FAKE_TOKEN, (FakeAnswer){.error = HTTP_E_LOST});
        fake_provider_say(FAKE_TOKEN, (FakeAnswer)EXPIRED);
        assert(heard_verdict(&heard) == OUTCOME_CODE_EXPIRED);
        assert(fake_provider_requests(FAKE_TOKEN) == 10);
        login_fixture_end(&heard);
}

static void test_retry_after(void) {
        uint64_t start;
        HeardLogin heard;

        login_fixture_begin(NULL);
        start = clock_boottime_usec();
        fake_provider_say(FAKE_TOKEN,
                          (FakeAnswer){.status = 429, .retry_after_usec = 40 * USEC_PER_SEC});
        fake_provider_grant(USER, "r1");
        assert(heard_verdict(&heard) == 0);
        assert(clock_boottime_usec() - start >= 45 * USEC_PER_SEC);
        login_fixture_end(&heard);
}

static void test_expiry(void) {
        uint64_t start;
        HeardLogin heard;

        login_fixture_begin(NULL);
        start = clock_boottime_usec();
        assert(heard_verdict(&heard) == OUTCOME_CODE_EXPIRED);
        assert(clock_boottime_usec() - start >= 60 * USEC_PER_SEC);
        assert(fake_provider_requests(FAKE_TOKEN) >= 8 && fake_provider_requests(FAKE_TOKEN) <= 11);
        login_fixture_end(&heard);
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
                HeardLogin heard;

                login_fixture_begin(NULL);
                fake_provider_say(cases[i].endpoint, cases[i].answer);
                heard_begin(&heard);
                assert(heard.begun_result == (int)cases[i].outcome && heard.over);
                assert(fake_provider_requests(FAKE_TOKEN) == 0);
                login_fixture_end(&heard);
        }
}

static void test_unclaimed(void) {
        uint64_t start;
        HeardLogin heard;

        login_fixture_begin(NULL);
        fake_provider_grant(USER, "r1");
        assert(heard_verdict(&heard) == 0);
        start = clock_boottime_usec();
        fake_provider_run(login_fixture_event(), &heard.over);
        assert(clock_boottime_usec() - start >= 119 * USEC_PER_SEC);
        assert(fake_provider_requests(FAKE_REVOCATION) == 1);
        login_fixture_end(&heard);
}

/* The verdict waits to be asked for; what has to be revoked does not wait. */
static void test_verdict_is_kept(void) {
        HeardLogin heard;

        login_fixture_begin(NULL);
        fake_provider_grant("mallory", "r1");
        heard_begin(&heard);
        while (login_is_waiting(heard.login) || fake_provider_requests(FAKE_REVOCATION) == 0)
                assert(sd_event_run(login_fixture_event(), UINT64_MAX) >= 0);
        assert(!heard.over && fake_provider_requests(FAKE_REVOCATION) == 1);
        login_await(heard.login, heard_awaited, &heard);
        assert(heard.awaited_result == OUTCOME_USER_MISMATCH && heard.over);
        login_fixture_end(&heard);
}

static void test_cancel(void) {
        HeardLogin heard, replaced = {0};
        unsigned n;

        login_fixture_begin(NULL);
        heard_begin(&heard);
        replaced.login = heard.login;
        login_await(heard.login, heard_awaited, &replaced);
        login_await(heard.login, heard_awaited, &heard);
        assert(replaced.awaited && replaced.awaited_result == OUTCOME_CANCELLED && !heard.awaited);
        n = fake_provider_requests(FAKE_TOKEN);
        login_cancel(heard.login);
        assert(heard.awaited_result == OUTCOME_CANCELLED && heard.over);
        fake_provider_run_for(login_fixture_event(), 100);
        assert(fake_provider_requests(FAKE_TOKEN) == n);
        login_fixture_end(&heard);

        /* While the answer that brings the tokens is under way. */
        login_fixture_begin(NULL);
        fake_provider_grant(USER, "r1");
        heard_begin(&heard);
        login_await(heard.login, heard_awaited, &heard);
        while (fake_provider_requests(FAKE_TOKEN) == 0)
                assert(sd_event_run(login_fixture_event(), UINT64_MAX) >= 0);
        login_cancel(heard.login);
        assert(heard.awaited_result == OUTCOME_CANCELLED);
        fake_provider_run(login_fixture_event(), &heard.over);
        assert(fake_provider_requests(FAKE_REVOCATION) == 1);
        login_fixture_end(&heard);

        /* Before the first poll. */
        login_fixture_begin(NULL);
        heard_begin(&heard);
        login_cancel(heard.login);
        assert(heard.over && !heard.awaited);
        login_fixture_end(&heard);
}

int main(void) {
        test_success();
        test_request();
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
