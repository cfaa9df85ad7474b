/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include <openssl/err.h>
#include <stdbool.h>
#include <string.h>

#include "gateway/display-text.h"
#include "gateway/id-token.h"
#include "tests/unit/jose.h"

/* The input as a whole token, which nobody signed, so that it must not verify; as the claims of one
 * that is signed, because a fuzzer cannot get past the signature; and, where it has two lines, as
 * header and claims of one that is. */

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

static int verify(const void *bytes, size_t size, bool of_login, IdToken **ret) {
        static char *const algs[] = {(char *)"ES256", (char *)"RS256", NULL};
        static char *const acr[] = {(char *)"1", NULL};
        IdTokenExpectation expectation = {
                .issuer = "https://id.example.com",
                .client_id = "ssh-login",
                .algs = algs,
                .now_usec = UINT64_C(1795262400) * 1000000,
                .nonce = of_login ? "n" : NULL,
                .acr_values = of_login ? acr : NULL,
                .max_age_sec = of_login ? 100 : 0,
        };
        _cleanup_(secret_freep) Secret *token = NULL;
        int r;

        if (secret_new_copy(bytes, size, &token) < 0)
                return ID_TOKEN_E_MALFORMED;
        r = id_token_verify(token, jwks, &expectation, ret);
        ERR_clear_error();
        assert((r == 0) == (*ret != NULL) && r >= 0 && r < _ID_TOKEN_ERROR_MAX);
        assert(*id_token_error_text(r));
        return r;
}

static void verify_signed(const void *header, size_t header_size, const void *claims,
                          size_t claims_size) {
        _cleanup_free_ char *token =
                jose_sign_bytes(&key, header, header_size, claims, claims_size);

        for (int of_login = 0; of_login <= 1; of_login++) {
                _cleanup_(id_token_freep) IdToken *id_token = NULL;

                if (verify(token, strlen(token), of_login, &id_token) == 0)
                        assert(display_text_is_plain(id_token_subject(id_token), 255));
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const char header[] = "{\"alg\":\"ES256\",\"kid\":\"k\"}";
        const uint8_t *line = size > 0 ? memchr(data, '\n', size) : NULL;
        _cleanup_(id_token_freep) IdToken *forged = NULL;

        set_up();
        assert(verify(data, size, false, &forged) != 0);
        verify_signed(header, strlen(header), data, size);
        if (line)
                verify_signed(data, (size_t)(line - data), line + 1,
                              size - (size_t)(line + 1 - data));
        return 0;
}
