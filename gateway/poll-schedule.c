/* SPDX-License-Identifier: MIT */
#include "gateway/poll-schedule.h"

static uint64_t larger(uint64_t a, uint64_t b) {
        return a > b ? a : b;
}

static uint64_t smaller(uint64_t a, uint64_t b) {
        return a < b ? a : b;
}

void poll_schedule_init(PollSchedule *schedule, uint64_t interval_usec, uint64_t expires_in_usec,
                        uint64_t now_usec) {
        *schedule = (PollSchedule){
                .interval_usec = interval_usec,
                .expires_usec = now_usec + expires_in_usec,
                .next_usec = now_usec + interval_usec,
        };
}

void poll_schedule_answer(PollSchedule *schedule, PollAnswer answer, uint64_t not_before_usec,
                          uint64_t now_usec) {
        uint64_t delay;

        /* RFC 8628 3.5: for this and all subsequent requests. */
        if (answer == POLL_ANSWER_SLOW_DOWN)
                schedule->interval_usec += POLL_SLOW_DOWN_USEC;

        if (answer == POLL_ANSWER_TROUBLE)
                schedule->backoff_usec =
                        smaller(2 * larger(schedule->backoff_usec, schedule->interval_usec),
                                POLL_BACKOFF_MAX_USEC);
        else
                schedule->backoff_usec = 0;

        delay = larger(schedule->interval_usec, schedule->backoff_usec);
        schedule->next_usec = larger(now_usec + delay, not_before_usec);
}

bool poll_schedule_may_continue(const PollSchedule *schedule) {
        return schedule->next_usec < schedule->expires_usec;
}
