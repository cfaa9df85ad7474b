/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include "tests/unit/tampering.h"

#include <assert.h>
#include <stdio.h>

#define NOW UINT64_C(1795262400)

const char *const tampering_algs[TAMPERING_KEYS] = {"RS256", "PS256", "ES256",
                                                    "ES384", "ES512", "EdDSA"};
JoseKey tampering_keys[TAMPERING_KEYS];
JoseKey *const tampering_es256 = &tampering_keys[2];
static Jwks *jwks;
static unsigned n_tried, n_refused;

/* More than anybody would allow, so that it is not this list that refuses. */
static char *const allowed[] = {(char *)"none",
                                (char *)"HS256",
                                (char *)"HS384",
                                (char *)"HS512",
                                (char *)"RS256",
                                (char *)"PS256",
                                (char *)"ES256",
                                (char *)"ES384",
                                (char *)"ES512",
                                (char *)"EdDSA",
                                NULL};

static int verify(const char *token, size_t size, IdToken **ret) {
        const IdTokenExpectation expectation = {
                .issuer = TAMPERING_ISSUER,
                .client_id = "ssh-login",
                .algs = allowed,
                .now_usec = NOW * 1000000,
        };
        _cleanup_(secret_freep) Secret *secret = NULL;

        assert(secret_new_copy(token, size, &secret) == 0);
        return id_token_verify(secret, jwks, &expectation, ret);
}

void tampering_assert_taken(const char *token) {
        _cleanup_(id_token_freep) IdToken *id_token = NULL;

        assert(verify(token, strlen(token), &id_token) == 0);
        assert(streq(id_token_subject(id_token), "alice"));
}

void tampering_refuse_bytes(int expected, const char *token, size_t size) {
        _cleanup_(id_token_freep) IdToken *id_token = NULL;
        int r = verify(token, size, &id_token);
        bool refused = r > 0 && !id_token && (expected == 0 || r == expected);

        n_tried++;
        n_refused += refused;
        if (!refused)
                fprintf(stderr, "%d, not %d: %.*s\n", r, expected, (int)size, token);
}

void tampering_refuse(int expected, const char *token) {
        tampering_refuse_bytes(expected, token, strlen(token));
}

void tampering_refuse_signed(int expected, const char *header, const char *payload) {
        _cleanup_free_ char *token = jose_sign(tampering_es256, header, payload);

        tampering_refuse(expected, token);
}

char *tampering_good_token(const JoseKey *key) {
        _cleanup_free_ char *header = NULL;

        assert(asprintf(&header, "{\"alg\":\"%s\",\"kid\":\"%s\"}", key->alg, key->kid) > 0);
        return jose_sign(key, header, TAMPERING_CLAIMS);
}

void tampering_begin(void) {
        _cleanup_free_ char *set = NULL;

        for (size_t i = 0; i < TAMPERING_KEYS; i++)
                tampering_keys[i] = jose_key_new(tampering_algs[i], tampering_algs[i]);
        set = jose_jwks(tampering_keys, TAMPERING_KEYS);
        assert(jwks_parse(set, strlen(set), &jwks) == 0 && jwks_size(jwks) == TAMPERING_KEYS);
}

int tampering_end(void) {
        jwks_free(jwks);
        for (size_t i = 0; i < TAMPERING_KEYS; i++)
                jose_key_done(&tampering_keys[i]);
        printf("tampered tokens: %u tried, %u refused\n", n_tried, n_refused);
        return n_tried == n_refused ? 0 : 1;
}
