/* SPDX-License-Identifier: MIT */
#pragma once

/* ClientAssertion: the JWT by which a client proves that it holds its private key (OpenID Connect
 * Core 9 private_key_jwt, RFC 7523 3). Good for one request: providers refuse one that they have
 * seen before. */

#include <stdint.h>

#include "common/config.h"
#include "common/secret.h"

#define CLIENT_ASSERTION_TYPE "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#define CLIENT_ASSERTION_LIFE_SEC 60u

/* A new one for the client of @config, signed by the key in @pem, which client_key_read() takes.
 * @now_usec is CLOCK_REALTIME. -EINVAL: not such a key; -EIO: no random numbers, or OpenSSL did not
 * sign; -ENOMEM. */
int client_assertion_make(const ProviderConfig *config, const Secret *pem, uint64_t now_usec,
                          Secret **ret);
