/* SPDX-License-Identifier: MIT */

/* As root: the hand-over to another user's bus, and that no other thread, and nothing afterwards,
 * sees that this thread was somebody else for a moment. */

#undef NDEBUG
#include <assert.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "common/clock.h"
#include "common/macro.h"
#include "pam/result.h"
#include "pam/user-bus.h"
#include "tests/pam/fake-address.h"
#include "tests/pam/fake-bus.h"
#include "tests/pam/transcript.h"

#define TEST_UID 61184u /* of nobody */
#define OTHER_UID 61183u
#define N_ROUNDS 50

static atomic_bool stop;

/* Raw calls: what glibc says of this thread is what it believes, not what is. */
static void *watch(void *userdata) {
        unsigned long *n = userdata;

        while (!stop) {
                assert(syscall(SYS_geteuid) == 0);
                assert(syscall(SYS_getegid) == 0);
                (*n)++;
        }
        return NULL;
}

static int hand_over(uid_t uid) {
        int fd = memfd_create("grant", MFD_CLOEXEC), r;

        assert(fd >= 0 && write(fd, "grant", 5) == 5);
        r = user_bus_add_grant(uid, uid, fd, clock_boottime_usec() + 10 * USEC_PER_SEC);
        close(fd);
        return r;
}

static void check_unchanged(void) {
        int death_signal = 0;

        assert(syscall(SYS_geteuid) == 0 && syscall(SYS_getegid) == 0);
        assert(prctl(PR_GET_DUMPABLE) == 1);
        assert(prctl(PR_GET_PDEATHSIG, &death_signal) == 0 && death_signal == SIGUSR1);
}

int main(void) {
        char directory[] = "/tmp/oidc-user-bus.XXXXXX";
        FakeBus bus = {.label = "user"};
        int transcript = memfd_create("transcript", MFD_CLOEXEC);
        unsigned long n_looks = 0;
        pthread_t watcher;

        if (geteuid() != 0)
                return 77;
        alarm(60); /* a hang is a failure */
        assert(mkdtemp(directory) && chown(directory, TEST_UID, TEST_UID) == 0);
        transcript_open(transcript);
        fake_bus_start(&bus, directory, TEST_UID);
        fake_address_set(NULL, bus.path);
        assert(prctl(PR_SET_PDEATHSIG, SIGUSR1) == 0 && prctl(PR_SET_DUMPABLE, 1) == 0);
        assert(pthread_create(&watcher, NULL, watch, &n_looks) == 0);

        for (int i = 0; i < N_ROUNDS; i++) {
                assert(hand_over(TEST_UID) == 0);
                check_unchanged();
        }
        /* The directory is the user's alone: this must fail as that user would, not as root. */
        assert(hand_over(OTHER_UID) == FAILURE_USER_BUS);
        check_unchanged();
        /* As itself root would get there, but the other end is not root's. */
        assert(hand_over(0) == FAILURE_USER_BUS);
        fake_address_set(NULL, NULL);
        assert(hand_over(TEST_UID) == FAILURE_NO_USER_BUS);
        check_unchanged();

        stop = true;
        assert(pthread_join(watcher, NULL) == 0);
        assert(n_looks > 0);
        fake_bus_stop(&bus);
        fake_address_set(NULL, NULL);
        assert(rmdir(directory) == 0);
        return 0;
}
