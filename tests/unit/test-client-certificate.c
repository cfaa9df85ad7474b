/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <time.h>

#include "common/clock.h"
#include "gateway/client-certificate.h"
#include "tests/unit/tls-identity.h"

static TlsIdentity host, other;

/* One letter each: the host's certificate and key, those of the other. */
static Secret *pem_of(const char *parts) {
        BIO *bio = BIO_new(BIO_s_mem());
        Secret *pem = NULL;
        char *bytes;
        long size;

        assert(bio);
        for (; *parts; parts++) {
                const TlsIdentity *whose = *parts == 'C' || *parts == 'K' ? &host : &other;

                if (*parts == 'C' || *parts == 'c')
                        assert(PEM_write_bio_X509(bio, whose->certificate) == 1);
                else
                        assert(PEM_write_bio_PrivateKey(bio, whose->pkey, NULL, NULL, 0, NULL,
                                                        NULL) == 1);
        }
        size = BIO_get_mem_data(bio, &bytes);
        assert(secret_new_copy(bytes, (size_t)size, &pem) == 0);
        BIO_free(bio);
        return pem;
}

static void check(const char *parts, const char *chain, const char *problem) {
        _cleanup_(secret_freep) Secret *pem = pem_of(parts), *expected = NULL;
        _cleanup_(client_certificate_freep) ClientCertificate *certificate = NULL;
        const char *answer = client_certificate_read(pem, &certificate);

        if (answer || problem)
                (void)fprintf(stderr, "%s: %s\n", parts, answer ? answer : "fine");
        assert((answer != NULL) == (problem != NULL) && (certificate != NULL) == !answer);
        if (problem) {
                assert(strstr(answer, problem));
                return;
        }
        expected = pem_of(chain);
        assert(secret_equal(certificate->chain, expected));
}

static void test_reading(void) {
        check("CK", "C", NULL);
        check("KC", "C", NULL);
        check("CcK", "Cc", NULL);
        check("KCc", "Cc", NULL);
        check("CKc", "Cc", NULL);
        check("CcccccccK", "Cccccccc", NULL);
        check("CccccccccK", NULL, "more than 8");
        check("C", NULL, "no private key");
        check("K", NULL, "no certificate");
        check("", NULL, "no private key");
        check("cK", NULL, "first certificate");
        check("cCK", NULL, "first certificate");
        check("CkK", NULL, "first certificate");
}

static void test_damage(void) {
        _cleanup_(client_certificate_freep) ClientCertificate *certificate = NULL;
        _cleanup_(secret_freep) Secret *pem = pem_of("CcK");
        char *second = strstr(secret_buffer(pem) + 10, "-----BEGIN CERTIFICATE");

        assert(second);
        memset(second + 100, '!', 8);
        assert(strstr(client_certificate_read(pem, &certificate), "cannot be read"));
}

static void test_times(void) {
        _cleanup_(client_certificate_freep) ClientCertificate *certificate = NULL;
        _cleanup_(secret_freep) Secret *pem = pem_of("CK");
        uint64_t now = (uint64_t)time(NULL) * USEC_PER_SEC;

        assert(!client_certificate_read(pem, &certificate));
        assert(!client_certificate_problem(certificate, now));
        assert(!client_certificate_problem(certificate, now - 3500 * USEC_PER_SEC));
        assert(!client_certificate_problem(certificate, now + 3500 * USEC_PER_SEC));
        assert(strstr(client_certificate_problem(certificate, now + 3601 * USEC_PER_SEC),
                      "expired"));
        assert(strstr(client_certificate_problem(certificate, now - 3700 * USEC_PER_SEC),
                      "not valid yet"));
}

int main(void) {
        host = (TlsIdentity){
                .alternative_name = "DNS:host.example", .not_before = -3600, .not_after = 3600};
        other = (TlsIdentity){.alternative_name = "DNS:ca.example", .not_after = 3600};
        tls_identity_make(&host);
        tls_identity_make(&other);
        test_reading();
        test_damage();
        test_times();
        tls_identity_done(&other);
        tls_identity_done(&host);
        return 0;
}
