/* SPDX-License-Identifier: MIT */
#include "common/clock.h"

#include <time.h>

static uint64_t clock_usec(clockid_t clock) {
        struct timespec ts = {0};

        (void)clock_gettime(clock, &ts); /* cannot fail for the two clocks used here */
        return (uint64_t)ts.tv_sec * USEC_PER_SEC + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t clock_boottime_usec(void) {
        return clock_usec(CLOCK_BOOTTIME);
}

uint64_t clock_realtime_usec(void) {
        return clock_usec(CLOCK_REALTIME);
}

uint64_t clock_boottime_to_realtime(uint64_t boottime_usec) {
        uint64_t boottime_now = clock_boottime_usec();
        uint64_t realtime_now = clock_realtime_usec();

        if (boottime_usec >= boottime_now)
                return realtime_now + (boottime_usec - boottime_now);
        if (boottime_now - boottime_usec > realtime_now)
                return 0;
        return realtime_now - (boottime_now - boottime_usec);
}
