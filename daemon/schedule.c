/* SPDX-License-Identifier: MIT */
#include "daemon/schedule.h"

#include "common/clock.h"
#include "common/macro.h"

#define MARGIN_USEC (60 * USEC_PER_SEC)
#define FLOOR_USEC (5 * USEC_PER_SEC)
#define LIFETIME_MAX_USEC (3650 * 86400 * USEC_PER_SEC)
#define NETWORK_SPREAD_MIN_USEC (2 * USEC_PER_SEC)
#define NETWORK_SPREAD_MAX_USEC (60 * USEC_PER_SEC)
#define NETWORK_SPREAD_USER_USEC (30 * USEC_PER_MSEC)
#define YOUNG_USEC (30 * USEC_PER_SEC)

static const struct {
        uint64_t first_usec;
        uint64_t max_usec;
        uint64_t asked_usec; /* a caller may cause an attempt after this */
} retries[_RETRY_MAX] = {
        [RETRY_TRANSIENT] = {2 * USEC_PER_SEC, 300 * USEC_PER_SEC, 5 * USEC_PER_SEC},
        [RETRY_UNANSWERED] = {2 * USEC_PER_SEC, 30 * USEC_PER_SEC, 5 * USEC_PER_SEC},
        [RETRY_LOST] = {2 * USEC_PER_SEC, 300 * USEC_PER_SEC, 5 * USEC_PER_SEC},
        [RETRY_CONFIGURATION] = {300 * USEC_PER_SEC, 3600 * USEC_PER_SEC, 60 * USEC_PER_SEC},
};

static uint64_t min_u64(uint64_t a, uint64_t b) {
        return a < b ? a : b;
}

static uint64_t max_u64(uint64_t a, uint64_t b) {
        return a > b ? a : b;
}

static uint64_t spread(uint64_t low, uint64_t high, uint64_t random) {
        return low + random % (high - low + 1);
}

/* What has to be left of the life when a refresh begins. */
static uint64_t margin(uint64_t lifetime_usec) {
        return min_u64(MARGIN_USEC, lifetime_usec / 4) +
               min_u64(SCHEDULE_KEY_ROUNDING_USEC, lifetime_usec / 5);
}

/* The first and the last moment for a refresh. */
typedef struct Window {
        uint64_t first, last;
} Window;

static Window window(uint64_t lifetime_usec, uint64_t refresh_at) {
        uint64_t latest, floor, target;

        lifetime_usec = min_u64(lifetime_usec, LIFETIME_MAX_USEC);
        latest = lifetime_usec - margin(lifetime_usec);
        floor = min_u64(FLOOR_USEC, lifetime_usec / 2); /* always below latest */

        target = lifetime_usec / 100 * min_u64(refresh_at, 100);
        target = max_u64(min_u64(target, latest), floor);
        return (Window){max_u64(target - target / 10, floor),
                        min_u64(target + target / 10, latest)};
}

uint64_t schedule_refresh_delay(uint64_t lifetime_usec, uint64_t refresh_at, uint64_t random) {
        Window usual = window(lifetime_usec, refresh_at);

        return spread(usual.first, usual.last, random);
}

uint64_t schedule_scattered_delay(uint64_t lifetime_usec, uint64_t refresh_at, uint64_t random) {
        Window usual = window(lifetime_usec, refresh_at);
        uint64_t early = min_u64(lifetime_usec, LIFETIME_MAX_USEC) / 4;

        early = max_u64(early, min_u64(FLOOR_USEC, lifetime_usec / 2));
        return spread(min_u64(early, usual.first), usual.last, random);
}

uint64_t schedule_retry_delay(Retry retry, unsigned n_failures, uint64_t random) {
        uint64_t delay = retries[retry].first_usec;

        for (unsigned i = 1; i < n_failures && delay < retries[retry].max_usec; i++)
                delay *= 2;
        delay = min_u64(delay, retries[retry].max_usec);
        return spread(delay / 2, delay, random);
}

uint64_t schedule_last_chance_delay(uint64_t lifetime_usec, uint64_t remaining_usec) {
        uint64_t needed = margin(min_u64(lifetime_usec, LIFETIME_MAX_USEC));

        return remaining_usec > needed ? remaining_usec - needed : 0;
}

uint64_t schedule_network_delay(uint64_t remaining_usec, size_t n_users, uint64_t random) {
        uint64_t most = NETWORK_SPREAD_MAX_USEC / NETWORK_SPREAD_USER_USEC, first, latest;

        first = max_u64(min_u64(n_users, most) * NETWORK_SPREAD_USER_USEC, NETWORK_SPREAD_MIN_USEC);
        latest = min_u64(remaining_usec / 2, NETWORK_SPREAD_MAX_USEC);
        return latest >= 2 * first ? spread(first, latest, random)
                                   : spread(0, max_u64(first, latest), random);
}

bool schedule_retry_is_allowed(Retry retry, uint64_t since_attempt_usec) {
        return since_attempt_usec >= retries[retry].asked_usec;
}

bool schedule_token_is_young(uint64_t lifetime_usec, uint64_t age_usec) {
        return age_usec < min_u64(YOUNG_USEC, lifetime_usec / 10);
}
