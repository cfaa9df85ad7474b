/* SPDX-License-Identifier: MIT */

/* When the daemon renews a token, and what whoever asks for one is told. */

#undef NDEBUG
#include <assert.h>
#include <limits.h>
#include <malloc.h>

#include "common/clock.h"
#include "tests/unit/daemon-fixture.h"

/* Of a login many of which may be at the same time: some long before three quarters of the life. */
static void test_scattered(void) {
        unsigned n_early = 0;

        for (unsigned i = 0; i < 30; i++) {
                _cleanup_free_ char *next = NULL;
                FIXTURE f;

                fixture_begin(&f);
                fixture_add(&f, LIFE, 0);
                next = fixture_property(&f, "NextRefresh");
                n_early += strtoull(next, NULL, 10) < clock_realtime_usec() + LIFE / 2;
        }
        assert(n_early > 0 && n_early < 30);
}

/* Many callers, one request; the order of what they see. */
static void test_single_flight(void) {
        FIXTURE f;
        sd_bus_message *replies[20];

        fixture_begin(&f);
        fixture_add(&f, LIFE, 100 * USEC_PER_SEC);
        f.gateway.hold = true;
        for (size_t i = 0; i < ELEMENTSOF(replies); i++) {
                fixture_send(&f, &replies[i], i == 5 ? "Refresh" : "GetToken", i == 5 ? "s" : "su",
                             f.account, 250);
                fixture_run(&f, 2000);
        }
        assert(f.gateway.n_refreshes == 1 && fixture_property_is(&f, "State", "refreshing"));
        assert(fixture_property_is(&f, "NextRefresh", "0"));
        /* who needs less is served at once, while the refresh is in flight */
        REPLY *quick = fixture_call(&f, "GetToken", "su", f.account, 10);
        assert(is_error(quick, NULL) && fixture_key_is(&f, "access-0"));

        fixture_release(&f);
        for (size_t i = 0; i < ELEMENTSOF(replies); i++) {
                fixture_wait(&f, &replies[i]);
                if (i == 5)
                        assert(is_error(replies[i], NULL));
                else
                        fixture_token_is(&f, replies[i], LIFE);
                sd_bus_message_unref(replies[i]);
        }
        assert(f.gateway.n_refreshes == 1 && fixture_key_is(&f, "access-1"));
        assert(fixture_property_is(&f, "Renewals", "1"));
        assert(streq(f.states, "refreshing fresh "));
}

/* Whoever asks for more than the provider gives does not cause a request each time. */
static void test_greedy_caller(void) {
        FIXTURE f;

        fixture_begin(&f);
        fixture_add(&f, LIFE, 100 * USEC_PER_SEC);
        for (unsigned i = 0; i < 20; i++) {
                REPLY *reply = fixture_call(&f, "GetToken", "su", f.account, 86400);

                fixture_token_is(&f, reply, LIFE);
        }
        assert(f.gateway.n_refreshes == 1);
}

static void test_timer(void) {
        FIXTURE f;

        fixture_begin(&f);
        f.gateway.lifetime_usec = 10 * USEC_PER_SEC;
        fixture_add(&f, 10 * USEC_PER_SEC, 4700 * USEC_PER_MSEC); /* due after 5.0 to 5.5 s */
        assert(f.gateway.n_refreshes == 0);
        fixture_run(&f, 1500 * USEC_PER_MSEC);
        assert(f.gateway.n_refreshes == 1 && fixture_key_is(&f, "access-1"));
        fixture_run(&f, 1500 * USEC_PER_MSEC);
        assert(f.gateway.n_refreshes == 1);
}

/* A grant that is due already is renewed before AddGrant answers only if the token is no good. */
static void test_late_grants(void) {
        FIXTURE f, g;

        fixture_begin(&f);
        f.gateway.hold = true;
        fixture_add(&f, LIFE, LIFE - 30 * USEC_PER_SEC);
        assert(fixture_key_is(&f, "access-0"));
        fixture_run(&f, 100 * USEC_PER_MSEC);
        assert(f.gateway.n_refreshes == 1);

        fixture_begin(&g);
        fixture_add(&g, LIFE, LIFE);
        assert(g.gateway.n_refreshes == 1 && fixture_key_is(&g, "access-1"));
}

static void test_login_over(void) {
        FIXTURE f;

        fixture_begin(&f);
        fixture_add(&f, LIFE, 100 * USEC_PER_SEC);
        f.gateway.error = GATEWAY_ERROR("LoginRequired");
        REPLY *reply = fixture_call(&f, "Refresh", "s", f.account);
        assert(is_error(reply, "LoginRequired"));
        assert(fixture_property_is(&f, "State", "login-required"));
        assert(fixture_property_is(&f, "LastError", "The gateway says no."));
        assert(fixture_property_is(&f, "NextRefresh", "0"));
        assert(fixture_key_is(&f, "access-0")); /* left to its timeout */
        assert(streq(f.states, "refreshing login-required "));

        REPLY *good = fixture_call(&f, "GetToken", "su", f.account, 60);
        assert(is_error(good, NULL));
        REPLY *longer = fixture_call(&f, "GetToken", "su", f.account, 280);
        assert(is_error(longer, "LoginRequired"));
        REPLY *again = fixture_call(&f, "Refresh", "s", f.account);
        assert(is_error(again, "LoginRequired"));
        assert(f.gateway.n_refreshes == 1); /* no loop */

        REPLY *logout = fixture_call(&f, "Logout", "s", f.account);
        assert(is_error(logout, NULL));
        assert(f.gateway.n_revocations == 0 && fixture_key_is(&f, NULL));
}

static void test_offline(void) {
        static const struct {
                const char *error;
                uint64_t min_usec, max_usec; /* of the first back-off */
        } cases[] = {
                {GATEWAY_ERROR("ProviderUnreachable"), 1 * USEC_PER_SEC, 2 * USEC_PER_SEC},
                {GATEWAY_ERROR("ProviderUntrusted"), 1 * USEC_PER_SEC, 2 * USEC_PER_SEC},
                {GATEWAY_ERROR("ProviderBusy"), 1 * USEC_PER_SEC, 2 * USEC_PER_SEC},
                {GATEWAY_ERROR("ProviderAnswer"), 1 * USEC_PER_SEC, 2 * USEC_PER_SEC},
                {"org.freedesktop.DBus.Error.ServiceUnknown", 1 * USEC_PER_SEC, 2 * USEC_PER_SEC},
                {GATEWAY_ERROR("ClientRefused"), 150 * USEC_PER_SEC, 300 * USEC_PER_SEC},
                {GATEWAY_ERROR("Configuration"), 150 * USEC_PER_SEC, 300 * USEC_PER_SEC},
                {GATEWAY_ERROR("UnknownProvider"), 150 * USEC_PER_SEC, 300 * USEC_PER_SEC},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *next = NULL, *message = NULL;
                uint64_t delay;
                FIXTURE f;

                fixture_begin(&f);
                fixture_add(&f, LIFE, 100 * USEC_PER_SEC);
                f.gateway.error = cases[i].error;
                REPLY *reply = fixture_call(&f, "Refresh", "s", f.account);
                assert(sd_bus_message_is_method_error(reply, NULL));
                assert(fixture_property_is(&f, "State", "offline"));
                message = fixture_property(&f, "LastError");
                assert(*message);
                next = fixture_property(&f, "NextRefresh");
                delay = strtoull(next, NULL, 10) - clock_realtime_usec();
                assert(delay <= cases[i].max_usec && delay + USEC_PER_SEC >= cases[i].min_usec);

                /* the token that is there is served; who needs another is told, not the provider */
                REPLY *good = fixture_call(&f, "GetToken", "su", f.account, 60);
                assert(is_error(good, NULL) && fixture_key_is(&f, "access-0"));
                REPLY *longer = fixture_call(&f, "GetToken", "su", f.account, 280);
                assert(sd_bus_message_is_method_error(longer, NULL));
                assert(f.gateway.n_refreshes == 1);

                /* a person who insists is listened to */
                f.gateway.error = NULL;
                REPLY *again = fixture_call(&f, "Refresh", "s", f.account);
                assert(is_error(again, NULL) && f.gateway.n_refreshes == 2);
                assert(fixture_property_is(&f, "State", "fresh"));
                assert(fixture_property_is(&f, "LastError", "") && fixture_key_is(&f, "access-1"));
                assert(streq(f.states, "refreshing offline refreshing fresh "));
        }
}

/* The old token may have been exchanged: until there is an answer it is not sent again before the
 * token at hand ends, whatever somebody who insists on it has met in between. */
static void test_lost(void) {
        static const struct {
                const char *error, *name;
        } troubles[] = {
                {GATEWAY_ERROR("ProviderUnreachable"), "ProviderUnreachable"},
                {GATEWAY_ERROR("ClientRefused"), "ClientRefused"},
        };

        for (size_t i = 0; i < ELEMENTSOF(troubles); i++) {
                FIXTURE f;

                fixture_begin(&f);
                fixture_add(&f, LIFE, 100 * USEC_PER_SEC);
                f.gateway.error = GATEWAY_ERROR("AnswerLost");
                for (unsigned k = 0; k < 3; k++) {
                        const char *name = k == 0 ? "AnswerLost" : troubles[i].name;
                        _cleanup_free_ char *next = NULL;
                        uint64_t delay;

                        REPLY *reply = fixture_call(&f, "Refresh", "s", f.account);
                        assert(is_error(reply, name));
                        next = fixture_property(&f, "NextRefresh");
                        delay = strtoull(next, NULL, 10) - clock_realtime_usec();
                        assert(delay > 130 * USEC_PER_SEC && delay <= 140 * USEC_PER_SEC);
                        REPLY *longer = fixture_call(&f, "GetToken", "su", f.account, 280);
                        assert(is_error(longer, name) && f.gateway.n_refreshes == k + 1);
                        f.gateway.error = troubles[i].error;
                }

                /* an answer ends that */
                f.gateway.error = NULL;
                REPLY *again = fixture_call(&f, "Refresh", "s", f.account);
                assert(is_error(again, NULL));
                assert(fixture_property_is(&f, "State", "fresh"));
        }
}

/* What the gateway may have an answer to is asked for again while that is kept, however long there
 * was trouble before. */
static void test_unanswered(void) {
        static const struct {
                const char *error;
                uint64_t max_usec;
        } cases[] = {
                {"org.freedesktop.DBus.Error.NoReply", 30 * USEC_PER_SEC},
                {"org.freedesktop.DBus.Error.NoMemory", 30 * USEC_PER_SEC},
                {"org.freedesktop.DBus.Error.ServiceUnknown", 300 * USEC_PER_SEC},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *next = NULL;
                uint64_t delay;
                FIXTURE f;

                fixture_begin(&f);
                fixture_add(&f, LIFE, 100 * USEC_PER_SEC);
                f.gateway.error = GATEWAY_ERROR("ProviderUnreachable");
                for (unsigned k = 0; k < 10; k++) {
                        if (k == 9)
                                f.gateway.error = cases[i].error;
                        REPLY *reply = fixture_call(&f, "Refresh", "s", f.account);
                        assert(sd_bus_message_is_method_error(reply, NULL));
                }
                next = fixture_property(&f, "NextRefresh");
                delay = strtoull(next, NULL, 10) - clock_realtime_usec();
                assert(delay <= cases[i].max_usec && delay >= cases[i].max_usec / 2 - USEC_PER_SEC);
        }
}

static void test_retry(void) {
        FIXTURE f;

        fixture_begin(&f);
        fixture_add(&f, LIFE, 100 * USEC_PER_SEC);
        f.gateway.absent = true;
        REPLY *reply = fixture_call(&f, "Refresh", "s", f.account);
        assert(sd_bus_message_is_method_error(reply, SD_BUS_ERROR_FAILED));
        f.gateway.absent = false;
        fixture_run(&f, 2500 * USEC_PER_MSEC);
        assert(f.gateway.n_refreshes == 1 && fixture_property_is(&f, "State", "fresh"));
}

/* What a wrong clock may have been the reason of is tried again when the clock was set. */
static void test_clock_was_set(void) {
        const unsigned n_failures = 9; /* the distance is one of minutes, whatever the reason */
        static const struct {
                const char *error;
                bool sooner;
        } cases[] = {
                {GATEWAY_ERROR("ClockWrong"), true},
                {GATEWAY_ERROR("ProviderUntrusted"), true},
                {GATEWAY_ERROR("ClientRefused"), false},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *before = NULL, *after = NULL;
                FIXTURE f;

                fixture_begin(&f);
                fixture_add(&f, LIFE, 100 * USEC_PER_SEC);
                f.gateway.error = cases[i].error;
                for (unsigned k = 0; k < n_failures; k++) {
                        REPLY *reply = fixture_call(&f, "Refresh", "s", f.account);
                        assert(sd_bus_message_is_method_error(reply, NULL));
                }
                before = fixture_property(&f, "NextRefresh");
                assert(strtoull(before, NULL, 10) > clock_realtime_usec() + 100 * USEC_PER_SEC);

                manager_clock_was_set(f.manager);
                after = fixture_property(&f, "NextRefresh");
                assert((strtoull(after, NULL, 10) < clock_realtime_usec() + 61 * USEC_PER_SEC) ==
                       cases[i].sooner);
                assert(fixture_property_is(&f, "State", "offline"));
                assert(f.gateway.n_refreshes == n_failures && fixture_key_is(&f, "access-0"));
        }
}

/* All of a host hear of a change, and of those that come with it: who has drawn a time keeps it, as
 * the least of some is spread no more. After another attempt there is another. */
static void test_changes_in_a_row(void) {
        _cleanup_free_ char *first = NULL, *last = NULL;
        FIXTURE f;

        fixture_begin(&f);
        fixture_add(&f, LIFE, 100 * USEC_PER_SEC);
        f.gateway.error = GATEWAY_ERROR("ClockWrong");
        for (unsigned i = 0; i < 2; i++) {
                REPLY *reply = fixture_call(&f, "Refresh", "s", f.account);

                assert(sd_bus_message_is_method_error(reply, NULL));
                free(TAKE_PTR(first));
                first = fixture_property(&f, "NextRefresh");
                manager_clock_was_set(f.manager);
                free(TAKE_PTR(last));
                last = fixture_property(&f, "NextRefresh");
                assert(strtoull(last, NULL, 10) + 60 * USEC_PER_SEC < strtoull(first, NULL, 10));

                for (unsigned j = 0; j < 100; j++)
                        manager_clock_was_set(f.manager);
                free(TAKE_PTR(first));
                first = fixture_property(&f, "NextRefresh");
                assert(strtoull(first, NULL, 10) + USEC_PER_SEC > strtoull(last, NULL, 10));
        }
}

/* What the gateway must never answer with. */
static void test_foreign_answers(void) {
        FIXTURE f;

        fixture_begin(&f);
        fixture_add(&f, LIFE, 100 * USEC_PER_SEC);
        f.gateway.subject = "somebody else";
        REPLY *other = fixture_call(&f, "Refresh", "s", f.account);
        assert(is_error(other, "ProviderAnswer") && fixture_key_is(&f, "access-0"));
        f.gateway.no_grant = true;
        REPLY *none = fixture_call(&f, "Refresh", "s", f.account);
        assert(is_error(none, "ProviderAnswer") && fixture_key_is(&f, "access-0"));
        assert(fixture_property_is(&f, "Subject", "s1"));
}

static void test_not_renewable(void) {
        FIXTURE f;
        _cleanup_close_ int fd = -1;

        fixture_begin(&f);
        fd = fixture_grant(&f, "access-0", NULL, LIFE, LIFE - 2500 * USEC_PER_MSEC);
        REPLY *reply = fixture_call(&f, "AddGrant", "h", fd);
        assert(is_error(reply, NULL) && fixture_key_is(&f, "access-0"));
        assert(fixture_property_is(&f, "NextRefresh", "0"));
        REPLY *longer = fixture_call(&f, "GetToken", "su", f.account, 60);
        assert(is_error(longer, "NoRefreshToken"));
        fixture_run(&f, 3 * USEC_PER_SEC);
        assert(fixture_property_is(&f, "State", "login-required"));
        assert(fixture_property_is(&f, "KeySerial", "0") && fixture_key_is(&f, NULL));
        REPLY *over = fixture_call(&f, "GetToken", "su", f.account, 0);
        assert(is_error(over, "LoginRequired") && f.gateway.n_buses == 0);
}

/* What a renewal takes it gives back: a byte that is kept of each would be seen in every thousand,
 * while a table of some library's that grows once is seen in one. */
static void test_memory(void) {
        long taken = 0, growth, least = LONG_MAX;
        FIXTURE f;

        fixture_begin(&f);
        fixture_add(&f, LIFE, 100 * USEC_PER_SEC);
        for (unsigned i = 1; i <= 4000; i++) {
                REPLY *reply = fixture_call(&f, "Refresh", "s", f.account);

                assert(is_error(reply, NULL));
                f.states[0] = '\0';
                if (i % 1000 != 0)
                        continue;
                growth = (long)mallinfo2().uordblks - taken;
                taken += growth;
                if (growth < least)
                        least = growth;
        }
        assert(f.gateway.n_refreshes == 4000);
        assert(least < 512);
}

int main(void) {
        if (!fixture_has_keyring())
                return 77;
        test_scattered();
        test_single_flight();
        test_memory();
        test_greedy_caller();
        test_timer();
        test_late_grants();
        test_login_over();
        test_offline();
        test_lost();
        test_unanswered();
        test_retry();
        test_clock_was_set();
        test_changes_in_a_row();
        test_foreign_answers();
        test_not_renewable();
        return 0;
}
