/* SPDX-License-Identifier: MIT */
#include "gateway/provider-request.h"

#include <errno.h>

#include "gateway/wiped-buffer.h"

struct ProviderRequest {
        ProviderEndpoint endpoint;
        Provider *provider;
        HttpExchange *exchange;
        Secret *parameters;         /* without what proves the client */
        const Secret *access_token; /* that is asked about, instead */
        uint64_t timeout_usec;
        bool sent_again;
        HttpCallback callback;
        void *userdata;
};

static void on_answer(HttpError error, const HttpResponse *response, const char *detail,
                      void *userdata);

/* Proves the client anew each time. */
static int request_prove_client(const ProviderRequest *request, Secret **ret_body,
                                Secret **ret_authorization) {
        const ProviderConfig *config = provider_config(request->provider);
        _cleanup_(form_freep) Form *form = NULL;
        int r;

        r = form_new(&form);
        if (r < 0)
                return r;
        r = form_add_encoded(form, request->parameters);
        if (r < 0)
                return r;
        r = client_auth_apply(config, provider_credential(request->provider), form,
                              ret_authorization);
        return r < 0 ? r : form_finish(form, ret_body);
}

/* RFC 6750 2.1. What a token may consist of was seen to when it came, so it ends no header. */
static int bearer_authorization(const Secret *token, Secret **ret) {
        static const char scheme[] = "Bearer ";
        _cleanup_(wiped_buffer_done) WipedBuffer value = {};
        int r;

        r = wiped_buffer_append(&value, scheme, strlen(scheme), SECRET_SIZE_MAX);
        if (r >= 0)
                r = wiped_buffer_append(&value, secret_bytes(token), secret_size(token),
                                        SECRET_SIZE_MAX);
        return r < 0 ? r : wiped_buffer_take(&value, ret);
}

static int request_send(ProviderRequest *request) {
        _cleanup_(secret_freep) Secret *authorization = NULL, *body = NULL;
        Provider *provider = request->provider;
        const ProviderConfig *config = provider_config(provider);
        const ClientCredential *credential = provider_credential(provider);
        HttpRequest http;
        int r;

        r = request->access_token ? bearer_authorization(request->access_token, &authorization)
                                  : request_prove_client(request, &body, &authorization);
        if (r < 0)
                return r;

        http = (HttpRequest){
                .url = provider_endpoint_url(provider, request->endpoint),
                .form = body,
                .authorization = authorization,
                .ca_file = config->ca_file,
                .proxy = config->proxy,
                .allow_loopback_http = config->allow_loopback_http,
                .once = request->endpoint == PROVIDER_TOKEN ||
                        config->client_auth == CLIENT_AUTH_PRIVATE_KEY_JWT,
                .timeout_usec = request->timeout_usec,
        };
        if (config->client_auth == CLIENT_AUTH_TLS) {
                http.certificate = credential->certificate->chain;
                http.certificate_key = credential->bytes;
        }
        return http_exchange_start(provider_http(provider), &http, on_answer, request,
                                   &request->exchange);
}

/* What curl does for the other clients, with an assertion of its own. */
static bool request_send_again(ProviderRequest *request) {
        if (request->sent_again || !provider_endpoint_url(request->provider, request->endpoint))
                return false;
        request->sent_again = true;
        request->exchange = http_exchange_free(request->exchange);
        return request_send(request) >= 0;
}

static void on_answer(HttpError error, const HttpResponse *response, const char *detail,
                      void *userdata) {
        ProviderRequest *request = userdata;

        if (error == HTTP_E_STALE) {
                /* A device code or a refresh token that is seen twice may end the login: whether to
                 * risk that is for those to decide who know what is at stake. */
                if (request->endpoint != PROVIDER_TOKEN && request_send_again(request))
                        return;
                error = HTTP_E_LOST;
        }
        provider_note_answer(request->provider, request->endpoint, error, response, detail);
        request->callback(error, response, detail, request->userdata);
}

/* @form NULL: there is none to send. */
static int request_start(const ProviderRequest *what, Form *form, ProviderRequest **ret) {
        _cleanup_(provider_request_freep) ProviderRequest *request = NULL;
        int r;

        if (!provider_endpoint_url(what->provider, what->endpoint))
                return -EOPNOTSUPP;
        request = calloc(1, sizeof(*request));
        if (!request)
                return -ENOMEM;
        *request = *what;
        (void)provider_ref(request->provider);
        r = form ? form_finish(form, &request->parameters) : 0;
        if (r < 0)
                return r;
        r = request_send(request);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(request);
        return 0;
}

int provider_post(Provider *provider, ProviderEndpoint endpoint, Form *form, uint64_t timeout_usec,
                  HttpCallback callback, void *userdata, ProviderRequest **ret) {
        const ProviderRequest what = {
                .provider = provider,
                .endpoint = endpoint,
                .timeout_usec = timeout_usec,
                .callback = callback,
                .userdata = userdata,
        };

        return request_start(&what, form, ret);
}

int provider_ask_userinfo(Provider *provider, const Secret *access_token, HttpCallback callback,
                          void *userdata, ProviderRequest **ret) {
        const ProviderRequest what = {
                .provider = provider,
                .endpoint = PROVIDER_USERINFO,
                .access_token = access_token,
                .callback = callback,
                .userdata = userdata,
        };

        return request_start(&what, NULL, ret);
}

ProviderRequest *provider_request_free(ProviderRequest *request) {
        if (!request)
                return NULL;
        http_exchange_free(request->exchange);
        secret_free(request->parameters);
        provider_unref(request->provider);
        free(request);
        return NULL;
}
