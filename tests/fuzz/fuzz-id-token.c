/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include <openssl/err.h>
#include <stdbool.h>
#include <string.h>

#include "gateway/display-text.h"
#include "gateway/id-token.h"
#include "tests/unit/jose.h"

/* The input twice: as a whole token, which nobody signed, so that it must not verify; and as the
 * claims of one that is signed, because a fuzzer cannot get past the signature. */

static JoseKey key;
static Jwks *jwks;

static void set_up(void) {
        _cleanup_free_ char *set = NULL;

        if (jwks)
                return;
        key = jose_key_new("ES256", "k");
        set = jose_jwks(&key, 1);
        assert(jwks_parse(set, strlen(set), &jwks) == 0);
}

static int verify(const void *bytes, size_t size, IdToken **ret) {
        static char *const algs[] = {(char *)"ES256", (char *)"RS256", NULL};
        static const IdTokenExpectation expectation = {
                .issuer = "https://id.example.com",
                .client_id = "ssh-login",
                .algs = algs,
                .now_usec = UINT64_C(1795262400) * 1000000,
        };
        _cleanup_(secret_freep) Secret *token = NULL;
        int r;

        if (secret_new_copy(bytes, size, &token) < 0)
                return ID_TOKEN_E_MALFORMED;
        r = id_token_verify(token, jwks, &expectation, ret);
        ERR_clear_error();
        assert((r == 0) == (*ret != NULL) && r >= 0 && r <= ID_TOKEN_E_CLAIM);
        assert(*id_token_error_text(r));
        return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(id_token_freep) IdToken *forged = NULL, *id_token = NULL;
        _cleanup_free_ char *claims = NULL, *token = NULL;

        set_up();
        assert(verify(data, size, &forged) != 0);

        claims = strndup((const char *)data, size);
        assert(claims);
        token = jose_sign(&key, "{\"alg\":\"ES256\",\"kid\":\"k\"}", claims);
        if (verify(token, strlen(token), &id_token) == 0)
                assert(display_text_is_plain(id_token_subject(id_token), 255));
        return 0;
}
