/* SPDX-License-Identifier: MIT */
#include "gateway/pace.h"

#include <errno.h>
#include <stdio.h>

/* A bucket is one point in time: when it will be full again. In the past it is full, which is the
 * same as having no bucket. */
typedef struct Bucket {
        char name[PACE_NAME_MAX + 1];
        uint64_t full_usec;
} Bucket;

struct Pace {
        uint64_t period_usec;
        uint64_t depth_usec; /* what an empty bucket needs to fill */
        Bucket buckets[PACE_BUCKETS_MAX];
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

/* NULL: a full one. */
static const Bucket *pace_find(const Pace *pace, const char *name, uint64_t now_usec) {
        for (size_t i = 0; i < PACE_BUCKETS_MAX; i++) {
                const Bucket *bucket = &pace->buckets[i];

                if (bucket->full_usec > now_usec && strncmp(bucket->name, name, PACE_NAME_MAX) == 0)
                        return bucket;
        }
        return NULL;
}

bool pace_allows(const Pace *pace, const char *name, uint64_t now_usec) {
        const Bucket *bucket = pace_find(pace, name, now_usec);
        uint64_t used_usec = bucket ? bucket->full_usec - now_usec : 0;

        return used_usec + pace->period_usec <= pace->depth_usec;
}

/* The bucket of @name, or the fullest one in its place. */
static Bucket *pace_bucket(Pace *pace, const char *name, uint64_t now_usec) {
        Bucket *fullest = pace->buckets;

        for (size_t i = 0; i < PACE_BUCKETS_MAX; i++) {
                Bucket *bucket = &pace->buckets[i];

                if (bucket->full_usec > now_usec && strncmp(bucket->name, name, PACE_NAME_MAX) == 0)
                        return bucket;
                if (bucket->full_usec < fullest->full_usec)
                        fullest = bucket;
        }
        (void)snprintf(fullest->name, sizeof(fullest->name), "%s", name);
        fullest->full_usec = now_usec;
        return fullest;
}

void pace_charge(Pace *pace, const char *name, uint64_t now_usec) {
        Bucket *bucket = pace_bucket(pace, name, now_usec);

        if (bucket->full_usec - now_usec < pace->depth_usec)
                bucket->full_usec += pace->period_usec;
}

bool pace_take(Pace *pace, const char *name, uint64_t now_usec) {
        if (!pace_allows(pace, name, now_usec))
                return false;
        pace_charge(pace, name, now_usec);
        return true;
}

bool pace_take_uid(Pace *pace, uid_t uid, uint64_t now_usec) {
        char name[3 * sizeof(uid) + 1];

        (void)snprintf(name, sizeof(name), "%u", uid);
        return pace_take(pace, name, now_usec);
}
