/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "common/sealed-memfd.h"
#include "common/secret.h"

static void test_copy_and_equality(void) {
        _cleanup_(secret_freep) Secret *a = NULL, *b = NULL, *c = NULL, *d = NULL;

        assert(secret_new_copy("token-1", 7, &a) == 0);
        assert(secret_new_copy("token-1", 7, &b) == 0);
        assert(secret_new_copy("token-2", 7, &c) == 0);
        assert(secret_new_copy("token", 5, &d) == 0);
        assert(secret_size(a) == 7 && streq(secret_bytes(a), "token-1"));
        assert(secret_equal(a, b));
        assert(!secret_equal(a, c));
        assert(!secret_equal(a, d)); /* a prefix is not equal */
}

static void test_limits(void) {
        _cleanup_(secret_freep) Secret *empty = NULL, *large = NULL, *none = NULL;

        assert(secret_new(0, &empty) == 0 && secret_size(empty) == 0 && !*secret_bytes(empty));
        assert(secret_new(SECRET_SIZE_MAX, &large) == 0);
        assert(secret_bytes(large)[SECRET_SIZE_MAX] == '\0');
        assert(secret_new(SECRET_SIZE_MAX + 1, &none) == -E2BIG && !none);
}

static void test_process_is_undumpable(void) {
        assert(secret_protect_process() == 0);
        assert(prctl(PR_GET_DUMPABLE) == 0);
}

static void test_sealed_memfd(void) {
        _cleanup_(secret_freep) Secret *read = NULL, *none = NULL;
        _cleanup_close_ int fd = -1, open_fd = -1, file = -1;

        assert(sealed_memfd_new("test", "secret", 6, &fd) == 0);
        assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        assert(write(fd, "x", 1) < 0 && errno == EPERM);
        assert(ftruncate(fd, 0) < 0 && errno == EPERM);
        assert(sealed_memfd_read(fd, 6, &read) == 0);
        assert(secret_size(read) == 6 && streq(secret_bytes(read), "secret"));
        assert(sealed_memfd_read(fd, 5, &none) == -E2BIG);

        open_fd = memfd_create("open", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        assert(open_fd >= 0 && sealed_memfd_read(open_fd, 6, &none) == -EBADF);
        assert(fcntl(open_fd, F_ADD_SEALS, F_SEAL_WRITE) == 0); /* not all of them */
        assert(sealed_memfd_read(open_fd, 6, &none) == -EBADF);

        file = open("/dev/null", O_RDONLY | O_CLOEXEC);
        assert(sealed_memfd_read(file, 6, &none) == -EBADF);
        assert(sealed_memfd_read(-1, 6, &none) == -EBADF);
        assert(!none);
}

int main(void) {
        test_copy_and_equality();
        test_limits();
        test_process_is_undumpable();
        test_sealed_memfd();
        return 0;
}
