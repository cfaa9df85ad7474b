/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <keyutils.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/clock.h"
#include "common/names.h"
#include "common/outcome.h"
#include "common/sealed-memfd.h"
#include "common/token-key.h"
#include "tests/unit/daemon-fixture.h"

#define ERROR(name) "org.oidckeyring.Error." name
#define LIFE (300 * USEC_PER_SEC)

static inline void fixture_endp(Fixture *f) {
        fixture_end(f);
}
#define FIXTURE _cleanup_(fixture_endp) Fixture
#define REPLY _cleanup_(sd_bus_message_unrefp) sd_bus_message

/* AddGrant of a grant of this age, which must succeed. */
static void add(Fixture *f, uint64_t lifetime_usec, uint64_t age_usec) {
        _cleanup_close_ int fd = fixture_grant(f, "access-0", "refresh-0", lifetime_usec, age_usec);
        REPLY *reply = fixture_call(f, "AddGrant", "h", fd);
        const char *path;

        assert(is_error(reply, NULL));
        assert(sd_bus_message_read(reply, "o", &path) > 0 && streq(path, f->path));
}

/* Of a login many of which may be at the same time: some long before three quarters of the life. */
static void test_scattered(void) {
        unsigned n_early = 0;

        for (unsigned i = 0; i < 30; i++) {
                _cleanup_free_ char *next = NULL;
                FIXTURE f;

                fixture_begin(&f);
                add(&f, LIFE, 0);
                next = fixture_property(&f, "NextRefresh");
                n_early += strtoull(next, NULL, 10) < clock_realtime_usec() + LIFE / 2;
        }
        assert(n_early > 0 && n_early < 30);
}

static void token_is(Fixture *f, sd_bus_message *reply, uint64_t lifetime_usec) {
        uint64_t expires, now = clock_realtime_usec();
        int32_t serial, found;

        assert(is_error(reply, NULL));
        assert(sd_bus_message_read(reply, "it", &serial, &expires) > 0);
        assert(token_key_find(f->account, &found) == 0 && found == serial);
        assert(expires <= now + lifetime_usec && expires > now + lifetime_usec - 5 * USEC_PER_SEC);
}

static void test_add(void) {
        FIXTURE f;

        fixture_begin(&f);
        add(&f, LIFE, 0);
        assert(fixture_key_is(&f, "access-0") && f.n_added == 1);
        assert(fixture_property_is(&f, "Name", f.account));
        assert(fixture_property_is(&f, "State", "fresh"));
        assert(fixture_property_is(&f, "Issuer", "https://id.example.com"));
        assert(fixture_property_is(&f, "Scope", "openid offline_access"));
        assert(fixture_property_is(&f, "Renewals", "0"));
        assert(fixture_property_is(&f, "LastError", ""));
        assert(!fixture_property_is(&f, "KeySerial", "0"));
        assert(!fixture_property_is(&f, "NextRefresh", "0"));

        for (unsigned i = 0; i < 10; i++) {
                REPLY *reply = fixture_call(&f, "GetToken", "su", i % 2 ? f.account : "", 60);

                token_is(&f, reply, LIFE);
        }
        assert(f.gateway.n_buses == 0); /* nobody was asked */
}

static int note_reply(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        (void)error;
        *(sd_bus_message **)userdata = sd_bus_message_ref(reply);
        return 1;
}

static void test_version(void) {
        FIXTURE f;
        REPLY *reply = NULL;
        const char *text;

        fixture_begin(&f);
        assert(sd_bus_call_method_async(f.client, NULL, NULL, KEYRING_OBJECT_PATH,
                                        "org.freedesktop.DBus.Properties", "Get", note_reply,
                                        &reply, "ss", KEYRING_INTERFACE, "Version") >= 0);
        fixture_wait(&f, &reply);
        assert(sd_bus_message_read(reply, "v", "s", &text) > 0);
        assert(streq(text, PACKAGE_VERSION));
}

static void test_not_a_grant(void) {
        FIXTURE f;
        _cleanup_close_ int writable = memfd_create("grant", MFD_CLOEXEC);
        int pipes[2];

        fixture_begin(&f);
        assert(pipe(pipes) == 0);
        for (size_t i = 0; i < 2; i++) {
                REPLY *reply = fixture_call(&f, "AddGrant", "h", i == 0 ? writable : pipes[0]);

                assert(is_error(reply, "BadGrant"));
        }
        (void)close(pipes[1]);
        (void)close(pipes[0]);
        assert(manager_n_accounts(f.manager) == 0);
}

static void test_unknown_account(void) {
        FIXTURE f;
        static const char *const members[] = {"Refresh", "Logout"};

        fixture_begin(&f);
        for (size_t i = 0; i < ELEMENTSOF(members); i++) {
                REPLY *reply = fixture_call(&f, members[i], "s", "nobody");

                assert(is_error(reply, "UnknownAccount"));
        }
        REPLY *reply = fixture_call(&f, "GetToken", "su", "", 0);
        assert(is_error(reply, "UnknownAccount"));
        REPLY *all = fixture_call(&f, "Logout", "s", "");
        assert(is_error(all, NULL));
}

/* Many callers, one request; the order of what they see. */
static void test_single_flight(void) {
        FIXTURE f;
        sd_bus_message *replies[20];

        fixture_begin(&f);
        add(&f, LIFE, 100 * USEC_PER_SEC);
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
                        token_is(&f, replies[i], LIFE);
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
        add(&f, LIFE, 100 * USEC_PER_SEC);
        for (unsigned i = 0; i < 20; i++) {
                REPLY *reply = fixture_call(&f, "GetToken", "su", f.account, 86400);

                token_is(&f, reply, LIFE);
        }
        assert(f.gateway.n_refreshes == 1);
}

static void test_timer(void) {
        FIXTURE f;

        fixture_begin(&f);
        f.gateway.lifetime_usec = 10 * USEC_PER_SEC;
        add(&f, 10 * USEC_PER_SEC, 4700 * USEC_PER_MSEC); /* due after 5.0 to 5.5 s */
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
        add(&f, LIFE, LIFE - 30 * USEC_PER_SEC);
        assert(fixture_key_is(&f, "access-0"));
        fixture_run(&f, 100 * USEC_PER_MSEC);
        assert(f.gateway.n_refreshes == 1);

        fixture_begin(&g);
        add(&g, LIFE, LIFE);
        assert(g.gateway.n_refreshes == 1 && fixture_key_is(&g, "access-1"));
}

static void test_login_over(void) {
        FIXTURE f;

        fixture_begin(&f);
        add(&f, LIFE, 100 * USEC_PER_SEC);
        f.gateway.error = ERROR("LoginRequired");
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
                {ERROR("ProviderUnreachable"), 1 * USEC_PER_SEC, 2 * USEC_PER_SEC},
                {ERROR("ProviderBusy"), 1 * USEC_PER_SEC, 2 * USEC_PER_SEC},
                {ERROR("ProviderAnswer"), 1 * USEC_PER_SEC, 2 * USEC_PER_SEC},
                {"org.freedesktop.DBus.Error.ServiceUnknown", 1 * USEC_PER_SEC, 2 * USEC_PER_SEC},
                {ERROR("ClientRefused"), 150 * USEC_PER_SEC, 300 * USEC_PER_SEC},
                {ERROR("Configuration"), 150 * USEC_PER_SEC, 300 * USEC_PER_SEC},
                {ERROR("UnknownProvider"), 150 * USEC_PER_SEC, 300 * USEC_PER_SEC},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *next = NULL, *message = NULL;
                uint64_t delay;
                FIXTURE f;

                fixture_begin(&f);
                add(&f, LIFE, 100 * USEC_PER_SEC);
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

static void test_retry(void) {
        FIXTURE f;

        fixture_begin(&f);
        add(&f, LIFE, 100 * USEC_PER_SEC);
        f.gateway.absent = true;
        REPLY *reply = fixture_call(&f, "Refresh", "s", f.account);
        assert(sd_bus_message_is_method_error(reply, SD_BUS_ERROR_FAILED));
        f.gateway.absent = false;
        fixture_run(&f, 2500 * USEC_PER_MSEC);
        assert(f.gateway.n_refreshes == 1 && fixture_property_is(&f, "State", "fresh"));
}

/* What the gateway must never answer with. */
static void test_foreign_answers(void) {
        FIXTURE f;

        fixture_begin(&f);
        add(&f, LIFE, 100 * USEC_PER_SEC);
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

/* A second login takes over; the first is revoked, with the token that it has by then. */
static void test_replacement(void) {
        _cleanup_close_ int second = -1, third = -1;
        FIXTURE f;

        fixture_begin(&f);
        add(&f, LIFE, 0);
        second = fixture_grant(&f, "access-x", "refresh-x", LIFE, 0);
        REPLY *reply = fixture_call(&f, "AddGrant", "h", second);
        assert(is_error(reply, NULL) && fixture_key_is(&f, "access-x"));
        fixture_run(&f, 50 * USEC_PER_MSEC);
        assert(f.gateway.n_revocations == 1 && streq(f.gateway.revoked, "refresh-0"));
        assert(f.n_added == 1 && manager_n_accounts(f.manager) == 1);

        /* told twice: nothing happens */
        REPLY *twice = fixture_call(&f, "AddGrant", "h", second);
        fixture_run(&f, 50 * USEC_PER_MSEC);
        assert(is_error(twice, NULL) && f.gateway.n_revocations == 1);

        /* while a refresh of the former is in flight */
        f.gateway.hold = true;
        REPLY *waiting = NULL;
        fixture_send(&f, &waiting, "Refresh", "s", f.account);
        fixture_run(&f, 50 * USEC_PER_MSEC);
        third = fixture_grant(&f, "access-y", "refresh-y", LIFE, 0);
        REPLY *again = fixture_call(&f, "AddGrant", "h", third);
        fixture_wait(&f, &waiting);
        assert(is_error(again, NULL) && is_error(waiting, NULL));
        assert(f.gateway.n_revocations == 1);
        fixture_release(&f);
        fixture_run(&f, 50 * USEC_PER_MSEC);
        assert(f.gateway.n_revocations == 2 && streq(f.gateway.revoked, "refresh-1"));
        assert(fixture_key_is(&f, "access-y") && fixture_property_is(&f, "State", "fresh"));
}

static void test_logout(void) {
        FIXTURE f;

        fixture_begin(&f);
        add(&f, LIFE, 0);
        REPLY *reply = fixture_call(&f, "Logout", "s", "");
        assert(is_error(reply, NULL) && fixture_key_is(&f, NULL));
        assert(f.gateway.n_revocations == 1 && streq(f.gateway.revoked, "refresh-0"));
        assert(f.n_removed == 1 && fixture_property_is(&f, "State", ""));

        /* the provider cannot be told: logged out here all the same */
        add(&f, LIFE, 0);
        f.gateway.error = ERROR("ProviderUnreachable");
        REPLY *deaf = fixture_call(&f, "Logout", "s", f.account);
        assert(is_error(deaf, "ProviderUnreachable") && fixture_key_is(&f, NULL));
        f.gateway.error = NULL;

        /* in the middle of a refresh: what it brings is revoked, and published nowhere */
        REPLY *waiting = NULL, *late = NULL;
        add(&f, LIFE, 0);
        f.gateway.hold = true;
        fixture_send(&f, &waiting, "Refresh", "s", f.account);
        fixture_run(&f, 50 * USEC_PER_MSEC);
        fixture_send(&f, &late, "Logout", "s", f.account);
        fixture_wait(&f, &waiting);
        assert(is_error(waiting, "UnknownAccount") && !late && fixture_key_is(&f, NULL));
        fixture_release(&f);
        fixture_wait(&f, &late);
        assert(is_error(late, NULL) && streq(f.gateway.revoked, "refresh-1"));
        assert(fixture_key_is(&f, NULL));
}

static void test_leave(void) {
        FIXTURE stop, restart, slow;
        uint64_t begin;

        fixture_begin(&stop);
        add(&stop, LIFE, 0);
        manager_leave(stop.manager, false);
        assert(sd_event_loop(stop.event) == 0);
        assert(fixture_key_is(&stop, NULL) && streq(stop.gateway.revoked, "refresh-0"));

        fixture_begin(&restart);
        add(&restart, LIFE, 0);
        manager_leave(restart.manager, true);
        assert(sd_event_loop(restart.event) == 0);
        assert(fixture_key_is(&restart, "access-0") && restart.gateway.n_buses == 0);

        /* a gateway that never answers cannot keep a session from ending */
        fixture_begin(&slow);
        add(&slow, LIFE, 0);
        slow.gateway.hold = true;
        REPLY *waiting = NULL;
        fixture_send(&slow, &waiting, "Refresh", "s", slow.account);
        fixture_run(&slow, 50 * USEC_PER_MSEC);
        begin = clock_boottime_usec();
        manager_leave(slow.manager, false);
        assert(sd_event_loop(slow.event) == 0 && fixture_key_is(&slow, NULL));
        assert(clock_boottime_usec() - begin < 15 * USEC_PER_SEC); /* TimeoutStopSec= */
}

static bool token_file_is(sd_bus_message *reply, const char *token) {
        _cleanup_(secret_freep) Secret *read = NULL;
        uint64_t expires, now = clock_realtime_usec();
        int fd;

        assert(is_error(reply, NULL) && sd_bus_message_read(reply, "ht", &fd, &expires) > 0);
        assert(expires > now && expires <= now + LIFE);
        assert(sealed_memfd_read(fd, GRANT_TOKEN_MAX, &read) == 0);
        return streq(secret_bytes(read), token);
}

/* Whatever another process of the user has done to the key, whoever asks finds it mended. */
static void test_key_is_mended(void) {
        static const char *const ways[] = {"GetToken", "ReadToken", "GetManagedObjects"};
        FIXTURE f;

        fixture_begin(&f);
        add(&f, LIFE, 0);
        for (size_t i = 0; i < 2 * ELEMENTSOF(ways); i++) {
                const char *way = ways[i / 2];
                int32_t serial;

                assert(token_key_find(f.account, &serial) == 0);
                if (i % 2 == 0)
                        assert(keyctl_update(serial, "evil", 4) == 0);
                else
                        assert(token_key_remove(f.account) == 0);
                REPLY *reply = streq(way, "GetManagedObjects")
                                       ? fixture_call_objects(&f)
                                       : fixture_call(&f, way, "su", f.account, 60);
                assert(is_error(reply, NULL) && fixture_key_is(&f, "access-0"));
        }
        assert(f.gateway.n_buses == 0);
}

static void test_read_token(void) {
        FIXTURE f;

        fixture_begin(&f);
        REPLY *none = fixture_call(&f, "ReadToken", "su", "", 0);
        assert(is_error(none, "UnknownAccount"));
        add(&f, LIFE, 100 * USEC_PER_SEC);
        REPLY *there = fixture_call(&f, "ReadToken", "su", f.account, 60);
        assert(token_file_is(there, "access-0") && f.gateway.n_refreshes == 0);
        REPLY *longer = fixture_call(&f, "ReadToken", "su", "", 250);
        assert(token_file_is(longer, "access-1") && fixture_key_is(&f, "access-1"));

        REPLY *most = fixture_call(&f, "ReadToken", "su", f.account, 86400);
        assert(token_file_is(most, "access-1") && f.gateway.n_refreshes == 1);
}

/* After the clock was set the key's timeout is counted anew. */
static void test_republish(void) {
        _cleanup_(secret_freep) Secret *token = NULL;
        uint64_t remaining = 0;
        int32_t serial;
        FIXTURE f;

        fixture_begin(&f);
        add(&f, LIFE, 0);
        assert(token_key_find(f.account, &serial) == 0);
        assert(keyctl_set_timeout(serial, 86400) == 0);
        manager_republish(f.manager);
        assert(token_key_find(f.account, &serial) == 0);
        assert(token_key_read(serial, &token, &remaining) == 0);
        assert(remaining <= LIFE / USEC_PER_SEC && fixture_key_is(&f, "access-0"));
}

/* A token that the kernel does not take (a key of type user has 32767 bytes at most, and the quota
 * ends before 60000): everything goes on but for the key, which is there as soon as it can be. */
static void test_no_keyring(void) {
        char large[60001] = "";
        _cleanup_close_ int fd = -1;
        FIXTURE f;

        fixture_begin(&f);
        add(&f, LIFE, 0);
        memset(large, 'x', sizeof(large) - 1);
        f.gateway.token = large;
        REPLY *renewal = fixture_call(&f, "Refresh", "s", f.account);
        assert(is_error(renewal, "NoKeyring") && fixture_property_is(&f, "State", "fresh"));
        assert(fixture_key_is(&f, "access-0")); /* still good */

        fd = fixture_grant(&f, large, "refresh-large", LIFE, 0);
        REPLY *reply = fixture_call(&f, "AddGrant", "h", fd);
        assert(is_error(reply, "NoKeyring"));
        assert(fixture_key_is(&f, NULL)); /* what it held is of a login that is revoked */
        assert(fixture_property_is(&f, "State", "fresh"));
        assert(fixture_property_is(&f, "KeySerial", "0"));
        assert(fixture_property_is(&f, "LastError", outcome_message(OUTCOME_NO_KEYRING)));
        REPLY *token = fixture_call(&f, "GetToken", "su", f.account, 60);
        assert(is_error(token, "NoKeyring"));
        REPLY *file = fixture_call(&f, "ReadToken", "su", f.account, 60);
        assert(token_file_is(file, large));
        assert(fixture_property_is(&f, "LastError", outcome_message(OUTCOME_NO_KEYRING)));

        f.gateway.token = NULL;
        REPLY *refresh = fixture_call(&f, "Refresh", "s", f.account);
        assert(is_error(refresh, NULL) && fixture_key_is(&f, "access-1"));
        assert(fixture_property_is(&f, "LastError", ""));
}

/* The service manager's side: each message, its sequence, and what the key holds at that moment. */
typedef struct Store {
        int socket;
        const char *account;
        char log[1024];
} Store;

static void store_note(Store *store, const char *message) {
        _cleanup_(secret_freep) Secret *token = NULL;
        const char *dot = strrchr(message, '.');
        size_t length = strlen(store->log);
        int32_t serial;

        /* The daemon waits until a grant is taken, but not until one is let go. */
        if (strncmp(message, "FDSTOREREMOVE", 13) != 0 &&
            token_key_find(store->account, &serial) == 0)
                (void)token_key_read(serial, &token, NULL);
        (void)snprintf(store->log + length, sizeof(store->log) - length, "%.*s%s/%s ",
                       (int)strcspn(message, "="), message, dot ? dot : "",
                       token ? secret_bytes(token) : "none");
}

static void *store_run(void *userdata) {
        Store *store = userdata;

        for (;;) {
                char message[256] = "", control[CMSG_SPACE(4 * sizeof(int))];
                struct iovec iov = {message, sizeof(message) - 1};
                struct msghdr msg = {.msg_iov = &iov,
                                     .msg_iovlen = 1,
                                     .msg_control = control,
                                     .msg_controllen = sizeof(control)};

                assert(recvmsg(store->socket, &msg, 0) > 0);
                if (streq(message, "END"))
                        return NULL;
                store_note(store, message);
                for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
                        if (c->cmsg_type == SCM_RIGHTS)
                                (void)close(*(int *)(void *)CMSG_DATA(c));
        }
}

/* Stored first, then published, then the older one is let go. */
static void test_order(void) {
        static const char expected[] =
                "FDSTORE.1/none BARRIER/none FDSTORE.2/access-0 BARRIER/access-0 "
                "FDSTOREREMOVE.1/none FDSTOREREMOVE.2/none ";
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        _cleanup_close_ int sender = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        Store store = {.socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
        socklen_t length;
        pthread_t thread;
        char name[64];
        FIXTURE f;

        fixture_begin(&f);
        store.account = f.account;
        (void)snprintf(name, sizeof(name), "@oidc-keyring-order-%d", (int)getpid());
        memcpy(address.sun_path + 1, name + 1, strlen(name + 1));
        length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
        assert(bind(store.socket, (struct sockaddr *)&address, length) == 0);
        assert(pthread_create(&thread, NULL, store_run, &store) == 0);
        assert(setenv("NOTIFY_SOCKET", name, 1) == 0);
        add(&f, LIFE, 0);
        REPLY *refresh = fixture_call(&f, "Refresh", "s", f.account);
        assert(is_error(refresh, NULL));
        REPLY *logout = fixture_call(&f, "Logout", "s", f.account);
        assert(is_error(logout, NULL));
        assert(unsetenv("NOTIFY_SOCKET") == 0);
        assert(sendto(sender, "END", 3, 0, (struct sockaddr *)&address, length) == 3);
        assert(pthread_join(thread, NULL) == 0);
        (void)close(store.socket);
        if (!streq(store.log, expected))
                fprintf(stderr, "%s\n", store.log);
        assert(streq(store.log, expected));
}

int main(void) {
        if (!fixture_has_keyring())
                return 77;
        test_add();
        test_scattered();
        test_version();
        test_not_a_grant();
        test_unknown_account();
        test_single_flight();
        test_greedy_caller();
        test_timer();
        test_late_grants();
        test_login_over();
        test_offline();
        test_retry();
        test_foreign_answers();
        test_not_renewable();
        test_replacement();
        test_logout();
        test_leave();
        test_key_is_mended();
        test_read_token();
        test_republish();
        test_no_keyring();
        test_order();
        return 0;
}
