/* SPDX-License-Identifier: MIT */
#undef NDEBUG
/* The names below are those of libc, without what its headers make of them. */
#undef _FORTIFY_SOURCE
#include "tests/unit/fail-nth.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#ifdef __has_feature /* clang's way to say it */
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif

#define EXPORT __attribute__((visibility("default")))
#define RUNS_MAX 20000u /* an operation that ends in none of them goes round for ever */
#define FDS_MAX 256

typedef enum What {
        WHAT_MEMORY,
        WHAT_MEMORY_FROM_THEN_ON,
        WHAT_SYSTEM_CALL,
        _WHAT_MAX,
} What;

static What what;
static unsigned n_seen, fail_at, armed;
static long n_live; /* blocks of memory in use */

void fail_nth_arm(void) {
        armed++;
}

void fail_nth_disarm(void) {
        assert(armed > 0);
        armed--;
}

unsigned fail_nth_pause(void) {
        unsigned paused = armed;

        armed = 0;
        return paused;
}

void fail_nth_resume(unsigned paused) {
        armed = paused;
}

bool fail_nth_injected(void) {
        return n_seen >= fail_at;
}

/* Whether this is the one. */
static bool fails(bool memory) {
        if (armed == 0 || memory != (what != WHAT_SYSTEM_CALL))
                return false;
        n_seen++;
        return what == WHAT_MEMORY_FROM_THEN_ON ? n_seen >= fail_at : n_seen == fail_at;
}

bool fail_nth_memory_fails(void) {
        if (!fails(true))
                return false;
        errno = ENOMEM;
        return true;
}

bool fail_nth_system_call_fails(int error) {
        if (!fails(false))
                return false;
        errno = error;
        return true;
}

#ifdef __SANITIZE_ADDRESS__
bool fail_nth_works(void) {
        return false;
}
#else
bool fail_nth_works(void) {
        return true;
}

/* Memory. What libc itself calls these by. */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *p);

static void *counted(void *p) {
        n_live += p != NULL;
        return p;
}

EXPORT void *malloc(size_t size) {
        return fail_nth_memory_fails() ? NULL : counted(__libc_malloc(size));
}

EXPORT void *calloc(size_t n, size_t size) {
        return fail_nth_memory_fails() ? NULL : counted(__libc_calloc(n, size));
}

EXPORT void *realloc(void *p, size_t size) {
        void *moved;

        if (fail_nth_memory_fails())
                return NULL;
        moved = __libc_realloc(p, size);
        if (!p)
                counted(moved);
        else if (size == 0 && !moved)
                n_live--;
        return moved;
}

EXPORT void *reallocarray(void *p, size_t n, size_t size) {
        if (size > 0 && n > SIZE_MAX / size) {
                errno = ENOMEM;
                return NULL;
        }
        return realloc(p, n * size);
}

EXPORT void *aligned_alloc(size_t alignment, size_t size) {
        return fail_nth_memory_fails() ? NULL : counted(__libc_memalign(alignment, size));
}

EXPORT int posix_memalign(void **ret, size_t alignment, size_t size) {
        if (fail_nth_memory_fails())
                return ENOMEM;
        *ret = counted(__libc_memalign(alignment, size));
        return *ret ? 0 : ENOMEM;
}

EXPORT void free(void *p) {
        n_live -= p != NULL;
        __libc_free(p);
}
#endif

/* System calls, and how they fail in real life; some have a second name, by large-file support or
 * by _FORTIFY_SOURCE. */

#define A(i) arguments[i]
static long call(long number, int error, const long arguments[static 6]) {
        if (fail_nth_system_call_fails(error))
                return -1;
        return syscall(number, A(0), A(1), A(2), A(3), A(4), A(5));
}
#undef A
#define CALL(number, error, ...) call(number, error, (const long[6]){__VA_ARGS__})

ssize_t __read_chk(int fd, void *buffer, size_t size, size_t room);

#define OPTIONAL_ARGUMENT(last)                  \
        ({                                       \
                va_list _args;                   \
                long _argument;                  \
                                                 \
                va_start(_args, last);           \
                _argument = va_arg(_args, long); \
                va_end(_args);                   \
                _argument;                       \
        })

EXPORT int openat(int folder, const char *path, int flags, ...) {
        return (int)CALL(SYS_openat, EMFILE, folder, (long)path, flags, OPTIONAL_ARGUMENT(flags));
}

EXPORT int openat64(int folder, const char *path, int flags, ...) {
        return (int)CALL(SYS_openat, EMFILE, folder, (long)path, flags, OPTIONAL_ARGUMENT(flags));
}

EXPORT int open(const char *path, int flags, ...) {
        return (int)CALL(SYS_openat, EMFILE, AT_FDCWD, (long)path, flags, OPTIONAL_ARGUMENT(flags));
}

EXPORT int open64(const char *path, int flags, ...) {
        return (int)CALL(SYS_openat, EMFILE, AT_FDCWD, (long)path, flags, OPTIONAL_ARGUMENT(flags));
}

EXPORT ssize_t read(int fd, void *buffer, size_t size) {
        return CALL(SYS_read, EIO, fd, (long)buffer, (long)size);
}

EXPORT ssize_t __read_chk(int fd, void *buffer, size_t size, size_t room) {
        assert(size <= room);
        return read(fd, buffer, size);
}

EXPORT ssize_t pread(int fd, void *buffer, size_t size, off_t offset) {
        return CALL(SYS_pread64, EIO, fd, (long)buffer, (long)size, offset);
}

EXPORT ssize_t pread64(int fd, void *buffer, size_t size, off_t offset) {
        return CALL(SYS_pread64, EIO, fd, (long)buffer, (long)size, offset);
}

EXPORT ssize_t write(int fd, const void *buffer, size_t size) {
        return CALL(SYS_write, ENOSPC, fd, (long)buffer, (long)size);
}

EXPORT int memfd_create(const char *name, unsigned flags) {
        return (int)CALL(SYS_memfd_create, EMFILE, (long)name, flags);
}

EXPORT int fcntl(int fd, int command, ...) {
        return (int)CALL(SYS_fcntl, EPERM, fd, command, OPTIONAL_ARGUMENT(command));
}

EXPORT int fcntl64(int fd, int command, ...) {
        return (int)CALL(SYS_fcntl, EPERM, fd, command, OPTIONAL_ARGUMENT(command));
}

EXPORT void *mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset) {
        return (void *)CALL(SYS_mmap, ENOMEM, (long)address, (long)size, protection, flags, fd,
                            offset);
}

EXPORT void *mmap64(void *address, size_t size, int protection, int flags, int fd, off_t offset) {
        return (void *)CALL(SYS_mmap, ENOMEM, (long)address, (long)size, protection, flags, fd,
                            offset);
}

EXPORT int mlock(const void *address, size_t size) {
        return (int)CALL(SYS_mlock, ENOMEM, (long)address, (long)size);
}

EXPORT ssize_t getrandom(void *buffer, size_t size, unsigned flags) {
        return CALL(SYS_getrandom, ENOSYS, (long)buffer, (long)size, flags);
}

EXPORT int socket(int domain, int type, int protocol) {
        return (int)CALL(SYS_socket, EMFILE, domain, type, protocol);
}

EXPORT int connect(int fd, __CONST_SOCKADDR_ARG address, socklen_t size) {
        return (int)CALL(SYS_connect, ECONNREFUSED, fd, (long)address.__sockaddr__, size);
}

EXPORT ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
        return CALL(SYS_sendmsg, ENOBUFS, fd, (long)message, flags);
}

EXPORT ssize_t recvmsg(int fd, struct msghdr *message, int flags) {
        return CALL(SYS_recvmsg, ENOMEM, fd, (long)message, flags);
}

EXPORT int epoll_create1(int flags) {
        return (int)CALL(SYS_epoll_create1, EMFILE, flags);
}

EXPORT int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event) {
        return (int)CALL(SYS_epoll_ctl, ENOSPC, epoll, operation, fd, (long)event);
}

EXPORT int timerfd_create(int clock, int flags) {
        return (int)CALL(SYS_timerfd_create, EMFILE, clock, flags);
}

EXPORT int fstat(int fd, struct stat *st) {
        return (int)CALL(SYS_fstat, EIO, fd, (long)st);
}

EXPORT int ftruncate(int fd, off_t size) {
        return (int)CALL(SYS_ftruncate, ENOSPC, fd, size);
}

EXPORT int ftruncate64(int fd, off_t size) {
        return (int)CALL(SYS_ftruncate, ENOSPC, fd, size);
}

EXPORT int mkdirat(int folder, const char *path, mode_t mode) {
        return (int)CALL(SYS_mkdirat, ENOSPC, folder, (long)path, mode);
}

EXPORT int fsync(int fd) {
        return (int)CALL(SYS_fsync, EIO, fd);
}

EXPORT int linkat(int from, const char *path, int to, const char *name, int flags) {
        return (int)CALL(SYS_linkat, ENOSPC, from, (long)path, to, (long)name, flags);
}

/* One run after the other. */

static unsigned count_fds(void) {
        unsigned n = 0;

        for (int fd = 0; fd < FDS_MAX; fd++)
                n += syscall(SYS_fcntl, fd, F_GETFD) >= 0;
        return n;
}

static int run_once(FailNthOperation operation, What kind, unsigned n) {
        int r;

        what = kind;
        n_seen = 0;
        fail_at = n;
        r = operation();
        assert(armed == 0);
        return r;
}

/* What a library keeps from its first use or its first failure on is no leak: the same again must
 * not add to it. */
static int run_without_leak(const char *name, FailNthOperation operation, What kind, unsigned n) {
        long live;
        unsigned fds;
        int r = 0;

        for (unsigned i = 0; i < 4; i++) {
                live = n_live;
                fds = count_fds();
                r = run_once(operation, kind, n);
                if (n_live == live && count_fds() == fds)
                        return r;
        }
        (void)fprintf(stderr, "%s: failure %u of kind %u leaves %ld blocks, %d descriptors\n", name,
                      n, kind, n_live - live, (int)count_fds() - (int)fds);
        assert(!"nothing is left over");
        return r;
}

void fail_nth_run(const char *name, FailNthOperation operation) {
        unsigned n_injected = 0, n_refused = 0;

        for (unsigned i = 0; i < 2; i++)
                assert(run_once(operation, WHAT_MEMORY, UINT32_MAX) == 0);
        for (What kind = 0; kind < _WHAT_MAX; kind++) {
                unsigned n;
                int r;

                for (n = 1; n < RUNS_MAX; n++) {
                        r = run_without_leak(name, operation, kind, n);
                        if (!fail_nth_injected())
                                break;
                        n_injected++;
                        n_refused += r != 0;
                }
                assert(n < RUNS_MAX && r == 0);
        }
        assert(n_injected > 0);
        (void)printf("%s: %u failures injected, %u refused\n", name, n_injected, n_refused);
        (void)fflush(stdout);
}
