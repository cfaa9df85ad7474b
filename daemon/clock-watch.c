/* SPDX-License-Identifier: MIT */
#include "daemon/clock-watch.h"

#include <errno.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "common/log.h"

/* Beyond that a clock is not set: the year 2255, or 2038 where time_t ends there. */
#define FOR_EVER_SEC ((time_t)(sizeof(time_t) > 4 ? INT64_C(9000000000) : INT32_MAX))

typedef struct ClockWatch {
        int timer_fd;
        void (*clock_was_set)(void *userdata);
        void *userdata;
} ClockWatch;

/* A timer that never ends, but is cancelled when the clock is set. ECANCELED: that was so once more
 * since it was read; it is armed nevertheless (timerfd_create(2), NOTES). */
static int clock_watch_arm(ClockWatch *watch) {
        const struct itimerspec never = {.it_value.tv_sec = FOR_EVER_SEC};

        if (timerfd_settime(watch->timer_fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never,
                            NULL) < 0 &&
            errno != ECANCELED)
                return -errno;
        return 0;
}

static int clock_watch_on_event(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        ClockWatch *watch = userdata;
        uint64_t n;
        int r;

        (void)events;
        if (read(fd, &n, sizeof(n)) >= 0 || errno != ECANCELED)
                return 0;
        r = clock_watch_arm(watch);
        if (r < 0) {
                (void)log_warning_errno(r, "The clock cannot be watched");
                return sd_event_source_set_enabled(source, SD_EVENT_OFF);
        }
        watch->clock_was_set(watch->userdata);
        return 0;
}

static void clock_watch_free(void *userdata) {
        ClockWatch *watch = userdata;

        closep(&watch->timer_fd);
        free(watch);
}

static inline void clock_watch_freep(ClockWatch **watch) {
        if (*watch)
                clock_watch_free(*watch);
}

int clock_watch_add(sd_event *event, void (*clock_was_set)(void *userdata), void *userdata) {
        _cleanup_(sd_event_source_unrefp) sd_event_source *source = NULL;
        _cleanup_(clock_watch_freep) ClockWatch *watch = malloc(sizeof(*watch));
        int r;

        if (!watch)
                return -ENOMEM;
        *watch = (ClockWatch){.clock_was_set = clock_was_set, .userdata = userdata};
        watch->timer_fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
        if (watch->timer_fd < 0)
                return -errno;
        r = clock_watch_arm(watch);
        if (r < 0)
                return r;
        r = sd_event_add_io(event, &source, watch->timer_fd, EPOLLIN, clock_watch_on_event, watch);
        if (r < 0)
                return r;
        r = sd_event_source_set_destroy_callback(source, clock_watch_free);
        if (r < 0)
                return r;
        TAKE_PTR(watch);
        return sd_event_source_set_floating(source, 1);
}
