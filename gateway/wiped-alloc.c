/* SPDX-License-Identifier: MIT */
#include "gateway/wiped-alloc.h"

#include <curl/curl.h>
#include <errno.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

static void wiped_alloc_free(void *memory) {
        if (!memory)
                return;
        explicit_bzero(memory, malloc_usable_size(memory));
        free(memory);
}

/* Never in place: realloc() itself would leave the old bytes behind when it moves. */
static void *wiped_alloc_realloc(void *memory, size_t size) {
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

static void *crypto_malloc(size_t size, const char *file, int line) {
        (void)file, (void)line;
        return malloc(size);
}

static void *crypto_realloc(void *memory, size_t size, const char *file, int line) {
        (void)file, (void)line;
        return wiped_alloc_realloc(memory, size);
}

static void crypto_free(void *memory, const char *file, int line) {
        (void)file, (void)line;
        wiped_alloc_free(memory);
}

CURLcode wiped_alloc_set_up_tls(CURL *easy, void *context, void *userdata) {
        const char *backend = curl_version_info(CURLVERSION_NOW)->ssl_version;

        (void)easy, (void)userdata;
        if (strncmp(backend, "OpenSSL", strlen("OpenSSL")) == 0)
                (void)SSL_CTX_set_options(context, SSL_OP_CLEANSE_PLAINTEXT);
        return CURLE_OK;
}

int wiped_alloc_install(void) {
        (void)CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free);
        if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, wiped_alloc_free, wiped_alloc_realloc,
                                 strdup, calloc) != CURLE_OK)
                return -ENOMEM;
        return 0;
}
