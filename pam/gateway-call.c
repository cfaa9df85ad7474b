/* SPDX-License-Identifier: MIT */
#include "pam/gateway-call.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "common/clock.h"
#include "common/names.h"
#include "common/printable.h"
#include "pam/bus-address.h"
#include "pam/bus-call.h"
#include "pam/handover.h"
#include "pam/result.h"

/* The bus starts the gateway, which may have to find the provider first. */
#define BEGIN_TIMEOUT_USEC (45 * USEC_PER_SEC)
#define CONNECT_TIMEOUT_USEC (10 * USEC_PER_SEC)
#define LOCAL_TIMEOUT_USEC (10 * USEC_PER_SEC) /* calls that need no provider */
#define CANCEL_TIMEOUT_USEC (2 * USEC_PER_SEC)
#define REVOKE_TIMEOUT_USEC (5 * USEC_PER_SEC)

#define DETAIL_MAX 400u
#define IDENTITY_MAX 256u

void gateway_done(Gateway *gateway) {
        sd_bus_close_unref(gateway->bus);
        free(gateway->detail);
        *gateway = (Gateway){0};
}

void login_done(Login *login) {
        sd_bus_message_unref(login->message);
        *login = (Login){0};
}

static uint64_t earlier(uint64_t deadline_usec, uint64_t timeout_usec) {
        uint64_t own = clock_boottime_usec() + timeout_usec;

        return own < deadline_usec ? own : deadline_usec;
}

/* "@name: @text"; @name may be NULL. */
static void set_detail(Gateway *gateway, const char *name, const char *text) {
        _cleanup_free_ char *both = NULL;

        free(gateway->detail);
        gateway->detail = NULL;
        if (asprintf(&both, "%s%s%s", name ? name : "", name ? ": " : "", text) < 0) {
                both = NULL;
                return;
        }
        gateway->detail = printable_copy(both, DETAIL_MAX);
}

/* A fault of connection or call, as opposed to an answer. */
static int fault(Gateway *gateway, int r) {
        if (r == -ENOMEM)
                return r;
        if (r == -ETIMEDOUT)
                return FAILURE_GATEWAY_SLOW;
        errno = -r;
        free(gateway->detail);
        if (asprintf(&gateway->detail, "%m") < 0)
                gateway->detail = NULL;
        return FAILURE_GATEWAY_AWAY;
}

int gateway_init(Gateway *gateway, uint64_t deadline_usec) {
        int r;

        r = bus_open(bus_address_system(), &gateway->bus);
        if (r < 0)
                return fault(gateway, r);
        r = bus_wait_ready(gateway->bus, earlier(deadline_usec, CONNECT_TIMEOUT_USEC));
        if (r < 0)
                return fault(gateway, r);
        return 0;
}

static int new_call(Gateway *gateway, const char *method, sd_bus_message **ret) {
        return sd_bus_message_new_method_call(gateway->bus, ret, GATEWAY_BUS_NAME,
                                              GATEWAY_OBJECT_PATH, GATEWAY_INTERFACE, method);
}

/* Sends @call and turns an error that comes back into an Outcome or a Failure. */
static int send_call(Gateway *gateway, sd_bus_message *call, uint64_t deadline_usec,
                     sd_bus_message **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const sd_bus_error *error;
        int r;

        r = bus_call(gateway->bus, call, deadline_usec, &reply);
        if (r < 0)
                return fault(gateway, r);

        error = sd_bus_message_get_error(reply);
        if (error) {
                r = result_from_error_name(error->name, FAILURE_GATEWAY_AWAY);
                /* The name of a failure of ours is in the log anyway. */
                set_detail(gateway, r == FAILURE_GATEWAY_AWAY ? error->name : NULL,
                           error->message ? error->message : "");
                return r;
        }

        *ret = TAKE_PTR(reply);
        return 0;
}

/* What came back is not of the interface: a gateway of another version. */
static int bad_answer(Gateway *gateway, const char *method) {
        set_detail(gateway, method, "the answer is not of the interface");
        return FAILURE_GATEWAY_ANSWER;
}

int gateway_begin_login(Gateway *gateway, const LoginRequest *request, uint64_t deadline_usec,
                        Login *ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        _cleanup_(login_done) Login login = {0};
        int r;

        r = new_call(gateway, "BeginLogin", &call);
        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "ssssss", request->provider, request->user,
                                  request->service, request->rhost, request->tty,
                                  request->qr_style);
        if (r < 0)
                return r;

        r = send_call(gateway, call, earlier(deadline_usec, BEGIN_TIMEOUT_USEC), &login.message);
        if (r != 0)
                return r;
        r = sd_bus_message_read(login.message, "ssssts", &login.id, &login.verification_uri,
                                &login.verification_uri_complete, &login.user_code,
                                &login.expires_usec, &login.qr_text);
        if (r < 0 || !handover_login_id_is_valid(login.id))
                return bad_answer(gateway, "BeginLogin");

        *ret = login;
        login = (Login){0};
        return 0;
}

int gateway_await_login(Gateway *gateway, const char *login_id, uint64_t deadline_usec,
                        char **ret_issuer, char **ret_subject) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        _cleanup_free_ char *issuer = NULL, *subject = NULL;
        const char *raw_issuer, *raw_subject;
        int r;

        r = new_call(gateway, "AwaitLogin", &call);
        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "s", login_id);
        if (r < 0)
                return r;

        r = send_call(gateway, call, deadline_usec, &reply);
        if (r != 0)
                return r == FAILURE_GATEWAY_SLOW ? FAILURE_NOT_APPROVED : r;
        r = sd_bus_message_read(reply, "ss", &raw_issuer, &raw_subject);
        /* A success says who it was; without that it is none. */
        if (r < 0 || !*raw_issuer || !*raw_subject)
                return bad_answer(gateway, "AwaitLogin");

        issuer = printable_copy(raw_issuer, IDENTITY_MAX);
        subject = printable_copy(raw_subject, IDENTITY_MAX);
        if (!issuer || !subject)
                return -ENOMEM;
        *ret_issuer = TAKE_PTR(issuer);
        *ret_subject = TAKE_PTR(subject);
        return 0;
}

void gateway_cancel_login(Gateway *gateway, const char *login_id) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;

        if (new_call(gateway, "CancelLogin", &call) < 0 ||
            sd_bus_message_append(call, "s", login_id) < 0)
                return;
        (void)bus_call(gateway->bus, call, clock_boottime_usec() + CANCEL_TIMEOUT_USEC, &reply);
}

int gateway_check_account(Gateway *gateway, const char *provider, const char *user,
                          uint64_t deadline_usec, bool *ret_unmanaged) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        const char *verdict;
        int r;

        r = new_call(gateway, "CheckAccount", &call);
        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "ss", provider, user);
        if (r < 0)
                return r;

        r = send_call(gateway, call, earlier(deadline_usec, LOCAL_TIMEOUT_USEC), &reply);
        if (r != 0)
                return r;
        r = sd_bus_message_read(reply, "s", &verdict);
        if (r < 0 || (!streq(verdict, "allowed") && !streq(verdict, "unmanaged")))
                return bad_answer(gateway, "CheckAccount");

        *ret_unmanaged = streq(verdict, "unmanaged");
        return 0;
}

int gateway_claim_grant(Gateway *gateway, const char *login_id, const char *user,
                        uint64_t deadline_usec, int *ret_fd) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        int fd, r;

        r = new_call(gateway, "ClaimGrant", &call);
        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "ss", login_id, user);
        if (r < 0)
                return r;

        r = send_call(gateway, call, earlier(deadline_usec, LOCAL_TIMEOUT_USEC), &reply);
        if (r != 0)
                return r;
        r = sd_bus_message_read(reply, "h", &fd); /* the message's own */
        if (r < 0)
                return bad_answer(gateway, "ClaimGrant");

        /* Some hosts run with 0 to 2 closed, and something would write to the descriptor then. */
        fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (fd < 0)
                return -errno;
        *ret_fd = fd;
        return 0;
}

void gateway_revoke(Gateway *gateway, int grant_fd) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;

        if (new_call(gateway, "Revoke", &call) < 0 ||
            sd_bus_message_append(call, "h", grant_fd) < 0)
                return;
        (void)bus_call(gateway->bus, call, clock_boottime_usec() + REVOKE_TIMEOUT_USEC, &reply);
}
