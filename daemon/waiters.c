/* SPDX-License-Identifier: MIT */
#include "daemon/waiters.h"

#include <errno.h>

struct Waiter {
        Waiter *next;
        AccountDone done;
        void *userdata;
};

/* The list is taken off first: who hears it may ask again. */
void waiters_answer(Waiters *waiters, const Account *account, int result, const char *message) {
        Waiter *waiter = TAKE_PTR(waiters->first);

        waiters->n = 0;
        while (waiter) {
                _cleanup_free_ Waiter *current = waiter;

                waiter = waiter->next;
                current->done(current->userdata, account, result, message);
        }
}

int waiters_add(Waiters *waiters, AccountDone done, void *userdata) {
        Waiter *waiter;

        if (waiters->n >= ACCOUNT_WAITERS_MAX)
                return -ENOBUFS;
        waiter = malloc(sizeof(*waiter));
        if (!waiter)
                return -ENOMEM;
        *waiter = (Waiter){.next = waiters->first, .done = done, .userdata = userdata};
        waiters->first = waiter;
        waiters->n++;
        return 0;
}
