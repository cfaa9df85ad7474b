/* SPDX-License-Identifier: MIT */

/* Runs every script in tests/pam/scripts (or those named), each in a process of its own, and
 * compares what happened with what it says: once in a host as it should be, and once in one that
 * ignores SIGCHLD, runs threads, and has no descriptors 0 to 2. */

#undef NDEBUG
#include <assert.h>

#include <glob.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <fcntl.h>

#include "common/macro.h"
#include "tests/pam/script.h"
#include "tests/pam/transcript.h"

/* Far from the descriptors that a script may close or count. */
static int transcript_new(void) {
        int fd = memfd_create("transcript", MFD_CLOEXEC);
        int high = fcntl(fd, F_DUPFD_CLOEXEC, 100);

        assert(high >= 0 && fcntl(high, F_SETFL, O_APPEND) == 0);
        close(fd);
        return high;
}

static char *read_all(int fd) {
        struct stat st;
        char *text;

        assert(fstat(fd, &st) == 0);
        text = calloc(1, (size_t)st.st_size + 1);
        assert(text && pread(fd, text, (size_t)st.st_size, 0) == st.st_size);
        return text;
}

static char *read_expected(const char *path) {
        static const char separator[] = "\n---\n";
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        char *text, *begin, *expected;

        assert(fd >= 0);
        text = read_all(fd);
        close(fd);
        begin = strstr(text, separator);
        assert(begin); /* a script that demands nothing passes always */
        expected = strdup(begin + strlen(separator));
        free(text);
        return expected;
}

static int run_in(const char *path, bool hostile) {
        int fd = transcript_new(), status, same;
        char *expected = read_expected(path), *actual;
        pid_t pid = fork();

        assert(pid >= 0);
        if (pid == 0) {
                free(expected);
                alarm(60); /* a hang is a failure */
                transcript_open(fd);
                script_run(path, hostile);
                exit(0);
        }
        assert(waitpid(pid, &status, 0) == pid);
        actual = read_all(fd);
        same = streq(expected, actual) && status == 0;
        printf("%s%s: %s\n", path, hostile ? ", hostile host" : "", same ? "ok" : "FAILED");
        if (!same)
                printf("status %d; instead of what it says this happened:\n%s", status, actual);
        fflush(stdout);
        free(expected);
        free(actual);
        close(fd);
        return same ? 0 : 1;
}

static int run(const char *path) {
        return run_in(path, false) + run_in(path, true);
}

int main(int argc, char **argv) {
        const char *srcdir = getenv("srcdir");
        char *pattern = NULL;
        glob_t found = {0};
        int failed = 0;

        for (int i = 1; i < argc; i++)
                failed += run(argv[i]);
        if (argc > 1)
                return failed > 0;

        assert(asprintf(&pattern, "%s/tests/pam/scripts/*.script", srcdir ? srcdir : ".") >= 0);
        assert(glob(pattern, 0, NULL, &found) == 0);
        for (size_t i = 0; i < found.gl_pathc; i++)
                failed += run(found.gl_pathv[i]);
        printf("%zu scripts, each in two hosts, %d failed\n", found.gl_pathc, failed);
        globfree(&found);
        free(pattern);
        return failed > 0;
}
