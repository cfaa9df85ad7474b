/* SPDX-License-Identifier: MIT */
#include "gateway/client-assertion.h"

#include <errno.h>
#include <json-c/json.h>
#include <openssl/ecdsa.h>
#include <stdio.h>
#include <sys/random.h>

#include "common/clock.h"
#include "gateway/base64url.h"
#include "gateway/client-key.h"
#include "gateway/wiped-buffer.h"

#define JTI_BYTES 16u
#define COORDINATE_MAX 66u /* P-521 */

static inline void jsonp(json_object **object) {
        (void)json_object_put(*object);
}
static inline void md_ctxp(EVP_MD_CTX **ctx) {
        EVP_MD_CTX_free(*ctx);
}
static inline void ecdsa_sigp(ECDSA_SIG **sig) {
        ECDSA_SIG_free(*sig);
}

/* Frees @value where it cannot be added. */
static int member_add(json_object *object, const char *name, json_object *value) {
        if (!value)
                return -ENOMEM;
        if (json_object_object_add(object, name, value) < 0) {
                (void)json_object_put(value);
                return -ENOMEM;
        }
        return 0;
}

typedef struct Member {
        const char *name;
        const char *text; /* NULL: left out, or a number: */
        int64_t number;
} Member;

/* @members as a JSON object in base64url, after @before. */
static int part_append(WipedBuffer *jwt, const char *before, const Member *members, size_t n) {
        _cleanup_(jsonp) json_object *object = json_object_new_object();
        _cleanup_(secret_freep) Secret *encoded = NULL;
        const char *text;
        int r;

        if (!object)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                if (!members[i].text && members[i].number == 0)
                        continue;
                r = member_add(object, members[i].name,
                               members[i].text ? json_object_new_string(members[i].text)
                                               : json_object_new_int64(members[i].number));
                if (r < 0)
                        return r;
        }
        text = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN |
                                                              JSON_C_TO_STRING_NOSLASHESCAPE);
        if (!text)
                return -ENOMEM;
        r = base64url_encode(text, strlen(text), &encoded);
        if (r < 0)
                return r;
        r = wiped_buffer_append(jwt, before, strlen(before), SECRET_SIZE_MAX);
        if (r < 0)
                return r;
        return wiped_buffer_append(jwt, secret_bytes(encoded), secret_size(encoded),
                                   SECRET_SIZE_MAX);
}

static int jti_make(char jti[static 2 * JTI_BYTES + 1]) {
        unsigned char bytes[JTI_BYTES];

        if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
                return -EIO;
        for (size_t i = 0; i < sizeof(bytes); i++)
                (void)snprintf(jti + 2 * i, 3, "%02x", bytes[i]);
        return 0;
}

/* JWS has r and s side by side, OpenSSL has them in ASN.1. */
static int ecdsa_unpack(const ClientKeyKind *kind, Secret **signature) {
        const unsigned char *der = (const unsigned char *)secret_bytes(*signature);
        _cleanup_(ecdsa_sigp) ECDSA_SIG *sig =
                d2i_ECDSA_SIG(NULL, &der, (long)secret_size(*signature));
        unsigned char raw[2 * COORDINATE_MAX];
        int size = (int)kind->coordinate_size;

        if (!sig || BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, size) != size ||
            BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + size, size) != size)
                return -EIO;
        *signature = secret_free(*signature);
        return secret_new_copy(raw, 2 * kind->coordinate_size, signature);
}

static int sign(const ClientKey *key, const WipedBuffer *input, Secret **ret) {
        _cleanup_(md_ctxp) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        _cleanup_(secret_freep) Secret *longest = NULL, *signature = NULL;
        const unsigned char *bytes = (const unsigned char *)secret_bytes(input->bytes);
        size_t size = 0;
        int r;

        if (!ctx)
                return -ENOMEM;
        if (EVP_DigestSignInit_ex(ctx, NULL, key->kind->digest, NULL, NULL, key->pkey, NULL) <= 0 ||
            EVP_DigestSign(ctx, NULL, &size, bytes, input->used) <= 0)
                return -EIO;
        r = secret_new(size, &longest);
        if (r < 0)
                return r;
        if (EVP_DigestSign(ctx, (unsigned char *)secret_buffer(longest), &size, bytes,
                           input->used) <= 0)
                return -EIO;
        r = secret_new_copy(secret_bytes(longest), size, &signature);
        if (r < 0)
                return r;
        if (key->kind->coordinate_size > 0) {
                r = ecdsa_unpack(key->kind, &signature);
                if (r < 0)
                        return r;
        }
        return base64url_encode(secret_bytes(signature), secret_size(signature), ret);
}

int client_assertion_make(const ProviderConfig *config, const Secret *pem, uint64_t now_usec,
                          Secret **ret) {
        const char *audience = config->client_assertion_audience ? config->client_assertion_audience
                                                                 : config->issuer;
        int64_t now = (int64_t)(now_usec / USEC_PER_SEC);
        char jti[2 * JTI_BYTES + 1];
        _cleanup_(client_key_done) ClientKey key = {};
        _cleanup_(wiped_buffer_done) WipedBuffer jwt = {};
        _cleanup_(secret_freep) Secret *signature = NULL;
        int r;

        if (client_key_read(pem, &key))
                return -EINVAL;
        r = jti_make(jti);
        if (r < 0)
                return r;

        const Member header[] = {
                {"typ", "JWT", 0}, {"alg", key.kind->alg, 0}, {"kid", config->client_key_id, 0}};
        const Member claims[] = {
                {"iss", config->client_id, 0},
                {"sub", config->client_id, 0},
                {"aud", audience, 0},
                {"jti", jti, 0},
                {"iat", NULL, now},
                {"exp", NULL, now + CLIENT_ASSERTION_LIFE_SEC},
        };
        r = part_append(&jwt, "", header, ELEMENTSOF(header));
        if (r < 0)
                return r;
        r = part_append(&jwt, ".", claims, ELEMENTSOF(claims));
        if (r < 0)
                return r;
        r = sign(&key, &jwt, &signature);
        if (r < 0)
                return r;
        r = wiped_buffer_append(&jwt, ".", 1, SECRET_SIZE_MAX);
        if (r < 0)
                return r;
        r = wiped_buffer_append(&jwt, secret_bytes(signature), secret_size(signature),
                                SECRET_SIZE_MAX);
        if (r < 0)
                return r;
        return wiped_buffer_take(&jwt, ret);
}
