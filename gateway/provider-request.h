/* SPDX-License-Identifier: MIT */
#pragma once

/* ProviderRequest: what the client itself asks of a provider's endpoints, with what proves who it
 * is. */

#include "gateway/form.h"
#include "gateway/provider.h"

typedef struct ProviderRequest ProviderRequest;

/* Posts @form with the client's authentication. -EOPNOTSUPP: the provider has no such endpoint, or
 * its metadata were never fetched. @form is used up. @timeout_usec as in HttpRequest. */
int provider_post(Provider *provider, ProviderEndpoint endpoint, Form *form, uint64_t timeout_usec,
                  HttpCallback callback, void *userdata, ProviderRequest **ret);
/* Asks who it is that @access_token is of (OpenID Connect Core 5.3.1); the token must outlive the
 * request. The same otherwise. */
int provider_ask_userinfo(Provider *provider, const Secret *access_token, HttpCallback callback,
                          void *userdata, ProviderRequest **ret);
ProviderRequest *provider_request_free(ProviderRequest *request);
DEFINE_CLEANUP(ProviderRequest, provider_request_free);
