/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "common/grant.h"
#include "gateway/token-response.h"

static int parse(long status, const char *body, TokenResponse **ret, char **ret_error) {
        _cleanup_(secret_freep) Secret *secret = NULL;
        HttpResponse http = {.status = status, .is_json = true};

        assert(secret_new_copy(body, strlen(body), &secret) == 0);
        http.body = secret;
        return token_response_parse(&http, ret, ret_error);
}

static void test_good(void) {
        _cleanup_(token_response_freep) TokenResponse *full = NULL, *least = NULL, *text = NULL;
        _cleanup_free_ char *error = NULL;

        assert(parse(200,
                     "{\"access_token\":\"at\",\"token_type\":\"bearer\",\"expires_in\":10,"
                     "\"refresh_token\":\"rt\",\"id_token\":\"a.b.c\",\"scope\":\"openid x\","
                     "\"session_state\":{}}",
                     &full, &error) == 0);
        assert(!error && streq(secret_bytes(full->access_token), "at"));
        assert(streq(secret_bytes(full->refresh_token), "rt"));
        assert(streq(secret_bytes(full->id_token), "a.b.c") && streq(full->scope, "openid x"));
        assert(full->lifetime_usec == 10000000);

        /* everything that RFC 6749 5.1 makes optional left out */
        assert(parse(200, "{\"access_token\":\"at\",\"token_type\":\"BEARER\"}", &least, NULL) ==
               0);
        assert(!least->refresh_token && !least->id_token && !least->scope);
        assert(least->lifetime_usec == TOKEN_LIFETIME_DEFAULT_USEC);

        assert(parse(200,
                     "{\"access_token\":\"at\",\"token_type\":\"Bearer\",\"expires_in\":\"99\"}",
                     &text, NULL) == 0);
        assert(text->lifetime_usec == 99000000);
}

static void test_outcomes(void) {
#define TOKEN "{\"access_token\":\"at\",\"token_type\":\"Bearer\""
        static const struct {
                long status;
                const char *body;
                int expected;
        } cases[] = {
                {400, "{\"error\":\"authorization_pending\"}", TOKEN_E_PENDING},
                {428, "{\"error\":\"authorization_pending\"}", TOKEN_E_PENDING},
                {200, "{\"error\":\"authorization_pending\"}", TOKEN_E_PENDING},
                {403, "{\"error\":\"slow_down\"}", TOKEN_E_SLOW_DOWN},
                {429, "{\"error\":\"slow_down\"}", TOKEN_E_SLOW_DOWN},
                {400, "{\"error\":\"access_denied\"}", TOKEN_E_DENIED},
                {400, "{\"error\":\"expired_token\"}", TOKEN_E_EXPIRED},
                {400, "{\"error\":\"invalid_grant\"}", TOKEN_E_GRANT_OVER},
                {200,
                 "{\"error\":\"invalid_grant\",\"access_token\":\"at\",\"token_type\":"
                 "\"Bearer\"}",
                 TOKEN_E_GRANT_OVER},
                {401, "{\"error\":\"invalid_client\"}", TOKEN_E_CONFIGURATION},
                {400, "{\"error\":\"invalid_request\"}", TOKEN_E_AMBIGUOUS},
                {500, "{\"error\":\"server_error\"}", TOKEN_E_TRANSIENT},
                {503, "{\"error\":\"made_up\"}", TOKEN_E_TRANSIENT},
                {400, "{\"error\":\"made_up\"}", TOKEN_E_AMBIGUOUS},
                {200, "{\"error\":\"made_up\"}", TOKEN_E_AMBIGUOUS},
                {400, "", TOKEN_E_AMBIGUOUS},
                {400, "{}", TOKEN_E_AMBIGUOUS},
                {400, "{\"error\":7}", TOKEN_E_AMBIGUOUS},
                {429, "", TOKEN_E_TRANSIENT},
                {502, "<html>", TOKEN_E_TRANSIENT},
                {302, "", TOKEN_E_CONFIGURATION},
                {404, "<html>", TOKEN_E_CONFIGURATION},
                {200, "", TOKEN_E_MALFORMED},
                {200, "{}", TOKEN_E_MALFORMED},
                {200, "<html>", TOKEN_E_MALFORMED},
                {200, TOKEN, TOKEN_E_MALFORMED}, /* truncated */
                {200, "{\"access_token\":\"at\"}", TOKEN_E_MALFORMED},
                {200, "{\"access_token\":\"at\",\"token_type\":\"DPoP\"}", TOKEN_E_TOKEN_TYPE},
                {200, "{\"access_token\":\"\",\"token_type\":\"Bearer\"}", TOKEN_E_MALFORMED},
                {200, "{\"access_token\":\"a b\",\"token_type\":\"Bearer\"}", TOKEN_E_MALFORMED},
                {200, "{\"access_token\":\"a\\nb\",\"token_type\":\"Bearer\"}", TOKEN_E_MALFORMED},
                {200, "{\"access_token\":1,\"token_type\":\"Bearer\"}", TOKEN_E_MALFORMED},
                {200, TOKEN ",\"refresh_token\":\"\\u00fc\"}", TOKEN_E_MALFORMED},
                {200, TOKEN ",\"refresh_token\":[]}", TOKEN_E_MALFORMED},
                {200, TOKEN ",\"expires_in\":-1}", TOKEN_E_MALFORMED},
                {200, TOKEN ",\"expires_in\":\"soon\"}", TOKEN_E_MALFORMED},
                {201, TOKEN "}", TOKEN_E_MALFORMED},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *error = NULL;
                TokenResponse *none = NULL;
                int r = parse(cases[i].status, cases[i].body, &none, &error);

                if (r != cases[i].expected)
                        fprintf(stderr, "%d, not %d: %ld %s\n", r, cases[i].expected,
                                cases[i].status, cases[i].body);
                assert(r == cases[i].expected && !none);
        }
}

static void test_limits(void) {
        _cleanup_(token_response_freep) TokenResponse *zero = NULL, *huge = NULL;
        _cleanup_free_ char *token = malloc(GRANT_TOKEN_MAX + 2), *body = NULL, *error = NULL;
        TokenResponse *none = NULL;

        assert(parse(200, TOKEN ",\"expires_in\":0}", &zero, NULL) == 0);
        assert(zero->lifetime_usec == 1000000);
        assert(parse(200, TOKEN ",\"expires_in\":99999999999999}", &huge, NULL) == 0);
        assert(huge->lifetime_usec == UINT64_C(30) * 86400 * 1000000);

        memset(token, 'x', GRANT_TOKEN_MAX + 1);
        token[GRANT_TOKEN_MAX + 1] = '\0';
        assert(asprintf(&body, "{\"access_token\":\"%s\",\"token_type\":\"Bearer\"}", token) > 0);
        assert(parse(200, body, &none, NULL) == TOKEN_E_MALFORMED);

        assert(parse(400, "{\"error\":\"a\\u001b[2Jb\"}", &none, &error) == TOKEN_E_AMBIGUOUS);
        assert(streq(error, "a?[2Jb")); /* cleaned for the log */
}

int main(void) {
        test_good();
        test_outcomes();
        test_limits();
        return 0;
}
