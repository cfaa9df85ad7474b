/* SPDX-License-Identifier: MIT */
#pragma once

/* ClientAuth at run time: the client's secret as systemd hands it over, and how it is shown to the
 * provider (RFC 6749 2.3.1). */

#include "common/config.h"
#include "common/secret.h"
#include "gateway/form.h"

/* The credential CLIENT_CREDENTIAL_PREFIX + provider in $CREDENTIALS_DIRECTORY:
 * LoadCredential=credentials:DIRECTORY names the file NAME of the directory so, systemd.exec(5). */
#define CLIENT_CREDENTIAL_PREFIX "credentials_"
#define CLIENT_SECRET_MAX 4096u

/* Reads the secret of @config from @directory; one newline at its end does not count. *ret is NULL
 * for a public client. -ENOENT: missing or empty (or no directory at all); -E2BIG; other -errno. */
int client_auth_load(const ProviderConfig *config, const char *directory, Secret **ret);

/* Adds what identifies the client to @form, or makes the value of the Authorization header
 * (*ret_authorization, NULL where there is none). */
int client_auth_apply(const ProviderConfig *config, const Secret *secret, Form *form,
                      Secret **ret_authorization);
