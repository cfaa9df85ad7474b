/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdio.h>

#include "gateway/jwks.h"
#include "tests/unit/jose.h"

/* Keys that nobody must be able to log in with, although their provider publishes them. A good key
 * stands beside each, and must still be found. */

#define INPUT "header.payload"

static JoseKey good;
static unsigned n_tried, n_refused;

/* The set of @jwk and the good key; whether @jwk was passed over. */
static bool passed_over(const char *jwk, Jwks **ret) {
        _cleanup_free_ char *set = NULL, *both = NULL;

        set = jose_jwks(&good, 1);
        assert(asprintf(&both, "{\"keys\":[%s,%s", jwk, strchr(set, '[') + 1) > 0);
        assert(jwks_parse(both, strlen(both), ret) == 0);
        return jwks_size(*ret) == 1;
}

static void refuse(const char *jwk) {
        _cleanup_(jwks_freep) Jwks *jwks = NULL;
        bool refused = passed_over(jwk, &jwks);

        n_tried++;
        n_refused += refused;
        if (!refused)
                fprintf(stderr, "taken: %s\n", jwk);
}

static void assert_taken(const char *jwk) {
        _cleanup_(jwks_freep) Jwks *jwks = NULL;

        assert(!passed_over(jwk, &jwks));
}

/* The one key of a set that jose_jwks() wrote, with @more members; the caller frees it. */
static char *one_key(const JoseKey *key, const char *more) {
        _cleanup_free_ char *set = jose_jwks(key, 1);
        const char *begin = strchr(set, '[') + 1;
        char *jwk;

        assert(asprintf(&jwk, "%.*s%s}", (int)(strrchr(set, '}') - 1 - begin - 1), begin, more) >
               0);
        return jwk;
}

static void refuse_rsa(const BIGNUM *n, const char *e) {
        _cleanup_free_ unsigned char *bytes = malloc(2048);
        _cleanup_free_ char *text = NULL, *jwk = NULL;
        int size = BN_bn2bin(n, bytes);

        text = jose_base64url(bytes, (size_t)size);
        assert(asprintf(&jwk, "{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"}", text, e) > 0);
        refuse(jwk);
}

static void test_rsa(void) {
        static const int too_short[] = {512, 768, 1024, 1536, 2047};
        static const char *const exponents[] = {
                "", "AA", "AQ", "Ag", "BA", "AQAA", "AQAAAAAAAAAB" /* 65 bits */, "AQAB=", "65537",
        };
        JoseKey key = jose_key_new("RS256", NULL);
        BIGNUM *n = NULL, *large = BN_new();

        for (size_t i = 0; i < ELEMENTSOF(too_short); i++) {
                EVP_PKEY *pkey = EVP_RSA_gen(too_short[i]);
                BIGNUM *modulus = NULL;

                assert(pkey && EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_N, &modulus));
                refuse_rsa(modulus, "AQAB");
                BN_free(modulus);
                EVP_PKEY_free(pkey);
        }
        assert(EVP_PKEY_get_bn_param(key.pkey, OSSL_PKEY_PARAM_RSA_N, &n));
        for (size_t i = 0; i < ELEMENTSOF(exponents); i++)
                refuse_rsa(n, exponents[i]);
        /* Verifying with 16384 bits takes a hundred times as long. */
        assert(BN_lshift(large, n, 16384 - 2048) && BN_add_word(large, 1));
        refuse_rsa(large, "AQAB");
        BN_free(large);
        BN_free(n);
        jose_key_done(&key);
}

/* With e = 1 the padded hash is its own signature, and everybody can write it. */
static void test_signature_without_a_key(void) {
        static const unsigned char digest_info[] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60,
                                                    0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02,
                                                    0x01, 0x05, 0x00, 0x04, 0x20};
        JoseKey key = jose_key_new("RS256", NULL);
        _cleanup_free_ char *jwk = one_key(&key, "");
        _cleanup_(jwks_freep) Jwks *jwks = NULL;
        unsigned char signature[256];
        size_t hash_at = sizeof(signature) - 32;
        char *e = strstr(jwk, "\"AQAB\"");

        memset(signature, 0xff, sizeof(signature));
        signature[0] = 0;
        signature[1] = 1;
        signature[hash_at - sizeof(digest_info) - 1] = 0;
        memcpy(signature + hash_at - sizeof(digest_info), digest_info, sizeof(digest_info));
        assert(EVP_Q_digest(NULL, "SHA256", NULL, INPUT, strlen(INPUT), signature + hash_at, NULL));
        assert(e);
        memcpy(e, "\"AQ\"  ", 6);
        assert(passed_over(jwk, &jwks));
        assert(jwks_verify(jwks, "RS256", NULL, INPUT, strlen(INPUT), signature,
                           sizeof(signature)) == -ENOKEY);
        jose_key_done(&key);
}

#define X "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define Y "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
#define ZERO "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define PRIME "_____wAAAAEAAAAAAAAAAAAAAAD_______________8" /* of P-256 */

static void test_curves(void) {
#define EC(crv, x, y) "{\"kty\":\"EC\",\"crv\":\"" crv "\",\"x\":\"" x "\",\"y\":\"" y "\"}"
#define OKP(crv, x) "{\"kty\":\"OKP\",\"crv\":\"" crv "\",\"x\":\"" x "\"}"
        static const char *const bad[] = {
                EC("P-256", X, X),
                EC("P-256", Y, X),
                EC("P-256", ZERO, ZERO), /* how some write the point at infinity */
                EC("P-256", X, ZERO),
                EC("P-256", PRIME, ZERO), /* coordinates are below the prime */
                EC("P-256", ZERO, PRIME),
                EC("P-256", "", ""),
                EC("P-256", "AA", "AA"),
                EC("P-256", X "AA", Y "AA"),
                EC("P-256", X "=", Y "="),
                EC("P-384", X, Y),
                EC("P-521", X, Y),
                EC("p-256", X, Y),
                EC("secp256k1", X, Y),
                EC("P-256K", X, Y),
                EC("P-192", X, Y),
                EC("brainpoolP256r1", X, Y),
                EC("Ed25519", X, Y),
                EC("", X, Y),
                OKP("Ed25519", "AA"),
                OKP("Ed25519", ""),
                OKP("Ed25519", X "AA"),
                OKP("Ed448", X),
                OKP("X25519", X),
                OKP("P-256", X),
                "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\"}",
                "{\"kty\":\"EC\",\"x\":\"" X "\",\"y\":\"" Y "\"}",
                "{\"kty\":\"EC\",\"crv\":[\"P-256\"],\"x\":\"" X "\",\"y\":\"" Y "\"}",
                "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":[\"" X "\"],\"y\":\"" Y "\"}",
                "{\"kty\":\"ec\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"" Y "\"}",
                "{\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"" Y "\"}",
                "{\"kty\":\"oct\",\"k\":\"" X "\"}",
                "{\"kty\":\"oct\",\"crv\":\"P-256\",\"k\":\"\",\"x\":\"" X "\",\"y\":\"" Y "\"}",
        };

        assert_taken(EC("P-256", X, Y));
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                refuse(bad[i]);
}

/* Keys that say of themselves that they are for something else, or that are everybody's. */
static void test_members(void) {
#define POINT_WITH(member) \
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"" Y "\"," member "}"
        static const char *const bad[] = {
                POINT_WITH("\"use\":\"enc\""),
                POINT_WITH("\"use\":\"SIG\""),
                POINT_WITH("\"use\":\"\""),
                POINT_WITH("\"use\":7"),
                POINT_WITH("\"use\":[\"sig\"]"),
                POINT_WITH("\"key_ops\":[]"),
                POINT_WITH("\"key_ops\":[\"sign\"]"),
                POINT_WITH("\"key_ops\":[\"encrypt\",\"wrapKey\"]"),
                POINT_WITH("\"key_ops\":[\"VERIFY\"]"),
                POINT_WITH("\"key_ops\":[[\"verify\"]]"),
                POINT_WITH("\"key_ops\":\"verify\""),
                POINT_WITH("\"key_ops\":null"),
                POINT_WITH("\"use\":\"enc\",\"key_ops\":[\"verify\"]"),
                POINT_WITH("\"kid\":7"),
                POINT_WITH("\"kid\":[\"k\"]"),
                POINT_WITH("\"alg\":7"),
                /* The private part is there for everybody to sign with. */
                POINT_WITH("\"d\":\"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI\""),
                POINT_WITH("\"d\":\"\""),
                POINT_WITH("\"d\":null"),
                POINT_WITH("\"\\u0064\":\"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI\""),
        };
        static const char *const good_ones[] = {
                POINT_WITH("\"use\":\"sig\""),
                POINT_WITH("\"key_ops\":[\"sign\",\"verify\"]"),
                POINT_WITH("\"kid\":\"../../etc/passwd\""),
                POINT_WITH("\"x5u\":\"file:///etc/passwd\",\"x5c\":[\"MIIB\"]"),
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                refuse(bad[i]);
        for (size_t i = 0; i < ELEMENTSOF(good_ones); i++)
                assert_taken(good_ones[i]);
}

static void test_private_rsa_and_okp(void) {
        static const char *const of[] = {"RS256", "EdDSA"};

        for (size_t i = 0; i < ELEMENTSOF(of); i++) {
                JoseKey key = jose_key_new(of[i], NULL);
                _cleanup_free_ char *jwk = one_key(&key, ""), *leaked = NULL;

                leaked = one_key(&key, ",\"d\":\"" X "\"");
                assert_taken(jwk);
                refuse(leaked);
                jose_key_done(&key);
        }
}

/* @n times @jwk and then the good key, as one set. */
static char *many(const char *jwk, size_t n) {
        _cleanup_free_ char *set = jose_jwks(&good, 1);
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        assert(out);
        fputs("{\"keys\":[", out);
        for (size_t i = 0; i < n; i++)
                fprintf(out, "%s,", jwk);
        fputs(strchr(set, '[') + 1, out);
        assert(fclose(out) == 0);
        return text;
}

static void test_crowds(void) {
        _cleanup_free_ unsigned char *signature = NULL;
        static const char *const nothing[] = {"{}", "1", "null", "[]", "\"\"", "{\"kty\":\"oct\"}"};
        size_t signature_size = 0;

        signature = jose_signature(&good, INPUT, strlen(INPUT), &signature_size);
        for (size_t i = 0; i < ELEMENTSOF(nothing); i++) {
                _cleanup_free_ char *set = many(nothing[i], 10000);
                _cleanup_(jwks_freep) Jwks *jwks = NULL;

                assert(jwks_parse(set, strlen(set), &jwks) == 0 && jwks_size(jwks) == 1);
                assert(jwks_verify(jwks, "ES256", "good", INPUT, strlen(INPUT), signature,
                                   signature_size) == 0);
        }
        {
                /* as many good ones as are read: the one after them is not */
                _cleanup_free_ char *set = many(EC("P-256", X, Y), JWKS_KEYS_MAX);
                _cleanup_(jwks_freep) Jwks *jwks = NULL;

                assert(jwks_parse(set, strlen(set), &jwks) == 0);
                assert(jwks_size(jwks) == JWKS_KEYS_MAX);
                assert(jwks_verify(jwks, "ES256", "good", INPUT, strlen(INPUT), signature,
                                   signature_size) == -ENOKEY);
        }
        {
                _cleanup_free_ char *set = many(EC("P-256", X, Y), 10000);
                Jwks *none = NULL;

                assert(jwks_parse(set, strlen(set), &none) == -EBADMSG && !none);
        }
}

int main(void) {
        good = jose_key_new("ES256", "good");
        test_rsa();
        test_signature_without_a_key();
        test_curves();
        test_members();
        test_private_rsa_and_okp();
        test_crowds();
        jose_key_done(&good);
        printf("hostile keys: %u tried, %u refused\n", n_tried, n_refused);
        return n_tried == n_refused ? 0 : 1;
}
