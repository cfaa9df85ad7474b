/* SPDX-License-Identifier: MIT */
#include "gateway/host-key.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/clock.h"
#include "common/names.h"

#define DEADLINE_USEC (4 * USEC_PER_SEC)

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

/* Until there is something to read. */
static int await(int fd, uint64_t deadline_usec) {
        uint64_t now_usec = clock_boottime_usec();
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        int n;

        if (now_usec >= deadline_usec)
                return -ETIMEDOUT;
        n = poll(&wait, 1, (int)((deadline_usec - now_usec) / 1000) + 1);
        if (n < 0)
                return errno == EINTR ? 0 : -errno;
        return n == 0 ? -ETIMEDOUT : 0;
}

/* To the end: a byte too many is as wrong as one that is missing. */
static int read_all(int fd, char *buffer, size_t size, size_t *ret_size) {
        uint64_t deadline_usec = clock_boottime_usec() + DEADLINE_USEC;
        size_t n_read = 0;

        while (n_read < size) {
                int r = await(fd, deadline_usec);
                ssize_t n = r < 0 ? -1 : read(fd, buffer + n_read, size - n_read);

                if (r < 0)
                        return r;
                if (n < 0 && errno == ECONNRESET)
                        return -ENOKEY;
                if (n < 0 && errno != EAGAIN && errno != EINTR)
                        return -errno;
                if (n == 0)
                        break;
                if (n > 0)
                        n_read += (size_t)n;
        }
        *ret_size = n_read;
        return 0;
}

int host_key_fetch(const char *root, Secret **ret) {
        _cleanup_(secret_freep) Secret *buffer = NULL;
        _cleanup_close_ int fd = -1;
        size_t size = 0;
        int r;

        r = secret_new(HOST_KEY_SIZE + 1, &buffer);
        if (r < 0)
                return r;
        fd = host_key_connect(root);
        if (fd < 0)
                return fd;
        r = read_all(fd, secret_buffer(buffer), HOST_KEY_SIZE + 1, &size);
        if (r < 0)
                return r;
        if (size != HOST_KEY_SIZE)
                return -ENOKEY;
        return secret_new_copy(secret_bytes(buffer), HOST_KEY_SIZE, ret);
}
