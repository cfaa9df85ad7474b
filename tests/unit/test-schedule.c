/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>
#include <stddef.h>

#include "common/clock.h"
#include "common/macro.h"
#include "daemon/schedule.h"

#define SEC USEC_PER_SEC

/* splitmix64: the same numbers in every run */
static uint64_t random_next(uint64_t *state) {
        uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        return z ^ (z >> 31);
}

static void test_bounds(void) {
        static const struct {
                uint64_t lifetime, refresh_at, low, high;
        } cases[] = {
                {3600 * SEC, 75, 2430 * SEC, 2970 * SEC},
                {300 * SEC, 75, 202500 * USEC_PER_MSEC,
                 238 * SEC}, /* 60 s and 2 s before the end */
                {300 * SEC, 99, 214200 * USEC_PER_MSEC, 238 * SEC},
                {100 * SEC, 75, 65700 * USEC_PER_MSEC, 73 * SEC}, /* a quarter and 2 s */
                {10 * SEC, 75, 5 * SEC, 5500 * USEC_PER_MSEC},
                {2 * SEC, 75, 1 * SEC, 1100 * USEC_PER_MSEC},
                {300 * SEC, 1, 5 * SEC, 5500 * USEC_PER_MSEC}, /* never sooner than 5 s */
        };
        uint64_t state = 1;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                uint64_t low = UINT64_MAX, high = 0;

                for (unsigned n = 0; n < 10000; n++) {
                        uint64_t delay = schedule_refresh_delay(
                                cases[i].lifetime, cases[i].refresh_at, random_next(&state));

                        low = delay < low ? delay : low;
                        high = delay > high ? delay : high;
                }
                assert(low >= cases[i].low && high <= cases[i].high);
                /* and the whole of it is used: a fleet must not come at one moment */
                assert(low - cases[i].low <= (cases[i].high - cases[i].low) / 50);
                assert(cases[i].high - high <= (cases[i].high - cases[i].low) / 50);
        }
}

/* Any life and percentage: before the key can be gone, and never at once. */
static void test_any_life(void) {
        uint64_t state = 2;

        for (unsigned n = 0; n < 100000; n++) {
                uint64_t lifetime = random_next(&state) >> (random_next(&state) % 64);
                uint64_t refresh_at = 1 + random_next(&state) % 99, delay;

                lifetime = lifetime < 10 ? 10 : lifetime;
                delay = schedule_refresh_delay(lifetime, refresh_at, random_next(&state));
                assert(delay < lifetime);
                assert(delay >= 5 * SEC || delay >= lifetime / 2);
                if (lifetime >= 240 * SEC)
                        assert(lifetime - delay >= 60 * SEC);
                if (lifetime >= 10 * SEC)
                        assert(lifetime - delay >= 2 * SEC + lifetime / 4 ||
                               lifetime - delay >= 62 * SEC);
        }
}

/* The same bounds at the end, a quarter of the life at the beginning, and evenly between them. */
static void test_scattered(void) {
        uint64_t state = 5, low = UINT64_MAX, high = 0;
        unsigned quarters[4] = {0};

        for (unsigned n = 0; n < 10000; n++) {
                uint64_t delay = schedule_scattered_delay(3600 * SEC, 75, random_next(&state));

                low = delay < low ? delay : low;
                high = delay > high ? delay : high;
                quarters[(delay - 900 * SEC) * 4 / (2070 * SEC + 1)]++;
        }
        assert(low >= 900 * SEC && low < 903 * SEC && high <= 2970 * SEC && high > 2967 * SEC);
        for (unsigned i = 0; i < ELEMENTSOF(quarters); i++)
                assert(quarters[i] > 2300 && quarters[i] < 2700);

        for (unsigned n = 0; n < 100000; n++) {
                uint64_t lifetime = random_next(&state) >> (random_next(&state) % 64);
                uint64_t refresh_at = 1 + random_next(&state) % 99, delay;

                lifetime = lifetime < 10 ? 10 : lifetime;
                delay = schedule_scattered_delay(lifetime, refresh_at, random_next(&state));
                assert(delay < lifetime && (delay >= 5 * SEC || delay >= lifetime / 2));
                if (lifetime >= 10 * SEC)
                        assert(lifetime - delay >= 2 * SEC + lifetime / 4 ||
                               lifetime - delay >= 62 * SEC);
                assert(schedule_scattered_delay(lifetime, refresh_at, 0) <=
                       schedule_refresh_delay(lifetime, refresh_at, 0));
        }
}

static void test_retries(void) {
        uint64_t state = 3, last = 0;

        for (unsigned n = 1; n < 100; n++) {
                uint64_t cap = n >= 9 ? 300 * SEC : (SEC << n);
                uint64_t delay = schedule_retry_delay(RETRY_TRANSIENT, n, random_next(&state));

                assert(delay <= cap && delay >= cap / 2);
                assert(n > 8 || delay >= last / 2);
                last = delay;
        }
        assert(schedule_retry_delay(RETRY_CONFIGURATION, 1, 0) == 150 * SEC);
        assert(schedule_retry_delay(RETRY_CONFIGURATION, 1000000000, 0) == 1800 * SEC);
        assert(schedule_retry_delay(RETRY_UNANSWERED, 1, 0) == 1 * SEC);
        assert(schedule_retry_delay(RETRY_UNANSWERED, 1000000000, UINT64_MAX) <= 30 * SEC);
        assert(!schedule_retry_is_allowed(RETRY_TRANSIENT, 4 * SEC));
        assert(schedule_retry_is_allowed(RETRY_TRANSIENT, 5 * SEC));
        assert(!schedule_retry_is_allowed(RETRY_CONFIGURATION, 59 * SEC));
        assert(schedule_retry_is_allowed(RETRY_CONFIGURATION, 60 * SEC));
}

static void test_young(void) {
        assert(schedule_token_is_young(300 * SEC, 0));
        assert(schedule_token_is_young(300 * SEC, 29 * SEC));
        assert(!schedule_token_is_young(300 * SEC, 30 * SEC));
        assert(!schedule_token_is_young(10 * SEC, 1 * SEC));
        assert(!schedule_token_is_young(86400 * SEC, 30 * SEC));
}

/* A year of a thousand hosts that all logged in at one moment: one refresh in each life, and after
 * a while they come evenly. */
static void test_fleet(void) {
        enum {
                HOSTS = 1000,
                SLOTS = 60
        };
        const uint64_t lifetime = 3600 * SEC, slot = 60 * SEC;
        unsigned slots[SLOTS] = {0}, n = 0;
        uint64_t state = 4;

        for (unsigned host = 0; host < HOSTS; host++)
                for (uint64_t t = 0; t < 365 * 86400 * SEC; n++) {
                        t += schedule_refresh_delay(lifetime, 75, random_next(&state));
                        if (t > 300 * 86400 * SEC && t < 300 * 86400 * SEC + SLOTS * slot)
                                slots[(t - 300 * 86400 * SEC) / slot]++;
                }
        /* 2700 s on average */
        assert(n > HOSTS * 365 * 32 * 99 / 100 && n < HOSTS * 365 * 32 * 102 / 100);
        for (unsigned i = 0; i < SLOTS; i++)
                assert(slots[i] < 2 * HOSTS / 45);
}

/* All hear of it at once, so each waits a while: who has no token least, and who has one not longer
 * than it can. */
static void test_network(void) {
        const uint64_t sec = 1000000;

        assert(schedule_network_delay(0, 1, 0) == 0);
        assert(schedule_network_delay(0, 1, 2 * sec) == 2 * sec);
        assert(schedule_network_delay(0, 0, 2 * sec + 1) == 0);
        assert(schedule_network_delay(40 * sec, 1, 0) == 2 * sec);
        assert(schedule_network_delay(40 * sec, 1, 18 * sec) == 20 * sec);
        assert(schedule_network_delay(40 * sec, 1, 18 * sec + 1) == 2 * sec);
        assert(schedule_network_delay(0, 1000, 30 * sec) == 30 * sec);
        assert(schedule_network_delay(40 * sec, 1000, 30 * sec) == 30 * sec);
        for (uint64_t i = 0; i < 100; i++) {
                assert(schedule_network_delay(0, 1, i * 7919 * sec) <= 2 * sec);
                assert(schedule_network_delay(3600 * sec, 1, i * 7919 * sec) <= 60 * sec);
                assert(schedule_network_delay(3600 * sec, SIZE_MAX, i * 7919 * sec) <= 60 * sec);
        }
}

/* A thousand users of one host who were offline until half of them, or all, had no token left: at
 * the provider no second sees more than twice the mean. */
static void test_crowd(void) {
        enum {
                USERS = 1000,
                RUNS = 200,
                SLOTS = 60
        };
        const uint64_t sec = 1000000;
        uint64_t state = 5;

        for (unsigned left = 0; left < 2; left++) {
                unsigned slots[SLOTS] = {0}, n_slots = left ? SLOTS : SLOTS / 2;

                for (unsigned i = 0; i < RUNS * USERS; i++) {
                        uint64_t remaining = left && i % 2 ? random_next(&state) % (900 * sec) : 0;
                        uint64_t delay =
                                schedule_network_delay(remaining, USERS, random_next(&state));

                        slots[delay / sec < n_slots ? delay / sec : n_slots - 1]++;
                }
                for (unsigned i = 0; i < n_slots; i++)
                        assert(slots[i] < 2 * RUNS * USERS / n_slots);
        }
}

static void test_last_chance(void) {
        const uint64_t sec = 1000000;

        assert(schedule_last_chance_delay(3600 * sec, 900 * sec) == (900 - 62) * sec);
        assert(schedule_last_chance_delay(3600 * sec, 62 * sec) == 0);
        assert(schedule_last_chance_delay(3600 * sec, 0) == 0);
        assert(schedule_last_chance_delay(10 * sec, 8 * sec) == 8 * sec - (2500 + 2000) * 1000);
        assert(schedule_last_chance_delay(UINT64_MAX, UINT64_MAX) > 0);
}

int main(void) {
        test_bounds();
        test_any_life();
        test_scattered();
        test_retries();
        test_young();
        test_fleet();
        test_network();
        test_crowd();
        test_last_chance();
        return 0;
}
