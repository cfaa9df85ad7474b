/* SPDX-License-Identifier: MIT */
#pragma once

/* What the answer to a refresh means: for the login, and for when to ask again. */

#include "daemon/schedule.h"

typedef enum Judgement {
        JUDGED_RENEWED,
        JUDGED_FAILED, /* the grant is as it was: again later, as *ret_retry says */
        JUDGED_OVER,   /* the provider has ended the login */
} Judgement;

/* @result: 0, an Outcome, or -errno, as it came from the gateway or on the way. */
Judgement judge_refresh(int result, Retry *ret_retry);
