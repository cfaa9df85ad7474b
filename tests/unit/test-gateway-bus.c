/* SPDX-License-Identifier: MIT */

/* The D-Bus face over a socket pair, with a provider that is not there: types, errors, and that a
 * call is answered once. */

#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "common/names.h"
#include "common/sealed-memfd.h"
#include "gateway/manager.h"
#include "tests/unit/fake-provider.h"

typedef struct Reply {
        bool here;
        sd_bus_message *message;
} Reply;

static sd_event *event;
static sd_bus *server, *client;
static Manager *manager;
static char *user;

static void setup(const char *more) {
        char config[256];
        sd_id128_t id;
        int fds[2];

        (void)snprintf(config, sizeof(config), "min_uid = 1\n%s", more ? more : "");
        fake_provider_reset(config);
        assert(sd_event_new(&event) >= 0);
        assert(manager_new(event, fake_provider_root(), &manager) == 0);
        assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
        assert(sd_id128_randomize(&id) >= 0);

        assert(sd_bus_new(&server) >= 0 && sd_bus_set_fd(server, fds[0], fds[0]) >= 0);
        assert(sd_bus_set_server(server, 1, id) >= 0 && sd_bus_negotiate_fds(server, 1) >= 0);
        assert(sd_bus_start(server) >= 0 && manager_attach(manager, server) >= 0);
        assert(sd_bus_attach_event(server, event, SD_EVENT_PRIORITY_NORMAL) >= 0);

        assert(sd_bus_new(&client) >= 0 && sd_bus_set_fd(client, fds[1], fds[1]) >= 0);
        assert(sd_bus_negotiate_fds(client, 1) >= 0 && sd_bus_start(client) >= 0);
        assert(sd_bus_attach_event(client, event, SD_EVENT_PRIORITY_NORMAL) >= 0);
}

static void teardown(void) {
        manager = manager_free(manager);
        sd_bus_flush_close_unref(client);
        sd_bus_flush_close_unref(server);
        event = sd_event_unref(event);
}

static int on_reply(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Reply *reply = userdata;

        (void)error;
        assert(!reply->here);
        reply->here = true;
        reply->message = sd_bus_message_ref(message);
        return 1;
}

static void reply_done(Reply *reply) {
        sd_bus_message_unref(reply->message);
}

static void call_start(Reply *reply, const char *method, const char *types, ...) {
        va_list arguments;

        *reply = (Reply){0};
        va_start(arguments, types);
        assert(sd_bus_call_method_asyncv(client, NULL, NULL, GATEWAY_OBJECT_PATH, GATEWAY_INTERFACE,
                                         method, on_reply, reply, types, arguments) >= 0);
        va_end(arguments);
}

/* The answer, or the error's last word in *ret_error. */
static sd_bus_message *call_finish(Reply *reply, const char **ret_error) {
        const sd_bus_error *error;

        fake_provider_run(event, &reply->here);
        error = sd_bus_message_get_error(reply->message);
        *ret_error = error ? strrchr(error->name, '.') + 1 : NULL;
        return reply->message;
}

static void expect_error(Reply *reply, const char *name) {
        const char *error;

        (void)call_finish(reply, &error);
        if (!error || !streq(error, name))
                (void)fprintf(stderr, "%s instead of %s\n", error ? error : "success", name);
        assert(error && streq(error, name));
        reply_done(reply);
}

static char *begin(void) {
        const char *id, *uri, *complete, *code, *qr, *error;
        sd_bus_message *message;
        uint64_t expires_usec;
        Reply reply;
        char *copy;

        call_start(&reply, "BeginLogin", "ssssss", "", user, "sshd", "192.0.2.1", "ssh", "ascii");
        message = call_finish(&reply, &error);
        assert(!error);
        assert(sd_bus_message_read(message, "ssssts", &id, &uri, &complete, &code, &expires_usec,
                                   &qr) > 0);
        assert(strlen(id) == 32 && strspn(id, "0123456789abcdef") == 32);
        assert(streq(uri, FAKE_ISSUER "/go") && streq(complete, "") && streq(code, "WDJB-MJHT"));
        assert(expires_usec > clock_boottime_usec() && *qr);
        copy = strdup(id);
        reply_done(&reply);
        return copy;
}

static int claim(const char *id) {
        sd_bus_message *message;
        const char *error;
        Reply reply;
        int fd, copy;

        call_start(&reply, "ClaimGrant", "ss", id, user);
        message = call_finish(&reply, &error);
        if (error) {
                assert(streq(error, "UnknownLogin"));
                reply_done(&reply);
                return -1;
        }
        assert(sd_bus_message_read(message, "h", &fd) > 0);
        copy = dup(fd);
        assert(copy >= 0);
        reply_done(&reply);
        return copy;
}

static void test_login(void) {
        _cleanup_(grant_freep) Grant *grant = NULL;
        _cleanup_free_ char *id = NULL;
        _cleanup_close_ int fd = -1;
        const char *issuer, *subject, *error;
        sd_bus_message *message;
        Reply reply;

        setup(NULL);
        assert(manager_is_idle(manager));
        id = begin();
        assert(!manager_is_idle(manager));
        assert(claim(id) < 0); /* not yet */
        fake_provider_grant(user, "r1");
        call_start(&reply, "AwaitLogin", "s", id);
        message = call_finish(&reply, &error);
        assert(!error && sd_bus_message_read(message, "ss", &issuer, &subject) > 0);
        assert(streq(issuer, FAKE_ISSUER));
        reply_done(&reply);

        call_start(&reply, "ClaimGrant", "ss", id, "somebody-else");
        expect_error(&reply, "UnknownLogin");
        fd = claim(id);
        assert(grant_unseal(fd, &grant) == 0 && streq(grant->user, user));
        assert(claim(id) < 0); /* once */
        assert(manager_is_idle(manager));

        fake_provider_grant(user, "r2");
        call_start(&reply, "Refresh", "h", fd);
        (void)call_finish(&reply, &error);
        assert(!error);
        reply_done(&reply);
        call_start(&reply, "Revoke", "h", fd);
        (void)call_finish(&reply, &error);
        assert(!error && fake_provider_requests(FAKE_REVOCATION) == 1);
        reply_done(&reply);
        teardown();
}

/* A grant for which there is no descriptor is not lost: it can be claimed again. */
static void test_grant_that_is_not_handed_over(void) {
        _cleanup_close_ int fd = -1;
        _cleanup_free_ char *id = NULL;
        struct rlimit limit, none;
        const char *error;
        Reply reply;

        setup(NULL);
        id = begin();
        fake_provider_grant(user, "r1");
        call_start(&reply, "AwaitLogin", "s", id);
        (void)call_finish(&reply, &error);
        assert(!error);
        reply_done(&reply);

        assert(getrlimit(RLIMIT_NOFILE, &limit) == 0);
        none = (struct rlimit){.rlim_cur = 0, .rlim_max = limit.rlim_max};
        call_start(&reply, "ClaimGrant", "ss", id, user);
        assert(setrlimit(RLIMIT_NOFILE, &none) == 0);
        while (!reply.here)
                assert(sd_event_run(event, UINT64_MAX) >= 0);
        assert(setrlimit(RLIMIT_NOFILE, &limit) == 0);
        (void)call_finish(&reply, &error);
        assert(error);
        reply_done(&reply);
        fd = claim(id);
        assert(fd >= 0 && claim(id) < 0 && manager_is_idle(manager));
        teardown();
}

static void test_refusals(void) {
        static const char not_a_grant[] = "oidc-keyring-grant 1\naccount=corp\n";
        _cleanup_close_ int fd = -1;
        Reply reply;

        setup(NULL);
        call_start(&reply, "BeginLogin", "ssssss", "other", user, "", "", "", "none");
        expect_error(&reply, "UnknownProvider");
        call_start(&reply, "BeginLogin", "ssssss", "", user, "", "", "", "color");
        expect_error(&reply, "InvalidArgs");
        call_start(&reply, "BeginLogin", "s", "");
        expect_error(&reply, "InvalidArgs");
        call_start(&reply, "AwaitLogin", "s", "");
        expect_error(&reply, "UnknownLogin");
        call_start(&reply, "CancelLogin", "s", "00000000000000000000000000000000");
        expect_error(&reply, "UnknownLogin");

        assert(manager_list_bindings(manager, 1000, "", "", NULL, NULL) == OUTCOME_NOT_PERMITTED);
        assert(manager_clear_binding(manager, 1000, "", user, NULL, NULL) == OUTCOME_NOT_PERMITTED);
        assert(sealed_memfd_new("x", not_a_grant, sizeof(not_a_grant) - 1, &fd) == 0);
        call_start(&reply, "Refresh", "h", fd);
        expect_error(&reply, "BadGrant");
        call_start(&reply, "Revoke", "h", STDERR_FILENO);
        expect_error(&reply, "BadGrant");
        assert(fake_provider_requests(FAKE_DISCOVERY) == 0 && manager_is_idle(manager));
        teardown();

        setup("no_such_key = 1");
        call_start(&reply, "BeginLogin", "ssssss", "", user, "", "", "", "none");
        (void)call_finish(&reply, &(const char *){NULL});
        assert(strstr(sd_bus_message_get_error(reply.message)->message, "no_such_key"));
        expect_error(&reply, "Configuration");
        teardown();

        setup("allow_users = somebody-else");
        call_start(&reply, "BeginLogin", "ssssss", "", user, "", "", "", "none");
        expect_error(&reply, "UserNotAllowed");
        call_start(&reply, "CheckAccount", "ss", "", user);
        expect_error(&reply, "UserNotAllowed");
        teardown();
}

static void test_limit_of_waiting_logins(void) {
        const LoginArguments elsewhere = {
                .provider = "", .user = user, .service = "sshd", .rhost = "192.0.2.2"};
        char *ids[4];
        Login *login;
        Reply reply;

        setup(NULL);
        for (size_t i = 0; i < ELEMENTSOF(ids); i++)
                ids[i] = begin();
        call_start(&reply, "BeginLogin", "ssssss", "", user, "sshd", "192.0.2.1", "", "none");
        expect_error(&reply, "TooManyLogins");
        /* Whoever keeps that many waiting does not keep the user out who comes from elsewhere. */
        assert(manager_admit_login(manager, 0, &elsewhere, &login) == 0);
        login_cancel(login);
        call_start(&reply, "CancelLogin", "s", ids[0]);
        (void)call_finish(&reply, &(const char *){NULL});
        reply_done(&reply);
        free(ids[0]);
        ids[0] = begin();
        for (size_t i = 0; i < ELEMENTSOF(ids); i++)
                free(ids[i]);
        teardown();
}

/* Everybody who still waits is told when the gateway leaves. */
static void test_stop(void) {
        _cleanup_free_ char *id = NULL;
        Reply reply;

        setup(NULL);
        id = begin();
        call_start(&reply, "AwaitLogin", "s", id);
        fake_provider_run_for(event, 20);
        assert(!reply.here);
        manager_stop(manager);
        expect_error(&reply, "Cancelled");
        assert(manager_is_idle(manager));
        call_start(&reply, "BeginLogin", "ssssss", "", user, "", "", "", "none");
        expect_error(&reply, "Cancelled");
        teardown();
}

static void test_version(void) {
        Reply reply = {0};
        const char *text;

        setup(NULL);
        assert(sd_bus_call_method_async(client, NULL, NULL, GATEWAY_OBJECT_PATH,
                                        "org.freedesktop.DBus.Properties", "Get", on_reply, &reply,
                                        "ss", GATEWAY_INTERFACE, "Version") >= 0);
        fake_provider_run(event, &reply.here);
        assert(sd_bus_message_read(reply.message, "v", "s", &text) > 0);
        assert(streq(text, PACKAGE_VERSION));
        reply_done(&reply);
        teardown();
}

int main(void) {
        const struct passwd *entry = getpwuid(geteuid());

        /* Root may log anybody in, others themselves. */
        user = strdup(geteuid() == 0 ? "games" : entry ? entry->pw_name : "");
        if (!*user || (geteuid() != 0 && geteuid() < 1000)) {
                free(user);
                return 77;
        }
        test_login();
        test_grant_that_is_not_handed_over();
        test_refusals();
        test_limit_of_waiting_logins();
        test_stop();
        test_version();
        fake_provider_done();
        free(user);
        return 0;
}
