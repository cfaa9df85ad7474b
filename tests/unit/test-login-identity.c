/* SPDX-License-Identifier: MIT */

/* Who has approved a code, and whether that one is the user who logs in. */

#undef NDEBUG
#include <assert.h>

#include "tests/unit/login-fixture.h"

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
                HeardLogin heard;

                login_fixture_begin(cases[i].more);
                if (cases[i].body)
                        fake_provider_say(FAKE_TOKEN, (FakeAnswer){.body = cases[i].body});
                else
                        fake_provider_grant(cases[i].user, cases[i].refresh);
                assert(heard_verdict(&heard) == (int)cases[i].outcome && heard.over);
                assert(fake_provider_requests(FAKE_REVOCATION) == 1);
                assert(strncmp(fake_provider_form(FAKE_REVOCATION), cases[i].revoked,
                               strlen(cases[i].revoked)) == 0);
                login_fixture_end(&heard);
        }
}

/* Unless its provider would end more than that. */
static void test_refused_tokens_that_are_kept(void) {
        static const char *const policies[] = {"revoke = logout", "revoke = never"};

        for (size_t i = 0; i < ELEMENTSOF(policies); i++) {
                HeardLogin heard;

                login_fixture_begin(policies[i]);
                fake_provider_grant("mallory", "r1");
                assert(heard_verdict(&heard) == OUTCOME_USER_MISMATCH);
                assert(fake_provider_requests(FAKE_REVOCATION) == 0);
                login_fixture_end(&heard);
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
                HeardLogin heard;

                login_fixture_begin(cases[i].more);
                fake_provider_claims(cases[i].claims);
                fake_provider_grant(USER, "r1");
                assert(heard_verdict(&heard) == (int)cases[i].outcome);
                login_fixture_end(&heard);
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

        assert(bindings_list(login_fixture_bindings(), "", "", 10, count, &n) == 0);
        return n;
}

/* A login that succeeds binds the user, one that fails binds nobody. */
static void test_binding(void) {
        static const ProviderConfig corp = {
                .name = (char *)"corp", .issuer = (char *)FAKE_ISSUER, .bind_subject = true};
        HeardLogin heard;

        login_fixture_begin(NULL);
        fake_provider_grant(USER, NULL);
        assert(heard_verdict(&heard) == OUTCOME_NO_REFRESH_TOKEN && n_bindings() == 0);
        login_fixture_end(&heard);

        login_fixture_begin(NULL);
        fake_provider_grant(USER, "r1");
        assert(heard_verdict(&heard) == 0 && n_bindings() == 1);
        login_fixture_end(&heard);

        login_fixture_begin(NULL);
        assert(bindings_admit(login_fixture_bindings(), &corp, USER, "sub-of-another") == 0);
        fake_provider_grant(USER, "r1");
        assert(heard_verdict(&heard) == OUTCOME_IDENTITY_CHANGED && heard.over);
        assert(fake_provider_requests(FAKE_REVOCATION) == 1);
        login_fixture_end(&heard);
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
                HeardLogin heard;

                login_fixture_begin(cases[i].more);
                fake_provider_claims(cases[i].claims);
                fake_provider_grant(USER, "r1");
                fake_provider_say(FAKE_USERINFO, cases[i].answer);
                assert(heard_verdict(&heard) == (int)cases[i].outcome);
                assert(fake_provider_requests(FAKE_USERINFO) == cases[i].n_requests);
                assert(streq(fake_provider_authorization(FAKE_USERINFO),
                             cases[i].n_requests > 0 ? "Bearer access-of-r1" : ""));
                login_fixture_end(&heard);
                assert(fake_provider_requests(FAKE_REVOCATION) == 1);
        }
}

/* It ends while it waits for the answer. */
static void test_cancelled_at_userinfo(void) {
        HeardLogin heard;

        login_fixture_begin("userinfo = yes\nallow_groups = ops");
        fake_provider_grant(USER, "r1");
        heard_begin(&heard);
        while (fake_provider_requests(FAKE_USERINFO) == 0)
                assert(sd_event_run(login_fixture_event(), UINT64_MAX) >= 0);
        login_cancel(heard.login);
        assert(heard.over && fake_provider_requests(FAKE_REVOCATION) == 1);
        login_fixture_end(&heard);
}

/* A provider without the endpoint. */
static void test_no_userinfo(void) {
        HeardLogin heard;

        login_fixture_begin("userinfo = yes\nallow_groups = ops");
        fake_provider_say(FAKE_DISCOVERY,
                          (FakeAnswer){.body = "{\"issuer\":\"" FAKE_ISSUER
                                               "\",\"device_authorization_endpoint\":\"" FAKE_ISSUER
                                               "/device\",\"token_endpoint\":\"" FAKE_ISSUER
                                               "/token\",\"jwks_uri\":\"" FAKE_ISSUER "/jwks\"}"});
        fake_provider_grant(USER, "r1");
        assert(heard_verdict(&heard) == OUTCOME_PROVIDER_ANSWER);
        login_fixture_end(&heard);
}

static void test_no_refresh_token_allowed(void) {
        HeardLogin heard;

        login_fixture_begin("require_offline_access = no");
        fake_provider_grant(USER, NULL);
        assert(heard_verdict(&heard) == 0);
        login_fixture_end(&heard);
        assert(fake_provider_requests(FAKE_REVOCATION) == 1); /* nobody claimed it */
}

int main(void) {
        test_refused_tokens();
        test_refused_tokens_that_are_kept();
        test_kind_of_login();
        test_binding();
        test_userinfo();
        test_cancelled_at_userinfo();
        test_no_userinfo();
        test_no_refresh_token_allowed();
        fake_provider_done();
        return 0;
}
