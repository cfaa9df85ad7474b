/* SPDX-License-Identifier: MIT */
#include "gateway/limits.h"

#include <errno.h>

bool limits_allow_waiting(const WaitingLogins *waiting) {
        return waiting->n_all < LIMITS_WAITING_MAX &&
               waiting->n_user < LIMITS_WAITING_PER_USER_MAX &&
               waiting->n_rhost < LIMITS_WAITING_PER_RHOST_MAX;
}

/* A bucket is one point in time: when it will be full again. In the past it is full, which is the
 * same as having no bucket, so its slot can be used for somebody else. */
typedef struct Bucket {
        uid_t uid;
        uint64_t full_usec;
} Bucket;

struct Pace {
        uint64_t period_usec;
        uint64_t depth_usec; /* what an empty bucket needs to fill */
        Bucket buckets[PACE_USERS_MAX];
};

int pace_new(unsigned burst, uint64_t period_usec, Pace **ret) {
        Pace *pace = calloc(1, sizeof(*pace));

        if (!pace)
                return -ENOMEM;
        pace->period_usec = period_usec;
        pace->depth_usec = burst * period_usec;
        *ret = pace;
        return 0;
}

Pace *pace_free(Pace *pace) {
        free(pace);
        return NULL;
}

/* The bucket of @uid, or one that nobody needs any more. */
static Bucket *pace_bucket(Pace *pace, uid_t uid, uint64_t now_usec) {
        Bucket *unused = NULL;

        for (size_t i = 0; i < PACE_USERS_MAX; i++) {
                Bucket *bucket = &pace->buckets[i];

                if (bucket->full_usec <= now_usec)
                        unused = unused ? unused : bucket;
                else if (bucket->uid == uid)
                        return bucket;
        }
        if (unused)
                *unused = (Bucket){.uid = uid, .full_usec = now_usec};
        return unused;
}

bool pace_take(Pace *pace, uid_t uid, uint64_t now_usec) {
        Bucket *bucket = pace_bucket(pace, uid, now_usec);

        if (!bucket || bucket->full_usec - now_usec + pace->period_usec > pace->depth_usec)
                return false;
        bucket->full_usec += pace->period_usec;
        return true;
}
