/* SPDX-License-Identifier: MIT */
#pragma once

/* IdToken: an ID token of which everything was verified (OpenID Connect Core 3.1.3.7). There is no
 * way to get one otherwise, so no other code can act on an unverified claim. */

#include <json-c/json.h>
#include <stdint.h>

#include "common/secret.h"
#include "gateway/jwks.h"

#define ID_TOKEN_SKEW_USEC (60 * UINT64_C(1000000))

typedef struct IdToken IdToken;

typedef struct IdTokenExpectation {
        const char *issuer;
        const char *client_id;
        char *const *algs;           /* NULL-terminated allow-list */
        const Secret *client_secret; /* the key of HS256, HS384 and HS512; NULL: they are refused */
        uint64_t now_usec;           /* CLOCK_REALTIME */
        int64_t *ret_off_sec;        /* where to say by how much a time is off; NULL: nobody asks */

        /* What a login asks for; a renewal does not, because its ID token speaks of the login that
         * once was (Core 12.2). */
        const char *nonce; /* what came back, if any did, must equal it; NULL: none was sent */
        char *const *acr_values; /* NULL-terminated, one of which `acr` must be; NULL: any */
        uint64_t max_age_sec;    /* since `auth_time`; 0: any, or none */
} IdTokenExpectation;

typedef enum IdTokenError {
        ID_TOKEN_E_MALFORMED = 1,
        ID_TOKEN_E_ALGORITHM,
        ID_TOKEN_E_UNKNOWN_KEY, /* fetch the keys once more, then give up */
        ID_TOKEN_E_SIGNATURE,
        ID_TOKEN_E_ISSUER,
        ID_TOKEN_E_AUDIENCE, /* aud or azp */
        ID_TOKEN_E_EXPIRED,  /* exp is over: a wrong clock, here or there */
        ID_TOKEN_E_FUTURE,   /* iat or nbf is in the future: a wrong clock */
        ID_TOKEN_E_CLAIM,    /* sub or another claim that must be there is not, or is malformed */
        ID_TOKEN_E_NONCE,    /* it belongs to another login */
        ID_TOKEN_E_ACR,
        ID_TOKEN_E_SECRET,    /* the client secret is too short to be the key, RFC 7518 3.2 */
        ID_TOKEN_E_AUTH_TIME, /* the person authenticated too long ago, or nobody says when */
        _ID_TOKEN_ERROR_MAX,
} IdTokenError;

/* 0, an IdTokenError, or -ENOMEM. Without @jwks (NULL) only what needs none of its keys verifies.
 */
int id_token_verify(const Secret *token, const Jwks *jwks, const IdTokenExpectation *expectation,
                    IdToken **ret);
IdToken *id_token_free(IdToken *id_token);
DEFINE_CLEANUP(IdToken, id_token_free);

/* A word for the log: "signature", "issuer", ... */
const char *id_token_error_text(int error);

const char *id_token_subject(const IdToken *id_token); /* 1..255 printable ASCII */

/* All of them; they belong to the token. */
json_object *id_token_claims(const IdToken *id_token);
