/* SPDX-License-Identifier: MIT */
#pragma once

/* Findings of `oidc-keyring check`: one line each, on standard output, and a count of what is
 * wrong. */

typedef enum Severity {
        SEVERITY_OK,
        SEVERITY_WARNING,
        SEVERITY_ERROR,
        _SEVERITY_MAX,
} Severity;

typedef struct Findings {
        unsigned n[_SEVERITY_MAX];
} Findings;

/* Prints "SEVERITY  WHAT: message"; the message says what to do, unless all is well. */
void finding(Findings *findings, Severity severity, const char *what, const char *format, ...)
        __attribute__((format(printf, 4, 5)));
