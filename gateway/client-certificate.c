/* SPDX-License-Identifier: MIT */
#include "gateway/client-certificate.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdbool.h>
#include <time.h>

#include "common/clock.h"
#include "gateway/client-key.h"

static inline void biop(BIO **bio) {
        BIO_free(*bio);
}
static inline void x509p(X509 **certificate) {
        X509_free(*certificate);
}

static uint64_t time_usec(const ASN1_TIME *time) {
        struct tm tm;
        time_t seconds;

        if (ASN1_TIME_to_tm(time, &tm) != 1)
                return 0;
        seconds = timegm(&tm);
        return seconds > 0 ? (uint64_t)seconds * USEC_PER_SEC : 0;
}

static const char *leaf_take(X509 *leaf, const ClientKey *key, ClientCertificate *certificate) {
        if (X509_check_private_key(leaf, key->pkey) != 1)
                return "has a private key that is not the one of its first certificate: the "
                       "client's own certificate has to come before those of its CA";
        certificate->not_before_usec = time_usec(X509_get0_notBefore(leaf));
        certificate->not_after_usec = time_usec(X509_get0_notAfter(leaf));
        return NULL;
}

/* Instead of amid something that is damaged. */
static bool is_at_end(void) {
        return ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
}

/* Written anew, certificates alone: curl keeps a copy of them for as long as the connection. */
static const char *chain_copy(BIO *from, BIO *to, const ClientKey *key,
                              ClientCertificate *certificate) {
        for (size_t n = 0;; n++) {
                _cleanup_(x509p) X509 *x509 = PEM_read_bio_X509(from, NULL, NULL, NULL);
                const char *problem;

                if (!x509 && !is_at_end())
                        return "has a certificate that cannot be read";
                if (!x509)
                        return n > 0 ? NULL
                                     : "has no certificate in PEM (\"BEGIN CERTIFICATE\") beside "
                                       "the key";
                problem = n == 0 ? leaf_take(x509, key, certificate) : NULL;
                if (problem)
                        return problem;
                if (n == CLIENT_CERTIFICATE_CHAIN_MAX)
                        return "has more than 8 certificates";
                if (PEM_write_bio_X509(to, x509) != 1)
                        return "cannot be read: out of memory";
        }
}

static const char *chain_read(const Secret *pem, const ClientKey *key,
                              ClientCertificate *certificate) {
        _cleanup_(biop) BIO *from = BIO_new_mem_buf(secret_bytes(pem), (int)secret_size(pem));
        _cleanup_(biop) BIO *to = BIO_new(BIO_s_mem());
        const char *problem;
        char *bytes;
        long size;

        if (!from || !to)
                return "cannot be read: out of memory";
        problem = chain_copy(from, to, key, certificate);
        ERR_clear_error();
        if (problem)
                return problem;
        size = BIO_get_mem_data(to, &bytes);
        if (size <= 0 || secret_new_copy(bytes, (size_t)size, &certificate->chain) < 0)
                return "cannot be read: out of memory";
        return NULL;
}

const char *client_certificate_read(const Secret *pem, ClientCertificate **ret) {
        _cleanup_(client_certificate_freep) ClientCertificate *certificate =
                calloc(1, sizeof(*certificate));
        _cleanup_(client_key_done) ClientKey key = {};
        const char *problem;

        if (!certificate)
                return "cannot be read: out of memory";
        problem = client_key_read(pem, &key);
        if (problem)
                return problem;
        problem = chain_read(pem, &key, certificate);
        if (problem)
                return problem;
        *ret = TAKE_PTR(certificate);
        return NULL;
}

ClientCertificate *client_certificate_free(ClientCertificate *certificate) {
        if (!certificate)
                return NULL;
        secret_free(certificate->chain);
        free(certificate);
        return NULL;
}

const char *client_certificate_problem(const ClientCertificate *certificate, uint64_t now_usec) {
        if (now_usec < certificate->not_before_usec)
                return "has a certificate that is not valid yet: check the clock";
        if (now_usec >= certificate->not_after_usec)
                return "has a certificate that has expired: put a new one there";
        return NULL;
}
