/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "gateway/id-token.h"
#include "tests/unit/jose.h"

#define NOW UINT64_C(1795262400)
#define ISSUER "https://id.example.com"
#define CLAIMS_BUT_SUB \
        "\"iss\":\"" ISSUER "\",\"aud\":\"ssh-login\",\"exp\":1795262700,\"iat\":1795262390"
#define CLAIMS "{" CLAIMS_BUT_SUB ",\"sub\":\"248289761001\",\"preferred_username\":\"alice\"}"
#define HEADER "{\"alg\":\"ES256\",\"kid\":\"k\"}"

static JoseKey key;
static Jwks *jwks;

static char *const all_algs[] = {(char *)"RS256",
                                 (char *)"PS256",
                                 (char *)"ES256",
                                 (char *)"ES384",
                                 (char *)"ES512",
                                 (char *)"EdDSA",
                                 NULL};

static IdTokenExpectation expectation = {
        .issuer = ISSUER,
        .client_id = "ssh-login",
        .algs = all_algs,
        .now_usec = NOW * 1000000,
};

static int verify_token(const char *token, IdToken **ret) {
        _cleanup_(secret_freep) Secret *secret = NULL;

        assert(secret_new_copy(token, strlen(token), &secret) == 0);
        return id_token_verify(secret, jwks, &expectation, ret);
}

/* Signs, verifies, and says what came of it. */
static int verify_signed(const char *header, const char *payload) {
        _cleanup_free_ char *token = jose_sign(&key, header, payload);
        _cleanup_(id_token_freep) IdToken *id_token = NULL;
        int r = verify_token(token, &id_token);

        assert((r == 0) == (id_token != NULL));
        return r;
}

static void test_good(void) {
        _cleanup_free_ char *token = jose_sign(&key, HEADER, CLAIMS);
        _cleanup_(id_token_freep) IdToken *id_token = NULL;

        assert(verify_token(token, &id_token) == 0);
        assert(streq(id_token_subject(id_token), "248289761001"));
        assert(json_object_object_get_ex(id_token_claims(id_token), "preferred_username", NULL));
        assert(!json_object_object_get_ex(id_token_claims(id_token), "email", NULL));
}

static void test_claims(void) {
        static const struct {
                int expected;
                const char *payload;
        } cases[] = {
                {0, "{" CLAIMS_BUT_SUB ",\"sub\":\"x\",\"azp\":\"ssh-login\"}"},
                {0, "{\"iss\":\"" ISSUER "\",\"aud\":[\"ssh-login\"],\"exp\":1795262700,"
                    "\"iat\":1795262390.5,\"sub\":\"x\"}"},
                {ID_TOKEN_E_CLAIM, "{" CLAIMS_BUT_SUB "}"},
                {ID_TOKEN_E_CLAIM, "{" CLAIMS_BUT_SUB ",\"sub\":\"\"}"},
                {ID_TOKEN_E_CLAIM, "{" CLAIMS_BUT_SUB ",\"sub\":null}"},
                {ID_TOKEN_E_CLAIM, "{" CLAIMS_BUT_SUB ",\"sub\":7}"},
                {ID_TOKEN_E_CLAIM, "{" CLAIMS_BUT_SUB ",\"sub\":\"a\\nb\"}"},
                {ID_TOKEN_E_MALFORMED, "{" CLAIMS_BUT_SUB ",\"sub\":\"a\\u0000b\"}"},
                {ID_TOKEN_E_MALFORMED, "{" CLAIMS_BUT_SUB ",\"sub\":\"x\",\"sub\":\"y\"}"},
                {ID_TOKEN_E_MALFORMED, "[]"},
                {ID_TOKEN_E_MALFORMED, "{"},
                {ID_TOKEN_E_AUDIENCE, "{" CLAIMS_BUT_SUB ",\"sub\":\"x\",\"azp\":\"other\"}"},
                {ID_TOKEN_E_AUDIENCE, "{" CLAIMS_BUT_SUB ",\"sub\":\"x\",\"azp\":null}"},
#define WITH(iss, aud, exp, iat) \
        "{\"iss\":" iss ",\"aud\":" aud ",\"exp\":" exp ",\"iat\":" iat ",\"sub\":\"x\"}"
#define ISS "\"" ISSUER "\""
#define AUD "\"ssh-login\""
                {0, WITH(ISS, AUD, "1795262341", "1795262000")}, /* 59 s over: the skew */
                {0, WITH(ISS, AUD, "1795262700", "1795262460")},
                {ID_TOKEN_E_EXPIRED, WITH(ISS, AUD, "1795262340", "1795262000")},
                {ID_TOKEN_E_EXPIRED, WITH(ISS, AUD, "0", "0")},
                {ID_TOKEN_E_FUTURE, WITH(ISS, AUD, "1795262700", "1795262461")},
                {ID_TOKEN_E_CLAIM, WITH(ISS, AUD, "-1", "0")},
                {ID_TOKEN_E_CLAIM, WITH(ISS, AUD, "1e300", "0")},
                {ID_TOKEN_E_CLAIM, WITH(ISS, AUD, "\"1795262700\"", "1795262390")},
                {ID_TOKEN_E_CLAIM, WITH(ISS, AUD, "1795262700", "null")},
                {ID_TOKEN_E_ISSUER, WITH("\"https://id.example.com/\"", AUD, "1795262700", "1")},
                {ID_TOKEN_E_ISSUER, WITH("\"https://id.example.co\"", AUD, "1795262700", "1")},
                {ID_TOKEN_E_ISSUER, WITH("\"\"", AUD, "1795262700", "1")},
                {ID_TOKEN_E_ISSUER, WITH("null", AUD, "1795262700", "1")},
                {ID_TOKEN_E_AUDIENCE, WITH(ISS, "\"ssh-logi\"", "1795262700", "1")},
                {ID_TOKEN_E_AUDIENCE, WITH(ISS, "\"ssh-login2\"", "1795262700", "1")},
                {ID_TOKEN_E_AUDIENCE, WITH(ISS, "[]", "1795262700", "1")},
                {ID_TOKEN_E_AUDIENCE, WITH(ISS, "[[\"ssh-login\"]]", "1795262700", "1")},
                {ID_TOKEN_E_AUDIENCE, WITH(ISS, "[\"ssh-login\",\"x\"]", "1795262700", "1")},
                {ID_TOKEN_E_AUDIENCE, WITH(ISS, "{}", "1795262700", "1")},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                int r = verify_signed(HEADER, cases[i].payload);

                if (r != cases[i].expected)
                        fprintf(stderr, "%d, not %d: %s\n", r, cases[i].expected, cases[i].payload);
                assert(r == cases[i].expected);
        }
}

static void test_headers(void) {
        static const struct {
                int expected;
                const char *header;
        } cases[] = {
                {0, "{\"alg\":\"ES256\"}"},
                {0, "{\"alg\":\"ES256\",\"typ\":\"JWT\"}"},
                {ID_TOKEN_E_MALFORMED, "{\"alg\":\"ES256\",\"typ\":\"at+jwt\"}"},
                {ID_TOKEN_E_MALFORMED, "{\"alg\":\"ES256\",\"typ\":\"logout+jwt\"}"},
                {ID_TOKEN_E_MALFORMED, "{\"alg\":\"ES256\",\"crit\":[\"exp\"],\"exp\":1}"},
                {ID_TOKEN_E_MALFORMED, "{\"alg\":\"ES256\",\"alg\":\"none\"}"},
                {ID_TOKEN_E_ALGORITHM, "{\"alg\":\"none\"}"},
                {ID_TOKEN_E_ALGORITHM, "{\"alg\":\"None\"}"},
                {ID_TOKEN_E_ALGORITHM, "{\"alg\":\"HS256\",\"kid\":\"k\"}"},
                {ID_TOKEN_E_ALGORITHM, "{\"alg\":\"\"}"},
                {ID_TOKEN_E_ALGORITHM, "{\"alg\":null}"},
                {ID_TOKEN_E_ALGORITHM, "{}"},
                {ID_TOKEN_E_UNKNOWN_KEY, "{\"alg\":\"ES256\",\"kid\":\"other\"}"},
                {ID_TOKEN_E_MALFORMED, "{\"alg\":\"ES256\",\"kid\":1}"},
                /* right key, another algorithm's name: the curve does not fit */
                {ID_TOKEN_E_SIGNATURE, "{\"alg\":\"ES384\",\"kid\":\"k\"}"},
                {ID_TOKEN_E_UNKNOWN_KEY, "{\"alg\":\"RS256\",\"kid\":\"k\"}"},
                /* a key that the token brings along counts for nothing */
                {ID_TOKEN_E_UNKNOWN_KEY, "{\"alg\":\"EdDSA\",\"jwk\":{\"kty\":\"OKP\"}}"},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                int r = verify_signed(cases[i].header, CLAIMS);

                if (r != cases[i].expected)
                        fprintf(stderr, "%d, not %d: %s\n", r, cases[i].expected, cases[i].header);
                assert(r == cases[i].expected);
        }
}

static void assert_refused(const char *token) {
        IdToken *id_token = NULL;

        assert(verify_token(token, &id_token) > 0 && !id_token);
}

/* Each character of a good token changed, dropped or doubled, and the parts put together wrongly.
 */
static void test_tampering(void) {
        _cleanup_free_ char *token = jose_sign(&key, HEADER, CLAIMS);
        _cleanup_free_ char *stripped = strdup(token);
        size_t length = strlen(token);

        for (size_t i = 0; i < length; i++) {
                _cleanup_free_ char *changed = strdup(token), *longer = NULL;

                changed[i] = changed[i] == 'A' ? 'B' : 'A';
                assert_refused(changed);
                memmove(changed + i, token + i + 1, length - i);
                assert_refused(changed);
                assert(asprintf(&longer, "%.*s%c%s", (int)i, token, token[i], token + i) > 0);
                assert_refused(longer);
        }
        strrchr(stripped, '.')[1] = '\0';
        assert_refused(stripped);
        *strrchr(stripped, '.') = '\0';
        assert_refused(stripped);
        assert_refused("");
        assert_refused("..");
        assert_refused("a.b.c.d.e");
}

static void test_other_signer(void) {
        JoseKey thief = jose_key_new("ES256", "k");
        _cleanup_free_ char *token = jose_sign(&thief, HEADER, CLAIMS);

        assert_refused(token);
        jose_key_done(&thief);
}

static void test_algorithms_not_listed(void) {
        char *const only[] = {(char *)"RS256", NULL};

        expectation.algs = only;
        assert(verify_signed(HEADER, CLAIMS) == ID_TOKEN_E_ALGORITHM);
        expectation.algs = all_algs;
}

typedef struct Case {
        int expected;
        const char *members;
} Case;

static void assert_cases(const Case *cases, size_t n) {
        for (size_t i = 0; i < n; i++) {
                _cleanup_free_ char *payload = NULL;
                int r;

                assert(asprintf(&payload, "{" CLAIMS_BUT_SUB ",\"sub\":\"x\"%s}",
                                cases[i].members) > 0);
                r = verify_signed(HEADER, payload);
                if (r != cases[i].expected)
                        fprintf(stderr, "%d, not %d: %s\n", r, cases[i].expected, payload);
                assert(r == cases[i].expected);
        }
}

static void test_nonce(void) {
        static const Case cases[] = {
                {0, ""},
                {0, ",\"nonce\":\"ours\""},
                {ID_TOKEN_E_NONCE, ",\"nonce\":\"our\""},
                {ID_TOKEN_E_NONCE, ",\"nonce\":\"ours2\""},
                {ID_TOKEN_E_NONCE, ",\"nonce\":\"\""},
                {ID_TOKEN_E_NONCE, ",\"nonce\":null"},
                {ID_TOKEN_E_NONCE, ",\"nonce\":[\"ours\"]"},
        };

        assert(verify_signed(HEADER, "{" CLAIMS_BUT_SUB ",\"sub\":\"x\",\"nonce\":\"?\"}") == 0);
        expectation.nonce = "ours";
        assert_cases(cases, ELEMENTSOF(cases));
        expectation.nonce = NULL;
}

static void test_acr(void) {
        static const Case cases[] = {
                {0, ",\"acr\":\"urn:mfa\""},
                {0, ",\"acr\":\"urn:hardware\""},
                {ID_TOKEN_E_ACR, ""},
                {ID_TOKEN_E_ACR, ",\"acr\":\"urn:password\""},
                {ID_TOKEN_E_ACR, ",\"acr\":\"urn:mf\""},
                {ID_TOKEN_E_ACR, ",\"acr\":\"urn:mfa urn:hardware\""},
                {ID_TOKEN_E_ACR, ",\"acr\":\"URN:MFA\""},
                {ID_TOKEN_E_ACR, ",\"acr\":null"},
                {ID_TOKEN_E_ACR, ",\"acr\":[\"urn:mfa\"]"},
                {ID_TOKEN_E_ACR, ",\"acr\":2"},
        };
        char *const values[] = {(char *)"urn:mfa", (char *)"urn:hardware", NULL};

        expectation.acr_values = values;
        assert_cases(cases, ELEMENTSOF(cases));
        expectation.acr_values = NULL;
}

static void test_max_age(void) {
        static const Case cases[] = {
                {0, ",\"auth_time\":1795262400"},
                {0, ",\"auth_time\":1795262040"}, /* 300 s and the skew */
                {0, ",\"auth_time\":1795262399.5"},
                {0, ",\"auth_time\":1795262460"},
                {ID_TOKEN_E_AUTH_TIME, ",\"auth_time\":1795262461"},
                {ID_TOKEN_E_AUTH_TIME, ",\"auth_time\":1795262039"},
                {ID_TOKEN_E_AUTH_TIME, ",\"auth_time\":0"},
                {ID_TOKEN_E_AUTH_TIME, ",\"auth_time\":-1"},
                {ID_TOKEN_E_AUTH_TIME, ",\"auth_time\":1e300"},
                {ID_TOKEN_E_AUTH_TIME, ",\"auth_time\":\"1795262400\""},
                {ID_TOKEN_E_AUTH_TIME, ",\"auth_time\":null"},
                {ID_TOKEN_E_AUTH_TIME, ",\"auth_time\":true"},
                {ID_TOKEN_E_AUTH_TIME, ""},
        };

        expectation.max_age_sec = 300;
        assert_cases(cases, ELEMENTSOF(cases));
        expectation.max_age_sec = 0;
}

static void test_oversized(void) {
        _cleanup_free_ char *claim = malloc(70000), *payload = NULL;

        assert(claim);
        memset(claim, 'x', 69999);
        claim[69999] = '\0';
        assert(asprintf(&payload, "{" CLAIMS_BUT_SUB ",\"sub\":\"x\",\"pad\":\"%s\"}", claim) > 0);
        assert(verify_signed(HEADER, payload) == ID_TOKEN_E_MALFORMED);
        claim[300] = '\0';
        free(payload);
        assert(asprintf(&payload, "{" CLAIMS_BUT_SUB ",\"sub\":\"%s\"}", claim) > 0);
        assert(verify_signed(HEADER, payload) == ID_TOKEN_E_CLAIM);
}

/* "header.payload.mac" with a shared secret. */
static char *sign_with_secret(const char *digest, const char *alg, const char *secret) {
        _cleanup_free_ char *header = NULL, *first = NULL,
                            *second = jose_base64url(CLAIMS, strlen(CLAIMS));
        _cleanup_free_ char *input = NULL, *last = NULL;
        unsigned char mac[EVP_MAX_MD_SIZE];
        size_t size;
        char *token;

        assert(asprintf(&header, "{\"alg\":\"%s\"}", alg) > 0);
        first = jose_base64url(header, strlen(header));
        assert(asprintf(&input, "%s.%s", first, second) > 0);
        assert(EVP_Q_mac(NULL, "HMAC", NULL, digest, NULL, secret, strlen(secret),
                         (const unsigned char *)input, strlen(input), mac, sizeof(mac), &size));
        last = jose_base64url(mac, size);
        assert(asprintf(&token, "%s.%s", input, last) > 0);
        return token;
}

static int verify_shared(const char *digest, const char *alg, const char *secret) {
        _cleanup_free_ char *token = sign_with_secret(digest, alg, secret);
        _cleanup_(id_token_freep) IdToken *id_token = NULL;
        int r = verify_token(token, &id_token);

        assert((r == 0) == (id_token != NULL));
        return r;
}

/* Only with an algorithm on the list, only with the client secret, and never with what is public.
 */
static void test_shared_secret(void) {
        static const char words[] = "a secret that is long enough for HS256";
        char *const shared[] = {(char *)"HS256", (char *)"HS512", NULL};
        _cleanup_free_ char *set = jose_jwks(&key, 1);
        _cleanup_(secret_freep) Secret *secret = NULL;
        Jwks *keys = jwks;

        assert(secret_new_copy(words, strlen(words), &secret) == 0);
        expectation.client_secret = secret;
        assert(verify_shared("SHA256", "HS256", words) == ID_TOKEN_E_ALGORITHM);
        expectation.algs = shared;
        assert(verify_shared("SHA256", "HS256", words) == 0);
        jwks = NULL; /* no keys are needed for it */
        assert(verify_shared("SHA256", "HS256", words) == 0);
        jwks = keys;
        assert(verify_shared("SHA256", "HS256", "another that is long enough for HS256") ==
               ID_TOKEN_E_SIGNATURE);
        assert(verify_shared("SHA256", "HS256", set) == ID_TOKEN_E_SIGNATURE);
        assert(verify_shared("SHA256", "HS256", "") == ID_TOKEN_E_SIGNATURE);
        assert(verify_shared("SHA384", "HS384", words) == ID_TOKEN_E_ALGORITHM);
        assert(verify_shared("SHA512", "HS512", words) == ID_TOKEN_E_SECRET);
        assert(verify_signed(HEADER, CLAIMS) == ID_TOKEN_E_ALGORITHM);
        expectation.client_secret = NULL;
        assert(verify_shared("SHA256", "HS256", words) == ID_TOKEN_E_ALGORITHM);
        expectation.algs = all_algs;
        jwks = NULL;
        assert(verify_signed(HEADER, CLAIMS) == ID_TOKEN_E_UNKNOWN_KEY);
        jwks = keys;
}

/* Which says how far the clocks are apart. */
static void test_by_how_much(void) {
        int64_t off_sec = -1;

        expectation.ret_off_sec = &off_sec;
        assert(verify_signed(HEADER, WITH(ISS, AUD, "1795262300", "1")) == ID_TOKEN_E_EXPIRED);
        assert(off_sec == 100);
        assert(verify_signed(HEADER, WITH(ISS, AUD, "1795266000", "1795266000")) ==
               ID_TOKEN_E_FUTURE);
        assert(off_sec == 3600);
        expectation.ret_off_sec = NULL;
}

int main(void) {
        _cleanup_free_ char *set = NULL;

        key = jose_key_new("ES256", "k");
        set = jose_jwks(&key, 1);
        assert(jwks_parse(set, strlen(set), &jwks) == 0);
        test_good();
        test_claims();
        test_headers();
        test_tampering();
        test_other_signer();
        test_algorithms_not_listed();
        test_oversized();
        test_shared_secret();
        test_by_how_much();
        test_nonce();
        test_acr();
        test_max_age();
        jwks_free(jwks);
        jose_key_done(&key);
        return 0;
}
