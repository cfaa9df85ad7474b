/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include "tests/unit/jose.h"

#include <assert.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <string.h>

#include "common/macro.h"

static const struct Maker {
        const char *alg, *kty, *curve, *crv, *digest;
        int half; /* ECDSA: bytes of r and of s */
} makers[] = {
        {"RS256", "RSA", NULL, NULL, "SHA256", 0},
        {"PS256", "RSA", NULL, NULL, "SHA256", 0},
        {"ES256", "EC", "P-256", "P-256", "SHA256", 32},
        {"ES384", "EC", "P-384", "P-384", "SHA384", 48},
        {"ES512", "EC", "P-521", "P-521", "SHA512", 66},
        {"EdDSA", "OKP", NULL, "Ed25519", NULL, 0},
};

static const struct Maker *maker_find(const char *alg) {
        for (size_t i = 0; i < ELEMENTSOF(makers); i++)
                if (streq(makers[i].alg, alg))
                        return &makers[i];
        assert(!"an algorithm of ours");
        return NULL;
}

JoseKey jose_key_new(const char *alg, const char *kid) {
        const struct Maker *maker = maker_find(alg);
        JoseKey key = {.alg = alg, .kid = kid};

        if (streq(maker->kty, "RSA"))
                key.pkey = EVP_RSA_gen(2048);
        else if (maker->curve)
                key.pkey = EVP_EC_gen(maker->curve);
        else
                key.pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
        assert(key.pkey);
        return key;
}

void jose_key_done(JoseKey *key) {
        EVP_PKEY_free(key->pkey);
}

char *jose_base64url(const void *bytes, size_t size) {
        char *text = malloc(size * 4 / 3 + 8);
        size_t n;

        assert(text && EVP_EncodeBlock((unsigned char *)text, bytes, (int)size) >= 0);
        n = strcspn(text, "=");
        text[n] = '\0';
        for (size_t i = 0; i < n; i++)
                text[i] = text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i];
        return text;
}

static char *number_member(const EVP_PKEY *pkey, const char *name, int size) {
        unsigned char bytes[512];
        BIGNUM *number = NULL;
        char *text;

        assert(EVP_PKEY_get_bn_param(pkey, name, &number));
        size = size > 0 ? size : BN_num_bytes(number);
        assert(BN_bn2binpad(number, bytes, size) == size);
        text = jose_base64url(bytes, (size_t)size);
        BN_free(number);
        return text;
}

static void write_key(FILE *out, const JoseKey *key) {
        const struct Maker *maker = maker_find(key->alg);
        _cleanup_free_ char *a = NULL, *b = NULL;
        unsigned char raw[32];
        size_t size = sizeof(raw);

        fprintf(out, "{\"kty\":\"%s\",\"use\":\"sig\"", maker->kty);
        if (key->kid)
                fprintf(out, ",\"kid\":\"%s\"", key->kid);
        if (streq(maker->kty, "RSA")) {
                a = number_member(key->pkey, OSSL_PKEY_PARAM_RSA_N, 0);
                b = number_member(key->pkey, OSSL_PKEY_PARAM_RSA_E, 0);
                fprintf(out, ",\"n\":\"%s\",\"e\":\"%s\"}", a, b);
        } else if (maker->curve) {
                a = number_member(key->pkey, OSSL_PKEY_PARAM_EC_PUB_X, maker->half);
                b = number_member(key->pkey, OSSL_PKEY_PARAM_EC_PUB_Y, maker->half);
                fprintf(out, ",\"crv\":\"%s\",\"x\":\"%s\",\"y\":\"%s\"}", maker->crv, a, b);
        } else {
                assert(EVP_PKEY_get_raw_public_key(key->pkey, raw, &size));
                a = jose_base64url(raw, size);
                fprintf(out, ",\"crv\":\"%s\",\"x\":\"%s\"}", maker->crv, a);
        }
}

char *jose_jwks(const JoseKey *keys, size_t n) {
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        assert(out);
        fputs("{\"keys\":[", out);
        for (size_t i = 0; i < n; i++) {
                fputs(i > 0 ? "," : "", out);
                write_key(out, &keys[i]);
        }
        fputs("]}", out);
        assert(fclose(out) == 0);
        return text;
}

static unsigned char *der_to_jose(unsigned char *der, size_t size, int half, size_t *ret_size) {
        const unsigned char *p = der;
        ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)size);
        unsigned char *jose = malloc(2 * (size_t)half);

        assert(sig && jose);
        assert(BN_bn2binpad(ECDSA_SIG_get0_r(sig), jose, half) == half);
        assert(BN_bn2binpad(ECDSA_SIG_get0_s(sig), jose + half, half) == half);
        ECDSA_SIG_free(sig);
        free(der);
        *ret_size = 2 * (size_t)half;
        return jose;
}

unsigned char *jose_signature(const JoseKey *key, const void *input, size_t size,
                              size_t *ret_size) {
        const struct Maker *maker = maker_find(key->alg);
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        EVP_PKEY_CTX *pkey_ctx;
        unsigned char *signature;

        assert(ctx && EVP_DigestSignInit_ex(ctx, &pkey_ctx, maker->digest, NULL, NULL, key->pkey,
                                            NULL) == 1);
        if (streq(key->alg, "PS256"))
                assert(EVP_PKEY_CTX_set_rsa_padding(pkey_ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
                       EVP_PKEY_CTX_set_rsa_pss_saltlen(pkey_ctx, RSA_PSS_SALTLEN_DIGEST) == 1);
        assert(EVP_DigestSign(ctx, NULL, ret_size, input, size) == 1);
        signature = malloc(*ret_size);
        assert(signature && EVP_DigestSign(ctx, signature, ret_size, input, size) == 1);
        EVP_MD_CTX_free(ctx);
        return maker->half > 0 ? der_to_jose(signature, *ret_size, maker->half, ret_size)
                               : signature;
}

char *jose_sign_bytes(const JoseKey *key, const void *header, size_t header_size,
                      const void *payload, size_t payload_size) {
        _cleanup_free_ char *h = jose_base64url(header, header_size);
        _cleanup_free_ char *p = jose_base64url(payload, payload_size);
        _cleanup_free_ char *input = NULL, *s = NULL;
        _cleanup_free_ unsigned char *signature = NULL;
        char *token = NULL;
        size_t size;

        assert(asprintf(&input, "%s.%s", h, p) > 0);
        signature = jose_signature(key, input, strlen(input), &size);
        s = jose_base64url(signature, size);
        assert(asprintf(&token, "%s.%s", input, s) > 0);
        return token;
}

char *jose_sign(const JoseKey *key, const char *header, const char *payload) {
        return jose_sign_bytes(key, header, strlen(header), payload, strlen(payload));
}
