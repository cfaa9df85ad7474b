/* SPDX-License-Identifier: MIT */
#include "common/secret.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

struct Secret {
        char *pages;
        size_t size;
        size_t mapped;
};

static size_t secret_mapping_size(size_t size) {
        size_t page = (size_t)sysconf(_SC_PAGESIZE);

        return (size + 1 + page - 1) / page * page;
}

/* All three are best effort: an old kernel or a small RLIMIT_MEMLOCK must not end a login. */
static void secret_guard(char *pages, size_t mapped) {
        (void)mlock(pages, mapped);
        (void)madvise(pages, mapped, MADV_DONTDUMP);
        (void)madvise(pages, mapped, MADV_WIPEONFORK);
}

int secret_new(size_t size, Secret **ret) {
        _cleanup_(secret_freep) Secret *secret = NULL;
        char *pages;

        if (size > SECRET_SIZE_MAX)
                return -E2BIG;
        secret = calloc(1, sizeof(*secret));
        if (!secret)
                return -ENOMEM;

        secret->mapped = secret_mapping_size(size);
        pages = mmap(NULL, secret->mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                     0);
        if (pages == MAP_FAILED)
                return -ENOMEM;
        secret->pages = pages;
        secret->size = size;
        secret_guard(pages, secret->mapped);

        *ret = TAKE_PTR(secret);
        return 0;
}

int secret_new_copy(const void *bytes, size_t size, Secret **ret) {
        int r;

        r = secret_new(size, ret);
        if (r < 0)
                return r;
        if (size > 0)
                memcpy((*ret)->pages, bytes, size);
        return 0;
}

Secret *secret_free(Secret *secret) {
        if (!secret)
                return NULL;
        if (secret->pages) {
                explicit_bzero(secret->pages, secret->size);
                (void)munmap(secret->pages, secret->mapped);
        }
        free(secret);
        return NULL;
}

size_t secret_size(const Secret *secret) {
        return secret->size;
}

const char *secret_bytes(const Secret *secret) {
        return secret->pages;
}

char *secret_buffer(Secret *secret) {
        return secret->pages;
}

bool secret_equal(const Secret *a, const Secret *b) {
        volatile unsigned char difference = 0;

        if (a->size != b->size)
                return false;
        for (size_t i = 0; i < a->size; i++)
                difference |= (unsigned char)(a->pages[i] ^ b->pages[i]);
        return difference == 0;
}

char *secret_text_free(char *text) {
        if (text)
                explicit_bzero(text, strlen(text));
        free(text);
        return NULL;
}

int secret_protect_process(void) {
        return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? -errno : 0;
}
