/* SPDX-License-Identifier: MIT */

/* The daemon's interface: grants that come, take each other's place and go. */

#undef NDEBUG
#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/clock.h"
#include "common/names.h"
#include "common/token-key.h"
#include "tests/unit/daemon-fixture.h"

static void test_add(void) {
        FIXTURE f;

        fixture_begin(&f);
        fixture_add(&f, LIFE, 0);
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

                fixture_token_is(&f, reply, LIFE);
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

/* A second login takes over; the first is revoked, with the token that it has by then. */
static void test_replacement(void) {
        _cleanup_close_ int second = -1, third = -1;
        FIXTURE f;

        fixture_begin(&f);
        fixture_add(&f, LIFE, 0);
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

/* Where revoking it would end the new login as well. */
static void test_replacement_that_is_kept(void) {
        _cleanup_close_ int plain = -1, second = -1;
        _cleanup_(grant_freep) Grant *grant = NULL;
        FIXTURE f;

        fixture_begin(&f);
        fixture_add(&f, LIFE, 0);
        plain = fixture_grant(&f, "access-x", "refresh-x", LIFE, 0);
        assert(grant_unseal(plain, &grant) == 0);
        grant->keep_replaced = 1;
        assert(grant_seal(grant, &second) == 0);
        REPLY *reply = fixture_call(&f, "AddGrant", "h", second);
        assert(is_error(reply, NULL) && fixture_key_is(&f, "access-x"));
        fixture_run(&f, 50 * USEC_PER_MSEC);
        assert(f.gateway.n_revocations == 0);
        REPLY *logout = fixture_call(&f, "Logout", "s", "");
        assert(is_error(logout, NULL));
        assert(f.gateway.n_revocations == 1 && streq(f.gateway.revoked, "refresh-x"));
}

/* A system bus that takes connections and does nothing about them holds nobody up. */
static void note_ready(void *userdata) {
        ++*(unsigned *)userdata;
}

/* As a daemon begins. */
static void restore_kept(Fixture *f, unsigned *n_ready) {
        *n_ready = 0;
        assert(manager_restore_kept(f->manager, note_ready, n_ready) == 0 && *n_ready == 0);
        while (*n_ready == 0)
                assert(sd_event_run(f->event, UINT64_MAX) >= 0);
}

static void test_nothing_kept(void) {
        unsigned n_ready;
        FIXTURE f;

        fixture_begin(&f);
        restore_kept(&f, &n_ready);
        assert(manager_n_accounts(f.manager) == 0);
}

static void test_kept_and_asked_for(void) {
        unsigned n_ready;
        FIXTURE f;

        fixture_begin(&f);
        f.gateway.kept = f.account;
        restore_kept(&f, &n_ready);
        assert(manager_n_accounts(f.manager) == 1 && fixture_key_is(&f, NULL));
        assert(fixture_property_is(&f, "Expires", "0") &&
               fixture_property_is(&f, "KeptOnDisk", "1"));
        REPLY *reply = fixture_call(&f, "GetToken", "su", f.account, 0);
        assert(is_error(reply, NULL) && fixture_key_is(&f, "access-1"));
        fixture_run(&f, 3 * USEC_PER_SEC); /* nor is it asked for again by itself */
        assert(n_ready == 1 && f.gateway.n_refreshes == 1);
}

/* It renews itself without anybody asking. */
static void test_kept_and_not_asked_for(void) {
        unsigned n_ready;
        FIXTURE f;

        fixture_begin(&f);
        f.gateway.kept = f.account;
        restore_kept(&f, &n_ready);
        while (f.gateway.n_refreshes == 0)
                assert(sd_event_run(f.event, UINT64_MAX) >= 0);
}

/* The token that a daemon before left is as good as it was, until nobody knows when it ends. */
static void test_kept_and_a_key(void) {
        _cleanup_(secret_freep) Secret *token = NULL;
        unsigned n_ready;
        int32_t serial;
        FIXTURE f;

        fixture_begin(&f);
        f.gateway.kept = f.account;
        f.gateway.hold = true;
        assert(secret_new_copy("before", 6, &token) == 0);
        assert(token_key_publish(f.account, token, LIFE, &serial) == 0);
        restore_kept(&f, &n_ready);
        assert(fixture_property_is(&f, "Expires", "0") && fixture_key_is(&f, "before"));
        manager_clock_was_set(f.manager);
        assert(fixture_key_is(&f, NULL));
}

/* A login starts the daemon, which is given the login by the gateway before the module does. */
static void test_kept_and_just_logged_in(void) {
        unsigned n_ready;
        FIXTURE f;

        fixture_begin(&f);
        f.gateway.kept = f.account;
        restore_kept(&f, &n_ready);
        fixture_add(&f, LIFE, 0);
        assert(fixture_key_is(&f, "access-0") && fixture_property_is(&f, "State", "fresh"));
        assert(f.n_added == 1 && f.gateway.n_refreshes == 0 && f.gateway.n_revocations == 0);

        /* the same while it is being renewed: what comes of that is newer */
        FIXTURE g;
        fixture_begin(&g);
        g.gateway.kept = g.account;
        g.gateway.hold = true;
        restore_kept(&g, &n_ready);
        while (g.gateway.n_refreshes == 0)
                assert(sd_event_run(g.event, UINT64_MAX) >= 0);
        fixture_add(&g, LIFE, 0);
        assert(fixture_key_is(&g, "access-0"));
        fixture_release(&g);
        fixture_run(&g, 50 * USEC_PER_MSEC);
        assert(fixture_key_is(&g, "access-1") && g.gateway.n_revocations == 0);
        assert(fixture_property_is(&g, "State", "fresh"));
}

/* The module comes when it is renewed already: its grant is used up, and of the same login. */
static void test_kept_and_renewed_before_the_login(void) {
        unsigned n_ready;
        FIXTURE f;

        fixture_begin(&f);
        f.gateway.kept = f.account;
        restore_kept(&f, &n_ready);
        REPLY *reply = fixture_call(&f, "GetToken", "su", f.account, 0);
        assert(is_error(reply, NULL) && fixture_key_is(&f, "access-1"));
        fixture_add(&f, LIFE, 0);
        fixture_run(&f, 50 * USEC_PER_MSEC);
        assert(fixture_key_is(&f, "access-1") && f.gateway.n_revocations == 0);
        assert(manager_n_accounts(f.manager) == 1 && fixture_property_is(&f, "State", "fresh"));
}

/* Who does not answer is asked again, and nobody waits for that. */
static void test_kept_and_no_gateway(void) {
        unsigned n_ready;
        FIXTURE f;

        fixture_begin(&f);
        f.gateway.absent = true;
        restore_kept(&f, &n_ready);
        f.gateway.absent = false;
        f.gateway.kept = f.account;
        while (manager_n_accounts(f.manager) == 0)
                assert(sd_event_run(f.event, UINT64_MAX) >= 0);
        assert(n_ready == 1);
}

static void test_stuck_bus(void) {
        sd_bus_message *waiting = NULL, *logout = NULL;
        FIXTURE f;

        fixture_begin(&f);
        fixture_add(&f, LIFE, 0);
        f.gateway.stuck = true;
        fixture_send(&f, &waiting, "Refresh", "s", f.account);
        fixture_run(&f, 50 * USEC_PER_MSEC);
        assert(!waiting && f.gateway.n_buses == 1);
        fixture_send(&f, &logout, "Logout", "s", f.account);
        fixture_run(&f, 50 * USEC_PER_MSEC);
        assert(!logout && fixture_key_is(&f, NULL));
        (void)alarm(10); /* instead of for ever */
        manager_free(TAKE_PTR(f.manager));
        (void)alarm(0);
        sd_bus_message_unref(waiting);
}

static void test_logout(void) {
        FIXTURE f;

        fixture_begin(&f);
        fixture_add(&f, LIFE, 0);
        REPLY *reply = fixture_call(&f, "Logout", "s", "");
        assert(is_error(reply, NULL) && fixture_key_is(&f, NULL));
        assert(f.gateway.n_revocations == 1 && streq(f.gateway.revoked, "refresh-0"));
        assert(f.n_removed == 1 && fixture_property_is(&f, "State", ""));

        /* the provider cannot be told: logged out here all the same */
        fixture_add(&f, LIFE, 0);
        f.gateway.error = GATEWAY_ERROR("ProviderUnreachable");
        REPLY *deaf = fixture_call(&f, "Logout", "s", f.account);
        assert(is_error(deaf, "ProviderUnreachable") && fixture_key_is(&f, NULL));
        f.gateway.error = NULL;

        /* in the middle of a refresh: what it brings is revoked, and published nowhere */
        REPLY *waiting = NULL, *late = NULL;
        fixture_add(&f, LIFE, 0);
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
        fixture_add(&stop, LIFE, 0);
        manager_leave(stop.manager, false);
        assert(sd_event_loop(stop.event) == 0);
        assert(fixture_key_is(&stop, NULL) && streq(stop.gateway.revoked, "refresh-0"));

        fixture_begin(&restart);
        fixture_add(&restart, LIFE, 0);
        manager_leave(restart.manager, true);
        assert(sd_event_loop(restart.event) == 0);
        assert(fixture_key_is(&restart, "access-0") && restart.gateway.n_buses == 0);

        /* a gateway that never answers cannot keep a session from ending */
        fixture_begin(&slow);
        fixture_add(&slow, LIFE, 0);
        slow.gateway.hold = true;
        REPLY *waiting = NULL;
        fixture_send(&slow, &waiting, "Refresh", "s", slow.account);
        fixture_run(&slow, 50 * USEC_PER_MSEC);
        begin = clock_boottime_usec();
        manager_leave(slow.manager, false);
        assert(sd_event_loop(slow.event) == 0 && fixture_key_is(&slow, NULL));
        assert(clock_boottime_usec() - begin < 15 * USEC_PER_SEC); /* TimeoutStopSec= */
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

/* Stored first, then published, then the older one is let go; and before the gateway is asked, that
 * it was. */
static void test_order(void) {
        static const char expected[] =
                "FDSTORE.1/none BARRIER/none FDSTORE.2/access-0 BARRIER/access-0 "
                "FDSTOREREMOVE.1/none FDSTORE.3/access-0 BARRIER/access-0 "
                "FDSTOREREMOVE.2/none FDSTOREREMOVE.3/none ";
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
        fixture_add(&f, LIFE, 0);
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
        test_version();
        test_not_a_grant();
        test_unknown_account();
        test_replacement();
        test_replacement_that_is_kept();
        test_nothing_kept();
        test_kept_and_asked_for();
        test_kept_and_not_asked_for();
        test_kept_and_a_key();
        test_kept_and_just_logged_in();
        test_kept_and_renewed_before_the_login();
        test_kept_and_no_gateway();
        test_stuck_bus();
        test_logout();
        test_leave();
        test_order();
        return 0;
}
