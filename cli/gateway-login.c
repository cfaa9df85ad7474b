/* SPDX-License-Identifier: MIT */
#include "cli/gateway-login.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>

#include "common/clock.h"
#include "common/names.h"
#include "common/outcome.h"

/* The bus starts the gateway, which may have to find the provider first. */
#define BEGIN_TIMEOUT_USEC (45 * USEC_PER_SEC)
#define LOCAL_TIMEOUT_USEC (10 * USEC_PER_SEC)
#define CANCEL_TIMEOUT_USEC (2 * USEC_PER_SEC)
#define REVOKE_TIMEOUT_USEC (6 * USEC_PER_SEC)
/* The gateway tells when a code has expired; this is for one that does not. */
#define AWAIT_MORE_USEC (30 * USEC_PER_SEC)

#define SERVICE "oidc-keyring"

static int new_call(GatewayLogin *login, const char *member, sd_bus_message **ret) {
        int r;

        r = sd_bus_message_new_method_call(login->bus, ret, GATEWAY_BUS_NAME, GATEWAY_OBJECT_PATH,
                                           GATEWAY_INTERFACE, member);
        return r < 0 ? r : sd_bus_message_sensitive(*ret);
}

/* Best effort, for the end. */
static void call_and_forget(GatewayLogin *login, uint64_t timeout_usec, const char *member,
                            const char *types, ...) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        va_list args;
        int r;

        r = new_call(login, member, &call);
        va_start(args, types);
        if (r >= 0)
                r = sd_bus_message_appendv(call, types, args);
        va_end(args);
        if (r >= 0)
                (void)sd_bus_call(login->bus, call, timeout_usec, NULL, NULL);
}

void gateway_login_done(GatewayLogin *login) {
        if (login->id)
                call_and_forget(login, CANCEL_TIMEOUT_USEC, "CancelLogin", "s", login->id);
        sd_bus_message_unref(login->challenge);
        sd_bus_flush_close_unref(login->bus);
        sd_event_unref(login->event);
        *login = (GatewayLogin){0};
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        GatewayLogin *login = userdata;

        (void)source;
        login->interrupted = (int)info->ssi_signo;
        return 0;
}

static int watch_signals(GatewayLogin *login) {
        static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
        sigset_t set;
        int r = 0;

        (void)sigemptyset(&set);
        for (size_t i = 0; i < ELEMENTSOF(signals); i++)
                (void)sigaddset(&set, signals[i]);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return -errno;
        for (size_t i = 0; i < ELEMENTSOF(signals) && r >= 0; i++)
                r = sd_event_add_signal(login->event, NULL, signals[i], on_signal, login);
        return r;
}

static int connect_system(GatewayLogin *login, sd_bus_error *error) {
        int r;

        r = sd_event_new(&login->event);
        if (r >= 0)
                r = watch_signals(login);
        if (r < 0)
                return sd_bus_error_set_errno(error, r);
        r = sd_bus_open_system(&login->bus);
        if (r >= 0)
                r = sd_bus_attach_event(login->bus, login->event, SD_EVENT_PRIORITY_NORMAL);
        if (r < 0)
                return sd_bus_error_setf(error, SD_BUS_ERROR_FAILED,
                                         "The system bus cannot be reached: %s.", strerror(-r));
        return 0;
}

static int on_reply(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        sd_bus_message **reply = userdata;

        (void)error;
        *reply = sd_bus_message_ref(message);
        return 1;
}

/* What the gateway says is for the person; that there is none is not. */
static int take_error(const sd_bus_error *answer, sd_bus_error *error) {
        if (outcome_from_error_name(answer->name) != OUTCOME_SUCCESS)
                (void)sd_bus_error_copy(error, answer);
        else
                (void)sd_bus_error_setf(
                        error, SD_BUS_ERROR_FAILED,
                        "The gateway of this host did not answer (%s). The administrator "
                        "finds the reason with `systemctl status oidc-keyring-gateway`.",
                        answer->message ? answer->message : answer->name);
        return -EIO;
}

/* Sends @call and waits for its answer, or until somebody breaks it off. */
static int finish_call(GatewayLogin *login, sd_bus_message *call, uint64_t timeout_usec,
                       sd_bus_message **ret, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(sd_bus_slot_unrefp) sd_bus_slot *slot = NULL; /* freed first: it has &reply */
        int r;

        r = sd_bus_call_async(login->bus, &slot, call, on_reply, &reply, timeout_usec);
        while (r >= 0 && !reply && login->interrupted == 0)
                r = sd_event_run(login->event, UINT64_MAX);
        if (r < 0)
                return sd_bus_error_set_errno(error, r);
        if (!reply) {
                (void)sd_bus_error_set(error, outcome_error_name(OUTCOME_CANCELLED),
                                       "The login was cancelled. Nothing has changed.");
                return -EINTR;
        }
        if (sd_bus_message_is_method_error(reply, NULL))
                return take_error(sd_bus_message_get_error(reply), error);
        *ret = TAKE_PTR(reply);
        return 0;
}

int gateway_login_begin(GatewayLogin *login, const char *provider, const char *user,
                        const char *tty, const char *qr, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        r = connect_system(login, error);
        if (r < 0)
                return r;
        r = new_call(login, "BeginLogin", &call);
        if (r >= 0)
                r = sd_bus_message_append(call, "ssssss", provider, user, SERVICE, "", tty, qr);
        if (r < 0)
                return sd_bus_error_set_errno(error, r);
        r = finish_call(login, call, BEGIN_TIMEOUT_USEC, &login->challenge, error);
        if (r < 0)
                return r;
        r = sd_bus_message_read(login->challenge, "ssssts", &login->id, &login->verification_uri,
                                &login->verification_uri_complete, &login->user_code,
                                &login->expires_usec, &login->qr_text);
        return r < 0 ? sd_bus_error_set_errno(error, r) : 0;
}

int gateway_login_await(GatewayLogin *login, char **ret_issuer, char **ret_subject,
                        sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        _cleanup_free_ char *issuer = NULL, *subject = NULL;
        uint64_t now = clock_boottime_usec(), timeout_usec = AWAIT_MORE_USEC;
        const char *raw_issuer, *raw_subject;
        int r;

        if (login->expires_usec > now)
                timeout_usec += login->expires_usec - now;
        r = new_call(login, "AwaitLogin", &call);
        if (r >= 0)
                r = sd_bus_message_append(call, "s", login->id);
        if (r < 0)
                return sd_bus_error_set_errno(error, r);
        r = finish_call(login, call, timeout_usec, &reply, error);
        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "ss", &raw_issuer, &raw_subject);
        if (r < 0)
                return sd_bus_error_set_errno(error, r);
        issuer = strdup(raw_issuer);
        subject = strdup(raw_subject);
        if (!issuer || !subject)
                return sd_bus_error_set_errno(error, -ENOMEM);

        *ret_issuer = TAKE_PTR(issuer);
        *ret_subject = TAKE_PTR(subject);
        return 0;
}

int gateway_login_claim(GatewayLogin *login, const char *user, int *ret_fd, sd_bus_error *error) {
        _cleanup_(sd_bus_error_free) sd_bus_error answer = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        int fd, r;

        r = new_call(login, "ClaimGrant", &call);
        if (r >= 0)
                r = sd_bus_message_append(call, "ss", login->id, user);
        if (r < 0)
                return sd_bus_error_set_errno(error, r);
        /* Not to be broken off: a grant that is on its way would be lost, and not revoked. */
        r = sd_bus_call(login->bus, call, LOCAL_TIMEOUT_USEC, &answer, &reply);
        if (r < 0)
                return take_error(&answer, error);
        login->id = NULL; /* there is nothing left to cancel */
        r = sd_bus_message_read(reply, "h", &fd);
        if (r < 0)
                return sd_bus_error_set_errno(error, r);
        fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (fd < 0)
                return sd_bus_error_set_errno(error, -errno);

        *ret_fd = fd;
        return 0;
}

void gateway_login_revoke(GatewayLogin *login, int grant_fd) {
        call_and_forget(login, REVOKE_TIMEOUT_USEC, "Revoke", "h", grant_fd);
}
