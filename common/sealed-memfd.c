/* SPDX-License-Identifier: MIT */
#include "common/sealed-memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* Linux 6.3; older kernels answer EINVAL */
#endif

#define SEALS (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)

static int memfd_new(const char *name) {
        const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
        int fd;

        fd = memfd_create(name, flags | MFD_NOEXEC_SEAL);
        if (fd < 0 && errno == EINVAL)
                fd = memfd_create(name, flags);
        return fd < 0 ? -errno : fd;
}

static int write_all(int fd, const char *bytes, size_t size) {
        while (size > 0) {
                ssize_t n = write(fd, bytes, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EIO;
                bytes += n;
                size -= (size_t)n;
        }
        return 0;
}

int sealed_memfd_new(const char *name, const void *bytes, size_t size, int *ret_fd) {
        _cleanup_close_ int fd = -1;
        int r;

        fd = memfd_new(name);
        if (fd < 0)
                return fd;
        r = write_all(fd, bytes, size);
        if (r < 0)
                return r;
        if (fcntl(fd, F_ADD_SEALS, SEALS) < 0)
                return -errno;

        *ret_fd = TAKE_FD(fd);
        return 0;
}

/* pread(): the file offset of a passed descriptor is shared with whoever sent it. */
static int read_all(int fd, char *bytes, size_t size) {
        for (size_t done = 0; done < size;) {
                ssize_t n = pread(fd, bytes + done, size - done, (off_t)done);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EIO;
                done += (size_t)n;
        }
        return 0;
}

int sealed_memfd_read(int fd, size_t max, Secret **ret) {
        _cleanup_(secret_freep) Secret *secret = NULL;
        struct stat st;
        int seals, r;

        /* Only memfds know seals at all, so this also tells what kind of descriptor it is. */
        seals = fcntl(fd, F_GET_SEALS);
        if (seals < 0)
                return errno == EINVAL ? -EBADF : -errno;
        if ((seals & SEALS) != SEALS)
                return -EBADF;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (st.st_size < 0 || (uint64_t)st.st_size > max)
                return -E2BIG;

        r = secret_new((size_t)st.st_size, &secret);
        if (r < 0)
                return r;
        r = read_all(fd, secret_buffer(secret), secret_size(secret));
        if (r < 0)
                return r;

        *ret = TAKE_PTR(secret);
        return 0;
}
