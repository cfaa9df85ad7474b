/* SPDX-License-Identifier: MIT */
#include "gateway/host-key.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/clock.h"
#include "common/names.h"

static int host_key_connect(const char *root) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        _cleanup_close_ int fd = -1;
        int n = snprintf(address.sun_path, sizeof(address.sun_path), "%s" HOST_KEY_SOCKET, root);

        if (n < 0 || (size_t)n >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
                return errno == ENOENT || errno == ECONNREFUSED ? -ENOKEY : -errno;
        return TAKE_FD(fd);
}

/* Until the other end is closed: then all is there that will ever come. */
static int await_end(int fd, uint64_t deadline_usec) {
        struct pollfd wait = {.fd = fd, .events = POLLRDHUP};
        uint64_t now_usec;
        int n;

        do {
                now_usec = clock_boottime_usec();
                n = poll(&wait, 1,
                         now_usec < deadline_usec ? (int)((deadline_usec - now_usec) / 1000) + 1
                                                  : 0);
        } while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        return n == 0 ? -ETIMEDOUT : 0;
}

/* A byte too many is as wrong as one that is missing. */
static int read_key(int fd, Secret **ret) {
        _cleanup_(secret_freep) Secret *buffer = NULL;
        ssize_t n;
        int r;

        r = secret_new(HOST_KEY_SIZE + 1, &buffer);
        if (r < 0)
                return r;
        n = read(fd, secret_buffer(buffer), HOST_KEY_SIZE + 1);
        return n == HOST_KEY_SIZE ? secret_new_copy(secret_bytes(buffer), HOST_KEY_SIZE, ret)
                                  : -ENOKEY;
}

int host_key_fetch(const char *root, uint64_t patience_usec, int *question, Secret **ret) {
        int r;

        if (*question < 0)
                *question = host_key_connect(root);
        if (*question < 0)
                return *question;
        r = await_end(*question, clock_boottime_usec() + patience_usec);
        if (r == 0)
                r = read_key(*question, ret);
        if (r != -ETIMEDOUT) {
                (void)close(*question);
                *question = -1;
        }
        return r;
}
