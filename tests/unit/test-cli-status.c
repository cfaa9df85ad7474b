/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <sys/socket.h>

#include "cli/account-view.h"
#include "cli/user-bus.h"
#include "common/names.h"
#include "common/outcome.h"

/* A message of GetManagedObjects' type, as if it had come in. */
static sd_bus_message *reply_new(sd_bus *bus, const char *names[]) {
        sd_bus_message *m = NULL;

        assert(sd_bus_message_new_signal(bus, &m, "/x", "a.b", "C") >= 0);
        assert(sd_bus_message_open_container(m, 'a', "{oa{sa{sv}}}") >= 0);
        for (size_t i = 0; names[i]; i++) {
                assert(sd_bus_message_append(m, "{oa{sa{sv}}}", "/org/a", 2, "org.other", 1, "Name",
                                             "s", "not ours", KEYRING_ACCOUNT_INTERFACE, 6, "Name",
                                             "s", names[i], "State", "s", "fresh", "Expires", "t",
                                             UINT64_C(1795266039991117), "Renewals", "u", 7u,
                                             "KeySerial", "i", -3, "Later", "as", 1,
                                             "addition") >= 0);
        }
        assert(sd_bus_message_close_container(m) >= 0);
        assert(sd_bus_message_seal(m, 1, 0) >= 0);
        assert(sd_bus_message_rewind(m, 1) >= 0);
        return m;
}

static sd_bus *bus_new(int fds[static 2]) {
        sd_bus *bus = NULL;

        assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
        assert(sd_bus_new(&bus) == 0 && sd_bus_set_fd(bus, fds[0], fds[0]) >= 0);
        assert(sd_bus_start(bus) >= 0);
        return bus;
}

static void test_views(sd_bus *bus) {
        const char *names[] = {"b", "c", "a", NULL};
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = reply_new(bus, names);
        _cleanup_(account_views_done) AccountViews views = {0};

        assert(account_views_read(reply, &views) == 0 && views.n == 3);
        assert(streq(views.views[0].name, "a") && streq(views.views[2].name, "c"));
        assert(streq(views.views[1].state, "fresh") && streq(views.views[1].issuer, ""));
        assert(views.views[1].expires_usec == UINT64_C(1795266039991117));
        assert(views.views[1].renewals == 7 && views.views[1].key_serial == -3);
        assert(views.views[1].next_refresh_usec == 0 && streq(views.views[1].last_error, ""));
}

static void test_none(sd_bus *bus) {
        const char *names[] = {NULL};
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = reply_new(bus, names);
        _cleanup_(account_views_done) AccountViews views = {0};

        assert(account_views_read(reply, &views) == 0 && views.n == 0);
}

static void test_foreign(sd_bus *bus) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(account_views_done) AccountViews views = {0};

        assert(sd_bus_message_new_signal(bus, &m, "/x", "a.b", "C") >= 0);
        assert(sd_bus_message_append(m, "s", "no accounts") >= 0);
        assert(sd_bus_message_seal(m, 1, 0) >= 0 && sd_bus_message_rewind(m, 1) >= 0);
        assert(account_views_read(m, &views) == -EBADMSG && views.n == 0);
}

static void test_exit_codes(void) {
        static const struct {
                Outcome outcome;
                ExitCode code;
        } cases[] = {
                {OUTCOME_LOGIN_REQUIRED, EXIT_CODE_LOGIN_REQUIRED},
                {OUTCOME_UNKNOWN_ACCOUNT, EXIT_CODE_NO_ACCOUNT},
                {OUTCOME_UNKNOWN_PROVIDER, EXIT_CODE_NO_ACCOUNT},
                {OUTCOME_PROVIDER_BUSY, EXIT_CODE_NOT_NOW},
                {OUTCOME_TOO_MANY_LOGINS, EXIT_CODE_NOT_NOW},
                {OUTCOME_ACCESS_DENIED, EXIT_CODE_FAILURE},
                {OUTCOME_NO_KEYRING, EXIT_CODE_NO_KEYRING},
                {OUTCOME_CONFIGURATION, EXIT_CODE_FAILURE},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert(user_bus_exit_code(outcome_error_name(cases[i].outcome)) == cases[i].code);
        assert(user_bus_exit_code("org.freedesktop.DBus.Error.ServiceUnknown") ==
               EXIT_CODE_NO_ACCOUNT);
        assert(user_bus_exit_code(NULL) == EXIT_CODE_FAILURE);
}

int main(void) {
        int fds[2];
        sd_bus *bus = bus_new(fds);

        test_views(bus);
        test_none(bus);
        test_foreign(bus);
        test_exit_codes();
        sd_bus_close_unref(bus);
        (void)close(fds[1]);
        return 0;
}
