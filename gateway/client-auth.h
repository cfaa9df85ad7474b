/* SPDX-License-Identifier: MIT */
#pragma once

/* ClientAuth at run time: what the client proves itself with, as systemd hands it over, and how it
 * is shown to the provider (RFC 6749 2.3.1, OpenID Connect Core 9, RFC 8705 2). */

#include "common/config.h"
#include "common/secret.h"
#include "gateway/client-certificate.h"
#include "gateway/form.h"

/* The credential is one of these with the provider's name, in $CREDENTIALS_DIRECTORY:
 * LoadCredential=credentials:DIRECTORY names the file NAME of the directory so, systemd.exec(5),
 * and LoadCredentialEncrypted=encrypted:DIRECTORY one that it has decrypted. */
#define CLIENT_CREDENTIAL_PREFIX "credentials_"
#define CLIENT_CREDENTIAL_PREFIX_ENCRYPTED "encrypted_"
#define CLIENT_SECRET_MAX 4096u
#define CLIENT_PEM_MAX (64u * 1024u)

typedef struct ClientCredential {
        Secret *bytes;                  /* a secret, or PEM with a private key */
        ClientCertificate *certificate; /* of CLIENT_AUTH_TLS; else NULL */
} ClientCredential;

/* Reads what @config needs from @directory (NULL: there is none); one newline at the end of a
 * secret does not count. NULL, with *ret NULL for a public client; or what is wrong, as the end of
 * a sentence that begins with the file's name. A certificate that is not valid now is none of it:
 * see client_certificate_problem(). */
const char *client_auth_load(const ProviderConfig *config, const char *directory,
                             ClientCredential **ret);
ClientCredential *client_credential_free(ClientCredential *credential);
DEFINE_CLEANUP(ClientCredential, client_credential_free);

/* Adds what identifies the client to @form, or makes the value of the Authorization header
 * (*ret_authorization, NULL where there is none). A certificate is the connection's matter. For one
 * request: an assertion must not be used twice. */
int client_auth_apply(const ProviderConfig *config, const ClientCredential *credential, Form *form,
                      Secret **ret_authorization);
