/* SPDX-License-Identifier: MIT */
#pragma once

/* DeviceRequest: asks a provider for a code (RFC 8628 3.1), its metadata first where they are not
 * there yet. */

#include "gateway/device-authorization.h"
#include "gateway/provider.h"

typedef struct DeviceRequest DeviceRequest;

/* @result: 0 with the @authorization, which is the callee's to free; an Outcome; -errno. @detail is
 * a text for the log, or NULL. The request may be freed inside. */
typedef void (*DeviceRequestDone)(int result, DeviceAuthorization *authorization,
                                  const char *detail, void *userdata);

/* @nonce, which it copies, is for the ID token; NULL: none. @done is called exactly once, perhaps
 * from within, after *ret was set. -ENOMEM: it is not. */
int device_request_start(Provider *provider, const char *nonce, DeviceRequestDone done,
                         void *userdata, DeviceRequest **ret);
DeviceRequest *device_request_free(DeviceRequest *request);
DEFINE_CLEANUP(DeviceRequest, device_request_free);
