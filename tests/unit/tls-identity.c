/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include "tls-identity.h"

#include <assert.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void identity_write(TlsIdentity *identity) {
        FILE *file;
        int fd;

        (void)strcpy(identity->ca_file, "/tmp/oidc-keyring-test-XXXXXX");
        fd = mkstemp(identity->ca_file);
        assert(fd >= 0);
        file = fdopen(fd, "w");
        assert(file && PEM_write_X509(file, identity->certificate) == 1);
        assert(fclose(file) == 0);
}

void tls_identity_make(TlsIdentity *identity) {
        X509 *certificate = X509_new();
        X509_EXTENSION *extension;
        X509_NAME *name;

        assert(certificate);
        identity->pkey = EVP_EC_gen("P-256");
        name = X509_get_subject_name(certificate);
        assert(identity->pkey && X509_set_version(certificate, 2) == 1);
        assert(ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) == 1);
        assert(X509_gmtime_adj(X509_getm_notBefore(certificate), identity->not_before));
        assert(X509_gmtime_adj(X509_getm_notAfter(certificate), identity->not_after));
        assert(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                          (const unsigned char *)identity->alternative_name, -1, -1,
                                          0) == 1);
        assert(X509_set_issuer_name(certificate, name) == 1);
        assert(X509_set_pubkey(certificate, identity->pkey) == 1);
        extension =
                X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, identity->alternative_name);
        assert(extension && X509_add_ext(certificate, extension, -1) == 1);
        X509_EXTENSION_free(extension);
        assert(X509_sign(certificate, identity->pkey, EVP_sha256()) > 0);
        identity->certificate = certificate;
        identity_write(identity);
}

void tls_identity_done(TlsIdentity *identity) {
        assert(unlink(identity->ca_file) == 0);
        EVP_PKEY_free(identity->pkey);
        X509_free(identity->certificate);
}

SSL_CTX *tls_identity_server(const TlsIdentity *identity) {
        SSL_CTX *tls = SSL_CTX_new(TLS_server_method());

        assert(tls && SSL_CTX_use_certificate(tls, identity->certificate) == 1);
        assert(SSL_CTX_use_PrivateKey(tls, identity->pkey) == 1);
        return tls;
}
