/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>

#include "gateway/poll-schedule.h"

#define SEC UINT64_C(1000000)
#define T0 (1000 * SEC)

static uint64_t after(PollSchedule *schedule, PollAnswer answer, uint64_t now) {
        poll_schedule_answer(schedule, answer, 0, now);
        return (schedule->next_usec - now) / SEC;
}

static void test_interval(void) {
        PollSchedule schedule;

        poll_schedule_init(&schedule, 5 * SEC, 600 * SEC, T0);
        assert(schedule.next_usec == T0 + 5 * SEC);
        /* From the end of the answer, however late that was. */
        poll_schedule_answer(&schedule, POLL_ANSWER_PENDING, 0, T0 + 8 * SEC);
        assert(schedule.next_usec == T0 + 13 * SEC);
}

static void test_slow_down_is_for_good(void) {
        PollSchedule schedule;

        poll_schedule_init(&schedule, 5 * SEC, 600 * SEC, T0);
        assert(after(&schedule, POLL_ANSWER_SLOW_DOWN, T0) == 10);
        assert(after(&schedule, POLL_ANSWER_PENDING, T0) == 10);
        assert(after(&schedule, POLL_ANSWER_SLOW_DOWN, T0) == 15);
        assert(after(&schedule, POLL_ANSWER_PENDING, T0) == 15);
}

static void test_back_off(void) {
        PollSchedule schedule;

        poll_schedule_init(&schedule, 5 * SEC, 600 * SEC, T0);
        assert(after(&schedule, POLL_ANSWER_TROUBLE, T0) == 10);
        assert(after(&schedule, POLL_ANSWER_TROUBLE, T0) == 20);
        assert(after(&schedule, POLL_ANSWER_TROUBLE, T0) == 40);
        assert(after(&schedule, POLL_ANSWER_TROUBLE, T0) == 60);
        assert(after(&schedule, POLL_ANSWER_TROUBLE, T0) == 60);
        assert(after(&schedule, POLL_ANSWER_PENDING, T0) == 5);
        assert(after(&schedule, POLL_ANSWER_TROUBLE, T0) == 10);

        /* An interval above the maximum of the back-off still holds. */
        poll_schedule_init(&schedule, 58 * SEC, 600 * SEC, T0);
        assert(after(&schedule, POLL_ANSWER_SLOW_DOWN, T0) == 63);
        assert(after(&schedule, POLL_ANSWER_TROUBLE, T0) == 63);
}

static void test_retry_after(void) {
        PollSchedule schedule;

        poll_schedule_init(&schedule, 5 * SEC, 600 * SEC, T0);
        poll_schedule_answer(&schedule, POLL_ANSWER_TROUBLE, T0 + 30 * SEC, T0);
        assert(schedule.next_usec == T0 + 30 * SEC);
        /* It never makes it earlier. */
        poll_schedule_answer(&schedule, POLL_ANSWER_TROUBLE, T0 + SEC, T0);
        assert(schedule.next_usec == T0 + 20 * SEC);
}

static void test_end(void) {
        PollSchedule schedule;

        poll_schedule_init(&schedule, 5 * SEC, 12 * SEC, T0);
        assert(poll_schedule_may_continue(&schedule));
        poll_schedule_answer(&schedule, POLL_ANSWER_PENDING, 0, T0 + 6 * SEC);
        assert(poll_schedule_may_continue(&schedule));
        poll_schedule_answer(&schedule, POLL_ANSWER_PENDING, 0, T0 + 7 * SEC);
        assert(!poll_schedule_may_continue(&schedule));
}

int main(void) {
        test_interval();
        test_slow_down_is_for_good();
        test_back_off();
        test_retry_after();
        test_end();
        return 0;
}
