/* SPDX-License-Identifier: MIT */
#include "gateway/http.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/x509_vfy.h>
#include <signal.h>
#include <strings.h>
#include <time.h>

#include "common/clock.h"
#include "common/parse.h"
#include "gateway/curl-loop.h"
#include "gateway/user-agent.h"
#include "gateway/wiped-alloc.h"
#include "gateway/wiped-buffer.h"

#define HEADERS_MAX (32u * 1024u)
#define CONNECT_TIMEOUT_MSEC 10000L
#define TOTAL_TIMEOUT_USEC (30 * USEC_PER_SEC)
#define UNANSWERED_MAX_MSEC 10000u /* what was sent has to be acknowledged within that */
#define RETRY_AFTER_MAX_SEC 3600u
#define CONNECTION_AGE_MAX_SEC 600L /* an idle connection is reused for as long as that */

struct HttpClient {
        CurlLoop *loop;
        HttpExchange *exchanges; /* in flight */
        uint64_t connections;
        char *user_agent;
};

struct HttpExchange {
        HttpClient *client; /* NULL once it is over */
        HttpExchange *previous, *next;
        CURL *easy;
        struct curl_slist *headers;
        size_t form_sent;                             /* where it is good for one sending */
        Secret *form, *certificate, *certificate_key; /* curl reads them where they lie */
        HttpCallback callback;
        void *userdata;

        WipedBuffer body;
        size_t header_size;
        bool once, over_limit, head_is_whole;
        char detail[CURL_ERROR_SIZE];
};

/* ---- what curl says while a transfer runs ---- */

static size_t on_body(char *bytes, size_t size, size_t n, void *userdata) {
        HttpExchange *exchange = userdata;
        int r;

        r = wiped_buffer_append(&exchange->body, bytes, size * n, HTTP_BODY_MAX);
        /* curl's own buffer: from 8.8 on it is kept for the next transfer, as it is. */
        explicit_bzero(bytes, size * n);
        if (r < 0) {
                exchange->over_limit = true;
                return 0; /* ends the transfer */
        }
        return size * n;
}

/* curl keeps the headers, and knows which belong to the answer itself. But it takes a connection
 * that closes amid them for the end of the answer, so we look for the empty line. */
static size_t on_header(char *bytes, size_t size, size_t n, void *userdata) {
        HttpExchange *exchange = userdata;

        exchange->header_size += size * n;
        if (exchange->header_size > HEADERS_MAX) {
                exchange->over_limit = true;
                return 0;
        }
        if (size * n >= 5 && memcmp(bytes, "HTTP/", 5) == 0)
                exchange->head_is_whole = false;
        else if (size * n > 0 && (bytes[0] == '\r' || bytes[0] == '\n'))
                exchange->head_is_whole = true;
        return size * n;
}

/* A kept connection may be dead without anybody having said so: after a suspend, behind a firewall
 * that forgot it. Without this, a request on it would use up its whole time; with it, curl learns
 * that not one byte arrived, and sends it on a new connection. */
static int on_socket_made(void *userdata, curl_socket_t fd, curlsocktype purpose) {
        unsigned msec = UNANSWERED_MAX_MSEC;

        (void)userdata, (void)purpose;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &msec, sizeof(msec));
        return CURL_SOCKOPT_OK;
}

/* ---- the end of a transfer ---- */

/* What is more than "did not get through". */
static const struct TransferError {
        CURLcode code;
        HttpError error;
} transfer_errors[] = {
        {CURLE_PEER_FAILED_VERIFICATION, HTTP_E_UNTRUSTED},
        {CURLE_SSL_CACERT_BADFILE, HTTP_E_UNTRUSTED},
        {CURLE_SSL_ISSUER_ERROR, HTTP_E_UNTRUSTED},
        {CURLE_SSL_INVALIDCERTSTATUS, HTTP_E_UNTRUSTED},
        {CURLE_SSL_CRL_BADFILE, HTTP_E_UNTRUSTED},
        {CURLE_SEND_FAIL_REWIND, HTTP_E_STALE},     /* it would send again and cannot */
        {CURLE_UNSUPPORTED_PROTOCOL, HTTP_E_LIMIT}, /* an answer without a status line */
        {CURLE_WEIRD_SERVER_REPLY, HTTP_E_LIMIT},
        {CURLE_FILESIZE_EXCEEDED, HTTP_E_LIMIT},
        {CURLE_OUT_OF_MEMORY, HTTP_E_LIMIT}, /* for curl, also one header line of 100 KiB */
};

/* Whether the request may have been sent. Of a form that is good for one sending it is known. Else
 * curl sets this time just before sending, and later versions also when they could not connect. */
static bool was_sent(const HttpExchange *exchange) {
        curl_off_t usec = 0;

        if (exchange->once)
                return exchange->form_sent > 0;
        (void)curl_easy_getinfo(exchange->easy, CURLINFO_PRETRANSFER_TIME_T, &usec);
        return usec > 0;
}

/* No provider shows a certificate before its time. */
static bool clock_is_behind(const HttpExchange *exchange) {
        long result = X509_V_OK;

        (void)curl_easy_getinfo(exchange->easy, CURLINFO_SSL_VERIFYRESULT, &result);
        return result == X509_V_ERR_CERT_NOT_YET_VALID;
}

static HttpError transfer_error(const HttpExchange *exchange, CURLcode code) {
        if (exchange->over_limit)
                return HTTP_E_LIMIT;
        if (code == CURLE_OK)
                return exchange->head_is_whole ? HTTP_OK : HTTP_E_LOST;
        if (code == CURLE_PEER_FAILED_VERIFICATION && clock_is_behind(exchange))
                return HTTP_E_CLOCK;
        for (size_t i = 0; i < ELEMENTSOF(transfer_errors); i++)
                if (transfer_errors[i].code == code)
                        return transfer_errors[i].error;
        return was_sent(exchange) ? HTTP_E_LOST : HTTP_E_UNREACHABLE;
}

/* Of the answer, not of a 100 Continue or of a proxy before it. NULL: not there. */
static const char *header_value(const HttpExchange *exchange, const char *name) {
        struct curl_header *header = NULL;

        if (curl_easy_header(exchange->easy, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
                return NULL;
        return header->value;
}

/* RFC 9110 10.2.3: seconds, or a date. */
static uint64_t retry_after_usec(const char *value) {
        uint64_t seconds = 0;
        time_t date, now = time(NULL);
        int r;

        if (!value)
                return 0;
        r = parse_u64(value, 0, RETRY_AFTER_MAX_SEC, &seconds);
        if (r == -ERANGE)
                seconds = RETRY_AFTER_MAX_SEC;
        if (r == -EINVAL) {
                date = curl_getdate(value, NULL);
                seconds = date > now ? (uint64_t)(date - now) : 0;
        }
        return (seconds < RETRY_AFTER_MAX_SEC ? seconds : RETRY_AFTER_MAX_SEC) * USEC_PER_SEC;
}

static uint64_t date_usec(const char *value) {
        time_t date = value ? curl_getdate(value, NULL) : -1;

        return date > 0 ? (uint64_t)date * USEC_PER_SEC : 0;
}

static bool type_is_json(const char *type) {
        size_t size = type ? strcspn(type, "; \t") : 0;

        if (size == strlen("application/json"))
                return strncasecmp(type, "application/json", size) == 0;
        return size > strlen("application/+json") && strncasecmp(type, "application/", 12) == 0 &&
               strncasecmp(type + size - strlen("+json"), "+json", strlen("+json")) == 0;
}

static void exchange_unlink(HttpExchange *exchange) {
        HttpClient *client = exchange->client;
        long connects = 0;

        if (!client)
                return;
        (void)curl_easy_getinfo(exchange->easy, CURLINFO_NUM_CONNECTS, &connects);
        client->connections += connects > 0 ? (uint64_t)connects : 0;
        curl_loop_remove(client->loop, exchange->easy);
        if (exchange->previous)
                exchange->previous->next = exchange->next;
        else
                client->exchanges = exchange->next;
        if (exchange->next)
                exchange->next->previous = exchange->previous;
        exchange->client = NULL;
}

/* The callback may free the exchange, so nothing of it is touched after the call. */
static void exchange_finish(HttpExchange *exchange, CURLcode code) {
        HttpError error = transfer_error(exchange, code);
        _cleanup_(secret_freep) Secret *body = NULL;
        HttpResponse response = {
                .retry_after_usec = retry_after_usec(header_value(exchange, "Retry-After")),
                .date_usec = date_usec(header_value(exchange, "Date")),
        };
        const char *type = NULL, *detail;
        char text[sizeof(exchange->detail)]; /* outlives the exchange, for the callback */

        memcpy(text, exchange->detail, sizeof(text));
        detail = text;
        (void)curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &response.status);
        (void)curl_easy_getinfo(exchange->easy, CURLINFO_CONTENT_TYPE, &type);
        response.is_json = type_is_json(type);
        exchange_unlink(exchange);

        if (error == HTTP_OK && wiped_buffer_take(&exchange->body, &body) < 0)
                error = HTTP_E_LIMIT;
        response.body = body;
        if (exchange->over_limit)
                detail = "the answer is larger than allowed";
        else if (strchr(detail, '@')) /* curl quotes it in full, with the password in it */
                detail = "the URL of the proxy cannot be used";
        else if (error != HTTP_OK && code == CURLE_OK)
                detail = "the connection was closed amid the headers";
        else if (!*detail)
                detail = curl_easy_strerror(code);
        exchange->callback(error, error == HTTP_OK ? &response : NULL, detail, exchange->userdata);
}

static void on_transfer_done(CURL *easy, CURLcode code) {
        char *private = NULL;

        (void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
        exchange_finish((HttpExchange *)(void *)private, code);
}

/* ---- the client ---- */

int http_client_new(sd_event *event, HttpClient **ret) {
        _cleanup_(http_client_freep) HttpClient *client = NULL;
        int r;

        /* OpenSSL writes with write(), and curl is told to leave signals alone. */
        if (sigaction(SIGPIPE, &(const struct sigaction){.sa_handler = SIG_IGN}, NULL) < 0)
                return -errno;
        r = wiped_alloc_install();
        if (r < 0)
                return r;
        client = calloc(1, sizeof(*client));
        if (!client)
                return -ENOMEM;
        r = user_agent_of_this_host(&client->user_agent);
        if (r < 0)
                return r;
        r = curl_loop_new(event, on_transfer_done, &client->loop);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(client);
        return 0;
}

HttpClient *http_client_free(HttpClient *client) {
        if (!client)
                return NULL;
        while (client->exchanges)
                exchange_unlink(client->exchanges); /* still its owner's to free */
        curl_loop_free(client->loop);
        free(client->user_agent);
        free(client);
        return NULL;
}

uint64_t http_client_connections(const HttpClient *client) {
        return client->connections;
}

/* ---- an exchange ---- */

static void headers_wipe(struct curl_slist *headers) {
        for (struct curl_slist *h = headers; h; h = h->next)
                explicit_bzero(h->data, strlen(h->data));
        curl_slist_free_all(headers);
}

HttpExchange *http_exchange_free(HttpExchange *exchange) {
        if (!exchange)
                return NULL;
        exchange_unlink(exchange);
        curl_easy_cleanup(exchange->easy);
        headers_wipe(exchange->headers);
        secret_free(exchange->form);
        secret_free(exchange->certificate);
        secret_free(exchange->certificate_key);
        wiped_buffer_done(&exchange->body);
        free(exchange);
        return NULL;
}

static int header_add(HttpExchange *exchange, const char *name, const char *value) {
        _cleanup_(secret_freep) Secret *line = NULL;
        struct curl_slist *longer;
        int r;

        r = secret_new(strlen(name) + strlen(value), &line);
        if (r < 0)
                return r;
        (void)stpcpy(stpcpy(secret_buffer(line), name), value);
        longer = curl_slist_append(exchange->headers, secret_bytes(line));
        if (!longer)
                return -ENOMEM;
        exchange->headers = longer;
        return 0;
}

static int exchange_set_headers(HttpExchange *exchange, const HttpRequest *request) {
        int r;

        r = header_add(exchange, "Accept: ", "application/json");
        if (r < 0 || !request->authorization)
                return r;
        return header_add(exchange, "Authorization: ", secret_bytes(request->authorization));
}

static size_t on_form_wanted(char *buffer, size_t size, size_t n, void *userdata) {
        HttpExchange *exchange = userdata;
        size_t left = secret_size(exchange->form) - exchange->form_sent;
        size_t taken = left < size * n ? left : size * n;

        memcpy(buffer, secret_bytes(exchange->form) + exchange->form_sent, taken);
        exchange->form_sent += taken;
        return taken;
}

/* By a function that cannot begin again: what was sent once stays so. */
static CURLcode exchange_set_body_once(HttpExchange *exchange) {
        CURLcode c = curl_easy_setopt(exchange->easy, CURLOPT_POST, 1L);

        if (c == CURLE_OK)
                c = curl_easy_setopt(exchange->easy, CURLOPT_READFUNCTION, on_form_wanted);
        if (c == CURLE_OK)
                c = curl_easy_setopt(exchange->easy, CURLOPT_READDATA, exchange);
        return c;
}

static CURLcode exchange_set_body(HttpExchange *exchange) {
        CURLcode c;

        if (!exchange->form)
                return curl_easy_setopt(exchange->easy, CURLOPT_HTTPGET, 1L);
        c = curl_easy_setopt(exchange->easy, CURLOPT_POSTFIELDSIZE,
                             (long)secret_size(exchange->form));
        if (c != CURLE_OK)
                return c;
        if (exchange->once)
                return exchange_set_body_once(exchange);
        return curl_easy_setopt(exchange->easy, CURLOPT_POSTFIELDS, secret_bytes(exchange->form));
}

/* curl keeps a connection for those alone who show the same certificate. It copies the certificate
 * for that, and not the key. */
static CURLcode exchange_set_certificate(HttpExchange *exchange) {
        const struct {
                CURLoption blob, type;
                const Secret *pem;
        } parts[] = {
                {CURLOPT_SSLCERT_BLOB, CURLOPT_SSLCERTTYPE, exchange->certificate},
                {CURLOPT_SSLKEY_BLOB, CURLOPT_SSLKEYTYPE, exchange->certificate_key},
        };
        CURLcode c = CURLE_OK;

        for (size_t i = 0; i < ELEMENTSOF(parts) && c == CURLE_OK; i++) {
                struct curl_blob blob = {.flags = CURL_BLOB_NOCOPY};

                if (!parts[i].pem)
                        continue;
                blob.data = (void *)secret_bytes(parts[i].pem);
                blob.len = secret_size(parts[i].pem);
                c = curl_easy_setopt(exchange->easy, parts[i].type, "PEM");
                if (c == CURLE_OK)
                        c = curl_easy_setopt(exchange->easy, parts[i].blob, &blob);
        }
        return c;
}

/* One list of options, each of which must be taken. */
static int exchange_set_options(HttpExchange *exchange, const char *user_agent,
                                const HttpRequest *request) {
        uint64_t timeout = request->timeout_usec > 0 ? request->timeout_usec : TOTAL_TIMEOUT_USEC;
        CURL *easy = exchange->easy;
        CURLcode c;

        exchange->once = request->once;
        c = exchange_set_body(exchange);
        if (c == CURLE_OK)
                c = exchange_set_certificate(exchange);
#define SET(option, value) \
        if (c == CURLE_OK) \
        c = curl_easy_setopt(easy, option, value)
        SET(CURLOPT_URL, request->url);
        SET(CURLOPT_PRIVATE, exchange);
        SET(CURLOPT_NOSIGNAL, 1L);
        SET(CURLOPT_PROTOCOLS_STR, request->allow_loopback_http ? "https,http" : "https");
        SET(CURLOPT_FOLLOWLOCATION, 0L);
        SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
        SET(CURLOPT_SSL_VERIFYPEER, 1L);
        SET(CURLOPT_SSL_VERIFYHOST, 2L);
        if (request->ca_file) {
                SET(CURLOPT_CAINFO, request->ca_file);
                SET(CURLOPT_CAPATH, (char *)NULL); /* instead of the system's, not beside them */
        }
        SET(CURLOPT_PROXY, request->proxy ? request->proxy : "");
        SET(CURLOPT_NOPROXY, "");
        SET(CURLOPT_USERAGENT, user_agent);
        SET(CURLOPT_HTTPHEADER, exchange->headers);
        SET(CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MSEC);
        SET(CURLOPT_TIMEOUT_MS, (long)(timeout / USEC_PER_MSEC));
        SET(CURLOPT_TCP_KEEPALIVE, 1L);
        SET(CURLOPT_SOCKOPTFUNCTION, on_socket_made);
        SET(CURLOPT_SSL_CTX_FUNCTION, wiped_alloc_set_up_tls);
        SET(CURLOPT_MAXAGE_CONN, CONNECTION_AGE_MAX_SEC);
        SET(CURLOPT_ERRORBUFFER, exchange->detail);
        SET(CURLOPT_WRITEFUNCTION, on_body);
        SET(CURLOPT_WRITEDATA, exchange);
        SET(CURLOPT_HEADERFUNCTION, on_header);
        SET(CURLOPT_HEADERDATA, exchange);
#undef SET
        return c == CURLE_OK ? 0 : c == CURLE_OUT_OF_MEMORY ? -ENOMEM : -EINVAL;
}

static int exchange_copy_secrets(HttpExchange *exchange, const HttpRequest *request) {
        const struct {
                const Secret *from;
                Secret **to;
        } secrets[] = {
                {request->form, &exchange->form},
                {request->certificate, &exchange->certificate},
                {request->certificate_key, &exchange->certificate_key},
        };

        for (size_t i = 0; i < ELEMENTSOF(secrets); i++) {
                int r = secrets[i].from
                                ? secret_new_copy(secret_bytes(secrets[i].from),
                                                  secret_size(secrets[i].from), secrets[i].to)
                                : 0;

                if (r < 0)
                        return r;
        }
        return 0;
}

static int exchange_new(const char *user_agent, const HttpRequest *request, HttpExchange **ret) {
        _cleanup_(http_exchange_freep) HttpExchange *exchange = calloc(1, sizeof(*exchange));
        int r;

        if (!exchange)
                return -ENOMEM;
        exchange->easy = curl_easy_init();
        if (!exchange->easy)
                return -ENOMEM;
        r = exchange_copy_secrets(exchange, request);
        if (r < 0)
                return r;
        r = exchange_set_headers(exchange, request);
        if (r < 0)
                return r;
        r = exchange_set_options(exchange, user_agent, request);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(exchange);
        return 0;
}

int http_exchange_start(HttpClient *client, const HttpRequest *request, HttpCallback callback,
                        void *userdata, HttpExchange **ret) {
        _cleanup_(http_exchange_freep) HttpExchange *exchange = NULL;
        int r;

        if (!http_url_is_acceptable(request->url, request->allow_loopback_http))
                return -EINVAL;
        r = exchange_new(client->user_agent, request, &exchange);
        if (r < 0)
                return r;
        exchange->callback = callback;
        exchange->userdata = userdata;
        r = curl_loop_add(client->loop, exchange->easy);
        if (r < 0)
                return r;
        exchange->client = client;
        exchange->next = client->exchanges;
        if (client->exchanges)
                client->exchanges->previous = exchange;
        client->exchanges = exchange;

        *ret = TAKE_PTR(exchange);
        return 0;
}
