/* SPDX-License-Identifier: MIT */
#pragma once

/* What FAST_CLOCK_WRAP wraps, by the names that the linker gives: for the files that put another
 * time in the place of CLOCK_BOOTTIME. */

#include <stdint.h>
#include <time.h>

#include <systemd/sd-event.h>

uint64_t __real_clock_boottime_usec(void);
uint64_t __wrap_clock_boottime_usec(void);
int __real_sd_event_add_time(sd_event *event, sd_event_source **ret, clockid_t clock, uint64_t usec,
                             uint64_t accuracy, sd_event_time_handler_t handler, void *userdata);
int __wrap_sd_event_add_time(sd_event *event, sd_event_source **ret, clockid_t clock, uint64_t usec,
                             uint64_t accuracy, sd_event_time_handler_t handler, void *userdata);
int __wrap_sd_event_add_time_relative(sd_event *event, sd_event_source **ret, clockid_t clock,
                                      uint64_t usec, uint64_t accuracy,
                                      sd_event_time_handler_t handler, void *userdata);
int __real_sd_event_source_set_time(sd_event_source *source, uint64_t usec);
int __wrap_sd_event_source_set_time(sd_event_source *source, uint64_t usec);
