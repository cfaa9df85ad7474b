/* SPDX-License-Identifier: MIT */
#include "common/token-key.h"

#include <errno.h>
#include <keyutils.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/macro.h"
#include "common/names.h"
#include "common/parse.h"

#define DESCRIPTION_SIZE (sizeof(TOKEN_KEY_PREFIX) + ACCOUNT_NAME_MAX)
#define PROC_KEYS_LINE_MAX 512u
#define USER_KEY_SIZE_MAX 32767u
#define BIG_KEY_SIZE_MAX (1024u * 1024u)

/* In the order in which they are tried. Everybody looks for "user"; "big_key" takes more, and takes
 * 16 bytes of the quota whatever its size, but not every kernel has it. */
static const struct {
        const char *name;
        size_t size_max;
} types[] = {{"user", USER_KEY_SIZE_MAX}, {"big_key", BIG_KEY_SIZE_MAX}};

static int token_key_description(const char *account, char description[static DESCRIPTION_SIZE]) {
        if (!account_name_is_valid(account))
                return -EINVAL;
        (void)snprintf(description, DESCRIPTION_SIZE, TOKEN_KEY_PREFIX "%s", account);
        return 0;
}

/* Owner and permissions by KEYCTL_DESCRIBE, "type;uid;gid;perm;description". Whoever could write
 * into @u, for example through a keyring that sudo handed on, may have planted a key of our name
 * there; and what another program of the user made there has other permissions. */
static int token_key_check(key_serial_t serial) {
        _cleanup_free_ char *text = NULL;
        char *fields[4], *rest, expected[sizeof("01234567")];
        uint64_t uid;

        if (keyctl_describe_alloc(serial, &text) < 0)
                return -errno;
        rest = text;
        for (size_t i = 0; i < ELEMENTSOF(fields); i++)
                fields[i] = strsep(&rest, ";");
        if (!rest || parse_u64(fields[1], 0, UINT32_MAX, &uid) < 0)
                return -EBADMSG;
        (void)snprintf(expected, sizeof(expected), "%08x", TOKEN_KEY_PERMISSIONS);
        return uid == geteuid() && streq(fields[3], expected) ? 0 : -EPERM;
}

static key_serial_t token_key_search(const char *type, const char *description) {
        long serial = keyctl_search(KEY_SPEC_USER_KEYRING, type, description, 0);

        if (serial < 0)
                return errno == EKEYEXPIRED || errno == EKEYREVOKED ? -ENOKEY : -errno;
        return (key_serial_t)serial;
}

int token_key_find(const char *account, int32_t *ret_serial) {
        char description[DESCRIPTION_SIZE];
        int r, result = -ENOKEY;

        r = token_key_description(account, description);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTSOF(types); i++) {
                key_serial_t serial = token_key_search(types[i].name, description);

                r = serial < 0 ? serial : token_key_check(serial);
                if (r == 0) {
                        *ret_serial = serial;
                        return 0;
                }
                if (result == -ENOKEY)
                        result = r;
        }
        return result;
}

/* Rounded down, so that the key never outlives the token. Updating a key clears its timeout, so
 * this is needed every time. */
static int token_key_set_timeout(key_serial_t serial, uint64_t remaining_usec) {
        unsigned seconds = (unsigned)(remaining_usec / USEC_PER_SEC);

        return keyctl_set_timeout(serial, seconds) < 0 ? -errno : 0;
}

/* A new key is made where nobody else possesses it, restricted, and only then linked into @u, where
 * it displaces whatever stands there under its name: an expired key, or one that was planted. */
static int token_key_create(const char *type, const char *description, const Secret *token,
                            uint64_t remaining_usec, int32_t *ret_serial) {
        key_serial_t serial;
        int r = 0;

        serial = add_key(type, description, secret_bytes(token), secret_size(token),
                         KEY_SPEC_THREAD_KEYRING);
        if (serial < 0)
                return -errno;
        r = token_key_set_timeout(serial, remaining_usec);
        if (r >= 0 && (keyctl_setperm(serial, TOKEN_KEY_PERMISSIONS | KEY_USR_LINK) < 0 ||
                       keyctl_link(serial, KEY_SPEC_USER_KEYRING) < 0 ||
                       keyctl_setperm(serial, TOKEN_KEY_PERMISSIONS) < 0))
                r = -errno;
        (void)keyctl_unlink(serial, KEY_SPEC_THREAD_KEYRING);
        if (r < 0) {
                (void)keyctl_unlink(serial, KEY_SPEC_USER_KEYRING);
                return r;
        }

        *ret_serial = serial;
        return 0;
}

/* Our own key is updated in place: the serial stays, and a reader between its search and its read
 * finds the old token or the new one, never a gap. */
static int token_key_update(key_serial_t serial, const Secret *token, uint64_t remaining_usec) {
        int r;

        if (keyctl_update(serial, secret_bytes(token), secret_size(token)) < 0)
                return -errno; /* the old token stands as it was, with its timeout */
        r = token_key_set_timeout(serial, remaining_usec);
        if (r < 0)
                (void)keyctl_unlink(serial, KEY_SPEC_USER_KEYRING);
        return r;
}

/* Unlinked first, so that nobody finds it; then its payload goes at once, and what it took of the
 * quota. A planted key is only unlinked: revoking it needs its owner's permission. */
static int token_key_drop(const char *type, const char *description) {
        key_serial_t serial = token_key_search(type, description);

        if (serial < 0)
                return serial;
        if (keyctl_unlink(serial, KEY_SPEC_USER_KEYRING) < 0)
                return -errno;
        (void)keyctl_revoke(serial);
        return 0;
}

/* Whatever is there and cannot be updated, because it is not as we made it or its type cannot be,
 * is displaced. */
static int token_key_write(const char *type, const char *description, const Secret *token,
                           uint64_t remaining_usec, int32_t *ret_serial) {
        key_serial_t serial = token_key_search(type, description);
        int r = serial < 0 ? serial : token_key_check(serial);

        if (r == 0)
                r = token_key_update(serial, token, remaining_usec);
        if (r == 0)
                *ret_serial = serial;
        return r == 0 || r == -EDQUOT
                       ? r
                       : token_key_create(type, description, token, remaining_usec, ret_serial);
}

int token_key_publish(const char *account, const Secret *token, uint64_t remaining_usec,
                      int32_t *ret_serial) {
        char description[DESCRIPTION_SIZE];
        int r, result = 0;

        if (remaining_usec < USEC_PER_SEC || remaining_usec / USEC_PER_SEC > INT32_MAX)
                return -EINVAL;
        r = token_key_description(account, description);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTSOF(types); i++) {
                r = secret_size(token) > types[i].size_max
                            ? -EMSGSIZE
                            : token_key_write(types[i].name, description, token, remaining_usec,
                                              ret_serial);
                if (r == 0) {
                        /* written before the other one goes, so that a reader of both has one */
                        (void)token_key_drop(types[i == 0].name, description);
                        return 0;
                }
                if (result == 0)
                        result = r;
                if (r != -EDQUOT && r != -EMSGSIZE)
                        break;
        }
        return result;
}

static int token_key_payload(key_serial_t serial, Secret **ret) {
        _cleanup_(secret_freep) Secret *payload = NULL;
        long size;
        int r;

        size = keyctl_read(serial, NULL, 0);
        if (size < 0)
                return -errno;
        /* A renewal may put a longer token in between the two calls: then the size tells, and the
         * loop of the caller asks again. */
        r = secret_new((size_t)size, &payload);
        if (r < 0)
                return r;
        size = keyctl_read(serial, secret_buffer(payload), secret_size(payload));
        if (size < 0)
                return -errno;
        if ((size_t)size > secret_size(payload))
                return -EAGAIN;
        return secret_new_copy(secret_bytes(payload), (size_t)size, ret);
}

/* "4m", "59s", "2h", "3d", "1w", "expd": the kernel rounds down, and so do we. */
static uint64_t proc_keys_timeout(const char *text) {
        static const struct {
                char unit;
                uint64_t seconds;
        } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
        size_t length = strlen(text);
        char digits[16] = "";
        uint64_t value;

        if (streq(text, "expd"))
                return 0;
        if (length < 2 || length > sizeof(digits))
                return UINT64_MAX;
        memcpy(digits, text, length - 1);
        if (parse_u64(digits, 0, UINT32_MAX, &value) < 0)
                return UINT64_MAX;
        for (size_t i = 0; i < ELEMENTSOF(units); i++)
                if (text[length - 1] == units[i].unit)
                        return value * units[i].seconds;
        return UINT64_MAX;
}

/* There is no system call that tells a key's timeout: /proc/keys has it, "SERIAL FLAGS USAGE
 * TIMEOUT ...", serial in eight hexadecimal digits. -EPERM: "perm", there is none; we always set
 * one, and whoever writes into a key clears it. */
static int token_key_remaining(key_serial_t serial, uint64_t *ret_seconds) {
        _cleanup_(fclosep) FILE *keys = fopen("/proc/keys", "re");
        char line[PROC_KEYS_LINE_MAX], wanted[sizeof("01234567 ")], timeout[16];

        *ret_seconds = UINT64_MAX;
        (void)snprintf(wanted, sizeof(wanted), "%08x ", (unsigned)serial);
        while (keys && fgets(line, sizeof(line), keys))
                if (strncmp(line, wanted, strlen(wanted)) == 0 &&
                    sscanf(line, "%*s %*s %*s %15s", timeout) == 1) {
                        *ret_seconds = proc_keys_timeout(timeout);
                        return streq(timeout, "perm") ? -EPERM : 0;
                }
        return 0;
}

int token_key_read(int32_t serial, Secret **ret_token, uint64_t *ret_remaining_sec) {
        uint64_t remaining;
        int r;

        /* The time first: a token that is replaced in between only lives longer than told. */
        r = token_key_remaining(serial, &remaining);
        if (r < 0)
                return r;
        do
                r = token_key_payload(serial, ret_token);
        while (r == -EAGAIN);
        if (r < 0)
                return r == -EKEYEXPIRED || r == -EKEYREVOKED ? -ENOKEY : r;

        if (ret_remaining_sec)
                *ret_remaining_sec = remaining;
        return 0;
}

int token_key_remove(const char *account) {
        char description[DESCRIPTION_SIZE];
        int r, result = -ENOKEY;

        r = token_key_description(account, description);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTSOF(types); i++) {
                r = token_key_drop(types[i].name, description);
                if (result == -ENOKEY)
                        result = r;
        }
        return result;
}

/* "TYPE;UID;GID;PERM;oidc:ACCOUNT"; keys of other makers, and "oidc:ACCOUNT:TOKEN", are none. */
static bool token_key_account(key_serial_t serial, char account[static ACCOUNT_NAME_MAX + 1]) {
        _cleanup_free_ char *text = NULL;
        const char *description;
        int32_t found;

        if (keyctl_describe_alloc(serial, &text) < 0)
                return false;
        description = strrchr(text, ';');
        if (!description ||
            strncmp(description + 1, TOKEN_KEY_PREFIX, strlen(TOKEN_KEY_PREFIX)) != 0)
                return false;
        description += 1 + strlen(TOKEN_KEY_PREFIX);
        if (!account_name_is_valid(description) || token_key_find(description, &found) < 0 ||
            found != serial)
                return false;
        (void)stpcpy(account, description);
        return true;
}

int token_key_for_each(void (*visit)(const char *account, int32_t serial, void *userdata),
                       void *userdata) {
        _cleanup_free_ void *serials = NULL;
        char account[ACCOUNT_NAME_MAX + 1];
        int size;

        size = keyctl_read_alloc(KEY_SPEC_USER_KEYRING, &serials);
        if (size < 0)
                return -errno;
        for (size_t i = 0; i < (size_t)size / sizeof(key_serial_t); i++)
                if (token_key_account(((key_serial_t *)serials)[i], account))
                        visit(account, ((key_serial_t *)serials)[i], userdata);
        return 0;
}

static void remove_if_torn(const char *account, int32_t serial, void *userdata) {
        uint64_t remaining;

        (void)userdata;
        if (token_key_remaining(serial, &remaining) == -EPERM)
                (void)token_key_remove(account);
}

void token_key_remove_torn(void) {
        (void)token_key_for_each(remove_if_torn, NULL);
}
