/* SPDX-License-Identifier: MIT */
#include "cli/own-keys.h"

#include <errno.h>
#include <keyutils.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/macro.h"
#include "common/parse.h"
#include "common/token-key.h"

/* "user;UID;GID;PERM;oidc:ACCOUNT"; keys of other makers, and "oidc:ACCOUNT:TOKEN", are none. */
static bool key_account(key_serial_t serial, char account[static ACCOUNT_NAME_MAX + 1]) {
        _cleanup_free_ char *text = NULL;
        const char *description;
        int32_t found;

        if (keyctl_describe_alloc(serial, &text) < 0)
                return false;
        description = strrchr(text, ';');
        if (!description || strncmp(text, "user;", 5) != 0 ||
            strncmp(description + 1, TOKEN_KEY_PREFIX, strlen(TOKEN_KEY_PREFIX)) != 0)
                return false;
        description += 1 + strlen(TOKEN_KEY_PREFIX);
        if (!account_name_is_valid(description) || token_key_find(description, &found) < 0)
                return false;
        (void)stpcpy(account, description);
        return true;
}

int own_keys_only_account(char ret_account[static ACCOUNT_NAME_MAX + 1]) {
        _cleanup_free_ void *serials = NULL;
        char account[ACCOUNT_NAME_MAX + 1];
        unsigned n = 0;
        int size;

        *ret_account = '\0';
        size = keyctl_read_alloc(KEY_SPEC_USER_KEYRING, &serials);
        if (size < 0)
                return -errno;
        for (size_t i = 0; i < (size_t)size / sizeof(key_serial_t); i++)
                if (key_account(((key_serial_t *)serials)[i], account) && n++ == 0)
                        (void)stpcpy(ret_account, account);
        if (n != 1)
                *ret_account = '\0';
        return 0;
}
