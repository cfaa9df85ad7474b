/* SPDX-License-Identifier: MIT */
#pragma once

/* For programs linked with FAST_CLOCK_WRAP: CLOCK_BOOTTIME stands still, and with it the timers of
 * sd-event on it, until it is told to go on, so that nothing is ever waited for. */

#include <stdint.h>

/* What has become due by then is due at once. */
void step_clock_advance(uint64_t usec);

/* Forgets the timers of the loop that is over. */
void step_clock_reset(void);
