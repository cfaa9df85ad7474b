/* SPDX-License-Identifier: MIT */
#undef NDEBUG

/* token-watch DESCRIPTION UID...: reads the key of that name in the user keyring of each UID, as
 * that user, 100 times a second until standard input closes. A line for each change of what is
 * found, and one for each UID at the end:
 *
 *     UID LAST NOW COUNT VALUE
 *
 * what was found before was read COUNT times, last at LAST; since NOW it is VALUE: "+TOKEN",
 * "-ERRNO" where there is none, or "." at the end. Times are CLOCK_MONOTONIC in seconds, so that
 * whoever sets the clock does not confuse them. LAST was taken before the last reading and NOW
 * after the first, so that however late the reader was, what it says was so from NOW to LAST. */

#include <assert.h>
#include <errno.h>
#include <keyutils.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/macro.h"

#define PERIOD_NSEC INT64_C(10000000)
#define TOKEN_MAX 65535

typedef struct Watched {
        uid_t uid;
        int64_t last_nsec;
        unsigned long count;
        char *value;
} Watched;

static int64_t now_nsec(clockid_t clock) {
        struct timespec now;

        assert(clock_gettime(clock, &now) == 0);
        return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* As programs of that user: the keyring is that of the real uid. */
static void read_as(uid_t uid, const char *description, char value[static TOKEN_MAX + 2]) {
        long serial, size;

        assert(setresuid(uid, uid, 0) == 0);
        serial = keyctl_search(KEY_SPEC_USER_KEYRING, "user", description, 0);
        value[0] = '+';
        size = serial < 0 ? -1 : keyctl_read((key_serial_t)serial, value + 1, TOKEN_MAX);
        if (size < 0)
                (void)snprintf(value, TOKEN_MAX, "-%d", errno);
        else
                value[1 + (size < TOKEN_MAX ? size : TOKEN_MAX)] = '\0';
        assert(setresuid(0, 0, 0) == 0);
}

static void tell(const Watched *watched, int64_t now, const char *value) {
        (void)printf("%u %.6f %.6f %lu %s\n", (unsigned)watched->uid,
                     (double)watched->last_nsec / 1e9, (double)now / 1e9, watched->count, value);
}

static void look(Watched *watched, const char *description) {
        char value[TOKEN_MAX + 2];
        int64_t before = now_nsec(CLOCK_MONOTONIC);

        read_as(watched->uid, description, value);
        if (!watched->value || !streq(watched->value, value)) {
                tell(watched, now_nsec(CLOCK_MONOTONIC), value);
                free(watched->value);
                watched->value = strdup(value);
                assert(watched->value);
                watched->count = 0;
        }
        watched->last_nsec = before;
        watched->count++;
}

/* Whether there is time left before @next. */
static bool sleep_until(int64_t next) {
        struct pollfd end = {.fd = STDIN_FILENO, .events = POLLIN};
        int64_t left = next - now_nsec(CLOCK_MONOTONIC);
        struct timespec wait = {.tv_nsec = left > 0 ? left : 0};

        return ppoll(&end, 1, &wait, NULL) == 0;
}

int main(int argc, char *argv[]) {
        size_t n = argc > 2 ? (size_t)argc - 2 : 0;
        Watched *watched = calloc(n + 1, sizeof(*watched));
        int64_t next = now_nsec(CLOCK_MONOTONIC);

        assert(watched && n > 0);
        for (size_t i = 0; i < n; i++)
                watched[i].uid = (uid_t)strtoul(argv[i + 2], NULL, 10);
        do {
                for (size_t i = 0; i < n; i++)
                        look(&watched[i], argv[1]);
                (void)fflush(stdout);
                next += PERIOD_NSEC;
                if (next < now_nsec(CLOCK_MONOTONIC)) /* what was missed stays missed */
                        next = now_nsec(CLOCK_MONOTONIC);
        } while (sleep_until(next));
        for (size_t i = 0; i < n; i++) {
                tell(&watched[i], now_nsec(CLOCK_MONOTONIC), ".");
                free(watched[i].value);
        }
        free(watched);
        return 0;
}
