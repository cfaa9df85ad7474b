/* SPDX-License-Identifier: MIT */
#pragma once

/* Check: looks at a provider with the eyes of a login and says about each step whether it works and
 * what to do where it does not. It asks for one code and lets it expire. */

#include <systemd/sd-event.h>

#include "gateway/bindings.h"
#include "gateway/grant-files.h"
#include "gateway/provider.h"

#define CHECK_FINDINGS_MAX 16u

typedef enum CheckSeverity {
        CHECK_OK,
        CHECK_WARNING,
        CHECK_ERROR,
        _CHECK_SEVERITY_MAX,
} CheckSeverity;

/* "ok", "warning", "error". */
const char *check_severity_to_string(CheckSeverity severity);

typedef struct CheckFinding {
        CheckSeverity severity;
        const char *what; /* a constant */
        char *message;
} CheckFinding;

typedef struct Check Check;

/* The findings are ours. The check is over; it may be freed inside. */
typedef void (*CheckDone)(Check *check, const CheckFinding *findings, size_t n_findings,
                          void *userdata);

/* @done is called exactly once, perhaps from within, after *ret was set. -ENOMEM: it is not. */
int check_start(Provider *provider, const Bindings *bindings, GrantFiles *files, CheckDone done,
                void *userdata, Check **ret);
Check *check_free(Check *check);
DEFINE_CLEANUP(Check, check_free);
