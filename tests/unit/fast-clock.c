/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include "tests/unit/fast-clock.h"

#include <assert.h>

#include "tests/unit/wrapped-clock.h"

static uint64_t origin(void) {
        static uint64_t usec;

        if (usec == 0)
                usec = __real_clock_boottime_usec();
        return usec;
}

static uint64_t to_real(uint64_t usec) {
        assert(usec >= origin());
        return origin() + (usec - origin()) / FAST_CLOCK_FACTOR + 1;
}

uint64_t __wrap_clock_boottime_usec(void) {
        uint64_t start = origin();

        return start + (__real_clock_boottime_usec() - start) * FAST_CLOCK_FACTOR;
}

int __wrap_sd_event_add_time(sd_event *event, sd_event_source **ret, clockid_t clock, uint64_t usec,
                             uint64_t accuracy, sd_event_time_handler_t handler, void *userdata) {
        (void)accuracy;
        assert(clock == CLOCK_BOOTTIME);
        return __real_sd_event_add_time(event, ret, clock, to_real(usec), 1, handler, userdata);
}

int __wrap_sd_event_add_time_relative(sd_event *event, sd_event_source **ret, clockid_t clock,
                                      uint64_t usec, uint64_t accuracy,
                                      sd_event_time_handler_t handler, void *userdata) {
        return __wrap_sd_event_add_time(event, ret, clock, __wrap_clock_boottime_usec() + usec,
                                        accuracy, handler, userdata);
}

int __wrap_sd_event_source_set_time(sd_event_source *source, uint64_t usec) {
        return __real_sd_event_source_set_time(source, to_real(usec));
}
