/* SPDX-License-Identifier: MIT */
#include "gateway/device-authorization.h"

#include <errno.h>
#include <string.h>

#include "common/clock.h"
#include "gateway/display-text.h"
#include "gateway/http.h"
#include "gateway/json.h"

#define DEVICE_CODE_MAX (8u * 1024u)
#define USER_CODE_MAX 64u
#define URI_MAX 2048u
#define EXPIRES_IN_MIN 10u
#define EXPIRES_IN_MAX 3600u
#define INTERVAL_DEFAULT 5u /* RFC 8628 3.2 */
#define INTERVAL_MAX 60u

DeviceAuthorization *device_authorization_free(DeviceAuthorization *authorization) {
        if (!authorization)
                return NULL;
        secret_free(authorization->device_code);
        secret_text_free(authorization->user_code);
        free(authorization->verification_uri);
        secret_text_free(authorization->verification_uri_complete);
        free(authorization);
        return NULL;
}

static int read_device_code(json_object *answer, Secret **ret) {
        const char *text = NULL;

        if (json_member_text(answer, "device_code", DEVICE_CODE_MAX, &text) < 0 ||
            !display_text_is_plain(text, DEVICE_CODE_MAX))
                return -EBADMSG;
        return secret_new_copy(text, strlen(text), ret);
}

static int read_user_code(json_object *answer, char **ret) {
        const char *text = NULL;

        if (json_member_text(answer, "user_code", USER_CODE_MAX, &text) < 0 ||
            !display_text_is_plain(text, USER_CODE_MAX))
                return -EBADMSG;
        *ret = strdup(text);
        return *ret ? 0 : -ENOMEM;
}

/* -ENOENT: no such member. */
static int read_uri(json_object *answer, const char *name, bool allow_loopback_http, char **ret) {
        const char *text = NULL;
        int r;

        r = json_member_text(answer, name, URI_MAX, &text);
        if (r < 0)
                return r;
        if (!http_url_is_acceptable(text, allow_loopback_http))
                return -EBADMSG;
        *ret = strdup(text);
        return *ret ? 0 : -ENOMEM;
}

/* "verification_url" is what it was called before the RFC, and still is at two large providers. */
static int read_uris(json_object *answer, bool allow_loopback_http, DeviceAuthorization *to) {
        int r;

        r = read_uri(answer, "verification_uri", allow_loopback_http, &to->verification_uri);
        if (r == -ENOENT)
                r = read_uri(answer, "verification_url", allow_loopback_http,
                             &to->verification_uri);
        if (r < 0)
                return r == -ENOENT ? -EBADMSG : r;

        r = read_uri(answer, "verification_uri_complete", allow_loopback_http,
                     &to->verification_uri_complete);
        return r == -ENOENT ? 0 : r;
}

static int read_times(json_object *answer, DeviceAuthorization *to) {
        uint64_t expires_in = 0, interval = INTERVAL_DEFAULT;

        if (json_member_number(answer, "expires_in", EXPIRES_IN_MAX, &expires_in) < 0 ||
            expires_in == 0)
                return -EBADMSG;
        if (expires_in < EXPIRES_IN_MIN)
                expires_in = EXPIRES_IN_MIN;

        /* One that cannot be read counts as absent. */
        (void)json_member_number(answer, "interval", INTERVAL_MAX, &interval);
        if (interval == 0)
                interval = 1;

        to->expires_in_usec = expires_in * USEC_PER_SEC;
        to->interval_usec = interval * USEC_PER_SEC;
        return 0;
}

int device_authorization_parse(const char *bytes, size_t size, bool allow_loopback_http,
                               DeviceAuthorization **ret) {
        _cleanup_(device_authorization_freep) DeviceAuthorization *authorization = NULL;
        _cleanup_(json_unrefp) json_object *answer = NULL;
        int r;

        authorization = calloc(1, sizeof(*authorization));
        if (!authorization)
                return -ENOMEM;
        r = json_read(bytes, size, &answer);
        if (r < 0)
                return r;
        r = read_device_code(answer, &authorization->device_code);
        if (r < 0)
                return r;
        r = read_user_code(answer, &authorization->user_code);
        if (r < 0)
                return r;
        r = read_uris(answer, allow_loopback_http, authorization);
        if (r < 0)
                return r;
        r = read_times(answer, authorization);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(authorization);
        return 0;
}

static bool is_at_one_of(const char *url, char *const *places) {
        for (char *const *place = places; *place; place++)
                if (http_url_is_at(url, *place))
                        return true;
        return false;
}

static int require_places(const DeviceAuthorization *authorization, char *const *places,
                          const char **ret_elsewhere) {
        const char *const uris[] = {authorization->verification_uri,
                                    authorization->verification_uri_complete};

        for (size_t i = 0; i < ELEMENTSOF(uris); i++)
                if (uris[i] && !is_at_one_of(uris[i], places)) {
                        *ret_elsewhere = uris[i];
                        return -EACCES;
                }
        return 0;
}

int device_authorization_confine(DeviceAuthorization *authorization, char *const *places,
                                 const char **ret_elsewhere) {
        char *complete = authorization->verification_uri_complete;

        if (places)
                return require_places(authorization, places, ret_elsewhere);
        if (!complete || http_url_same_place(authorization->verification_uri, complete))
                return 0;
        free(complete);
        authorization->verification_uri_complete = NULL;
        return 1;
}
