/* SPDX-License-Identifier: MIT */
#pragma once

/* Stands in for common/clock.c, and for the waiting of sd-bus, so that a deadline of two minutes
 * passes in a few seconds. */

#include <stdint.h>

/* From now on time passes @factor times as fast. Applies to processes forked later, too. */
void fake_clock_speed(uint64_t factor);
