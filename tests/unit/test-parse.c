/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <stddef.h>

#include "common/clock.h"
#include "common/parse.h"

static void test_numbers(void) {
        uint64_t n = 7;

        assert(parse_u64("0", 0, 9, &n) == 0 && n == 0);
        assert(parse_u64("18446744073709551615", 0, UINT64_MAX, &n) == 0 && n == UINT64_MAX);
        n = 7;
        assert(parse_u64("18446744073709551616", 0, UINT64_MAX, &n) == -ERANGE);
        assert(parse_u64("10", 0, 9, &n) == -ERANGE);
        assert(parse_u64("1", 2, 9, &n) == -ERANGE);
        assert(parse_u64("", 0, 9, &n) == -EINVAL);
        assert(parse_u64("-1", 0, 9, &n) == -EINVAL);
        assert(parse_u64("+1", 0, 9, &n) == -EINVAL);
        assert(parse_u64(" 1", 0, 9, &n) == -EINVAL);
        assert(parse_u64("1 ", 0, 9, &n) == -EINVAL);
        assert(parse_u64("0x1", 0, 9, &n) == -EINVAL);
        assert(parse_u64(NULL, 0, 9, &n) == -EINVAL);
        assert(n == 7); /* only written on success */
}

static void test_truth(void) {
        bool b = false;

        assert(parse_bool("Yes", &b) == 0 && b);
        assert(parse_bool("off", &b) == 0 && !b);
        assert(parse_bool("maybe", &b) == -EINVAL);
        assert(parse_bool("", &b) == -EINVAL);
        assert(parse_bool(NULL, &b) == -EINVAL);
}

static void test_account_names(void) {
        assert(account_name_is_valid("corp") && account_name_is_valid("a-b_9"));
        assert(account_name_is_valid("abcdefghijklmnopqrstuvwxyz012345"));
        assert(!account_name_is_valid("abcdefghijklmnopqrstuvwxyz0123456"));
        assert(!account_name_is_valid("") && !account_name_is_valid(NULL));
        assert(!account_name_is_valid("9a") && !account_name_is_valid("a/b"));
        assert(!account_name_is_valid("a.b") && !account_name_is_valid("Corp"));
}

static void test_clocks(void) {
        uint64_t boottime = clock_boottime_usec();
        uint64_t ahead = clock_boottime_to_realtime(boottime + 3600 * USEC_PER_SEC);

        assert(clock_boottime_usec() >= boottime);
        assert(ahead > clock_realtime_usec() + 3500 * USEC_PER_SEC);
        assert(ahead < clock_realtime_usec() + 3700 * USEC_PER_SEC);
}

int main(void) {
        test_numbers();
        test_truth();
        test_account_names();
        test_clocks();
        return 0;
}
