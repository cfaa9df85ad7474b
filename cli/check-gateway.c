/* SPDX-License-Identifier: MIT */
#include <string.h>

#include <systemd/sd-bus.h>

#include "cli/check-parts.h"
#include "common/clock.h"
#include "common/names.h"

#define CHECK_TIMEOUT_USEC (60 * USEC_PER_SEC)

static Severity severity_from_text(const char *text) {
        return streq(text, "ok")        ? SEVERITY_OK
               : streq(text, "warning") ? SEVERITY_WARNING
                                        : SEVERITY_ERROR;
}

static void check_provider(Findings *findings, sd_bus *bus, const char *provider) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        const char *severity, *what, *message;
        int r;

        r = sd_bus_message_new_method_call(bus, &call, GATEWAY_BUS_NAME, GATEWAY_OBJECT_PATH,
                                           GATEWAY_INTERFACE, "Check");
        if (r >= 0)
                r = sd_bus_message_append(call, "s", provider);
        if (r >= 0)
                r = sd_bus_call(bus, call, CHECK_TIMEOUT_USEC, &error, &reply);
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "(sss)");
        while (r >= 0 && (r = sd_bus_message_read(reply, "(sss)", &severity, &what, &message)) > 0)
                finding(findings, severity_from_text(severity), what, "%s: %s", provider, message);
        if (r < 0)
                finding(findings, SEVERITY_ERROR, "gateway",
                        "it cannot look at provider %s: %s. See systemctl status "
                        "oidc-keyring-gateway",
                        provider, error.message ? error.message : strerror(-r));
}

void check_gateway(Findings *findings, const Config *config) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_free_ char *version = NULL;
        int r;

        r = sd_bus_open_system(&bus);
        if (r < 0) {
                finding(findings, SEVERITY_ERROR, "gateway",
                        "the system bus cannot be reached (%s): is dbus running?", strerror(-r));
                return;
        }
        r = sd_bus_get_property_string(bus, GATEWAY_BUS_NAME, GATEWAY_OBJECT_PATH,
                                       GATEWAY_INTERFACE, "Version", &error, &version);
        if (r < 0) {
                finding(findings, SEVERITY_ERROR, "gateway",
                        "it does not answer (%s): see systemctl status oidc-keyring-gateway",
                        error.message ? error.message : strerror(-r));
                return;
        }
        if (!streq(version, PACKAGE_VERSION))
                finding(findings, SEVERITY_WARNING, "gateway",
                        "it is of version %s, this is %s: systemctl restart oidc-keyring-gateway",
                        version, PACKAGE_VERSION);
        else
                finding(findings, SEVERITY_OK, "gateway", "version %s answers", version);
        for (size_t i = 0; config && geteuid() == 0 && i < config->n_providers; i++)
                check_provider(findings, bus, config->providers[i].name);
}
