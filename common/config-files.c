/* SPDX-License-Identifier: MIT */
#include "common/config-files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/macro.h"

#define SUFFIX ".conf"

/* The vendor's first: what is found later replaces it. */
static const char *const folders[] = {"/usr/lib", "/etc"};

typedef struct Paths {
        char **paths; /* NULL-terminated once there is one */
        size_t n;
} Paths;

static void paths_done(Paths *paths) {
        strv_free(paths->paths);
}

/* @path is taken over. */
static int paths_add(Paths *paths, char *path) {
        char **longer = reallocarray(paths->paths, paths->n + 2, sizeof(*longer));

        if (!longer) {
                free(path);
                return -ENOMEM;
        }
        paths->paths = longer;
        longer[paths->n++] = path;
        longer[paths->n] = NULL;
        return 0;
}

static const char *name_of(const char *path) {
        return strrchr(path, '/') + 1;
}

/* @path is taken over, and replaces one of the same name. */
static int paths_put(Paths *paths, char *path) {
        for (size_t i = 0; i < paths->n; i++)
                if (streq(name_of(paths->paths[i]), name_of(path))) {
                        free(paths->paths[i]);
                        paths->paths[i] = path;
                        return 0;
                }
        return paths_add(paths, path);
}

static int by_name(const void *p, const void *q) {
        char *const *a = p, *const *b = q;

        return strcmp(name_of(*a), name_of(*b));
}

/* What an administrator has to mend is told from what may be gone the next time. */
static int problem(const char *path, int error, char **ret_error) {
        static const int passing[] = {EMFILE, ENFILE, ENOMEM, EIO, EINTR};

        for (size_t i = 0; i < ELEMENTSOF(passing); i++)
                if (error == passing[i])
                        return -error;
        if (ret_error && asprintf(ret_error, "%s: cannot be read: %s", path, strerror(error)) < 0)
                *ret_error = NULL;
        return -EINVAL;
}

static int check_readable(const char *path, char **ret_error) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

        return fd < 0 ? problem(path, errno, ret_error) : 0;
}

static bool is_drop_in(const char *name) {
        size_t length = strlen(name), suffix = strlen(SUFFIX);

        return *name != '.' && length > suffix && streq(name + length - suffix, SUFFIX);
}

static int folder_list(const char *folder, Paths *paths, char **ret_error) {
        _cleanup_(closedirp) DIR *dir = opendir(folder);
        struct dirent *entry;

        if (!dir)
                return errno == ENOENT ? 0 : problem(folder, errno, ret_error);
        for (errno = 0; (entry = readdir(dir)); errno = 0) {
                char *path;
                int r;

                if (!is_drop_in(entry->d_name))
                        continue;
                if (asprintf(&path, "%s/%s", folder, entry->d_name) < 0)
                        return -ENOMEM;
                r = paths_put(paths, path);
                if (r < 0)
                        return r;
        }
        return errno > 0 ? problem(folder, errno, ret_error) : 0;
}

static int drop_ins_list(const char *root, Paths *paths, char **ret_error) {
        for (size_t i = 0; i < ELEMENTSOF(folders); i++) {
                _cleanup_free_ char *folder = NULL;
                int r;

                if (asprintf(&folder, "%s%s/" CONFIG_NAME SUFFIX ".d", root, folders[i]) < 0)
                        return -ENOMEM;
                r = folder_list(folder, paths, ret_error);
                if (r < 0)
                        return r;
        }
        if (paths->n > 0)
                qsort(paths->paths, paths->n, sizeof(*paths->paths), by_name);
        return 0;
}

/* The last that is there, be it as a link that leads nowhere. */
static int main_file_find(const char *root, char **ret, char **ret_error) {
        for (size_t i = ELEMENTSOF(folders); i-- > 0;) {
                _cleanup_free_ char *path = NULL;
                struct stat st;

                if (asprintf(&path, "%s%s/" CONFIG_NAME SUFFIX, root, folders[i]) < 0)
                        return -ENOMEM;
                if (lstat(path, &st) == 0) {
                        *ret = TAKE_PTR(path);
                        return 0;
                }
                if (errno != ENOENT)
                        return problem(path, errno, ret_error);
        }
        *ret = NULL;
        return 0;
}

static int all_list(const char *root, char ***ret, char **ret_error) {
        _cleanup_(paths_done) Paths all = {0};
        char *main_file;
        int r;

        r = drop_ins_list(root, &all, ret_error);
        if (r < 0)
                return r;
        r = main_file_find(root, &main_file, ret_error);
        if (r < 0)
                return r;
        if (main_file) {
                r = paths_add(&all, main_file);
                if (r < 0)
                        return r;
                memmove(all.paths + 1, all.paths, (all.n - 1) * sizeof(*all.paths));
                all.paths[0] = main_file;
        }
        *ret = TAKE_PTR(all.paths);
        return 0;
}

int config_files_list(const char *root, char ***ret, char **ret_error) {
        _cleanup_(strv_freep) char **paths = NULL;
        int r;

        r = all_list(root, &paths, ret_error);
        for (char **path = paths; r >= 0 && path && *path; path++)
                r = check_readable(*path, ret_error);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(paths);
        return 0;
}

/* FNV-1a, which is cheap. */
static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t size) {
        const unsigned char *p = bytes;

        for (size_t i = 0; i < size; i++)
                hash = (hash ^ p[i]) * UINT64_C(0x100000001b3);
        return hash;
}

static uint64_t hash_file(uint64_t hash, const char *path) {
        struct stat st = {0};

        hash = hash_bytes(hash, path, strlen(path) + 1);
        if (stat(path, &st) < 0)
                return hash;
        hash = hash_bytes(hash, &st.st_mtim, sizeof(st.st_mtim));
        hash = hash_bytes(hash, &st.st_ctim, sizeof(st.st_ctim)); /* also for the mode */
        hash = hash_bytes(hash, &st.st_dev, sizeof(st.st_dev));
        hash = hash_bytes(hash, &st.st_ino, sizeof(st.st_ino));
        return hash_bytes(hash, &st.st_size, sizeof(st.st_size));
}

uint64_t config_files_fingerprint(const char *root) {
        _cleanup_(strv_freep) char **paths = NULL;
        uint64_t hash = UINT64_C(0xcbf29ce484222325);
        int r = all_list(root, &paths, NULL);

        hash = hash_bytes(hash, &r, sizeof(r));
        for (char **path = paths; path && *path; path++)
                hash = hash_file(hash, *path);
        return hash;
}
