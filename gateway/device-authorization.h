/* SPDX-License-Identifier: MIT */
#pragma once

/* DeviceAuthorization: the answer of RFC 8628 3.2, bounded and cleaned: what is shown can reach any
 * terminal, what is secret stays a Secret. */

#include <stdbool.h>
#include <stdint.h>

#include "common/secret.h"

typedef struct DeviceAuthorization {
        Secret *device_code;
        char *user_code;                 /* printable ASCII, as received, at most 64 bytes */
        char *verification_uri;          /* acceptable by http_url_is_acceptable() */
        char *verification_uri_complete; /* or NULL */
        uint64_t expires_in_usec;        /* 10 s .. 1 h */
        uint64_t interval_usec;          /* 5 s if absent (RFC 8628 3.2); 1 s .. 60 s */
} DeviceAuthorization;

/* 0, -EBADMSG, -ENOMEM. */
int device_authorization_parse(const char *bytes, size_t size, bool allow_loopback_http,
                               DeviceAuthorization **ret);
/* Where a person may be sent: 0 if it is to one of @places (NULL-terminated, in the words of
 * http_url_is_at()), else -EACCES, and *ret_elsewhere is the URI that is not, which belongs to
 * @authorization. With @places NULL it may be anywhere, but to one place: 1 if
 * verification_uri_complete led elsewhere than verification_uri, and was dropped, because what is
 * drawn as a QR code is read by nobody before they are there. */
int device_authorization_confine(DeviceAuthorization *authorization, char *const *places,
                                 const char **ret_elsewhere);
DeviceAuthorization *device_authorization_free(DeviceAuthorization *authorization);
DEFINE_CLEANUP(DeviceAuthorization, device_authorization_free);
