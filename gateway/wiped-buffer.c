/* SPDX-License-Identifier: MIT */
#include "gateway/wiped-buffer.h"

#include <errno.h>
#include <string.h>

/* One page less the NUL that follows each secret. */
#define WIPED_BUFFER_FIRST 4095u

void wiped_buffer_done(WipedBuffer *buffer) {
        buffer->bytes = secret_free(buffer->bytes);
        buffer->used = 0;
}

static int wiped_buffer_grow(WipedBuffer *buffer, size_t needed, size_t max) {
        Secret *larger = NULL;
        size_t size = buffer->bytes ? secret_size(buffer->bytes) * 2 : WIPED_BUFFER_FIRST;
        int r;

        while (size < needed)
                size *= 2;
        r = secret_new(size < max ? size : max, &larger);
        if (r < 0)
                return r;
        if (buffer->used > 0)
                memcpy(secret_buffer(larger), secret_bytes(buffer->bytes), buffer->used);

        secret_free(buffer->bytes);
        buffer->bytes = larger;
        return 0;
}

int wiped_buffer_append(WipedBuffer *buffer, const void *bytes, size_t size, size_t max) {
        int r;

        if (size > max || buffer->used > max - size)
                return -E2BIG;
        if (!buffer->bytes || secret_size(buffer->bytes) - buffer->used < size) {
                r = wiped_buffer_grow(buffer, buffer->used + size, max);
                if (r < 0)
                        return r;
        }
        if (size > 0)
                memcpy(secret_buffer(buffer->bytes) + buffer->used, bytes, size);
        buffer->used += size;
        return 0;
}

int wiped_buffer_take(WipedBuffer *buffer, Secret **ret) {
        int r;

        r = secret_new_copy(buffer->bytes ? secret_bytes(buffer->bytes) : "", buffer->used, ret);
        if (r < 0)
                return r;
        wiped_buffer_done(buffer);
        return 0;
}
