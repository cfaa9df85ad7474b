/* SPDX-License-Identifier: MIT */
#include "gateway/provider.h"

#include <errno.h>
#include <stdio.h>
#include <sys/queue.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/names.h"
#include "gateway/client-auth.h"
#include "gateway/display-text.h"
#include "gateway/mac.h"

#define PROBLEM_MAX 400u
#define ASSERTION_SKEW_MAX_SEC 10 /* of the 60 s that one lives; some providers take 0 */

typedef LIST_HEAD(ProviderWaits, ProviderWait) ProviderWaits;

struct ProviderWait {
        LIST_ENTRY(ProviderWait) link;
        ProviderReady ready; /* NULL once it was called */
        void *userdata;
};

/* One thing that is fetched by GET for everybody who waits for it. */
typedef struct Fetch {
        HttpExchange *exchange; /* NULL: nothing under way */
        ProviderWaits waits;
} Fetch;

struct Provider {
        unsigned n_ref;
        ConfigGeneration *generation;
        const ProviderConfig *config;
        HttpClient *http;
        ClientCredential *credential;   /* NULL: a public client's, or */
        const char *credential_problem; /* why it cannot be used */

        Fetch discovery;
        MetadataWhere where;
        Metadata *metadata;
        uint64_t metadata_until_usec;

        Fetch key_fetch;
        Jwks *keys;
        uint64_t keys_fetched_usec;

        uint64_t busy_until_usec[_PROVIDER_ENDPOINT_MAX];
        int64_t skew_sec;
        bool skew_known;
        bool in_trouble;
        const char *warned; /* what provider_warn_once() said last */
        char problem[PROBLEM_MAX];
};

int provider_new(ConfigGeneration *generation, const ProviderConfig *config, HttpClient *http,
                 Provider **ret) {
        _cleanup_(provider_unrefp) Provider *provider = calloc(1, sizeof(*provider));

        if (!provider)
                return -ENOMEM;
        provider->n_ref = 1;
        provider->generation = config_generation_ref(generation);
        provider->config = config;
        provider->http = http;
        LIST_INIT(&provider->discovery.waits);
        LIST_INIT(&provider->key_fetch.waits);

        provider->credential_problem =
                client_auth_load(config, getenv("CREDENTIALS_DIRECTORY"), &provider->credential);
        (void)provider_usable(provider, PROVIDER_TOKEN); /* says so in the log if it is not */
        *ret = TAKE_PTR(provider);
        return 0;
}

Provider *provider_ref(Provider *provider) {
        provider->n_ref++;
        return provider;
}

static void fetch_done(Fetch *fetch) {
        fetch->exchange = http_exchange_free(fetch->exchange);
        while (!LIST_EMPTY(&fetch->waits)) {
                ProviderWait *wait = LIST_FIRST(&fetch->waits);

                LIST_REMOVE(wait, link);
                wait->ready = NULL;
        }
}

Provider *provider_unref(Provider *provider) {
        if (!provider || --provider->n_ref > 0)
                return NULL;
        fetch_done(&provider->discovery);
        fetch_done(&provider->key_fetch);
        metadata_free(provider->metadata);
        jwks_free(provider->keys);
        client_credential_free(provider->credential);
        config_generation_unref(provider->generation);
        free(provider);
        return NULL;
}

const ProviderConfig *provider_config(const Provider *provider) {
        return provider->config;
}

/* A certificate ends while this process runs, and begins when a clock that was wrong is set. */
static const char *credential_problem(const Provider *provider) {
        const ClientCredential *credential = provider->credential;

        if (!credential || !credential->certificate)
                return provider->credential_problem;
        return client_certificate_problem(credential->certificate, clock_realtime_usec());
}

int provider_usable(Provider *provider, ProviderEndpoint endpoint) {
        const char *problem = credential_problem(provider);

        if (problem) {
                (void)snprintf(provider->problem, sizeof(provider->problem),
                               CREDENTIALS_FOLDER "/%s %s", provider->config->name, problem);
                if (!provider->in_trouble)
                        log_error("Provider %s: %s", provider->config->name, provider->problem);
                provider->in_trouble = true;
                return OUTCOME_CONFIGURATION;
        }
        if (clock_boottime_usec() < provider->busy_until_usec[endpoint])
                return OUTCOME_PROVIDER_BUSY;
        return 0;
}

uint64_t provider_busy_until_usec(const Provider *provider, ProviderEndpoint endpoint) {
        return provider->busy_until_usec[endpoint];
}

const char *provider_problem(const Provider *provider) {
        return provider->problem;
}

int provider_clock_skew(const Provider *provider, int64_t *ret_sec) {
        if (!provider->skew_known)
                return -ENODATA;
        *ret_sec = provider->skew_sec;
        return 0;
}

const Metadata *provider_metadata(const Provider *provider) {
        return clock_boottime_usec() < provider->metadata_until_usec ? provider->metadata : NULL;
}

const Jwks *provider_keys(const Provider *provider) {
        return provider->keys;
}

Outcome provider_refusal(const Provider *provider) {
        int64_t distance = provider->skew_sec < 0 ? -provider->skew_sec : provider->skew_sec;

        return provider->config->client_auth == CLIENT_AUTH_PRIVATE_KEY_JWT &&
                               provider->skew_known && distance > ASSERTION_SKEW_MAX_SEC
                       ? OUTCOME_CLOCK_WRONG
                       : OUTCOME_CLIENT_REFUSED;
}

Outcome provider_http_outcome(HttpError error) {
        static const Outcome outcomes[] = {
                [HTTP_OK] = OUTCOME_SUCCESS,
                [HTTP_E_UNREACHABLE] = OUTCOME_PROVIDER_UNREACHABLE,
                [HTTP_E_UNTRUSTED] = OUTCOME_PROVIDER_UNTRUSTED,
                [HTTP_E_CLOCK] = OUTCOME_CLOCK_WRONG,
                [HTTP_E_LOST] = OUTCOME_PROVIDER_UNREACHABLE,
                [HTTP_E_STALE] = OUTCOME_PROVIDER_UNREACHABLE,
                [HTTP_E_LIMIT] = OUTCOME_PROVIDER_ANSWER,
        };

        return outcomes[error];
}

/* Remembers what is wrong; in the log it stands once until the provider works again. */
static void provider_trouble(Provider *provider, const char *what, const char *detail) {
        _cleanup_free_ char *clean = display_text_clean(detail ? detail : "", PROBLEM_MAX / 2);

        (void)snprintf(provider->problem, sizeof(provider->problem), "%s%s%s", what,
                       clean && *clean ? ": " : "", clean ? clean : "");
        if (!provider->in_trouble)
                log_warning("Provider %s: %s", provider->config->name, provider->problem);
        else
                log_debug("Provider %s: %s", provider->config->name, provider->problem);
        provider->in_trouble = true;
}

void provider_warn_once(Provider *provider, const char *what) {
        if (provider->warned == what)
                return;
        provider->warned = what;
        log_warning("Provider %s: %s", provider->config->name, what);
}

static void provider_recovered(Provider *provider) {
        if (provider->in_trouble)
                log_info("Provider %s: works again", provider->config->name);
        provider->in_trouble = false;
}

/* RFC 9110 10.2.3, for the endpoint that said it alone: whoever makes this host ask for many codes
 * must not keep the tokens of others from being renewed. */
static void provider_note_retry_after(Provider *provider, ProviderEndpoint endpoint,
                                      const HttpResponse *response) {
        uint64_t usec = response->retry_after_usec;

        if (usec == 0 || (response->status != 429 && response->status != 503))
                return;
        if (endpoint == PROVIDER_TOKEN && usec > PROVIDER_TOKEN_BUSY_MAX_USEC)
                usec = PROVIDER_TOKEN_BUSY_MAX_USEC;
        provider->busy_until_usec[endpoint] = clock_boottime_usec() + usec;
}

void provider_note_answer(Provider *provider, ProviderEndpoint endpoint, HttpError error,
                          const HttpResponse *response, const char *detail) {
        const char *url = provider_endpoint_url(provider, endpoint);

        /* An address that its document has wrong is looked up again before the next request. */
        if (metadata_is_outdated(provider->config->issuer, url, error, response))
                provider->metadata_until_usec = 0;
        if (error != HTTP_OK) {
                provider_trouble(provider, "a request failed", detail);
                return;
        }
        if (response->date_usec > 0) {
                provider->skew_sec = (int64_t)(response->date_usec / USEC_PER_SEC) -
                                     (int64_t)(clock_realtime_usec() / USEC_PER_SEC);
                provider->skew_known = true;
        }
        if (response->status < 500 && response->status != 429) {
                provider_recovered(provider);
                return;
        }
        provider_note_retry_after(provider, endpoint, response);
        provider_trouble(provider,
                         response->status == 429 ? "it answers that there are too many requests"
                                                 : "it answers with an error of its own",
                         NULL);
}

/* Tells everybody who waited. Who asks again from within waits for the next fetch, so the list is
 * emptied into one of our own first. */
static void fetch_finish(Provider *provider, Fetch *fetch, int result) {
        _cleanup_(provider_unrefp) Provider *alive = provider_ref(provider);
        ProviderWaits waits = LIST_HEAD_INITIALIZER(waits);

        (void)alive;
        fetch->exchange = http_exchange_free(fetch->exchange);
        while (!LIST_EMPTY(&fetch->waits)) {
                ProviderWait *wait = LIST_FIRST(&fetch->waits);

                LIST_REMOVE(wait, link);
                LIST_INSERT_HEAD(&waits, wait, link);
        }
        while (!LIST_EMPTY(&waits)) {
                ProviderWait *wait = LIST_FIRST(&waits);
                ProviderReady ready = wait->ready;

                LIST_REMOVE(wait, link);
                wait->ready = NULL;
                ready(result, wait->userdata);
        }
}

static int provider_get(Provider *provider, const char *url, HttpCallback callback,
                        HttpExchange **ret) {
        HttpRequest request = {
                .url = url,
                .ca_file = provider->config->ca_file,
                .proxy = provider->config->proxy,
                .allow_loopback_http = provider->config->allow_loopback_http,
        };

        return http_exchange_start(provider->http, &request, callback, provider, ret);
}

static int fetch_wait(Fetch *fetch, ProviderReady ready, void *userdata, ProviderWait **ret) {
        ProviderWait *wait = calloc(1, sizeof(*wait));

        if (!wait)
                return -ENOMEM;
        *wait = (ProviderWait){.ready = ready, .userdata = userdata};
        LIST_INSERT_HEAD(&fetch->waits, wait, link);
        *ret = wait;
        return 0;
}

ProviderWait *provider_wait_free(ProviderWait *wait) {
        if (!wait)
                return NULL;
        if (wait->ready)
                LIST_REMOVE(wait, link);
        free(wait);
        return NULL;
}

/* OpenID Connect Discovery first, RFC 8414 where the provider knows only that. */

static void on_discovery(HttpError error, const HttpResponse *response, const char *detail,
                         void *userdata);

static int discovery_start(Provider *provider, MetadataWhere where) {
        _cleanup_free_ char *url = NULL;
        int r;

        r = metadata_url(provider->config->issuer, where, &url);
        if (r < 0)
                return r;
        provider->where = where;
        provider->discovery.exchange = http_exchange_free(provider->discovery.exchange);
        return provider_get(provider, url, on_discovery, &provider->discovery.exchange);
}

static const struct {
        const char *problem;
        Outcome outcome;
} metadata_errors[] = {
        [METADATA_E_MALFORMED] = {"its discovery document is malformed", OUTCOME_PROVIDER_ANSWER},
        [METADATA_E_ISSUER] =
                {"its discovery document names another issuer than the configuration; "
                 "they have to be equal byte by byte, a / at the end counts",
                 OUTCOME_PROVIDER_ANSWER},
        [METADATA_E_NO_DEVICE] = {"it does not offer the device flow (no "
                                  "device_authorization_endpoint in its discovery document)",
                                  OUTCOME_CLIENT_REFUSED},
        [METADATA_E_ENDPOINT] = {"its discovery document lacks an endpoint, or has one that is not "
                                 "https",
                                 OUTCOME_PROVIDER_ANSWER},
};

static MetadataFlags metadata_flags(const ProviderConfig *config) {
        return (config->allow_loopback_http ? METADATA_LOOPBACK_HTTP : 0) |
               (config->client_auth == CLIENT_AUTH_TLS ? METADATA_MTLS : 0);
}

static int discovery_take(Provider *provider, const HttpResponse *response) {
        Metadata *metadata = NULL;
        char status[32];
        int r;

        if (response->status != 200) {
                (void)snprintf(status, sizeof(status), "status %ld", response->status);
                provider_trouble(provider, "it has no discovery document", status);
                return response->status >= 500 || response->status == 429 ? OUTCOME_PROVIDER_BUSY
                                                                          : OUTCOME_PROVIDER_ANSWER;
        }
        r = metadata_parse(secret_bytes(response->body), secret_size(response->body),
                           provider->config->issuer, metadata_flags(provider->config), &metadata);
        if (r < 0)
                return r;
        if (r > 0) {
                /* What it says now is not what we know: the old copy must not be used any more. */
                provider->metadata = metadata_free(provider->metadata);
                provider_trouble(provider, metadata_errors[r].problem, NULL);
                return metadata_errors[r].outcome;
        }
        metadata_free(provider->metadata);
        provider->metadata = metadata;
        provider->metadata_until_usec = clock_boottime_usec() + PROVIDER_CACHE_USEC;
        provider->problem[0] = '\0';
        return 0;
}

static void on_discovery(HttpError error, const HttpResponse *response, const char *detail,
                         void *userdata) {
        Provider *provider = userdata;
        int r;

        provider_note_answer(provider, PROVIDER_DOCUMENTS, error, response, detail);
        if (error == HTTP_OK && response->status == 404 && provider->where == METADATA_OPENID) {
                r = discovery_start(provider, METADATA_OAUTH);
                if (r >= 0)
                        return;
        } else
                r = error == HTTP_OK ? discovery_take(provider, response)
                                     : (int)provider_http_outcome(error);

        /* An old copy of a provider that is away for the moment is better than none. */
        if ((r == OUTCOME_PROVIDER_UNREACHABLE || r == OUTCOME_PROVIDER_BUSY) &&
            provider->metadata) {
                provider->metadata_until_usec = clock_boottime_usec() + PROVIDER_STALE_RETRY_USEC;
                r = 0;
        }
        fetch_finish(provider, &provider->discovery, r);
}

int provider_fetch_metadata(Provider *provider, ProviderReady ready, void *userdata,
                            ProviderWait **ret) {
        int r;

        if (!provider->discovery.exchange) {
                r = discovery_start(provider, METADATA_OPENID);
                if (r < 0)
                        return r;
        }
        return fetch_wait(&provider->discovery, ready, userdata, ret);
}

/* The keys. */

static int keys_take(Provider *provider, const HttpResponse *response) {
        _cleanup_(jwks_freep) Jwks *keys = NULL;
        int r;

        if (response->status != 200) {
                provider_trouble(provider, "its keys (jwks_uri) cannot be fetched", NULL);
                return response->status >= 500 || response->status == 429 ? OUTCOME_PROVIDER_BUSY
                                                                          : OUTCOME_PROVIDER_ANSWER;
        }
        r = jwks_parse(secret_bytes(response->body), secret_size(response->body), &keys);
        /* A set without a usable key must not take the place of a good one. */
        if (r == -EBADMSG || (r == 0 && jwks_size(keys) == 0)) {
                provider_trouble(provider, "its keys (jwks_uri) cannot be used", NULL);
                return OUTCOME_PROVIDER_ANSWER;
        }
        if (r < 0)
                return r;
        jwks_free(provider->keys);
        provider->keys = TAKE_PTR(keys);
        return 0;
}

static void on_keys(HttpError error, const HttpResponse *response, const char *detail,
                    void *userdata) {
        Provider *provider = userdata;

        provider_note_answer(provider, PROVIDER_DOCUMENTS, error, response, detail);
        fetch_finish(provider, &provider->key_fetch,
                     error == HTTP_OK ? keys_take(provider, response)
                                      : (int)provider_http_outcome(error));
}

static int keys_start(Provider *provider) {
        int r;

        if (!provider->metadata)
                return -ENOENT;
        r = provider_get(provider, provider->metadata->jwks_uri, on_keys,
                         &provider->key_fetch.exchange);
        if (r >= 0)
                provider->keys_fetched_usec = clock_boottime_usec();
        return r;
}

int provider_fetch_keys(Provider *provider, ProviderReady ready, void *userdata,
                        ProviderWait **ret) {
        int r;

        if (!provider->key_fetch.exchange) {
                r = keys_start(provider);
                if (r < 0)
                        return r;
        }
        return fetch_wait(&provider->key_fetch, ready, userdata, ret);
}

bool provider_needs_keys(const Provider *provider) {
        for (char **alg = provider->config->id_token_algs; *alg; alg++)
                if (!mac_algorithm_is_known(*alg))
                        return true;
        return false;
}

bool provider_lacks_keys(const Provider *provider) {
        return !provider->keys && provider_needs_keys(provider);
}

void provider_prefetch_keys(Provider *provider) {
        bool fresh = provider->keys &&
                     clock_boottime_usec() < provider->keys_fetched_usec + PROVIDER_CACHE_USEC;

        /* A failure shows when the keys are needed. */
        if (!fresh && provider_needs_keys(provider) && !provider->key_fetch.exchange)
                (void)keys_start(provider);
}

bool provider_may_renew_keys(const Provider *provider) {
        return !provider->keys ||
               clock_boottime_usec() >= provider->keys_fetched_usec + PROVIDER_KEYS_RENEW_MIN_USEC;
}

/* For requests. */

const char *provider_endpoint_url(const Provider *provider, ProviderEndpoint endpoint) {
        const Metadata *metadata = provider->metadata;

        if (!metadata)
                return NULL;
        return (const char *[_PROVIDER_ENDPOINT_MAX]){
                [PROVIDER_DOCUMENTS] = metadata->jwks_uri,
                [PROVIDER_DEVICE_AUTHORIZATION] = metadata->device_authorization_endpoint,
                [PROVIDER_TOKEN] = metadata->token_endpoint,
                [PROVIDER_REVOCATION] = metadata->revocation_endpoint,
                [PROVIDER_USERINFO] = metadata->userinfo_endpoint,
        }[endpoint];
}

const Secret *provider_client_secret(const Provider *provider) {
        ClientAuth auth = provider->config->client_auth;

        if (auth != CLIENT_AUTH_SECRET_BASIC && auth != CLIENT_AUTH_SECRET_POST)
                return NULL;
        return provider->credential ? provider->credential->bytes : NULL;
}

HttpClient *provider_http(const Provider *provider) {
        return provider->http;
}

const ClientCredential *provider_credential(const Provider *provider) {
        return provider->credential;
}
