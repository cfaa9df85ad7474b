/* SPDX-License-Identifier: MIT */
#include "gateway/manager.h"

#include <errno.h>
#include <sys/queue.h>

#include "common/clock.h"
#include "common/log.h"
#include "gateway/configuration.h"
#include "gateway/display-text.h"
#include "gateway/limits.h"
#include "gateway/pace.h"
#include "gateway/restoration.h"
#include "gateway/result-text.h"

typedef struct ManagedLogin {
        LIST_ENTRY(ManagedLogin) link;
        Manager *manager;
        Login *login;
        Source source;
        sd_bus_track *track; /* of who began it */
} ManagedLogin;

typedef struct ManagedCheck {
        LIST_ENTRY(ManagedCheck) link;
        Manager *manager;
        Check *check;
        CheckDone done;
        void *userdata;
} ManagedCheck;

struct Manager {
        sd_event *event;
        HttpClient *http;
        Configuration *configuration;
        Bindings *bindings;
        GrantFiles *files;
        Limits *limits;
        Pace *grant_pace; /* of what is called with a grant, or for one, but Refresh */
        Revocations *revocations;
        Refreshes *refreshes;
        LIST_HEAD(, ManagedLogin) logins;
        size_t n_logins;
        LIST_HEAD(, ManagedCheck) checks;
        size_t n_checks;
        uint64_t last_call_usec;
        bool stopping;
};

/* Life-cycle. */

static Restoration manager_restoration(const Manager *manager) {
        return (Restoration){
                .configuration = manager->configuration,
                .bindings = manager->bindings,
                .files = manager->files,
                .revocations = manager->revocations,
        };
}

int manager_new(sd_event *event, const char *root, Manager **ret) {
        _cleanup_(manager_freep) Manager *manager = calloc(1, sizeof(*manager));
        Restoration restoration;
        int r;

        if (!manager)
                return -ENOMEM;
        LIST_INIT(&manager->logins);
        LIST_INIT(&manager->checks);
        manager->event = sd_event_ref(event);
        manager->last_call_usec = clock_boottime_usec();

        r = http_client_new(event, &manager->http);
        if (r < 0)
                return r;
        r = configuration_new(root, manager->http, &manager->configuration);
        if (r < 0)
                return r;
        r = bindings_new(root, &manager->bindings);
        if (r < 0)
                return r;
        r = grant_files_new(root, &manager->files);
        if (r < 0)
                return r;
        r = limits_new(&manager->limits);
        if (r < 0)
                return r;
        r = pace_new(GRANT_BURST, GRANT_PERIOD_USEC, &manager->grant_pace);
        if (r < 0)
                return r;
        r = revocations_new(event, &manager->revocations);
        if (r < 0)
                return r;
        r = refreshes_new(event, manager->revocations, manager->files, &manager->refreshes);
        if (r < 0)
                return r;
        restoration = manager_restoration(manager);
        restoration_sweep(&restoration);
        *ret = TAKE_PTR(manager);
        return 0;
}

static ManagedLogin *managed_login_free(ManagedLogin *managed) {
        if (!managed)
                return NULL;
        if (managed->login) {
                LIST_REMOVE(managed, link);
                managed->manager->n_logins--;
        }
        sd_bus_track_unref(managed->track);
        login_free(managed->login);
        free(managed);
        return NULL;
}
DEFINE_CLEANUP(ManagedLogin, managed_login_free);

static ManagedCheck *managed_check_free(ManagedCheck *managed) {
        if (!managed)
                return NULL;
        LIST_REMOVE(managed, link);
        managed->manager->n_checks--;
        check_free(managed->check);
        free(managed);
        return NULL;
}

void manager_stop(Manager *manager) {
        ManagedLogin *login, *next;

        manager->stopping = true;
        for (login = LIST_FIRST(&manager->logins); login; login = next) {
                next = LIST_NEXT(login, link);
                login_cancel(login->login);
        }
        while (!LIST_EMPTY(&manager->checks)) {
                ManagedCheck *managed = LIST_FIRST(&manager->checks);

                managed->done(NULL, NULL, 0, managed->userdata);
                managed_check_free(managed);
        }
        if (manager->refreshes)
                refreshes_stop(manager->refreshes);
}

Manager *manager_free(Manager *manager) {
        if (!manager)
                return NULL;
        manager_stop(manager);
        while (!LIST_EMPTY(&manager->logins))
                managed_login_free(LIST_FIRST(&manager->logins));
        refreshes_free(manager->refreshes);
        revocations_free(manager->revocations);
        configuration_free(manager->configuration);
        bindings_free(manager->bindings);
        grant_files_free(manager->files);
        limits_free(manager->limits);
        pace_free(manager->grant_pace);
        http_client_free(manager->http);
        sd_event_unref(manager->event);
        free(manager);
        return NULL;
}

void manager_remember_answers_for(Manager *manager, uint64_t usec) {
        refreshes_remember_for(manager->refreshes, usec);
}

bool manager_is_idle(const Manager *manager) {
        return LIST_EMPTY(&manager->logins) && LIST_EMPTY(&manager->checks) &&
               refreshes_are_idle(manager->refreshes) && revocations_are_idle(manager->revocations);
}

uint64_t manager_last_call_usec(const Manager *manager) {
        return manager->last_call_usec;
}

void manager_note_call(Manager *manager) {
        manager->last_call_usec = clock_boottime_usec();
}

void manager_reload(Manager *manager) {
        configuration_reload(manager->configuration);
}

const char *manager_configuration_problem(const Manager *manager) {
        return configuration_problem(manager->configuration);
}

/* Who may ask at all. */

/* Root speaks for everybody, others for themselves. @ret_uid is of @user; -ENOENT for root only. */
static int authorize(uid_t caller, const char *user, uid_t *ret_uid) {
        int r = policy_find_user(user, ret_uid);

        if (caller == 0)
                return r;
        return r == 0 && *ret_uid == caller ? 0 : OUTCOME_NOT_PERMITTED;
}

/* The account as policy sees it: the order of the tests is that of the interface. */
static int manager_judge(Manager *manager, uid_t caller, const char *provider_name,
                         const char *user, Provider **ret_provider, uid_t *ret_uid,
                         PolicyVerdict *ret) {
        _cleanup_free_ char *problem = NULL;
        int found, r;

        found = authorize(caller, user, ret_uid);
        if (found == OUTCOME_NOT_PERMITTED)
                return found;
        r = configuration_provider(manager->configuration, provider_name, ret_provider);
        if (r != 0)
                return r;
        if (found == -ENOENT) {
                *ret = POLICY_DENIED;
                return 0;
        }
        if (found < 0)
                return found;
        r = policy_judge_user(provider_config(*ret_provider), user, *ret_uid, ret, &problem);
        if (r == OUTCOME_CONFIGURATION)
                log_error("Provider %s: user_map: %s", provider_config(*ret_provider)->name,
                          problem ? problem : "it cannot be used");
        return r;
}

int manager_check_account(Manager *manager, uid_t caller, const char *provider_name,
                          const char *user, PolicyVerdict *ret) {
        uint64_t now_usec = clock_boottime_usec();
        Provider *provider;
        Source source;
        uid_t uid;
        int r;

        /* Root asks at every login of every kind, so it may ask as often as it likes. */
        source_of(&source, caller, "");
        if (caller != 0) {
                if (!limits_allow_source(manager->limits, &source, now_usec))
                        return OUTCOME_TOO_MANY_LOGINS;
                limits_charge_source(manager->limits, &source, now_usec);
        }
        r = manager_judge(manager, caller, provider_name, user, &provider, &uid, ret);
        /* Installed and not configured yet: nobody is ours, and nobody may be locked out. */
        if (r == OUTCOME_UNKNOWN_PROVIDER && configuration_is_empty(manager->configuration)) {
                *ret = POLICY_UNMANAGED;
                return 0;
        }
        return r;
}

/* Logins. */

static void manager_count_waiting(const Manager *manager, const Source *source, uid_t user,
                                  WaitingLogins *ret) {
        const ManagedLogin *managed;

        *ret = (WaitingLogins){0};
        LIST_FOREACH(managed, &manager->logins, link) {
                bool from_there = source_equal(&managed->source, source);

                if (!login_is_waiting(managed->login))
                        continue;
                ret->n_all++;
                ret->n_remote += source_is_remote(&managed->source);
                ret->n_source += from_there;
                ret->n_user += from_there && login_user_uid(managed->login) == user;
        }
}

/* What there are too many of, NULL if the login may go on. */
static const char *manager_limit(Manager *manager, const Source *source, uid_t user) {
        WaitingLogins waiting;

        if (manager->n_logins >= LOGINS_MAX)
                return "not claimed yet";
        manager_count_waiting(manager, source, user, &waiting);
        return limits_admit(manager->limits, source, user, &waiting, clock_boottime_usec());
}

static void on_login_over(Login *login, void *userdata) {
        (void)login;
        managed_login_free(userdata);
}

static int manager_add_login(Manager *manager, Provider *provider, const LoginRequest *request,
                             const Source *source, Login **ret) {
        _cleanup_(managed_login_freep) ManagedLogin *managed = calloc(1, sizeof(*managed));
        int r;

        if (!managed)
                return -ENOMEM;
        managed->manager = manager;
        managed->source = *source;
        r = login_new(manager->event, provider, manager->revocations, request, on_login_over,
                      managed, &managed->login);
        if (r < 0)
                return r;
        LIST_INSERT_HEAD(&manager->logins, managed, link);
        manager->n_logins++;
        *ret = managed->login;
        TAKE_PTR(managed);
        return 0;
}

static int manager_refuse(const LoginRequest *request, Outcome outcome, const char *too_many) {
        log_notice("Login of %.64s by %.64s from %.64s: not begun, %s%s%s", request->user,
                   request->service, request->rhost, result_text((int)outcome),
                   too_many ? ": " : "", too_many ? too_many : "");
        return (int)outcome;
}

/* All of it that can be decided without the provider. A user who may not log in has cost a question
 * to the user database, so the source is charged. */
static int manager_decide(Manager *manager, const LoginArguments *arguments, const Source *source,
                          LoginRequest *request, Provider **ret_provider) {
        uint64_t now_usec = clock_boottime_usec();
        PolicyVerdict verdict = POLICY_DENIED;
        const char *too_many;
        int r;

        if (!limits_allow_source(manager->limits, source, now_usec))
                return manager_refuse(request, OUTCOME_TOO_MANY_LOGINS, "from there");
        r = manager_judge(manager, request->caller_uid, arguments->provider, arguments->user,
                          ret_provider, &request->user_uid, &verdict);
        if (r == 0 && verdict != POLICY_ALLOWED)
                r = OUTCOME_USER_NOT_ALLOWED;
        if (r != 0) {
                limits_charge_source(manager->limits, source, now_usec);
                return r > 0 ? manager_refuse(request, (Outcome)r, NULL) : r;
        }
        if (manager->stopping)
                return manager_refuse(request, OUTCOME_CANCELLED, NULL);
        too_many = manager_limit(manager, source, request->user_uid);
        if (too_many)
                return manager_refuse(request, OUTCOME_TOO_MANY_LOGINS, too_many);
        r = provider_usable(*ret_provider, PROVIDER_DEVICE_AUTHORIZATION);
        return r == 0 ? 0 : manager_refuse(request, (Outcome)r, NULL);
}

int manager_admit_login(Manager *manager, uid_t caller, const LoginArguments *arguments,
                        Login **ret) {
        _cleanup_free_ char *service = display_text_clean(arguments->service, LOGIN_TEXT_MAX);
        _cleanup_free_ char *rhost = display_text_clean(arguments->rhost, LOGIN_TEXT_MAX);
        LoginRequest request = {
                .user = arguments->user,
                .service = service,
                .rhost = rhost,
                .caller_uid = caller,
                .bindings = manager->bindings,
        };
        Provider *provider;
        Source source;
        int r;

        if (!service || !rhost)
                return -ENOMEM;
        source_of(&source, caller, rhost);
        r = manager_decide(manager, arguments, &source, &request, &provider);
        return r == 0 ? manager_add_login(manager, provider, &request, &source, ret) : r;
}

static ManagedLogin *manager_managed(Manager *manager, const Login *login) {
        ManagedLogin *managed;

        LIST_FOREACH(managed, &manager->logins, link) {
                if (managed->login == login)
                        return managed;
        }
        return NULL;
}

void manager_track_login(Manager *manager, Login *login, sd_bus_track *track) {
        ManagedLogin *managed = manager_managed(manager, login);

        if (managed)
                managed->track = track;
        else
                sd_bus_track_unref(track);
}

/* Ids are compared without a hint of how much of one was right. */
static bool id_equal(const char *id, const char *other) {
        unsigned char difference = 0;

        if (strlen(id) != LOGIN_ID_SIZE || strlen(other) != LOGIN_ID_SIZE)
                return false;
        for (size_t i = 0; i < LOGIN_ID_SIZE; i++)
                difference |= (unsigned char)(id[i] ^ other[i]);
        return difference == 0;
}

int manager_find_login(Manager *manager, uid_t caller, const char *id, Login **ret) {
        ManagedLogin *managed;

        LIST_FOREACH(managed, &manager->logins, link) {
                if (login_caller_uid(managed->login) == caller &&
                    id_equal(login_id(managed->login), id)) {
                        *ret = managed->login;
                        return 0;
                }
        }
        return OUTCOME_UNKNOWN_LOGIN;
}

int manager_claim_grant(Manager *manager, uid_t caller, const char *id, const char *user,
                        Grant **ret) {
        Login *login;
        int r;

        r = manager_find_login(manager, caller, id, &login);
        if (r != 0)
                return r;
        if (!streq(login_user(login), user) || login_claim(login, ret) < 0)
                return OUTCOME_UNKNOWN_LOGIN;
        refreshes_supersede(manager->refreshes, login_user_uid(login), (*ret)->account);
        grant_files_keep(manager->files, login_provider_config(login), login_user_uid(login), *ret);
        return 0;
}

void manager_end_claim(Manager *manager, uid_t caller, const char *id, Grant *grant) {
        Login *login;

        if (manager_find_login(manager, caller, id, &login) != 0)
                grant_free(grant);
        else if (grant) {
                grant_files_remove(manager->files, login_user_uid(login), grant->account);
                login_give_back(login, grant);
        } else
                managed_login_free(manager_managed(manager, login));
}

/* Grants. */

/* A grant, also where it is refused, and the provider that it is of. A token is never sent to
 * another issuer than the one that gave it, so a grant of before an edit of the configuration is of
 * no use under the new one. */
static int manager_open_grant(Manager *manager, int fd, Grant **ret, Provider **ret_provider) {
        _cleanup_(grant_freep) Grant *grant = NULL;
        int r;

        r = grant_unseal(fd, &grant);
        if (r == -EBADF || r == -EBADMSG)
                return OUTCOME_BAD_GRANT;
        if (r < 0)
                return r;
        r = configuration_provider(manager->configuration, grant->account, ret_provider);
        if (r == 0 && !streq(provider_config(*ret_provider)->issuer, grant->issuer)) {
                log_notice("Grant of %s: its issuer %s is not that of provider %s any more",
                           grant->user, grant->issuer, grant->account);
                r = OUTCOME_CONFIGURATION;
        }
        *ret = TAKE_PTR(grant);
        return r;
}

int manager_restore_grant(Manager *manager, uid_t caller, const char *after, Grant **ret) {
        const Restoration restoration = manager_restoration(manager);

        if (manager->stopping || !pace_take_uid(manager->grant_pace, caller, clock_boottime_usec()))
                return OUTCOME_PROVIDER_BUSY;
        return restoration_next(&restoration, caller, after, ret);
}

void manager_refresh(Manager *manager, uid_t caller, int fd, RefreshDone done, void *userdata) {
        _cleanup_(grant_freep) Grant *grant = NULL;
        Provider *provider;
        int r;

        r = manager_open_grant(manager, fd, &grant, &provider);
        if (r != 0)
                done(r, NULL, userdata);
        else
                refreshes_renew(manager->refreshes, provider, caller, TAKE_PTR(grant), done,
                                userdata);
}

/* Whose file it would be: root's module revokes what it could not hand over to the user. */
static uid_t grant_owner(uid_t caller, const Grant *grant) {
        uid_t uid;

        return caller == 0 && policy_find_user(grant->user, &uid) == 0 ? uid : caller;
}

void manager_revoke(Manager *manager, uid_t caller, int fd, RevocationDone done, void *userdata) {
        _cleanup_(grant_freep) Grant *grant = NULL;
        Provider *provider;
        int r;

        r = manager_open_grant(manager, fd, &grant, &provider);
        if (grant)
                grant_files_forget(manager->files, r == 0 ? provider_config(provider) : NULL,
                                   grant_owner(caller, grant), grant);
        if (r == 0 && !pace_take_uid(manager->grant_pace, caller, clock_boottime_usec()))
                r = OUTCOME_PROVIDER_BUSY;
        if (r != 0) {
                done(r, userdata);
                return;
        }
        refreshes_forget(manager->refreshes, caller, grant);
        revocation_start(manager->revocations, provider, grant->refresh_token, grant->access_token,
                         done, userdata);
}

/* Check. */

static void on_check_done(Check *check, const CheckFinding *findings, size_t n_findings,
                          void *userdata) {
        ManagedCheck *managed = userdata;

        managed->done(check, findings, n_findings, managed->userdata);
        managed_check_free(managed);
}

int manager_check(Manager *manager, uid_t caller, const char *provider_name, CheckDone done,
                  void *userdata) {
        ManagedCheck *managed;
        Provider *provider;
        int r;

        if (caller != 0)
                return OUTCOME_NOT_PERMITTED;
        r = configuration_provider(manager->configuration, provider_name, &provider);
        if (r != 0)
                return r;
        if (manager->stopping)
                return OUTCOME_CANCELLED;
        if (manager->n_checks >= CHECKS_MAX)
                return OUTCOME_TOO_MANY_LOGINS;
        managed = calloc(1, sizeof(*managed));
        if (!managed)
                return -ENOMEM;
        managed->manager = manager;
        managed->done = done;
        managed->userdata = userdata;
        LIST_INSERT_HEAD(&manager->checks, managed, link);
        manager->n_checks++;
        r = check_start(provider, manager->bindings, manager->files, on_check_done, managed,
                        &managed->check);
        if (r < 0)
                managed_check_free(managed);
        return r;
}

/* Bindings. */

int manager_list_bindings(Manager *manager, uid_t caller, const char *after_provider,
                          const char *after_user, BindingSeen seen, void *userdata) {
        if (caller != 0)
                return OUTCOME_NOT_PERMITTED;
        return bindings_list(manager->bindings, after_provider, after_user, BINDINGS_PAGE, seen,
                             userdata);
}

int manager_clear_binding(Manager *manager, uid_t caller, const char *provider, const char *user,
                          BindingSeen cleared, void *userdata) {
        int r;

        if (caller != 0)
                return OUTCOME_NOT_PERMITTED;
        r = bindings_clear(manager->bindings, provider, user, cleared, userdata);
        return r == -ENOENT ? OUTCOME_UNKNOWN_BINDING : r;
}
