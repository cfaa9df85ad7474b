/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "gateway/user-map.h"

#define A "https://a.example.com"
#define B "https://b.example.com/"

static int parse(const char *text, size_t size, UserMap **ret, char **ret_problem) {
        *ret = NULL;
        *ret_problem = NULL;
        return user_map_parse(text, size, "map", ret, ret_problem);
}

static void test_who_is_whom(void) {
        static const char text[] = "# people\n"
                                   "\n"
                                   "alice " A " 248289761001\n"
                                   "  \t bob\t\t" A "  b o b # not a comment \t\n"
                                   "shared " A " 1\n"
                                   "shared " A " 2\n"
                                   "carol " B " 1\n"
                                   "   # alice " B " 248289761001\n"
                                   "last " B " z";
        _cleanup_(user_map_freep) UserMap *map = NULL;
        _cleanup_free_ char *problem = NULL;

        assert(parse(text, sizeof(text) - 1, &map, &problem) == 0 && !problem);
        assert(user_map_size(map) == 6);
        assert(user_map_has(map, "alice", A, "248289761001"));
        assert(user_map_has(map, "alice", A, NULL));
        assert(!user_map_has(map, "alice", B, NULL));
        assert(!user_map_has(map, "alice", B, "248289761001"));
        assert(user_map_has(map, "bob", A, "b o b # not a comment"));
        assert(user_map_has(map, "shared", A, "1") && user_map_has(map, "shared", A, "2"));
        assert(user_map_has(map, "carol", B, "1")); /* one subject, two local users */
        assert(user_map_has(map, "last", B, "z"));

        /* whole, byte by byte */
        assert(!user_map_has(map, "alice", A, "24828976100"));
        assert(!user_map_has(map, "alice", A, "2482897610011"));
        assert(!user_map_has(map, "alice", A, ""));
        assert(!user_map_has(map, "alice", A "/", "248289761001"));
        assert(!user_map_has(map, "carol", A, "1"));
        assert(!user_map_has(map, "ali", A, NULL) && !user_map_has(map, "alicex", A, NULL));
        assert(!user_map_has(map, "Alice", A, NULL) && !user_map_has(map, "", A, NULL));
        assert(!user_map_has(map, "last", B, "Z"));
}

static void test_empty(void) {
        static const char *const texts[] = {"", "\n", "# nobody", "  \n\t\n#\n"};

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                _cleanup_(user_map_freep) UserMap *map = NULL;
                _cleanup_free_ char *problem = NULL;

                assert(parse(texts[i], strlen(texts[i]), &map, &problem) == 0);
                assert(user_map_size(map) == 0 && !user_map_has(map, "alice", A, NULL));
        }
}

#define TEXT(literal) (literal), sizeof(literal) - 1

static void test_malformed(void) {
        static const struct {
                const char *text;
                size_t size;
                const char *where;
        } cases[] = {
                {TEXT("alice\n"), "map:1: "},
                {TEXT("#\nalice " A "\n"), "map:2: "},
                {TEXT("alice " A "   \n"), "map:1: "},
                {TEXT("alice " A " 1\nbob 1 " A "\n"), "map:2: "}, /* the wrong way round */
                {TEXT("alice id.example.com 1\n"), "map:1: "},
                {TEXT("alice " A " 1\r\n"), "map:1: "},
                {TEXT("alice " A " 1\0 2\n"), "map:1: "},
                {TEXT("\0alice " A " 1\n"), "map:1: "},
                {TEXT("al\033ice " A " 1\n"), "map:1: "},
                {TEXT("alice " A " 1\177\n"), "map:1: "},
                {TEXT("alice " A " 1\n\n\n#\nbob\n"), "map:5: "},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *problem = NULL;
                UserMap *map = NULL;

                assert(parse(cases[i].text, cases[i].size, &map, &problem) == -EINVAL && !map);
                assert(strncmp(problem, cases[i].where, strlen(cases[i].where)) == 0);
        }
}

static int parse_long(size_t subject_size, size_t blanks) {
        _cleanup_(user_map_freep) UserMap *map = NULL;
        _cleanup_free_ char *text = NULL, *problem = NULL;
        size_t size;

        assert(asprintf(&text, "alice " A "%*s %0*d", (int)blanks, "", (int)subject_size, 1) > 0);
        size = strlen(text);
        return parse(text, size, &map, &problem);
}

static void test_bounds(void) {
        _cleanup_free_ char *text = malloc(USER_MAP_SIZE_MAX + 1), *problem = NULL;
        _cleanup_(user_map_freep) UserMap *map = NULL;
        const size_t before = strlen("alice " A), used = before + 1 + 255;

        assert(parse_long(255, 0) == 0);
        assert(parse_long(256, 0) == -EINVAL);
        assert(parse_long(255, USER_MAP_LINE_MAX - used) == 0);
        assert(parse_long(255, USER_MAP_LINE_MAX - used + 1) == -EINVAL);

        assert(text);
        memset(text, '\n', USER_MAP_SIZE_MAX + 1);
        assert(parse(text, USER_MAP_SIZE_MAX, &map, &problem) == 0);
        map = user_map_free(map);
        assert(parse(text, USER_MAP_SIZE_MAX + 1, &map, &problem) == -EINVAL && problem);
}

/* A new one each time: the last one's mode may forbid to write, but for root. */
static void write_file(const char *path, const char *text, mode_t mode) {
        _cleanup_close_ int fd = -1;

        assert(unlink(path) == 0 || errno == ENOENT);
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        assert(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
        assert(fchmod(fd, mode) == 0);
}

static int read_file(const char *path, size_t *ret_size) {
        _cleanup_(user_map_freep) UserMap *map = NULL;
        _cleanup_free_ char *problem = NULL;
        int r;

        r = user_map_read(path, &map, &problem);
        assert((r == 0) == (map != NULL) && (r == 0) == !problem);
        if (r < 0)
                assert(strncmp(problem, path, strlen(path)) == 0);
        else
                *ret_size = user_map_size(map);
        return r;
}

static void test_file(void) {
        static const mode_t good[] = {0600, 0644, 0640, 0444, 0755},
                            bad[] = {0620, 0602, 0666, 0664, 0646};
        char folder[] = "/tmp/oidc-keyring-map.XXXXXX", path[64], link[64];
        size_t size;

        assert(mkdtemp(folder));
        (void)snprintf(path, sizeof(path), "%s/map", folder);
        (void)snprintf(link, sizeof(link), "%s/link", folder);
        assert(read_file(path, &size) == -EINVAL);

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                write_file(path, "alice " A " 1\n", good[i]);
                assert(read_file(path, &size) == 0 && size == 1);
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                write_file(path, "alice " A " 1\n", bad[i]);
                assert(read_file(path, &size) == -EINVAL);
        }
        write_file(path, "alice\n", 0600);
        assert(read_file(path, &size) == -EINVAL);
        write_file(path, "alice " A " 1\n", 0600);
        assert(symlink(path, link) == 0 && read_file(link, &size) == 0);
        assert(truncate(path, USER_MAP_SIZE_MAX + 1) == 0);
        assert(read_file(path, &size) == -EINVAL);
        if (geteuid() == 0) {
                write_file(path, "", 0600);
                assert(chown(path, 12345, 0) == 0 && read_file(path, &size) == -EINVAL);
        }
        assert(unlink(path) == 0 && mkfifo(path, 0600) == 0);
        assert(read_file(path, &size) == -EINVAL); /* at once */
        assert(read_file(folder, &size) == -EINVAL);
        assert(unlink(path) == 0 && unlink(link) == 0 && rmdir(folder) == 0);
}

int main(void) {
        test_who_is_whom();
        test_empty();
        test_malformed();
        test_bounds();
        test_file();
        return 0;
}
