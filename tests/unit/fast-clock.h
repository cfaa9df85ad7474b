/* SPDX-License-Identifier: MIT */
#pragma once

/* For programs linked with FAST_CLOCK_LINK: CLOCK_BOOTTIME, and the timers of sd-event on it, go
 * a hundred times as fast, so that intervals of seconds and minutes can be waited for. */

#define FAST_CLOCK_FACTOR 100
