/* SPDX-License-Identifier: MIT */
#pragma once

/* Tells when the realtime clock was set (NTP at boot, an administrator, a resume). The kernel ends
 * keys by that clock, while our deadlines are on CLOCK_BOOTTIME: a clock that was set back would
 * leave a key to outlive its token. Costs no wake-up otherwise. */

#include <systemd/sd-event.h>

/* @clock_was_set is called from the loop for as long as @event lives. */
int clock_watch_add(sd_event *event, void (*clock_was_set)(void *userdata), void *userdata);
