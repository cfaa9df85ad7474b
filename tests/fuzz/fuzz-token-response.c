/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include <string.h>

#include "common/grant.h"
#include "gateway/display-text.h"
#include "gateway/token-response.h"

static void check_token(const Secret *token) {
        if (!token)
                return;
        assert(secret_size(token) == strlen(secret_bytes(token)));
        assert(display_text_is_plain(secret_bytes(token), GRANT_TOKEN_MAX));
}

static void check_response(const TokenResponse *response) {
        assert(response->access_token);
        check_token(response->access_token);
        check_token(response->refresh_token);
        check_token(response->id_token);
        assert(response->lifetime_usec >= 1000000);
        assert(response->lifetime_usec <= UINT64_C(30) * 86400 * 1000000);
        if (response->scope)
                assert(strlen(response->scope) <= GRANT_TEXT_MAX && !strchr(response->scope, '\n'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const long statuses[] = {200, 400, 403, 429, 503};
        _cleanup_(secret_freep) Secret *body = NULL;

        if (secret_new_copy(data, size, &body) < 0)
                return 0;
        for (size_t i = 0; i < ELEMENTSOF(statuses); i++) {
                _cleanup_(token_response_freep) TokenResponse *response = NULL;
                HttpResponse http = {.status = statuses[i], .body = body};
                _cleanup_free_ char *code = NULL;
                int r = token_response_parse(&http, &response, &code);

                assert((r == 0) == (response != NULL) && r >= 0 && r <= TOKEN_E_TOKEN_TYPE);
                assert(r != 0 || (statuses[i] == 200 && !code));
                if (response)
                        check_response(response);
        }
        return 0;
}
