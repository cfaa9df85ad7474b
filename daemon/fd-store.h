/* SPDX-License-Identifier: MIT */
#pragma once

/* The newest grant of each account lies as a sealed memfd in the file descriptor store of the
 * service manager: there it survives kill -9, a restart and an upgrade, never touches a disk, and
 * is gone when the unit is stopped. Its name is "grant.ACCOUNT.SEQUENCE"; a new one is stored
 * before the old one is removed, so after a crash in between there are two, and the higher sequence
 * counts. */

#include <stddef.h>
#include <stdint.h>

#include "common/macro.h"
#include "common/names.h"

#define FD_STORE_MAX 64u /* FileDescriptorStoreMax= of the unit */

typedef struct StoredGrant {
        char account[ACCOUNT_NAME_MAX + 1];
        uint64_t sequence;
        int fd;
} StoredGrant;

/* Hands a copy of @fd to the service manager and waits (at most 1 s) until it has taken it.
 * 1: stored; 0: there is no service manager; -errno: not known to be stored. */
int fd_store_push(const char *account, uint64_t sequence, int fd);

/* Takes it away again. Best effort: what stays is older than what is stored next. */
void fd_store_remove(const char *account, uint64_t sequence);

/* What the service manager handed to this process at its start, by account, the newest first. Any
 * descriptor that is not ours is closed. All of it or -errno, and then they are in the store as
 * before. Call once. */
int fd_store_load(StoredGrant **ret, size_t *ret_n);
StoredGrant *fd_store_grants_free(StoredGrant *grants, size_t n);
