/* SPDX-License-Identifier: MIT */
#include "daemon/gateway-client.h"

#include <errno.h>
#include <fcntl.h>

#include "common/bus-client.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/names.h"
#include "daemon/bus-error.h"

#define SYSTEM_BUS_ADDRESS "unix:path=/run/dbus/system_bus_socket"

struct GatewayCall {
        GatewayMethod method;
        int sent_fd; /* -1: what is sent is `after` */
        char after[ACCOUNT_NAME_MAX + 1];
        sd_bus *bus;
        sd_bus_slot *slot; /* of the call, once it has been sent */
        sd_event_source *ending;
        GatewayDone done;
        void *userdata;
        int result;
        char *message;
        int grant_fd;
};

static const struct {
        const char *member;
        uint64_t timeout_usec; /* above what the gateway itself allows a request */
} methods[_GATEWAY_METHOD_MAX] = {
        [GATEWAY_REFRESH] = {"Refresh", 90 * USEC_PER_SEC},
        [GATEWAY_REVOKE] = {"Revoke", 6 * USEC_PER_SEC},
        [GATEWAY_RESTORE_GRANT] = {"RestoreGrant", 60 * USEC_PER_SEC},
};

GatewayCall *gateway_call_free(GatewayCall *call) {
        if (!call)
                return NULL;
        sd_event_source_disable_unref(call->ending);
        sd_bus_slot_unref(call->slot);
        /* What the bus has taken gets to the gateway without us. What it has not is not waited for:
         * with a bus that is stuck, that would be for ever. */
        sd_bus_close_unref(call->bus);
        closep(&call->sent_fd);
        closep(&call->grant_fd);
        free(call->message);
        free(call);
        return NULL;
}

void gateway_call_redirect(GatewayCall *call, GatewayDone done, void *userdata) {
        call->done = done;
        call->userdata = userdata;
}

static int gateway_call_ended(sd_event_source *source, void *userdata) {
        GatewayCall *call = userdata;
        _cleanup_close_ int grant_fd = TAKE_FD(call->grant_fd);
        _cleanup_free_ char *message = TAKE_PTR(call->message);

        (void)source;
        call->done(call->userdata, call->result, message, grant_fd);
        return 0;
}

/* The end is told from the event loop: there the connection can be closed, which it cannot while
 * it dispatches a reply, and whoever starts a call never hears back before it has it in hand. */
static int gateway_call_end(GatewayCall *call, int result, const char *message) {
        call->result = result;
        free(call->message);
        call->message = message ? strdup(message) : NULL;
        return sd_event_source_set_enabled(call->ending, SD_EVENT_ONESHOT);
}

static int gateway_call_take_grant(GatewayCall *call, sd_bus_message *reply) {
        int fd, r;

        if (!streq(sd_bus_message_get_signature(reply, 1), "h"))
                return 0;
        r = sd_bus_message_read(reply, "h", &fd);
        if (r < 0)
                return r;
        call->grant_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        return call->grant_fd < 0 ? -errno : 0;
}

static int gateway_call_on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        GatewayCall *call = userdata;
        const sd_bus_error *error = sd_bus_message_get_error(reply);
        const char *message = NULL;
        int result;

        (void)ret_error;
        if (error) {
                result = bus_error_to_result(error, &message);
                log_debug("%s of the gateway failed: %s", methods[call->method].member,
                          error->name);
        } else {
                result = gateway_call_take_grant(call, reply);
                if (result < 0)
                        message = bus_error_gateway_message();
        }
        return gateway_call_end(call, result, message);
}

int gateway_client_open(const GatewayClient *client, sd_bus **ret) {
        const char *address = secure_getenv("DBUS_SYSTEM_BUS_ADDRESS");

        if (client->open)
                return client->open(client->userdata, ret);
        return bus_client_new(address ? address : SYSTEM_BUS_ADDRESS, ret);
}

/* Only now: a message with a descriptor would make sd-bus wait for the connection to be made, which
 * a system bus in trouble could draw out for ever. */
static int gateway_call_on_connected(sd_bus_message *signal, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
        GatewayCall *call = userdata;
        int r;

        (void)signal;
        (void)error;
        r = sd_bus_message_new_method_call(call->bus, &message, GATEWAY_BUS_NAME,
                                           GATEWAY_OBJECT_PATH, GATEWAY_INTERFACE,
                                           methods[call->method].member);
        if (r >= 0)
                r = call->sent_fd >= 0 ? sd_bus_message_append(message, "h", call->sent_fd)
                                       : sd_bus_message_append(message, "s", call->after);
        if (r >= 0)
                r = sd_bus_call_async(call->bus, &call->slot, message, gateway_call_on_reply, call,
                                      methods[call->method].timeout_usec);
        return r < 0 ? gateway_call_end(call, r, bus_error_gateway_message()) : 0;
}

static int gateway_call_on_disconnected(sd_bus_message *signal, void *userdata,
                                        sd_bus_error *error) {
        GatewayCall *call = userdata;

        (void)signal;
        (void)error;
        if (call->slot) /* the call itself has ended with that */
                return 0;
        return gateway_call_end(call, -ECONNRESET, bus_error_gateway_message());
}

#define LOCAL_SIGNAL(member)                                                         \
        "type='signal',sender='org.freedesktop.DBus.Local',"                         \
        "path='/org/freedesktop/DBus/Local',interface='org.freedesktop.DBus.Local'," \
        "member='" member "'"

static int gateway_call_connect(GatewayCall *call, const GatewayClient *client) {
        int r;

        r = gateway_client_open(client, &call->bus);
        if (r < 0)
                return r;
        r = sd_bus_set_description(call->bus, "gateway");
        if (r < 0)
                return r;
        r = sd_bus_set_connected_signal(call->bus, 1);
        if (r < 0)
                return r;
        r = sd_bus_add_match(call->bus, NULL, LOCAL_SIGNAL("Connected"), gateway_call_on_connected,
                             call);
        if (r < 0)
                return r;
        r = sd_bus_add_match(call->bus, NULL, LOCAL_SIGNAL("Disconnected"),
                             gateway_call_on_disconnected, call);
        if (r < 0)
                return r;
        r = sd_bus_start(call->bus);
        if (r < 0)
                return r;
        return sd_bus_attach_event(call->bus, client->event, SD_EVENT_PRIORITY_NORMAL);
}

static int gateway_call_prepare(const GatewayClient *client, GatewayMethod method, GatewayDone done,
                                void *userdata, GatewayCall **ret) {
        _cleanup_(gateway_call_freep) GatewayCall *call = calloc(1, sizeof(*call));
        int r;

        if (!call)
                return -ENOMEM;
        call->sent_fd = call->grant_fd = -1;
        call->method = method;
        gateway_call_redirect(call, done, userdata);
        r = sd_event_add_defer(client->event, &call->ending, gateway_call_ended, call);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(call->ending, SD_EVENT_OFF);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(call);
        return 0;
}

static int gateway_call_start(GatewayCall *call, const GatewayClient *client) {
        int r = gateway_call_connect(call, client);

        if (r >= 0)
                return r;
        (void)log_debug_errno(r, "The system bus cannot be reached");
        return gateway_call_end(call, r, bus_error_gateway_message());
}

int gateway_call_new(const GatewayClient *client, GatewayMethod method, int grant_fd,
                     GatewayDone done, void *userdata, GatewayCall **ret) {
        _cleanup_(gateway_call_freep) GatewayCall *call = NULL;
        int r;

        r = gateway_call_prepare(client, method, done, userdata, &call);
        if (r < 0)
                return r;
        call->sent_fd = fcntl(grant_fd, F_DUPFD_CLOEXEC, 3);
        if (call->sent_fd < 0)
                return -errno;
        r = gateway_call_start(call, client);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(call);
        return 0;
}

int gateway_call_new_restore(const GatewayClient *client, const char *after, GatewayDone done,
                             void *userdata, GatewayCall **ret) {
        _cleanup_(gateway_call_freep) GatewayCall *call = NULL;
        int r;

        if (strlen(after) > ACCOUNT_NAME_MAX)
                return -EINVAL;
        r = gateway_call_prepare(client, GATEWAY_RESTORE_GRANT, done, userdata, &call);
        if (r < 0)
                return r;
        (void)stpcpy(call->after, after);
        r = gateway_call_start(call, client);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(call);
        return 0;
}
