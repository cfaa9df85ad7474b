/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include <errno.h>
#include <string.h>

#include "common/clock.h"
#include "common/names.h"
#include "common/sealed-memfd.h"
#include "common/token-key.h"
#include "daemon/schedule.h"
#include "tests/fuzz/bus-script.h"
#include "tests/unit/daemon-fixture.h"
#include "tests/unit/step-clock.h"

/* Calls of the daemon's interface, see bus-script.h, and some lines more:
 *   +SECONDS    they pass
 *   =WHAT       what gateway and keyring do from then on, see the table */

#define LINES_MAX 16u
#define GATEWAY_CALLS_MAX 40u
#define KEYS_MAX 64u

/* A keyring in memory. */

static struct {
        char *account;
        uint64_t end_usec;
} keys[KEYS_MAX];
static bool keyring_full;

static int key_index(const char *account) {
        for (size_t i = 0; i < KEYS_MAX; i++)
                if (keys[i].account && streq(keys[i].account, account))
                        return (int)i;
        return -1;
}

int token_key_find(const char *account, int32_t *ret_serial) {
        int i = key_index(account);

        if (i < 0 || keys[i].end_usec <= clock_boottime_usec())
                return -ENOKEY;
        *ret_serial = i + 1;
        return 0;
}

int token_key_publish(const char *account, const Secret *token, uint64_t remaining_usec,
                      int32_t *ret_serial) {
        int i = key_index(account);

        assert(secret_size(token) > 0);
        if (keyring_full)
                return -EDQUOT;
        if (remaining_usec < USEC_PER_SEC)
                return -EINVAL;
        for (int j = 0; i < 0 && j < (int)KEYS_MAX; j++)
                if (!keys[j].account)
                        i = j;
        assert(i >= 0);
        if (!keys[i].account)
                keys[i].account = strdup(account);
        assert(keys[i].account);
        keys[i].end_usec = clock_boottime_usec() + remaining_usec;
        *ret_serial = i + 1;
        return 0;
}

int token_key_read(int32_t serial, Secret **ret_token, uint64_t *ret_remaining_sec) {
        (void)serial, (void)ret_token, (void)ret_remaining_sec;
        assert(!"the daemon never reads a token back");
        return -ENOKEY;
}

int token_key_remove(const char *account) {
        int i = key_index(account);

        if (i < 0)
                return -ENOKEY;
        free(TAKE_PTR(keys[i].account));
        return 0;
}

static void keyring_clear(void) {
        for (size_t i = 0; i < KEYS_MAX; i++)
                free(TAKE_PTR(keys[i].account));
        keyring_full = false;
}

/* What the gateway answers from now on. */

static const struct {
        char what;
        const char *error;
        bool absent, no_grant, other_subject;
        uint64_t lifetime_sec;
} behaviours[] = {
        {.what = 'g', .lifetime_sec = 300}, /* good */
        {.what = 'u', .lifetime_sec = 300, .error = GATEWAY_ERROR("ProviderUnreachable")},
        {.what = 'b', .lifetime_sec = 300, .error = GATEWAY_ERROR("ProviderBusy")},
        {.what = 'l', .lifetime_sec = 300, .error = GATEWAY_ERROR("LoginRequired")},
        {.what = 'm', .lifetime_sec = 300, .error = GATEWAY_ERROR("UserMismatch")},
        {.what = 'c', .lifetime_sec = 300, .error = GATEWAY_ERROR("Configuration")},
        {.what = 'x', .lifetime_sec = 300, .error = "org.example.Unheard"},
        {.what = 'a', .lifetime_sec = 300, .absent = true},
        {.what = 'n', .lifetime_sec = 300, .no_grant = true},
        {.what = 's', .lifetime_sec = 300, .other_subject = true},
        {.what = '1', .lifetime_sec = 1},
        {.what = 'y', .lifetime_sec = 31536000},
};

static void behave(Fixture *f, char what) {
        keyring_full = what == 'k' || (keyring_full && what != 'K');
        for (size_t i = 0; i < ELEMENTSOF(behaviours); i++) {
                if (behaviours[i].what != what)
                        continue;
                f->gateway.error = behaviours[i].error;
                f->gateway.absent = behaviours[i].absent;
                f->gateway.no_grant = behaviours[i].no_grant;
                f->gateway.subject = behaviours[i].other_subject ? "s2" : NULL;
                f->gateway.lifetime_usec = behaviours[i].lifetime_sec * USEC_PER_SEC;
        }
}

static unsigned n_answers;

static void check_token_file(sd_bus_message *reply) {
        _cleanup_(secret_freep) Secret *token = NULL;
        uint64_t expires;
        int fd;

        assert(sd_bus_message_read(reply, "ht", &fd, &expires) > 0);
        assert(expires > clock_realtime_usec());
        assert(sealed_memfd_read(fd, GRANT_TOKEN_MAX, &token) == 0 && secret_size(token) > 0);
}

/* A success must be one: there is a key then, or a file, and the token in it is good. */
static int on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        sd_bus_message *call = userdata;
        int32_t serial;

        (void)error;
        n_answers++;
        if (!sd_bus_message_is_method_error(reply, NULL) &&
            streq(sd_bus_message_get_interface(call), KEYRING_INTERFACE) &&
            streq(sd_bus_message_get_member(call), "GetToken")) {
                assert(sd_bus_message_read(reply, "i", &serial) > 0 && serial > 0);
                assert(keys[serial - 1].account &&
                       keys[serial - 1].end_usec > clock_boottime_usec());
        }
        if (!sd_bus_message_is_method_error(reply, NULL) &&
            streq(sd_bus_message_get_interface(call), KEYRING_INTERFACE) &&
            streq(sd_bus_message_get_member(call), "ReadToken"))
                check_token_file(reply);
        return 0;
}

static void unref_call(void *userdata) {
        sd_bus_message_unref(userdata);
}

static unsigned daemon_call(Fixture *f, const BusScript *script, char *line) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call =
                bus_script_call(script, f->client, line);
        sd_bus_slot *slot = NULL;

        if (!call)
                return 0;
        if (sd_bus_message_get_expect_reply(call) == 0) {
                (void)sd_bus_send(f->client, call, NULL);
                return 0;
        }
        if (sd_bus_call_async(f->client, &slot, call, on_reply, call, UINT64_MAX) < 0)
                return 0;
        (void)sd_bus_message_ref(call);
        assert(sd_bus_slot_set_destroy_callback(slot, unref_call) >= 0);
        assert(sd_bus_slot_set_floating(slot, 1) >= 0);
        sd_bus_slot_unref(slot);
        return 1;
}

static void run_script(BusScript *script) {
        int lowest = bus_script_lowest_fd();
        unsigned n_calls = 0;
        Fixture f;

        n_answers = 0;
        fixture_begin(&f);
        for (unsigned i = 0; i < LINES_MAX; i++) {
                _cleanup_free_ char *line = bus_script_line(script);

                if (!line)
                        break;
                if (*line == '=')
                        behave(&f, line[1]);
                else if (*line == '+')
                        step_clock_advance(strtoul(line + 1, NULL, 10) % 86400 * USEC_PER_SEC);
                else
                        n_calls += daemon_call(&f, script, line);
                f.gateway.absent = f.gateway.absent || f.gateway.n_buses >= GATEWAY_CALLS_MAX;
                bus_script_settle(f.event);
                if (n_answers < n_calls) { /* whoever has to wait, because of a life so short */
                        step_clock_advance(SCHEDULE_INTERVAL_MIN_USEC);
                        bus_script_settle(f.event);
                }
                assert(n_answers == n_calls);
        }
        keyring_clear();
        step_clock_reset();
        fixture_end(&f);
        assert(bus_script_lowest_fd() == lowest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        BusScript script = {
                .p = (const char *)data,
                .end = (const char *)data + size,
                .path = KEYRING_OBJECT_PATH,
                .interface = KEYRING_INTERFACE,
        };

        run_script(&script);
        return 0;
}
