/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>

#include "tests/gateway/odd-fd.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "common/grant.h"
#include "common/macro.h"

#define SEALS (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)
#define ROOM (2 * GRANT_SIZE_MAX)

/* No grants at all. */

static int odd_pipe(void) {
        int fds[2];

        assert(pipe2(fds, O_CLOEXEC) == 0);
        close(fds[1]);
        return fds[0];
}

static int odd_socket(void) {
        int fds[2];

        assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
        close(fds[1]);
        return fds[0];
}

static int odd_zero(void) {
        return open("/dev/zero", O_RDWR | O_CLOEXEC);
}

static int odd_file(void) {
        char path[] = "/tmp/oidc-odd-fd.XXXXXX";
        int fd = mkostemp(path, O_CLOEXEC);

        (void)unlink(path);
        return fd;
}

static int odd_path(void) {
        return open("/etc/passwd", O_PATH | O_CLOEXEC);
}

static int odd_directory(void) {
        return open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int odd_epoll(void) {
        return epoll_create1(EPOLL_CLOEXEC);
}

/* A size that nobody could map or read; it takes no memory. */
static int odd_huge(void) {
        int fd = memfd_create("oidc-keyring-grant", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        assert(fd >= 0 && ftruncate(fd, (off_t)1 << 40) == 0);
        assert(fcntl(fd, F_ADD_SEALS, SEALS) == 0);
        return fd;
}

static const struct {
        const char *kind;
        int (*make)(void);
} others[] = {
        {"pipe", odd_pipe}, {"socket", odd_socket},       {"zero", odd_zero},   {"file", odd_file},
        {"path", odd_path}, {"directory", odd_directory}, {"epoll", odd_epoll}, {"huge", odd_huge},
};

/* Not quite a grant. */

static int memfd_of(const char *bytes, size_t size, int seals) {
        int fd = memfd_create("oidc-keyring-grant", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        assert(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
        assert(fcntl(fd, F_ADD_SEALS, seals) == 0);
        return fd;
}

/* Puts @line in the place of the one that begins with @name; the new size. */
static size_t replace_line(char *bytes, const char *name, const char *line) {
        char *begin = strstr(bytes, name), *end = begin ? strchr(begin, '\n') : NULL;
        char *rest = end ? strdup(end + 1) : NULL;

        assert(rest);
        (void)strcpy(stpcpy(begin, line), rest);
        free(rest);
        return strlen(bytes);
}

/* Changes of the content that are more than another line; the new size. */
static size_t odd_empty(char *bytes, size_t size) {
        (void)bytes;
        (void)size;
        return 0;
}

static size_t odd_garbage(char *bytes, size_t size) {
        for (size_t i = 0; i < size; i++)
                bytes[i] = (char)(i * 131 + 7);
        return size;
}

static size_t odd_truncated(char *bytes, size_t size) {
        (void)bytes;
        return size - 1;
}

static size_t odd_halved(char *bytes, size_t size) {
        (void)bytes;
        return size / 2;
}

static size_t odd_oversized(char *bytes, size_t size) {
        memset(bytes + size, '\n', ROOM - size);
        memcpy(bytes + size, "more=", 5);
        return GRANT_SIZE_MAX + 1;
}

static size_t odd_nul(char *bytes, size_t size) {
        char *at = strstr(bytes, "access_token=");

        assert(at);
        at[strlen("access_token=")] = '\0';
        return size;
}

/* A good grant, in which one thing is odd. */
static const struct {
        const char *kind;
        int missing_seals;
        size_t (*change)(char *bytes, size_t size);
        const char *name, *line; /* the line that begins with @name is @line */
} memfds[] = {
        {"unsealed", .missing_seals = SEALS},
        {"without-write", .missing_seals = F_SEAL_WRITE},
        {"without-grow", .missing_seals = F_SEAL_GROW},
        {"without-shrink", .missing_seals = F_SEAL_SHRINK},
        {"without-seal", .missing_seals = F_SEAL_SEAL},
        {"empty", .change = odd_empty},
        {"garbage", .change = odd_garbage},
        {"truncated", .change = odd_truncated},
        {"halved", .change = odd_halved},
        {"oversized", .change = odd_oversized},
        {"nul", .change = odd_nul},
        {"twice", .name = "scope=", .line = "scope=x\nscope=x\n"},
        {"control", .name = "access_token=", .line = "access_token=a\tb\n"},
        {"number", .name = "refresh_at=", .line = "refresh_at=100\n"},
        {"no-token", .name = "access_token=", .line = ""},
        {"account", .name = "account=", .line = "account=../../corp\n"},
        {"elsewhere", .name = "account=", .line = "account=elsewhere\n"},
        {"issuer", .name = "issuer=", .line = "issuer=https://evil.example\n"},
};

static int odd_memfd(size_t i, char *bytes, size_t size) {
        if (memfds[i].change)
                size = memfds[i].change(bytes, size);
        if (memfds[i].name)
                size = replace_line(bytes, memfds[i].name, memfds[i].line);
        return memfd_of(bytes, size, SEALS & ~memfds[i].missing_seals);
}

int odd_fd_new(const char *kind, int grant_fd) {
        char *bytes = calloc(1, ROOM + 1);
        ssize_t size = grant_fd < 0 ? 0 : pread(grant_fd, bytes, GRANT_SIZE_MAX, 0);
        int fd = -1;

        assert(bytes && size >= 0);
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                if (streq(kind, others[i].kind))
                        fd = others[i].make();
        for (size_t i = 0; i < ELEMENTSOF(memfds); i++)
                if (streq(kind, memfds[i].kind))
                        fd = odd_memfd(i, bytes, (size_t)size);
        free(bytes);
        assert(fd >= 0); /* else there is no such kind */
        return fd;
}
