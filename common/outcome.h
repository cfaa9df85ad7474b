/* SPDX-License-Identifier: MIT */
#pragma once

/* Outcome: every way in which something can end that a person or an administrator has to tell
 * apart. Each has a D-Bus error name and a sentence that says what to do next. Inside a program
 * outcomes travel as positive ints beside 0 (success) and -errno (a fault of our own); the
 * bus-error.c of gateway and daemon turns them into D-Bus errors, pam/result.c turns those into
 * PAM codes. */

typedef enum Outcome {
        OUTCOME_SUCCESS = 0,

        /* the person at the prompt */
        OUTCOME_ACCESS_DENIED, /* RFC 8628 3.5 access_denied: the person said no */
        OUTCOME_CODE_EXPIRED,  /* RFC 8628 3.5 expired_token, or our own clock */
        OUTCOME_LOGIN_LOST, /* the code is spent, and the answer that it brought did not arrive */
        OUTCOME_USER_MISMATCH,    /* approved by an identity that is not this local user */
        OUTCOME_USER_NOT_ALLOWED, /* unknown, system or not-listed local user; said before any code
                                   */
        OUTCOME_IDENTITY_NOT_ALLOWED, /* it is this user, but allow_groups or require_claim says no
                                       */
        OUTCOME_AUTHENTICATION_WEAK,  /* not of a kind, or not as recent, as this host asks for */
        OUTCOME_IDENTITY_CHANGED,     /* by another identity than the one this user is bound to */
        OUTCOME_TOO_MANY_LOGINS,      /* a limit on waiting codes or on attempts was reached */
        OUTCOME_CANCELLED,            /* by CancelLogin, or the caller went away */
        OUTCOME_UNKNOWN_LOGIN, /* no such login id: claimed already, too late, or never there */

        /* the provider */
        OUTCOME_PROVIDER_UNREACHABLE, /* DNS, TCP, TLS, timeout: nothing was answered */
        OUTCOME_PROVIDER_UNTRUSTED,   /* certificate not accepted */
        OUTCOME_PROVIDER_BUSY,        /* 429, 503, temporarily_unavailable, 5xx */
        OUTCOME_PROVIDER_ANSWER,      /* an answer that breaks the protocol or a limit */
        OUTCOME_CLIENT_REFUSED,       /* invalid_client, unauthorized_client, no device flow... */
        OUTCOME_NO_REFRESH_TOKEN, /* token response without refresh_token while one is required */
        OUTCOME_ID_TOKEN_INVALID, /* the ID token did not verify */
        OUTCOME_CLOCK_WRONG,      /* it did not verify because a clock is wrong */
        OUTCOME_ANSWER_LOST,      /* a refresh was sent, and what came of it is not known */
        OUTCOME_LOGIN_REQUIRED,   /* invalid_grant and its dialects: the grant is over */

        /* this host */
        OUTCOME_CONFIGURATION, /* a configuration file is missing or wrong; message has file:line */
        OUTCOME_UNKNOWN_PROVIDER, /* no provider section of that name, or several and none named */
        OUTCOME_STATE_UNUSABLE,   /* a binding cannot be read, or a first one not be written */
        OUTCOME_UNKNOWN_BINDING,  /* there is none to clear */
        OUTCOME_UNKNOWN_ACCOUNT,  /* the daemon holds no grant of that name */
        OUTCOME_BAD_GRANT,        /* a descriptor that is not a sealed, well-formed grant */
        OUTCOME_NOT_PERMITTED,    /* the caller's kernel credentials do not allow this call */
        OUTCOME_NO_KEYRING,       /* the key could not be written: quota, or keyctl forbidden */

        _OUTCOME_MAX,
} Outcome;

/* "org.oidckeyring.Error.CodeExpired" and so on; NULL for OUTCOME_SUCCESS or out of range. */
const char *outcome_error_name(Outcome outcome);

/* One sentence for the person: what happened and what to do next. Never NULL. */
const char *outcome_message(Outcome outcome);

/* The outcome behind a D-Bus error name; OUTCOME_SUCCESS if it is none of ours (or NULL). */
Outcome outcome_from_error_name(const char *error_name);
