/* SPDX-License-Identifier: MIT */
#pragma once

/* Limits: how much anybody may ask for. Whoever can reach a login prompt can make this host look up
 * a user and ask the provider for a code. Logins that wait for approval are counted, and attempts
 * are paced by token buckets: those of a user from one source, those of a source, and those of all
 * remote hosts together. A stranger uses up what is the stranger's own: not the user's from
 * elsewhere, not that of another host, and nothing that logins at this host itself need.
 *
 * What is refused here costs nothing of any budget: it asked nobody, and a person who tries again
 * is not pushed away further. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/macro.h"

/* Where a login comes from, as limits see it: "" for this host, an IPv4 address, the /64 of an IPv6
 * address (which is what one customer gets at least), a host name, or "@UID" for a user at this
 * host: a caller that is not root, which may call its remote host what it likes, or whom the module
 * names so, because that user runs su or sudo. */
#define LIMITS_SOURCE_MAX 128u
typedef struct Source {
        char name[LIMITS_SOURCE_MAX + 1];
} Source;

void source_of(Source *source, uid_t caller, const char *rhost);
bool source_is_remote(const Source *source); /* another host */
bool source_equal(const Source *a, const Source *b);

/* Logins that wait for approval. Each is a process of root with a connection to the system bus,
 * which gives 256 to one user: all together they must leave room for those of everything else. */
#define LIMITS_WAITING_MAX 160u
#define LIMITS_WAITING_REMOTE_MAX 128u /* the rest is for logins at this host */
#define LIMITS_WAITING_USERS_MAX 144u  /* with those; the rest is for who sits in front of it */
#define LIMITS_WAITING_PER_SOURCE_MAX 60u
#define LIMITS_WAITING_PER_USER_MAX 4u /* of one user from one source */

typedef struct WaitingLogins {
        size_t n_all;
        size_t n_remote; /* of other hosts */
        size_t n_source;
        size_t n_user; /* of this user from this source */
} WaitingLogins;

/* Attempts: so many at once, then one in each period. */
#define LIMITS_USER_BURST 30u
#define LIMITS_USER_PERIOD_USEC UINT64_C(6000000)
#define LIMITS_SOURCE_BURST 200u
#define LIMITS_SOURCE_PERIOD_USEC UINT64_C(1000000)
/* Of all remote hosts together; and of all users at this host. */
#define LIMITS_REMOTE_BURST 600u
#define LIMITS_REMOTE_PERIOD_USEC UINT64_C(100000)

typedef struct Limits Limits;

int limits_new(Limits **ret);
Limits *limits_free(Limits *limits);
DEFINE_CLEANUP(Limits, limits_free);

/* Whether @source may ask anything at all at CLOCK_BOOTTIME @now_usec: decided before the user is
 * even looked up. */
bool limits_allow_source(const Limits *limits, const Source *source, uint64_t now_usec);

/* An attempt that ends without a request to the provider: of an unknown user, for instance. */
void limits_charge_source(Limits *limits, const Source *source, uint64_t now_usec);

/* An attempt that will ask the provider. NULL, and it is charged; else of what there are too
 * many, for the log. */
const char *limits_admit(Limits *limits, const Source *source, uid_t user,
                         const WaitingLogins *waiting, uint64_t now_usec);
