/* SPDX-License-Identifier: MIT */
#pragma once

/* Stands in for oidc-keyring-host-key@.service: a process that gives the same answer to whoever
 * connects to HOST_KEY_SOCKET below a folder. */

#include <stddef.h>
#include <sys/types.h>

/* ROOT/run is made where it is missing. */
pid_t key_server_start(const char *root, const char *answer, size_t size);
/* The socket is gone, too. */
void key_server_end(const char *root, pid_t pid);
