/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include "tests/unit/step-clock.h"

#include <assert.h>

#include "tests/unit/wrapped-clock.h"

#define TIMERS_MAX 1024u
#define NEVER (UINT64_MAX - 1)

static struct {
        sd_event_source *source; /* kept, so that its address is nobody else's */
        uint64_t usec;
} timers[TIMERS_MAX];
static size_t n_timers;
static uint64_t now_usec = UINT64_C(1000000000000);

static uint64_t to_real(uint64_t usec) {
        return usec <= now_usec ? 1 : NEVER;
}

uint64_t __wrap_clock_boottime_usec(void) {
        return now_usec;
}

int __wrap_sd_event_add_time(sd_event *event, sd_event_source **ret, clockid_t clock, uint64_t usec,
                             uint64_t accuracy, sd_event_time_handler_t handler, void *userdata) {
        int r;

        (void)accuracy;
        assert(ret && n_timers < TIMERS_MAX);
        r = __real_sd_event_add_time(event, ret, clock, to_real(usec), 1, handler, userdata);
        if (r < 0)
                return r;
        timers[n_timers].source = sd_event_source_ref(*ret);
        timers[n_timers++].usec = usec;
        return r;
}

int __wrap_sd_event_add_time_relative(sd_event *event, sd_event_source **ret, clockid_t clock,
                                      uint64_t usec, uint64_t accuracy,
                                      sd_event_time_handler_t handler, void *userdata) {
        return __wrap_sd_event_add_time(event, ret, clock, now_usec + usec, accuracy, handler,
                                        userdata);
}

int __wrap_sd_event_source_set_time(sd_event_source *source, uint64_t usec) {
        for (size_t i = 0; i < n_timers; i++)
                if (timers[i].source == source)
                        timers[i].usec = usec;
        return __real_sd_event_source_set_time(source, to_real(usec));
}

void step_clock_advance(uint64_t usec) {
        now_usec += usec;
        for (size_t i = 0; i < n_timers; i++)
                assert(__real_sd_event_source_set_time(timers[i].source, to_real(timers[i].usec)) >=
                       0);
}

void step_clock_reset(void) {
        while (n_timers > 0)
                sd_event_source_unref(timers[--n_timers].source);
}
