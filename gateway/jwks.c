/* SPDX-License-Identifier: MIT */
#include "gateway/jwks.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include "gateway/base64url.h"
#include "gateway/json.h"

#define KID_MAX 512u
#define COORDINATE_MAX 66u /* bytes, P-521 */
#define RSA_BITS_MIN 2048  /* RFC 7518 3.3 */
#define RSA_BITS_MAX 8192  /* beyond that verifying is a burden, not a gain */
#define MEMBER_MAX 4096u

typedef enum KeyType {
        KEY_RSA,
        KEY_P256,
        KEY_P384,
        KEY_P521,
        KEY_ED25519,
        _KEY_TYPE_MAX,
} KeyType;

typedef struct Key {
        char *kid; /* or NULL */
        char *alg; /* or NULL: any that fits the type */
        KeyType type;
        EVP_PKEY *pkey;
} Key;

struct Jwks {
        Key keys[JWKS_KEYS_MAX];
        size_t n_keys;
};

/* An algorithm has exactly one kind of key, so that no key can be used in another's place. */
static const struct Algorithm {
        const char *name;
        KeyType key_type;
        const char *digest;     /* NULL: EdDSA hashes by itself */
        bool pss;               /* RFC 7518 3.5 */
        size_t coordinate_size; /* ECDSA: of r and of s (RFC 7518 3.4) */
} algorithms[] = {
        {"RS256", KEY_RSA, "SHA256", false, 0},   {"PS256", KEY_RSA, "SHA256", true, 0},
        {"ES256", KEY_P256, "SHA256", false, 32}, {"ES384", KEY_P384, "SHA384", false, 48},
        {"ES512", KEY_P521, "SHA512", false, 66}, {"EdDSA", KEY_ED25519, NULL, false, 0},
};

static const struct Curve {
        const char *crv;
        const char *group;
        KeyType key_type;
        size_t coordinate_size;
} curves[] = {
        {"P-256", "prime256v1", KEY_P256, 32},
        {"P-384", "secp384r1", KEY_P384, 48},
        {"P-521", "secp521r1", KEY_P521, 66},
};

static inline void bnp(BIGNUM **bn) {
        BN_free(*bn);
}
static inline void param_bldp(OSSL_PARAM_BLD **builder) {
        OSSL_PARAM_BLD_free(*builder);
}
static inline void paramsp(OSSL_PARAM **params) {
        OSSL_PARAM_free(*params);
}
static inline void pkey_ctxp(EVP_PKEY_CTX **ctx) {
        EVP_PKEY_CTX_free(*ctx);
}
static inline void md_ctxp(EVP_MD_CTX **ctx) {
        EVP_MD_CTX_free(*ctx);
}
static inline void ecdsa_sigp(ECDSA_SIG **sig) {
        ECDSA_SIG_free(*sig);
}
static inline void openssl_freep(unsigned char **p) {
        OPENSSL_free(*p);
}

static const struct Algorithm *algorithm_find(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(algorithms); i++)
                if (streq(algorithms[i].name, name))
                        return &algorithms[i];
        return NULL;
}

bool jwks_algorithm_is_known(const char *alg) {
        return algorithm_find(alg) != NULL;
}

/* Why OpenSSL did not do it, with errno 0 before: its own error often says no more than where it
 * was. That there was no memory tells nothing about the bytes. */
static int crypto_problem(void) {
        return errno == ENOMEM ? -ENOMEM : -EBADMSG;
}

static int member_bytes(json_object *jwk, const char *name, Secret **ret) {
        const char *text;
        int r;

        r = json_member_text(jwk, name, MEMBER_MAX, &text);
        if (r < 0)
                return -EBADMSG;
        return base64url_decode(text, strlen(text), ret);
}

static int pkey_from_params(const char *type, OSSL_PARAM_BLD *builder, EVP_PKEY **ret) {
        _cleanup_(paramsp) OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
        _cleanup_(pkey_ctxp) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);

        if (!params || !ctx || EVP_PKEY_fromdata_init(ctx) <= 0)
                return -ENOMEM;
        errno = 0;
        /* For EC this also checks that the point lies on the curve. */
        return EVP_PKEY_fromdata(ctx, ret, EVP_PKEY_PUBLIC_KEY, params) > 0 ? 0 : crypto_problem();
}

static int key_read_rsa(json_object *jwk, Key *key) {
        _cleanup_(secret_freep) Secret *n_bytes = NULL, *e_bytes = NULL;
        _cleanup_(bnp) BIGNUM *n = NULL, *e = NULL;
        _cleanup_(param_bldp) OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
        int r;

        r = member_bytes(jwk, "n", &n_bytes);
        if (r < 0)
                return r;
        r = member_bytes(jwk, "e", &e_bytes);
        if (r < 0)
                return r;
        n = BN_bin2bn((const unsigned char *)secret_bytes(n_bytes), (int)secret_size(n_bytes),
                      NULL);
        e = BN_bin2bn((const unsigned char *)secret_bytes(e_bytes), (int)secret_size(e_bytes),
                      NULL);
        if (!builder || !n || !e)
                return -ENOMEM;
        if (BN_num_bits(n) < RSA_BITS_MIN || BN_num_bits(n) > RSA_BITS_MAX || !BN_is_odd(e) ||
            BN_is_one(e) || BN_num_bits(e) > 64)
                return -EBADMSG;
        if (!OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) ||
            !OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e))
                return -ENOMEM;
        key->type = KEY_RSA;
        return pkey_from_params("RSA", builder, &key->pkey);
}

static const struct Curve *curve_find(json_object *jwk) {
        const char *crv;

        if (json_member_text(jwk, "crv", MEMBER_MAX, &crv) < 0)
                return NULL;
        for (size_t i = 0; i < ELEMENTSOF(curves); i++)
                if (streq(curves[i].crv, crv))
                        return &curves[i];
        return NULL;
}

static int key_read_ec(json_object *jwk, Key *key) {
        _cleanup_(secret_freep) Secret *x = NULL, *y = NULL;
        _cleanup_(param_bldp) OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
        unsigned char point[1 + 2 * COORDINATE_MAX] = {POINT_CONVERSION_UNCOMPRESSED};
        const struct Curve *curve = curve_find(jwk);
        int r;

        if (!curve)
                return -EOPNOTSUPP;
        r = member_bytes(jwk, "x", &x);
        if (r < 0)
                return r;
        r = member_bytes(jwk, "y", &y);
        if (r < 0)
                return r;
        /* RFC 7518 6.2.1.2: full length, leading zeros included */
        if (secret_size(x) != curve->coordinate_size || secret_size(y) != curve->coordinate_size)
                return -EBADMSG;
        memcpy(point + 1, secret_bytes(x), secret_size(x));
        memcpy(point + 1 + secret_size(x), secret_bytes(y), secret_size(y));
        if (!builder ||
            !OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, curve->group,
                                             0) ||
            !OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point,
                                              1 + 2 * curve->coordinate_size))
                return -ENOMEM;
        key->type = curve->key_type;
        return pkey_from_params("EC", builder, &key->pkey);
}

static int key_read_okp(json_object *jwk, Key *key) {
        _cleanup_(secret_freep) Secret *x = NULL;
        const char *crv;
        int r;

        if (json_member_text(jwk, "crv", MEMBER_MAX, &crv) < 0 || !streq(crv, "Ed25519"))
                return -EOPNOTSUPP;
        r = member_bytes(jwk, "x", &x);
        if (r < 0)
                return r;
        key->type = KEY_ED25519;
        errno = 0;
        key->pkey = EVP_PKEY_new_raw_public_key(
                EVP_PKEY_ED25519, NULL, (const unsigned char *)secret_bytes(x), secret_size(x));
        return key->pkey ? 0 : crypto_problem();
}

/* RFC 7517 4.2 and 4.3: both are optional, and either can say that this key is for something else.
 * Whose private part is published (RFC 7518 6.2.2, 6.3.2) is no key of the provider's alone. */
static bool key_is_for_verifying(json_object *jwk) {
        json_object *ops;
        const char *use;
        int r;

        if (json_object_object_get_ex(jwk, "d", NULL))
                return false;
        r = json_member_text(jwk, "use", MEMBER_MAX, &use);
        if (r != -ENOENT && (r < 0 || !streq(use, "sig")))
                return false;
        if (!json_object_object_get_ex(jwk, "key_ops", &ops))
                return true;
        if (!json_object_is_type(ops, json_type_array))
                return false;
        for (size_t i = 0; i < json_object_array_length(ops); i++) {
                json_object *op = json_object_array_get_idx(ops, i);

                if (json_object_is_type(op, json_type_string) &&
                    streq(json_object_get_string(op), "verify"))
                        return true;
        }
        return false;
}

static void key_done(Key *key) {
        free(key->kid);
        free(key->alg);
        EVP_PKEY_free(key->pkey);
        *key = (Key){0};
}

static int member_copy(json_object *jwk, const char *name, char **ret) {
        const char *text;
        int r;

        r = json_member_text(jwk, name, KID_MAX, &text);
        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return r;
        *ret = strdup(text);
        return *ret ? 0 : -ENOMEM;
}

static int key_read(json_object *jwk, Key *key) {
        static const struct {
                const char *kty;
                int (*read)(json_object *, Key *);
        } types[] = {{"RSA", key_read_rsa}, {"EC", key_read_ec}, {"OKP", key_read_okp}};
        const char *kty;
        int r;

        if (!json_object_is_type(jwk, json_type_object) || !key_is_for_verifying(jwk) ||
            json_member_text(jwk, "kty", MEMBER_MAX, &kty) < 0)
                return -EOPNOTSUPP;
        r = member_copy(jwk, "kid", &key->kid);
        if (r < 0)
                return r;
        r = member_copy(jwk, "alg", &key->alg);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTSOF(types); i++)
                if (streq(types[i].kty, kty))
                        return types[i].read(jwk, key);
        return -EOPNOTSUPP; /* "oct" above all: a shared secret is no public key */
}

int jwks_parse(const char *bytes, size_t size, Jwks **ret) {
        _cleanup_(json_unrefp) json_object *object = NULL;
        _cleanup_(jwks_freep) Jwks *jwks = NULL;
        json_object *keys;
        int r;

        r = json_read(bytes, size, &object);
        if (r < 0)
                return r;
        if (!json_object_object_get_ex(object, "keys", &keys) ||
            !json_object_is_type(keys, json_type_array))
                return -EBADMSG;
        jwks = calloc(1, sizeof(*jwks));
        if (!jwks)
                return -ENOMEM;
        for (size_t i = 0; i < json_object_array_length(keys) && jwks->n_keys < JWKS_KEYS_MAX;
             i++) {
                Key *key = &jwks->keys[jwks->n_keys];

                r = key_read(json_object_array_get_idx(keys, i), key);
                if (r == 0)
                        jwks->n_keys++;
                else
                        key_done(key);
                if (r == -ENOMEM)
                        return r;
        }

        *ret = TAKE_PTR(jwks);
        return 0;
}

Jwks *jwks_free(Jwks *jwks) {
        for (size_t i = 0; jwks && i < jwks->n_keys; i++)
                key_done(&jwks->keys[i]);
        free(jwks);
        return NULL;
}

size_t jwks_size(const Jwks *jwks) {
        return jwks->n_keys;
}

/* JOSE's r||s as the DER that OpenSSL takes. Returns the size, or -errno. */
static int signature_to_der(const struct Algorithm *algorithm, const unsigned char *signature,
                            size_t size, unsigned char **ret) {
        _cleanup_(ecdsa_sigp) ECDSA_SIG *sig = ECDSA_SIG_new();
        int half = (int)algorithm->coordinate_size, n;
        BIGNUM *r_value, *s_value;

        if (size != 2 * algorithm->coordinate_size)
                return -EBADMSG;
        r_value = BN_bin2bn(signature, half, NULL);
        s_value = BN_bin2bn(signature + half, half, NULL);
        if (!sig || !r_value || !s_value || !ECDSA_SIG_set0(sig, r_value, s_value)) {
                BN_free(r_value);
                BN_free(s_value);
                return -ENOMEM;
        }
        n = i2d_ECDSA_SIG(sig, ret);
        return n > 0 ? n : -ENOMEM;
}

static int key_verify(const Key *key, const struct Algorithm *algorithm, const void *input,
                      size_t input_size, const unsigned char *signature, size_t signature_size) {
        _cleanup_(md_ctxp) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        EVP_PKEY_CTX *pkey_ctx; /* belongs to ctx */

        /* RFC 8017 8.1.2 and 8.2.2, 1: one without the zeros that it begins with is another. */
        if (algorithm->key_type == KEY_RSA &&
            signature_size != (size_t)EVP_PKEY_get_size(key->pkey))
                return -EBADMSG;
        if (!ctx || EVP_DigestVerifyInit_ex(ctx, &pkey_ctx, algorithm->digest, NULL, NULL,
                                            key->pkey, NULL) <= 0)
                return -ENOMEM;
        if (algorithm->pss &&
            (EVP_PKEY_CTX_set_rsa_padding(pkey_ctx, RSA_PKCS1_PSS_PADDING) <= 0 ||
             EVP_PKEY_CTX_set_rsa_pss_saltlen(pkey_ctx, RSA_PSS_SALTLEN_DIGEST) <= 0))
                return -ENOMEM;
        errno = 0;
        if (EVP_DigestVerify(ctx, signature, signature_size, input, input_size) == 1)
                return 0;
        return crypto_problem();
}

static bool key_fits(const Key *key, const struct Algorithm *algorithm, const char *kid) {
        if (key->type != algorithm->key_type || (key->alg && !streq(key->alg, algorithm->name)))
                return false;
        return !kid || streq_ptr(key->kid, kid);
}

int jwks_verify(const Jwks *jwks, const char *alg, const char *kid, const void *input,
                size_t input_size, const void *signature, size_t signature_size) {
        const struct Algorithm *algorithm = algorithm_find(alg);
        _cleanup_(openssl_freep) unsigned char *der = NULL;
        int n, r = -ENOKEY;

        if (!algorithm)
                return -EOPNOTSUPP;
        if (algorithm->coordinate_size > 0) {
                n = signature_to_der(algorithm, signature, signature_size, &der);
                if (n < 0)
                        return n;
                signature = der;
                signature_size = (size_t)n;
        }
        for (size_t i = 0; i < jwks->n_keys; i++) {
                if (!key_fits(&jwks->keys[i], algorithm, kid))
                        continue;
                r = key_verify(&jwks->keys[i], algorithm, input, input_size, signature,
                               signature_size);
                if (r == 0)
                        return 0;
        }
        return r;
}
