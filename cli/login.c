/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>

#include "cli/account-view.h"
#include "cli/command.h"
#include "cli/gateway-login.h"
#include "cli/login-event.h"
#include "cli/output.h"
#include "cli/qr-style.h"
#include "cli/user-bus.h"
#include "common/challenge.h"
#include "common/clock.h"
#include "common/names.h"
#include "common/outcome.h"
#include "common/printable.h"

#define ADD_TIMEOUT_USEC (15 * USEC_PER_SEC)
#define PASSWD_BUFFER_SIZE 16384u
#define MESSAGE_MAX 8192u

static ExitCode run_login(const Command *command, int argc, char *argv[]);

const Command command_login = {
        .name = "login",
        .arguments = "[--json] [--qr STYLE] [ACCOUNT]",
        .summary = "log in again, or for the first time",
        .help = "It shows a code to approve, and returns when the token is in the keyring. ACCOUNT "
                "may\n"
                "be left out where there is only one.\n\n"
                "  -j, --json            for programs: one object for each event\n"
                "  -q, --qr STYLE        auto, utf8, ascii or none\n",
        .run = run_login,
};

/* One login from the question to the answer. @account is "" until it is clear. */
typedef struct LoginRun {
        bool json;
        const char *qr;
        char account[ACCOUNT_NAME_MAX + 1];
        char user[256];
        sd_bus *bus; /* the user's */
        GatewayLogin gateway;
} LoginRun;

static void login_run_done(LoginRun *run) {
        gateway_login_done(&run->gateway);
        sd_bus_flush_close_unref(run->bus);
}

/* The accounts of the session. */

static int read_accounts(LoginRun *run, AccountViews *ret, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = user_bus_get_objects(run->bus, &reply, error);
        if (r >= 0 && reply)
                r = account_views_read(reply, ret);
        if (r < 0 && !sd_bus_error_is_set(error))
                (void)sd_bus_error_set(error, SD_BUS_ERROR_FAILED,
                                       "The daemon of this session does not tell its accounts.");
        return r;
}

/* Where no account is named it is the only one there is; without any, the gateway knows. */
static int choose_account(LoginRun *run, sd_bus_error *error) {
        _cleanup_(account_views_done) AccountViews views = {0};
        int r;

        if (*run->account)
                return 0;
        r = read_accounts(run, &views, error);
        if (r < 0)
                return r;
        if (views.n > 1)
                return sd_bus_error_set(error, outcome_error_name(OUTCOME_UNKNOWN_ACCOUNT),
                                        "There are several accounts in this session: name one, as "
                                        "`oidc-keyring status` shows them.");
        if (views.n == 1)
                (void)snprintf(run->account, sizeof(run->account), "%s", views.views[0].name);
        return 0;
}

/* Before there is a name, an account of the same issuer is the one. */
static const AccountView *find_account(const LoginRun *run, const AccountViews *views,
                                       const char *issuer) {
        for (size_t i = 0; i < views->n; i++)
                if (*run->account ? streq(views->views[i].name, run->account)
                                  : streq(views->views[i].issuer, issuer))
                        return &views->views[i];
        return NULL;
}

/* What runs in this session goes on as the same person, or not at all. */
static int check_identity(LoginRun *run, const char *issuer, const char *subject,
                          sd_bus_error *error) {
        _cleanup_(account_views_done) AccountViews views = {0};
        const AccountView *view;
        int r;

        r = read_accounts(run, &views, error);
        if (r < 0)
                return r;
        view = find_account(run, &views, issuer);
        if (!view || (streq(view->issuer, issuer) && streq(view->subject, subject)))
                return 0;
        return sd_bus_error_setf(error, outcome_error_name(OUTCOME_USER_MISMATCH),
                                 "The code was approved by subject %s of %s, but this session is "
                                 "that of subject %s of %s. Nothing has changed. Approve with that "
                                 "identity, or end its login first with `oidc-keyring logout %s`.",
                                 subject, issuer, view->subject, view->issuer, view->name);
}

/* The login. */

static int find_user(LoginRun *run, sd_bus_error *error) {
        _cleanup_free_ char *buffer = malloc(PASSWD_BUFFER_SIZE);
        struct passwd entry, *found = NULL;

        if (!buffer)
                return sd_bus_error_set_errno(error, -ENOMEM);
        (void)getpwuid_r(getuid(), &entry, buffer, PASSWD_BUFFER_SIZE, &found);
        if (!found || strlen(found->pw_name) >= sizeof(run->user))
                return sd_bus_error_set(error, outcome_error_name(OUTCOME_USER_NOT_ALLOWED),
                                        "This user has no name on this host.");
        (void)stpcpy(run->user, found->pw_name);
        return 0;
}

static int show_code(const LoginRun *run, const char *tty, sd_bus_error *error) {
        _cleanup_free_ char *text = NULL;
        const GatewayLogin *gateway = &run->gateway;
        uint64_t now = clock_boottime_usec();
        Challenge challenge = {
                .user = run->user,
                .service = "oidc-keyring",
                .rhost = "",
                .tty = tty,
                .verification_uri = gateway->verification_uri,
                .verification_uri_complete = gateway->verification_uri_complete,
                .user_code = gateway->user_code,
                .qr_text = qr_fits(gateway->qr_text, terminal_columns(STDOUT_FILENO))
                                   ? gateway->qr_text
                                   : "",
                .left_usec = gateway->expires_usec > now ? gateway->expires_usec - now : 0,
        };
        int r;

        r = challenge_text(&challenge, &text);
        if (r == -EBADMSG)
                return sd_bus_error_set(error, outcome_error_name(OUTCOME_PROVIDER_ANSWER),
                                        outcome_message(OUTCOME_PROVIDER_ANSWER));
        if (r < 0)
                return sd_bus_error_set_errno(error, r);
        if (run->json)
                login_event_code(gateway);
        else
                (void)puts(text);
        (void)fflush(stdout);
        return 0;
}

/* In the gateway's own words that is about a line of PAM. */
static int explain_provider(const LoginRun *run, int r, sd_bus_error *error) {
        if (outcome_from_error_name(error->name) != OUTCOME_UNKNOWN_PROVIDER)
                return r;
        sd_bus_error_free(error);
        if (*run->account)
                return sd_bus_error_setf(error, outcome_error_name(OUTCOME_UNKNOWN_PROVIDER),
                                         "There is no provider %s in " CONFIG_FILE ".",
                                         run->account);
        return sd_bus_error_set(error, outcome_error_name(OUTCOME_UNKNOWN_PROVIDER),
                                "There is no provider in " CONFIG_FILE ", or there are several: "
                                "then name one.");
}

/* The code, and who approved it. */
static int get_approval(LoginRun *run, sd_bus_error *error) {
        _cleanup_free_ char *issuer = NULL, *subject = NULL;
        char tty[64];
        int r;

        terminal_name(STDOUT_FILENO, tty, sizeof(tty));
        r = gateway_login_begin(&run->gateway, run->account, run->user, tty,
                                run->json ? "none" : run->qr, error);
        if (r < 0)
                return explain_provider(run, r, error);
        r = show_code(run, tty, error);
        if (r >= 0)
                r = gateway_login_await(&run->gateway, &issuer, &subject, error);
        if (r < 0)
                return r;
        if (run->json)
                login_event_approved(issuer, subject);
        return check_identity(run, issuer, subject, error);
}

/* Whether the daemon has the grant, or may have it, although AddGrant did not succeed. */
static bool is_kept(const sd_bus_error *error) {
        return outcome_from_error_name(error->name) == OUTCOME_NO_KEYRING ||
               sd_bus_error_has_name(error, SD_BUS_ERROR_NO_REPLY);
}

static int take_account_name(LoginRun *run, sd_bus_message *reply) {
        _cleanup_free_ char *name = NULL;
        const char *path;
        int r;

        r = sd_bus_message_read(reply, "o", &path);
        if (r < 0)
                return r;
        r = sd_bus_path_decode(path, KEYRING_ACCOUNT_PREFIX, &name);
        if (r <= 0 || strlen(name) > ACCOUNT_NAME_MAX)
                return -EBADMSG;
        (void)stpcpy(run->account, name);
        return 0;
}

static int hand_over(LoginRun *run, sd_bus_error *error) {
        _cleanup_(sd_bus_error_free) sd_bus_error answer = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        _cleanup_close_ int fd = -1;
        int r;

        r = gateway_login_claim(&run->gateway, run->user, &fd, error);
        if (r < 0)
                return r;
        r = sd_bus_message_new_method_call(run->bus, &call, KEYRING_BUS_NAME, KEYRING_OBJECT_PATH,
                                           KEYRING_INTERFACE, "AddGrant");
        if (r >= 0)
                r = sd_bus_message_append(call, "h", fd);
        if (r >= 0)
                r = sd_bus_call(run->bus, call, ADD_TIMEOUT_USEC, &answer, &reply);
        if (r >= 0)
                return take_account_name(run, reply) < 0 ? sd_bus_error_set_errno(error, -EBADMSG)
                                                         : 0;
        if (!is_kept(&answer))
                gateway_login_revoke(&run->gateway, fd);
        if (outcome_from_error_name(answer.name) != OUTCOME_SUCCESS)
                (void)sd_bus_error_copy(error, &answer);
        else
                (void)sd_bus_error_setf(error, SD_BUS_ERROR_FAILED,
                                        "The daemon of this session did not take the login: %s. "
                                        "Look at `systemctl --user status oidc-keyringd`.",
                                        answer.message ? answer.message : strerror(-r));
        return r;
}

static int tell_success(LoginRun *run, sd_bus_error *error) {
        _cleanup_(account_views_done) AccountViews views = {0};
        uint64_t now = clock_realtime_usec();
        const AccountView *view;
        char left[64];
        int r;

        r = read_accounts(run, &views, error);
        if (r < 0)
                return r;
        view = find_account(run, &views, "");
        if (!view)
                return sd_bus_error_set(error, outcome_error_name(OUTCOME_UNKNOWN_ACCOUNT),
                                        outcome_message(OUTCOME_UNKNOWN_ACCOUNT));
        if (run->json) {
                login_event_done(view);
                return 0;
        }
        duration_text(view->expires_usec > now ? (view->expires_usec - now) / USEC_PER_SEC : 0,
                      left, sizeof(left));
        (void)printf("%s: logged in as ", view->name);
        print_clean(view->subject);
        (void)printf(", the token expires in %s%s\n", left,
                     view->next_refresh_usec > 0 ? " and is renewed before" : "");
        return 0;
}

static int log_in(LoginRun *run, sd_bus_error *error) {
        int r;

        r = find_user(run, error);
        if (r < 0)
                return r;
        r = user_bus_open(&run->bus);
        if (r < 0)
                return sd_bus_error_setf(error, SD_BUS_ERROR_FAILED,
                                         "The user's bus cannot be reached (is this a session of "
                                         "your own, with dbus-user-session installed?): %s",
                                         strerror(-r));
        r = choose_account(run, error);
        if (r >= 0)
                r = get_approval(run, error);
        if (r >= 0)
                r = hand_over(run, error);
        return r < 0 ? r : tell_success(run, error);
}

static ExitCode tell_failure(const LoginRun *run, const sd_bus_error *error) {
        /* It may name subjects, which a provider chose. */
        _cleanup_free_ char *message = printable_copy(error->message, MESSAGE_MAX);

        if (run->json)
                login_event_error(error);
        else {
                if (run->gateway.interrupted == SIGINT && isatty(STDERR_FILENO))
                        (void)fputc('\n', stderr); /* after the ^C */
                complain("%s", message ? message : outcome_message(_OUTCOME_MAX));
        }
        return run->gateway.interrupted != 0 ? EXIT_CODE_INTERRUPTED
                                             : user_bus_exit_code(error->name);
}

static ExitCode run_login(const Command *command, int argc, char *argv[]) {
        static const struct option options[] = {
                COMMAND_HELP_OPTION,
                {"json", no_argument, NULL, 'j'},
                {"qr", required_argument, NULL, 'q'},
                {NULL, 0, NULL, 0},
        };
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(login_run_done) LoginRun run = {.qr = "auto"};
        const char *account;
        int option;

        while ((option = getopt_long(argc, argv, "hjq:", options, NULL)) >= 0) {
                if (option == 'j')
                        run.json = true;
                else if (option == 'q')
                        run.qr = optarg;
                else
                        return command_option(command, option);
        }
        run.qr = qr_style(run.qr, STDOUT_FILENO);
        if (!run.qr) {
                complain("--qr is auto, utf8, ascii or none");
                return EXIT_CODE_USAGE;
        }
        account = command_account(argc, argv);
        if (!account)
                return EXIT_CODE_USAGE;
        (void)stpcpy(run.account, account);
        if (log_in(&run, &error) < 0)
                return tell_failure(&run, &error);
        return EXIT_CODE_OK;
}
