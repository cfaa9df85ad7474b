/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "gateway/base64url.h"
#include "gateway/jwks.h"
#include "tests/unit/jose.h"

static const char *const algs[] = {"RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA"};

static void test_base64url(void) {
        static const struct {
                const char *text, *bytes;
        } good[] = {
                {"", ""}, {"Zg", "f"}, {"Zm8", "fo"}, {"Zm9v", "foo"}, {"-_-_", "\xfb\xff\xbf"}};
        static const char *const bad[] = {"Z",        "Zg==", "Zm9v\n", " Zm9v", "Zm 9v",
                                          "+/+/",     "Zh",   "Zm9",    "Zm9v=", "Zm9vZ",
                                          "\xc3\xbc", "Zm9.", "Zg=",    "A\0BC"};

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                _cleanup_(secret_freep) Secret *out = NULL;

                assert(base64url_decode(good[i].text, strlen(good[i].text), &out) == 0);
                assert(secret_size(out) == strlen(good[i].bytes));
                assert(streq(secret_bytes(out), good[i].bytes));
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_(secret_freep) Secret *out = NULL;

                assert(base64url_decode(bad[i], strlen(bad[i]), &out) == -EBADMSG && !out);
        }
        {
                _cleanup_(secret_freep) Secret *out = NULL;

                assert(base64url_decode("Zm\0v", 4, &out) == -EBADMSG && !out);
        }
}

/* Verifies the JWS compact form @jws with a set that holds @jwk. */
static int verify_jws(const char *jwk, const char *alg, const char *jws) {
        _cleanup_(jwks_freep) Jwks *jwks = NULL;
        _cleanup_(secret_freep) Secret *signature = NULL;
        _cleanup_free_ char *set = NULL;
        const char *dot = strrchr(jws, '.');

        assert(asprintf(&set, "{\"keys\":[%s]}", jwk) > 0);
        assert(jwks_parse(set, strlen(set), &jwks) == 0 && jwks_size(jwks) == 1);
        assert(base64url_decode(dot + 1, strlen(dot + 1), &signature) == 0);
        return jwks_verify(jwks, alg, NULL, jws, (size_t)(dot - jws), secret_bytes(signature),
                           secret_size(signature));
}

/* RFC 7515 appendix A.3 and RFC 8037 appendix A.4 */
static void test_published_vectors(void) {
        static const char es256_key[] = "{\"kty\":\"EC\",\"crv\":\"P-256\","
                                        "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
                                        "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}";
        static const char es256_jws[] =
                "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9l"
                "eGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCg"
                "fTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
        static const char eddsa_key[] = "{\"kty\":\"OKP\",\"crv\":\"Ed25519\","
                                        "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}";
        static const char eddsa_jws[] =
                "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PP"
                "Ot7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

        assert(verify_jws(es256_key, "ES256", es256_jws) == 0);
        assert(verify_jws(eddsa_key, "EdDSA", eddsa_jws) == 0);
        assert(verify_jws(es256_key, "EdDSA", eddsa_jws) == -ENOKEY);
}

/* Each algorithm with each kind of key: only its own verifies, and only what was signed. */
static void test_each_algorithm(void) {
        for (size_t i = 0; i < ELEMENTSOF(algs); i++) {
                JoseKey key = jose_key_new(algs[i], "k");
                _cleanup_free_ char *set = jose_jwks(&key, 1);
                _cleanup_free_ unsigned char *signature = NULL;
                _cleanup_(jwks_freep) Jwks *jwks = NULL;
                size_t size = 0;

                signature = jose_signature(&key, "input", 5, &size);
                assert(jwks_parse(set, strlen(set), &jwks) == 0 && jwks_size(jwks) == 1);
                assert(jwks_verify(jwks, algs[i], "k", "input", 5, signature, size) == 0);
                assert(jwks_verify(jwks, algs[i], NULL, "input", 5, signature, size) == 0);
                assert(jwks_verify(jwks, algs[i], "other", "input", 5, signature, size) == -ENOKEY);
                assert(jwks_verify(jwks, algs[i], "k", "inpux", 5, signature, size) == -EBADMSG);
                assert(jwks_verify(jwks, algs[i], "k", "input", 5, signature, size - 1) < 0);
                assert(jwks_verify(jwks, algs[i], "k", "input", 5, signature, 0) < 0);
                for (size_t j = 0; j < ELEMENTSOF(algs); j++)
                        assert(j == i ||
                               jwks_verify(jwks, algs[j], "k", "input", 5, signature, size) < 0);
                for (size_t j = 0; j < size; j += 7) {
                        signature[j] ^= 1;
                        assert(jwks_verify(jwks, algs[i], "k", "input", 5, signature, size) < 0);
                        signature[j] ^= 1;
                }
                memset(signature, 0, size); /* r = s = 0 */
                assert(jwks_verify(jwks, algs[i], "k", "input", 5, signature, size) < 0);
                jose_key_done(&key);
        }
}

/* JOSE's ECDSA signatures are r||s; the DER of the same numbers is not one. */
static void test_der_signature(void) {
        JoseKey key = jose_key_new("ES256", "k");
        _cleanup_free_ char *set = jose_jwks(&key, 1);
        _cleanup_(jwks_freep) Jwks *jwks = NULL;
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        unsigned char der[80];
        size_t size = sizeof(der);

        assert(jwks_parse(set, strlen(set), &jwks) == 0);
        assert(ctx && EVP_DigestSignInit_ex(ctx, NULL, "SHA256", NULL, NULL, key.pkey, NULL) == 1 &&
               EVP_DigestSign(ctx, der, &size, (const unsigned char *)"input", 5) == 1);
        assert(jwks_verify(jwks, "ES256", "k", "input", 5, der, size) == -EBADMSG);
        EVP_MD_CTX_free(ctx);
        jose_key_done(&key);
}

/* Of one in 256 signatures the first byte is zero, which makes it no shorter. */
static void test_short_signature(void) {
        static const char *const rsa[] = {"RS256", "PS256"};

        for (size_t i = 0; i < ELEMENTSOF(rsa); i++) {
                JoseKey key = jose_key_new(rsa[i], "k");
                _cleanup_free_ char *set = jose_jwks(&key, 1);
                _cleanup_(jwks_freep) Jwks *jwks = NULL;
                unsigned char *signature = NULL;
                size_t size;
                char input[16];

                assert(jwks_parse(set, strlen(set), &jwks) == 0);
                for (unsigned n = 0; !signature || signature[0] != 0; n++) {
                        free(signature);
                        (void)snprintf(input, sizeof(input), "%u", n);
                        signature = jose_signature(&key, input, strlen(input), &size);
                }
                assert(jwks_verify(jwks, rsa[i], "k", input, strlen(input), signature, size) == 0);
                assert(jwks_verify(jwks, rsa[i], "k", input, strlen(input), signature + 1,
                                   size - 1) == -EBADMSG);
                free(signature);
                jose_key_done(&key);
        }
}

static void test_several_keys(void) {
        JoseKey keys[] = {jose_key_new("ES256", NULL), jose_key_new("RS256", "r"),
                          jose_key_new("ES256", NULL)};
        _cleanup_free_ char *set = jose_jwks(keys, 3);
        _cleanup_free_ unsigned char *signature = NULL;
        _cleanup_(jwks_freep) Jwks *jwks = NULL;
        size_t size = 0;

        signature = jose_signature(&keys[2], "input", 5, &size);
        assert(jwks_parse(set, strlen(set), &jwks) == 0 && jwks_size(jwks) == 3);
        assert(jwks_verify(jwks, "ES256", NULL, "input", 5, signature, size) == 0);
        assert(jwks_verify(jwks, "HS256", NULL, "input", 5, "x", 1) == -EOPNOTSUPP);
        assert(jwks_verify(jwks, "none", NULL, "input", 5, "", 0) == -EOPNOTSUPP);
        for (size_t i = 0; i < 3; i++)
                jose_key_done(&keys[i]);
}

/* Keys that we must not verify with are passed over, and do not spoil the set. */
static void test_unusable_keys(void) {
#define POINT                                                    \
        "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\"," \
        "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\""
        static const char *const unusable[] = {
                "{\"kty\":\"oct\",\"k\":\"c2VjcmV0\"}",
                "{\"kty\":\"EC\",\"crv\":\"P-256\",\"use\":\"enc\"," POINT "}",
                "{\"kty\":\"EC\",\"crv\":\"P-256\",\"key_ops\":[\"encrypt\"]," POINT "}",
                "{\"kty\":\"EC\",\"crv\":\"secp256k1\"," POINT "}",
                "{\"kty\":\"EC\",\"crv\":\"P-384\"," POINT "}",
                "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"}",
                /* not on the curve */
                "{\"kty\":\"EC\",\"crv\":\"P-256\","
                "\"x\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\","
                "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}",
                "{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"AA\"}",
                "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AA\"}",
                /* RSA too short, and with e = 1 */
                "{\"kty\":\"RSA\",\"n\":\"u1SU1LfVLPHCozMxH2Mo\",\"e\":\"AQAB\"}",
                "{\"kty\":\"RSA\"}",
                "{}",
                "[]",
                "1",
        };

        for (size_t i = 0; i < ELEMENTSOF(unusable); i++) {
                _cleanup_(jwks_freep) Jwks *jwks = NULL;
                _cleanup_free_ char *set = NULL;

                assert(asprintf(&set,
                                "{\"keys\":[%s,{\"kty\":\"EC\",\"crv\":\"P-256\"," POINT "}]}",
                                unusable[i]) > 0);
                assert(jwks_parse(set, strlen(set), &jwks) == 0);
                if (jwks_size(jwks) != 1)
                        fprintf(stderr, "taken: %s\n", unusable[i]);
                assert(jwks_size(jwks) == 1);
        }
}

static void test_bound_algorithm(void) {
        _cleanup_(jwks_freep) Jwks *jwks = NULL;
        static const char set[] =
                "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"ECDH-ES\"," POINT "}]}";

        assert(jwks_parse(set, strlen(set), &jwks) == 0);
        assert(jwks_verify(jwks, "ES256", NULL, "a", 1,
                           "0123456789012345678901234567890123456789"
                           "012345678901234567890123",
                           64) == -ENOKEY);
}

static void test_no_set(void) {
        static const char *const bad[] = {"", "[]", "{}", "{\"keys\":{}}", "{\"keys\":null}", "x"};
        _cleanup_(jwks_freep) Jwks *none = NULL, *empty = NULL;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert(jwks_parse(bad[i], strlen(bad[i]), &none) == -EBADMSG && !none);
        assert(jwks_parse("{\"keys\":[]}", 11, &empty) == 0 && jwks_size(empty) == 0);
}

/* A set of any size is read up to the limit and no further. */
static void test_limit(void) {
        _cleanup_(jwks_freep) Jwks *jwks = NULL;
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        assert(out);
        fputs("{\"keys\":[{}", out);
        for (unsigned i = 0; i < JWKS_KEYS_MAX + 9; i++)
                fputs(",{\"kty\":\"EC\",\"crv\":\"P-256\"," POINT "}", out);
        fputs("]}", out);
        assert(fclose(out) == 0 && jwks_parse(text, size, &jwks) == 0);
        assert(jwks_size(jwks) == JWKS_KEYS_MAX);
        free(text);
}

int main(void) {
        test_base64url();
        test_published_vectors();
        test_each_algorithm();
        test_der_signature();
        test_short_signature();
        test_several_keys();
        test_unusable_keys();
        test_bound_algorithm();
        test_no_set();
        test_limit();
        return 0;
}
