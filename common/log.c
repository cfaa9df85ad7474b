/* SPDX-License-Identifier: MIT */
#include "common/log.h"

#include <stdio.h>
#include <string.h>

#include "common/printable.h"

#define LINE_MAX_BYTES 2048

/* One write(2), without stdio's buffer: a line is never split between two processes. */
_printf_(2, 0) static void log_write(int priority, const char *format, va_list args,
                                     const char *suffix) {
        char line[LINE_MAX_BYTES];
        size_t length;
        int n;

        n = snprintf(line, sizeof(line), "<%d>", priority);
        if (n < 0)
                return;
        length = (size_t)n;
        n = vsnprintf(line + length, sizeof(line) - length - 1, format, args);
        if (n < 0)
                return;
        length = strnlen(line, sizeof(line) - 2);
        n = snprintf(line + length, sizeof(line) - length - 1, "%s", suffix);
        if (n < 0)
                return;
        /* Foreign text must not be able to begin a line of its own, to steer the terminal of
         * whoever reads the journal raw, or to show another name there than the one it is. */
        printable_clean(line);
        length = strnlen(line, sizeof(line) - 2);
        line[length++] = '\n';
        while (write(STDERR_FILENO, line, length) < 0 && errno == EINTR)
                ;
}

void log_line(int priority, const char *format, ...) {
        int saved_errno = errno;
        va_list args;

        va_start(args, format);
        log_write(priority, format, args, "");
        va_end(args);
        errno = saved_errno;
}

int log_line_errno(int priority, int error, const char *format, ...) {
        int saved_errno = errno;
        char suffix[128];
        va_list args;

        error = error < 0 ? -error : error;
        errno = error;
        if (snprintf(suffix, sizeof(suffix), ": %m") < 0)
                suffix[0] = '\0';
        va_start(args, format);
        log_write(priority, format, args, suffix);
        va_end(args);
        errno = saved_errno;
        return -error;
}
