/* SPDX-License-Identifier: MIT */
#include "common/token-key.h"

#include <errno.h>
#include <fcntl.h>
#include <keyutils.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/macro.h"
#include "common/names.h"
#include "common/parse.h"

#define DESCRIPTION_SIZE (sizeof(TOKEN_KEY_PREFIX) + ACCOUNT_NAME_MAX)
#define PROC_KEYS_LINE_MAX 512u

static int token_key_description(const char *account, char description[static DESCRIPTION_SIZE]) {
        if (!account_name_is_valid(account))
                return -EINVAL;
        (void)snprintf(description, DESCRIPTION_SIZE, TOKEN_KEY_PREFIX "%s", account);
        return 0;
}

/* The owner by KEYCTL_DESCRIBE, "type;uid;gid;perm;description": whoever could write into @u, for
 * example through a keyring that sudo handed on, may have planted a key of our name there. */
static int token_key_check_owner(key_serial_t serial) {
        _cleanup_free_ char *text = NULL;
        char *type_end, *uid_end;
        uint64_t uid;
        int r;

        if (keyctl_describe_alloc(serial, &text) < 0)
                return -errno;
        type_end = strchr(text, ';');
        uid_end = type_end ? strchr(type_end + 1, ';') : NULL;
        if (!uid_end)
                return -EBADMSG;
        *uid_end = '\0';
        r = parse_u64(type_end + 1, 0, UINT32_MAX, &uid);
        if (r < 0)
                return -EBADMSG;
        return uid == geteuid() ? 0 : -EPERM;
}

int token_key_find(const char *account, int32_t *ret_serial) {
        char description[DESCRIPTION_SIZE];
        key_serial_t serial;
        int r;

        r = token_key_description(account, description);
        if (r < 0)
                return r;
        serial = (key_serial_t)keyctl_search(KEY_SPEC_USER_KEYRING, "user", description, 0);
        if (serial < 0)
                return errno == EKEYEXPIRED || errno == EKEYREVOKED ? -ENOKEY : -errno;
        r = token_key_check_owner(serial);
        if (r < 0)
                return r;

        *ret_serial = serial;
        return 0;
}

/* Rounded down, so that the key never outlives the token. Updating a key clears its timeout, so
 * this is needed every time. */
static int token_key_set_timeout(key_serial_t serial, uint64_t remaining_usec) {
        unsigned seconds = (unsigned)(remaining_usec / USEC_PER_SEC);

        return keyctl_set_timeout(serial, seconds) < 0 ? -errno : 0;
}

/* A new key is made where nobody else possesses it, restricted, and only then linked into @u, where
 * it displaces whatever stands there under its name: an expired key, or one that was planted. */
static int token_key_create(const char *description, const Secret *token, uint64_t remaining_usec,
                            int32_t *ret_serial) {
        key_serial_t serial;
        int r = 0;

        serial = add_key("user", description, secret_bytes(token), secret_size(token),
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

int token_key_publish(const char *account, const Secret *token, uint64_t remaining_usec,
                      int32_t *ret_serial) {
        char description[DESCRIPTION_SIZE];
        int32_t serial;
        int r;

        if (remaining_usec < USEC_PER_SEC || remaining_usec / USEC_PER_SEC > INT32_MAX)
                return -EINVAL;
        r = token_key_description(account, description);
        if (r < 0)
                return r;
        r = token_key_find(account, &serial);
        if (r == -ENOKEY || r == -EPERM)
                return token_key_create(description, token, remaining_usec, ret_serial);
        if (r < 0)
                return r;
        r = token_key_update(serial, token, remaining_usec);
        if (r < 0)
                return r;

        *ret_serial = serial;
        return 0;
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

/* "4m", "59s", "2h", "3d", "1w", "perm", "expd": the kernel rounds down, and so do we. */
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
 * TIMEOUT ...", serial in eight hexadecimal digits. */
static uint64_t token_key_remaining(key_serial_t serial) {
        _cleanup_(fclosep) FILE *keys = fopen("/proc/keys", "re");
        char line[PROC_KEYS_LINE_MAX], wanted[sizeof("01234567 ")], timeout[16];

        (void)snprintf(wanted, sizeof(wanted), "%08x ", (unsigned)serial);
        while (keys && fgets(line, sizeof(line), keys))
                if (strncmp(line, wanted, strlen(wanted)) == 0 &&
                    sscanf(line, "%*s %*s %*s %15s", timeout) == 1)
                        return proc_keys_timeout(timeout);
        return UINT64_MAX;
}

int token_key_read(int32_t serial, Secret **ret_token, uint64_t *ret_remaining_sec) {
        uint64_t remaining = UINT64_MAX;
        int r;

        /* The time first: a token that is replaced in between only lives longer than told. */
        if (ret_remaining_sec)
                remaining = token_key_remaining(serial);
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
        key_serial_t serial;
        int r;

        r = token_key_description(account, description);
        if (r < 0)
                return r;
        serial = (key_serial_t)keyctl_search(KEY_SPEC_USER_KEYRING, "user", description, 0);
        if (serial < 0)
                return errno == EKEYEXPIRED || errno == EKEYREVOKED ? -ENOKEY : -errno;
        /* Unlinked first, so that nobody finds it; then its payload goes at once. A planted key is
         * only unlinked: invalidating it needs its owner's permission. */
        if (keyctl_unlink(serial, KEY_SPEC_USER_KEYRING) < 0)
                return -errno;
        (void)keyctl_revoke(serial);
        return 0;
}
