/* SPDX-License-Identifier: MIT */
#include "gateway/id-token.h"

#include <errno.h>
#include <strings.h>

#include "common/grant.h"
#include "gateway/base64url.h"
#include "gateway/display-text.h"
#include "gateway/json.h"
#include "gateway/mac.h"

#define ALG_MAX 16u
#define KID_MAX 512u
#define URL_MAX 2048u
#define SUBJECT_MAX 255u /* OpenID Connect Core 2 */
#define USEC_PER_SECOND UINT64_C(1000000)
#define SECONDS_MAX (UINT64_MAX / USEC_PER_SECOND / 2)

struct IdToken {
        json_object *claims;
        const char *subject; /* belongs to claims */
};

/* The three parts of a JWS in compact form (RFC 7515 7.1), pointing into the token. */
typedef struct Parts {
        const char *header, *payload, *signature;
        size_t header_size, payload_size, signature_size;
        size_t signed_size; /* of "header.payload" */
} Parts;

IdToken *id_token_free(IdToken *id_token) {
        if (!id_token)
                return NULL;
        json_unref(id_token->claims);
        free(id_token);
        return NULL;
}

static int parts_split(const char *token, size_t size, Parts *parts) {
        const char *end = token + size, *first, *second;

        first = memchr(token, '.', size);
        second = first ? memchr(first + 1, '.', (size_t)(end - first - 1)) : NULL;
        if (!second || memchr(second + 1, '.', (size_t)(end - second - 1)))
                return ID_TOKEN_E_MALFORMED;
        *parts = (Parts){
                .header = token,
                .header_size = (size_t)(first - token),
                .payload = first + 1,
                .payload_size = (size_t)(second - first - 1),
                .signature = second + 1,
                .signature_size = (size_t)(end - second - 1),
                .signed_size = (size_t)(second - token),
        };
        return 0;
}

static int part_read_json(const char *part, size_t size, json_object **ret) {
        _cleanup_(secret_freep) Secret *bytes = NULL;
        int r;

        r = base64url_decode(part, size, &bytes);
        if (r >= 0)
                r = json_read(secret_bytes(bytes), secret_size(bytes), ret);
        if (r < 0)
                return r == -ENOMEM ? r : ID_TOKEN_E_MALFORMED;
        return 0;
}

static bool alg_is_allowed(const char *alg, char *const *algs) {
        for (; *algs; algs++)
                if (streq(*algs, alg))
                        return true;
        return false;
}

/* `typ` is optional; where it is there, an access token (RFC 9068) or a logout token must not pass
 * for an ID token. Media types compare without case and with "application/" left out. */
static bool typ_is_acceptable(json_object *header) {
        const char *typ;
        int r;

        r = json_member_text(header, "typ", KID_MAX, &typ);
        return r == -ENOENT || (r == 0 && strcasecmp(typ, "JWT") == 0);
}

static int header_check(json_object *header, const IdTokenExpectation *expectation,
                        const char **ret_alg, const char **ret_kid) {
        int r;

        /* RFC 7515 4.1.11: we understand no extension, so any that is critical ends it. */
        if (json_object_object_get_ex(header, "crit", NULL) || !typ_is_acceptable(header))
                return ID_TOKEN_E_MALFORMED;
        if (json_member_text(header, "alg", ALG_MAX, ret_alg) < 0)
                return ID_TOKEN_E_ALGORITHM;
        if (!alg_is_allowed(*ret_alg, expectation->algs))
                return ID_TOKEN_E_ALGORITHM;
        if (!jwks_algorithm_is_known(*ret_alg) &&
            !(mac_algorithm_is_known(*ret_alg) && expectation->client_secret))
                return ID_TOKEN_E_ALGORITHM;
        r = json_member_text(header, "kid", KID_MAX, ret_kid);
        if (r == -ENOENT)
                *ret_kid = NULL;
        else if (r < 0)
                return ID_TOKEN_E_MALFORMED;
        return 0;
}

/* The algorithm says whose key it is, so that no public key can be taken for a secret. */
static int signature_check(const Parts *parts, const Jwks *jwks, const Secret *client_secret,
                           const char *alg, const char *kid) {
        _cleanup_(secret_freep) Secret *signature = NULL;
        int r;

        r = base64url_decode(parts->signature, parts->signature_size, &signature);
        if (r < 0)
                return r == -ENOMEM ? r : ID_TOKEN_E_SIGNATURE;
        if (mac_algorithm_is_known(alg))
                r = mac_verify(alg, client_secret, parts->header, parts->signed_size,
                               secret_bytes(signature), secret_size(signature));
        else
                r = jwks ? jwks_verify(jwks, alg, kid, parts->header, parts->signed_size,
                                       secret_bytes(signature), secret_size(signature))
                         : -ENOKEY;
        if (r == -ENOKEY)
                return ID_TOKEN_E_UNKNOWN_KEY;
        if (r == -EKEYREJECTED)
                return ID_TOKEN_E_SECRET;
        if (r < 0)
                return r == -ENOMEM ? r : ID_TOKEN_E_SIGNATURE;
        return 0;
}

static bool claim_equals(json_object *claims, const char *name, const char *expected) {
        const char *value;

        return json_member_text(claims, name, URL_MAX, &value) == 0 && streq(value, expected);
}

/* Core 3.1.3.7 3 to 5: we are in `aud`; nobody else is, because we trust no other audience; and
 * `azp`, where it is there, is us. */
static bool audience_is_ours(json_object *claims, const char *client_id) {
        json_object *aud, *only;

        if (json_object_object_get_ex(claims, "azp", NULL) &&
            !claim_equals(claims, "azp", client_id))
                return false;
        if (!json_object_object_get_ex(claims, "aud", &aud))
                return false;
        if (!json_object_is_type(aud, json_type_array))
                return claim_equals(claims, "aud", client_id);
        if (json_object_array_length(aud) != 1)
                return false;
        only = json_object_array_get_idx(aud, 0);
        return json_object_is_type(only, json_type_string) &&
               streq(json_object_get_string(only), client_id);
}

/* A time of a claim, which is a number of seconds and in the wild sometimes a fractional one. */
static int claim_time(json_object *claims, const char *name, uint64_t *ret_usec) {
        json_object *value;
        double seconds;

        if (!json_object_object_get_ex(claims, name, &value))
                return -ENOENT;
        if (!json_object_is_type(value, json_type_int) &&
            !json_object_is_type(value, json_type_double))
                return -EBADMSG;
        seconds = json_object_get_double(value);
        if (!(seconds >= 0 && seconds <= (double)SECONDS_MAX))
                return -EBADMSG;
        *ret_usec = (uint64_t)(seconds * (double)USEC_PER_SECOND);
        return 0;
}

static int clock_error(const IdTokenExpectation *expectation, IdTokenError error, uint64_t usec) {
        uint64_t now_usec = expectation->now_usec;

        if (expectation->ret_off_sec)
                *expectation->ret_off_sec =
                        (int64_t)((usec > now_usec ? usec - now_usec : now_usec - usec) /
                                  USEC_PER_SECOND);
        return (int)error;
}

static int times_check(json_object *claims, const IdTokenExpectation *expectation) {
        uint64_t now_usec = expectation->now_usec, exp, iat, nbf;
        int r;

        if (claim_time(claims, "exp", &exp) < 0 || claim_time(claims, "iat", &iat) < 0)
                return ID_TOKEN_E_CLAIM;
        if (now_usec >= exp + ID_TOKEN_SKEW_USEC)
                return clock_error(expectation, ID_TOKEN_E_EXPIRED, exp);
        if (iat > now_usec + ID_TOKEN_SKEW_USEC)
                return clock_error(expectation, ID_TOKEN_E_FUTURE, iat);
        r = claim_time(claims, "nbf", &nbf);
        if (r != -ENOENT && r < 0)
                return ID_TOKEN_E_CLAIM;
        if (r == 0 && nbf > now_usec + ID_TOKEN_SKEW_USEC)
                return clock_error(expectation, ID_TOKEN_E_FUTURE, nbf);
        return 0;
}

/* Core 3.1.3.7 11: several providers drop the nonce in the device flow, so one that is absent is
 * accepted. */
static int nonce_check(json_object *claims, const char *nonce) {
        if (!nonce || !json_object_object_get_ex(claims, "nonce", NULL))
                return 0;
        return claim_equals(claims, "nonce", nonce) ? 0 : ID_TOKEN_E_NONCE;
}

static int acr_check(json_object *claims, char *const *acr_values) {
        if (!acr_values)
                return 0;
        for (; *acr_values; acr_values++)
                if (claim_equals(claims, "acr", *acr_values))
                        return 0;
        return ID_TOKEN_E_ACR;
}

static int auth_time_check(json_object *claims, uint64_t max_age_sec, uint64_t now_usec) {
        uint64_t auth_time;

        if (max_age_sec == 0)
                return 0;
        if (claim_time(claims, "auth_time", &auth_time) < 0)
                return ID_TOKEN_E_AUTH_TIME;
        if (auth_time > now_usec + ID_TOKEN_SKEW_USEC ||
            now_usec > auth_time + max_age_sec * USEC_PER_SECOND + ID_TOKEN_SKEW_USEC)
                return ID_TOKEN_E_AUTH_TIME;
        return 0;
}

/* Core 3.1.3.7 11 to 13. */
static int login_check(json_object *claims, const IdTokenExpectation *expectation) {
        int r;

        r = nonce_check(claims, expectation->nonce);
        if (r == 0)
                r = acr_check(claims, expectation->acr_values);
        if (r == 0)
                r = auth_time_check(claims, expectation->max_age_sec, expectation->now_usec);
        return r;
}

static int claims_check(IdToken *id_token, const IdTokenExpectation *expectation) {
        json_object *claims = id_token->claims;
        int r;

        if (!claim_equals(claims, "iss", expectation->issuer))
                return ID_TOKEN_E_ISSUER;
        if (!audience_is_ours(claims, expectation->client_id))
                return ID_TOKEN_E_AUDIENCE;
        if (json_member_text(claims, "sub", SUBJECT_MAX, &id_token->subject) < 0 ||
            !display_text_is_plain(id_token->subject, SUBJECT_MAX))
                return ID_TOKEN_E_CLAIM;
        r = times_check(claims, expectation);
        return r != 0 ? r : login_check(claims, expectation);
}

int id_token_verify(const Secret *token, const Jwks *jwks, const IdTokenExpectation *expectation,
                    IdToken **ret) {
        _cleanup_(json_unrefp) json_object *header = NULL;
        _cleanup_(id_token_freep) IdToken *id_token = NULL;
        const char *alg, *kid;
        Parts parts;
        int r;

        if (secret_size(token) > GRANT_TOKEN_MAX)
                return ID_TOKEN_E_MALFORMED;
        r = parts_split(secret_bytes(token), secret_size(token), &parts);
        if (r != 0)
                return r;
        r = part_read_json(parts.header, parts.header_size, &header);
        if (r != 0)
                return r;
        r = header_check(header, expectation, &alg, &kid);
        if (r != 0)
                return r;
        r = signature_check(&parts, jwks, expectation->client_secret, alg, kid);
        if (r != 0)
                return r;

        /* From here on the bytes are the provider's; the payload is not even parsed before. */
        id_token = calloc(1, sizeof(*id_token));
        if (!id_token)
                return -ENOMEM;
        r = part_read_json(parts.payload, parts.payload_size, &id_token->claims);
        if (r != 0)
                return r;
        r = claims_check(id_token, expectation);
        if (r != 0)
                return r;

        *ret = TAKE_PTR(id_token);
        return 0;
}

const char *id_token_error_text(int error) {
        static const char *const texts[] = {
                [ID_TOKEN_E_MALFORMED] = "it is malformed",
                [ID_TOKEN_E_ALGORITHM] = "its algorithm is not allowed",
                [ID_TOKEN_E_UNKNOWN_KEY] =
                        "it is signed with a key that the provider does not have",
                [ID_TOKEN_E_SIGNATURE] = "its signature is wrong",
                [ID_TOKEN_E_ISSUER] = "it is of another issuer",
                [ID_TOKEN_E_AUDIENCE] = "it is for another client",
                [ID_TOKEN_E_EXPIRED] = "its exp is over",
                [ID_TOKEN_E_FUTURE] = "its iat or nbf is in the future",
                [ID_TOKEN_E_CLAIM] = "a claim is missing or malformed",
                [ID_TOKEN_E_NONCE] = "its nonce is that of another login",
                [ID_TOKEN_E_ACR] = "its acr is none of acr_values",
                [ID_TOKEN_E_SECRET] = "the client secret is too short to verify it with",
                [ID_TOKEN_E_AUTH_TIME] = "its auth_time is missing, or not within max_age",
        };

        if (error <= 0 || (size_t)error >= ELEMENTSOF(texts))
                return "of a fault of our own";
        return texts[error];
}

const char *id_token_subject(const IdToken *id_token) {
        return id_token->subject;
}

json_object *id_token_claims(const IdToken *id_token) {
        return id_token->claims;
}
