/* SPDX-License-Identifier: MIT */
#pragma once

/* A sealed memfd carries secret bytes from process to process: neither side can change it any
 * more, so its content can be checked once and then relied on. */

#include "common/secret.h"

/* A read-only-by-seals descriptor (O_CLOEXEC) holding @size bytes. @ret_fd is the caller's. */
int sealed_memfd_new(const char *name, const void *bytes, size_t size, int *ret_fd);

/* Reads a foreign descriptor. -EBADF: not a memfd carrying every seal (write, grow, shrink, seal);
 * -E2BIG: larger than @max; any other -errno says nothing about the descriptor. Never blocks: a
 * sealed memfd has no writer. */
int sealed_memfd_read(int fd, size_t max, Secret **ret);
