/* SPDX-License-Identifier: MIT */
#pragma once

/* Account: one grant, from AddGrant to its end. It renews the grant ahead of time, keeps the newest
 * one in the fd store and its access token in the keyring. The tokens themselves are in this
 * process's memory only while they are handed on: what an account holds is the sealed memfd. */

#include <stdbool.h>
#include <stdint.h>

#include "common/grant.h"
#include "daemon/gateway-client.h"
#include "daemon/retirement.h"

#define ACCOUNT_WAITERS_MAX 256u

typedef struct Account Account;

/* What the accounts of one manager share. @changed is told after anything that a property shows has
 * changed. */
typedef struct AccountContext {
        sd_event *event;
        sd_bus *bus; /* the user's, where a desktop may be */
        GatewayClient gateway;
        uint64_t (*random)(void);
        size_t (*n_users)(void); /* of the host; at least 1 */
        void (*changed)(void *userdata, const Account *account);
        void *userdata;
} AccountContext;

/* The end of a wait for a token: 0, an Outcome, or -errno, with a sentence unless 0. */
typedef void (*AccountDone)(void *userdata, const Account *account, int result,
                            const char *message);

/* An account, for account_install() or account_restore(). @context outlives it. */
int account_new(const AccountContext *context, Account **ret);
/* Ends the waits for it with OUTCOME_UNKNOWN_ACCOUNT. Touches neither keyring nor fd store. */
Account *account_free(Account *account);
DEFINE_CLEANUP(Account, account_free);

/* A new grant from a login: stored, then published, then scheduled, then told. Takes @grant over.
 * An older grant is revoked after that, in *ret_old with @done and @userdata (NULL if there is
 * nothing to revoke). 0, also if the keyring did not take the token; -errno: nothing has changed.
 */
int account_install(Account *account, Grant *grant, RetirementDone done, void *userdata,
                    Retirement **ret_old);
/* The same at start, for a grant that lies in the fd store already. Takes over @grant and @fd. */
void account_restore(Account *account, Grant *grant, uint64_t sequence, int fd);

/* Calls @done when a token with @min_valid_usec left is in the keyring: at once, or after a refresh
 * that everybody shares. A token that has just been renewed is as good as it gets. */
void account_get_token(Account *account, uint64_t min_valid_usec, AccountDone done, void *userdata);
/* Calls @done after a refresh. */
void account_refresh(Account *account, AccountDone done, void *userdata);

/* Writes the key again: another process of the user may have changed it. 0, OUTCOME_NO_KEYRING,
 * -errno. */
int account_republish(Account *account);

/* The token for whom there is no keyring, after account_get_token() has ended with 0 or
 * OUTCOME_NO_KEYRING: a sealed memfd. */
int account_token_file(const Account *account, int *ret_fd);

/* Whether it will try again by itself after a failure. */
bool account_is_offline(const Account *account);
/* What was out of reach may be there again. */
void account_network_changed(Account *account);
/* The key, whose timeout the kernel counts by it, is written again, and what may have failed
 * because of it is tried again. */
void account_clock_was_set(Account *account);

/* Takes key and stored grant away and has the grant revoked. A login that is over is not revoked
 * again: then *ret is NULL. With a NULL @ret there is no room for another retirement: -ENOBUFS, and
 * nothing is revoked, but key and stored grant are gone all the same. Only account_free() is left
 * to do then. */
int account_retire(Account *account, RetirementDone done, void *userdata, Retirement **ret);

/* Not NULL once there is a grant; without its tokens. */
const Grant *account_grant(const Account *account);
const char *account_name(const Account *account);
const char *account_state_name(const Account *account);
/* "": none. */
const char *account_last_error(const Account *account);
/* CLOCK_BOOTTIME, 0: none. */
uint64_t account_next_refresh(const Account *account);
/* 0: there is none, or it has expired. */
int32_t account_key_serial(const Account *account);
