/* SPDX-License-Identifier: MIT */
#pragma once

/* The allocator that libcurl is given: what it frees is wiped first, because its buffers held
 * requests and answers with tokens in them. */

#include <stddef.h>

void *wiped_alloc_realloc(void *memory, size_t size);
void wiped_alloc_free(void *memory);
