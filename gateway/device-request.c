/* SPDX-License-Identifier: MIT */
#include "gateway/device-request.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "gateway/provider-request.h"
#include "gateway/token-response.h"

struct DeviceRequest {
        Provider *provider;
        char *nonce;
        DeviceRequestDone done;
        void *userdata;
        ProviderWait *wait;
        ProviderRequest *request;
};

/* Where a provider refuses a code, the client is not set up for the device flow, whatever the words
 * are: invalid_request, invalid_grant and access_denied were all seen for it. */
static const Outcome error_outcomes[] = {
        [0] = OUTCOME_PROVIDER_ANSWER,
        [TOKEN_E_PENDING] = OUTCOME_PROVIDER_ANSWER,
        [TOKEN_E_SLOW_DOWN] = OUTCOME_PROVIDER_BUSY,
        [TOKEN_E_DENIED] = OUTCOME_CLIENT_REFUSED,
        [TOKEN_E_EXPIRED] = OUTCOME_PROVIDER_ANSWER,
        [TOKEN_E_GRANT_OVER] = OUTCOME_CLIENT_REFUSED,
        [TOKEN_E_CONFIGURATION] = OUTCOME_CLIENT_REFUSED,
        [TOKEN_E_AMBIGUOUS] = OUTCOME_CLIENT_REFUSED,
        [TOKEN_E_TRANSIENT] = OUTCOME_PROVIDER_BUSY,
        [TOKEN_E_MALFORMED] = OUTCOME_PROVIDER_ANSWER,
        [TOKEN_E_TOKEN_TYPE] = OUTCOME_PROVIDER_ANSWER,
};

/* Whoever approves the code enters a password where the provider sends them. */
static int authorization_take(Provider *provider, DeviceAuthorization *authorization,
                              DeviceAuthorization **ret, char **ret_detail) {
        _cleanup_(device_authorization_freep) DeviceAuthorization *confined = authorization;
        const char *elsewhere = NULL;
        int r;

        r = device_authorization_confine(confined, provider_config(provider)->verification_hosts,
                                         &elsewhere);
        if (r < 0) {
                if (asprintf(ret_detail, "verification_hosts does not allow %s", elsewhere) < 0)
                        *ret_detail = NULL;
                return OUTCOME_PROVIDER_ANSWER;
        }
        if (r > 0)
                provider_warn_once(provider, "its verification_uri_complete is not where its "
                                             "verification_uri is, and is not shown");
        *ret = TAKE_PTR(confined);
        return 0;
}

static int answer_parse(Provider *provider, const HttpResponse *response, DeviceAuthorization **ret,
                        char **ret_detail) {
        _cleanup_(token_response_freep) TokenResponse *tokens = NULL;
        DeviceAuthorization *authorization = NULL;
        int r;

        if (response->status == 200) {
                r = device_authorization_parse(
                        secret_bytes(response->body), secret_size(response->body),
                        provider_config(provider)->allow_loopback_http, &authorization);
                if (r == 0)
                        return authorization_take(provider, authorization, ret, ret_detail);
                if (r != -EBADMSG)
                        return r;
        }
        /* Errors are those of RFC 6749 5.2; some come with a status of 200. */
        r = token_response_parse(response, &tokens, ret_detail);
        if (r == TOKEN_E_CONFIGURATION)
                return (int)provider_refusal(provider);
        return r < 0 ? r : (int)error_outcomes[r];
}

static void on_answer(HttpError error, const HttpResponse *response, const char *detail,
                      void *userdata) {
        DeviceAuthorization *authorization = NULL;
        DeviceRequest *request = userdata;
        _cleanup_free_ char *text = NULL;
        int r;

        request->request = provider_request_free(request->request);
        if (error != HTTP_OK) {
                request->done((int)provider_http_outcome(error), NULL, detail, request->userdata);
                return;
        }
        r = answer_parse(request->provider, response, &authorization, &text);
        request->done(r, authorization, text, request->userdata);
}

/* OpenID Connect Core 3.1.2.1: the words with a blank between them. */
static int form_add_words(Form *form, const char *name, char *const *words) {
        _cleanup_free_ char *joined = NULL;
        size_t size = 1;
        char *end;

        for (char *const *word = words; *word; word++)
                size += strlen(*word) + 1;
        end = joined = calloc(1, size);
        if (!joined)
                return -ENOMEM;
        for (char *const *word = words; *word; word++)
                end = stpcpy(word == words ? end : stpcpy(end, " "), *word);
        return form_add(form, name, joined);
}

static int request_fill(const DeviceRequest *request, Form *form) {
        const ProviderConfig *config = provider_config(request->provider);
        const struct {
                const char *name;
                const char *value;
        } parameters[] = {
                {"scope", config->scope},
                {"resource", config->resource},
                {"audience", config->audience},
                {"nonce", request->nonce},
        };
        char max_age[24] = "";
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(parameters) && r >= 0; i++)
                r = form_add(form, parameters[i].name, parameters[i].value);
        /* Asked for here and looked for in the ID token: a provider may know no such parameter. */
        if (r >= 0 && config->acr_values)
                r = form_add_words(form, "acr_values", config->acr_values);
        if (config->max_age_sec > 0)
                (void)snprintf(max_age, sizeof(max_age), "%" PRIu64, config->max_age_sec);
        return r < 0 ? r : form_add(form, "max_age", max_age);
}

static int request_send(DeviceRequest *request) {
        _cleanup_(form_freep) Form *form = NULL;
        int r;

        r = form_new(&form);
        if (r < 0)
                return r;
        r = request_fill(request, form);
        if (r < 0)
                return r;
        return provider_post(request->provider, PROVIDER_DEVICE_AUTHORIZATION, form, 0, on_answer,
                             request, &request->request);
}

static void on_metadata(int result, void *userdata) {
        DeviceRequest *request = userdata;

        request->wait = provider_wait_free(request->wait);
        if (result == 0)
                result = request_send(request);
        if (result != 0)
                request->done(result, NULL, provider_problem(request->provider), request->userdata);
}

int device_request_start(Provider *provider, const char *nonce, DeviceRequestDone done,
                         void *userdata, DeviceRequest **ret) {
        _cleanup_(device_request_freep) DeviceRequest *owned = calloc(1, sizeof(*owned));
        DeviceRequest *request;
        int r;

        if (!owned)
                return -ENOMEM;
        owned->provider = provider_ref(provider);
        owned->done = done;
        owned->userdata = userdata;
        owned->nonce = nonce ? strdup(nonce) : NULL;
        if (nonce && !owned->nonce)
                return -ENOMEM;
        *ret = request = TAKE_PTR(owned);
        r = provider_metadata(provider)
                    ? request_send(request)
                    : provider_fetch_metadata(provider, on_metadata, request, &request->wait);
        if (r < 0)
                done(r, NULL, NULL, userdata);
        return 0;
}

DeviceRequest *device_request_free(DeviceRequest *request) {
        if (!request)
                return NULL;
        provider_request_free(request->request);
        provider_wait_free(request->wait);
        provider_unref(request->provider);
        free(request->nonce);
        free(request);
        return NULL;
}
