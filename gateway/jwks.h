/* SPDX-License-Identifier: MIT */
#pragma once

/* Jwks: the provider's public keys (RFC 7517), as OpenSSL keys. Keys of a type that we do not
 * verify with, for another use than signing, or with their private part in the open are passed
 * over; a malformed one too. */

#include <stdbool.h>
#include <stddef.h>

#include "common/macro.h"

#define JWKS_KEYS_MAX 64u

typedef struct Jwks Jwks;

/* 0, -EBADMSG if it is no JWK set, -ENOMEM. A set without a usable key is not an error. */
int jwks_parse(const char *bytes, size_t size, Jwks **ret);
Jwks *jwks_free(Jwks *jwks);
DEFINE_CLEANUP(Jwks, jwks_free);

size_t jwks_size(const Jwks *jwks);

/* Verifies a JWS signature (RFC 7518 3, RFC 8037) over @input with the key called @kid, or without
 * a kid with each key that fits @alg. Key type and curve must fit the algorithm; ECDSA signatures
 * are r||s. 0: verified. -ENOKEY: no key of that kid (or none that fits): worth fetching the set
 * again. -EBADMSG: not verified. -EOPNOTSUPP: an algorithm that is not one of RS256, PS256, ES256,
 * ES384, ES512, EdDSA. */
int jwks_verify(const Jwks *jwks, const char *alg, const char *kid, const void *input,
                size_t input_size, const void *signature, size_t signature_size);

/* Whether @alg is one that jwks_verify() knows. */
bool jwks_algorithm_is_known(const char *alg);
