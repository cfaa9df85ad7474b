/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "common/grant.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(grant_freep) Grant *grant = NULL, *again = NULL;
        _cleanup_close_ int fd = -1;
        int r = grant_parse((const char *)data, size, &grant);

        assert((r == 0) == (grant != NULL));
        if (r < 0)
                return 0;
        /* What was read can be written and read again. */
        assert(grant_seal(grant, &fd) == 0);
        assert(grant_unseal(fd, &again) == 0);
        assert(streq(again->account, grant->account) && streq(again->subject, grant->subject));
        assert(secret_equal(again->access_token, grant->access_token));
        assert(again->generation == grant->generation);
        return 0;
}
