/* SPDX-License-Identifier: MIT */
#include "gateway/bus-error.h"

#include "common/log.h"
#include "common/outcome.h"

int bus_error_set(sd_bus_error *error, int result, const char *message) {
        if (result > 0)
                return sd_bus_error_set(error, outcome_error_name((Outcome)result),
                                        message ? message : outcome_message((Outcome)result));
        log_warning_errno(result, "A method failed");
        return sd_bus_error_set_errno(error, result);
}

void bus_error_reply(sd_bus_message *call, int result, const char *message) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        (void)bus_error_set(&error, result, message);
        r = sd_bus_reply_method_error(call, &error);
        if (r < 0)
                log_debug_errno(r, "Cannot answer a method call");
}
