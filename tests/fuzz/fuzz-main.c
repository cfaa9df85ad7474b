/* SPDX-License-Identifier: MIT */

/* Replays a corpus without a fuzzer: each file as it is, cut after each byte, and with each byte
 * replaced by some that have a meaning somewhere. Arguments are files and folders; without any, it
 * is the corpus in the source tree that has this target's name. */

#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/macro.h"

#define INPUT_MAX (64u * 1024u)
#define MUTATED_MAX (4u * 1024u) /* larger files are run as they are only */
#ifndef ALTERED_BYTES
#define ALTERED_BYTES 1 /* one in so many; the targets that take long have a larger one */
#endif

static unsigned n_files;

/* In memory of its own of just that size, where a sanitizer sees each byte too far. */
static void run_one(const uint8_t *data, size_t size) {
        _cleanup_free_ uint8_t *exact = malloc(size > 0 ? size : 1);

        assert(exact);
        if (size > 0)
                memcpy(exact, data, size);
        (void)LLVMFuzzerTestOneInput(exact, size);
}

static void run_mutated(uint8_t *data, size_t size) {
        static const uint8_t replacements[] = {0x00, '"', '\\', '}', '-', '9', 0xc3, 0xff};

        for (size_t i = 0; i < size; i += ALTERED_BYTES) {
                uint8_t byte = data[i];

                run_one(data, i);
                for (size_t j = 0; j < ELEMENTSOF(replacements); j++) {
                        data[i] = replacements[j];
                        run_one(data, size);
                }
                data[i] = byte;
        }
}

static void run_file(const char *path) {
        static uint8_t data[INPUT_MAX];
        FILE *file = fopen(path, "re");
        size_t size;

        if (!file) {
                (void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
                exit(EXIT_FAILURE);
        }
        size = fread(data, 1, sizeof(data), file);
        assert(!ferror(file));
        (void)fclose(file);
        n_files++;
        run_one(data, size);
        if (size <= MUTATED_MAX)
                run_mutated(data, size);
}

/* A file, or a folder of files. */
static void run_path(const char *path) {
        DIR *folder = opendir(path);
        struct dirent *entry;

        if (!folder) {
                run_file(path);
                return;
        }
        while ((entry = readdir(folder))) {
                _cleanup_free_ char *file = NULL;

                if (entry->d_name[0] == '.')
                        continue;
                assert(asprintf(&file, "%s/%s", path, entry->d_name) > 0);
                run_file(file);
        }
        (void)closedir(folder);
}

/* "fuzz-metadata" has its corpus in tests/fuzz/corpus/metadata. */
static void run_corpus_of(const char *program) {
        const char *source = getenv("srcdir"), *name = strrchr(program, '/');
        _cleanup_free_ char *folder = NULL;

        name = strstr(name ? name : program, "fuzz-");
        assert(name);
        assert(asprintf(&folder, "%s/tests/fuzz/corpus/%s", source ? source : ".",
                        name + strlen("fuzz-")) > 0);
        run_path(folder);
}

int main(int argc, char **argv) {
        for (int i = 1; i < argc; i++)
                run_path(argv[i]);
        if (argc < 2)
                run_corpus_of(argv[0]);
        (void)printf("%u files\n", n_files);
        return n_files > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
