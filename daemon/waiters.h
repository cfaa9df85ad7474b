/* SPDX-License-Identifier: MIT */
#pragma once

/* Waiters: who waits for the next token of an account. */

#include "daemon/account.h"

typedef struct Waiter Waiter;

/* To be embedded; zero is nobody. */
typedef struct Waiters {
        Waiter *first;
        unsigned n;
} Waiters;

/* -ENOBUFS: there are ACCOUNT_WAITERS_MAX already. -ENOMEM. */
int waiters_add(Waiters *waiters, AccountDone done, void *userdata);

/* Everybody hears the same and waits no longer. */
void waiters_answer(Waiters *waiters, const Account *account, int result, const char *message);
