/* SPDX-License-Identifier: MIT */
#pragma once

/* The account facility: policy, asked again at every login, by whatever means it came (an ssh key,
 * for example). */

#include "pam/transaction.h"

/* The PAM code: PAM_IGNORE where there is nothing for us to decide, PAM_SUCCESS only for somebody
 * who is allowed and came through our auth facility. */
int account(Transaction *transaction, int argc, const char **argv);
