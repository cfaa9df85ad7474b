/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include "tests/unit/some-identity.h"

#include <assert.h>
#include <stdio.h>

#include "tests/unit/jose.h"

Identity *some_identity(const char *members) {
        static char *const algs[] = {(char *)"ES256", NULL};
        const IdTokenExpectation expectation = {
                .issuer = SOME_ISSUER, .client_id = "c", .algs = algs, .now_usec = 1000000};
        _cleanup_free_ char *payload = NULL, *token = NULL, *set = NULL;
        _cleanup_(secret_freep) Secret *secret = NULL;
        _cleanup_(jwks_freep) Jwks *jwks = NULL;
        JoseKey key = jose_key_new("ES256", "k");
        Identity *identity;
        IdToken *id_token;

        assert(asprintf(&payload,
                        "{\"iss\":\"" SOME_ISSUER "\",\"aud\":\"c\",\"iat\":1,\"exp\":2%s}",
                        members) > 0);
        token = jose_sign(&key, "{\"alg\":\"ES256\"}", payload);
        set = jose_jwks(&key, 1);
        jose_key_done(&key);
        assert(jwks_parse(set, strlen(set), &jwks) == 0);
        assert(secret_new_copy(token, strlen(token), &secret) == 0);
        assert(id_token_verify(secret, jwks, &expectation, &id_token) == 0);
        assert(identity_new(id_token, &identity) == 0);
        return identity;
}
