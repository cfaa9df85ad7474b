/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <keyutils.h>
#include <stdio.h>
#include <sys/wait.h>

#include "common/clock.h"
#include "common/token-key.h"

/* Keyrings are the kernel's, not the process's: an account that no one else uses, in whatever @u
 * the test runs with, and wiped again. */
static char account[32];

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
        _cleanup_(secret_freep) Secret *secret = token("x"), *large = NULL;
        int32_t serial = 0;

        /* 0 would mean "for ever" to the kernel */
        assert(token_key_publish(account, secret, USEC_PER_SEC - 1, &serial) == -EINVAL);
        assert(token_key_publish("../x", secret, 9 * USEC_PER_SEC, &serial) == -EINVAL);
        assert(secret_new(32768, &large) == 0);
        assert(token_key_publish(account, large, 9 * USEC_PER_SEC, &serial) < 0);
        assert(token_key_find(account, &serial) == -ENOKEY);
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
        test_planted_key();
        return 0;
}
