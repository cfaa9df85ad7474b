/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include "common/macro.h"
#include "daemon/clock-watch.h"

/* Only root may set the clock, and of the whole host: the kernel's part is played here. A timer
 * that was cancelled is readable, reading it fails once, and it says no more until it is armed
 * again. */
static int timer = -1;
static unsigned n_armed, n_refused, n_told;
static int arming_error;

int __wrap_timerfd_create(int clock, int flags);
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *value,
                           struct itimerspec *old);
ssize_t __real_read(int fd, void *buffer, size_t size);
ssize_t __wrap_read(int fd, void *buffer, size_t size);

int __wrap_timerfd_create(int clock, int flags) {
        assert(clock == CLOCK_REALTIME && flags == (TFD_CLOEXEC | TFD_NONBLOCK));
        return timer = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *value,
                           struct itimerspec *old) {
        assert(fd == timer && flags == (TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET) && !old);
        assert(value->it_value.tv_sec > 0);
        if (arming_error != 0 && arming_error != ECANCELED) {
                n_refused++;
                errno = arming_error;
                return -1;
        }
        n_armed++;
        errno = arming_error;
        return arming_error ? -1 : 0;
}

ssize_t __wrap_read(int fd, void *buffer, size_t size) {
        ssize_t n = __real_read(fd, buffer, size);

        if (fd != timer || n < 0)
                return n;
        errno = ECANCELED;
        return -1;
}

static void clock_is_set(void) {
        assert(eventfd_write(timer, 1) == 0);
}

static void on_set(void *userdata) {
        assert(userdata == &n_told);
        n_told++;
}

static void turn(sd_event *event) {
        while (sd_event_run(event, 0) > 0)
                ;
}

int main(void) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        int fd;

        assert(sd_event_new(&event) >= 0);
        arming_error = EMFILE;
        assert(clock_watch_add(event, on_set, &n_told) == -EMFILE);
        arming_error = 0;
        assert(clock_watch_add(event, on_set, &n_told) >= 0 && n_armed == 1);
        turn(event);
        assert(n_told == 0);

        for (unsigned i = 1; i <= 3; i++) {
                clock_is_set();
                turn(event);
                assert(n_told == i && n_armed == 1 + i);
        }

        /* Set once more between the two calls: it is armed, and the error tells only that. */
        arming_error = ECANCELED;
        clock_is_set();
        turn(event);
        assert(n_told == 4 && n_armed == 5);
        arming_error = 0;
        clock_is_set();
        turn(event);
        assert(n_told == 5 && n_armed == 6);

        /* One that cannot be armed again is left alone from then on: it is logged once. */
        arming_error = EINVAL;
        for (unsigned i = 0; i < 2; i++) {
                clock_is_set();
                turn(event);
        }
        assert(n_told == 5 && n_refused == 2);

        fd = timer;
        event = sd_event_unref(event);
        assert(fcntl(fd, F_GETFD) < 0 && errno == EBADF);
        return 0;
}
