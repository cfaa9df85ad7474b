/* SPDX-License-Identifier: MIT */
#pragma once

/* ClientKey: the private key that a client proves itself with, read from PEM. It is kept as PEM, in
 * a Secret, and is a key of OpenSSL's only while it is used: what OpenSSL makes of it lies in
 * ordinary memory, which is wiped when it is freed (gateway/wiped-alloc.h) but neither locked nor
 * left out of dumps one by one. To read it again costs little beside the request it is for. */

#include <openssl/evp.h>

#include "common/secret.h"

/* What a key is used with: one algorithm for each kind, the one that providers support most. */
typedef struct ClientKeyKind {
        const char *type;       /* as OpenSSL calls it */
        const char *group;      /* EC only */
        const char *alg;        /* RFC 7518 3.1, RFC 8037 3.1 */
        const char *digest;     /* NULL: it hashes by itself */
        size_t coordinate_size; /* ECDSA: of r and of s (RFC 7518 3.4) */
} ClientKeyKind;

typedef struct ClientKey {
        EVP_PKEY *pkey;
        const ClientKeyKind *kind;
} ClientKey;

/* The first private key in @pem, whatever else is there. NULL, or what is wrong, as the end of a
 * sentence that begins with the file's name. */
const char *client_key_read(const Secret *pem, ClientKey *ret);
void client_key_done(ClientKey *key);
