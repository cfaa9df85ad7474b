/* SPDX-License-Identifier: MIT */
#pragma once

/* HttpClient: libcurl's multi interface driven by sd-event: any number of requests at once on one
 * thread, connections kept and reused. Every request is bounded: connect 10 s, total 30 s (or as
 * asked), body 256 KiB, headers 32 KiB; redirects are never followed; https only, except loopback
 * where asked. */

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "common/outcome.h"
#include "common/secret.h"

#define HTTP_BODY_MAX (256u * 1024u)

typedef struct HttpClient HttpClient;
typedef struct HttpExchange HttpExchange;

/* From here on the process ignores SIGPIPE, and what curl and OpenSSL free is wiped (OpenSSL only
 * where it was not used before this). */
int http_client_new(sd_event *event, HttpClient **ret);
HttpClient *http_client_free(HttpClient *client); /* cancels what is in flight, without callbacks */
DEFINE_CLEANUP(HttpClient, http_client_free);

typedef struct HttpRequest {
        const char *url;
        const Secret *form;            /* application/x-www-form-urlencoded body: POST; NULL: GET */
        const Secret *authorization;   /* value of the Authorization header, or NULL */
        const Secret *certificate;     /* PEM, the client's own and its CA's; or NULL */
        const Secret *certificate_key; /* PEM, its private key, unencrypted */
        const char *ca_file;           /* or NULL: the system's */
        const char *proxy;             /* or NULL: none, whatever the environment says */
        bool allow_loopback_http;
        bool once;             /* the form is good for one sending, see HTTP_E_STALE */
        uint64_t timeout_usec; /* 0: the default of 30 s */
} HttpRequest;

typedef struct HttpResponse {
        long status;
        const Secret *body;        /* never NULL, may be empty */
        uint64_t retry_after_usec; /* from now, both forms of the header; 0: none; capped to 1 h */
        uint64_t date_usec;        /* CLOCK_REALTIME of the server by its Date header, 0: none */
        bool is_json; /* by its Content-Type: application/json or application/...+json */
} HttpResponse;

/* What a callback learns where there is no response. */
typedef enum HttpError {
        HTTP_OK = 0,
        HTTP_E_UNREACHABLE, /* nothing was sent: DNS, TCP, TLS handshake, proxy */
        HTTP_E_UNTRUSTED,   /* certificate or host name not accepted */
        HTTP_E_CLOCK,       /* the certificate is not good yet by this host's clock */
        HTTP_E_LOST,        /* sent, but no whole answer came: the request may have been executed */
        HTTP_E_STALE,       /* as HTTP_E_LOST, over a connection that was kept from before and may
                             * have been closed long since: without `once`, curl itself sends such
                             * a request again over a new one */
        HTTP_E_LIMIT,       /* body or headers above the limit, or an answer that is no HTTP */
} HttpError;

/* Called once from the event loop, never from within http_exchange_start(). @response is NULL if
 * @error is not HTTP_OK; @detail is curl's text for the log. The exchange is freed by its owner,
 * which may do so inside the callback. */
typedef void (*HttpCallback)(HttpError error, const HttpResponse *response, const char *detail,
                             void *userdata);

/* Copies what it needs of @request. -EINVAL: not a URL we would talk to; -ENOMEM. */
int http_exchange_start(HttpClient *client, const HttpRequest *request, HttpCallback callback,
                        void *userdata, HttpExchange **ret);
HttpExchange *http_exchange_free(HttpExchange *exchange); /* cancels; the callback is not called */
DEFINE_CLEANUP(HttpExchange, http_exchange_free);

/* For figures and tests: connections opened so far (CURLINFO_NUM_CONNECTS, summed). */
uint64_t http_client_connections(const HttpClient *client);

/* https://, or http:// to loopback where allowed; no user info, no control characters, at most
 * 2048 bytes. The same test serves for discovered endpoints. */
bool http_url_is_acceptable(const char *url, bool allow_loopback_http);

/* Whether two URLs that are acceptable lead to the same host (ASCII case does not matter) and port.
 */
bool http_url_same_place(const char *a, const char *b);
/* The same for a place as it stands in the configuration: HOST, which is port 443, or HOST:PORT. */
bool http_url_is_at(const char *url, const char *place);
