/* SPDX-License-Identifier: MIT */
#include "daemon/account.h"

#include <errno.h>
#include <fcntl.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/outcome.h"
#include "daemon/bus-error.h"
#include "daemon/judgement.h"
#include "daemon/kept-grant.h"
#include "daemon/notification.h"
#include "daemon/schedule.h"
#include "daemon/waiters.h"

#define TIMER_ACCURACY_MAX_USEC USEC_PER_SEC

typedef enum AccountState {
        ACCOUNT_FRESH,          /* the token is as the provider gave it, the next refresh is set */
        ACCOUNT_REFRESHING,     /* one call of the gateway is in flight */
        ACCOUNT_OFFLINE,        /* the last attempt failed for a reason that may pass */
        ACCOUNT_LOGIN_REQUIRED, /* the grant is over; the token stays until it expires */
        _ACCOUNT_STATE_MAX,
} AccountState;

typedef enum AccountEvent {
        EVENT_REFRESH,    /* it is time, or somebody asked */
        EVENT_RENEWED,    /* there is a new grant */
        EVENT_FAILED,     /* there may be one later */
        EVENT_LOGIN_OVER, /* there will be none */
        EVENT_ENDED,      /* a token that cannot be renewed has expired */
        _ACCOUNT_EVENT_MAX,
} AccountEvent;

struct Account {
        const AccountContext *context;
        AccountState state;
        KeptGrant kept;
        char *last_error;

        GatewayCall *call; /* while refreshing */
        Waiters waiters;

        sd_event_source *timer;
        uint64_t next_usec; /* of the next refresh, 0: none */

        int failure; /* the result of the last attempt */
        Retry retry;
        unsigned n_failures;
        uint64_t attempt_usec;
        bool hastened;               /* since then */
        uint64_t hastening_due_usec; /* of one after the other, see below */

        Notification notification; /* while a new login is required */
};

static void account_enter_fresh(Account *account);
static void account_enter_refreshing(Account *account);
static void account_enter_offline(Account *account);
static void account_enter_login_required(Account *account);

static const struct {
        const char *name;
        void (*enter)(Account *account);
} states[_ACCOUNT_STATE_MAX] = {
        [ACCOUNT_FRESH] = {"fresh", account_enter_fresh},
        [ACCOUNT_REFRESHING] = {"refreshing", account_enter_refreshing},
        [ACCOUNT_OFFLINE] = {"offline", account_enter_offline},
        [ACCOUNT_LOGIN_REQUIRED] = {"login-required", account_enter_login_required},
};

/* What may happen in which state. Whatever is not listed happens to nobody: a refresh that is in
 * flight is not started twice, and a login that is over is not asked for again. */
static const struct {
        bool possible;
        AccountState next;
} transitions[_ACCOUNT_STATE_MAX][_ACCOUNT_EVENT_MAX] = {
        [ACCOUNT_FRESH][EVENT_REFRESH] = {true, ACCOUNT_REFRESHING},
        [ACCOUNT_FRESH][EVENT_RENEWED] = {true, ACCOUNT_FRESH},
        [ACCOUNT_FRESH][EVENT_ENDED] = {true, ACCOUNT_LOGIN_REQUIRED},
        [ACCOUNT_REFRESHING][EVENT_RENEWED] = {true, ACCOUNT_FRESH},
        [ACCOUNT_REFRESHING][EVENT_FAILED] = {true, ACCOUNT_OFFLINE},
        [ACCOUNT_REFRESHING][EVENT_LOGIN_OVER] = {true, ACCOUNT_LOGIN_REQUIRED},
        [ACCOUNT_OFFLINE][EVENT_REFRESH] = {true, ACCOUNT_REFRESHING},
        [ACCOUNT_OFFLINE][EVENT_RENEWED] = {true, ACCOUNT_FRESH},
        [ACCOUNT_LOGIN_REQUIRED][EVENT_RENEWED] = {true, ACCOUNT_FRESH},
};

static void account_happens(Account *account, AccountEvent event) {
        if (!transitions[account->state][event].possible)
                return;
        account->state = transitions[account->state][event].next;
        states[account->state].enter(account);
        account->context->changed(account->context->userdata, account);
}

static void account_set_error(Account *account, const char *message) {
        free(account->last_error);
        account->last_error = message ? strdup(message) : NULL;
}

static void account_set_timer(Account *account, uint64_t when_usec) {
        uint64_t now = clock_boottime_usec(), accuracy = USEC_PER_MSEC;

        /* As exact as it matters, so that the kernel can join it with other wake-ups. */
        if (when_usec > now && (when_usec - now) / 100 > accuracy)
                accuracy = (when_usec - now) / 100;
        if (accuracy > TIMER_ACCURACY_MAX_USEC)
                accuracy = TIMER_ACCURACY_MAX_USEC;
        (void)sd_event_source_set_time_accuracy(account->timer, accuracy);
        (void)sd_event_source_set_time(account->timer, when_usec);
        (void)sd_event_source_set_enabled(account->timer, SD_EVENT_ONESHOT);
}

static void account_clear_timer(Account *account) {
        account->next_usec = 0;
        (void)sd_event_source_set_enabled(account->timer, SD_EVENT_OFF);
}

/* The next attempt that nobody insists on. */
static uint64_t account_earliest(const Account *account) {
        return account->attempt_usec == 0 ? 0 : account->attempt_usec + SCHEDULE_INTERVAL_MIN_USEC;
}

/* A token of a login or of the end of an outage, which others may have been given just now, too.
 * One that is older was only taken up again. */
static bool account_is_one_of_many(const Account *account) {
        const Grant *grant = account->kept.grant;

        return (grant->generation == 0 || account->n_failures > 0) &&
               kept_grant_remaining(&account->kept) > grant->lifetime_usec / 4 * 3;
}

static void account_enter_fresh(Account *account) {
        const Grant *grant = account->kept.grant;
        uint64_t lifetime = grant->lifetime_usec, delay;
        bool one_of_many = account_is_one_of_many(account);

        account->n_failures = 0;
        notification_close(&account->notification, account->context->bus);
        account_clear_timer(account);
        if (!account->kept.renewable) {
                account_set_timer(account, grant->expires_usec);
                return;
        }
        /* Kept over a reboot, without a token; or a process before this one has sent it, and the
         * gateway has its answer for a minute only. So may others be. A token that is over is due.
         */
        if (grant->expires_usec == 0 || (grant->sent && kept_grant_remaining(&account->kept) > 0)) {
                account->next_usec = clock_boottime_usec() +
                                     schedule_network_delay(0, account->context->n_users(),
                                                            account->context->random());
                account_set_timer(account, account->next_usec);
                return;
        }
        if (lifetime > grant->expires_usec) /* only a clock that began after the token did */
                lifetime = grant->expires_usec;
        delay = (one_of_many ? schedule_scattered_delay : schedule_refresh_delay)(
                lifetime, grant->refresh_at, account->context->random());
        account->next_usec = grant->expires_usec - lifetime + delay;
        if (account->next_usec < account_earliest(account))
                account->next_usec = account_earliest(account);
        account_set_timer(account, account->next_usec);
}

/* To the moment when there is nothing to lose any more by asking with a token that may have been
 * exchanged already. */
static uint64_t account_last_chance_delay(const Account *account) {
        return schedule_last_chance_delay(account->kept.grant->lifetime_usec,
                                          kept_grant_remaining(&account->kept));
}

static void account_enter_offline(Account *account) {
        uint64_t delay;

        account->n_failures++;
        delay = schedule_retry_delay(account->retry, account->n_failures,
                                     account->context->random());
        if (account->retry == RETRY_LOST && delay < account_last_chance_delay(account))
                delay = account_last_chance_delay(account);
        account->next_usec = clock_boottime_usec() + delay;
        account_set_timer(account, account->next_usec);
        if (account->n_failures == 1)
                log_warning("%s: the token cannot be renewed at the moment: %s",
                            account_name(account), account_last_error(account));
}

static void account_enter_login_required(Account *account) {
        account_clear_timer(account);
        log_notice("%s: a new login is needed: %s", account_name(account),
                   account_last_error(account));
        notification_show(&account->notification, account->context->bus, account_name(account));
}

static int account_take_renewed(Account *account, int grant_fd) {
        _cleanup_(grant_freep) Grant *grant = NULL;
        int r;

        r = grant_fd < 0 ? -EBADF : grant_unseal(grant_fd, &grant);
        if (r == -ENOMEM)
                return r;
        /* The gateway only ever answers with a newer state of what it was given. */
        if (r < 0 || !kept_grant_is_of_login_of(&account->kept, grant))
                return OUTCOME_PROVIDER_ANSWER;
        grant->sent = grant->answer_lost = 0; /* which only we say, and of the one before */
        return kept_grant_replace(&account->kept, TAKE_PTR(grant));
}

static const AccountEvent events[] = {
        [JUDGED_RENEWED] = EVENT_RENEWED,
        [JUDGED_FAILED] = EVENT_FAILED,
        [JUDGED_OVER] = EVENT_LOGIN_OVER,
};

/* Before that moment, whatever trouble comes after a lost answer makes it no clearer. */
static bool account_is_lost(const Account *account) {
        return account->n_failures > 0 && account->retry == RETRY_LOST &&
               account_last_chance_delay(account) > 0;
}

/* After it, a lost answer is trouble that passes, like any other. */
static bool account_may_try_sooner(const Account *account) {
        return account->state == ACCOUNT_OFFLINE && !account_is_lost(account);
}

static void account_end_login(Account *account) {
        if (kept_grant_end_login(&account->kept) < 0)
                account->kept.renewable = false;
}

static void account_on_refreshed(void *userdata, int result, const char *message, int grant_fd) {
        Account *account = userdata;
        bool was_offline = account->n_failures > 0, was_lost = account_is_lost(account);
        Judgement judgement;

        account->call = gateway_call_free(account->call);
        if (result == 0) {
                result = account_take_renewed(account, grant_fd);
                message = result > 0   ? outcome_message((Outcome)result)
                          : result < 0 ? bus_error_gateway_message()
                                       : NULL;
        }
        judgement = judge_refresh(result, &account->retry);
        if (was_lost)
                account->retry = RETRY_LOST;
        if (judgement == JUDGED_OVER && result != OUTCOME_LOGIN_REQUIRED) {
                message = "The identity provider answered for another identity, so this login is "
                          "over. Log in again with `oidc-keyring login`.";
                result = OUTCOME_LOGIN_REQUIRED;
        }
        account_set_error(account, judgement == JUDGED_RENEWED ? NULL : message);
        account->failure = result;
        if (judgement == JUDGED_OVER)
                account_end_login(account);
        else if (judgement == JUDGED_FAILED && account->retry == RETRY_LOST &&
                 account_last_chance_delay(account) > 0)
                (void)kept_grant_note_sent(&account->kept, true);
        if (judgement == JUDGED_RENEWED && was_offline)
                log_info("%s: the token could be renewed again", account_name(account));

        account_happens(account, events[judgement]);
        waiters_answer(&account->waiters, account, result, message);
}

static void account_enter_refreshing(Account *account) {
        int r;

        account_clear_timer(account);
        account->hastened = false;
        account->attempt_usec = clock_boottime_usec();
        (void)kept_grant_note_sent(&account->kept, false); /* for whom this one does not outlive */
        r = gateway_call_new(&account->context->gateway, GATEWAY_REFRESH, account->kept.fd,
                             account_on_refreshed, account, &account->call);
        if (r < 0)
                account_on_refreshed(account, r, bus_error_gateway_message(), -1);
}

static int account_on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        Account *account = userdata;

        (void)source;
        (void)usec;
        if (!account->kept.renewable) {
                account_end_login(account);
                account_set_error(account,
                                  "The token has expired and cannot be renewed. Log in again "
                                  "with `oidc-keyring login`.");
        }
        account_happens(account, account->kept.renewable ? EVENT_REFRESH : EVENT_ENDED);
        return 0;
}

int account_new(const AccountContext *context, Account **ret) {
        _cleanup_(account_freep) Account *account = calloc(1, sizeof(*account));
        int r;

        if (!account)
                return -ENOMEM;
        account->context = context;
        account->kept = (KeptGrant)KEPT_GRANT_INIT;
        r = sd_event_add_time(context->event, &account->timer, CLOCK_BOOTTIME, UINT64_MAX, 0,
                              account_on_timer, account);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(account->timer, SD_EVENT_OFF);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(account);
        return 0;
}

Account *account_free(Account *account) {
        if (!account)
                return NULL;
        waiters_answer(&account->waiters, account, OUTCOME_UNKNOWN_ACCOUNT,
                       outcome_message(OUTCOME_UNKNOWN_ACCOUNT));
        gateway_call_free(account->call);
        sd_event_source_disable_unref(account->timer);
        notification_done(&account->notification);
        kept_grant_done(&account->kept);
        free(account->last_error);
        free(account);
        return NULL;
}

/* A copy of what would have to be revoked; -ENOENT: nothing. */
static int account_grant_to_revoke(const Account *account) {
        int fd;

        if (!account->kept.grant || account->state == ACCOUNT_LOGIN_REQUIRED)
                return -ENOENT;
        fd = fcntl(account->kept.fd, F_DUPFD_CLOEXEC, 3);
        return fd < 0 ? -errno : fd;
}

/* There is a token; @result tells whether the keyring took it. */
static void account_begin(Account *account, int result) {
        account->failure = result;
        account_set_error(account, NULL);
        account_happens(account, EVENT_RENEWED);
        waiters_answer(&account->waiters, account, result,
                       result > 0 ? outcome_message((Outcome)result) : NULL);
}

/* The same login told twice; what is kept may be newer. But a daemon that is started for a login
 * may be given it by the gateway first, without its token. */
static int account_install_again(Account *account, Grant *grant) {
        _cleanup_(grant_freep) Grant *owned = grant;
        int r;

        if (account->kept.grant->expires_usec != 0 || !grant->access_token)
                return 0;
        owned->sent = account->kept.grant->sent; /* the same token */
        r = kept_grant_replace(&account->kept, TAKE_PTR(owned));
        if (r >= 0 && account->state != ACCOUNT_REFRESHING)
                account_begin(account, r);
        return r < 0 ? r : 0;
}

int account_install(Account *account, Grant *grant, RetirementDone done, void *userdata,
                    Retirement **ret_old) {
        _cleanup_(grant_freep) Grant *owned = grant;
        _cleanup_close_ int old_fd = -1;
        int old, r;

        *ret_old = NULL;
        if (account->kept.grant && kept_grant_has_refresh_token_of(&account->kept, grant))
                return account_install_again(account, TAKE_PTR(owned));
        old_fd = old = grant->keep_replaced ? -ENOENT : account_grant_to_revoke(account);
        r = kept_grant_replace(&account->kept, TAKE_PTR(owned));
        if (r < 0)
                return r;
        if (r != 0) /* what it holds is of the former login, which is about to be revoked */
                kept_grant_take_key_away(&account->kept);
        if (old >= 0)
                old = retirement_new(&account->context->gateway, TAKE_FD(old_fd),
                                     TAKE_PTR(account->call), done, userdata, ret_old);
        if (old < 0 && old != -ENOENT)
                log_warning("%s: the former login could not be revoked", account_name(account));
        account->call = gateway_call_free(account->call); /* its answer must not come in here */
        account->state = ACCOUNT_FRESH; /* whatever was in flight belongs to the former login */
        account_begin(account, r);
        return 0;
}

static void account_restore_lost(Account *account) {
        account->state = ACCOUNT_OFFLINE;
        account->failure = OUTCOME_ANSWER_LOST;
        account->retry = RETRY_LOST;
        account_set_error(account, outcome_message(OUTCOME_ANSWER_LOST));
        account_enter_offline(account);
}

void account_restore(Account *account, Grant *grant, uint64_t sequence, int fd) {
        bool over = grant->login_over, lost = grant->answer_lost;
        int r;

        r = kept_grant_restore(&account->kept, grant, sequence, fd);
        if (lost && account_last_chance_delay(account) > 0) {
                account_restore_lost(account);
                return;
        }
        if (!over) {
                account_begin(account, r);
                return;
        }
        /* Not entered: the process before has told it to whoever had to hear it. */
        account->state = ACCOUNT_LOGIN_REQUIRED;
        account_set_error(account, outcome_message(OUTCOME_LOGIN_REQUIRED));
}

bool account_is_offline(const Account *account) {
        return account->state == ACCOUNT_OFFLINE;
}

/* A network may go on changing, as on a host where containers come and go: then the first few
 * attempts are free, and others as far apart as that. */
static uint64_t account_hasten_delay(Account *account, uint64_t now_usec) {
        uint64_t due_usec = account->hastening_due_usec, delay = 0;

        if (due_usec < now_usec)
                due_usec = now_usec;
        if (due_usec > now_usec + SCHEDULE_HASTENED_BURST * SCHEDULE_HASTENED_USEC)
                delay = due_usec - now_usec - SCHEDULE_HASTENED_BURST * SCHEDULE_HASTENED_USEC;
        account->hastening_due_usec = due_usec + SCHEDULE_HASTENED_USEC;
        return delay;
}

/* Spread, because others hear of the same change. In place of the back-off, also where that would
 * be over sooner: a crowd comes by one of the two, or it is two crowds. And once, as an interface
 * that comes up changes several times, and the least of some draws is spread no more. */
static void account_try_sooner(Account *account) {
        const AccountContext *context = account->context;
        uint64_t now_usec = clock_boottime_usec(), delay, least;

        if (account->hastened)
                return;
        account->hastened = true;
        delay = schedule_network_delay(kept_grant_remaining(&account->kept), context->n_users(),
                                       context->random());
        least = account_hasten_delay(account, now_usec);
        delay = delay > least ? delay : least;
        if (account->n_failures <= SCHEDULE_BRIEF_FAILURES &&
            account->next_usec <= now_usec + delay)
                return;
        account->next_usec = now_usec + delay;
        account_set_timer(account, account->next_usec);
        context->changed(context->userdata, account);
}

void account_network_changed(Account *account) {
        if (account_may_try_sooner(account) && account->retry != RETRY_CONFIGURATION)
                account_try_sooner(account);
}

/* Certificates, too, are good from one time to another. The times that properties show are others
 * by the new clock, and so is the end of a key, which of one that was found here nobody knows. */
void account_clock_was_set(Account *account) {
        if (account->kept.grant->expires_usec == 0)
                kept_grant_take_key_away(&account->kept);
        (void)account_republish(account);
        account->context->changed(account->context->userdata, account);
        if (account_may_try_sooner(account) && (account->failure == OUTCOME_CLOCK_WRONG ||
                                                account->failure == OUTCOME_PROVIDER_UNTRUSTED))
                account_try_sooner(account);
}

/* What the provider would have to mend, the person can go around. */
static const char *account_refusal_message(int refusal) {
        if (refusal == OUTCOME_NO_REFRESH_TOKEN)
                return "The token cannot be renewed, because the identity provider gave no refresh "
                       "token. Get another one with `oidc-keyring login`.";
        return refusal > 0 ? outcome_message((Outcome)refusal) : NULL;
}

/* Why asking the provider would be of no use now: 0, or what to tell. */
static int account_refusal(const Account *account) {
        if (account->state == ACCOUNT_LOGIN_REQUIRED)
                return OUTCOME_LOGIN_REQUIRED;
        if (account->kept.renewable)
                return 0;
        return kept_grant_remaining(&account->kept) > 0 ? OUTCOME_NO_REFRESH_TOKEN
                                                        : OUTCOME_LOGIN_REQUIRED;
}

void account_refresh(Account *account, AccountDone done, void *userdata) {
        int r = account_refusal(account);

        if (r == 0)
                r = waiters_add(&account->waiters, done, userdata);
        if (r != 0) {
                done(userdata, account, r, account_refusal_message(r));
                return;
        }
        account_happens(account, EVENT_REFRESH);
}

/* As soon as it may be. */
static void account_refresh_early(Account *account, AccountDone done, void *userdata) {
        int r;

        r = waiters_add(&account->waiters, done, userdata);
        if (r < 0) {
                done(userdata, account, r, NULL);
                return;
        }
        if (account->next_usec > account_earliest(account)) {
                account->next_usec = account_earliest(account);
                account_set_timer(account, account->next_usec);
                account->context->changed(account->context->userdata, account);
        }
}

int account_republish(Account *account) {
        int32_t serial = account->kept.key_serial;
        bool failed = account->kept.keyring_failed;
        int r;

        r = kept_grant_publish(&account->kept);
        if (serial != account->kept.key_serial || failed != account->kept.keyring_failed)
                account->context->changed(account->context->userdata, account);
        return r;
}

int account_token_file(const Account *account, int *ret_fd) {
        return kept_grant_token_file(&account->kept, ret_fd);
}

void account_get_token(Account *account, uint64_t min_valid_usec, AccountDone done,
                       void *userdata) {
        int r;

        if (kept_grant_is_good(&account->kept, min_valid_usec)) {
                r = account_republish(account);
                done(userdata, account, r, r > 0 ? outcome_message((Outcome)r) : NULL);
                return;
        }
        if (account->state == ACCOUNT_OFFLINE &&
            (account_is_lost(account) ||
             !schedule_retry_is_allowed(account->retry,
                                        clock_boottime_usec() - account->attempt_usec))) {
                done(userdata, account, account->failure, account->last_error);
                return;
        }
        if (account->state == ACCOUNT_FRESH && account->kept.renewable &&
            clock_boottime_usec() < account_earliest(account))
                account_refresh_early(account, done, userdata);
        else
                account_refresh(account, done, userdata);
}

int account_retire(Account *account, RetirementDone done, void *userdata, Retirement **ret) {
        _cleanup_close_ int fd = account_grant_to_revoke(account);

        account_clear_timer(account);
        notification_close(&account->notification, account->context->bus);
        kept_grant_wipe(&account->kept);
        if (!ret)
                return -ENOBUFS;
        *ret = NULL;
        if (fd < 0)
                return fd == -ENOENT ? 0 : fd;
        return retirement_new(&account->context->gateway, TAKE_FD(fd), TAKE_PTR(account->call),
                              done, userdata, ret);
}

const Grant *account_grant(const Account *account) {
        return account->kept.grant;
}

const char *account_name(const Account *account) {
        return account->kept.grant->account;
}

const char *account_state_name(const Account *account) {
        return states[account->state].name;
}

const char *account_last_error(const Account *account) {
        if (account->last_error)
                return account->last_error;
        return account->kept.keyring_failed ? outcome_message(OUTCOME_NO_KEYRING) : "";
}

uint64_t account_next_refresh(const Account *account) {
        return account->next_usec;
}

int32_t account_key_serial(const Account *account) {
        return kept_grant_remaining(&account->kept) > 0 ? account->kept.key_serial : 0;
}
