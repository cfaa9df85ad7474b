/* SPDX-License-Identifier: MIT */
#pragma once

/* HostKey: what encrypts grants on disk. It lies there as a credential of systemd's, encrypted with
 * the key of this host and its TPM, if it has one; oidc-keyring-host-key@.service, which is root's,
 * makes and decrypts it for whoever may connect to its socket: this gateway. So a key that cannot
 * be decrypted is no reason for the gateway not to start. */

#include <stdint.h>

#include "common/secret.h"

#define HOST_KEY_SIZE 32u

/* Asks for it, and waits for @patience_usec at most, for a TPM takes its time. @question is -1 at
 * first; -ETIMEDOUT leaves it open, to be taken up by the next call or closed. -ENOKEY: there is no
 * key, the service's log says why; other -errno. */
int host_key_fetch(const char *root, uint64_t patience_usec, int *question, Secret **ret);
