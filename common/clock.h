/* SPDX-License-Identifier: MIT */
#pragma once

/* Deadlines are on CLOCK_BOOTTIME, so that time asleep counts; only what is shown to people or
 * compared with a provider's claims is on CLOCK_REALTIME. */

#include <stdint.h>

#define USEC_PER_SEC UINT64_C(1000000)
#define USEC_PER_MSEC UINT64_C(1000)

uint64_t clock_boottime_usec(void);
uint64_t clock_realtime_usec(void);

/* The realtime at which @boottime_usec will be (or was) reached, by the clocks as they are now. */
uint64_t clock_boottime_to_realtime(uint64_t boottime_usec);
