/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include <errno.h>
#include <openssl/err.h>

#include "gateway/jwks.h"

/* Nobody signed this, so whatever the keys are, it must not verify. */
static void check_nothing_verifies(const Jwks *jwks) {
        static const char *const algs[] = {"RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA"};
        static const size_t sizes[] = {256, 256, 64, 96, 132, 64};
        static const unsigned char signature[256] = {1, 2, 3};

        for (size_t i = 0; i < ELEMENTSOF(algs); i++) {
                int r = jwks_verify(jwks, algs[i], NULL, "input", 5, signature, sizes[i]);

                assert(r == -ENOKEY || r == -EBADMSG);
        }
        ERR_clear_error();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(jwks_freep) Jwks *jwks = NULL;
        int r = jwks_parse((const char *)data, size, &jwks);

        assert((r == 0) == (jwks != NULL) && (r == 0 || r == -EBADMSG));
        if (jwks) {
                assert(jwks_size(jwks) <= JWKS_KEYS_MAX);
                check_nothing_verifies(jwks);
        }
        return 0;
}
