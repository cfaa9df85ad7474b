/* SPDX-License-Identifier: MIT */
#include "gateway/result-text.h"

#include <string.h>

#include "common/outcome.h"

const char *result_text(int result) {
        const char *name;

        if (result == 0)
                return "success";
        if (result < 0)
                return strerror(-result);
        name = outcome_error_name((Outcome)result);
        return name ? strrchr(name, '.') + 1 : "unknown";
}
