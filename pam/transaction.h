/* SPDX-License-Identifier: MIT */
#pragma once

/* One call of libpam into the module: whose, with what options, and how it ends badly. It lives on
 * the stack of that call; the module keeps nothing else. */

#include <stdbool.h>

#include <security/pam_modules.h>

#include "common/macro.h"
#include "pam/options.h"
#include "pam/result.h"

typedef struct Transaction {
        pam_handle_t *pamh;
        Phase phase;
        bool silent;      /* PAM_SILENT: no messages but those that a login consists of */
        bool asked;       /* the person was shown a code, and is owed the outcome */
        const char *user; /* libpam's; printable ASCII */
        Options options;
} Transaction;

/* The options of the line in the stack. 0 or FAILURE_OPTIONS (then the word has been logged). */
int transaction_options(Transaction *transaction, int argc, const char **argv);

/* The name of the user. 0, FAILURE_USER_NAME, FAILURE_CONVERSATION or
 * FAILURE_CONVERSATION_AGAIN. */
int transaction_user(Transaction *transaction);

/* A PAM item as text, with '?' for what is not printable ASCII. @ret is the caller's; "" if there
 * is no such item. 0 or -ENOMEM. */
int transaction_item(const Transaction *transaction, int item_type, char **ret);

/* Ends badly: logs @failure once (with @detail, if there is one), tells the person where that is
 * possible, and returns the PAM code. */
int transaction_fail(const Transaction *transaction, int failure, const char *detail);

/* Steps, for `debug`. */
void transaction_debug(const Transaction *transaction, const char *format, ...) _printf_(2, 3);
