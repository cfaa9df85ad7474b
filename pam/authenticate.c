/* SPDX-License-Identifier: MIT */
#include "pam/authenticate.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <syslog.h>
#include <unistd.h>

#include <security/pam_modutil.h>

#include "common/challenge.h"
#include "common/clock.h"
#include "pam/conversation.h"
#include "pam/display.h"
#include "pam/gateway-call.h"
#include "pam/handover.h"
#include "pam/log.h"

/* Whoever presses Enter after the deadline may have approved long before it: the gateway knows, and
 * gets this long to say so. */
#define VERDICT_MIN_USEC (3 * USEC_PER_SEC)

typedef struct Items {
        char *service, *rhost, *tty;
        char *source; /* what the gateway counts the login against */
} Items;

static void items_done(Items *items) {
        free(items->service);
        free(items->rhost);
        free(items->tty);
        free(items->source);
}

/* Who runs the host process, where it is at this host: su by its real uid, sudo, which has none but
 * root's, by what it says. 0: root, or nobody yet. */
static int local_user(const Transaction *t, uid_t *ret) {
        _cleanup_free_ char *name = NULL;
        const struct passwd *entry;
        int r;

        *ret = getuid();
        if (*ret != 0)
                return 0;
        r = transaction_item(t, PAM_RUSER, &name);
        if (r < 0)
                return r;
        entry = *name ? pam_modutil_getpwnam(t->pamh, name) : NULL;
        if (entry)
                *ret = entry->pw_uid;
        return 0;
}

/* A remote host or such a user: else one user could use up what all others need here. No host is
 * called what a user is. */
static int items_set_source(Items *items, const Transaction *t) {
        uid_t uid = 0;
        int r;

        if (!*items->rhost) {
                r = local_user(t, &uid);
                if (r < 0)
                        return r;
        }
        if (uid != 0)
                return asprintf(&items->source, "@%u", (unsigned)uid) < 0 ? -ENOMEM : 0;
        items->source = strdup(items->rhost);
        if (!items->source)
                return -ENOMEM;
        if (*items->source == '@')
                *items->source = '?';
        return 0;
}

static int items_init(Items *items, const Transaction *t) {
        int r;

        r = transaction_item(t, PAM_SERVICE, &items->service);
        if (r < 0)
                return r;
        r = transaction_item(t, PAM_RHOST, &items->rhost);
        if (r < 0)
                return r;
        r = transaction_item(t, PAM_TTY, &items->tty);
        if (r < 0)
                return r;
        return items_set_source(items, t);
}

static char *text_free(char *text) {
        if (text)
                explicit_bzero(text, strlen(text));
        free(text);
        return NULL;
}
DEFINE_CLEANUP(char, text_free);

static int begin(const Transaction *t, const Items *items, Gateway *gateway, uint64_t deadline_usec,
                 Login *ret) {
        LoginRequest request = {
                .provider = t->options.provider,
                .user = t->user,
                .service = items->service,
                .rhost = items->source,
                .tty = items->tty,
                .qr_style = display_qr_style(t->options.qr, items->service, items->tty),
        };

        transaction_debug(t, "asking for a code for %s (service %s, terminal %s, QR code %s)",
                          t->user, items->service, items->tty, request.qr_style);
        return gateway_begin_login(gateway, &request, deadline_usec, ret);
}

/* Shows the code and, where the host needs a prompt to show anything, waits for Enter. Meanwhile
 * the gateway polls: an early Enter hastens nothing, a late one delays nothing. */
static int show(Transaction *t, const Items *items, const Login *login, uint64_t deadline_usec) {
        _cleanup_(text_freep) char *text = NULL;
        bool prompt = display_wants_prompt(t->options.prompt, items->service, items->tty);
        uint64_t now = clock_boottime_usec();
        uint64_t end = login->expires_usec < deadline_usec ? login->expires_usec : deadline_usec;
        Challenge challenge = {
                .user = t->user,
                .service = items->service,
                .rhost = items->rhost,
                .tty = items->tty,
                .verification_uri = login->verification_uri,
                .verification_uri_complete = login->verification_uri_complete,
                .user_code = login->user_code,
                .qr_text = login->qr_text,
                .left_usec = end > now ? end - now : 0,
                .prompt = prompt,
        };
        int r;

        if (end <= now)
                return OUTCOME_CODE_EXPIRED;
        r = challenge_text(&challenge, &text);
        if (r < 0)
                return r == -EBADMSG ? FAILURE_GATEWAY_ANSWER : r;
        transaction_debug(t, "showing the code %s", prompt ? "in a prompt" : "as information");
        t->asked = true;
        return prompt ? conversation_prompt(t->pamh, text) : conversation_info(t->pamh, text);
}

static int await(const Transaction *t, Gateway *gateway, const Login *login, const char *rhost,
                 uint64_t deadline_usec) {
        _cleanup_free_ char *issuer = NULL, *subject = NULL;
        uint64_t earliest = clock_boottime_usec() + VERDICT_MIN_USEC;
        int r;

        transaction_debug(t, "waiting for the verdict");
        r = gateway_await_login(gateway, login->id,
                                deadline_usec > earliest ? deadline_usec : earliest, &issuer,
                                &subject);
        if (r != 0)
                return r;
        r = handover_put(t->pamh, login->id, t->user);
        if (r < 0)
                return r;
        return log_pam(t->pamh, 0, LOG_NOTICE, "%s%s%s logged in as subject %s of %s", t->user,
                       *rhost ? " from " : "", rhost, subject, issuer);
}

/* 0, an Outcome, a Failure or -errno; the login is over at the gateway in every case but the
 * first. */
static int log_in(Transaction *t, Gateway *gateway, uint64_t deadline_usec) {
        _cleanup_(items_done) Items items = {0};
        _cleanup_(login_done) Login login = {0};
        int r;

        r = items_init(&items, t);
        if (r < 0)
                return r;
        r = gateway_init(gateway, deadline_usec);
        if (r != 0)
                return r;
        r = begin(t, &items, gateway, deadline_usec, &login);
        if (r != 0)
                return r;

        r = show(t, &items, &login, deadline_usec);
        if (r == 0)
                r = await(t, gateway, &login, items.rhost, deadline_usec);
        /* What the gateway itself has ended need not be cancelled. */
        if (r < 0 || r >= (int)_OUTCOME_MAX)
                gateway_cancel_login(gateway, login.id);
        return r;
}

int authenticate(Transaction *t, int argc, const char **argv) {
        _cleanup_(gateway_done) Gateway gateway = {0};
        int r;

        r = transaction_options(t, argc, argv);
        if (r == 0)
                r = transaction_user(t);
        if (r == 0)
                r = conversation_check(t->pamh);
        if (r == 0)
                r = log_in(t, &gateway, clock_boottime_usec() + t->options.timeout_usec);
        if (r != 0)
                return transaction_fail(t, r, gateway.detail);
        return PAM_SUCCESS;
}
