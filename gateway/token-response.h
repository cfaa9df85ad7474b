/* SPDX-License-Identifier: MIT */
#pragma once

/* TokenResponse: the answer of the token endpoint (RFC 6749 5.1 and 5.2), by its body first and its
 * status second, because providers differ in the status. */

#include <stdint.h>

#include "common/outcome.h"
#include "common/secret.h"
#include "gateway/http.h"

#define TOKEN_LIFETIME_DEFAULT_USEC (300 * UINT64_C(1000000)) /* expires_in is only RECOMMENDED */

typedef struct TokenResponse {
        Secret *access_token;
        Secret *refresh_token;  /* or NULL */
        Secret *id_token;       /* or NULL */
        char *scope;            /* or NULL: as requested (RFC 6749 5.1) */
        uint64_t lifetime_usec; /* 1 s .. 30 days */
} TokenResponse;

/* What an answer that is no token asks for: one row of the tables in token-response.c. */
typedef enum TokenError {
        TOKEN_E_PENDING = 1,   /* authorization_pending */
        TOKEN_E_SLOW_DOWN,     /* RFC 8628 3.5: +5 s for good */
        TOKEN_E_DENIED,        /* access_denied */
        TOKEN_E_EXPIRED,       /* expired_token */
        TOKEN_E_GRANT_OVER,    /* invalid_grant and what providers say in its place */
        TOKEN_E_CONFIGURATION, /* invalid_client, unauthorized_client, invalid_scope... */
        TOKEN_E_AMBIGUOUS,     /* invalid_request, 400/401/403 without a usable body */
        TOKEN_E_TRANSIENT,     /* 5xx, 429, 408, temporarily_unavailable: try again later */
        TOKEN_E_MALFORMED,     /* a 200 that cannot be used: the request may have been executed */
        TOKEN_E_TOKEN_TYPE,    /* not Bearer (RFC 6749 7.1: MUST NOT be used) */
} TokenError;

/* 0, a TokenError, or -ENOMEM. @ret_error_code (may be NULL) gets the cleaned `error` member for
 * the log, or NULL; the caller frees it. */
int token_response_parse(const HttpResponse *http, TokenResponse **ret, char **ret_error_code);
TokenResponse *token_response_free(TokenResponse *response);
DEFINE_CLEANUP(TokenResponse, token_response_free);
