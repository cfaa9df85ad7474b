/* SPDX-License-Identifier: MIT */
#pragma once

/* Logging of the module: through libpam, which adds module, service and facility, and never by
 * openlog(), which is the host's. Nothing that could be replayed is passed here, debug or not: no
 * code, URL with a code, login id or reply. */

#include <security/pam_modules.h>

#include "common/macro.h"

/* Logs and returns @code, so that both happen in one expression. @priority is a syslog(3) level. */
int log_pam(pam_handle_t *pamh, int code, int priority, const char *format, ...) _printf_(4, 5);
