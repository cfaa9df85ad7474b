/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>
#include <stdio.h>

#include "gateway/pace.h"

#define SEC UINT64_C(1000000)

static void test_burst_and_period(void) {
        _cleanup_(pace_freep) Pace *pace = NULL;
        uint64_t now = 100 * SEC;

        assert(pace_new(3, 2 * SEC, &pace) == 0);
        for (int i = 0; i < 3; i++)
                assert(pace_take(pace, "a", now));
        assert(!pace_take(pace, "a", now));
        assert(pace_take(pace, "b", now)); /* another */
        assert(!pace_take(pace, "a", now + SEC));
        assert(pace_take(pace, "a", now + 2 * SEC));
        assert(!pace_take(pace, "a", now + 2 * SEC));

        /* Full again after a while, and no fuller than full. */
        now += 1000 * SEC;
        for (int i = 0; i < 3; i++)
                assert(pace_take(pace, "a", now));
        assert(!pace_take(pace, "a", now));
}

static void test_to_look_costs_nothing(void) {
        _cleanup_(pace_freep) Pace *pace = NULL;

        assert(pace_new(1, 2 * SEC, &pace) == 0);
        for (int i = 0; i < 3; i++)
                assert(pace_allows(pace, "a", SEC));
        assert(pace_take(pace, "a", SEC) && !pace_take(pace, "a", SEC));
        /* Neither does what was refused. */
        assert(!pace_take(pace, "a", 2 * SEC) && pace_take(pace, "a", 3 * SEC));
}

/* Nobody is in debt for longer than it takes to fill an empty bucket. */
static void test_charged_beyond_the_end(void) {
        _cleanup_(pace_freep) Pace *pace = NULL;

        assert(pace_new(2, SEC, &pace) == 0);
        for (int i = 0; i < 100; i++)
                pace_charge(pace, "a", SEC);
        assert(!pace_allows(pace, "a", SEC));
        assert(pace_allows(pace, "a", 2 * SEC));
}

static void test_long_names(void) {
        _cleanup_(pace_freep) Pace *pace = NULL;
        char name[2 * PACE_NAME_MAX];

        memset(name, 'x', sizeof(name));
        name[sizeof(name) - 1] = '\0';
        assert(pace_new(1, SEC, &pace) == 0);
        assert(pace_take(pace, name, SEC) && !pace_take(pace, name, SEC));
        name[PACE_NAME_MAX] = '\0';
        assert(!pace_take(pace, name, SEC));
        name[PACE_NAME_MAX - 1] = '\0';
        assert(pace_take(pace, name, SEC));
}

/* Many names: a new one is let in, and whoever used most gets nothing back. */
static void test_full_table(void) {
        _cleanup_(pace_freep) Pace *pace = NULL;
        uint64_t now = 100 * SEC;
        char name[16];

        assert(pace_new(2, 2 * SEC, &pace) == 0);
        assert(pace_take(pace, "greedy", now) && pace_take(pace, "greedy", now));
        for (unsigned i = 0; i < 3 * PACE_BUCKETS_MAX; i++) {
                (void)snprintf(name, sizeof(name), "n%u", i);
                assert(pace_take(pace, name, now));
                assert(!pace_allows(pace, "greedy", now));
        }
        assert(pace_allows(pace, "greedy", now + 2 * SEC));
}

int main(void) {
        test_burst_and_period();
        test_to_look_costs_nothing();
        test_charged_beyond_the_end();
        test_long_names();
        test_full_table();
        return 0;
}
