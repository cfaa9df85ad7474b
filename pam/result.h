/* SPDX-License-Identifier: MIT */
#pragma once

/* The border of the module: below it a result is 0, -errno, an Outcome (common/outcome.h) or one
 * of the failures listed here; above it there are PAM codes. What a failure means to libpam, to
 * the person and to the log stands in one table. */

#include <stdbool.h>

#include "common/outcome.h"

/* They continue the numbers of Outcome, so that one int holds either. */
typedef enum Failure {
        FAILURE_GATEWAY_AWAY =
                _OUTCOME_MAX,       /* not there, not started, gone, or refused by the bus */
        FAILURE_GATEWAY_SLOW,       /* no answer within the time of one call */
        FAILURE_GATEWAY_ANSWER,     /* an answer that is not of the interface we know */
        FAILURE_NOT_APPROVED,       /* the deadline of the login passed */
        FAILURE_NO_CONVERSATION,    /* the host cannot talk to anybody */
        FAILURE_CONVERSATION,       /* the person or the host broke it off */
        FAILURE_CONVERSATION_AGAIN, /* an event-driven host will call again */
        FAILURE_USER_NAME,          /* no name, or one that is not printable ASCII */
        FAILURE_USER_UNKNOWN,       /* the host does not know this user */
        FAILURE_OPTIONS,            /* of the line in the PAM stack */
        FAILURE_IDENTITY,           /* the thread could not become the user, or root again */
        FAILURE_NO_USER_BUS,        /* no bus to hand the token to */
        FAILURE_USER_BUS,           /* the user's bus misbehaves */
        FAILURE_NO_DAEMON,          /* oidc-keyringd cannot be started */
        FAILURE_DAEMON_SLOW,        /* it has the grant, but has not answered in time */
        FAILURE_DAEMON_ANSWER,      /* it answered with an error that is none of ours */
        _FAILURE_MAX,
} Failure;

typedef enum Phase {
        PHASE_AUTH,
        PHASE_ACCOUNT,
        PHASE_SESSION,
        _PHASE_MAX,
} Phase;

/* The PAM code of a failure; never PAM_SUCCESS and never PAM_IGNORE, whatever @failure is. */
int result_pam_code(int failure, Phase phase);

/* The sentence for the person, or NULL where there is nobody to tell (any more). */
const char *result_message(int failure);

/* A short name for the log; never NULL. */
const char *result_name(int failure);

/* The syslog(3) level: trouble of the host's is an error, trouble of the person's a notice. */
int result_priority(int failure);

/* The failure behind a D-Bus error name; @other where it is none of ours. */
int result_from_error_name(const char *error_name, int other);
