/* SPDX-License-Identifier: MIT */
#include "http-client-run.h"

#include <errno.h>
#include <linux/filter.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "gateway/user-agent.h"
#include "raw-server.h"

#define TEXT(status, headers, body) "HTTP/1.1 " status "\r\n" headers "\r\n" body
#define EMPTY "Content-Length: 0\r\n"

static sd_event *event;
static HttpClient *client;
static RawServer *server;

static bool answer_close(RawConnection *connection) {
        (void)connection;
        return false;
}

/* Answers, says nothing of closing, and closes. */
static bool answer_and_close(RawConnection *connection) {
        (void)raw_send_text(connection, TEXT("200 OK", "Content-Length: 2\r\n", "{}"));
        return false;
}

static bool answer_truncated(RawConnection *connection) {
        (void)raw_send_text(connection, TEXT("200 OK", "Content-Length: 100\r\n", "{\"access"));
        return false;
}

static bool answer_truncated_chunk(RawConnection *connection) {
        (void)raw_send_text(connection,
                            TEXT("200 OK", "Transfer-Encoding: chunked\r\n", "5\r\n{\"acc\r\n"));
        return false;
}

static bool answer_truncated_headers(RawConnection *connection) {
        (void)raw_send_text(connection, "HTTP/1.1 200 OK\r\nContent-Le");
        return false;
}

static bool answer_half_and_hang(RawConnection *connection) {
        (void)raw_send_text(connection, TEXT("200 OK", "Content-Length: 100\r\n", "{"));
        return raw_wait_for_end(connection);
}

static bool send_large(RawConnection *connection, size_t size) {
        char head[100], *body = malloc(size);

        assert(body);
        memset(body, 'x', size);
        (void)snprintf(head, sizeof(head), TEXT("200 OK", "Content-Length: %zu\r\n", ""), size);
        (void)raw_send_text(connection, head);
        (void)raw_send(connection, body, size);
        free(body);
        return true;
}

static bool answer_largest(RawConnection *connection) {
        return send_large(connection, HTTP_BODY_MAX);
}

static bool answer_larger(RawConnection *connection) {
        return send_large(connection, HTTP_BODY_MAX + 1);
}

static bool answer_endless_chunks(RawConnection *connection) {
        char piece[0x1000 + 8] = "1000\r\n";

        memset(piece + 6, 'x', 0x1000);
        memcpy(piece + 6 + 0x1000, "\r\n", 2);
        (void)raw_send_text(connection, TEXT("200 OK", "Transfer-Encoding: chunked\r\n", ""));
        while (raw_send(connection, piece, sizeof(piece)))
                ;
        return false;
}

/* @n header lines of 1 KiB each. */
static bool send_headers(RawConnection *connection, size_t n) {
        char line[1025];

        memset(line, 'x', 1024);
        memcpy(line, "X: ", 3);
        memcpy(line + 1022, "\r\n", 3);
        (void)raw_send_text(connection, "HTTP/1.1 200 OK\r\n");
        for (size_t i = 0; i < n; i++)
                if (!raw_send_text(connection, line))
                        return false;
        return raw_send_text(connection, EMPTY "\r\n");
}

static bool answer_31_headers(RawConnection *connection) {
        return send_headers(connection, 31);
}

static bool answer_33_headers(RawConnection *connection) {
        return send_headers(connection, 33);
}

static bool answer_endless_headers(RawConnection *connection) {
        return send_headers(connection, 1000000);
}

static bool answer_endless_line(RawConnection *connection) {
        char piece[1024];

        memset(piece, 'x', sizeof(piece));
        (void)raw_send_text(connection, "HTTP/1.1 200 OK\r\nX: ");
        while (raw_send(connection, piece, sizeof(piece)))
                ;
        return false;
}

static bool answer_never_again(RawConnection *connection) {
        raw_refuse_others(connection);
        return false;
}

/* From now on no packet gets through to this socket, nor an acknowledgement out. */
static bool cut_off(int fd) {
        struct sock_filter drop = {.code = BPF_RET | BPF_K, .k = 0};
        struct sock_fprog program = {.len = 1, .filter = &drop};

        return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0;
}

/* Some kernels allow socket filters to root only. */
static bool may_cut_off(void) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bool allowed = cut_off(fd);

        assert(allowed || errno == EPERM);
        (void)close(fd);
        return allowed;
}

static bool answer_and_vanish(RawConnection *connection) {
        (void)raw_send_text(connection, TEXT("200 OK", EMPTY, ""));
        (void)usleep(100000); /* for the acknowledgement of this answer */
        assert(cut_off(raw_connection_fd(connection)));
        return true;
}

#define JSON "application/json"
static const RawRoute routes[] = {
        {"/ok", TEXT("200 OK", "Content-Type: " JSON "\r\nContent-Length: 7\r\n", "{\"a\":1}"), 0},
        {"/empty", TEXT("200 OK", EMPTY, ""), 0},
        {"/error", TEXT("400 Bad", "Content-Length: 2\r\n", "no"), 0},
        {"/no-content", TEXT("204 No Content", "", ""), 0},
        {"/redirect", TEXT("302 Found", "Location: /ok\r\n" EMPTY, ""), 0},
        {"/redirect-post", TEXT("307 Again", "Location: /ok\r\n" EMPTY, ""), 0},
        {"/continue", "HTTP/1.1 100 Continue\r\nRetry-After: 9\r\n\r\n" TEXT("200 OK", EMPTY, ""),
         0},
        {"/chunked",
         TEXT("200 OK", "Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), 0},
        {"/never-again", NULL, answer_never_again},
        {"/vanish", NULL, answer_and_vanish},
        {"/close", NULL, answer_close},
        {"/answer-and-close", NULL, answer_and_close},
        {"/truncated", NULL, answer_truncated},
        {"/truncated-chunk", NULL, answer_truncated_chunk},
        {"/truncated-headers", NULL, answer_truncated_headers},
        {"/hang", NULL, raw_wait_for_end},
        {"/half", NULL, answer_half_and_hang},
        {"/largest", NULL, answer_largest},
        {"/larger", NULL, answer_larger},
        {"/endless-chunks", NULL, answer_endless_chunks},
        {"/31-headers", NULL, answer_31_headers},
        {"/33-headers", NULL, answer_33_headers},
        {"/endless-headers", NULL, answer_endless_headers},
        {"/endless-line", NULL, answer_endless_line},
        {"/no-http", "220 mail.example.com ESMTP\r\n", 0},
        {}};

static const char *url_of(const char *path) {
        static char url[200];

        (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", raw_server_port(server), path);
        return url;
}

static HttpRequest request_of(const char *path) {
        return (HttpRequest){.url = url_of(path), .allow_loopback_http = true};
}

static Result get(const char *path) {
        HttpRequest request = request_of(path);

        return run(event, client, &request);
}

static void test_get(void) {
        _cleanup_free_ char *text = NULL, *agent = NULL, *line = NULL;
        Result result = get("/ok");

        assert(result.error == HTTP_OK && result.response.status == 200);
        assert(streq(result.body, "{\"a\":1}") && result.body_size == 7);
        assert(result.response.is_json);
        assert(result.response.retry_after_usec == 0 && result.response.date_usec == 0);

        text = raw_server_last_request(server);
        assert(strncmp(text, "GET /ok HTTP/1.1\r\n", 18) == 0);
        assert(strstr(text, "\r\nAccept: application/json\r\n"));
        assert(user_agent_of_this_host(&agent) == 0);
        assert(asprintf(&line, "\r\nUser-Agent: %s\r\n", agent) > 0 && strstr(text, line));
        assert(!strcasestr(text, "Accept-Encoding") && !strcasestr(text, "Authorization"));
        assert(!strcasestr(text, "Cookie"));
}

static void test_post(void) {
        _cleanup_(secret_freep) Secret *form = NULL, *authorization = NULL;
        _cleanup_free_ char *text = NULL;
        HttpRequest request = request_of("/ok");
        Result result;

        assert(secret_new_copy("a=1&b=%20", 9, &form) == 0);
        assert(secret_new_copy("Basic eDp5", 10, &authorization) == 0);
        request.form = form;
        request.authorization = authorization;
        result = run(event, client, &request);
        assert(result.error == HTTP_OK && result.response.status == 200);

        text = raw_server_last_request(server);
        assert(strncmp(text, "POST /ok HTTP/1.1\r\n", 19) == 0);
        assert(strstr(text, "\r\nContent-Type: application/x-www-form-urlencoded\r\n"));
        assert(strstr(text, "\r\nContent-Length: 9\r\n"));
        assert(strstr(text, "\r\nAuthorization: Basic eDp5\r\n"));
        assert(!strcasestr(text, "Expect:"));
        assert(streq(strstr(text, "\r\n\r\n"), "\r\n\r\na=1&b=%20"));
}

/* The request is the caller's again as soon as it has started. */
static void test_request_is_copied(void) {
        _cleanup_(http_exchange_freep) HttpExchange *exchange = NULL;
        _cleanup_free_ char *text = NULL;
        char url[200];
        Secret *form = NULL;
        HttpRequest request = {.url = url, .allow_loopback_http = true};
        Result result = {};

        assert(secret_new_copy("a=1", 3, &form) == 0);
        (void)strcpy(url, url_of("/ok"));
        request.form = form;
        assert(start(client, &request, on_done, &result, &exchange) == 0);
        memset(&request, 0xff, sizeof(request));
        memset(url, 'x', sizeof(url) - 1);
        secret_free(form);
        run_until(event, &result.n_calls, 1);
        assert(result.error == HTTP_OK && result.response.status == 200);
        text = raw_server_last_request(server);
        assert(streq(strstr(text, "\r\n\r\n"), "\r\n\r\na=1"));
}

static void test_statuses(void) {
        Result result = get("/error");

        assert(result.error == HTTP_OK && result.response.status == 400);
        assert(streq(result.body, "no") && !result.response.is_json);
        assert(get("/none").response.status == 404);
        result = get("/no-content");
        assert(result.error == HTTP_OK && result.response.status == 204 && result.body_size == 0);
        result = get("/empty");
        assert(result.error == HTTP_OK && result.response.status == 200 && result.body_size == 0);
        result = get("/chunked");
        assert(result.error == HTTP_OK && streq(result.body, "abcde"));
        result = get("/continue");
        assert(result.error == HTTP_OK && result.response.status == 200);
        assert(result.response.retry_after_usec == 0); /* only the last head counts */
}

static void test_connection_is_reused(void) {
        uint64_t before = http_client_connections(client);
        unsigned accepted = raw_server_connections(server), requests = raw_server_requests(server);

        for (int i = 0; i < 10; i++)
                assert(get(i % 2 ? "/ok" : "/error").error == HTTP_OK);
        assert(raw_server_requests(server) == requests + 10);
        assert(raw_server_connections(server) - accepted <= 1);
        assert(http_client_connections(client) - before ==
               raw_server_connections(server) - accepted);
}

static void test_connection_closed_meanwhile(void) {
        assert(get("/answer-and-close").error == HTTP_OK);
        run_for(event, 50 * USEC_PER_MSEC);
        assert(get("/ok").error == HTTP_OK);
}

/* On a kept connection that ends without an answer curl sends again, unless that could cost more
 * than the answer. */
static void test_sent_once(void) {
        _cleanup_(secret_freep) Secret *form = NULL;

        assert(secret_new_copy("a=1", 3, &form) == 0);
        for (int once = 0; once < 2; once++) {
                _cleanup_free_ char *sent = NULL;
                HttpRequest request;
                unsigned before;

                assert(get("/ok").error == HTTP_OK);
                before = raw_server_requests(server);
                request = request_of("/close");
                request.form = form;
                request.once = once;
                assert(run(event, client, &request).error == (once ? HTTP_E_STALE : HTTP_E_LOST));
                assert(raw_server_requests(server) - before == (once ? 1 : 2));
                sent = raw_server_last_request(server);
                assert(strstr(sent, "Content-Length: 3\r\n") && !strstr(sent, "Expect"));
                assert(streq(sent + strlen(sent) - 3, "a=1"));
        }
}

static void test_redirects_are_not_followed(void) {
        _cleanup_(secret_freep) Secret *form = NULL;
        HttpRequest request = request_of("/redirect-post");
        unsigned requests = raw_server_requests(server);

        assert(get("/redirect").response.status == 302);
        assert(secret_new_copy("a=1", 3, &form) == 0);
        request = request_of("/redirect-post");
        request.form = form;
        assert(run(event, client, &request).response.status == 307);
        assert(raw_server_requests(server) == requests + 2);
}

static void check_error(const char *path, HttpError error) {
        HttpRequest request = request_of(path);
        Result result;

        request.timeout_usec = 300 * USEC_PER_MSEC;
        result = run(event, client, &request);
        if (result.error != error)
                (void)fprintf(stderr, "%s: %d, not %d: %s\n", path, result.error, error,
                              result.detail);
        assert(result.error == error && *result.detail);
}

static void test_lost(void) {
        check_error("/close", HTTP_E_LOST);
        check_error("/truncated", HTTP_E_LOST);
        check_error("/truncated-chunk", HTTP_E_LOST);
        check_error("/truncated-headers", HTTP_E_LOST);
        check_error("/hang", HTTP_E_LOST);
        check_error("/half", HTTP_E_LOST);
}

/* curl sends once more where a kept connection turns out to be closed. If that fails to connect,
 * the first may have been executed all the same. */
static void test_lost_on_a_kept_connection(void) {
        RawServer *other = raw_server_start(routes, NULL);
        HttpRequest request = {.allow_loopback_http = true};
        char url[100];

        (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/ok", raw_server_port(other));
        request.url = url;
        assert(run(event, client, &request).error == HTTP_OK);
        (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/never-again", raw_server_port(other));
        assert(run(event, client, &request).error == HTTP_E_LOST);
        assert(raw_server_requests(other) == 2 && raw_server_connections(other) == 1);
        assert(run(event, client, &request).error == HTTP_E_UNREACHABLE);
}

/* A request on a connection that died silently is sent again well before its time is up. */
static void test_vanished(void) {
        RawServer *other = raw_server_start(routes, NULL);
        HttpRequest request = {.allow_loopback_http = true};
        uint64_t begin;
        char url[100];

        (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/vanish", raw_server_port(other));
        request.url = url;
        assert(run(event, client, &request).error == HTTP_OK);
        run_for(event, 200 * USEC_PER_MSEC);
        (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/ok", raw_server_port(other));
        begin = clock_boottime_usec();
        assert(run(event, client, &request).error == HTTP_OK);
        assert(clock_boottime_usec() - begin < 25 * USEC_PER_SEC);
        assert(raw_server_requests(other) == 2 && raw_server_connections(other) == 2);
}

static void test_limits(void) {
        Result result = get("/largest");

        assert(result.error == HTTP_OK && result.body_size == HTTP_BODY_MAX);
        assert(get("/31-headers").error == HTTP_OK);
        assert(get("/larger").error == HTTP_E_LIMIT);
        assert(get("/endless-chunks").error == HTTP_E_LIMIT);
        assert(get("/33-headers").error == HTTP_E_LIMIT);
        assert(get("/endless-headers").error == HTTP_E_LIMIT);
        assert(get("/endless-line").error == HTTP_E_LIMIT);
        assert(get("/no-http").error == HTTP_E_LIMIT);
        assert(get("/ok").error == HTTP_OK);
}

static void test_unreachable(void) {
        HttpRequest request = {.allow_loopback_http = true};
        char url[100];

        (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/", raw_refused_port());
        request.url = url;
        assert(run(event, client, &request).error == HTTP_E_UNREACHABLE);

        request.url = "https://host.invalid/"; /* RFC 6761: no such name, ever */
        assert(run(event, client, &request).error == HTTP_E_UNREACHABLE);

        /* a handshake that never ends, and one that is no TLS: no request was sent */
        (void)snprintf(url, sizeof(url), "https://127.0.0.1:%u/ok", raw_server_port(server));
        request.url = url;
        request.timeout_usec = 300 * USEC_PER_MSEC;
        assert(run(event, client, &request).error == HTTP_E_UNREACHABLE);
}

static void test_timeout(void) {
        HttpRequest request = request_of("/hang");
        uint64_t begin = clock_boottime_usec(), took;

        request.timeout_usec = 200 * USEC_PER_MSEC;
        assert(run(event, client, &request).error == HTTP_E_LOST);
        took = clock_boottime_usec() - begin;
        assert(took >= 190 * USEC_PER_MSEC && took < 5 * USEC_PER_SEC);
}

static void test_urls(void) {
        static const struct {
                const char *url;
                bool allow;
        } cases[] = {
                {"http://127.0.0.1:1/", false},   {"http://id.example.com/", true},
                {"file:///etc/passwd", true},     {"ftp://127.0.0.1/", true},
                {"https://a:b@127.0.0.1/", true}, {"", true},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                HttpRequest request = {.url = cases[i].url, .allow_loopback_http = cases[i].allow};
                HttpExchange *exchange = NULL;

                assert(start(client, &request, on_done, NULL, &exchange) == -EINVAL);
                assert(!exchange);
        }
}

/* Many at once, on one thread, none waiting for another. */
static void test_at_once(void) {
        enum {
                N = 40
        };
        HttpExchange *exchanges[N] = {}, *hanging = NULL;
        HttpRequest hang = request_of("/hang");
        Result results[N] = {}, never = {};
        HttpRequest request;

        assert(start(client, &hang, on_done, &never, &hanging) == 0);
        request = request_of("/ok");
        for (size_t i = 0; i < N; i++)
                assert(start(client, &request, on_done, &results[i], &exchanges[i]) == 0);
        for (size_t i = 0; i < N; i++)
                run_until(event, &results[i].n_calls, 1);
        for (size_t i = 0; i < N; i++) {
                assert(results[i].n_calls == 1 && results[i].error == HTTP_OK);
                exchanges[i] = http_exchange_free(exchanges[i]);
        }
        assert(never.n_calls == 0);
        http_exchange_free(hanging);
}

static void test_cancelled(void) {
        HttpRequest request = request_of("/hang");
        HttpExchange *exchange = NULL;
        Result result = {};
        unsigned requests = raw_server_requests(server), accepted = raw_server_connections(server);
        uint64_t before = http_client_connections(client);

        assert(start(client, &request, on_done, &result, &exchange) == 0);
        exchange = http_exchange_free(exchange); /* before anything happened */
        run_for(event, 50 * USEC_PER_MSEC);
        assert(start(client, &request, on_done, &result, &exchange) == 0);
        while (raw_server_requests(server) == requests)
                run_for(event, 10 * USEC_PER_MSEC);
        exchange = http_exchange_free(exchange); /* after it was sent */
        run_for(event, 50 * USEC_PER_MSEC);
        assert(result.n_calls == 0);
        assert(get("/ok").error == HTTP_OK);
        assert(http_client_connections(client) - before ==
               raw_server_connections(server) - accepted);
}

typedef struct Chain {
        HttpExchange *exchange, *other;
        unsigned n_calls;
        bool response_outlives;
} Chain;

/* Frees itself and another that is in flight, reads its response after that, and starts anew. */
static void on_chain(HttpError error, const HttpResponse *response, const char *detail,
                     void *userdata) {
        Chain *chain = userdata;
        HttpRequest request = request_of("/ok");

        assert(error == HTTP_OK && response && detail);
        chain->exchange = http_exchange_free(chain->exchange);
        chain->other = http_exchange_free(chain->other);
        chain->response_outlives = streq(secret_bytes(response->body), "{\"a\":1}");
        if (++chain->n_calls < 3)
                assert(start(client, &request, on_chain, chain, &chain->exchange) == 0);
}

static void test_freed_in_its_callback(void) {
        HttpRequest request = request_of("/hang");
        Result never = {};
        Chain chain = {};

        assert(start(client, &request, on_done, &never, &chain.other) == 0);
        request = request_of("/ok");
        assert(start(client, &request, on_chain, &chain, &chain.exchange) == 0);
        run_until(event, &chain.n_calls, 3);
        assert(chain.response_outlives && !chain.exchange && never.n_calls == 0);
}

static void test_client_freed(void) {
        _cleanup_(http_exchange_freep) HttpExchange *exchange = NULL;
        HttpRequest request = request_of("/hang");
        HttpClient *other = NULL;
        Result result = {};

        assert(http_client_new(event, &other) == 0);
        assert(start(other, &request, on_done, &result, &exchange) == 0);
        run_for(event, 50 * USEC_PER_MSEC);
        other = http_client_free(other);
        run_for(event, 50 * USEC_PER_MSEC);
        assert(result.n_calls == 0);
}

static void test_proxy(void) {
        _cleanup_free_ char *text = NULL;
        HttpRequest request = {.allow_loopback_http = true, .url = "http://127.0.0.1:1/ok"};
        char proxy[100];

        (void)snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%u", raw_refused_port());
        assert(setenv("http_proxy", proxy, 1) == 0 && setenv("all_proxy", proxy, 1) == 0);
        assert(get("/ok").error == HTTP_OK); /* the environment has no say */

        request.proxy = proxy;
        assert(run(event, client, &request).error == HTTP_E_UNREACHABLE);
        request.url = "https://id.example.com/ok";
        assert(run(event, client, &request).error == HTTP_E_UNREACHABLE);

        /* One that refuses CONNECT: the request itself was never sent. */
        assert(setenv("no_proxy", "*", 1) == 0);
        (void)snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%u", raw_server_port(server));
        assert(run(event, client, &request).error == HTTP_E_UNREACHABLE);
        text = raw_server_last_request(server);
        assert(strncmp(text, "CONNECT id.example.com:443 ", 27) == 0);
}

int main(void) {
        assert(sd_event_default(&event) >= 0);
        assert(http_client_new(event, &client) == 0);
        server = raw_server_start(routes, NULL);

        test_get();
        test_post();
        test_request_is_copied();
        test_statuses();
        test_connection_is_reused();
        test_connection_closed_meanwhile();
        test_sent_once();
        test_redirects_are_not_followed();
        test_lost();
        test_lost_on_a_kept_connection();
        if (may_cut_off())
                test_vanished();
        test_limits();
        test_unreachable();
        test_timeout();
        test_urls();
        test_at_once();
        test_cancelled();
        test_freed_in_its_callback();
        test_client_freed();
        test_proxy();

        http_client_free(client);
        sd_event_unref(event);
        return 0;
}
