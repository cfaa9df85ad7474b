/* SPDX-License-Identifier: MIT */
#include "pam/transaction.h"

#include <errno.h>
#include <stdarg.h>
#include <syslog.h>

#include <security/pam_ext.h>

#include "common/printable.h"
#include "pam/conversation.h"
#include "pam/log.h"

#define ITEM_MAX 256u

int transaction_options(Transaction *t, int argc, const char **argv) {
        _cleanup_free_ char *clean = NULL;
        const char *wrong = NULL;
        int r;

        r = options_parse(argc, argv, &t->options, &wrong);
        if (r >= 0)
                return 0;

        clean = printable_copy(wrong, ITEM_MAX);
        return log_pam(t->pamh, FAILURE_OPTIONS, LOG_ERR,
                       "unknown or wrong option \"%s\" in the PAM file of this service",
                       clean ? clean : "?");
}

static bool is_user_name(const char *user) {
        size_t n = strnlen(user, ITEM_MAX + 1);

        for (size_t i = 0; i < n; i++)
                if (user[i] < 0x20 || user[i] > 0x7e)
                        return false;
        return n > 0 && n <= ITEM_MAX;
}

int transaction_user(Transaction *t) {
        const char *user = NULL;
        int code;

        code = pam_get_user(t->pamh, &user, NULL);
        if (code == PAM_CONV_AGAIN || code == PAM_INCOMPLETE)
                return FAILURE_CONVERSATION_AGAIN;
        if (code == PAM_CONV_ERR || code == PAM_ABORT)
                return FAILURE_CONVERSATION;
        /* Anybody may type anything here; what is no text has no business on a bus or in a log. */
        if (code != PAM_SUCCESS || !user || !is_user_name(user))
                return FAILURE_USER_NAME;

        t->user = user;
        return 0;
}

int transaction_item(const Transaction *t, int item_type, char **ret) {
        const void *item = NULL;
        char *clean;

        if (pam_get_item(t->pamh, item_type, &item) != PAM_SUCCESS || !item)
                item = "";
        clean = printable_copy(item, ITEM_MAX);
        if (!clean)
                return -ENOMEM;
        *ret = clean;
        return 0;
}

int transaction_fail(const Transaction *t, int failure, const char *detail) {
        static const char *const whats[_PHASE_MAX] = {[PHASE_AUTH] = "login",
                                                      [PHASE_ACCOUNT] = "account check",
                                                      [PHASE_SESSION] = "token hand-over"};
        int code = result_pam_code(failure, t->phase);
        const char *message = result_message(failure);

        errno = failure < 0 ? -failure : 0;
        if (failure < 0)
                log_pam(t->pamh, code, LOG_ERR, "%s of %s failed: %m", whats[t->phase],
                        t->user ? t->user : "(no name)");
        else
                log_pam(t->pamh, code, result_priority(failure), "%s of %s failed: %s%s%s%s",
                        whats[t->phase], t->user ? t->user : "(no name)", result_name(failure),
                        detail ? " (" : "", detail ? detail : "", detail ? ")" : "");

        if (message && (!t->silent || t->asked))
                (void)conversation_error(t->pamh, message);
        return code;
}

void transaction_debug(const Transaction *t, const char *format, ...) {
        va_list ap;

        if (!t->options.debug)
                return;
        va_start(ap, format);
        pam_vsyslog(t->pamh, LOG_DEBUG, format, ap);
        va_end(ap);
}
