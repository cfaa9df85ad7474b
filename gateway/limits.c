/* SPDX-License-Identifier: MIT */
#include "gateway/limits.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>

#include "gateway/pace.h"

/* Where somebody comes from. */

static bool name_ipv4(Source *source, const void *address) {
        return inet_ntop(AF_INET, address, source->name, sizeof(source->name));
}

static bool name_ipv6(Source *source, struct in6_addr *address) {
        if (IN6_IS_ADDR_V4MAPPED(address))
                return name_ipv4(source, &address->s6_addr[12]);
        memset(&address->s6_addr[8], 0, 8);
        if (!inet_ntop(AF_INET6, address, source->name, sizeof(source->name)))
                return false;
        strncat(source->name, "/64", sizeof(source->name) - strlen(source->name) - 1);
        return true;
}

static void name_host(Source *source, const char *host) {
        size_t n = strnlen(host, LIMITS_SOURCE_MAX);

        for (size_t i = 0; i < n; i++)
                source->name[i] =
                        (char)(host[i] >= 'A' && host[i] <= 'Z' ? host[i] + 'a' - 'A' : host[i]);
        source->name[n] = '\0';
        if (n > 0 && source->name[n - 1] == '.') /* a complete name, as DNS writes it */
                source->name[n - 1] = '\0';
}

void source_of(Source *source, uid_t caller, const char *rhost) {
        char address[INET6_ADDRSTRLEN] = "";
        struct in6_addr ipv6;
        struct in_addr ipv4;
        size_t n;

        if (caller != 0) {
                (void)snprintf(source->name, sizeof(source->name), "@%u", caller);
                return;
        }
        n = strcspn(rhost, "%"); /* the interface of a link-local address */
        if (n < sizeof(address))
                memcpy(address, rhost, n);
        if (inet_pton(AF_INET, address, &ipv4) == 1 && name_ipv4(source, &ipv4))
                return;
        if (inet_pton(AF_INET6, address, &ipv6) == 1 && name_ipv6(source, &ipv6))
                return;
        name_host(source, rhost);
}

static bool source_is_user(const Source *source) {
        return *source->name == '@';
}

bool source_is_remote(const Source *source) {
        return *source->name && !source_is_user(source);
}

bool source_equal(const Source *a, const Source *b) {
        return streq(a->name, b->name);
}

/* What is allowed. */

struct Limits {
        Pace *user; /* by uid and source */
        Pace *source;
        Pace *crowd; /* two buckets: remote hosts, and users at this host */
};

int limits_new(Limits **ret) {
        _cleanup_(limits_freep) Limits *limits = calloc(1, sizeof(*limits));
        int r;

        if (!limits)
                return -ENOMEM;
        r = pace_new(LIMITS_USER_BURST, LIMITS_USER_PERIOD_USEC, &limits->user);
        if (r < 0)
                return r;
        r = pace_new(LIMITS_SOURCE_BURST, LIMITS_SOURCE_PERIOD_USEC, &limits->source);
        if (r < 0)
                return r;
        r = pace_new(LIMITS_REMOTE_BURST, LIMITS_REMOTE_PERIOD_USEC, &limits->crowd);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(limits);
        return 0;
}

Limits *limits_free(Limits *limits) {
        if (!limits)
                return NULL;
        pace_free(limits->user);
        pace_free(limits->source);
        pace_free(limits->crowd);
        free(limits);
        return NULL;
}

bool limits_allow_source(const Limits *limits, const Source *source, uint64_t now_usec) {
        return pace_allows(limits->source, source->name, now_usec);
}

void limits_charge_source(Limits *limits, const Source *source, uint64_t now_usec) {
        pace_charge(limits->source, source->name, now_usec);
}

/* Those that share what their kind may have: nothing that a stranger does elsewhere keeps a user at
 * this host out, and nothing that such a user does keeps out who sits in front of it. */
static const struct Crowd {
        const char *bucket; /* NULL: they need not share */
        const char *too_many;
        size_t waiting_max; /* with all others */
} here = {NULL, NULL, LIMITS_WAITING_MAX},
  users = {"@", "of all users at this host", LIMITS_WAITING_USERS_MAX},
  hosts = {"", "from all remote hosts", LIMITS_WAITING_USERS_MAX};

static const struct Crowd *source_crowd(const Source *source) {
        return source_is_remote(source) ? &hosts : source_is_user(source) ? &users : &here;
}

static const char *too_many_waiting(const WaitingLogins *waiting, const Source *source) {
        if (waiting->n_user >= LIMITS_WAITING_PER_USER_MAX)
                return "of this user from there, waiting";
        if (waiting->n_source >= LIMITS_WAITING_PER_SOURCE_MAX)
                return "from there, waiting";
        if (source_is_remote(source) && waiting->n_remote >= LIMITS_WAITING_REMOTE_MAX)
                return "from all remote hosts, waiting";
        if (waiting->n_all >= source_crowd(source)->waiting_max)
                return "waiting";
        return NULL;
}

const char *limits_admit(Limits *limits, const Source *source, uid_t user,
                         const WaitingLogins *waiting, uint64_t now_usec) {
        const struct Crowd *crowd = source_crowd(source);
        char name[PACE_NAME_MAX + 1];
        const char *beyond;

        (void)snprintf(name, sizeof(name), "%u %s", user, source->name);
        beyond = too_many_waiting(waiting, source);
        if (beyond)
                return beyond;
        if (!pace_allows(limits->user, name, now_usec))
                return "of this user from there";
        if (!pace_allows(limits->source, source->name, now_usec))
                return "from there";
        if (crowd->bucket && !pace_allows(limits->crowd, crowd->bucket, now_usec))
                return crowd->too_many;

        pace_charge(limits->user, name, now_usec);
        pace_charge(limits->source, source->name, now_usec);
        if (crowd->bucket)
                pace_charge(limits->crowd, crowd->bucket, now_usec);
        return NULL;
}
