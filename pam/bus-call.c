/* SPDX-License-Identifier: MIT */
#include "pam/bus-call.h"

#include <errno.h>

#include "common/bus-client.h"
#include "common/clock.h"
#include "common/macro.h"

int bus_open(const char *address, sd_bus **ret) {
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
        int r;

        r = bus_client_new(address, &bus);
        if (r < 0)
                return r;
        r = sd_bus_start(bus);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(bus);
        return 0;
}

/* One step of the connection, or one wait for the next. */
static int bus_turn(sd_bus *bus, uint64_t deadline_usec) {
        uint64_t now = clock_boottime_usec();
        int r;

        if (now >= deadline_usec)
                return -ETIMEDOUT;

        r = sd_bus_process(bus, NULL);
        if (r != 0)
                return r < 0 ? r : 0;

        r = sd_bus_wait(bus, deadline_usec - now);
        if (r < 0 && r != -EINTR) /* a signal of the host's is no business of ours */
                return r;
        return 0;
}

int bus_wait_ready(sd_bus *bus, uint64_t deadline_usec) {
        int r;

        while ((r = sd_bus_is_ready(bus)) == 0) {
                r = bus_turn(bus, deadline_usec);
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : 0;
}

static int on_reply(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        sd_bus_message **reply = userdata;

        (void)ret_error;
        *reply = sd_bus_message_ref(message);
        return 1;
}

int bus_call(sd_bus *bus, sd_bus_message *call, uint64_t deadline_usec, sd_bus_message **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(sd_bus_slot_unrefp) sd_bus_slot *slot =
                NULL; /* freed first: it points at reply */
        int r;

        r = sd_bus_message_sensitive(call);
        if (r < 0)
                return r;
        r = sd_bus_call_async(bus, &slot, call, on_reply, &reply, UINT64_MAX);
        if (r < 0)
                return r;

        while (!reply) {
                r = bus_turn(bus, deadline_usec);
                if (r < 0)
                        return r;
        }

        r = sd_bus_message_sensitive(reply);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(reply);
        return 0;
}
