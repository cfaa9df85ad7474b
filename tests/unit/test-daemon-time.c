/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "tests/unit/daemon-fixture.h"
#include "tests/unit/step-clock.h"

/* What the daemon asks of its gateway in hours and days, in a time of the test's own: a machine
 * that sleeps, lives of a second and of a day. Keys end by the kernel's clock, so they stay here.
 */

#define STEP (100 * USEC_PER_MSEC)

static inline void stepped_fixture_endp(Fixture *f) {
        fixture_end(f);
        step_clock_reset();
}
#define STEPPED_FIXTURE _cleanup_(stepped_fixture_endp) Fixture

static void settle(Fixture *f) {
        while (sd_event_run(f->event, 0) > 0)
                ;
}

/* Asleep: nothing happens before the time is over. */
static void asleep(Fixture *f, uint64_t usec) {
        step_clock_advance(usec);
        settle(f);
}

static void awake(Fixture *f, uint64_t usec) {
        for (uint64_t t = 0; t < usec; t += STEP)
                asleep(f, STEP);
}

static void begin(Fixture *f, uint64_t lifetime_usec) {
        fixture_begin(f);
        f->gateway.lifetime_usec = lifetime_usec;
        fixture_add(f, lifetime_usec, 0);
}

/* One renewal, however long it slept and however many ask when it wakes. */
static void test_resume(void) {
        static const uint64_t nights[] = {400, 8 * 3600, 30 * 86400}; /* all longer than the life */
        STEPPED_FIXTURE f;

        begin(&f, LIFE);
        awake(&f, 100 * USEC_PER_SEC);
        assert(f.gateway.n_refreshes <= 1); /* the first is scattered over the life */
        for (size_t i = 0; i < ELEMENTSOF(nights); i++) {
                unsigned before = f.gateway.n_refreshes;
                sd_bus_message *replies[20];

                step_clock_advance(nights[i] * USEC_PER_SEC);
                for (size_t j = 0; j < ELEMENTSOF(replies); j++)
                        fixture_send(&f, &replies[j], "GetToken", "su", f.account, 60);
                for (size_t j = 0; j < ELEMENTSOF(replies); j++) {
                        fixture_wait(&f, &replies[j]);
                        assert(is_error(replies[j], NULL));
                        sd_bus_message_unref(replies[j]);
                }
                assert(f.gateway.n_refreshes == before + 1);
                awake(&f, 100 * USEC_PER_SEC);
                assert(f.gateway.n_refreshes == before + 1);
                assert(fixture_property_is(&f, "State", "fresh"));
        }
}

/* The network is not there yet: some attempts with growing distances, and then one that succeeds.
 */
static void test_resume_offline(void) {
        STEPPED_FIXTURE f;

        begin(&f, LIFE);
        f.gateway.error = GATEWAY_ERROR("ProviderUnreachable");
        asleep(&f, 8 * 3600 * USEC_PER_SEC);
        awake(&f, 60 * USEC_PER_SEC);
        assert(fixture_property_is(&f, "State", "offline"));
        assert(f.gateway.n_refreshes >= 4 && f.gateway.n_refreshes <= 7);
        f.gateway.error = NULL;
        f.gateway.n_refreshes = 0;
        awake(&f, 64 * USEC_PER_SEC);
        assert(fixture_property_is(&f, "State", "fresh") && f.gateway.n_refreshes == 1);
}

/* Answers that are lost again and again, as with a provider that hangs: as long as the token is
 * good nothing hastens, and when it is over there is nothing left to wait for. */
static void test_lost_and_over(void) {
        _cleanup_free_ char *next = NULL;
        STEPPED_FIXTURE f;

        begin(&f, LIFE);
        f.gateway.error = GATEWAY_ERROR("AnswerLost");
        REPLY *lost = fixture_call(&f, "Refresh", "s", f.account);
        assert(is_error(lost, "AnswerLost"));
        account_network_changed(manager_account(f.manager, 0));
        asleep(&f, 200 * USEC_PER_SEC);
        REPLY *longer = fixture_call(&f, "GetToken", "su", f.account, 280);
        assert(is_error(longer, "AnswerLost") && f.gateway.n_refreshes == 1);

        asleep(&f, LIFE);
        for (unsigned i = 0; i < 9; i++) { /* after which it waits for minutes */
                REPLY *again = fixture_call(&f, "Refresh", "s", f.account);
                assert(is_error(again, "AnswerLost"));
        }
        f.gateway.n_refreshes = 0;
        asleep(&f, 5 * USEC_PER_SEC);
        REPLY *none = fixture_call(&f, "GetToken", "su", f.account, 0);
        assert(is_error(none, "AnswerLost") && f.gateway.n_refreshes == 1);
        next = fixture_property(&f, "NextRefresh");
        assert(strtoull(next, NULL, 10) > clock_realtime_usec() + 60 * USEC_PER_SEC);

        f.gateway.error = NULL;
        account_network_changed(manager_account(f.manager, 0));
        awake(&f, 5 * USEC_PER_SEC);
        assert(fixture_property_is(&f, "State", "fresh") && f.gateway.n_refreshes == 2);
}

/* What would be tried again in a moment is not put off by a change of the network. */
static void test_change_amid_brief_trouble(void) {
        for (unsigned i = 0; i < 5; i++) {
                STEPPED_FIXTURE f;

                begin(&f, LIFE);
                f.gateway.error = GATEWAY_ERROR("ProviderUnreachable");
                REPLY *failed = fixture_call(&f, "Refresh", "s", f.account);
                assert(is_error(failed, "ProviderUnreachable"));
                f.gateway.error = NULL;
                account_network_changed(manager_account(f.manager, 0));
                awake(&f, 3 * USEC_PER_SEC);
                assert(fixture_property_is(&f, "State", "fresh") && f.gateway.n_refreshes == 2);
        }
}

/* A network that never comes to rest, and a provider that is away: no storm, and no long wait
 * either when it is back. */
static void test_changes_without_end(void) {
        STEPPED_FIXTURE f;

        begin(&f, LIFE);
        f.gateway.error = GATEWAY_ERROR("ProviderUnreachable");
        asleep(&f, LIFE);
        f.gateway.n_refreshes = 0;
        for (unsigned sec = 0; sec < 600; sec++) {
                account_network_changed(manager_account(f.manager, 0));
                asleep(&f, USEC_PER_SEC);
        }
        assert(f.gateway.n_refreshes >= 20 && f.gateway.n_refreshes <= 30);
        f.gateway.error = NULL;
        for (unsigned sec = 0; sec < 33; sec++) {
                account_network_changed(manager_account(f.manager, 0));
                asleep(&f, USEC_PER_SEC);
        }
        assert(fixture_property_is(&f, "State", "fresh"));
}

/* Asked for by nobody, and asked for all the time. */
static void test_lives(void) {
        static const struct {
                uint64_t lifetime_usec, span_sec;
                unsigned min, max;
        } cases[] = {
                {1, 60, 20, 31}, /* over when it arrives */
                {1 * USEC_PER_SEC, 60, 20, 31},
                {2 * USEC_PER_SEC, 60, 20, 31},
                {5 * USEC_PER_SEC, 60, 20, 31},
                {10 * USEC_PER_SEC, 60, 8, 12},
                {300 * USEC_PER_SEC, 3600, 14, 18},
                {86400 * USEC_PER_SEC, 3 * 86400, 3, 5},
                {30 * 86400 * USEC_PER_SEC, 90 * 86400, 3, 5},
        };

        for (size_t i = 0; i < 2 * ELEMENTSOF(cases); i++) {
                uint64_t lifetime = cases[i / 2].lifetime_usec;
                uint64_t span = cases[i / 2].span_sec * USEC_PER_SEC, step = span / 600;
                bool greedy = i % 2 == 1, waiting = false;
                sd_bus_message *reply = NULL;
                STEPPED_FIXTURE f;

                begin(&f, lifetime);
                for (uint64_t t = 0; t < span; t += step) {
                        if (greedy && !waiting)
                                fixture_send(&f, &reply, "GetToken", "su", f.account, 0);
                        waiting = greedy;
                        asleep(&f, step);
                        if (reply) {
                                reply = sd_bus_message_unref(reply);
                                waiting = false;
                        }
                        if (lifetime >= 5 * USEC_PER_SEC && step < lifetime / 4) {
                                char key[32];

                                (void)snprintf(key, sizeof(key), "access-%u",
                                               f.gateway.n_refreshes);
                                assert(fixture_key_is(&f, key));
                        }
                }
                if (f.gateway.n_refreshes < cases[i / 2].min ||
                    f.gateway.n_refreshes > cases[i / 2].max)
                        fprintf(stderr, "%zu: %u refreshes\n", i, f.gateway.n_refreshes);
                assert(f.gateway.n_refreshes >= cases[i / 2].min);
                assert(f.gateway.n_refreshes <= cases[i / 2].max);
                sd_bus_message_unref(reply);
        }
}

int main(void) {
        if (!fixture_has_keyring())
                return 77;
        test_resume();
        test_resume_offline();
        test_lost_and_over();
        test_change_amid_brief_trouble();
        test_changes_without_end();
        test_lives();
        return 0;
}
