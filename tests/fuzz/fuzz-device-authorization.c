/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include <errno.h>
#include <string.h>

#include "gateway/device-authorization.h"
#include "gateway/display-text.h"
#include "gateway/http.h"

static void check(const DeviceAuthorization *authorization, bool allow) {
        assert(secret_size(authorization->device_code) > 0);
        assert(secret_size(authorization->device_code) ==
               strlen(secret_bytes(authorization->device_code)));
        assert(display_text_is_plain(authorization->user_code, 64));
        assert(http_url_is_acceptable(authorization->verification_uri, allow));
        assert(!authorization->verification_uri_complete ||
               http_url_is_acceptable(authorization->verification_uri_complete, allow));
        assert(authorization->expires_in_usec >= 10 * UINT64_C(1000000));
        assert(authorization->expires_in_usec <= 3600 * UINT64_C(1000000));
        assert(authorization->interval_usec >= 1 * UINT64_C(1000000));
        assert(authorization->interval_usec <= 60 * UINT64_C(1000000));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        for (int allow = 0; allow <= 1; allow++) {
                _cleanup_(device_authorization_freep) DeviceAuthorization *authorization = NULL;
                int r = device_authorization_parse((const char *)data, size, allow, &authorization);

                assert(r == 0 || r == -EBADMSG);
                assert((r == 0) == (authorization != NULL));
                if (authorization)
                        check(authorization, allow);
        }
        return 0;
}
