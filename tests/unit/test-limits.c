/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>

#include "gateway/limits.h"

#define SEC UINT64_C(1000000)

static void test_waiting(void) {
        assert(limits_allow_waiting(&(WaitingLogins){0}));
        assert(limits_allow_waiting(&(WaitingLogins){.n_all = 63, .n_user = 3, .n_rhost = 7}));
        assert(!limits_allow_waiting(&(WaitingLogins){.n_all = 64}));
        assert(!limits_allow_waiting(&(WaitingLogins){.n_user = 4}));
        assert(!limits_allow_waiting(&(WaitingLogins){.n_rhost = 8}));
}

static void test_pace(void) {
        _cleanup_(pace_freep) Pace *pace = NULL;
        uint64_t now = 100 * SEC;

        assert(pace_new(3, 2 * SEC, &pace) == 0);
        for (int i = 0; i < 3; i++)
                assert(pace_take(pace, 1000, now));
        assert(!pace_take(pace, 1000, now));
        assert(pace_take(pace, 1001, now)); /* another user */
        assert(!pace_take(pace, 1000, now + SEC));
        assert(pace_take(pace, 1000, now + 2 * SEC));
        assert(!pace_take(pace, 1000, now + 2 * SEC));

        /* Full again after a while, and no fuller than full. */
        now += 1000 * SEC;
        for (int i = 0; i < 3; i++)
                assert(pace_take(pace, 1000, now));
        assert(!pace_take(pace, 1000, now));
}

static void test_more_users_than_buckets(void) {
        _cleanup_(pace_freep) Pace *pace = NULL;
        uint64_t now = 100 * SEC;

        assert(pace_new(1, 2 * SEC, &pace) == 0);
        for (uid_t uid = 0; uid < PACE_USERS_MAX; uid++)
                assert(pace_take(pace, uid, now));
        assert(!pace_take(pace, PACE_USERS_MAX, now));
        assert(pace_take(pace, PACE_USERS_MAX, now + 2 * SEC));
        assert(!pace_take(pace, PACE_USERS_MAX, now + 2 * SEC));
}

int main(void) {
        test_waiting();
        test_pace();
        test_more_users_than_buckets();
        return 0;
}
