/* SPDX-License-Identifier: MIT */
#include "http-client-run.h"

#include <time.h>

#include "common/clock.h"
#include "raw-server.h"

/* The few headers of an answer that mean something to us. */

#define TEXT(status, headers, body) "HTTP/1.1 " status "\r\n" headers "\r\n" body
#define EMPTY "Content-Length: 0\r\n"

static sd_event *event;
static HttpClient *client;
static RawServer *server;

static bool answer_retry_date(RawConnection *connection) {
        char answer[200];
        time_t then = time(NULL) + 100;
        struct tm tm;

        assert(gmtime_r(&then, &tm));
        assert(strftime(answer, sizeof(answer),
                        "HTTP/1.1 503 Busy\r\nRetry-After: %a, %d %b %Y %H:%M:%S GMT\r\n" EMPTY
                        "\r\n",
                        &tm) > 0);
        return raw_send_text(connection, answer);
}

static const RawRoute routes[] = {
        {"/retry-7", TEXT("429 Slow", "Retry-After: 7\r\n" EMPTY, ""), 0},
        {"/retry-case", TEXT("429 Slow", "rEtRy-aFtEr:8\r\n" EMPTY, ""), 0},
        {"/retry-date", NULL, answer_retry_date},
        {"/retry-past",
         TEXT("503 Busy", "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n" EMPTY, ""), 0},
        {"/retry-future",
         TEXT("503 Busy", "Retry-After: Wed, 06 Nov 2999 08:49:37 GMT\r\n" EMPTY, ""), 0},
        {"/retry-huge", TEXT("503 Busy", "Retry-After: 99999999999999999999999\r\n" EMPTY, ""), 0},
        {"/retry-negative", TEXT("503 Busy", "Retry-After: -5\r\n" EMPTY, ""), 0},
        {"/retry-text", TEXT("503 Busy", "Retry-After: soon\r\n" EMPTY, ""), 0},
        {"/date", TEXT("200 OK", "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n" EMPTY, ""), 0},
        {"/date-text", TEXT("200 OK", "Date: yesterday\r\n" EMPTY, ""), 0},
        {"/type-charset",
         TEXT("200 OK", "Content-Type: Application/JSON; charset=utf-8\r\n" EMPTY, ""), 0},
        {"/type-suffix", TEXT("200 OK", "Content-Type: application/jwk-set+json\r\n" EMPTY, ""), 0},
        {"/type-html", TEXT("200 OK", "Content-Type: text/html\r\n" EMPTY, ""), 0},
        {"/type-other", TEXT("200 OK", "Content-Type: application/jsonp\r\n" EMPTY, ""), 0},
        {"/type-text", TEXT("200 OK", "Content-Type: text/x+json\r\n" EMPTY, ""), 0},
        {}};

static Result get(const char *path) {
        char url[200];
        HttpRequest request = {.url = url, .allow_loopback_http = true};

        (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", raw_server_port(server), path);
        return run(event, client, &request);
}

static uint64_t retry_after(const char *path) {
        Result result = get(path);

        assert(result.error == HTTP_OK);
        return result.response.retry_after_usec;
}

static void test_retry_after(void) {
        uint64_t date = retry_after("/retry-date");

        assert(retry_after("/retry-7") == 7 * USEC_PER_SEC);
        assert(retry_after("/retry-case") == 8 * USEC_PER_SEC);
        assert(date > 90 * USEC_PER_SEC && date <= 100 * USEC_PER_SEC);
        assert(retry_after("/retry-past") == 0);
        assert(retry_after("/retry-future") == 3600 * USEC_PER_SEC);
        assert(retry_after("/retry-huge") == 3600 * USEC_PER_SEC);
        assert(retry_after("/retry-negative") == 0);
        assert(retry_after("/retry-text") == 0);
}

static void test_date_and_type(void) {
        assert(get("/date").response.date_usec == 784111777 * USEC_PER_SEC);
        assert(get("/date-text").response.date_usec == 0);
        assert(get("/type-charset").response.is_json);
        assert(get("/type-suffix").response.is_json);
        assert(!get("/type-html").response.is_json);
        assert(!get("/type-other").response.is_json);
        assert(!get("/type-text").response.is_json);
}

int main(void) {
        assert(sd_event_default(&event) >= 0);
        assert(http_client_new(event, &client) == 0);
        server = raw_server_start(routes, NULL);

        test_retry_after();
        test_date_and_type();

        http_client_free(client);
        sd_event_unref(event);
        return 0;
}
