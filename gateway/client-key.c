/* SPDX-License-Identifier: MIT */
#include "gateway/client-key.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#define RSA_BITS_MIN 2048 /* RFC 7518 3.3 */
#define GROUP_MAX 64u

static const ClientKeyKind kinds[] = {
        {"RSA", NULL, "RS256", "SHA256", 0},        {"EC", "prime256v1", "ES256", "SHA256", 32},
        {"EC", "secp384r1", "ES384", "SHA384", 48}, {"EC", "secp521r1", "ES512", "SHA512", 66},
        {"ED25519", NULL, "EdDSA", NULL, 0},
};

static inline void biop(BIO **bio) {
        BIO_free(*bio);
}

/* Instead of OpenSSL's own, which would ask at a terminal. */
static int on_passphrase(char *buffer, int size, int writing, void *userdata) {
        bool *asked = userdata;

        (void)buffer, (void)size, (void)writing;
        *asked = true;
        return -1;
}

static const ClientKeyKind *kind_of(const EVP_PKEY *pkey) {
        char group[GROUP_MAX] = "";

        (void)EVP_PKEY_get_group_name(pkey, group, sizeof(group), NULL);
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
                if (EVP_PKEY_is_a(pkey, kinds[i].type) &&
                    (!kinds[i].group || streq(kinds[i].group, group)))
                        return &kinds[i];
        return NULL;
}

const char *client_key_read(const Secret *pem, ClientKey *ret) {
        _cleanup_(biop) BIO *bio = BIO_new_mem_buf(secret_bytes(pem), (int)secret_size(pem));
        _cleanup_(client_key_done) ClientKey key = {};
        bool asked = false;

        if (!bio)
                return "cannot be read: out of memory";
        key.pkey = PEM_read_bio_PrivateKey(bio, NULL, on_passphrase, &asked);
        ERR_clear_error();
        if (asked)
                return "has a private key that is encrypted: nobody is there to ask for the "
                       "passphrase";
        if (!key.pkey)
                return "has no private key in PEM (\"BEGIN PRIVATE KEY\")";
        key.kind = kind_of(key.pkey);
        if (!key.kind)
                return "has a private key of a kind that is not supported: RSA, P-256, P-384, "
                       "P-521 and Ed25519 are";
        if (EVP_PKEY_is_a(key.pkey, "RSA") && EVP_PKEY_get_bits(key.pkey) < RSA_BITS_MIN)
                return "has an RSA key of less than 2048 bits";
        *ret = key;
        key = (ClientKey){};
        return NULL;
}

void client_key_done(ClientKey *key) {
        EVP_PKEY_free(key->pkey);
        key->pkey = NULL;
}
