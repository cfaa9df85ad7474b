/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
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

/* No answer is lost for what it says about the token's life. */
static void test_lifetimes(void) {
        static const struct {
                const char *expires_in;
                uint64_t seconds;
        } cases[] = {
                {"3600", 3600},
                {"3600.0", 3600},
                {"3599.97", 3599},
                {"\"3600\"", 3600},
                {"5", 5},
                {"86400", 86400},
                {"1", 1},
                {"0", 1},
                {"0.0", 1},
                {"0.5", 1},
                {"1e-300", 1},
                {"2592000", 2592000},
                {"2592001", 2592000},
                {"99999999999999", 2592000},
                {"18446744073709551616", 2592000},
                {"1e300", 2592000},
                {"\"99999999999999999999999\"", 2592000},
                /* as if it were not there */
                {"null", 300},
                {"-1", 300},
                {"-0.5", 300},
                {"-1e300", 300},
                {"\"-1\"", 300},
                {"\"soon\"", 300},
                {"\"\"", 300},
                {"\"0x10\"", 300},
                {"\"1.5\"", 300},
                {"true", 300},
                {"[1]", 300},
                {"{\"x\":1}", 300},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(token_response_freep) TokenResponse *response = NULL;
                _cleanup_free_ char *body = NULL;

                assert(asprintf(&body, TOKEN ",\"expires_in\":%s}", cases[i].expires_in) > 0);
                assert(parse(200, body, &response, NULL) == 0);
                if (response->lifetime_usec != cases[i].seconds * 1000000)
                        fprintf(stderr, "%s: %" PRIu64 "\n", cases[i].expires_in,
                                response->lifetime_usec);
                assert(response->lifetime_usec == cases[i].seconds * 1000000);
        }
}

static void test_limits(void) {
        _cleanup_free_ char *token = malloc(GRANT_TOKEN_MAX + 2), *body = NULL, *error = NULL;
        TokenResponse *none = NULL;

        memset(token, 'x', GRANT_TOKEN_MAX + 1);
        token[GRANT_TOKEN_MAX + 1] = '\0';
        assert(asprintf(&body, "{\"access_token\":\"%s\",\"token_type\":\"Bearer\"}", token) > 0);
        assert(parse(200, body, &none, NULL) == TOKEN_E_MALFORMED);

        assert(parse(400, "{\"error\":\"a\\u001b[2Jb\"}", &none, &error) == TOKEN_E_AMBIGUOUS);
        assert(streq(error, "a?[2Jb")); /* cleaned for the log */
}

static int result_of(long status, const char *json) {
        TokenResponse *response = NULL;
        _cleanup_free_ char *code = NULL;
        int r = parse(status, json, &response, &code);

        assert((r == 0) == (response != NULL));
        token_response_free(response);
        return r;
}

/* Facts of the field: the same word comes with many a status. */
static void test_errors(void) {
        static const struct {
                const char *code;
                int error;
        } cases[] = {
                {"authorization_pending", TOKEN_E_PENDING},
                {"slow_down", TOKEN_E_SLOW_DOWN},
                {"access_denied", TOKEN_E_DENIED},
                {"authorization_declined", TOKEN_E_DENIED},
                {"expired_token", TOKEN_E_EXPIRED},
                {"token_expired", TOKEN_E_EXPIRED},
                {"code_expired", TOKEN_E_EXPIRED},
                {"invalid_grant", TOKEN_E_GRANT_OVER},
                {"interaction_required", TOKEN_E_GRANT_OVER},
                {"login_required", TOKEN_E_GRANT_OVER},
                {"consent_required", TOKEN_E_GRANT_OVER},
                {"not_allowed", TOKEN_E_GRANT_OVER},
                {"bad_verification_code", TOKEN_E_GRANT_OVER},
                {"incorrect_device_code", TOKEN_E_GRANT_OVER},
                {"invalid_client", TOKEN_E_CONFIGURATION},
                {"incorrect_client_credentials", TOKEN_E_CONFIGURATION},
                {"unauthorized_client", TOKEN_E_CONFIGURATION},
                {"unsupported_grant_type", TOKEN_E_CONFIGURATION},
                {"invalid_scope", TOKEN_E_CONFIGURATION},
                {"invalid_target", TOKEN_E_CONFIGURATION},
                {"device_flow_disabled", TOKEN_E_CONFIGURATION},
                {"temporarily_unavailable", TOKEN_E_TRANSIENT},
                {"server_error", TOKEN_E_TRANSIENT},
                {"use_dpop_nonce", TOKEN_E_TRANSIENT},
        };
        static const long statuses[] = {200, 400, 401, 403, 428, 429, 500, 503};

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                for (size_t j = 0; j < ELEMENTSOF(statuses); j++) {
                        char json[200];

                        (void)snprintf(json, sizeof(json),
                                       "{\"error\":\"%s\",\"error_description\":\"x\"}",
                                       cases[i].code);
                        assert(result_of(statuses[j], json) == cases[i].error);
                }
}

static void test_statuses(void) {
        static const struct {
                long status;
                int error;
        } cases[] = {
                {200, TOKEN_E_MALFORMED},     {204, TOKEN_E_MALFORMED},
                {302, TOKEN_E_CONFIGURATION}, {307, TOKEN_E_CONFIGURATION},
                {400, TOKEN_E_AMBIGUOUS},     {401, TOKEN_E_AMBIGUOUS},
                {403, TOKEN_E_AMBIGUOUS},     {404, TOKEN_E_CONFIGURATION},
                {405, TOKEN_E_CONFIGURATION}, {408, TOKEN_E_TRANSIENT},
                {425, TOKEN_E_TRANSIENT},     {429, TOKEN_E_TRANSIENT},
                {500, TOKEN_E_TRANSIENT},     {502, TOKEN_E_TRANSIENT},
                {503, TOKEN_E_TRANSIENT},     {504, TOKEN_E_TRANSIENT},
        };
        static const char *const bodies[] = {
                "",   "<html></html>", "{}",
                "[]", "{\"error\":1}", "{\"error\":\"a\",\"error\":\"a\"}"};

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                for (size_t j = 0; j < ELEMENTSOF(bodies); j++)
                        assert(result_of(cases[i].status, bodies[j]) == cases[i].error);
}

static void test_injection(void) {
        static const char *const values[] = {"a\\nb",   "a\\r",    "a\\u0000b", "a\\tb",
                                             "\\u0085", "\\u00e9", "\\u007f",   "\\u001b[2J"};
        static const char *const names[] = {"refresh_token", "id_token"};

        for (size_t i = 0; i < ELEMENTSOF(values); i++) {
                char json[200];

                (void)snprintf(json, sizeof(json),
                               "{\"access_token\":\"%s\",\"token_type\":\"Bearer\"}", values[i]);
                assert(result_of(200, json) == TOKEN_E_MALFORMED);
                for (size_t j = 0; j < ELEMENTSOF(names); j++) {
                        (void)snprintf(json, sizeof(json), TOKEN ",\"%s\":\"%s\"}", names[j],
                                       values[i]);
                        assert(result_of(200, json) == TOKEN_E_MALFORMED);
                }
        }
        for (size_t j = 0; j < ELEMENTSOF(names); j++) {
                char json[200];

                (void)snprintf(json, sizeof(json), TOKEN ",\"%s\":5}", names[j]);
                assert(result_of(200, json) == TOKEN_E_MALFORMED);
        }
}

static int result_with_size(const char *name, size_t size) {
        _cleanup_free_ char *value = calloc(1, size + 1), *json = NULL;

        assert(value);
        memset(value, 'x', size);
        assert(asprintf(&json, "{\"token_type\":\"Bearer\",%s\"%s\":\"%s\"}",
                        streq(name, "access_token") ? "" : "\"access_token\":\"x\",", name,
                        value) > 0);
        return result_of(200, json);
}

static void test_sizes(void) {
        static const struct {
                const char *name;
                size_t max;
        } cases[] = {
                {"access_token", GRANT_TOKEN_MAX},
                {"refresh_token", GRANT_TOKEN_MAX},
                {"id_token", GRANT_TOKEN_MAX},
                {"scope", GRANT_TEXT_MAX},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                assert(result_with_size(cases[i].name, cases[i].max) == 0);
                assert(result_with_size(cases[i].name, cases[i].max + 1) == TOKEN_E_MALFORMED);
        }
}

static void test_code_for_the_log(void) {
        static const struct {
                const char *json, *code;
        } cases[] = {
                {"{\"error\":\"invalid_grant\"}", "invalid_grant"},
                {"{\"error\":\"a\\nb\\u001b[2J\"}", "a?b?[2J"},
                {"{\"error\":7}", NULL},
                {"not json", NULL},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                TokenResponse *none = NULL;
                _cleanup_free_ char *code = NULL;

                assert(parse(400, cases[i].json, &none, &code) > 0 && !none);
                assert(streq_ptr(code, cases[i].code));
        }
}

static void test_ambiguous(void) {
        assert(result_of(400, "{\"error\":\"invalid_request\"}") == TOKEN_E_AMBIGUOUS);
        assert(result_of(500, "{\"error\":\"invalid_request\"}") == TOKEN_E_TRANSIENT);
        assert(result_of(429, "{\"error\":\"too_fast\"}") == TOKEN_E_TRANSIENT);
        assert(result_of(400, "{\"error\":\"Invalid_Grant\"}") == TOKEN_E_AMBIGUOUS);
        assert(result_of(400, "{\"error\":\"invalid_grant2\"}") == TOKEN_E_AMBIGUOUS);
        assert(result_of(400, "{\"error\":{\"code\":400}}") == TOKEN_E_AMBIGUOUS);
        assert(result_of(503, "{\"error\":{\"code\":503}}") == TOKEN_E_TRANSIENT);
}

static void test_empty_counts_as_absent(void) {
        _cleanup_(token_response_freep) TokenResponse *response = NULL;

        assert(parse(200, TOKEN ",\"refresh_token\":\"\",\"id_token\":\"\"}", &response, NULL) ==
               0);
        assert(!response->refresh_token && !response->id_token);
}

int main(void) {
        test_good();
        test_outcomes();
        test_lifetimes();
        test_limits();
        test_errors();
        test_ambiguous();
        test_statuses();
        test_injection();
        test_sizes();
        test_code_for_the_log();
        test_empty_counts_as_absent();
        return 0;
}
