/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/macro.h"
#include "gateway/display-text.h"
#include "gateway/http.h"

#define HTTP_URL_MAX 2048

static CURLU *url_unref(CURLU *url) {
        curl_url_cleanup(url);
        return NULL;
}
DEFINE_CLEANUP(CURLU, url_unref);

static void curl_freep(char **text) {
        curl_free(*text);
}

/* By the name alone, before any look-up: 127.0.0.0/8, ::1, and "localhost", which curl never asks
 * anybody for. curl has brought other notations of the numbers into this one. */
static bool host_is_loopback(const char *host) {
        struct in_addr address;

        if (strcasecmp(host, "localhost") == 0 || streq(host, "[::1]"))
                return true;
        return inet_pton(AF_INET, host, &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

static bool part_is_absent(CURLU *url, CURLUPart part) {
        _cleanup_(curl_freep) char *text = NULL;

        return curl_url_get(url, part, &text, 0) != CURLUE_OK;
}

/* curl also takes "https:host" and "https:///host". */
static bool is_spelt_out(const char *text, const char *scheme) {
        const char *rest = text + strlen(scheme);

        return strncmp(rest, "://", 3) == 0 && rest[3] != '/';
}

/* Taken apart by curl, so that what is checked is what will be asked. Text that is not plain could
 * disturb a terminal, and a backslash is a slash to browsers and none to curl. */
bool http_url_is_acceptable(const char *text, bool allow_loopback_http) {
        _cleanup_(curl_freep) char *scheme = NULL, *host = NULL;
        _cleanup_(url_unrefp) CURLU *url = NULL;

        if (!display_text_is_plain(text, HTTP_URL_MAX) || strpbrk(text, "\\\"<>^`{|}"))
                return false;
        url = curl_url();
        if (!url || curl_url_set(url, CURLUPART_URL, text, 0) != CURLUE_OK ||
            curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
            curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK)
                return false;
        if (!part_is_absent(url, CURLUPART_USER) || !part_is_absent(url, CURLUPART_PASSWORD))
                return false;
        if (!is_spelt_out(text, scheme))
                return false;

        return streq(scheme, "https") ||
               (allow_loopback_http && streq(scheme, "http") && host_is_loopback(host));
}

typedef struct Place {
        char *host, *port;
} Place;

static void place_done(Place *place) {
        curl_free(place->host);
        curl_free(place->port);
}

static bool place_read(const char *text, Place *place) {
        _cleanup_(url_unrefp) CURLU *url = curl_url();

        return url && curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK &&
               curl_url_get(url, CURLUPART_HOST, &place->host, 0) == CURLUE_OK &&
               curl_url_get(url, CURLUPART_PORT, &place->port, CURLU_DEFAULT_PORT) == CURLUE_OK;
}

bool http_url_same_place(const char *a, const char *b) {
        _cleanup_(place_done) Place of_a = {}, of_b = {};

        return place_read(a, &of_a) && place_read(b, &of_b) &&
               strcasecmp(of_a.host, of_b.host) == 0 && streq(of_a.port, of_b.port);
}

bool http_url_is_at(const char *url, const char *place) {
        _cleanup_free_ char *whole = NULL;

        if (asprintf(&whole, "https://%s/", place) < 0) {
                whole = NULL;
                return false;
        }
        return http_url_same_place(url, whole);
}
