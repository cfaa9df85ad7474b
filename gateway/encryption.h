/* SPDX-License-Identifier: MIT */
#pragma once

/* Encryption: AES-256-GCM of what lies on disk, bound to a context that is not stored: what was
 * written for one place cannot be read in another. The nonce is random: one key is good for four
 * billion files (NIST SP 800-38D 8.3). */

#include "common/secret.h"

#define ENCRYPTION_KEY_SIZE 32u
#define ENCRYPTION_NONCE_SIZE 12u
#define ENCRYPTION_TAG_SIZE 16u
/* The nonce before and the tag behind. */
#define ENCRYPTION_OVERHEAD (ENCRYPTION_NONCE_SIZE + ENCRYPTION_TAG_SIZE)

/* @key is ENCRYPTION_KEY_SIZE bytes. 0, -ENOMEM, -EINVAL. */
int encryption_seal(const Secret *key, const char *context, const Secret *plain, Secret **ret);
/* -EBADMSG: not sealed by that key for that context, or changed since. */
int encryption_open(const Secret *key, const char *context, const Secret *sealed, Secret **ret);
