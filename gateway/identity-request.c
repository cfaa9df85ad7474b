/* SPDX-License-Identifier: MIT */
#include "gateway/identity-request.h"

#include <errno.h>
#include <stdio.h>

#include "common/clock.h"
#include "gateway/display-text.h"
#include "gateway/policy.h"
#include "gateway/verification.h"

#define DETAIL_MAX 128u

struct IdentityRequest {
        Provider *provider;
        const TokenResponse *tokens;
        IdentityRequestDone done;
        void *userdata;
        Verification *verification;
        ProviderRequest *userinfo;
        Identity *identity;
        char detail[DETAIL_MAX];
};

/* Always the last thing its caller does. @what: where it went wrong; NULL: there is no more to say
 * than the result. */
static void request_fail(IdentityRequest *request, int result, const char *what,
                         const char *detail) {
        _cleanup_free_ char *clean = display_text_clean(detail ? detail : "", DETAIL_MAX);

        if (what)
                (void)snprintf(request->detail, sizeof(request->detail), "%s%s", what,
                               clean ? clean : "");
        request->done(result, NULL, what ? request->detail : NULL, request->userdata);
}

static void request_succeed(IdentityRequest *request) {
        request->done(0, TAKE_PTR(request->identity), NULL, request->userdata);
}

/* UserInfo, Core 5.3. */

static void userinfo_take(IdentityRequest *request, const HttpResponse *response) {
        static const struct {
                Outcome outcome;
                const char *detail;
        } errors[] = {
                [IDENTITY_E_MALFORMED] = {OUTCOME_PROVIDER_ANSWER, "it is malformed"},
                [IDENTITY_E_SUBJECT] = {OUTCOME_ID_TOKEN_INVALID,
                                        "it is not of the subject of the ID token"},
        };
        int r;

        r = identity_add_userinfo(request->identity, secret_bytes(response->body),
                                  secret_size(response->body));
        if (r > 0)
                request_fail(request, (int)errors[r].outcome, "UserInfo: ", errors[r].detail);
        else if (r < 0)
                request_fail(request, r, NULL, NULL);
        else
                request_succeed(request);
}

static void on_userinfo(HttpError error, const HttpResponse *response, const char *detail,
                        void *userdata) {
        IdentityRequest *request = userdata;
        char status[32];

        request->userinfo = provider_request_free(request->userinfo);
        if (error != HTTP_OK) {
                request_fail(request, (int)provider_http_outcome(error), "UserInfo: ", detail);
        } else if (response->status != 200) {
                (void)snprintf(status, sizeof(status), "status %ld", response->status);
                request_fail(request,
                             response->status >= 500 || response->status == 429
                                     ? OUTCOME_PROVIDER_BUSY
                                     : OUTCOME_PROVIDER_ANSWER,
                             "UserInfo: ", status);
        } else if (!response->is_json) {
                /* The client can be registered for a signed or encrypted answer (Core 5.3.2). */
                request_fail(request, OUTCOME_PROVIDER_ANSWER,
                             "UserInfo: ", "it is not application/json, which alone is understood");
        } else {
                userinfo_take(request, response);
        }
}

static void userinfo_ask(IdentityRequest *request) {
        int r;

        r = provider_usable(request->provider, PROVIDER_USERINFO);
        if (r == 0)
                r = provider_ask_userinfo(request->provider, request->tokens->access_token,
                                          on_userinfo, request, &request->userinfo);
        if (r == -EOPNOTSUPP)
                request_fail(request, OUTCOME_PROVIDER_ANSWER,
                             "UserInfo: ", "the provider has no userinfo_endpoint");
        else if (r != 0)
                request_fail(request, r, "UserInfo: ", "it cannot be asked for now");
}

/* The ID token. */

static void on_verified(int result, IdToken *id_token, const char *detail, void *userdata) {
        IdentityRequest *request = userdata;
        const ProviderConfig *config = provider_config(request->provider);

        if (result != 0) {
                request_fail(request, result, detail ? "ID token: " : NULL, detail);
                return;
        }
        result = identity_new(id_token, &request->identity);
        if (result < 0)
                request_fail(request, result, NULL, NULL);
        else if (config->userinfo && policy_lacks_claims(config, request->identity))
                userinfo_ask(request);
        else
                request_succeed(request);
}

int identity_request_start(Provider *provider, const TokenResponse *tokens, const char *nonce,
                           IdentityRequestDone done, void *userdata, IdentityRequest **ret) {
        const VerificationRequest verification = {
                .token = tokens->id_token,
                .now_usec = clock_realtime_usec(),
                .nonce = nonce,
        };
        IdentityRequest *request = calloc(1, sizeof(*request));
        int r;

        if (!request)
                return -ENOMEM;
        *request = (IdentityRequest){
                .provider = provider_ref(provider),
                .tokens = tokens,
                .done = done,
                .userdata = userdata,
        };
        *ret = request;
        r = verification_start(provider, &verification, on_verified, request,
                               &request->verification);
        if (r < 0)
                request_fail(request, r, NULL, NULL);
        return 0;
}

IdentityRequest *identity_request_free(IdentityRequest *request) {
        if (!request)
                return NULL;
        verification_free(request->verification);
        provider_request_free(request->userinfo);
        identity_free(request->identity);
        provider_unref(request->provider);
        free(request);
        return NULL;
}
