/* SPDX-License-Identifier: MIT */
#pragma once

/* The accounts whose tokens lie in the caller's user keyring, found without asking anybody. */

#include "common/names.h"

/* The only account with a token in @u, or "" if there is none or are several. -errno if @u cannot
 * be read. */
int own_keys_only_account(char ret_account[static ACCOUNT_NAME_MAX + 1]);
