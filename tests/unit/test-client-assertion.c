/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <openssl/pem.h>
#include <stdio.h>

#include "gateway/base64url.h"
#include "gateway/client-assertion.h"
#include "gateway/client-key.h"
#include "gateway/jwks.h"
#include "tests/unit/jose.h"

#define NOW_USEC (UINT64_C(1700000000) * 1000000 + 999999)

static Secret *pem_of(EVP_PKEY *pkey) {
        BIO *bio = BIO_new(BIO_s_mem());
        Secret *pem = NULL;
        char *bytes;
        long size;

        assert(bio && PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL) == 1);
        size = BIO_get_mem_data(bio, &bytes);
        assert(secret_new_copy(bytes, (size_t)size, &pem) == 0);
        BIO_free(bio);
        return pem;
}

typedef struct Parts {
        const char *text[3];
        size_t size[3];
} Parts;

static Parts split(const Secret *assertion) {
        const char *text = secret_bytes(assertion);
        Parts parts;

        for (size_t i = 0; i < 3; i++) {
                parts.text[i] = text;
                parts.size[i] = strcspn(text, ".");
                text += parts.size[i];
                assert(*text == (i < 2 ? '.' : '\0'));
                text++;
        }
        return parts;
}

static void check_json(const Parts *parts, size_t part, const char *expected) {
        _cleanup_(secret_freep) Secret *json = NULL;

        assert(base64url_decode(parts->text[part], parts->size[part], &json) == 0);
        if (!streq(secret_bytes(json), expected))
                (void)fprintf(stderr, "%s\n%s\n", secret_bytes(json), expected);
        assert(streq(secret_bytes(json), expected));
}

static void check_claims(const Parts *parts, const char *audience, char ret_jti[33]) {
        _cleanup_(secret_freep) Secret *json = NULL;
        _cleanup_free_ char *expected = NULL;
        const char *jti;

        assert(base64url_decode(parts->text[1], parts->size[1], &json) == 0);
        jti = strstr(secret_bytes(json), "\"jti\":\"");
        assert(jti);
        jti += strlen("\"jti\":\"");
        assert(strspn(jti, "0123456789abcdef") == 32);
        (void)snprintf(ret_jti, 33, "%.32s", jti);
        assert(asprintf(&expected,
                        "{\"iss\":\"ssh:\\\"login\\\"\",\"sub\":\"ssh:\\\"login\\\"\",\"aud\":\"%"
                        "s\","
                        "\"jti\":\"%s\",\"iat\":1700000000,\"exp\":1700000060}",
                        audience, ret_jti) > 0);
        check_json(parts, 1, expected);
}

static void check_signature(const JoseKey *key, const Parts *parts) {
        _cleanup_(jwks_freep) Jwks *jwks = NULL;
        _cleanup_(secret_freep) Secret *signature = NULL;
        _cleanup_free_ char *set = jose_jwks(key, 1);

        assert(jwks_parse(set, strlen(set), &jwks) == 0);
        assert(base64url_decode(parts->text[2], parts->size[2], &signature) == 0);
        assert(jwks_verify(jwks, key->alg, NULL, parts->text[0],
                           parts->size[0] + 1 + parts->size[1], secret_bytes(signature),
                           secret_size(signature)) == 0);
}

static const ProviderConfig config = {
        .issuer = (char *)"https://id.example.com/oidc",
        .client_id = (char *)"ssh:\"login\"",
};

/* Often enough that an r or s with a leading zero is among them: one in 128 is. */
static void test_every_key(void) {
        static const char *const algs[] = {"RS256", "ES256", "ES384", "ES512", "EdDSA"};

        for (size_t i = 0; i < ELEMENTSOF(algs); i++) {
                JoseKey key = jose_key_new(algs[i], "k");
                _cleanup_(secret_freep) Secret *pem = pem_of(key.pkey);
                _cleanup_free_ char *header = NULL;
                char before[33] = "";

                assert(asprintf(&header, "{\"typ\":\"JWT\",\"alg\":\"%s\"}", algs[i]) > 0);
                for (int n = 0; n < (streq(algs[i], "ES256") ? 600 : 3); n++) {
                        _cleanup_(secret_freep) Secret *assertion = NULL;
                        char jti[33];
                        Parts parts;

                        assert(client_assertion_make(&config, pem, NOW_USEC, &assertion) == 0);
                        parts = split(assertion);
                        check_json(&parts, 0, header);
                        check_claims(&parts, "https://id.example.com/oidc", jti);
                        check_signature(&key, &parts);
                        assert(!streq(jti, before));
                        memcpy(before, jti, sizeof(before));
                }
                jose_key_done(&key);
        }
}

static void test_key_id_and_audience(void) {
        JoseKey key = jose_key_new("ES256", "k");
        _cleanup_(secret_freep) Secret *pem = pem_of(key.pkey), *assertion = NULL;
        ProviderConfig other = config;
        char jti[33];
        Parts parts;

        other.client_key_id = (char *)"host-7/a";
        other.client_assertion_audience = (char *)"https://id.example.com/token";
        assert(client_assertion_make(&other, pem, NOW_USEC, &assertion) == 0);
        parts = split(assertion);
        check_json(&parts, 0, "{\"typ\":\"JWT\",\"alg\":\"ES256\",\"kid\":\"host-7/a\"}");
        check_claims(&parts, "https://id.example.com/token", jti);
        jose_key_done(&key);
}

static EVP_PKEY *rsa_pss(void) {
        EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA-PSS", NULL);
        EVP_PKEY *pkey = NULL;

        assert(ctx && EVP_PKEY_keygen_init(ctx) == 1 && EVP_PKEY_keygen(ctx, &pkey) == 1);
        EVP_PKEY_CTX_free(ctx);
        return pkey;
}

static void check_unusable(EVP_PKEY *pkey) {
        _cleanup_(secret_freep) Secret *pem = pem_of(pkey), *assertion = NULL;
        ClientKey key;

        assert(pkey && client_key_read(pem, &key));
        assert(client_assertion_make(&config, pem, NOW_USEC, &assertion) == -EINVAL && !assertion);
        EVP_PKEY_free(pkey);
}

static void test_unusable(void) {
        _cleanup_(secret_freep) Secret *empty = NULL;
        ClientKey key;

        check_unusable(EVP_RSA_gen(1024));
        check_unusable(rsa_pss());
        check_unusable(EVP_EC_gen("secp256k1"));
        check_unusable(EVP_EC_gen("brainpoolP256r1"));
        check_unusable(EVP_PKEY_Q_keygen(NULL, NULL, "ED448"));
        check_unusable(EVP_PKEY_Q_keygen(NULL, NULL, "X25519"));
        assert(secret_new(0, &empty) == 0 && client_key_read(empty, &key));
}

int main(void) {
        test_every_key();
        test_key_id_and_audience();
        test_unusable();
        return 0;
}
