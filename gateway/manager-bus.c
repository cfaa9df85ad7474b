/* SPDX-License-Identifier: MIT */

/* The D-Bus face of the manager: arguments in, answers out, nothing decided. */

#include <errno.h>
#include <stdarg.h>

#include "common/log.h"
#include "common/names.h"
#include "gateway/bus-error.h"
#include "gateway/manager.h"
#include "gateway/qr.h"

/* A method call that is answered later. */
typedef struct PendingCall {
        sd_bus_message *message;
        Manager *manager;
        QrStyle qr;
} PendingCall;

static PendingCall *pending_call_free(PendingCall *call) {
        if (!call)
                return NULL;
        sd_bus_message_unref(call->message);
        free(call);
        return NULL;
}
DEFINE_CLEANUP(PendingCall, pending_call_free);

static int pending_call_new(sd_bus_message *message, Manager *manager, PendingCall **ret) {
        PendingCall *call = calloc(1, sizeof(*call));

        if (!call)
                return -ENOMEM;
        *call = (PendingCall){.message = sd_bus_message_ref(message), .manager = manager};
        *ret = call;
        return 0;
}

static void reply_sent(int r) {
        if (r < 0)
                log_debug_errno(r, "Cannot answer a method call");
}

/* The message for an outcome: which line of the configuration is wrong says more than its own. */
static const char *message_for(const Manager *manager, int result) {
        return result == OUTCOME_CONFIGURATION ? manager_configuration_problem(manager) : NULL;
}

static void pending_call_fail(PendingCall *call, int result) {
        bus_error_reply(call->message, result, message_for(call->manager, result));
}

/* Who calls, as the bus driver (or the socket, between peers) knows it from the kernel. What sd-bus
 * could add from /proc is never asked for. */
static int caller_of(sd_bus_message *message, Manager *manager, uid_t *ret) {
        _cleanup_(sd_bus_creds_unrefp) sd_bus_creds *creds = NULL;
        int r;

        manager_note_call(manager);
        r = sd_bus_query_sender_creds(message, SD_BUS_CREDS_EUID, &creds);
        if (r < 0)
                return r;
        return sd_bus_creds_get_euid(creds, ret);
}

/* Every method begins with it: its arguments, as sd_bus_message_read() has them, and who calls. */
static int read_call(sd_bus_message *message, Manager *manager, uid_t *ret_caller,
                     const char *types, ...) {
        va_list arguments;
        int r;

        va_start(arguments, types);
        r = sd_bus_message_readv(message, types, arguments);
        va_end(arguments);
        if (r < 0)
                return r;
        return caller_of(message, manager, ret_caller);
}

/* An answer that is one array: open, to be appended to and sent. */
static int array_open(sd_bus_message *call, const char *types, sd_bus_message **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(call, &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(reply, 'a', types);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(reply);
        return 0;
}

static int array_send(sd_bus_message *reply) {
        int r = sd_bus_message_close_container(reply);

        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

/* BeginLogin */

static int reply_challenge(const PendingCall *call, const Login *login) {
        const DeviceAuthorization *challenge = login_challenge(login);
        const char *complete = challenge->verification_uri_complete;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(secret_text_freep) char *qr = NULL;
        int r;

        r = qr_draw(complete ? complete : challenge->verification_uri, call->qr, &qr);
        if (r < 0)
                return r;
        r = sd_bus_message_new_method_return(call->message, &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_sensitive(reply);
        if (r < 0)
                return r;
        r = sd_bus_message_append(reply, "ssssts", login_id(login), challenge->verification_uri,
                                  complete ? complete : "", challenge->user_code,
                                  login_expires_usec(login), qr);
        if (r < 0)
                return r;
        return sd_bus_send(NULL, reply, NULL);
}

static void on_begun(Login *login, int result, void *userdata) {
        _cleanup_(pending_call_freep) PendingCall *call = userdata;

        if (result == 0) {
                result = reply_challenge(call, login);
                if (result >= 0)
                        return;
        }
        pending_call_fail(call, result);
}

/* Runs when the last connection that has to do with a login is gone from the bus. */
static int on_caller_gone(sd_bus_track *track, void *userdata) {
        Login *login = userdata;

        (void)track;
        if (!login_was_delivered(login))
                login_cancel(login);
        return 1; /* with 0 sd-bus would call again at once, for ever */
}

/* A caller on a connection of its own, without a bus, cannot be followed. */
static int track_caller(Manager *manager, sd_bus_message *message, Login *login) {
        _cleanup_(sd_bus_track_unrefp) sd_bus_track *track = NULL;
        int r;

        if (!sd_bus_message_get_sender(message))
                return 0;
        r = sd_bus_track_new(sd_bus_message_get_bus(message), &track, on_caller_gone, login);
        if (r < 0)
                return r;
        r = sd_bus_track_add_sender(track, message);
        if (r < 0)
                return r;
        manager_track_login(manager, login, TAKE_PTR(track));
        return 0;
}

static int method_begin_login(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        _cleanup_(pending_call_freep) PendingCall *call = NULL;
        Manager *manager = userdata;
        LoginArguments arguments = {0};
        const char *tty = NULL, *qr = NULL;
        Login *login;
        uid_t caller;
        int r;

        r = read_call(message, manager, &caller, "ssssss", &arguments.provider, &arguments.user,
                      &arguments.service, &arguments.rhost, &tty, &qr);
        if (r < 0)
                return r;
        r = pending_call_new(message, manager, &call);
        if (r < 0)
                return r;
        if (qr_style_from_string(qr, &call->qr) < 0)
                return sd_bus_error_set_const(error, SD_BUS_ERROR_INVALID_ARGS,
                                              "qr is none, utf8 or ascii");
        r = manager_admit_login(manager, caller, &arguments, &login);
        if (r != 0)
                return bus_error_set(error, r, message_for(manager, r));
        r = track_caller(manager, message, login);
        if (r < 0) {
                login_cancel(login);
                return r;
        }
        login_begin(login, on_begun, TAKE_PTR(call));
        return 1;
}

/* AwaitLogin, CancelLogin, ClaimGrant */

static void on_awaited(Login *login, int result, void *userdata) {
        _cleanup_(pending_call_freep) PendingCall *call = userdata;

        if (result == 0)
                reply_sent(sd_bus_reply_method_return(call->message, "ss", login_issuer(login),
                                                      login_subject(login)));
        else
                pending_call_fail(call, result);
}

/* The login whose id is the one argument. */
static int read_login(sd_bus_message *message, Manager *manager, sd_bus_error *error, Login **ret) {
        const char *id = NULL;
        uid_t caller;
        int r;

        r = read_call(message, manager, &caller, "s", &id);
        if (r < 0)
                return r;
        r = manager_find_login(manager, caller, id, ret);
        return r == 0 ? 0 : bus_error_set(error, r, NULL);
}

static int method_await_login(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Manager *manager = userdata;
        PendingCall *call;
        Login *login;
        int r;

        r = read_login(message, manager, error, &login);
        if (r < 0)
                return r;
        r = pending_call_new(message, manager, &call);
        if (r < 0)
                return r;
        login_await(login, on_awaited, call);
        return 1;
}

static int method_cancel_login(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Manager *manager = userdata;
        Login *login;
        int r;

        r = read_login(message, manager, error, &login);
        if (r < 0)
                return r;
        login_cancel(login);
        return sd_bus_reply_method_return(message, NULL);
}

static int reply_grant(sd_bus_message *message, const Grant *grant) {
        _cleanup_close_ int fd = -1;
        int r;

        r = grant_seal(grant, &fd);
        if (r < 0)
                return r;
        return sd_bus_reply_method_return(message, "h", fd);
}

static int method_claim_grant(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        _cleanup_(grant_freep) Grant *grant = NULL;
        Manager *manager = userdata;
        const char *id = NULL, *user = NULL;
        uid_t caller;
        int r;

        r = read_call(message, manager, &caller, "ss", &id, &user);
        if (r < 0)
                return r;
        r = manager_claim_grant(manager, caller, id, user, &grant);
        if (r != 0)
                return bus_error_set(error, r, NULL);
        r = reply_grant(message, grant);
        manager_end_claim(manager, caller, id, r < 0 ? TAKE_PTR(grant) : NULL);
        return r;
}

static int method_check_account(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Manager *manager = userdata;
        const char *provider = NULL, *user = NULL;
        PolicyVerdict verdict = POLICY_DENIED;
        uid_t caller;
        int r;

        r = read_call(message, manager, &caller, "ss", &provider, &user);
        if (r < 0)
                return r;
        r = manager_check_account(manager, caller, provider, user, &verdict);
        if (r == 0 && verdict == POLICY_DENIED)
                r = OUTCOME_USER_NOT_ALLOWED;
        if (r != 0)
                return bus_error_set(error, r, message_for(manager, r));
        return sd_bus_reply_method_return(message, "s",
                                          verdict == POLICY_ALLOWED ? "allowed" : "unmanaged");
}

/* Refresh, Revoke: a grant comes in, which stays the message's, and the answer is given later. */

static int read_grant_call(sd_bus_message *message, Manager *manager, uid_t *ret_caller,
                           int *ret_fd, PendingCall **ret) {
        int r;

        r = read_call(message, manager, ret_caller, "h", ret_fd);
        if (r < 0)
                return r;
        return pending_call_new(message, manager, ret);
}

static void on_refreshed(int result, const Grant *grant, void *userdata) {
        _cleanup_(pending_call_freep) PendingCall *call = userdata;

        if (result == 0) {
                result = reply_grant(call->message, grant);
                if (result >= 0)
                        return;
        }
        pending_call_fail(call, result);
}

static int method_refresh(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        PendingCall *call;
        uid_t caller;
        int fd = -1, r;

        (void)error;
        r = read_grant_call(message, userdata, &caller, &fd, &call);
        if (r < 0)
                return r;
        manager_refresh(call->manager, caller, fd, on_refreshed, call);
        return 1;
}

static void on_revoked(int result, void *userdata) {
        _cleanup_(pending_call_freep) PendingCall *call = userdata;

        if (result == 0)
                reply_sent(sd_bus_reply_method_return(call->message, NULL));
        else
                pending_call_fail(call, result);
}

static int method_revoke(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        PendingCall *call;
        uid_t caller;
        int fd = -1, r;

        (void)error;
        r = read_grant_call(message, userdata, &caller, &fd, &call);
        if (r < 0)
                return r;
        manager_revoke(call->manager, caller, fd, on_revoked, call);
        return 1;
}

static int method_restore_grant(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        _cleanup_(grant_freep) Grant *grant = NULL;
        Manager *manager = userdata;
        const char *after;
        uid_t caller;
        int r;

        r = sd_bus_message_read(message, "s", &after);
        if (r < 0)
                return r;
        r = caller_of(message, manager, &caller);
        if (r < 0)
                return r;
        r = manager_restore_grant(manager, caller, after, &grant);
        if (r != 0)
                return bus_error_set(error, r, message_for(manager, r));
        return reply_grant(message, grant);
}

/* Check */

static int reply_findings(sd_bus_message *message, const CheckFinding *findings,
                          size_t n_findings) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = array_open(message, "(sss)", &reply);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n_findings; i++) {
                r = sd_bus_message_append(reply, "(sss)",
                                          check_severity_to_string(findings[i].severity),
                                          findings[i].what, findings[i].message);
                if (r < 0)
                        return r;
        }
        return array_send(reply);
}

static void on_checked(Check *check, const CheckFinding *findings, size_t n_findings,
                       void *userdata) {
        _cleanup_(pending_call_freep) PendingCall *call = userdata;

        if (!check)
                pending_call_fail(call, OUTCOME_CANCELLED);
        else
                reply_sent(reply_findings(call->message, findings, n_findings));
}

static int method_check(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        _cleanup_(pending_call_freep) PendingCall *call = NULL;
        Manager *manager = userdata;
        const char *provider = NULL;
        uid_t caller;
        int r;

        r = read_call(message, manager, &caller, "s", &provider);
        if (r < 0)
                return r;
        r = pending_call_new(message, manager, &call);
        if (r < 0)
                return r;
        r = manager_check(manager, caller, provider, on_checked, call);
        if (r != 0)
                return bus_error_set(error, r, message_for(manager, r));
        TAKE_PTR(call);
        return 1;
}

/* ListBindings, ClearBinding */

static int append_binding(const Binding *binding, void *userdata) {
        return sd_bus_message_append(userdata, "(sssst)", binding->provider, binding->user,
                                     binding->issuer, binding->subject, binding->since_usec);
}

static int method_list_bindings(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *after_provider = NULL, *after_user = NULL;
        Manager *manager = userdata;
        uid_t caller;
        int r;

        r = read_call(message, manager, &caller, "ss", &after_provider, &after_user);
        if (r < 0)
                return r;
        r = array_open(message, "(sssst)", &reply);
        if (r < 0)
                return r;
        r = manager_list_bindings(manager, caller, after_provider, after_user, append_binding,
                                  reply);
        if (r != 0)
                return bus_error_set(error, r, NULL);
        return array_send(reply);
}

typedef struct Clearing {
        sd_bus_message *reply;
        uid_t caller;
} Clearing;

static int on_binding_cleared(const Binding *binding, void *userdata) {
        Clearing *clearing = userdata;

        log_notice("The binding of user %s at provider %s to subject %s of %s was cleared by uid "
                   "%u",
                   binding->user, binding->provider, *binding->subject ? binding->subject : "-",
                   *binding->issuer ? binding->issuer : "-", clearing->caller);
        return sd_bus_message_append(clearing->reply, "s", binding->provider);
}

static int method_clear_binding(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *provider = NULL, *user = NULL;
        Manager *manager = userdata;
        Clearing clearing = {0};
        int r;

        r = read_call(message, manager, &clearing.caller, "ss", &provider, &user);
        if (r < 0)
                return r;
        r = array_open(message, "s", &reply);
        if (r < 0)
                return r;
        clearing.reply = reply;
        r = manager_clear_binding(manager, clearing.caller, provider, user, on_binding_cleared,
                                  &clearing);
        if (r != 0)
                return bus_error_set(error, r, NULL);
        return array_send(reply);
}

/* Everybody may call: who may have what is decided on the caller's credentials, method by method.
 * Messages that carry login ids are wiped. */
#define METHOD(name, in, out, handler, flags)                                     \
        SD_BUS_METHOD_WITH_ARGS(name, SD_BUS_ARGS in, SD_BUS_RESULT out, handler, \
                                SD_BUS_VTABLE_UNPRIVILEGED | (flags))

static const char *const version = PACKAGE_VERSION;

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Version", "s", NULL, (size_t)&version,
                        SD_BUS_VTABLE_PROPERTY_CONST | SD_BUS_VTABLE_ABSOLUTE_OFFSET),
        METHOD("BeginLogin",
               ("s", provider, "s", user, "s", service, "s", rhost, "s", tty, "s", qr),
               ("s", login_id, "s", verification_uri, "s", verification_uri_complete, "s",
                user_code, "t", expires_usec, "s", qr_text),
               method_begin_login, SD_BUS_VTABLE_SENSITIVE),
        METHOD("AwaitLogin", ("s", login_id), ("s", issuer, "s", subject), method_await_login,
               SD_BUS_VTABLE_SENSITIVE),
        SD_BUS_METHOD_WITH_ARGS("CancelLogin", SD_BUS_ARGS("s", login_id), SD_BUS_NO_RESULT,
                                method_cancel_login,
                                SD_BUS_VTABLE_UNPRIVILEGED | SD_BUS_VTABLE_SENSITIVE),
        METHOD("ClaimGrant", ("s", login_id, "s", user), ("h", grant), method_claim_grant,
               SD_BUS_VTABLE_SENSITIVE),
        METHOD("CheckAccount", ("s", provider, "s", user), ("s", verdict), method_check_account, 0),
        METHOD("Refresh", ("h", grant), ("h", grant), method_refresh, 0),
        SD_BUS_METHOD_WITH_ARGS("Revoke", SD_BUS_ARGS("h", grant), SD_BUS_NO_RESULT, method_revoke,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        METHOD("RestoreGrant", ("s", after), ("h", grant), method_restore_grant, 0),
        METHOD("Check", ("s", provider), ("a(sss)", findings), method_check, 0),
        METHOD("ListBindings", ("s", after_provider, "s", after_user), ("a(sssst)", bindings),
               method_list_bindings, 0),
        METHOD("ClearBinding", ("s", provider, "s", user), ("as", providers), method_clear_binding,
               0),
        SD_BUS_SIGNAL("NetworkChanged", "", 0),
        SD_BUS_VTABLE_END,
};

void manager_tell_network_changed(sd_bus *bus) {
        int r = sd_bus_emit_signal(bus, GATEWAY_OBJECT_PATH, GATEWAY_INTERFACE, "NetworkChanged",
                                   NULL);

        if (r < 0)
                log_debug_errno(r, "Cannot tell that the network has changed");
}

int manager_attach(Manager *manager, sd_bus *bus) {
        return sd_bus_add_object_vtable(bus, NULL, GATEWAY_OBJECT_PATH, GATEWAY_INTERFACE, vtable,
                                        manager);
}
