/* SPDX-License-Identifier: MIT */
#pragma once

/* The auth facility: a code is shown, approved elsewhere, and the gateway says whose approval it
 * was. */

#include "pam/transaction.h"

/* The PAM code. PAM_SUCCESS only after the gateway's verdict, and then the login id is on its way
 * to open_session. */
int authenticate(Transaction *transaction, int argc, const char **argv);
