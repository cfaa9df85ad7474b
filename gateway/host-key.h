/* SPDX-License-Identifier: MIT */
#pragma once

/* HostKey: what encrypts grants on disk. It lies there as a credential of systemd's, encrypted with
 * the key of this host and its TPM, if it has one; oidc-keyring-host-key@.service, which is root's,
 * makes and decrypts it for whoever may connect to its socket: this gateway. So a key that cannot
 * be decrypted is no reason for the gateway not to start. */

#include "common/secret.h"

#define HOST_KEY_SIZE 32u

/* Asks for it; blocks for 4 s at most, for a TPM takes its time: less than half of what the module
 * waits for an answer of a gateway that has nobody to ask, so that no login is lost by it. -ENOKEY:
 * there is none, the service's log says why; -ETIMEDOUT; other -errno. */
int host_key_fetch(const char *root, Secret **ret);
