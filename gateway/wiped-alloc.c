/* SPDX-License-Identifier: MIT */
#include "gateway/wiped-alloc.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

void wiped_alloc_free(void *memory) {
        if (!memory)
                return;
        explicit_bzero(memory, malloc_usable_size(memory));
        free(memory);
}

/* Never in place: realloc() itself would leave the old bytes behind when it moves. */
void *wiped_alloc_realloc(void *memory, size_t size) {
        size_t used = memory ? malloc_usable_size(memory) : 0;
        void *moved;

        moved = malloc(size);
        if (!moved)
                return NULL;
        if (used > 0)
                memcpy(moved, memory, used < size ? used : size);
        wiped_alloc_free(memory);
        return moved;
}
