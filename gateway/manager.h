/* SPDX-License-Identifier: MIT */
#pragma once

/* Manager: all that the gateway holds: the configured providers, the logins and refreshes under
 * way, the grants that wait to be claimed. Its methods are those of the D-Bus interface without the
 * bus: they know a caller by the uid that the kernel vouches for. Results are 0, an Outcome or
 * -errno. */

#include <stdbool.h>
#include <sys/types.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "gateway/bindings.h"
#include "gateway/check.h"
#include "gateway/login.h"
#include "gateway/policy.h"
#include "gateway/refreshes.h"
#include "gateway/revocation.h"

/* With those that have ended and wait to be asked for. Each takes a match rule (of who began it),
 * of which the system bus gives 512 to one connection. */
#define LOGINS_MAX 400u
#define GRANT_BURST 60u /* Revoke and RestoreGrant of one user, then one in */
#define GRANT_PERIOD_USEC UINT64_C(1000000)
#define CHECKS_MAX 8u
#define BINDINGS_PAGE 1000u /* in one answer */

typedef struct Manager Manager;

/* @root as for config_load(). */
int manager_new(sd_event *event, const char *root, Manager **ret);
Manager *manager_free(Manager *manager);
DEFINE_CLEANUP(Manager, manager_free);

/* manager-bus.c: offers the D-Bus interface on @bus, which must outlive the manager. */
int manager_attach(Manager *manager, sd_bus *bus);
/* The signal that makes daemons try again which are offline. */
void manager_tell_network_changed(sd_bus *bus);

/* How long the answer to a refresh is given again. */
void manager_remember_answers_for(Manager *manager, uint64_t usec);

/* Nothing is pending: no login, unclaimed grant, refresh, kept answer, revocation, check. */
bool manager_is_idle(const Manager *manager);

/* When it was last called, CLOCK_BOOTTIME. */
uint64_t manager_last_call_usec(const Manager *manager);
void manager_note_call(Manager *manager);

void manager_reload(Manager *manager);

/* Cancels logins and revokes what nobody was given, brings refreshes to their end and begins
 * nothing more: manager_is_idle() before long. */
void manager_stop(Manager *manager);

/* What is wrong with the configuration; NULL: nothing. */
const char *manager_configuration_problem(const Manager *manager);

typedef struct LoginArguments {
        const char *provider;
        const char *user;
        const char *service;
        const char *rhost;
} LoginArguments;

/* Admits a login, which is then begun by login_begin(). It is the manager's, and may be gone
 * whenever one of its callbacks was called. */
int manager_admit_login(Manager *manager, uid_t caller, const LoginArguments *arguments,
                        Login **ret);

/* The login ends when nothing is left in @track (taken over) before its verdict was delivered. */
void manager_track_login(Manager *manager, Login *login, sd_bus_track *track);

/* A login by its id, if @caller may have to do with it. OUTCOME_UNKNOWN_LOGIN. */
int manager_find_login(Manager *manager, uid_t caller, const char *id, Login **ret);

/* Hands the grant of a login out. */
int manager_claim_grant(Manager *manager, uid_t caller, const char *id, const char *user,
                        Grant **ret);
/* After that: the login is gone; or @grant, which could not be delivered, is the login's again. */
void manager_end_claim(Manager *manager, uid_t caller, const char *id, Grant *grant);

int manager_check_account(Manager *manager, uid_t caller, const char *provider, const char *user,
                          PolicyVerdict *ret);

/* The grant that was kept over a reboot for @caller at the provider after @after, by name ("": the
 * first). OUTCOME_UNKNOWN_ACCOUNT: there is none. */
int manager_restore_grant(Manager *manager, uid_t caller, const char *after, Grant **ret);

/* @done is called exactly once, perhaps from within. @fd stays the caller's. */
void manager_refresh(Manager *manager, uid_t caller, int fd, RefreshDone done, void *userdata);
void manager_revoke(Manager *manager, uid_t caller, int fd, RevocationDone done, void *userdata);

/* 0: @done is called exactly once, perhaps from within. */
int manager_check(Manager *manager, uid_t caller, const char *provider, CheckDone done,
                  void *userdata);

/* As bindings_list() and bindings_clear(), for root alone. OUTCOME_UNKNOWN_BINDING. */
int manager_list_bindings(Manager *manager, uid_t caller, const char *after_provider,
                          const char *after_user, BindingSeen seen, void *userdata);
int manager_clear_binding(Manager *manager, uid_t caller, const char *provider, const char *user,
                          BindingSeen cleared, void *userdata);
