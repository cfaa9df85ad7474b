/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>

#include "tests/gateway/odd-fd.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "common/grant.h"
#include "common/macro.h"

#define SEALS (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)
#define ROOM (2 * GRANT_SIZE_MAX)

/* Not memfds. */

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

static const struct {
        const char *kind;
        int (*make)(void);
} others[] = {
        {"pipe", odd_pipe}, {"socket", odd_socket},       {"zero", odd_zero},   {"file", odd_file},
        {"path", odd_path}, {"directory", odd_directory}, {"epoll", odd_epoll},
};

/* Memfds. */

static int memfd_of(const char *bytes, size_t size, int seals) {
        int fd = memfd_create("oidc-keyring-grant", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        assert(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
        assert(fcntl(fd, F_ADD_SEALS, seals) == 0);
        return fd;
}

/* The whole grant, with this line put in the place of the one that begins with its name. */
static size_t with_line(char *bytes, const char *name, const char *line) {
        char *begin = strstr(bytes, name), *end = begin ? strchr(begin, '\n') : NULL;
        char *rest = end ? strdup(end + 1) : NULL;

        assert(rest);
        (void)strcpy(stpcpy(begin, line), rest);
        free(rest);
        return strlen(bytes);
}

/* Changes of the content; the new size. */
static size_t odd_same(char *bytes, size_t size) {
        (void)bytes;
        return size;
}

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

static size_t odd_twice(char *bytes, size_t size) {
        (void)size;
        return with_line(bytes, "scope=", "scope=x\nscope=x\n");
}

static size_t odd_control(char *bytes, size_t size) {
        (void)size;
        return with_line(bytes, "access_token=", "access_token=a\tb\n");
}

static size_t odd_nul(char *bytes, size_t size) {
        char *at = strstr(bytes, "access_token=");

        assert(at);
        at[strlen("access_token=")] = '\0';
        return size;
}

static size_t odd_number(char *bytes, size_t size) {
        (void)size;
        return with_line(bytes, "refresh_at=", "refresh_at=100\n");
}

static size_t odd_no_token(char *bytes, size_t size) {
        (void)size;
        return with_line(bytes, "access_token=", "");
}

static size_t odd_account(char *bytes, size_t size) {
        (void)size;
        return with_line(bytes, "account=", "account=../../corp\n");
}

static size_t odd_elsewhere(char *bytes, size_t size) {
        (void)size;
        return with_line(bytes, "account=", "account=elsewhere\n");
}

static size_t odd_issuer(char *bytes, size_t size) {
        (void)size;
        return with_line(bytes, "issuer=", "issuer=https://evil.example\n");
}

static const struct {
        const char *kind;
        int seals;
        size_t (*change)(char *bytes, size_t size);
} memfds[] = {
        {"unsealed", 0, odd_same},
        {"without-write", SEALS & ~F_SEAL_WRITE, odd_same},
        {"without-grow", SEALS & ~F_SEAL_GROW, odd_same},
        {"without-shrink", SEALS & ~F_SEAL_SHRINK, odd_same},
        {"without-seal", SEALS & ~F_SEAL_SEAL, odd_same},
        {"empty", SEALS, odd_empty},
        {"garbage", SEALS, odd_garbage},
        {"truncated", SEALS, odd_truncated},
        {"halved", SEALS, odd_halved},
        {"oversized", SEALS, odd_oversized},
        {"twice", SEALS, odd_twice},
        {"control", SEALS, odd_control},
        {"nul", SEALS, odd_nul},
        {"number", SEALS, odd_number},
        {"no-token", SEALS, odd_no_token},
        {"account", SEALS, odd_account},
        {"elsewhere", SEALS, odd_elsewhere},
        {"issuer", SEALS, odd_issuer},
};

/* A size that nobody could map or read; it takes no memory. */
static int odd_huge(void) {
        int fd = memfd_create("oidc-keyring-grant", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        assert(fd >= 0 && ftruncate(fd, (off_t)1 << 40) == 0);
        assert(fcntl(fd, F_ADD_SEALS, SEALS) == 0);
        return fd;
}

int odd_fd_new(const char *kind, int grant_fd) {
        char *bytes = calloc(1, ROOM + 1);
        ssize_t size = grant_fd < 0 ? 0 : pread(grant_fd, bytes, GRANT_SIZE_MAX, 0);
        int fd = streq(kind, "huge") ? odd_huge() : -1;

        assert(bytes && size >= 0);
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                if (streq(kind, others[i].kind))
                        fd = others[i].make();
        for (size_t i = 0; i < ELEMENTSOF(memfds); i++)
                if (streq(kind, memfds[i].kind))
                        fd = memfd_of(bytes, memfds[i].change(bytes, (size_t)size),
                                      memfds[i].seals);
        free(bytes);
        assert(fd >= 0); /* else there is no such kind */
        return fd;
}
