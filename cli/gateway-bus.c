/* SPDX-License-Identifier: MIT */
#include "cli/gateway-bus.h"

#include <string.h>

#include "common/clock.h"
#include "common/macro.h"
#include "common/names.h"
#include "common/outcome.h"

#define CALL_TIMEOUT_USEC (60 * USEC_PER_SEC)

static ExitCode gateway_bus_failed(int r, const sd_bus_error *error) {
        if (sd_bus_error_has_name(error, SD_BUS_ERROR_ACCESS_DENIED)) {
                complain("only root may do that");
                return EXIT_CODE_FAILURE;
        }
        if (outcome_from_error_name(error->name) != OUTCOME_SUCCESS) {
                complain("%s", error->message);
                return outcome_from_error_name(error->name) == OUTCOME_UNKNOWN_BINDING
                               ? EXIT_CODE_NO_ACCOUNT
                               : EXIT_CODE_FAILURE;
        }
        complain("the gateway cannot be asked: %s. See systemctl status oidc-keyring-gateway",
                 error->message ? error->message : strerror(-r));
        return EXIT_CODE_NOT_NOW;
}

ExitCode gateway_bus_call(const char *member, const char *first, const char *second,
                          sd_bus_message **ret_reply) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        r = sd_bus_open_system(&bus);
        if (r >= 0)
                r = sd_bus_message_new_method_call(bus, &call, GATEWAY_BUS_NAME,
                                                   GATEWAY_OBJECT_PATH, GATEWAY_INTERFACE, member);
        if (r >= 0)
                r = sd_bus_message_append(call, "ss", first, second);
        if (r >= 0)
                r = sd_bus_call(bus, call, CALL_TIMEOUT_USEC, &error, ret_reply);
        return r < 0 ? gateway_bus_failed(r, &error) : EXIT_CODE_OK;
}
