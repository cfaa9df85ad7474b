/* SPDX-License-Identifier: MIT */

/* What the daemon keeps where memory, a system call or the keyring fails: a grant is taken in whole
 * or not at all, the one before it stays until then, and the key never holds anything else than the
 * token of one of the two. */

#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <keyutils.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include "common/clock.h"
#include "common/outcome.h"
#include "common/token-key.h"
#include "tests/unit/daemon-fixture.h"
#include "tests/unit/fail-nth.h"

/* libkeyutils makes its system calls by itself. */
#define WRAP(type, name, parameters, arguments)          \
        type __real_##name parameters;                   \
        type __wrap_##name parameters;                   \
        type __wrap_##name parameters {                  \
                if (!fail_nth_system_call_fails(EDQUOT)) \
                        return __real_##name arguments;  \
                return -1;                               \
        }                                                \
        struct _semicolon_eater_

WRAP(key_serial_t, add_key,
     (const char *type, const char *description, const void *payload, size_t size,
      key_serial_t ring),
     (type, description, payload, size, ring));
WRAP(long, keyctl_search,
     (key_serial_t ring, const char *type, const char *description, key_serial_t destination),
     (ring, type, description, destination));
WRAP(long, keyctl_update, (key_serial_t id, const void *payload, size_t size), (id, payload, size));
WRAP(long, keyctl_set_timeout, (key_serial_t id, unsigned seconds), (id, seconds));
WRAP(long, keyctl_setperm, (key_serial_t id, key_perm_t permissions), (id, permissions));
WRAP(long, keyctl_link, (key_serial_t id, key_serial_t ring), (id, ring));

static bool key_is_one_of(const Fixture *f, const char *a, const char *b) {
        _cleanup_(secret_freep) Secret *read = NULL;
        int32_t serial;

        if (token_key_find(f->account, &serial) < 0)
                return true; /* none is no wrong one */
        assert(token_key_read(serial, &read, NULL) == 0);
        return streq(secret_bytes(read), a) || streq(secret_bytes(read), b);
}

static int try_token_key(void) {
        _cleanup_(secret_freep) Secret *first = NULL, *second = NULL;
        Fixture f;
        int32_t serial;
        int r;

        fixture_begin(&f);
        assert(secret_new_copy("first", 5, &first) == 0);
        assert(secret_new_copy("second", 6, &second) == 0);
        r = FAIL_NTH(token_key_publish(f.account, first, LIFE, &serial));
        if (r == 0) {
                assert(fixture_key_is(&f, "first"));
                r = FAIL_NTH(token_key_publish(f.account, second, LIFE, &serial));
                assert(r == 0 ? fixture_key_is(&f, "second")
                              : key_is_one_of(&f, "first", "second"));
        } else
                assert(fixture_key_is(&f, NULL));
        fixture_end(&f);
        return r;
}

/* The first grant of an account. */
static int try_add(void) {
        _cleanup_close_ int fd = -1;
        Account *account = NULL;
        Fixture f;
        int r;

        fixture_begin(&f);
        fd = fixture_grant(&f, "access-0", "refresh-0", LIFE, 0);
        r = FAIL_NTH(manager_add_grant(f.manager, fd, &account));
        assert(manager_n_accounts(f.manager) == (r == 0 ? 1 : 0));
        if (r == 0) {
                assert(account == manager_find(f.manager, f.account));
                assert(account_grant(account)->lifetime_usec == LIFE);
                r = account_key_serial(account) == 0 ? OUTCOME_NO_KEYRING : 0;
                assert(fixture_key_is(&f, r == 0 ? "access-0" : NULL));
        } else
                assert(key_is_one_of(&f, "access-0", "access-0"));
        fixture_end(&f);
        return r;
}

/* Another login of the same account. */
static int try_replace(void) {
        _cleanup_close_ int fd = -1, newer = -1;
        Account *account = NULL;
        Fixture f;
        int r;

        fixture_begin(&f);
        f.gateway.absent = true; /* what is replaced would be revoked */
        fd = fixture_grant(&f, "access-0", "refresh-0", LIFE, 0);
        newer = fixture_grant(&f, "access-1", "refresh-1", 2 * LIFE, 0);
        assert(manager_add_grant(f.manager, fd, &account) == 0 && fixture_key_is(&f, "access-0"));
        r = FAIL_NTH(manager_add_grant(f.manager, newer, &account));
        assert(manager_n_accounts(f.manager) == 1);
        account = manager_find(f.manager, f.account);
        assert(account_grant(account)->lifetime_usec == (r == 0 ? 2 * LIFE : LIFE));
        assert(r == 0 ? key_is_one_of(&f, "access-0", "access-1") : fixture_key_is(&f, "access-0"));
        if (r == 0 && !fail_nth_injected())
                assert(fixture_key_is(&f, "access-1"));
        fixture_end(&f);
        return r;
}

/* The same while a refresh of the former login is in flight: its answer is never taken for one of
 * the new login. */
static int try_replace_while_refreshing(void) {
        _cleanup_close_ int fd = -1, newer = -1;
        Account *account = NULL;
        Fixture f;
        int r;

        fixture_begin(&f);
        f.gateway.hold = true;
        fd = fixture_grant(&f, "access-0", "refresh-0", LIFE, LIFE - USEC_PER_SEC / 2);
        newer = fixture_grant(&f, "access-new", "refresh-new", 2 * LIFE, 0);
        assert(manager_add_grant(f.manager, fd, &account) == 0);
        while (!f.gateway.held)
                assert(sd_event_run(f.event, 10 * USEC_PER_SEC) >= 0);
        r = FAIL_NTH(manager_add_grant(f.manager, newer, &account));
        fixture_release(&f);
        while (sd_event_run(f.event, 20 * USEC_PER_MSEC) > 0)
                ;
        account = manager_find(f.manager, f.account);
        assert(account_grant(account)->generation == (r == 0 ? 0 : 1));
        assert(r == 0 ? key_is_one_of(&f, "access-new", "access-new")
                      : fixture_key_is(&f, "access-1"));
        if (r == 0 && fail_nth_injected() && f.gateway.n_revocations == 0)
                r = -EMFILE; /* that of the former login is the one thing that may fail */
        assert(r != 0 || streq(f.gateway.revoked, "refresh-1"));
        fixture_end(&f);
        return r;
}

static void on_done(void *userdata, const Account *account, int result, const char *message) {
        int *told = userdata;

        (void)account, (void)message;
        assert(*told == INT32_MIN);
        *told = result;
}

/* Asked for, and on its way or refused. */
static int try_refresh(void) {
        _cleanup_close_ int fd = -1;
        Account *account = NULL;
        int told = INT32_MIN;
        Fixture f;

        fixture_begin(&f);
        f.gateway.absent = true;
        fd = fixture_grant(&f, "access-0", "refresh-0", LIFE, 100 * USEC_PER_SEC);
        assert(manager_add_grant(f.manager, fd, &account) == 0);
        fail_nth_arm();
        account_refresh(account, on_done, &told);
        fail_nth_disarm();
        while (told == INT32_MIN)
                assert(sd_event_run(f.event, 10 * USEC_PER_SEC) >= 0);
        assert(told != 0 && told != OUTCOME_LOGIN_REQUIRED);
        assert(fixture_key_is(&f, "access-0"));
        fixture_end(&f);
        return told == -ECONNREFUSED ? 0 : told;
}

/* What the service manager hands over, and hears: a grant, one before it, and no grant. */
#define STORED 3
#define STORE "@oidc-keyring-test-fail-daemon"

static int store_begin(const Fixture *f) {
        static const char *const tokens[] = {"access-old", "access-new"};
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        static char names[200]; /* setenv() would keep every value for ever */
        char pid[16];
        int store;

        for (int i = 0; i < STORED; i++) {
                _cleanup_close_ int fd = i < 2 ? fixture_grant(f, tokens[i], "refresh-0",
                                                               LIFE * (uint64_t)(i + 1), 0)
                                               : open("/dev/null", O_RDONLY | O_CLOEXEC);

                assert(dup2(fd, SD_LISTEN_FDS_START + i) == SD_LISTEN_FDS_START + i);
        }
        (void)snprintf(names, sizeof(names), "LISTEN_FDNAMES=grant.%s.6:grant.%s.7:grant.none.1",
                       f->account, f->account);
        (void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
        assert(setenv("LISTEN_PID", pid, 1) == 0 && setenv("LISTEN_FDS", "3", 1) == 0 &&
               putenv(names) == 0 && setenv("NOTIFY_SOCKET", STORE, 1) == 0);
        memcpy(address.sun_path + 1, STORE + 1, strlen(STORE + 1));
        store = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert(bind(store, (struct sockaddr *)&address,
                    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(STORE))) == 0);
        return store;
}

/* Ends it; how many were taken out of it, and whether the newest grant was. */
static unsigned store_end(const Fixture *f, int store, bool *ret_newest) {
        char newest[160], message[160];
        unsigned n = 0;
        ssize_t size;

        *ret_newest = false;
        (void)snprintf(newest, sizeof(newest), "FDSTOREREMOVE=1\nFDNAME=grant.%s.7", f->account);
        while ((size = recv(store, message, sizeof(message) - 1, 0)) > 0) {
                message[size] = '\0';
                n++;
                *ret_newest = *ret_newest || streq(message, newest);
        }
        (void)close(store);
        assert(unsetenv("LISTEN_PID") == 0 && unsetenv("LISTEN_FDS") == 0 &&
               unsetenv("LISTEN_FDNAMES") == 0 && unsetenv("NOTIFY_SOCKET") == 0);
        return n;
}

/* What the process before has left: where not all of it can be had, the newest is neither taken out
 * of the store, nor is the one before it taken for it. */
static int try_restore(void) {
        int r, store, places[STORED];
        bool newest_gone;
        unsigned n_gone;
        Fixture f;

        for (int i = 0; i < STORED; i++) {
                places[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
                assert(places[i] == SD_LISTEN_FDS_START + i); /* nobody else's */
        }
        fixture_begin(&f);
        store = store_begin(&f);
        r = FAIL_NTH(manager_restore(f.manager));
        n_gone = store_end(&f, store, &newest_gone);
        assert(!newest_gone);
        if (r == 0) {
                assert(manager_n_accounts(f.manager) == 1);
                assert(account_grant(manager_account(f.manager, 0))->lifetime_usec == 2 * LIFE);
                r = account_key_serial(manager_account(f.manager, 0)) ? 0 : OUTCOME_NO_KEYRING;
                assert(n_gone == 2 || fail_nth_injected()); /* telling the store is best effort */
        }
        assert(key_is_one_of(&f, "access-new", "access-new"));
        fixture_end(&f);
        for (int i = 0; i < STORED; i++) /* what was not come to */
                (void)close(SD_LISTEN_FDS_START + i);
        return r;
}

int main(void) {
        (void)closefrom(SD_LISTEN_FDS_START);
        if (!fail_nth_works()) {
                (void)puts("a sanitizer has malloc() itself");
                return 77;
        }
        if (!fixture_has_keyring()) {
                (void)puts("no keyrings here");
                return 77;
        }
        fail_nth_run("token key", try_token_key);
        fail_nth_run("add grant", try_add);
        fail_nth_run("replace grant", try_replace);
        fail_nth_run("replace grant while refreshing", try_replace_while_refreshing);
        fail_nth_run("refresh", try_refresh);
        fail_nth_run("restore", try_restore);
        return 0;
}
