/* SPDX-License-Identifier: MIT */
#pragma once

/* ClientCertificate: what a client shows in the TLS handshake (RFC 8705 2), of a CA that the
 * provider trusts or self-signed. */

#include <stdint.h>

#include "common/secret.h"

#define CLIENT_CERTIFICATE_CHAIN_MAX 8u

typedef struct ClientCertificate {
        Secret *chain;                            /* PEM, the client's own first; it holds no key */
        uint64_t not_before_usec, not_after_usec; /* CLOCK_REALTIME, of the client's own */
} ClientCertificate;

/* @pem has the certificates, the client's own first, and its private key anywhere. NULL, or what is
 * wrong, as client_key_read() says it. */
const char *client_certificate_read(const Secret *pem, ClientCertificate **ret);
ClientCertificate *client_certificate_free(ClientCertificate *certificate);
DEFINE_CLEANUP(ClientCertificate, client_certificate_free);

/* What is wrong with it at @now_usec, in the same words; NULL: nothing. */
const char *client_certificate_problem(const ClientCertificate *certificate, uint64_t now_usec);
