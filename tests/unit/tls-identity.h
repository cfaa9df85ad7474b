/* SPDX-License-Identifier: MIT */
#pragma once

/* TlsIdentity: a self-signed certificate for a TLS server of a test. */

#include <openssl/ssl.h>

typedef struct TlsIdentity {
        const char *alternative_name;
        long not_before, not_after; /* seconds from now */
        char ca_file[40];           /* the certificate itself */
        EVP_PKEY *pkey;
        X509 *certificate;
} TlsIdentity;

/* From alternative_name ("IP:127.0.0.1") and the two times, everything else. */
void tls_identity_make(TlsIdentity *identity);
void tls_identity_done(TlsIdentity *identity); /* removes the file too */

SSL_CTX *tls_identity_server(const TlsIdentity *identity);
