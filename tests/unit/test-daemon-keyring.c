/* SPDX-License-Identifier: MIT */

/* What the daemon puts into the keyring, and what it answers where it cannot. */

#undef NDEBUG
#include <assert.h>
#include <keyutils.h>

#include "common/clock.h"
#include "common/outcome.h"
#include "common/sealed-memfd.h"
#include "common/token-key.h"
#include "tests/unit/daemon-fixture.h"

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
        fixture_add(&f, LIFE, 0);
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
        fixture_add(&f, LIFE, 100 * USEC_PER_SEC);
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
        fixture_add(&f, LIFE, 0);
        assert(token_key_find(f.account, &serial) == 0);
        assert(keyctl_set_timeout(serial, 86400) == 0);
        manager_clock_was_set(f.manager);
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
        fixture_add(&f, LIFE, 0);
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

int main(void) {
        if (!fixture_has_keyring())
                return 77;
        test_key_is_mended();
        test_read_token();
        test_republish();
        test_no_keyring();
        return 0;
}
