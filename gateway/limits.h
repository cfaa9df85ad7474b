/* SPDX-License-Identifier: MIT */
#pragma once

/* Limits: how much anybody may ask for. Whoever can reach a login prompt can make this host ask the
 * provider for codes, so waiting logins are counted, and how often something is tried is paced by
 * one token bucket per user. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/macro.h"

#define LIMITS_WAITING_MAX 64u
#define LIMITS_WAITING_PER_USER_MAX 4u
#define LIMITS_WAITING_PER_RHOST_MAX 8u

/* How many logins wait for approval. */
typedef struct WaitingLogins {
        size_t n_all;
        size_t n_user;  /* of this user from this host: a stranger elsewhere cannot use them up */
        size_t n_rhost; /* 0 for a local login */
} WaitingLogins;

bool limits_allow_waiting(const WaitingLogins *waiting);

/* A token bucket per uid. */
typedef struct Pace Pace;

#define PACE_USERS_MAX 1024u

/* @burst attempts at once, then one every @period_usec. */
int pace_new(unsigned burst, uint64_t period_usec, Pace **ret);
Pace *pace_free(Pace *pace);
DEFINE_CLEANUP(Pace, pace_free);

/* Takes one attempt of @uid at CLOCK_BOOTTIME @now_usec. False: too many, or too many users. */
bool pace_take(Pace *pace, uid_t uid, uint64_t now_usec);
