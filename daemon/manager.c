/* SPDX-License-Identifier: MIT */
#include "daemon/manager.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/random.h>
#include <systemd/sd-login.h>

#include "common/clock.h"
#include "common/linger.h"
#include "common/log.h"
#include "daemon/account-bus.h"
#include "daemon/fd-store.h"
#include "daemon/gateway-watch.h"
#include "daemon/restoration.h"

#define LEAVE_USEC (5 * USEC_PER_SEC)

_Static_assert(2 * MANAGER_ACCOUNTS_MAX <= FD_STORE_MAX,
               "an account has two grants there while one takes the place of the other");

/* One Logout, which may be of several accounts. */
typedef struct Logout {
        ManagerDone done;
        void *userdata;
        size_t n_pending;
        int result;
        char *message;
} Logout;

typedef struct Retiring {
        Manager *manager;
        Retirement *retirement; /* NULL: a free place */
        Logout *logout;         /* NULL: nobody waits */
} Retiring;

struct Manager {
        sd_bus *bus;
        AccountContext context;
        Account *accounts[MANAGER_ACCOUNTS_MAX];
        size_t n_accounts;
        Retiring retiring[MANAGER_RETIREMENTS_MAX];
        size_t n_retiring;
        GatewayWatch *network; /* while an account is offline */
        Restoration *restoration;
        int restored_fds[MANAGER_ACCOUNTS_MAX]; /* the grants that the gateway had kept */
        size_t n_restored;
        void (*ready)(void *userdata);
        void *ready_userdata;
        sd_event_source *deadline;
        bool leaving;
};

static uint64_t manager_random(void) {
        uint64_t random = 0;

        /* Only spreads the load: nothing depends on its being there. */
        if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
                return clock_boottime_usec();
        return random;
}

/* As logind counts them, where there is one. */
static size_t manager_n_users(void) {
        int n = sd_get_uids(NULL);

        return n > 0 ? (size_t)n : 1;
}

static bool manager_has(const Manager *manager, const Account *account) {
        for (size_t i = 0; i < manager->n_accounts; i++)
                if (manager->accounts[i] == account)
                        return true;
        return false;
}

static void manager_on_network_changed(void *userdata) {
        Manager *manager = userdata;

        for (size_t i = 0; i < manager->n_accounts; i++)
                account_network_changed(manager->accounts[i]);
}

static void manager_follow_network(Manager *manager) {
        bool offline = false;
        int r;

        for (size_t i = 0; i < manager->n_accounts; i++)
                offline = offline || account_is_offline(manager->accounts[i]);
        if (!offline) {
                manager->network = gateway_watch_free(manager->network);
        } else if (!manager->network) {
                r = gateway_watch_new(&manager->context.gateway, manager_on_network_changed,
                                      manager, &manager->network);
                if (r < 0)
                        (void)log_debug_errno(r, "Changes of the network will not be heard of");
        }
}

static void manager_on_changed(void *userdata, const Account *account) {
        Manager *manager = userdata;

        if (manager_has(manager, account)) /* else it has not been announced yet */
                account_bus_emit_changed(manager->bus, account);
        manager_follow_network(manager);
}

int manager_new(sd_event *event, sd_bus *bus, int (*gateway_open)(void *userdata, sd_bus **ret),
                void *userdata, Manager **ret) {
        Manager *manager = calloc(1, sizeof(*manager));

        if (!manager)
                return -ENOMEM;
        manager->bus = sd_bus_ref(bus);
        manager->context = (AccountContext){
                .event = sd_event_ref(event),
                .bus = manager->bus,
                .gateway = {.event = event, .open = gateway_open, .userdata = userdata},
                .random = manager_random,
                .n_users = manager_n_users,
                .changed = manager_on_changed,
                .userdata = manager,
        };
        *ret = manager;
        return 0;
}

void manager_republish(Manager *manager) {
        for (size_t i = 0; i < manager->n_accounts; i++)
                (void)account_republish(manager->accounts[i]);
}

void manager_clock_was_set(void *userdata) {
        Manager *manager = userdata;

        for (size_t i = 0; i < manager->n_accounts; i++)
                account_clock_was_set(manager->accounts[i]);
}

static Logout *logout_free(Logout *logout) {
        free(logout->message);
        free(logout);
        return NULL;
}

/* One part of it is over; after the last one it is told. */
static void logout_part(Logout *logout, int result, const char *message) {
        if (result != 0 && logout->result == 0) {
                logout->result = result;
                logout->message = message ? strdup(message) : NULL;
        }
        if (--logout->n_pending > 0)
                return;
        logout->done(logout->userdata, logout->result, logout->message);
        logout_free(logout);
}

Manager *manager_free(Manager *manager) {
        if (!manager)
                return NULL;
        for (size_t i = 0; i < manager->n_accounts; i++)
                account_free(manager->accounts[i]);
        for (size_t i = 0; i < MANAGER_RETIREMENTS_MAX; i++) {
                retirement_free(manager->retiring[i].retirement);
                if (manager->retiring[i].logout)
                        logout_part(manager->retiring[i].logout, -ESHUTDOWN, NULL);
        }
        gateway_watch_free(manager->network);
        restoration_free(manager->restoration);
        for (size_t i = 0; i < manager->n_restored; i++)
                closep(&manager->restored_fds[i]);
        sd_event_source_disable_unref(manager->deadline);
        sd_event_unref(manager->context.event);
        sd_bus_unref(manager->bus);
        free(manager);
        return NULL;
}

static void manager_maybe_exit(Manager *manager) {
        if (manager->leaving && manager->n_retiring == 0)
                (void)sd_event_exit(manager->context.event, 0);
}

static void manager_on_retired(void *userdata, Retirement *retirement, int result,
                               const char *message) {
        Retiring *retiring = userdata;
        Manager *manager = retiring->manager;
        Logout *logout = TAKE_PTR(retiring->logout);

        if (result != 0)
                log_warning("A login could not be revoked: %s",
                            message ? message : "out of memory");
        retiring->retirement = retirement_free(retirement);
        manager->n_retiring--;
        if (logout)
                logout_part(logout, result, message);
        manager_maybe_exit(manager);
}

/* A place for what has to be revoked; NULL: none left. It is taken by setting its retirement. */
static Retiring *manager_retiring(Manager *manager) {
        for (size_t i = 0; i < MANAGER_RETIREMENTS_MAX; i++) {
                Retiring *retiring = &manager->retiring[i];

                if (!retiring->retirement) {
                        retiring->manager = manager;
                        return retiring;
                }
        }
        return NULL;
}

Account *manager_find(const Manager *manager, const char *name) {
        if (*name == '\0')
                return manager->n_accounts == 1 ? manager->accounts[0] : NULL;
        for (size_t i = 0; i < manager->n_accounts; i++)
                if (streq(account_name(manager->accounts[i]), name))
                        return manager->accounts[i];
        return NULL;
}

static void manager_insert(Manager *manager, Account *account) {
        manager->accounts[manager->n_accounts++] = account;
        account_bus_emit_added(manager->bus, account);
}

static int manager_add_new(Manager *manager, Grant *grant, Account **ret) {
        _cleanup_(grant_freep) Grant *owned = grant;
        _cleanup_(account_freep) Account *account = NULL;
        Retirement *none = NULL;
        int r;

        if (manager->n_accounts >= MANAGER_ACCOUNTS_MAX)
                return -ENOBUFS;
        r = account_new(&manager->context, &account);
        if (r < 0)
                return r;
        r = account_install(account, TAKE_PTR(owned), NULL, NULL, &none);
        if (r < 0)
                return r;

        *ret = account;
        manager_insert(manager, TAKE_PTR(account));
        return 0;
}

static bool is_same_token(int fd, const Grant *grant) {
        _cleanup_(grant_freep) Grant *restored = NULL;

        return grant->refresh_token && grant_unseal(fd, &restored) >= 0 &&
               restored->refresh_token &&
               secret_equal(restored->refresh_token, grant->refresh_token);
}

/* A daemon that is started for a login may be given it by the gateway first, and have renewed it
 * before the module comes: then what is kept is newer, and to revoke the one would end both. */
static bool manager_has_renewed(const Manager *manager, const Account *account,
                                const Grant *grant) {
        if (account_grant(account)->generation <= grant->generation)
                return false;
        for (size_t i = 0; i < manager->n_restored; i++)
                if (is_same_token(manager->restored_fds[i], grant))
                        return true;
        return false;
}

int manager_add_grant(Manager *manager, int fd, Account **ret) {
        _cleanup_(grant_freep) Grant *grant = NULL;
        Account *account;
        Retiring *retiring;
        int r;

        if (manager->leaving)
                return -ESHUTDOWN;
        r = grant_unseal(fd, &grant);
        if (r < 0)
                return r;
        /* Which only a daemon says, and only to itself. */
        if (grant->login_over || grant->sent || grant->answer_lost)
                return -EBADMSG;
        account = manager_find(manager, grant->account);
        if (!account)
                return manager_add_new(manager, TAKE_PTR(grant), ret);
        if (manager_has_renewed(manager, account, grant)) {
                *ret = account;
                return 0;
        }

        retiring = manager_retiring(manager);
        if (!retiring)
                return -ENOBUFS;
        r = account_install(account, TAKE_PTR(grant), manager_on_retired, retiring,
                            &retiring->retirement);
        if (r < 0)
                return r;
        if (retiring->retirement)
                manager->n_retiring++;

        *ret = account;
        return 0;
}

static int manager_restore_grant(Manager *manager, StoredGrant *stored) {
        _cleanup_(account_freep) Account *account = NULL;
        _cleanup_(grant_freep) Grant *grant = NULL;
        int r;

        r = grant_unseal(stored->fd, &grant);
        if (r < 0)
                return r;
        if (!streq(grant->account, stored->account))
                return -EBADMSG;
        r = account_new(&manager->context, &account);
        if (r < 0)
                return r;
        account_restore(account, TAKE_PTR(grant), stored->sequence, TAKE_FD(stored->fd));
        /* Not told: nobody is on the bus yet. */
        manager->accounts[manager->n_accounts++] = TAKE_PTR(account);
        return 0;
}

/* 1: taken up; 0: it is of no use; -errno: it cannot be taken up now. */
static int manager_restore_one(Manager *manager, StoredGrant *stored) {
        int r;

        if (manager_find(manager, stored->account))
                return 0; /* a newer one came first */
        r = manager->n_accounts < MANAGER_ACCOUNTS_MAX ? manager_restore_grant(manager, stored)
                                                       : -EBADMSG;
        if (r >= 0)
                return 1;
        (void)log_warning_errno(r, "%s: a stored grant cannot be taken up", stored->account);
        return r == -EBADF || r == -EBADMSG ? 0 : r;
}

int manager_restore(Manager *manager) {
        StoredGrant *stored = NULL;
        size_t n = 0;
        int r;

        r = fd_store_load(&stored, &n);
        /* Sorted: of each account the newest comes first, and the others are dropped. */
        for (size_t i = 0; i < n && r >= 0; i++) {
                r = manager_restore_one(manager, &stored[i]);
                if (r == 0)
                        fd_store_remove(stored[i].account, stored[i].sequence);
        }
        fd_store_grants_free(stored, n);
        return r < 0 ? r : 0;
}

static int manager_remember_restored(Manager *manager, int grant_fd) {
        int fd;

        if (manager->n_restored >= MANAGER_ACCOUNTS_MAX)
                return -ENOBUFS;
        fd = fcntl(grant_fd, F_DUPFD_CLOEXEC, 3);
        if (fd < 0)
                return -errno;
        manager->restored_fds[manager->n_restored++] = fd;
        return 0;
}

static int manager_on_kept(void *userdata, int grant_fd, char **ret_account) {
        _cleanup_(grant_freep) Grant *grant = NULL;
        Manager *manager = userdata;
        Account *account;
        int r;

        r = grant_unseal(grant_fd, &grant);
        if (r < 0)
                return r;
        *ret_account = strdup(grant->account);
        if (!*ret_account)
                return -ENOMEM;
        if (manager_find(manager, grant->account)) /* a login since then is the newer one */
                return 0;
        r = manager_remember_restored(manager, grant_fd);
        return r < 0 ? r : manager_add_new(manager, TAKE_PTR(grant), &account);
}

static void manager_on_kept_ready(void *userdata) {
        Manager *manager = userdata;

        manager->ready(manager->ready_userdata);
}

int manager_restore_kept(Manager *manager, void (*ready)(void *userdata), void *userdata) {
        manager->ready = ready;
        manager->ready_userdata = userdata;
        return restoration_new(&manager->context.gateway, manager_on_kept, manager_on_kept_ready,
                               manager, &manager->restoration);
}

/* Out of the list and off the bus; the grant goes to a retirement that @logout waits for. */
static void manager_end_account(Manager *manager, Account *account, Logout *logout) {
        Retiring *retiring = manager_retiring(manager);
        int r;

        account_bus_emit_removed(manager->bus, account); /* while it can still be found there */
        for (size_t i = 0; i < manager->n_accounts; i++)
                if (manager->accounts[i] == account)
                        manager->accounts[i] = manager->accounts[--manager->n_accounts];
        r = account_retire(account, manager_on_retired, retiring,
                           retiring ? &retiring->retirement : NULL);
        if (r < 0)
                (void)log_warning_errno(r, "%s: the login could not be revoked",
                                        account_name(account));
        if (r >= 0 && retiring && retiring->retirement) {
                manager->n_retiring++;
                retiring->logout = logout;
                logout->n_pending++;
        }
        account_free(account);
        manager_follow_network(manager);
}

int manager_logout(Manager *manager, Account *account, ManagerDone done, void *userdata) {
        Logout *logout = calloc(1, sizeof(*logout));

        if (!logout)
                return -ENOMEM;
        *logout = (Logout){.done = done, .userdata = userdata, .n_pending = 1};
        if (account)
                manager_end_account(manager, account, logout);
        while (!account && manager->n_accounts > 0)
                manager_end_account(manager, manager->accounts[0], logout);
        logout_part(logout, 0, NULL);
        return 0;
}

static int manager_on_deadline(sd_event_source *source, uint64_t usec, void *userdata) {
        Manager *manager = userdata;

        (void)usec;
        log_warning("The provider could not be told in time; logins not revoked: %zu",
                    manager->n_retiring);
        return sd_event_exit(sd_event_source_get_event(source), 0);
}

static void manager_ignore(void *userdata, int result, const char *message) {
        (void)userdata;
        (void)result; /* logged where it happened */
        (void)message;
}

/* A user who lingers is stopped by a shutdown, and comes back. */
static bool grant_is_to_be_kept(const Grant *grant) {
        return grant->keep_on_logout || (grant->kept_on_disk && user_lingers("", grant->user));
}

void manager_leave(Manager *manager, bool restart) {
        sd_event *event = manager->context.event;
        size_t i = 0;
        int r;

        if (restart || manager->leaving) {
                (void)sd_event_exit(event, 0);
                return;
        }
        manager->leaving = true;
        while (i < manager->n_accounts) {
                Account *account = manager->accounts[i];

                if (grant_is_to_be_kept(account_grant(account)))
                        i++;
                else if (manager_logout(manager, account, manager_ignore, NULL) < 0)
                        break;
        }
        r = sd_event_add_time_relative(event, &manager->deadline, CLOCK_BOOTTIME, LEAVE_USEC, 0,
                                       manager_on_deadline, manager);
        if (r < 0)
                (void)sd_event_exit(event, 0);
        manager_maybe_exit(manager);
}

size_t manager_n_accounts(const Manager *manager) {
        return manager->n_accounts;
}

Account *manager_account(const Manager *manager, size_t i) {
        return manager->accounts[i];
}

sd_bus *manager_bus(const Manager *manager) {
        return manager->bus;
}
