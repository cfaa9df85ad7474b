/* SPDX-License-Identifier: MIT */
#pragma once

/* WipedBuffer: bytes that grow, in memory that is wiped: a Secret never changes its size, so a
 * larger one replaces it. An embedded object; all zero is empty. */

#include <stddef.h>

#include "common/secret.h"

typedef struct WipedBuffer {
        Secret *bytes;
        size_t used;
} WipedBuffer;

void wiped_buffer_done(WipedBuffer *buffer);

/* 0, -E2BIG where it would hold more than @max bytes, -ENOMEM; unchanged then. */
int wiped_buffer_append(WipedBuffer *buffer, const void *bytes, size_t size, size_t max);

/* What it holds, as a secret of just that size; the buffer is empty afterwards. */
int wiped_buffer_take(WipedBuffer *buffer, Secret **ret);
