/* SPDX-License-Identifier: MIT */
#pragma once

/* Ownership by scope: every owned local carries one of these attributes, so that a function has
 * neither `goto` nor a second list of what to free. */

#include <dirent.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define _cleanup_(function) __attribute__((cleanup(function)))
#define _printf_(string, first) __attribute__((format(printf, string, first)))

#define ELEMENTSOF(array) (sizeof(array) / sizeof((array)[0]))

/* Hand an owned pointer or descriptor on; the local no longer owns it. */
#define TAKE_PTR(pointer)                               \
        ({                                              \
                __typeof__(pointer) _taken = (pointer); \
                (pointer) = NULL;                       \
                _taken;                                 \
        })
#define TAKE_FD(fd)                \
        ({                         \
                int _taken = (fd); \
                (fd) = -1;         \
                _taken;            \
        })

/* Defines TYPE_freep for `_cleanup_(TYPE_freep)` from a destructor `TYPE *free(TYPE *)`. */
#define DEFINE_CLEANUP(type, free_function)             \
        static inline void free_function##p(type **p) { \
                if (*p)                                 \
                        *p = free_function(*p);         \
        }                                               \
        struct _semicolon_eater_

static inline void freep(void *p) {
        free(*(void **)p);
}

static inline void closep(const int *fd) {
        if (*fd >= 0)
                (void)close(*fd);
}

static inline void fclosep(FILE **file) {
        if (*file)
                (void)fclose(*file);
}

static inline void closedirp(DIR **dir) {
        if (*dir)
                (void)closedir(*dir);
}

#define _cleanup_free_ _cleanup_(freep)
#define _cleanup_close_ _cleanup_(closep)

/* A NULL-terminated array of strings, and them. */
static inline char **strv_free(char **strv) {
        for (char **s = strv; s && *s; s++)
                free(*s);
        free(strv);
        return NULL;
}

static inline void strv_freep(char ***strv) {
        *strv = strv_free(*strv);
}

static inline int streq(const char *a, const char *b) {
        return strcmp(a, b) == 0;
}

/* strcmp() of two strings either of which may be absent; absent equals only absent. */
static inline int streq_ptr(const char *a, const char *b) {
        return a && b ? streq(a, b) : a == b;
}
