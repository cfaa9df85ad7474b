/* SPDX-License-Identifier: MIT */
#include "gateway/mac.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

static const struct Algorithm {
        const char *name;
        const char *digest;
        size_t size;
} algorithms[] = {
        {"HS256", "SHA256", 32},
        {"HS384", "SHA384", 48},
        {"HS512", "SHA512", 64},
};

static const struct Algorithm *algorithm_find(const char *alg) {
        for (size_t i = 0; i < ELEMENTSOF(algorithms); i++)
                if (streq(algorithms[i].name, alg))
                        return &algorithms[i];
        return NULL;
}

bool mac_algorithm_is_known(const char *alg) {
        return algorithm_find(alg) != NULL;
}

size_t mac_secret_min(const char *alg) {
        const struct Algorithm *algorithm = algorithm_find(alg);

        return algorithm ? algorithm->size : 0;
}

int mac_verify(const char *alg, const Secret *secret, const void *input, size_t input_size,
               const void *mac, size_t mac_size) {
        const struct Algorithm *algorithm = algorithm_find(alg);
        unsigned char expected[EVP_MAX_MD_SIZE];
        size_t size = 0;
        int r;

        if (!algorithm)
                return -EOPNOTSUPP;
        if (secret_size(secret) < algorithm->size)
                return -EKEYREJECTED;
        if (!EVP_Q_mac(NULL, "HMAC", NULL, algorithm->digest, NULL, secret_bytes(secret),
                       secret_size(secret), input, input_size, expected, sizeof(expected), &size))
                return -ENOMEM;
        r = mac_size == size && CRYPTO_memcmp(mac, expected, size) == 0 ? 0 : -EBADMSG;
        OPENSSL_cleanse(expected, sizeof(expected));
        return r;
}
