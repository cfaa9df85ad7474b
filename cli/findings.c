/* SPDX-License-Identifier: MIT */
#include "cli/findings.h"

#include <stdarg.h>
#include <stdio.h>

void finding(Findings *findings, Severity severity, const char *what, const char *format, ...) {
        static const char *const names[_SEVERITY_MAX] = {
                [SEVERITY_OK] = "ok",
                [SEVERITY_WARNING] = "warning",
                [SEVERITY_ERROR] = "error",
        };
        va_list args;

        findings->n[severity]++;
        (void)printf("%-8s %s: ", names[severity], what);
        va_start(args, format);
        (void)vprintf(format, args);
        va_end(args);
        (void)putchar('\n');
}
