/* SPDX-License-Identifier: MIT */
#pragma once

/* base64url without padding, as JOSE has it (RFC 7515 2), read strictly: a token has exactly one
 * way to be written, so nothing but that one is taken. */

#include "common/secret.h"

/* -EBADMSG: a character outside the alphabet (padding and blanks too), an impossible length, or
 * bits left over that are not zero; -E2BIG above SECRET_SIZE_MAX; -ENOMEM. */
int base64url_decode(const char *text, size_t size, Secret **ret);

/* Never more than SECRET_SIZE_MAX: -E2BIG; -ENOMEM. */
int base64url_encode(const void *bytes, size_t size, Secret **ret);
