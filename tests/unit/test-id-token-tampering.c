/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>

#include "gateway/base64url.h"
#include "tests/unit/tampering.h"

/* Everything that can be done to an ID token, each time to a good one of which the untouched twin
 * is taken, so that it is the tampering that is refused. */

/* "header.payload." of @token and other bytes as the signature. */
static void refuse_signature(const char *token, const void *signature, size_t size) {
        _cleanup_free_ char *text = jose_base64url(signature, size), *forged = NULL;
        int length = (int)(strrchr(token, '.') + 1 - token);

        assert(asprintf(&forged, "%.*s%s", length, token, text) > 0);
        tampering_refuse(ID_TOKEN_E_SIGNATURE, forged);
}

static void test_changed_signatures(const JoseKey *key) {
        _cleanup_free_ char *token = tampering_good_token(key);
        _cleanup_(secret_freep) Secret *good = NULL;
        const char *text = strrchr(token, '.') + 1;
        unsigned char bytes[1024];
        size_t size;

        tampering_assert_taken(token);
        assert(base64url_decode(text, strlen(text), &good) == 0);
        size = secret_size(good);
        assert(2 * size <= sizeof(bytes));
        memcpy(bytes, secret_bytes(good), size);
        memcpy(bytes + size, secret_bytes(good), size);
        for (size_t i = 0; i < 8 * size; i++) {
                bytes[i / 8] ^= (unsigned char)(1 << i % 8);
                refuse_signature(token, bytes, size);
                bytes[i / 8] ^= (unsigned char)(1 << i % 8);
        }
        for (size_t i = 0; i < size; i++)
                refuse_signature(token, bytes, i);
        for (size_t i = 1; i < size; i++)
                refuse_signature(token, bytes + i, size - i);
        refuse_signature(token, bytes, size + 1);
        refuse_signature(token, bytes, 2 * size);
        refuse_signature(token, bytes + size / 2, size); /* r and s swapped, where there are such */
        memset(bytes, 0, size);
        refuse_signature(token, bytes, size);
        bytes[size - 1] = 1;
        refuse_signature(token, bytes, size);
        memset(bytes, 0xff, size);
        refuse_signature(token, bytes, size);
}

/* r and s at the borders of their range: 0, 1, n - 1, n, n + 1, and the value itself. */
static void test_ecdsa_range(const JoseKey *key, const char *group, int half) {
        _cleanup_free_ char *token = tampering_good_token(key);
        EC_GROUP *curve = EC_GROUP_new_by_curve_name(OBJ_txt2nid(group));
        unsigned char bytes[2 * 66];
        BIGNUM *order = BN_dup(EC_GROUP_get0_order(curve)), *value = BN_new();

        for (int r = -1; r <= 3; r++)
                for (int s = -1; s <= 3; s++) {
                        const int at[] = {r, s};

                        for (int i = 0; i < 2; i++) {
                                assert(BN_set_word(value, at[i] < 2 ? (unsigned)(at[i] + 1) : 0));
                                if (at[i] >= 2)
                                        assert(BN_copy(value, order) &&
                                               BN_add_word(value, (unsigned)at[i] - 2));
                                assert(BN_bn2binpad(value, bytes + i * half, half) == half);
                        }
                        refuse_signature(token, bytes, 2 * (size_t)half);
                }
        BN_free(value);
        BN_free(order);
        EC_GROUP_free(curve);
}

/* The numbers of a good signature in the form that every other protocol uses. */
static void test_der_signature(const JoseKey *key, int half) {
        _cleanup_free_ char *token = tampering_good_token(key);
        _cleanup_(secret_freep) Secret *good = NULL;
        const char *text = strrchr(token, '.') + 1;
        const unsigned char *raw;
        unsigned char *der = NULL;
        ECDSA_SIG *sig = ECDSA_SIG_new();
        int size;

        assert(sig && base64url_decode(text, strlen(text), &good) == 0);
        raw = (const unsigned char *)secret_bytes(good);
        assert(ECDSA_SIG_set0(sig, BN_bin2bn(raw, half, NULL), BN_bin2bn(raw + half, half, NULL)));
        size = i2d_ECDSA_SIG(sig, &der);
        assert(size > 0);
        refuse_signature(token, der, (size_t)size);
        OPENSSL_free(der);
        ECDSA_SIG_free(sig);
}

/* Each algorithm's name over each key's signature, under each key's name and none. */
static void test_confusion(void) {
        for (size_t alg = 0; alg < ELEMENTSOF(tampering_algs); alg++)
                for (size_t signer = 0; signer < ELEMENTSOF(tampering_algs); signer++)
                        for (size_t kid = 0; kid <= ELEMENTSOF(tampering_algs); kid++) {
                                _cleanup_free_ char *header = NULL, *token = NULL;

                                if (alg == signer &&
                                    (kid == signer || kid == ELEMENTSOF(tampering_algs)))
                                        continue;
                                if (kid < ELEMENTSOF(tampering_algs))
                                        assert(asprintf(&header, "{\"alg\":\"%s\",\"kid\":\"%s\"}",
                                                        tampering_algs[alg],
                                                        tampering_algs[kid]) > 0);
                                else
                                        assert(asprintf(&header, "{\"alg\":\"%s\"}",
                                                        tampering_algs[alg]) > 0);
                                token = jose_sign(&tampering_keys[signer], header,
                                                  TAMPERING_CLAIMS);
                                tampering_refuse(0, token);
                        }
}

static void refuse_hmac(const char *alg, const char *digest, const char *kid, const void *secret,
                        size_t size) {
        _cleanup_free_ char *header = NULL, *h = NULL,
                            *p = jose_base64url(TAMPERING_CLAIMS, strlen(TAMPERING_CLAIMS));
        _cleanup_free_ char *input = NULL, *s = NULL, *token = NULL;
        unsigned char mac[EVP_MAX_MD_SIZE];
        unsigned n;

        assert(asprintf(&header, "{\"alg\":\"%s\",\"kid\":\"%s\"}", alg, kid) > 0);
        h = jose_base64url(header, strlen(header));
        assert(asprintf(&input, "%s.%s", h, p) > 0);
        assert(HMAC(EVP_get_digestbyname(digest), secret, (int)size, (unsigned char *)input,
                    strlen(input), mac, &n));
        s = jose_base64url(mac, n);
        assert(asprintf(&token, "%s.%s", input, s) > 0);
        tampering_refuse(ID_TOKEN_E_ALGORITHM, token);
}

/* What everybody knows, taken for a shared secret: the public key in each of its forms. */
static void test_public_key_as_secret(const JoseKey *key) {
        static const struct {
                const char *alg, *digest;
        } macs[] = {{"HS256", "SHA256"}, {"HS384", "SHA384"}, {"HS512", "SHA512"}};
        _cleanup_free_ char *jwk = jose_jwks(key, 1);
        unsigned char *der = NULL;
        int size = i2d_PUBKEY(key->pkey, &der);
        BIO *bio = BIO_new(BIO_s_mem());
        char *pem;
        long pem_size;

        assert(size > 0 && bio && PEM_write_bio_PUBKEY(bio, key->pkey) == 1);
        pem_size = BIO_get_mem_data(bio, &pem);
        for (size_t i = 0; i < ELEMENTSOF(macs); i++) {
                const char *alg = macs[i].alg, *digest = macs[i].digest;

                refuse_hmac(alg, digest, key->kid, der, (size_t)size);
                refuse_hmac(alg, digest, key->kid, pem, (size_t)pem_size);
                refuse_hmac(alg, digest, key->kid, pem, (size_t)pem_size - 1); /* no line feed */
                refuse_hmac(alg, digest, key->kid, jwk, strlen(jwk));
                refuse_hmac(alg, digest, key->kid, "", 0);
                refuse_hmac(alg, digest, key->kid, "ssh-login", 9);
        }
        OPENSSL_free(der);
        BIO_free(bio);
}

/* Each bit of each character, each character gone, doubled, and others put before it and in its
 * place: what base64url does not have, what some decoders pass over, and what ends a part. */
static void test_each_character(void) {
        static const char others[] = "=\n\r\t +/.~%\\\"\x80\xff";
        _cleanup_free_ char *token = tampering_good_token(tampering_es256);
        size_t size = strlen(token);
        _cleanup_free_ char *changed = malloc(size + 2);

        assert(changed);
        for (size_t i = 0; i < size; i++) {
                for (int bit = 0; bit < 8; bit++) {
                        memcpy(changed, token, size);
                        changed[i] = (char)(changed[i] ^ (1 << bit));
                        tampering_refuse_bytes(0, changed, size);
                }
                memcpy(changed + i, token + i + 1, size - i);
                tampering_refuse_bytes(0, changed, size - 1);
                tampering_refuse_bytes(0, token, i);          /* cut here */
                for (size_t j = 0; j < sizeof(others); j++) { /* the NUL too */
                        memcpy(changed, token, size);
                        changed[i] = others[j];
                        if (token[i] != others[j])
                                tampering_refuse_bytes(0, changed, size);
                        memcpy(changed + i + 1, token + i, size - i);
                        tampering_refuse_bytes(0, changed, size + 1);
                }
        }
        for (size_t j = 0; j < sizeof(others); j++) {
                memcpy(changed, token, size);
                changed[size] = others[j];
                tampering_refuse_bytes(0, changed, size + 1);
        }
        tampering_assert_taken(token);
}

/* The last character of a part carries bits that no byte has: another spelling of one token. */
static void test_trailing_bits(void) {
        static const char alphabet[] =
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        _cleanup_free_ char *token = tampering_good_token(tampering_es256), *last = strdup(token);
        size_t size = strlen(token);

        assert(last && token[size - 1] != '\0');
        for (size_t i = 0; i < sizeof(alphabet) - 1; i++) {
                if (alphabet[i] == token[size - 1])
                        continue;
                last[size - 1] = alphabet[i];
                tampering_refuse(ID_TOKEN_E_SIGNATURE, last);
        }
}

/* @form with 1, 2 and 3 for header, payload and signature of a good token. */
static char *compose(const char *form, const char *token) {
        const char *payload = strchr(token, '.') + 1, *signature = strrchr(token, '.') + 1;
        const char *const parts[] = {token, payload, signature};
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        assert(out);
        for (; *form; form++)
                if (*form >= '1' && *form <= '3')
                        fprintf(out, "%.*s", (int)strcspn(parts[*form - '1'], "."),
                                parts[*form - '1']);
                else
                        fputc(*form, out);
        assert(fclose(out) == 0);
        return text;
}

static void test_other_forms(void) {
        static const char *const forms[] = {
                "",
                ".",
                "..",
                "...",
                "1.2",
                "1.2.",
                ".2.3",
                "1..3",
                "1.3.2",
                "2.1.3",
                "3.2.1",
                "1.2.3.",
                ".1.2.3",
                "1.2.3.3",
                "1.2.3.1.2",
                "1.2.1.2.3",
                "1~2~3",
                " 1.2.3",
                "1.2.3 ",
                "1.2.3\n",
                "\"1.2.3\"",
                "Bearer 1.2.3",
                "1.2.33",
                "1.22.3",
                "11.2.3",
                "1..2.3",
                "1.2..3",
                "1.2.3..",
                "1.2.3=",
                "1.2.3==",
                "1=.2.3",
                "{\"protected\":\"1\",\"payload\":\"2\",\"signature\":\"3\"}",
                "{\"payload\":\"2\",\"signatures\":[{\"protected\":\"1\",\"signature\":\"3\"}]}",
                "{\"header\":\"1.\",\"payload\":\".2\",\"signature\":\"3\"}",
                "1.{" TAMPERING_IDENTITY "}.3", /* RFC 7797: the payload as it is */
        };
        _cleanup_free_ char *token = tampering_good_token(tampering_es256), *nested = NULL,
                            *plain = NULL;

        plain = compose("1.2.3", token);
        tampering_assert_taken(plain);
        for (size_t i = 0; i < ELEMENTSOF(forms); i++) {
                _cleanup_free_ char *form = compose(forms[i], token);

                tampering_refuse(0, form);
        }
        tampering_refuse_signed(ID_TOKEN_E_MALFORMED, "{\"alg\":\"ES256\",\"cty\":\"JWT\"}", token);
        assert(asprintf(&nested, "{\"jwt\":\"%s\"}", token) > 0);
        tampering_refuse_signed(ID_TOKEN_E_ISSUER, "{\"alg\":\"ES256\"}", nested);
}

int main(void) {
        tampering_begin();
        for (size_t i = 0; i < TAMPERING_KEYS; i++) {
                test_changed_signatures(&tampering_keys[i]);
                test_public_key_as_secret(&tampering_keys[i]);
        }
        test_ecdsa_range(&tampering_keys[2], "prime256v1", 32);
        test_ecdsa_range(&tampering_keys[3], "secp384r1", 48);
        test_ecdsa_range(&tampering_keys[4], "secp521r1", 66);
        test_der_signature(&tampering_keys[2], 32);
        test_der_signature(&tampering_keys[3], 48);
        test_der_signature(&tampering_keys[4], 66);
        test_confusion();
        test_each_character();
        test_trailing_bits();
        test_other_forms();
        test_tampered_members();
        return tampering_end();
}
