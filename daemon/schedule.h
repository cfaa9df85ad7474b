/* SPDX-License-Identifier: MIT */
#pragma once

/* When the next refresh is due. Pure functions of what they are given, so that a test or a
 * simulation can walk through years of them; @random is any uniformly distributed number. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What kind of trouble a refresh met, as far as trying again is concerned. */
typedef enum Retry {
        RETRY_TRANSIENT,     /* network, provider or our own bus: soon again, up to 5 min apart */
        RETRY_UNANSWERED,    /* the gateway may have an answer, which it keeps for a minute */
        RETRY_LOST,          /* nobody knows whether the token was exchanged: late */
        RETRY_CONFIGURATION, /* an administrator has to act: from 5 min up to an hour apart */
        _RETRY_MAX,
} Retry;

/* From the token's birth to its refresh: @refresh_at percent of its life, 10 % up or down, but 60 s
 * (and what the kernel's whole seconds take off the key) before its end where the life allows that,
 * a quarter of the life where it does not; and no sooner than 5 s, or half the life. */
uint64_t schedule_refresh_delay(uint64_t lifetime_usec, uint64_t refresh_at, uint64_t random);

/* The same for a token that many others may have been given in the same minutes: after a login, as
 * in a company at nine, and after an outage. Anywhere from a quarter of its life on, so that a
 * crowd that came at once does not come again at once. */
uint64_t schedule_scattered_delay(uint64_t lifetime_usec, uint64_t refresh_at, uint64_t random);

/* From one attempt to the next that the clock or a caller causes, whatever life the provider gives:
 * tokens of a second or two are not kept without gaps, and providers not flooded. */
#define SCHEDULE_INTERVAL_MIN_USEC (2 * UINT64_C(1000000))

/* The kernel ends a key up to 2 s before its token: its timeout and the clock that it is counted by
 * are both in whole seconds. */
#define SCHEDULE_KEY_ROUNDING_USEC (2 * UINT64_C(1000000))

/* From the @n_failures-th failure in a row (1 is the first) to the next attempt. */
uint64_t schedule_retry_delay(Retry retry, unsigned n_failures, uint64_t random);

/* To the last good moment for an attempt, from now, when the token has @remaining_usec left of
 * @lifetime_usec: what is sent then may end the login, and the token with it. */
uint64_t schedule_last_chance_delay(uint64_t lifetime_usec, uint64_t remaining_usec);

/* From a change of the network to the next attempt of an account that is offline: spread, because
 * all accounts of the host, and perhaps of many hosts, hear of it at once. Who has no token any
 * more is first: within 2 s, or 30 ms for each of the @n_users of the host. Who still has one
 * leaves them that time, and takes up to half of what it has left, a minute at most. */
uint64_t schedule_network_delay(uint64_t remaining_usec, size_t n_users, uint64_t random);

/* Up to so many failures in a row trouble is brief: the back-off is 2 to 16 s, and an answer that
 * was lost when it began can still be had from a provider with a grace. Then a change of the
 * network delays nothing. */
#define SCHEDULE_BRIEF_FAILURES 4u

/* Of attempts that changes of the network hasten: so many at once, then so far apart. */
#define SCHEDULE_HASTENED_BURST 4u
#define SCHEDULE_HASTENED_USEC (30 * UINT64_C(1000000))

/* Whether a caller who needs a token may cause an attempt before the back-off is over. */
bool schedule_retry_is_allowed(Retry retry, uint64_t since_attempt_usec);

/* Whether a token is so young that another refresh would bring nothing better: whoever asks for
 * more validity than the provider gives must not cause a refresh with each call. */
bool schedule_token_is_young(uint64_t lifetime_usec, uint64_t age_usec);
