/* SPDX-License-Identifier: MIT */
#pragma once

/* Pace: token buckets by name: so many attempts at once, then one in each period. The table is
 * bounded. Where it is full, whoever has used least is forgotten: many names never keep a new one
 * out, and whoever has used up a budget is the last to be given another. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/macro.h"

typedef struct Pace Pace;

#define PACE_BUCKETS_MAX 2048u
#define PACE_NAME_MAX 159u /* a longer name is the same as what it begins with */

int pace_new(unsigned burst, uint64_t period_usec, Pace **ret);
Pace *pace_free(Pace *pace);
DEFINE_CLEANUP(Pace, pace_free);

bool pace_allows(const Pace *pace, const char *name, uint64_t now_usec);
/* Charges one attempt, also where there is nothing left. */
void pace_charge(Pace *pace, const char *name, uint64_t now_usec);
/* Both: false if there is nothing left. */
bool pace_take(Pace *pace, const char *name, uint64_t now_usec);
bool pace_take_uid(Pace *pace, uid_t uid, uint64_t now_usec);
