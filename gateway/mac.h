/* SPDX-License-Identifier: MIT */
#pragma once

/* Mac: JWS "signatures" of a shared secret (RFC 7518 3.2), which anybody who knows the secret can
 * make: good only between a provider and its confidential client, where that was agreed. */

#include <stdbool.h>

#include "common/secret.h"

/* HS256, HS384, HS512. */
bool mac_algorithm_is_known(const char *alg);
/* How long a secret has to be for @alg: as its hash. 0: not known. */
size_t mac_secret_min(const char *alg);

/* 0: verified. -EBADMSG: not. -EKEYREJECTED: @secret is too short. -EOPNOTSUPP: another algorithm.
 * -ENOMEM. */
int mac_verify(const char *alg, const Secret *secret, const void *input, size_t input_size,
               const void *mac, size_t mac_size);
