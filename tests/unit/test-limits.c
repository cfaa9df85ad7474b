/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>
#include <stdio.h>

#include "gateway/limits.h"

#define SEC UINT64_C(1000000)

static const WaitingLogins nobody = {0};

static Source from(const char *rhost) {
        Source source;

        source_of(&source, 0, rhost);
        return source;
}

static bool admits(Limits *limits, const char *rhost, uid_t user, uint64_t now) {
        Source source = from(rhost);

        return limits_allow_source(limits, &source, now) &&
               !limits_admit(limits, &source, user, &nobody, now);
}

static void test_sources(void) {
        static const struct {
                const char *rhost, *name;
        } cases[] = {
                {"", ""},
                {"192.0.2.7", "192.0.2.7"},
                {"::ffff:192.0.2.7", "192.0.2.7"},
                {"::FFFF:c000:0207", "192.0.2.7"},
                {"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"},
                {"2001:DB8:1:2::", "2001:db8:1:2::/64"},
                {"2001:db8:1:3::1", "2001:db8:1:3::/64"},
                {"fe80::1%eth0", "fe80::/64"},
                {"::1", "::/64"},
                {"Host.Example.COM", "host.example.com"},
                {"host.example.com.", "host.example.com"},
                {"192.0.2.7.example.com", "192.0.2.7.example.com"},
                {"192.0.2", "192.0.2"},
                {"not an address", "not an address"},
        };
        char large[1000];
        Source source;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                source = from(cases[i].rhost);
                assert(streq(source.name, cases[i].name));
                assert(source_is_remote(&source) == (i > 0));
        }
        memset(large, 'x', sizeof(large) - 1);
        large[sizeof(large) - 1] = '\0';
        source = from(large);
        assert(strlen(source.name) == LIMITS_SOURCE_MAX);

        /* What somebody says who is not root counts against nobody else. */
        source_of(&source, 1000, "192.0.2.7");
        assert(streq(source.name, "@1000") && !source_is_remote(&source));
        source_of(&source, 1000, "");
        assert(streq(source.name, "@1000"));
        /* The same share, whether such a user comes through su or not. */
        source = from("@1000");
        assert(streq(source.name, "@1000") && !source_is_remote(&source));
}

static bool has_room(WaitingLogins waiting, const char *rhost) {
        _cleanup_(limits_freep) Limits *limits = NULL;
        Source source = from(rhost);

        assert(limits_new(&limits) == 0);
        return !limits_admit(limits, &source, 1000, &waiting, SEC);
}

static void test_waiting(void) {
        const char *there = "192.0.2.7", *here = "", *user = "@1000";

        assert(has_room((WaitingLogins){127, 127, 59, 3}, there));
        assert(!has_room((WaitingLogins){128, 128, 59, 3}, there));
        assert(!has_room((WaitingLogins){127, 127, 60, 3}, there));
        assert(!has_room((WaitingLogins){127, 127, 59, 4}, there));
        assert(!has_room((WaitingLogins){160, 100, 0, 0}, there));
        /* The reserve. */
        assert(has_room((WaitingLogins){159, 128, 31, 3}, here));
        assert(!has_room((WaitingLogins){160, 128, 32, 0}, here));
        assert(!has_room((WaitingLogins){100, 0, 60, 0}, here));
        assert(!has_room((WaitingLogins){4, 0, 4, 4}, here));
        /* Of it users at this host leave some for who sits in front of it. */
        assert(has_room((WaitingLogins){143, 128, 3, 3}, user));
        assert(!has_room((WaitingLogins){144, 128, 3, 3}, user));
        assert(!has_room((WaitingLogins){144, 0, 0, 0}, there));
        /* One host never has all that remote hosts may have. */
        assert(2 * LIMITS_WAITING_PER_SOURCE_MAX < LIMITS_WAITING_REMOTE_MAX);
}

/* The pace of one user from one host does not touch the user elsewhere, nor others there. */
static void test_user(void) {
        _cleanup_(limits_freep) Limits *limits = NULL;

        assert(limits_new(&limits) == 0);
        for (unsigned i = 0; i < LIMITS_USER_BURST; i++)
                assert(admits(limits, "192.0.2.7", 1000, SEC));
        assert(!admits(limits, "192.0.2.7", 1000, SEC));
        assert(admits(limits, "192.0.2.8", 1000, SEC));
        assert(admits(limits, "", 1000, SEC));
        assert(admits(limits, "192.0.2.7", 1001, SEC));
        assert(!admits(limits, "192.0.2.7", 1000, SEC + LIMITS_USER_PERIOD_USEC - 1));
        assert(admits(limits, "192.0.2.7", 1000, SEC + LIMITS_USER_PERIOD_USEC));
}

/* Every user there is, from one host, in all the addresses that it has: it uses up its own. */
static void test_one_stranger(void) {
        _cleanup_(limits_freep) Limits *limits = NULL;
        unsigned n_admitted = 0;
        char rhost[64];

        assert(limits_new(&limits) == 0);
        for (unsigned i = 0; i < 5000; i++) {
                (void)snprintf(rhost, sizeof(rhost), "2001:db8:1:2:%x::%x", i, i);
                n_admitted += admits(limits, rhost, 1000 + i, SEC);
        }
        assert(n_admitted == LIMITS_SOURCE_BURST);
        assert(admits(limits, "192.0.2.7", 1000, SEC));
        assert(admits(limits, "2001:db8:1:3::1", 1000, SEC));
}

/* Very many hosts: the provider is asked no more often than all of them may, and this host itself
 * stays free. */
static void test_many_strangers(void) {
        _cleanup_(limits_freep) Limits *limits = NULL;
        unsigned n_admitted = 0;
        char rhost[64];

        assert(limits_new(&limits) == 0);
        for (unsigned i = 0; i < 10000; i++) {
                (void)snprintf(rhost, sizeof(rhost), "10.1.%u.%u", i / 256, i % 256);
                n_admitted += admits(limits, rhost, 1000, SEC);
        }
        assert(n_admitted == LIMITS_REMOTE_BURST);
        for (unsigned i = 0; i < LIMITS_SOURCE_BURST; i++)
                assert(admits(limits, "", 1000 + i, SEC));
        assert(!admits(limits, "", 3000, SEC));
        assert(admits(limits, "10.1.200.1", 1000, SEC + LIMITS_REMOTE_PERIOD_USEC));
        assert(!admits(limits, "10.1.200.2", 1000, SEC + LIMITS_REMOTE_PERIOD_USEC));
}

/* Logins at this host take nothing from those of remote hosts. */
static void test_this_host(void) {
        _cleanup_(limits_freep) Limits *limits = NULL;
        Source here = from("");
        char rhost[64];

        assert(limits_new(&limits) == 0);
        for (unsigned i = 0; i < LIMITS_SOURCE_BURST; i++)
                assert(!limits_admit(limits, &here, 1000 + i, &nobody, SEC));
        assert(limits_admit(limits, &here, 3000, &nobody, SEC));
        for (unsigned i = 0; i < LIMITS_REMOTE_BURST; i++) {
                (void)snprintf(rhost, sizeof(rhost), "10.1.%u.%u", i / 256, i % 256);
                assert(admits(limits, rhost, 1000, SEC));
        }
}

/* Nobody who runs su or sudo all the time keeps the others from it, nor anybody else. */
static void test_one_user_here(void) {
        _cleanup_(limits_freep) Limits *limits = NULL;
        Source greedy = from("@1000");
        unsigned n_admitted = 0;
        char rhost[64];

        assert(limits_new(&limits) == 0);
        for (unsigned i = 0; i < 5000; i++)
                n_admitted += admits(limits, "@1000", 2000 + i, SEC);
        for (unsigned i = 0; i < 5000; i++)
                limits_charge_source(limits, &greedy, SEC);
        assert(n_admitted == LIMITS_SOURCE_BURST && !admits(limits, "@1000", 1000, SEC));
        assert(admits(limits, "@1001", 1001, SEC) && admits(limits, "", 1000, SEC));
        /* Nor do all of them, nor do remote hosts. */
        for (unsigned i = 0; i < 5000; i++) {
                (void)snprintf(rhost, sizeof(rhost), "@%u", 3000 + i);
                n_admitted += admits(limits, rhost, 1000, SEC);
        }
        assert(n_admitted <= LIMITS_REMOTE_BURST && admits(limits, "", 1000, SEC));
        for (unsigned i = 0; i < LIMITS_REMOTE_BURST; i++) {
                (void)snprintf(rhost, sizeof(rhost), "10.1.%u.%u", i / 256, i % 256);
                assert(admits(limits, rhost, 1000, SEC));
        }
        assert(!admits(limits, "10.2.0.1", 1000, SEC));
        assert(admits(limits, "@1001", 1001, SEC + LIMITS_REMOTE_PERIOD_USEC));
}

/* Users that are not there cost the source, and nobody else. */
static void test_unknown_users(void) {
        _cleanup_(limits_freep) Limits *limits = NULL;
        Source source = from("192.0.2.7");

        assert(limits_new(&limits) == 0);
        for (unsigned i = 0; i < 10000; i++)
                if (limits_allow_source(limits, &source, SEC))
                        limits_charge_source(limits, &source, SEC);
        assert(!admits(limits, "192.0.2.7", 1000, SEC));
        for (unsigned i = 0; i < LIMITS_REMOTE_BURST; i++) {
                char rhost[64];

                (void)snprintf(rhost, sizeof(rhost), "10.1.%u.%u", i / 256, i % 256);
                assert(admits(limits, rhost, 1000, SEC));
        }
}

/* What is refused costs nothing: not the source, not the others. */
static void test_refused(void) {
        _cleanup_(limits_freep) Limits *limits = NULL;
        Source source = from("192.0.2.7");
        WaitingLogins full = {.n_user = LIMITS_WAITING_PER_USER_MAX};

        assert(limits_new(&limits) == 0);
        for (unsigned i = 0; i < 2 * LIMITS_REMOTE_BURST; i++)
                assert(limits_admit(limits, &source, 1000, &full, SEC));
        for (unsigned i = 0; i < LIMITS_USER_BURST; i++)
                assert(admits(limits, "192.0.2.7", 1000, SEC));
        for (unsigned i = 0; i < 2 * LIMITS_REMOTE_BURST; i++)
                assert(!admits(limits, "192.0.2.7", 1000, SEC));
        assert(admits(limits, "192.0.2.7", 1000, SEC + LIMITS_USER_PERIOD_USEC));
        assert(admits(limits, "192.0.2.7", 1001, SEC));
        assert(admits(limits, "192.0.2.8", 1000, SEC));
}

/* Nine o'clock: a hundred people behind one address within a minute, each of whom tries twice; and
 * a thousand from as many addresses within two. */
static void test_office(void) {
        _cleanup_(limits_freep) Limits *limits = NULL;
        char rhost[64];

        assert(limits_new(&limits) == 0);
        for (unsigned i = 0; i < 200; i++)
                assert(admits(limits, "192.0.2.7", 1000 + i % 100, SEC + i * 60 * SEC / 200));
        for (unsigned i = 0; i < 1000; i++) {
                (void)snprintf(rhost, sizeof(rhost), "10.1.%u.%u", i / 256, i % 256);
                assert(admits(limits, rhost, 1000 + i, 61 * SEC + i * 120 * SEC / 1000));
        }
}

int main(void) {
        test_sources();
        test_waiting();
        test_user();
        test_one_stranger();
        test_many_strangers();
        test_this_host();
        test_one_user_here();
        test_unknown_users();
        test_refused();
        test_office();
        return 0;
}
