/* SPDX-License-Identifier: MIT */
#pragma once

/* One request of the client under test, run to its end. */

#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "gateway/http.h"

typedef struct Result {
        unsigned n_calls;
        HttpError error;
        HttpResponse response; /* without the body, */
        char body[1024];       /* of which this is the beginning */
        size_t body_size;
        char detail[256];
} Result;

static bool in_start;

static inline void on_done(HttpError error, const HttpResponse *response, const char *detail,
                           void *userdata) {
        Result *result = userdata;

        assert(!in_start);
        assert((error == HTTP_OK) == (response != NULL));
        result->n_calls++;
        result->error = error;
        (void)snprintf(result->detail, sizeof(result->detail), "%s", detail ? detail : "");
        if (!response)
                return;
        assert(response->body);
        result->response = *response;
        result->body_size = secret_size(response->body);
        (void)snprintf(result->body, sizeof(result->body), "%s", secret_bytes(response->body));
}

static inline int start(HttpClient *client, const HttpRequest *request, HttpCallback callback,
                        void *userdata, HttpExchange **ret) {
        int r;

        in_start = true;
        r = http_exchange_start(client, request, callback, userdata, ret);
        in_start = false;
        return r;
}

static inline void run_until(sd_event *event, const unsigned *counter, unsigned value) {
        while (*counter < value)
                assert(sd_event_run(event, UINT64_MAX) >= 0);
}

static inline void run_for(sd_event *event, uint64_t usec) {
        uint64_t now = 0, end;

        assert(sd_event_now(event, CLOCK_BOOTTIME, &now) >= 0);
        end = now + usec;
        while (now < end) {
                struct timespec t;

                assert(sd_event_run(event, end - now) >= 0);
                assert(clock_gettime(CLOCK_BOOTTIME, &t) == 0);
                now = (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
        }
}

static inline Result run(sd_event *event, HttpClient *client, const HttpRequest *request) {
        _cleanup_(http_exchange_freep) HttpExchange *exchange = NULL;
        Result result = {};

        assert(start(client, request, on_done, &result, &exchange) == 0);
        run_until(event, &result.n_calls, 1);
        assert(result.n_calls == 1);
        return result;
}
