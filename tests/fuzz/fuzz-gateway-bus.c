/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include <errno.h>
#include <pwd.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "common/names.h"
#include "gateway/manager.h"
#include "tests/fuzz/bus-script.h"
#include "tests/unit/fake-provider.h"
#include "tests/unit/step-clock.h"

/* Calls of the gateway's interface, see bus-script.h, and some lines more:
 *   @UID                     who calls from then on; at first root
 *   =ENDPOINT STATUS BODY    what the provider answers next; it is otherwise well, and no further
 *                            away than this process
 *   !USER REFRESH_TOKEN      the same, with good tokens
 *   +SECONDS                 they pass */

#define CALLS_MAX 16u

static uid_t caller;
static char *last_id;
static unsigned n_answers;

/* On a socket pair it is this process, and nobody else could be tried. */
int __wrap_sd_bus_creds_get_euid(sd_bus_creds *creds, uid_t *ret);
int __wrap_sd_bus_creds_get_euid(sd_bus_creds *creds, uid_t *ret) {
        assert(creds);
        *ret = caller;
        return 0;
}

typedef struct Gateway {
        sd_event *event;
        sd_bus *server, *client;
        Manager *manager;
} Gateway;

static void gateway_begin(Gateway *g) {
        int fds[2];

        fake_provider_reset("min_uid = 1\n");
        assert(sd_event_new(&g->event) >= 0);
        assert(manager_new(g->event, fake_provider_root(), &g->manager) == 0);
        assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
        assert(sd_bus_new(&g->server) >= 0 && sd_bus_set_fd(g->server, fds[0], fds[0]) >= 0);
        assert(sd_bus_set_server(g->server, 1, SD_ID128_NULL) >= 0);
        assert(sd_bus_negotiate_fds(g->server, 1) >= 0 && sd_bus_start(g->server) >= 0);
        assert(manager_attach(g->manager, g->server) >= 0);
        assert(sd_bus_attach_event(g->server, g->event, 0) >= 0);
        assert(sd_bus_new(&g->client) >= 0 && sd_bus_set_fd(g->client, fds[1], fds[1]) >= 0);
        assert(sd_bus_negotiate_fds(g->client, 1) >= 0 && sd_bus_start(g->client) >= 0);
        assert(sd_bus_attach_event(g->client, g->event, 0) >= 0);
        bus_script_settle(g->event);
        assert(sd_bus_is_ready(g->client) > 0);
}

static void gateway_end(Gateway *g) {
        manager_stop(g->manager);
        bus_script_settle(g->event);
        manager_free(g->manager);
        bus_script_settle(g->event);
        sd_bus_close_unref(g->client);
        sd_bus_close_unref(g->server);
        step_clock_reset();
        sd_event_unref(g->event);
        free(TAKE_PTR(last_id));
}

/* Nobody but root gets anything for another user. */
static void check_success(sd_bus_message *reply, const char *member, const char *user,
                          uid_t asked_by) {
        const struct passwd *entry = user ? getpwnam(user) : NULL;
        const char *id;

        assert(asked_by == 0 || !streq(member, "Check"));
        if (user && asked_by != 0)
                assert(entry && entry->pw_uid == asked_by);
        if (!streq(member, "BeginLogin"))
                return;
        assert(entry && entry->pw_uid >= 1 && (entry->pw_uid < 61184 || entry->pw_uid > 65535));
        assert(sd_bus_message_read(reply, "s", &id) > 0);
        free(last_id);
        last_id = strdup(id);
        assert(last_id);
}

typedef struct Asked {
        sd_bus_message *call;
        uid_t by;
} Asked;

static int on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        static const char *const of_user[] = {"BeginLogin", "ClaimGrant", "CheckAccount"};
        const sd_bus_error *problem = sd_bus_message_get_error(reply);
        Asked *asked = userdata;
        const char *member = sd_bus_message_get_member(asked->call), *user = NULL;

        (void)error;
        n_answers++;
        assert(!problem || strncmp(problem->name, "org.oidckeyring.Error.", 22) == 0 ||
               strncmp(problem->name, "org.freedesktop.DBus.Error.", 27) == 0 ||
               strncmp(problem->name, "System.Error.", 13) == 0);
        if (problem || !streq(sd_bus_message_get_interface(asked->call), GATEWAY_INTERFACE))
                return 0;
        assert(sd_bus_message_rewind(asked->call, 1) >= 0);
        for (size_t i = 0; i < ELEMENTSOF(of_user); i++)
                if (streq(of_user[i], member))
                        assert(sd_bus_message_read(asked->call, "ss", NULL, &user) > 0);
        check_success(reply, member, user, asked->by);
        return 0;
}

static void asked_free(void *userdata) {
        Asked *asked = userdata;

        sd_bus_message_unref(asked->call);
        free(asked);
}

static unsigned gateway_call(Gateway *g, BusScript *script, char *line) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        sd_bus_slot *slot = NULL;
        Asked *asked;

        script->word = last_id;
        call = bus_script_call(script, g->client, line);
        if (!call)
                return 0;
        if (sd_bus_message_get_expect_reply(call) == 0) {
                (void)sd_bus_send(g->client, call, NULL);
                return 0;
        }
        asked = calloc(1, sizeof(*asked));
        assert(asked);
        *asked = (Asked){.call = sd_bus_message_ref(call), .by = caller};
        if (sd_bus_call_async(g->client, &slot, call, on_reply, asked, UINT64_MAX) < 0) {
                asked_free(asked);
                return 0;
        }
        assert(sd_bus_slot_set_destroy_callback(slot, asked_free) >= 0);
        assert(sd_bus_slot_set_floating(slot, 1) >= 0);
        sd_bus_slot_unref(slot);
        return 1;
}

/* Discovery stays as it is: the provider in this process has its own addresses only. */
static void provider_says(char *line) {
        static const FakeEndpoint endpoints[] = {FAKE_JWKS, FAKE_DEVICE, FAKE_TOKEN,
                                                 FAKE_REVOCATION};
        char *status = line;
        const char *endpoint = strsep(&status, " ");
        char *body = status;
        FakeAnswer answer = {0};

        status = strsep(&body, " ");
        answer.status = status ? (long)strtoul(status, NULL, 10) : 0;
        answer.body = body;
        fake_provider_say(endpoints[(unsigned char)*endpoint % ELEMENTSOF(endpoints)], answer);
}

static void provider_grants(char *line) {
        char *refresh = line;
        const char *user = strsep(&refresh, " ");

        if (strcspn(line, "\"\\") == strlen(line) && (!refresh || !strpbrk(refresh, "\"\\")))
                fake_provider_grant(user, refresh);
}

/* One line; 1: a call that waits for its answer. */
static unsigned run_line(Gateway *g, BusScript *script, char *line) {
        switch (*line) {
        case '@':
                caller = (uid_t)strtoul(line + 1, NULL, 10);
                return 0;
        case '=':
                provider_says(line + 1);
                return 0;
        case '!':
                provider_grants(line + 1);
                return 0;
        case '+':
                step_clock_advance(strtoul(line + 1, NULL, 10) % 86400 * USEC_PER_SEC);
                return 0;
        default:
                return gateway_call(g, script, line);
        }
}

static void run_script(BusScript *script) {
        int lowest = bus_script_lowest_fd();
        unsigned n_calls = 0;
        Gateway g = {0};

        caller = 0;
        n_answers = 0;
        gateway_begin(&g);
        for (unsigned i = 0; i < CALLS_MAX; i++) {
                _cleanup_free_ char *line = bus_script_line(script);

                if (!line)
                        break;
                n_calls += run_line(&g, script, line);
                bus_script_settle(g.event);
        }
        gateway_end(&g);
        assert(n_answers == n_calls);
        assert(bus_script_lowest_fd() == lowest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static bool prepared;
        BusScript script = {
                .p = (const char *)data,
                .end = (const char *)data + size,
                .path = GATEWAY_OBJECT_PATH,
                .interface = GATEWAY_INTERFACE,
        };

        if (!prepared) {
                /* What these keep open from their first use on must not look like a leak. */
                (void)getpwnam("games");
                assert(atexit(fake_provider_done) == 0);
        }
        prepared = true;
        run_script(&script);
        return 0;
}
