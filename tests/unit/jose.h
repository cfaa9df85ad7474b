/* SPDX-License-Identifier: MIT */
#pragma once

/* The other side of gateway/jwks.c for tests: makes keys, writes them as a JWK set and signs. */

#include <openssl/evp.h>
#include <stddef.h>

typedef struct JoseKey {
        const char *alg;
        const char *kid;
        EVP_PKEY *pkey;
} JoseKey;

/* A fresh key for one of the algorithms of gateway/jwks.h. Asserts where it fails. */
JoseKey jose_key_new(const char *alg, const char *kid);
void jose_key_done(JoseKey *key);

/* "{"keys":[...]}" of @n keys; the caller frees it. */
char *jose_jwks(const JoseKey *keys, size_t n);

/* base64url of bytes; the caller frees it. */
char *jose_base64url(const void *bytes, size_t size);

/* JOSE's form of the signature over @input, @ret_size bytes that the caller frees. */
unsigned char *jose_signature(const JoseKey *key, const void *input, size_t size, size_t *ret_size);

/* "header.payload.signature"; the caller frees it. */
char *jose_sign(const JoseKey *key, const char *header, const char *payload);
/* The same of bytes that need not be text. */
char *jose_sign_bytes(const JoseKey *key, const void *header, size_t header_size,
                      const void *payload, size_t payload_size);
