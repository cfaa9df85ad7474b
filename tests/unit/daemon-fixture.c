/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include "tests/unit/daemon-fixture.h"

#include <assert.h>
#include <errno.h>
#include <keyutils.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "common/names.h"
#include "common/token-key.h"
#include "daemon/manager-bus.h"

#define TEST_UID 64097
#define PATIENCE_USEC (10 * USEC_PER_SEC)

bool fixture_has_keyring(void) {
        if (geteuid() == 0)
                assert(setresgid(TEST_UID, TEST_UID, TEST_UID) == 0 &&
                       setresuid(TEST_UID, TEST_UID, TEST_UID) == 0);
        return keyctl_get_keyring_ID(KEY_SPEC_USER_KEYRING, 1) >= 0;
}

/* Started and in the loop with @event, else neither. */
static sd_bus *bus_on(int fd, bool server, sd_event *event) {
        sd_bus *bus = NULL;
        sd_id128_t id = SD_ID128_NULL;

        assert(sd_bus_new(&bus) == 0 && sd_bus_set_fd(bus, fd, fd) >= 0);
        if (server)
                assert(sd_bus_set_server(bus, 1, id) >= 0);
        assert(sd_bus_negotiate_fds(bus, 1) >= 0);
        if (event)
                assert(sd_bus_start(bus) >= 0 && sd_bus_attach_event(bus, event, 0) >= 0);
        return bus;
}

static int answer_refresh(FakeGateway *gateway, sd_bus_message *call) {
        _cleanup_(grant_freep) Grant *grant = NULL;
        _cleanup_close_ int sealed = -1;
        char token[64];
        int fd;

        if (gateway->error)
                return sd_bus_reply_method_errorf(call, gateway->error, "The gateway says no.");
        if (gateway->no_grant)
                return sd_bus_reply_method_return(call, "h", STDERR_FILENO);
        assert(sd_bus_message_rewind(call, 1) >= 0);
        assert(sd_bus_message_read(call, "h", &fd) > 0 && grant_unseal(fd, &grant) == 0);
        grant->generation++;
        grant->sent = 0;
        grant->answer_lost = 0;
        grant->lifetime_usec = gateway->lifetime_usec;
        grant->expires_usec = clock_boottime_usec() + grant->lifetime_usec;
        secret_free(grant->access_token);
        secret_free(grant->refresh_token);
        (void)snprintf(token, sizeof(token), "access-%u", (unsigned)grant->generation);
        assert(secret_new_copy(gateway->token ? gateway->token : token,
                               strlen(gateway->token ? gateway->token : token),
                               &grant->access_token) == 0);
        (void)snprintf(token, sizeof(token), "refresh-%u", (unsigned)grant->generation);
        assert(secret_new_copy(token, strlen(token), &grant->refresh_token) == 0);
        if (gateway->subject) {
                free(grant->subject);
                grant->subject = strdup(gateway->subject);
        }
        assert(grant_seal(grant, &sealed) == 0);
        return sd_bus_reply_method_return(call, "h", sealed);
}

static int on_refresh(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        FakeGateway *gateway = userdata;

        (void)error;
        gateway->n_refreshes++;
        if (!gateway->hold)
                return answer_refresh(gateway, call);
        assert(!gateway->held);
        gateway->held = sd_bus_message_ref(call);
        return 1;
}

static int on_revoke(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        _cleanup_(grant_freep) Grant *grant = NULL;
        FakeGateway *gateway = userdata;
        int fd;

        (void)error;
        gateway->n_revocations++;
        assert(sd_bus_message_read(call, "h", &fd) > 0 && grant_unseal(fd, &grant) == 0);
        (void)snprintf(gateway->revoked, sizeof(gateway->revoked), "%s",
                       grant->refresh_token ? secret_bytes(grant->refresh_token) : "");
        if (gateway->error)
                return sd_bus_reply_method_errorf(call, gateway->error, "The gateway says no.");
        return sd_bus_reply_method_return(call, NULL);
}

static int on_restore(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        _cleanup_(grant_freep) Grant *grant = calloc(1, sizeof(*grant));
        FakeGateway *gateway = userdata;
        _cleanup_close_ int fd = -1;
        const char *after;

        (void)error;
        assert(sd_bus_message_read(call, "s", &after) > 0 && grant);
        if (gateway->error)
                return sd_bus_reply_method_errorf(call, gateway->error, "The gateway says no.");
        if (!gateway->kept || strcmp(gateway->kept, after) <= 0)
                return sd_bus_reply_method_errorf(call, "org.oidckeyring.Error.UnknownAccount",
                                                  "There is no more.");
        grant->account = strdup(gateway->kept);
        grant->issuer = strdup("https://id.example.com");
        grant->subject = strdup("s1");
        grant->user = strdup("alice");
        grant->scope = strdup("openid offline_access");
        grant->lifetime_usec = LIFE;
        grant->refresh_at = 75;
        grant->kept_on_disk = 1;
        assert(secret_new_copy("refresh-0", 9, &grant->refresh_token) == 0);
        assert(grant_seal(grant, &fd) == 0);
        return sd_bus_reply_method_return(call, "h", fd);
}

static const sd_bus_vtable gateway_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("Refresh", "h", "h", on_refresh, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Revoke", "h", "", on_revoke, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("RestoreGrant", "s", "h", on_restore, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

/* Those whose other end is closed make room. */
static void forget_closed(FakeGateway *gateway) {
        size_t n_open = 0;

        for (size_t i = 0; i < gateway->n_buses; i++) {
                if (sd_bus_is_open(gateway->buses[i]) > 0)
                        gateway->buses[n_open++] = gateway->buses[i];
                else
                        sd_bus_flush_close_unref(gateway->buses[i]);
        }
        gateway->n_buses = n_open;
}

static int open_gateway(void *userdata, sd_bus **ret) {
        FakeGateway *gateway = userdata;
        sd_bus *bus;
        int fds[2];

        if (gateway->absent)
                return -ECONNREFUSED;
        forget_closed(gateway);
        assert(gateway->n_buses < ELEMENTSOF(gateway->buses));
        assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
        bus = bus_on(fds[0], true, gateway->stuck ? NULL : gateway->event);
        assert(sd_bus_add_object_vtable(bus, NULL, GATEWAY_OBJECT_PATH, GATEWAY_INTERFACE,
                                        gateway_vtable, gateway) >= 0);
        gateway->buses[gateway->n_buses++] = bus;
        *ret = bus_on(fds[1], false, NULL);
        return 0;
}

void fixture_release(Fixture *f) {
        sd_bus_message *held = TAKE_PTR(f->gateway.held);

        assert(held);
        (void)answer_refresh(&f->gateway, held); /* who asked may be gone */
        sd_bus_message_unref(held);
}

/* Notes State in every PropertiesChanged. */
static int on_signal(sd_bus_message *signal, void *userdata, sd_bus_error *error) {
        Fixture *f = userdata;
        const char *name, *state;

        (void)error;
        f->n_added += sd_bus_message_is_signal(signal, NULL, "InterfacesAdded") > 0;
        f->n_removed += sd_bus_message_is_signal(signal, NULL, "InterfacesRemoved") > 0;
        if (sd_bus_message_is_signal(signal, NULL, "PropertiesChanged") <= 0)
                return 0;
        assert(sd_bus_message_read(signal, "s", &name) > 0);
        assert(streq(name, KEYRING_ACCOUNT_INTERFACE));
        assert(sd_bus_message_enter_container(signal, 'a', "{sv}") > 0);
        while (sd_bus_message_enter_container(signal, 'e', "sv") > 0) {
                assert(sd_bus_message_read(signal, "s", &name) > 0);
                if (streq(name, "State")) {
                        size_t length = strlen(f->states);

                        assert(sd_bus_message_read(signal, "v", "s", &state) > 0);
                        (void)snprintf(f->states + length, sizeof(f->states) - length, "%s ",
                                       state);
                } else
                        assert(sd_bus_message_skip(signal, "v") >= 0);
                assert(sd_bus_message_exit_container(signal) >= 0);
        }
        return 0;
}

void fixture_begin(Fixture *f) {
        _cleanup_free_ char *path = NULL;
        static unsigned n;
        int fds[2];

        *f = (Fixture){0};
        (void)snprintf(f->account, sizeof(f->account), "t%d-%u", (int)getpid(), n++);
        assert(sd_bus_path_encode(KEYRING_ACCOUNT_PREFIX, f->account, &path) >= 0);
        (void)snprintf(f->path, sizeof(f->path), "%s", path);
        assert(sd_event_new(&f->event) == 0);
        f->gateway.event = f->event;
        f->gateway.lifetime_usec = LIFE;
        assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
        f->server = bus_on(fds[0], true, f->event);
        f->client = bus_on(fds[1], false, f->event);
        assert(sd_bus_add_filter(f->client, NULL, on_signal, f) >= 0);
        assert(manager_new(f->event, f->server, open_gateway, &f->gateway, &f->manager) == 0);
        assert(manager_export(f->manager) >= 0);
        while (sd_bus_is_ready(f->client) == 0)
                assert(sd_event_run(f->event, UINT64_MAX) >= 0);
}

void fixture_end(Fixture *f) {
        (void)token_key_remove(f->account);
        manager_free(f->manager);
        sd_bus_message_unref(f->gateway.held);
        for (size_t i = 0; i < f->gateway.n_buses; i++)
                sd_bus_close_unref(f->gateway.buses[i]);
        sd_bus_close_unref(f->client);
        sd_bus_close_unref(f->server);
        sd_event_unref(f->event);
}

int fixture_grant(const Fixture *f, const char *access_token, const char *refresh_token,
                  uint64_t lifetime_usec, uint64_t age_usec) {
        _cleanup_(grant_freep) Grant *grant = calloc(1, sizeof(*grant));
        int fd = -1;

        assert(grant);
        grant->account = strdup(f->account);
        grant->issuer = strdup("https://id.example.com");
        grant->subject = strdup("s1");
        grant->user = strdup("alice");
        grant->scope = strdup("openid offline_access");
        grant->lifetime_usec = lifetime_usec;
        grant->expires_usec = clock_boottime_usec() + lifetime_usec - age_usec;
        grant->refresh_at = 75;
        assert(secret_new_copy(access_token, strlen(access_token), &grant->access_token) == 0);
        if (refresh_token)
                assert(secret_new_copy(refresh_token, strlen(refresh_token),
                                       &grant->refresh_token) == 0);
        assert(grant_seal(grant, &fd) == 0);
        return fd;
}

static int on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        (void)error;
        *(sd_bus_message **)userdata = sd_bus_message_ref(reply);
        return 1;
}

static void send_to(Fixture *f, sd_bus_message **ret, const char *path, const char *interface,
                    const char *member, const char *types, va_list args) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;

        *ret = NULL;
        assert(sd_bus_message_new_method_call(f->client, &call, NULL, path, interface, member) >=
               0);
        assert(sd_bus_message_appendv(call, types, args) >= 0);
        assert(sd_bus_call_async(f->client, NULL, call, on_reply, ret, UINT64_MAX) >= 0);
}

void fixture_send(Fixture *f, sd_bus_message **ret, const char *member, const char *types, ...) {
        va_list args;

        va_start(args, types);
        send_to(f, ret, KEYRING_OBJECT_PATH, KEYRING_INTERFACE, member, types, args);
        va_end(args);
}

void fixture_wait(Fixture *f, sd_bus_message **reply) {
        uint64_t end = clock_boottime_usec() + PATIENCE_USEC;

        while (!*reply) {
                assert(clock_boottime_usec() < end);
                assert(sd_event_run(f->event, USEC_PER_SEC) >= 0);
        }
}

sd_bus_message *fixture_call(Fixture *f, const char *member, const char *types, ...) {
        sd_bus_message *reply;
        va_list args;

        va_start(args, types);
        send_to(f, &reply, KEYRING_OBJECT_PATH, KEYRING_INTERFACE, member, types, args);
        va_end(args);
        fixture_wait(f, &reply);
        return reply;
}

void fixture_add(Fixture *f, uint64_t lifetime_usec, uint64_t age_usec) {
        _cleanup_close_ int fd = fixture_grant(f, "access-0", "refresh-0", lifetime_usec, age_usec);
        REPLY *reply = fixture_call(f, "AddGrant", "h", fd);
        const char *path;

        assert(is_error(reply, NULL));
        assert(sd_bus_message_read(reply, "o", &path) > 0 && streq(path, f->path));
}

static sd_bus_message *call_object_manager(Fixture *f, const char *types, ...) {
        sd_bus_message *reply;
        va_list args;

        va_start(args, types);
        send_to(f, &reply, KEYRING_OBJECT_PATH, "org.freedesktop.DBus.ObjectManager",
                "GetManagedObjects", types, args);
        va_end(args);
        fixture_wait(f, &reply);
        return reply;
}

sd_bus_message *fixture_call_objects(Fixture *f) {
        return call_object_manager(f, "");
}

static sd_bus_message *call_properties(Fixture *f, const char *types, ...) {
        sd_bus_message *reply;
        va_list args;

        va_start(args, types);
        send_to(f, &reply, f->path, "org.freedesktop.DBus.Properties", "Get", types, args);
        va_end(args);
        fixture_wait(f, &reply);
        return reply;
}

char *fixture_property(Fixture *f, const char *property) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *type, *s;
        char *text = NULL;
        uint64_t t;
        uint32_t u;
        int32_t i;
        int b;

        reply = call_properties(f, "ss", KEYRING_ACCOUNT_INTERFACE, property);
        if (sd_bus_message_is_method_error(reply, NULL))
                return strdup("");
        assert(sd_bus_message_peek_type(reply, NULL, &type) > 0);
        assert(sd_bus_message_enter_container(reply, 'v', type) > 0);
        if (streq(type, "s") && sd_bus_message_read(reply, "s", &s) > 0)
                return strdup(s);
        if (streq(type, "t") && sd_bus_message_read(reply, "t", &t) > 0)
                assert(asprintf(&text, "%llu", (unsigned long long)t) > 0);
        if (streq(type, "u") && sd_bus_message_read(reply, "u", &u) > 0)
                assert(asprintf(&text, "%u", u) > 0);
        if (streq(type, "i") && sd_bus_message_read(reply, "i", &i) > 0)
                assert(asprintf(&text, "%d", i) > 0);
        if (streq(type, "b") && sd_bus_message_read(reply, "b", &b) > 0)
                assert(asprintf(&text, "%d", b) > 0);
        assert(text);
        return text;
}

bool fixture_property_is(Fixture *f, const char *property, const char *value) {
        _cleanup_free_ char *text = fixture_property(f, property);

        if (!streq(text, value))
                fprintf(stderr, "%s is \"%s\", not \"%s\"\n", property, text, value);
        return streq(text, value);
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata) {
        (void)source;
        (void)usec;
        *(bool *)userdata = true;
        return 0;
}

void fixture_run(Fixture *f, uint64_t usec) {
        _cleanup_(sd_event_source_disable_unrefp) sd_event_source *timer = NULL;
        bool over = false;

        assert(sd_event_add_time_relative(f->event, &timer, CLOCK_BOOTTIME, usec, 1000, on_time,
                                          &over) >= 0);
        while (!over)
                assert(sd_event_run(f->event, UINT64_MAX) >= 0);
}

bool fixture_key_is(const Fixture *f, const char *token) {
        _cleanup_(secret_freep) Secret *read = NULL;
        int32_t serial;

        if (token_key_find(f->account, &serial) < 0 || token_key_read(serial, &read, NULL) < 0)
                return !token;
        if (!token || !streq(secret_bytes(read), token))
                fprintf(stderr, "the key holds \"%s\"\n", secret_bytes(read));
        return token && streq(secret_bytes(read), token);
}

void fixture_token_is(const Fixture *f, sd_bus_message *reply, uint64_t lifetime_usec) {
        uint64_t expires, now = clock_realtime_usec();
        int32_t serial, found;

        assert(is_error(reply, NULL));
        assert(sd_bus_message_read(reply, "it", &serial, &expires) > 0);
        assert(token_key_find(f->account, &found) == 0 && found == serial);
        assert(expires <= now + lifetime_usec && expires > now + lifetime_usec - 5 * USEC_PER_SEC);
}

bool is_error(sd_bus_message *reply, const char *name) {
        const sd_bus_error *error = sd_bus_message_get_error(reply);
        _cleanup_free_ char *full = NULL;

        if (!name || !error) {
                if (error)
                        fprintf(stderr, "%s: %s\n", error->name, error->message);
                return !name && !error;
        }
        assert(asprintf(&full, "org.oidckeyring.Error.%s", name) > 0);
        if (!streq(error->name, full))
                fprintf(stderr, "%s: %s\n", error->name, error->message);
        return streq(error->name, full);
}
