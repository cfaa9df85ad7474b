/* SPDX-License-Identifier: MIT */
#include "common/outcome.h"

#include <stddef.h>

#include "common/macro.h"

#define ERROR_PREFIX "org.oidckeyring.Error."

static const struct {
        const char *error_name;
        const char *message;
} outcomes[_OUTCOME_MAX] = {
        [OUTCOME_SUCCESS] = {NULL, "It worked."},
        [OUTCOME_ACCESS_DENIED] =
                {ERROR_PREFIX "AccessDenied",
                 "The login was refused on the approval page. Log in again if that was a mistake."},
        [OUTCOME_CODE_EXPIRED] = {ERROR_PREFIX "CodeExpired",
                                  "The code expired before it was approved. Log in again to get a "
                                  "new one."},
        [OUTCOME_LOGIN_LOST] = {ERROR_PREFIX "LoginLost",
                                "The answer of the identity provider to this login was lost on its "
                                "way. Log in again to get a new code."},
        [OUTCOME_USER_MISMATCH] = {ERROR_PREFIX "UserMismatch",
                                   "The code was approved by an identity that is not this user. "
                                   "Approve it with your own account."},
        [OUTCOME_USER_NOT_ALLOWED] =
                {ERROR_PREFIX "UserNotAllowed",
                 "This user may not log in through the identity provider. Log in another way; the "
                 "administrator finds who may in allow_users and min_uid of oidc-keyring.conf."},
        [OUTCOME_IDENTITY_NOT_ALLOWED] =
                {ERROR_PREFIX "IdentityNotAllowed",
                 "The identity provider knows you, but its statement about you does not allow you "
                 "to log in to this host. The administrator finds the rule in the journal of "
                 "oidc-keyring-gateway."},
        [OUTCOME_AUTHENTICATION_WEAK] =
                {ERROR_PREFIX "AuthenticationWeak",
                 "The identity provider did not confirm a login of the kind, or as recent, as this "
                 "host asks for. Log out there, log in again and approve a new code."},
        [OUTCOME_IDENTITY_CHANGED] =
                {ERROR_PREFIX "IdentityChanged",
                 "This user name belongs to another identity than the one that approved. Ask the "
                 "administrator of this host, who finds both in the journal of "
                 "oidc-keyring-gateway."},
        [OUTCOME_TOO_MANY_LOGINS] = {ERROR_PREFIX "TooManyLogins",
                                     "Too many logins are waiting or were tried. Wait a minute, "
                                     "then try again."},
        [OUTCOME_CANCELLED] = {ERROR_PREFIX "Cancelled", "The login was cancelled. Log in again."},
        [OUTCOME_UNKNOWN_LOGIN] = {ERROR_PREFIX "UnknownLogin",
                                   "This login is not known (any more). Log in again."},
        [OUTCOME_PROVIDER_UNREACHABLE] = {ERROR_PREFIX "ProviderUnreachable",
                                          "The identity provider cannot be reached. Check the "
                                          "network, then try again."},
        [OUTCOME_PROVIDER_UNTRUSTED] = {ERROR_PREFIX "ProviderUntrusted",
                                        "The identity provider's certificate was not accepted. "
                                        "The administrator finds the reason with `oidc-keyring "
                                        "check`."},
        [OUTCOME_PROVIDER_BUSY] = {ERROR_PREFIX "ProviderBusy",
                                   "The identity provider is busy. Try again in a minute."},
        [OUTCOME_PROVIDER_ANSWER] = {ERROR_PREFIX "ProviderAnswer",
                                     "The identity provider gave an answer that cannot be used. "
                                     "The administrator finds it in the journal of "
                                     "oidc-keyring-gateway."},
        [OUTCOME_CLIENT_REFUSED] = {ERROR_PREFIX "ClientRefused",
                                    "The identity provider refuses this client. The administrator "
                                    "finds out with `oidc-keyring check` whether its credential "
                                    "or the device flow is meant."},
        [OUTCOME_NO_REFRESH_TOKEN] = {ERROR_PREFIX "NoRefreshToken",
                                      "The identity provider gave no refresh token. The "
                                      "administrator has to allow offline_access for this client, "
                                      "or set require_offline_access = no."},
        [OUTCOME_ID_TOKEN_INVALID] = {ERROR_PREFIX "IdTokenInvalid",
                                      "The identity provider's statement about you could not be "
                                      "verified. The administrator finds the reason in the journal "
                                      "of oidc-keyring-gateway."},
        [OUTCOME_CLOCK_WRONG] = {ERROR_PREFIX "ClockWrong",
                                 "The clock of this host and that of the identity provider differ. "
                                 "The administrator has to set the clock."},
        [OUTCOME_ANSWER_LOST] =
                {ERROR_PREFIX "AnswerLost",
                 "The answer of the identity provider to a renewal was lost on its way. The token "
                 "is used until shortly before it expires, then the renewal is tried again."},
        [OUTCOME_LOGIN_REQUIRED] = {ERROR_PREFIX "LoginRequired",
                                    "The identity provider has ended this login. Log in again "
                                    "with `oidc-keyring login`."},
        [OUTCOME_CONFIGURATION] = {ERROR_PREFIX "Configuration",
                                   "The configuration of oidc-keyring is missing or wrong. The "
                                   "administrator finds the line with `oidc-keyring check`."},
        [OUTCOME_UNKNOWN_PROVIDER] = {ERROR_PREFIX "UnknownProvider",
                                      "There is no such provider in the configuration of "
                                      "oidc-keyring, or there are several and none was named. The "
                                      "administrator names one with provider= on the PAM line."},
        [OUTCOME_STATE_UNUSABLE] =
                {ERROR_PREFIX "StateUnusable",
                 "This host cannot tell which identity this user name belongs to. The "
                 "administrator finds the reason in the journal of oidc-keyring-gateway."},
        [OUTCOME_UNKNOWN_BINDING] = {ERROR_PREFIX "UnknownBinding",
                                     "This user is not bound to an identity. `oidc-keyring "
                                     "bindings` shows who is."},
        [OUTCOME_UNKNOWN_ACCOUNT] =
                {ERROR_PREFIX "UnknownAccount",
                 "There is no such account in this session, or there are several and none was "
                 "named. `oidc-keyring status` shows them; if there is none, log in with "
                 "`oidc-keyring login`."},
        [OUTCOME_BAD_GRANT] = {ERROR_PREFIX "BadGrant",
                               "This is not a sealed grant. Log in again."},
        [OUTCOME_NOT_PERMITTED] = {ERROR_PREFIX "NotPermitted",
                                   "The caller may not do this. Only root may do it for others."},
        [OUTCOME_NO_KEYRING] = {ERROR_PREFIX "NoKeyring",
                                "The token could not be written to the kernel keyring: its quota "
                                "is used up (compare /proc/key-users with the sysctls "
                                "kernel.keys.maxbytes and kernel.keys.maxkeys), the token is too "
                                "large for it, or keyrings are forbidden here. `oidc-keyring "
                                "token` prints it all the same."},
};

const char *outcome_error_name(Outcome outcome) {
        if (outcome <= OUTCOME_SUCCESS || outcome >= _OUTCOME_MAX)
                return NULL;
        return outcomes[outcome].error_name;
}

const char *outcome_message(Outcome outcome) {
        if (outcome < OUTCOME_SUCCESS || outcome >= _OUTCOME_MAX)
                return "Something went wrong that has no name.";
        return outcomes[outcome].message;
}

Outcome outcome_from_error_name(const char *error_name) {
        if (!error_name)
                return OUTCOME_SUCCESS;
        for (Outcome o = OUTCOME_SUCCESS + 1; o < _OUTCOME_MAX; o++)
                if (streq(outcomes[o].error_name, error_name))
                        return o;
        return OUTCOME_SUCCESS;
}
