/* SPDX-License-Identifier: MIT */
#include "pam/log.h"

#include <stdarg.h>

#include <security/pam_ext.h>

int log_pam(pam_handle_t *pamh, int code, int priority, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        pam_vsyslog(pamh, priority, format, ap);
        va_end(ap);
        return code;
}
