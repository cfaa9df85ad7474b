/* SPDX-License-Identifier: MIT */
#include "cli/own-keys.h"

#include <stdint.h>

#include "common/macro.h"
#include "common/token-key.h"

typedef struct OwnKeys {
        unsigned n;
        char *first;
} OwnKeys;

static void on_key(const char *account, int32_t serial, void *userdata) {
        OwnKeys *keys = userdata;

        (void)serial;
        if (keys->n++ == 0)
                (void)stpcpy(keys->first, account);
}

int own_keys_only_account(char ret_account[static ACCOUNT_NAME_MAX + 1]) {
        OwnKeys keys = {.first = ret_account};
        int r;

        *ret_account = '\0';
        r = token_key_for_each(on_key, &keys);
        if (keys.n != 1)
                *ret_account = '\0';
        return r;
}
