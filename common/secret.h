/* SPDX-License-Identifier: MIT */
#pragma once

/* Secret: bytes that must not leak. They lie in pages of their own that are locked against swap
 * (where the limits allow it), left out of core dumps, emptied in a forked child and wiped when
 * freed. A Secret never changes its size; it is always followed by one NUL byte that does not
 * count. */

#include <stdbool.h>
#include <stddef.h>

#include "common/macro.h"

#define SECRET_SIZE_MAX (256u * 1024u)

typedef struct Secret Secret;

/* A secret of @size zero bytes, to be filled through secret_buffer().
 * 0, -E2BIG above SECRET_SIZE_MAX, -ENOMEM. */
int secret_new(size_t size, Secret **ret);
/* A copy of @size bytes at @bytes, which stay the caller's (to wipe, if they are secret). */
int secret_new_copy(const void *bytes, size_t size, Secret **ret);
Secret *secret_free(Secret *secret);
DEFINE_CLEANUP(Secret, secret_free);

size_t secret_size(const Secret *secret);
const char *secret_bytes(const Secret *secret); /* NUL-terminated; may contain NULs before that */
char *secret_buffer(Secret *secret);

/* In time that does not depend on where two secrets of one size differ. */
bool secret_equal(const Secret *a, const Secret *b);

/* For what a library gave, or wants, as an ordinary text: wiped, then freed. */
char *secret_text_free(char *text);
DEFINE_CLEANUP(char, secret_text_free);

/* Marks the whole process undumpable, so that neither a core file nor ptrace by the same user
 * shows its memory. 0 or -errno. */
int secret_protect_process(void);
