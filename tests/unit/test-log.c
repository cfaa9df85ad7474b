/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>
#include <fcntl.h>

#include "common/log.h"

/* Runs one call with standard error in a pipe and returns what came out. */
#define CAPTURED(call)                                                        \
        ({                                                                    \
                static char out[4096];                                        \
                int fds[2], saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3); \
                ssize_t n;                                                    \
                assert(saved >= 0 && pipe(fds) == 0);                         \
                assert(dup2(fds[1], STDERR_FILENO) >= 0);                     \
                call;                                                         \
                n = read(fds[0], out, sizeof(out) - 1);                       \
                assert(n >= 0 && dup2(saved, STDERR_FILENO) >= 0);            \
                out[n] = '\0';                                                \
                close(fds[0]);                                                \
                close(fds[1]);                                                \
                close(saved);                                                 \
                out;                                                          \
        })

int main(void) {
        char large[8192];
        const char *line;

        assert(streq(CAPTURED(log_warning("one %d", 1)), "<4>one 1\n"));
        /* a foreign text cannot begin a line of its own */
        assert(streq(CAPTURED(log_info("%s", "a\n<0>forged\x1b[2J")), "<6>a?<0>forged?[2J\n"));
        /* nor steer a terminal by C1, in Latin-1 or in UTF-8, nor show itself in another order, nor
         * leave half a character behind */
        assert(streq(CAPTURED(log_info("%s", "a\x9b"
                                             "31mb")),
                     "<6>a?31mb\n"));
        assert(streq(CAPTURED(log_info("%s", "a\xc2\x9b"
                                             "31mb")),
                     "<6>a??31mb\n"));
        assert(streq(CAPTURED(log_info("%s", "user\xe2\x80\xaegnp.exe")), "<6>user???gnp.exe\n"));
        assert(streq(CAPTURED(log_info("%.2s|", "a\xc3\xa9")), "<6>a?|\n"));
        assert(streq(CAPTURED(log_info("%s", "\x7f\xff")), "<6>??\n"));
        assert(streq(CAPTURED(assert(log_error_errno(ENOENT, "open") == -ENOENT)),
                     "<3>open: No such file or directory\n"));
        assert(streq(CAPTURED(assert(log_error_errno(-ENOENT, "open") == -ENOENT)),
                     "<3>open: No such file or directory\n"));

        memset(large, 'x', sizeof(large) - 1);
        large[sizeof(large) - 1] = '\0';
        line = CAPTURED(log_debug("%s", large));
        assert(strlen(line) < 2048 && line[strlen(line) - 1] == '\n');
        return 0;
}
