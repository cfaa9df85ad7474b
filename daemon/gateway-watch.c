/* SPDX-License-Identifier: MIT */
#include "daemon/gateway-watch.h"

#include <errno.h>

#include "common/log.h"
#include "common/names.h"

struct GatewayWatch {
        sd_bus *bus;
        void (*changed)(void *userdata);
        void *userdata;
};

GatewayWatch *gateway_watch_free(GatewayWatch *watch) {
        if (!watch)
                return NULL;
        sd_bus_close_unref(watch->bus);
        free(watch);
        return NULL;
}

static int on_signal(sd_bus_message *signal, void *userdata, sd_bus_error *error) {
        GatewayWatch *watch = userdata;

        (void)signal;
        (void)error;
        watch->changed(watch->userdata);
        return 0;
}

/* A bus that cannot be reached is one more reason to wait for the back-off. */
static int on_match_added(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        (void)userdata;
        (void)error;
        if (sd_bus_message_is_method_error(reply, NULL))
                log_debug("Changes of the network will not be heard of");
        return 0;
}

int gateway_watch_new(const GatewayClient *client, void (*changed)(void *userdata), void *userdata,
                      GatewayWatch **ret) {
        _cleanup_(gateway_watch_freep) GatewayWatch *watch = calloc(1, sizeof(*watch));
        int r;

        if (!watch)
                return -ENOMEM;
        watch->changed = changed;
        watch->userdata = userdata;
        r = gateway_client_open(client, &watch->bus);
        if (r < 0)
                return r;
        r = sd_bus_start(watch->bus);
        if (r < 0)
                return r;
        /* The broker lets nobody but the owner of the name send it. */
        r = sd_bus_match_signal_async(watch->bus, NULL, GATEWAY_BUS_NAME, GATEWAY_OBJECT_PATH,
                                      GATEWAY_INTERFACE, "NetworkChanged", on_signal,
                                      on_match_added, watch);
        if (r < 0)
                return r;
        r = sd_bus_attach_event(watch->bus, client->event, SD_EVENT_PRIORITY_NORMAL);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(watch);
        return 0;
}
