/* SPDX-License-Identifier: MIT */
#pragma once

/* PollSchedule: when the token endpoint may be asked again (RFC 8628 3.5). All times are on
 * CLOCK_BOOTTIME, which the caller passes in: this is arithmetic only. */

#include <stdbool.h>
#include <stdint.h>

#define POLL_SLOW_DOWN_USEC (5 * UINT64_C(1000000))
#define POLL_BACKOFF_MAX_USEC (60 * UINT64_C(1000000))

typedef struct PollSchedule {
        uint64_t interval_usec; /* only ever grows, by slow_down */
        uint64_t backoff_usec;  /* 0 while the provider answers */
        uint64_t expires_usec;  /* of the device code */
        uint64_t next_usec;     /* the next permitted request */
} PollSchedule;

typedef enum PollAnswer {
        POLL_ANSWER_PENDING,
        POLL_ANSWER_SLOW_DOWN,
        POLL_ANSWER_TROUBLE, /* no answer, or one that says nothing about the code */
} PollAnswer;

/* @now_usec is when the device authorization answer had come. */
void poll_schedule_init(PollSchedule *schedule, uint64_t interval_usec, uint64_t expires_in_usec,
                        uint64_t now_usec);

/* Takes an answer that had come at @now_usec into account and sets next_usec. @not_before_usec: a
 * Retry-After as a point in time, or 0. The wait is measured from the end of the answer, so that a
 * slow answer is not polled into. */
void poll_schedule_answer(PollSchedule *schedule, PollAnswer answer, uint64_t not_before_usec,
                          uint64_t now_usec);

/* False: the code will have expired before the next request is permitted. */
bool poll_schedule_may_continue(const PollSchedule *schedule);
