/* SPDX-License-Identifier: MIT */
#pragma once

/* Provider: a configured provider at run time: its metadata and keys as last fetched, what the
 * client proves itself with, and whether it asked to be left alone. Everything that is sent to a
 * provider goes through here, so that one place authenticates the client, honours Retry-After for
 * the whole host and says once in the log when the provider goes away and comes back. */

#include <stdint.h>
#include <systemd/sd-event.h>

#include "common/outcome.h"
#include "gateway/client-auth.h"
#include "gateway/config-generation.h"
#include "gateway/http.h"
#include "gateway/jwks.h"
#include "gateway/metadata.h"

#define PROVIDER_CACHE_USEC (24 * 3600 * UINT64_C(1000000))
#define PROVIDER_STALE_RETRY_USEC (5 * 60 * UINT64_C(1000000))
#define PROVIDER_KEYS_RENEW_MIN_USEC (60 * UINT64_C(1000000))

/* The longest that a Retry-After of the token endpoint keeps tokens from being renewed. */
#define PROVIDER_TOKEN_BUSY_MAX_USEC (5 * 60 * UINT64_C(1000000))

typedef enum ProviderEndpoint {
        PROVIDER_DOCUMENTS, /* discovery and keys, which are fetched, not posted to */
        PROVIDER_DEVICE_AUTHORIZATION,
        PROVIDER_TOKEN,
        PROVIDER_REVOCATION,
        PROVIDER_USERINFO,
        _PROVIDER_ENDPOINT_MAX,
} ProviderEndpoint;

typedef struct Provider Provider;
typedef struct ProviderWait ProviderWait;

/* @config is one of @generation's. A credential that cannot be used is no error yet: see
 * provider_usable(). */
int provider_new(ConfigGeneration *generation, const ProviderConfig *config, HttpClient *http,
                 Provider **ret);
Provider *provider_ref(Provider *provider);
Provider *provider_unref(Provider *provider);
DEFINE_CLEANUP(Provider, provider_unref);

const ProviderConfig *provider_config(const Provider *provider);

/* Whether a request may be sent now: 0, OUTCOME_CONFIGURATION while the client has nothing valid to
 * prove itself with (provider_problem() says why), OUTCOME_PROVIDER_BUSY while a Retry-After of
 * that endpoint lasts. */
int provider_usable(Provider *provider, ProviderEndpoint endpoint);
/* CLOCK_BOOTTIME; 0: never was */
uint64_t provider_busy_until_usec(const Provider *provider, ProviderEndpoint endpoint);

/* What the last failure was, for the administrator; "" if there was none. */
const char *provider_problem(const Provider *provider);

/* Says in the log what is odd, which does no harm: not again until something else was said so.
 * @what is a literal. */
void provider_warn_once(Provider *provider, const char *what);

/* How far the provider's clock is ahead of ours by its last answer, in seconds. -ENODATA: no answer
 * with a Date was seen. */
int provider_clock_skew(const Provider *provider, int64_t *ret_sec);

/* NULL: not fetched yet, or too old. Valid until the event loop runs again. */
const Metadata *provider_metadata(const Provider *provider);
/* The keys as last fetched, however old: a signature by a newer key fails by its kid, and only then
 * are they fetched again. NULL: never fetched. */
const Jwks *provider_keys(const Provider *provider);
/* They are not where id_token_algs has nothing but the client secret's. */
bool provider_needs_keys(const Provider *provider);
/* Whether they are needed and were never fetched. */
bool provider_lacks_keys(const Provider *provider);
/* NULL: the client has none. */
const Secret *provider_client_secret(const Provider *provider);

/* @result: 0, an Outcome or -errno. The wait is over when this is called; freeing it is allowed
 * inside. */
typedef void (*ProviderReady)(int result, void *userdata);

/* Fetch and call back from the event loop. Callers that wait for the same thing share one request.
 * The keys need the metadata first: -ENOENT. */
int provider_fetch_metadata(Provider *provider, ProviderReady ready, void *userdata,
                            ProviderWait **ret);
int provider_fetch_keys(Provider *provider, ProviderReady ready, void *userdata,
                        ProviderWait **ret);
ProviderWait *provider_wait_free(ProviderWait *wait); /* the callback is not called any more */
DEFINE_CLEANUP(ProviderWait, provider_wait_free);

/* Fetches keys that are absent or older than a day, while a person is reading a code. */
void provider_prefetch_keys(Provider *provider);

/* Whether an unknown kid justifies fetching the keys again: not within a minute of the last time.
 */
bool provider_may_renew_keys(const Provider *provider);

/* The outcome where the provider has just refused the client: by its Date, the reason may be that
 * this host's clock dates the client's assertions wrong. */
Outcome provider_refusal(const Provider *provider);

/* The outcome of a request that got no usable answer. */
Outcome provider_http_outcome(HttpError error);

/* For provider-request.c. */

/* As the metadata have it that were fetched last, however old. NULL: there is none, or they never
 * were. */
const char *provider_endpoint_url(const Provider *provider, ProviderEndpoint endpoint);
HttpClient *provider_http(const Provider *provider);
/* NULL: a public client's. */
const ClientCredential *provider_credential(const Provider *provider);
/* What every answer tells beside what it was asked for. */
void provider_note_answer(Provider *provider, ProviderEndpoint endpoint, HttpError error,
                          const HttpResponse *response, const char *detail);
