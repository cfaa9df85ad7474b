/* SPDX-License-Identifier: MIT */
#include "daemon/bus-error.h"

#include <errno.h>

#include "common/macro.h"
#include "common/outcome.h"

/* What the functions below the methods answer with, and what it means to the caller. */
static const struct {
        int error;
        Outcome outcome;
} errnos[] = {
        {-EBADF, OUTCOME_BAD_GRANT},
        {-EBADMSG, OUTCOME_BAD_GRANT},
        {-EINVAL, OUTCOME_BAD_GRANT},
};

int bus_error_set(sd_bus_error *error, int result, const char *message) {
        for (size_t i = 0; i < ELEMENTSOF(errnos); i++)
                if (errnos[i].error == result)
                        result = (int)errnos[i].outcome;
        if (result < 0)
                return message ? sd_bus_error_setf(error, SD_BUS_ERROR_FAILED, "%s", message)
                               : sd_bus_error_set_errno(error, result);
        return sd_bus_error_set(error, outcome_error_name((Outcome)result),
                                message ? message : outcome_message((Outcome)result));
}

const char *bus_error_gateway_message(void) {
        return "The gateway of this host did not answer. The administrator finds the reason with "
               "`systemctl status oidc-keyring-gateway`.";
}

int bus_error_to_result(const sd_bus_error *error, const char **ret_message) {
        Outcome outcome = outcome_from_error_name(error->name);
        int r;

        if (outcome != OUTCOME_SUCCESS) {
                *ret_message = error->message && *error->message ? error->message
                                                                 : outcome_message(outcome);
                return (int)outcome;
        }
        *ret_message = bus_error_gateway_message();
        r = sd_bus_error_get_errno(error);
        return r > 0 ? -r : -EIO;
}
