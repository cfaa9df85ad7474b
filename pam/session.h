/* SPDX-License-Identifier: MIT */
#pragma once

/* The session facility: the grant of a login goes from the gateway to the daemon of that user. */

#include "pam/transaction.h"

/* The PAM code: PAM_IGNORE without a login of ours, PAM_SUCCESS when the token is in the keyring,
 * PAM_SESSION_ERR (with a message) otherwise. Takes the login id away, so that a second call finds
 * nothing to do. */
int session_open(Transaction *transaction, int argc, const char **argv);
