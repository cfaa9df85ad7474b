/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <keyutils.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>

#include "common/clock.h"
#include "common/token-key.h"

/* Keyrings are the kernel's, not the process's: an account that no one else uses, in whatever @u
 * the test runs with, and wiped again. */
static char account[32];

/* For want of a kernel with big_key, and of a quota that other tests do not need, the linker puts
 * these in between: a big_key is another key of type user here. */
static bool is_full, has_big_key;
#define SIZE_MAX_HERE 8000u /* two fit in the quota of any user */

key_serial_t __real_add_key(const char *type, const char *description, const void *payload,
                            size_t size, key_serial_t keyring);
key_serial_t __wrap_add_key(const char *type, const char *description, const void *payload,
                            size_t size, key_serial_t keyring);
long __real_keyctl_search(key_serial_t keyring, const char *type, const char *description,
                          key_serial_t destination);
long __wrap_keyctl_search(key_serial_t keyring, const char *type, const char *description,
                          key_serial_t destination);
long __real_keyctl_update(key_serial_t serial, const void *payload, size_t size);
long __wrap_keyctl_update(key_serial_t serial, const void *payload, size_t size);

static const char *big_description(const char *description) {
        static char big[64];

        assert(snprintf(big, sizeof(big), "big-%s", description) < (int)sizeof(big));
        return big;
}

static bool is_big(key_serial_t serial) {
        _cleanup_free_ char *text = NULL;

        return keyctl_describe_alloc(serial, &text) > 0 && strstr(text, ";big-");
}

key_serial_t __wrap_add_key(const char *type, const char *description, const void *payload,
                            size_t size, key_serial_t keyring) {
        bool big = streq(type, "big_key");

        if (big ? !has_big_key : is_full) {
                errno = big ? ENODEV : EDQUOT;
                return -1;
        }
        return __real_add_key("user", big ? big_description(description) : description, payload,
                              size < SIZE_MAX_HERE ? size : SIZE_MAX_HERE, keyring);
}

long __wrap_keyctl_search(key_serial_t keyring, const char *type, const char *description,
                          key_serial_t destination) {
        if (streq(type, "big_key"))
                description = big_description(description);
        return __real_keyctl_search(keyring, "user", description, destination);
}

long __wrap_keyctl_update(key_serial_t serial, const void *payload, size_t size) {
        if (is_full && !is_big(serial)) {
                errno = EDQUOT;
                return -1;
        }
        return __real_keyctl_update(serial, payload, size);
}

static Secret *token(const char *text) {
        Secret *secret = NULL;

        assert(secret_new_copy(text, strlen(text), &secret) == 0);
        return secret;
}

/* Whether /proc/keys, in which it is looked up, shows the key here: in some containers it does not.
 */
static bool is_shown(void) {
        _cleanup_(fclosep) FILE *keys = fopen("/proc/keys", "re");
        char line[512];

        while (keys && fgets(line, sizeof(line), keys))
                if (strstr(line, account))
                        return true;
        return false;
}

static bool remaining_is(uint64_t remaining, uint64_t min, uint64_t max) {
        return is_shown() ? remaining >= min && remaining <= max : remaining == UINT64_MAX;
}

static void test_publish_read_remove(void) {
        _cleanup_(secret_freep) Secret *first = token("first"), *second = token("the second"),
                                       *read = NULL, *again = NULL;
        _cleanup_free_ char *text = NULL;
        uint64_t remaining = 0;
        int32_t serial = 0, same = 0, found = 0;

        assert(token_key_publish(account, first, 100 * USEC_PER_SEC, &serial) == 0);
        assert(token_key_find(account, &found) == 0 && found == serial);
        assert(token_key_read(serial, &read, &remaining) == 0);
        assert(secret_equal(first, read));
        assert(remaining_is(remaining, 60, 100));
        assert(keyctl_describe_alloc(serial, &text) > 0 && strstr(text, ";002f0000;oidc:"));

        /* updated in place, and the timeout is set again */
        assert(token_key_publish(account, second, 3000 * USEC_PER_SEC, &same) == 0);
        assert(same == serial);
        assert(token_key_read(serial, &again, &remaining) == 0 && secret_equal(second, again));
        assert(remaining_is(remaining, 101, 3000));

        assert(token_key_remove(account) == 0);
        assert(token_key_find(account, &found) == -ENOKEY);
        assert(token_key_remove(account) == -ENOKEY);
}

static void test_limits(void) {
        _cleanup_(secret_freep) Secret *secret = token("x");
        int32_t serial = 0;

        /* 0 would mean "for ever" to the kernel */
        assert(token_key_publish(account, secret, USEC_PER_SEC - 1, &serial) == -EINVAL);
        assert(token_key_publish("../x", secret, 9 * USEC_PER_SEC, &serial) == -EINVAL);
        assert(token_key_find(account, &serial) == -ENOKEY);
}

static bool key_is(const Secret *secret) {
        _cleanup_(secret_freep) Secret *read = NULL;
        int32_t serial;

        return token_key_find(account, &serial) == 0 && token_key_read(serial, &read, NULL) == 0 &&
               secret_equal(secret, read);
}

static bool there_is(const char *type) {
        _cleanup_free_ char *description = NULL;

        assert(asprintf(&description, "oidc:%s", account) > 0);
        return __wrap_keyctl_search(KEY_SPEC_USER_KEYRING, type, description, 0) > 0;
}

/* One key at any time, of the type that everybody reads as soon as there is room. */
static void test_quota(void) {
        _cleanup_(secret_freep) Secret *first = token("1"), *second = token("two"),
                                       *third = token("three"), *fourth = token("4");
        int32_t serial = 0, big = 0, same = 0;

        assert(token_key_publish(account, first, 100 * USEC_PER_SEC, &serial) == 0);
        is_full = true;
        assert(token_key_publish(account, second, 100 * USEC_PER_SEC, &same) == -EDQUOT);
        assert(key_is(first)); /* as good as it was */

        has_big_key = true;
        assert(token_key_publish(account, second, 100 * USEC_PER_SEC, &big) == 0);
        assert(big != serial && key_is(second) && !there_is("user"));
        assert(token_key_publish(account, third, 100 * USEC_PER_SEC, &same) == 0);
        assert(big == same && key_is(third) && !there_is("user"));

        is_full = false;
        assert(token_key_publish(account, fourth, 100 * USEC_PER_SEC, &serial) == 0);
        assert(key_is(fourth) && there_is("user") && !there_is("big_key"));

        is_full = true;
        assert(token_key_publish(account, third, 100 * USEC_PER_SEC, &serial) == 0);
        assert(token_key_remove(account) == 0);
        assert(!there_is("user") && !there_is("big_key"));
        is_full = has_big_key = false;
}

static void test_large(void) {
        _cleanup_(secret_freep) Secret *large = NULL, *most = NULL;
        int32_t serial = 0;

        assert(secret_new(32767, &most) == 0 && secret_new(32768, &large) == 0);
        assert(token_key_publish(account, large, 100 * USEC_PER_SEC, &serial) == -EMSGSIZE);
        has_big_key = true;
        assert(token_key_publish(account, large, 100 * USEC_PER_SEC, &serial) == 0);
        assert(is_big(serial));
        assert(token_key_publish(account, most, 100 * USEC_PER_SEC, &serial) == 0);
        assert(!is_big(serial) && !there_is("big_key"));
        has_big_key = false;
        assert(token_key_remove(account) == 0);
}

static void overwrite(key_serial_t serial) {
        assert(keyctl_update(serial, "evil", 4) == 0);
}

static void overwrite_by_name(key_serial_t serial) {
        _cleanup_free_ char *description = NULL;

        assert(asprintf(&description, "oidc:%s", account) > 0);
        assert(add_key("user", description, "evil", 4, KEY_SPEC_USER_KEYRING) == serial);
}

static void make_another(key_serial_t serial) {
        _cleanup_free_ char *description = NULL;

        assert(keyctl_unlink(serial, KEY_SPEC_USER_KEYRING) == 0);
        assert(asprintf(&description, "oidc:%s", account) > 0);
        assert(add_key("user", description, "evil", 4, KEY_SPEC_USER_KEYRING) != serial);
}

static void open_to_all(key_serial_t serial) {
        assert(keyctl_setperm(serial, 0x3f3f3f3f) == 0);
}

static void close_to_all(key_serial_t serial) {
        assert(keyctl_setperm(serial, KEY_USR_VIEW) == 0);
}

static void revoke_it(key_serial_t serial) {
        assert(keyctl_revoke(serial) == 0);
}

static void unlink_it(key_serial_t serial) {
        assert(keyctl_unlink(serial, KEY_SPEC_USER_KEYRING) == 0);
}

static void invalidate(key_serial_t serial) {
        assert(keyctl_invalidate(serial) == 0);
}

static void move(key_serial_t serial) {
        assert(keyctl_setperm(serial, TOKEN_KEY_PERMISSIONS | KEY_USR_LINK) == 0);
        assert(keyctl_move(serial, KEY_SPEC_USER_KEYRING, KEY_SPEC_PROCESS_KEYRING, 0) == 0);
}

static void end_early(key_serial_t serial) {
        const struct timespec pace = {.tv_nsec = 20 * 1000 * 1000};
        int32_t found;

        assert(keyctl_set_timeout(serial, 1) == 0);
        while (token_key_find(account, &found) == 0) /* the kernel tells nobody */
                assert(nanosleep(&pace, NULL) == 0);
}

static void clear_timeout(key_serial_t serial) {
        assert(keyctl_set_timeout(serial, 0) == 0);
}

/* Whatever another program of the user does to the key: it is told, and mended by the next write.
 */
static void test_damage(void) {
        static const struct {
                void (*damage)(key_serial_t serial);
                bool by_timeout; /* that is how it is told */
        } cases[] = {
                {overwrite, true},     {overwrite_by_name, true}, {clear_timeout, true},
                {make_another, false}, {open_to_all, false},      {close_to_all, false},
                {revoke_it, false},    {unlink_it, false},        {invalidate, false},
                {move, false},         {end_early, false},
        };
        _cleanup_(secret_freep) Secret *secret = token("mine");
        int32_t serial = 0, after = 0;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(secret_freep) Secret *read = NULL;
                _cleanup_free_ char *text = NULL;
                uint64_t remaining = 0;

                assert(token_key_publish(account, secret, 3000 * USEC_PER_SEC, &serial) == 0);
                cases[i].damage(serial);
                assert(!key_is(secret) || (cases[i].by_timeout && !is_shown()));
                assert(!cases[i].by_timeout || !is_shown() ||
                       token_key_read(serial, &read, NULL) == -EPERM);

                assert(token_key_publish(account, secret, 3000 * USEC_PER_SEC, &after) == 0);
                assert((after == serial) == cases[i].by_timeout && key_is(secret));
                assert(token_key_read(after, &read, &remaining) == 0);
                assert(remaining_is(remaining, 2000, 3000));
                assert(keyctl_describe_alloc(after, &text) > 0 && strstr(text, ";002f0000;"));
        }
        assert(token_key_remove(account) == 0);
}

/* What a crash leaves ends by itself, or is swept away; what others made is left to them. */
static void test_torn(void) {
        _cleanup_(secret_freep) Secret *secret = token("mine");
        int32_t serial = 0;
        bool shown;

        assert(token_key_publish(account, secret, 3000 * USEC_PER_SEC, &serial) == 0);
        token_key_remove_torn();
        assert(key_is(secret));
        make_another(serial);
        token_key_remove_torn();
        assert(there_is("user"));
        assert(token_key_publish(account, secret, 3000 * USEC_PER_SEC, &serial) == 0);
        clear_timeout(serial);
        shown = is_shown(); /* else nobody can tell */
        token_key_remove_torn();
        assert(there_is("user") == !shown);
        (void)token_key_remove(account);
}

static void planter(const char *description) {
        key_serial_t planted;

        assert(setresuid(64099, 64099, 64099) == 0);
        /* @u by way of the session keyring, as after sudo */
        planted = add_key("user", description, "evil", 4, KEY_SPEC_SESSION_KEYRING);
        _exit(planted < 0);
}

/* A key of our name owned by somebody else is neither trusted nor written into. */
static void test_planted_key(void) {
        _cleanup_(secret_freep) Secret *secret = token("mine"), *read = NULL;
        _cleanup_free_ char *description = NULL;
        key_serial_t planted, session;
        int32_t serial = 0;
        int status = 0;
        pid_t pid;

        if (geteuid() != 0)
                return; /* another uid is needed */
        session = keyctl_join_session_keyring(NULL);
        assert(session > 0 && keyctl_setperm(session, 0x3f3f3f3f) == 0);
        assert(asprintf(&description, "oidc:%s", account) > 0);
        pid = fork();
        assert(pid >= 0);
        if (pid == 0)
                planter(description);
        assert(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
        planted = (key_serial_t)keyctl_search(session, "user", description, 0);
        assert(planted > 0 && keyctl_link(planted, KEY_SPEC_USER_KEYRING) == 0);

        assert(token_key_find(account, &serial) == -EPERM);
        assert(token_key_publish(account, secret, 9 * USEC_PER_SEC, &serial) == 0);
        assert(serial != planted && token_key_read(serial, &read, NULL) == 0);
        assert(secret_equal(secret, read));
        assert(token_key_remove(account) == 0);
}

int main(void) {
        if (keyctl_get_keyring_ID(KEY_SPEC_USER_KEYRING, 1) < 0)
                return 77; /* keyrings are forbidden here, as in a container */
        assert(snprintf(account, sizeof(account), "test-%d", (int)getpid()) > 0);
        test_publish_read_remove();
        test_limits();
        test_quota();
        test_large();
        test_damage();
        test_torn();
        test_planted_key();
        return 0;
}
