/* SPDX-License-Identifier: MIT */
#include "daemon/unit-job.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/macro.h"

#define SYSTEMD_BUS_NAME "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define CALL_USEC (600 * USEC_PER_MSEC)

/* One call with an answer, not started by activation and never waited for long. */
static int systemd_call(sd_bus *bus, sd_bus_message *call, sd_bus_message **ret_reply) {
        int r;

        r = sd_bus_message_set_auto_start(call, 0);
        if (r < 0)
                return r;
        return sd_bus_call(bus, call, CALL_USEC, NULL, ret_reply);
}

static int own_unit_path(sd_bus *bus, char **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        const char *path;
        int r;

        r = sd_bus_message_new_method_call(bus, &call, SYSTEMD_BUS_NAME, SYSTEMD_PATH,
                                           SYSTEMD_BUS_NAME ".Manager", "GetUnitByPID");
        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "u", (uint32_t)getpid());
        if (r < 0)
                return r;
        r = systemd_call(bus, call, &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "o", &path);
        if (r < 0)
                return r;
        *ret = strdup(path);
        return *ret ? 0 : -ENOMEM;
}

/* The reply to org.freedesktop.DBus.Properties.Get, entered up to the variant of @type. */
static int systemd_get(sd_bus *bus, const char *path, const char *interface, const char *property,
                       const char *type, sd_bus_message **ret_reply) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        int r;

        r = sd_bus_message_new_method_call(bus, &call, SYSTEMD_BUS_NAME, path,
                                           "org.freedesktop.DBus.Properties", "Get");
        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "ss", interface, property);
        if (r < 0)
                return r;
        r = systemd_call(bus, call, &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_enter_container(reply, 'v', type);
        if (r < 0)
                return r;
        *ret_reply = TAKE_PTR(reply);
        return 0;
}

static int own_job_is_restart(sd_bus *bus, bool *ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *job = NULL, *type = NULL;
        _cleanup_free_ char *unit = NULL;
        const char *path, *text;
        uint32_t id;
        int r;

        r = own_unit_path(bus, &unit);
        if (r < 0)
                return r;
        r = systemd_get(bus, unit, SYSTEMD_BUS_NAME ".Unit", "Job", "(uo)", &job);
        if (r < 0)
                return r;
        r = sd_bus_message_read(job, "(uo)", &id, &path);
        if (r < 0)
                return r;
        if (id == 0) {
                *ret = false;
                return 0;
        }
        r = systemd_get(bus, path, SYSTEMD_BUS_NAME ".Job", "JobType", "s", &type);
        if (r < 0)
                return r;
        r = sd_bus_message_read(type, "s", &text);
        if (r < 0)
                return r;
        *ret = streq(text, "restart") || streq(text, "try-restart");
        return 0;
}

bool unit_is_restarting(sd_bus *bus) {
        bool restart = false;
        int r;

        r = own_job_is_restart(bus, &restart);
        if (r < 0)
                (void)log_debug_errno(r, "The service manager does not say why this unit stops");
        return restart;
}
