/* SPDX-License-Identifier: MIT */
#include "gateway/user-map.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#define SUBJECT_MAX 255u /* OpenID Connect Core 2 */
#define BLANKS " \t"

typedef struct UserMapLine {
        const char *user, *issuer, *subject;
} UserMapLine;

struct UserMap {
        char *text; /* what the lines point into */
        UserMapLine *lines;
        size_t n_lines, n_allocated;
};

UserMap *user_map_free(UserMap *map) {
        if (!map)
                return NULL;
        free(map->lines);
        free(map->text);
        free(map);
        return NULL;
}

static int _printf_(2, 3) map_problem(char **ret_problem, const char *format, ...) {
        va_list args;

        va_start(args, format);
        if (vasprintf(ret_problem, format, args) < 0)
                *ret_problem = NULL;
        va_end(args);
        return -EINVAL;
}

static int map_add(UserMap *map, const UserMapLine *line) {
        if (map->n_lines == map->n_allocated) {
                size_t n = map->n_allocated > 0 ? 2 * map->n_allocated : 64;
                UserMapLine *lines = reallocarray(map->lines, n, sizeof(*lines));

                if (!lines)
                        return -ENOMEM;
                map->lines = lines;
                map->n_allocated = n;
        }
        map->lines[map->n_lines++] = *line;
        return 0;
}

/* Also a NUL, which would end a name early. */
static bool has_control_character(const char *text, size_t size) {
        for (size_t i = 0; i < size; i++)
                if (((unsigned char)text[i] < ' ' && text[i] != '\t') || text[i] == 0x7f)
                        return true;
        return false;
}

/* The word that *rest begins with, cut off; *rest goes on behind it and the blanks after it. */
static char *cut_word(char **rest) {
        char *word = *rest, *end = word + strcspn(word, BLANKS);

        *rest = end + strspn(end, BLANKS);
        *end = '\0';
        return word;
}

/* A line of @size bytes, NUL-terminated. The problem with it, or NULL; without a user in *ret it is
 * empty or a comment. */
static const char *line_parse(char *text, size_t size, UserMapLine *ret) {
        char *rest = text + strspn(text, BLANKS);

        *ret = (UserMapLine){0};
        if (size > USER_MAP_LINE_MAX)
                return "the line is too long";
        if (has_control_character(text, size))
                return "control characters are not allowed";
        if (*rest == '\0' || *rest == '#')
                return NULL;
        while (size > 0 && strchr(BLANKS, text[size - 1]))
                text[--size] = '\0';

        ret->user = cut_word(&rest);
        ret->issuer = cut_word(&rest);
        ret->subject = rest;
        if (!*ret->subject)
                return "a local user, an issuer and a subject are needed";
        if (!strstr(ret->issuer, "://"))
                return "the second word has to be an issuer, https://...";
        if (strlen(ret->subject) > SUBJECT_MAX)
                return "a subject has at most 255 bytes";
        return NULL;
}

static int map_parse_lines(UserMap *map, size_t size, const char *name, char **ret_problem) {
        char *line = map->text, *end = map->text + size;

        for (size_t number = 1; line < end; number++) {
                char *newline = memchr(line, '\n', (size_t)(end - line));
                char *line_end = newline ? newline : end;
                const char *problem;
                UserMapLine parsed;

                *line_end = '\0';
                problem = line_parse(line, (size_t)(line_end - line), &parsed);
                if (problem)
                        return map_problem(ret_problem, "%s:%zu: %s", name, number, problem);
                if (parsed.user && map_add(map, &parsed) < 0)
                        return -ENOMEM;
                line = line_end + 1;
        }
        return 0;
}

int user_map_parse(const char *bytes, size_t size, const char *name, UserMap **ret,
                   char **ret_problem) {
        _cleanup_(user_map_freep) UserMap *map = calloc(1, sizeof(*map));
        int r;

        if (!map)
                return -ENOMEM;
        if (size > USER_MAP_SIZE_MAX)
                return map_problem(ret_problem, "%s: larger than 1 MiB", name);
        map->text = malloc(size + 1);
        if (!map->text)
                return -ENOMEM;
        memcpy(map->text, bytes, size);
        map->text[size] = '\0';
        r = map_parse_lines(map, size, name, ret_problem);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(map);
        return 0;
}

static const char *file_problem(const struct stat *st) {
        if (!S_ISREG(st->st_mode))
                return "not a regular file";
        if (st->st_uid != 0 && st->st_uid != geteuid())
                return "it has to belong to root";
        if (st->st_mode & (S_IWGRP | S_IWOTH))
                return "nobody but root may be allowed to write it (chmod go-w)";
        return NULL;
}

/* Up to one byte more than is allowed, for the parser to see. */
static int file_read(int fd, char **ret, size_t *ret_size) {
        _cleanup_free_ char *buffer = malloc(USER_MAP_SIZE_MAX + 1);
        size_t size = 0;
        ssize_t n;

        if (!buffer)
                return -ENOMEM;
        do {
                n = read(fd, buffer + size, USER_MAP_SIZE_MAX + 1 - size);
                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n > 0)
                        size += (size_t)n;
        } while (n != 0 && size <= USER_MAP_SIZE_MAX);
        *ret = TAKE_PTR(buffer);
        *ret_size = size;
        return 0;
}

int user_map_read(const char *path, UserMap **ret, char **ret_problem) {
        _cleanup_free_ char *bytes = NULL;
        _cleanup_close_ int fd = -1;
        const char *problem;
        struct stat st;
        size_t size;
        int r;

        /* Not blocked by a FIFO. A symlink is root's to set. */
        fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return map_problem(ret_problem, "%s: %m", path);
        problem = file_problem(&st);
        if (problem)
                return map_problem(ret_problem, "%s: %s", path, problem);
        r = file_read(fd, &bytes, &size);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return map_problem(ret_problem, "%s: %s", path, strerror(-r));
        return user_map_parse(bytes, size, path, ret, ret_problem);
}

size_t user_map_size(const UserMap *map) {
        return map->n_lines;
}

bool user_map_has(const UserMap *map, const char *user, const char *issuer, const char *subject) {
        for (size_t i = 0; i < map->n_lines; i++) {
                const UserMapLine *line = &map->lines[i];

                if (streq(line->user, user) && streq(line->issuer, issuer) &&
                    (!subject || streq(line->subject, subject)))
                        return true;
        }
        return false;
}
