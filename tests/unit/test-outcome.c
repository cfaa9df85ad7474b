/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>

#include "common/macro.h"
#include "common/outcome.h"

int main(void) {
        for (Outcome o = OUTCOME_SUCCESS + 1; o < _OUTCOME_MAX; o++) {
                const char *message = outcome_message(o);

                assert(outcome_from_error_name(outcome_error_name(o)) == o);
                assert(message[strlen(message) - 1] == '.'); /* a whole sentence */
        }
        assert(!outcome_error_name(OUTCOME_SUCCESS));
        assert(!outcome_error_name(_OUTCOME_MAX));
        assert(!outcome_error_name((Outcome)-1));
        assert(outcome_message(_OUTCOME_MAX));
        assert(outcome_from_error_name(NULL) == OUTCOME_SUCCESS);
        assert(outcome_from_error_name("org.freedesktop.DBus.Error.Failed") == OUTCOME_SUCCESS);
        return 0;
}
