/* SPDX-License-Identifier: MIT */
#include "gateway/encryption.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

static EVP_CIPHER_CTX *cipher_free(EVP_CIPHER_CTX *cipher) {
        EVP_CIPHER_CTX_free(cipher);
        return NULL;
}
DEFINE_CLEANUP(EVP_CIPHER_CTX, cipher_free);

static const unsigned char *bytes_of(const Secret *secret) {
        return (const unsigned char *)secret_bytes(secret);
}

static unsigned char *buffer_of(Secret *secret) {
        return (unsigned char *)secret_buffer(secret);
}

/* Ready for the text, the context taken in. */
static int cipher_begin(const Secret *key, const unsigned char *nonce, const char *context,
                        int encrypt, EVP_CIPHER_CTX **ret) {
        _cleanup_(cipher_freep) EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
        int n;

        if (secret_size(key) != ENCRYPTION_KEY_SIZE)
                return -EINVAL;
        if (!cipher ||
            EVP_CipherInit_ex2(cipher, EVP_aes_256_gcm(), bytes_of(key), nonce, encrypt, NULL) != 1)
                return -ENOMEM;
        if (EVP_CipherUpdate(cipher, NULL, &n, (const unsigned char *)context,
                             (int)strlen(context)) != 1)
                return -ENOMEM;
        *ret = TAKE_PTR(cipher);
        return 0;
}

int encryption_seal(const Secret *key, const char *context, const Secret *plain, Secret **ret) {
        _cleanup_(cipher_freep) EVP_CIPHER_CTX *cipher = NULL;
        _cleanup_(secret_freep) Secret *sealed = NULL;
        unsigned char *nonce, *text, *tag;
        int n, r;

        r = secret_new(secret_size(plain) + ENCRYPTION_OVERHEAD, &sealed);
        if (r < 0)
                return r;
        nonce = buffer_of(sealed);
        text = nonce + ENCRYPTION_NONCE_SIZE;
        tag = text + secret_size(plain);
        if (RAND_bytes(nonce, ENCRYPTION_NONCE_SIZE) != 1)
                return -ENOMEM;
        r = cipher_begin(key, nonce, context, 1, &cipher);
        if (r < 0)
                return r;
        if (EVP_CipherUpdate(cipher, text, &n, bytes_of(plain), (int)secret_size(plain)) != 1 ||
            EVP_CipherFinal_ex(cipher, tag, &n) != 1 ||
            EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, ENCRYPTION_TAG_SIZE, tag) != 1)
                return -ENOMEM;
        *ret = TAKE_PTR(sealed);
        return 0;
}

int encryption_open(const Secret *key, const char *context, const Secret *sealed, Secret **ret) {
        _cleanup_(cipher_freep) EVP_CIPHER_CTX *cipher = NULL;
        _cleanup_(secret_freep) Secret *plain = NULL;
        unsigned char tag[ENCRYPTION_TAG_SIZE];
        const unsigned char *nonce = bytes_of(sealed);
        size_t size;
        int n, r;

        if (secret_size(sealed) < ENCRYPTION_OVERHEAD)
                return -EBADMSG;
        size = secret_size(sealed) - ENCRYPTION_OVERHEAD;
        memcpy(tag, nonce + ENCRYPTION_NONCE_SIZE + size, ENCRYPTION_TAG_SIZE);
        r = secret_new(size, &plain);
        if (r < 0)
                return r;
        r = cipher_begin(key, nonce, context, 0, &cipher);
        if (r < 0)
                return r;
        if (EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, ENCRYPTION_TAG_SIZE, tag) != 1 ||
            EVP_CipherUpdate(cipher, buffer_of(plain), &n, nonce + ENCRYPTION_NONCE_SIZE,
                             (int)size) != 1)
                return -ENOMEM;
        if (EVP_CipherFinal_ex(cipher, buffer_of(plain) + n, &n) != 1)
                return -EBADMSG;
        *ret = TAKE_PTR(plain);
        return 0;
}
