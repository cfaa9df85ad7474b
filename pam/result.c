/* SPDX-License-Identifier: MIT */
#include "pam/result.h"

#include <errno.h>
#include <stddef.h>
#include <syslog.h>

#include <security/pam_modules.h>

#include "common/macro.h"

#define ADMINISTRATOR_GATEWAY \
        "The administrator finds the reason with `systemctl status oidc-keyring-gateway`."

typedef struct Row {
        int auth;
        int account;
        int priority;
        const char *name; /* of a Failure; an Outcome has its error name */
        const char
                *message; /* of a Failure; an Outcome has its own, unless it is said better here */
} Row;

/* The session facility has one code for everything, so it has no column. PAM_AUTHINFO_UNAVAIL is
 * what lets a stack give the next module its turn: it stands where nobody has been refused. */
static const Row rows[_FAILURE_MAX] = {
        [OUTCOME_ACCESS_DENIED] = {PAM_AUTH_ERR, PAM_PERM_DENIED, LOG_NOTICE},
        [OUTCOME_CODE_EXPIRED] = {PAM_AUTH_ERR, PAM_AUTHINFO_UNAVAIL, LOG_NOTICE},
        [OUTCOME_LOGIN_LOST] = {PAM_AUTH_ERR, PAM_AUTHINFO_UNAVAIL, LOG_WARNING},
        [OUTCOME_USER_MISMATCH] = {PAM_AUTH_ERR, PAM_PERM_DENIED, LOG_WARNING},
        [OUTCOME_USER_NOT_ALLOWED] = {PAM_PERM_DENIED, PAM_PERM_DENIED, LOG_NOTICE},
        [OUTCOME_IDENTITY_NOT_ALLOWED] = {PAM_AUTH_ERR, PAM_PERM_DENIED, LOG_NOTICE},
        [OUTCOME_AUTHENTICATION_WEAK] = {PAM_AUTH_ERR, PAM_PERM_DENIED, LOG_NOTICE},
        [OUTCOME_IDENTITY_CHANGED] = {PAM_AUTH_ERR, PAM_PERM_DENIED, LOG_WARNING},
        [OUTCOME_TOO_MANY_LOGINS] = {PAM_AUTHINFO_UNAVAIL, PAM_AUTHINFO_UNAVAIL, LOG_WARNING},
        [OUTCOME_CANCELLED] = {PAM_AUTH_ERR, PAM_AUTHINFO_UNAVAIL, LOG_NOTICE},
        [OUTCOME_UNKNOWN_LOGIN] = {PAM_AUTH_ERR, PAM_AUTHINFO_UNAVAIL, LOG_WARNING},
        [OUTCOME_PROVIDER_UNREACHABLE] = {PAM_AUTHINFO_UNAVAIL, PAM_AUTHINFO_UNAVAIL, LOG_ERR},
        [OUTCOME_PROVIDER_UNTRUSTED] = {PAM_AUTHINFO_UNAVAIL, PAM_AUTHINFO_UNAVAIL, LOG_ERR},
        [OUTCOME_PROVIDER_BUSY] = {PAM_AUTHINFO_UNAVAIL, PAM_AUTHINFO_UNAVAIL, LOG_WARNING},
        [OUTCOME_PROVIDER_ANSWER] = {PAM_AUTHINFO_UNAVAIL, PAM_AUTHINFO_UNAVAIL, LOG_ERR},
        [OUTCOME_CLIENT_REFUSED] = {PAM_AUTHINFO_UNAVAIL, PAM_AUTHINFO_UNAVAIL, LOG_ERR},
        [OUTCOME_NO_REFRESH_TOKEN] = {PAM_AUTHINFO_UNAVAIL, PAM_AUTHINFO_UNAVAIL, LOG_ERR},
        [OUTCOME_ID_TOKEN_INVALID] = {PAM_AUTH_ERR, PAM_PERM_DENIED, LOG_ERR},
        [OUTCOME_CLOCK_WRONG] = {PAM_AUTHINFO_UNAVAIL, PAM_AUTHINFO_UNAVAIL, LOG_ERR},
        [OUTCOME_ANSWER_LOST] = {PAM_AUTHINFO_UNAVAIL, PAM_AUTHINFO_UNAVAIL, LOG_ERR},
        [OUTCOME_LOGIN_REQUIRED] = {PAM_AUTH_ERR, PAM_AUTHINFO_UNAVAIL, LOG_NOTICE},
        [OUTCOME_CONFIGURATION] = {PAM_AUTHINFO_UNAVAIL, PAM_AUTHINFO_UNAVAIL, LOG_ERR},
        [OUTCOME_UNKNOWN_PROVIDER] = {PAM_AUTHINFO_UNAVAIL, PAM_AUTHINFO_UNAVAIL, LOG_ERR},
        [OUTCOME_STATE_UNUSABLE] = {PAM_AUTHINFO_UNAVAIL, PAM_AUTHINFO_UNAVAIL, LOG_ERR},
        [OUTCOME_UNKNOWN_BINDING] = {PAM_SYSTEM_ERR, PAM_SYSTEM_ERR, LOG_ERR},
        [OUTCOME_UNKNOWN_ACCOUNT] = {PAM_SYSTEM_ERR, PAM_SYSTEM_ERR, LOG_ERR},
        [OUTCOME_BAD_GRANT] = {PAM_SYSTEM_ERR, PAM_SYSTEM_ERR, LOG_ERR},
        [OUTCOME_NOT_PERMITTED] = {PAM_CRED_INSUFFICIENT, PAM_PERM_DENIED, LOG_ERR, NULL,
                                   "This program runs as a user who may not log in anybody else. "
                                   "Use one that runs as root: sshd, login or sudo."},
        [OUTCOME_NO_KEYRING] = {PAM_SYSTEM_ERR, PAM_SYSTEM_ERR, LOG_ERR},

        [FAILURE_GATEWAY_AWAY] =
                {PAM_AUTHINFO_UNAVAIL, PAM_AUTHINFO_UNAVAIL, LOG_ERR, "GatewayAway",
                 "The login service of this host cannot be reached. " ADMINISTRATOR_GATEWAY},
        [FAILURE_GATEWAY_SLOW] = {PAM_AUTHINFO_UNAVAIL, PAM_AUTHINFO_UNAVAIL, LOG_ERR,
                                  "GatewaySlow",
                                  "The login service of this host did not answer in time. Try "
                                  "again. " ADMINISTRATOR_GATEWAY},
        [FAILURE_GATEWAY_ANSWER] = {PAM_AUTHINFO_UNAVAIL, PAM_AUTHINFO_UNAVAIL, LOG_ERR,
                                    "GatewayAnswer",
                                    "The login service of this host gave an answer that cannot be "
                                    "used. The administrator has to install module and gateway in "
                                    "one version and restart oidc-keyring-gateway."},
        [FAILURE_NOT_APPROVED] = {PAM_AUTH_ERR, PAM_AUTHINFO_UNAVAIL, LOG_NOTICE, "NotApproved",
                                  "The login was not approved in time. Log in again to get a new "
                                  "code."},
        [FAILURE_NO_CONVERSATION] = {PAM_AUTHINFO_UNAVAIL, PAM_AUTHINFO_UNAVAIL, LOG_NOTICE,
                                     "NoConversation", NULL},
        [FAILURE_CONVERSATION] = {PAM_CONV_ERR, PAM_CONV_ERR, LOG_NOTICE, "Conversation", NULL},
        [FAILURE_CONVERSATION_AGAIN] = {PAM_INCOMPLETE, PAM_INCOMPLETE, LOG_DEBUG,
                                        "ConversationAgain", NULL},
        [FAILURE_USER_NAME] = {PAM_USER_UNKNOWN, PAM_USER_UNKNOWN, LOG_NOTICE, "UserName", NULL},
        [FAILURE_USER_UNKNOWN] = {PAM_USER_UNKNOWN, PAM_USER_UNKNOWN, LOG_NOTICE, "UserUnknown",
                                  NULL},
        [FAILURE_OPTIONS] = {PAM_SERVICE_ERR, PAM_SERVICE_ERR, LOG_ERR, "Options",
                             "The line of pam_oidc_keyring in this service's PAM file has an "
                             "option that is not known. The administrator finds it in the "
                             "journal."},
        [FAILURE_IDENTITY] = {PAM_SYSTEM_ERR, PAM_SYSTEM_ERR, LOG_CRIT, "Identity",
                              "The login token could not be handed to your session. The "
                              "administrator finds the reason in the journal."},
        [FAILURE_NO_USER_BUS] = {PAM_SYSTEM_ERR, PAM_SYSTEM_ERR, LOG_ERR, "NoUserBus",
                                 "There is no user bus, so the login token cannot be kept. The "
                                 "administrator has to install dbus-user-session and to put "
                                 "pam_systemd before pam_oidc_keyring in the session stack."},
        [FAILURE_USER_BUS] = {PAM_SYSTEM_ERR, PAM_SYSTEM_ERR, LOG_ERR, "UserBus",
                              "The user bus does not answer, so the login token cannot be kept. "
                              "Look at `systemctl --user status dbus`, then log in again."},
        [FAILURE_NO_DAEMON] =
                {PAM_SYSTEM_ERR, PAM_SYSTEM_ERR, LOG_ERR, "NoDaemon",
                 "The daemon that keeps the login token could not be started. Look at "
                 "`systemctl --user status oidc-keyringd`, then log in again."},
        [FAILURE_DAEMON_SLOW] =
                {PAM_SYSTEM_ERR, PAM_SYSTEM_ERR, LOG_ERR, "DaemonSlow",
                 "The daemon that keeps the login token did not answer in time. Look at "
                 "`oidc-keyring status`."},
        [FAILURE_DAEMON_ANSWER] =
                {PAM_SYSTEM_ERR, PAM_SYSTEM_ERR, LOG_ERR, "DaemonAnswer",
                 "The daemon that keeps the login token refused it. Look at `systemctl "
                 "--user status oidc-keyringd`, then log in again."},
};

static const Row *row_of(int failure) {
        return failure > OUTCOME_SUCCESS && failure < _FAILURE_MAX ? &rows[failure] : NULL;
}

int result_pam_code(int failure, Phase phase) {
        const Row *row = row_of(failure);
        int code = PAM_SYSTEM_ERR;

        if (failure == -ENOMEM)
                return PAM_BUF_ERR;
        if (phase == PHASE_SESSION)
                return PAM_SESSION_ERR;
        if (row)
                code = phase == PHASE_AUTH ? row->auth : row->account;
        /* A row that somebody forgot to write must not let anybody in. */
        return code == PAM_SUCCESS || code == PAM_IGNORE ? PAM_SYSTEM_ERR : code;
}

const char *result_message(int failure) {
        const Row *row = row_of(failure);

        if (!row)
                return "The login failed on this host. The administrator finds the reason in the "
                       "journal.";
        return failure < (int)_OUTCOME_MAX && !row->message ? outcome_message((Outcome)failure)
                                                            : row->message;
}

const char *result_name(int failure) {
        const Row *row = row_of(failure);
        const char *name = NULL;

        if (row && failure >= (int)_OUTCOME_MAX)
                return row->name;
        if (row)
                name = strrchr(outcome_error_name((Outcome)failure), '.');
        return name ? name + 1 : "Internal";
}

int result_priority(int failure) {
        const Row *row = row_of(failure);

        return row ? row->priority : LOG_ERR;
}

int result_from_error_name(const char *error_name, int other) {
        Outcome outcome = outcome_from_error_name(error_name);

        return outcome == OUTCOME_SUCCESS ? other : (int)outcome;
}
