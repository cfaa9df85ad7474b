/* SPDX-License-Identifier: MIT */
#include "tests/pam/fake-clock.h"

#include <time.h>

#include <systemd/sd-bus.h>

#include "common/clock.h"

static uint64_t start_usec;
static uint64_t speed = 1;

static uint64_t real_usec(void) {
        struct timespec ts = {0};

        (void)clock_gettime(CLOCK_BOOTTIME, &ts);
        return (uint64_t)ts.tv_sec * USEC_PER_SEC + (uint64_t)ts.tv_nsec / 1000;
}

void fake_clock_speed(uint64_t factor) {
        start_usec = real_usec();
        speed = factor;
}

uint64_t clock_boottime_usec(void) {
        return start_usec + (real_usec() - start_usec) * speed;
}

/* Linked with --wrap=sd_bus_wait. */
int __real_sd_bus_wait(sd_bus *bus, uint64_t timeout_usec);
int __wrap_sd_bus_wait(sd_bus *bus, uint64_t timeout_usec);

int __wrap_sd_bus_wait(sd_bus *bus, uint64_t timeout_usec) {
        return __real_sd_bus_wait(bus, timeout_usec / speed);
}
