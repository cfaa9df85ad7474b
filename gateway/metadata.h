/* SPDX-License-Identifier: MIT */
#pragma once

/* Metadata: what OpenID Connect Discovery or RFC 8414 says of a provider, checked. */

#include <stdbool.h>

#include "common/macro.h"
#include "gateway/http.h"

typedef struct Metadata {
        char *device_authorization_endpoint;
        char *token_endpoint;
        char *jwks_uri;
        char *revocation_endpoint; /* or NULL */
        char *userinfo_endpoint;   /* or NULL */
        char **acr_values;         /* acr_values_supported; NULL: it does not say */
} Metadata;

typedef enum MetadataWhere {
        METADATA_OPENID, /* ISSUER/.well-known/openid-configuration */
        METADATA_OAUTH,  /* RFC 8414 3.1: between host and path of the issuer */
        _METADATA_WHERE_MAX,
} MetadataWhere;

/* The URL to ask. -EINVAL, -ENOMEM. */
int metadata_url(const char *issuer, MetadataWhere where, char **ret);

typedef enum MetadataError {
        METADATA_E_MALFORMED = 1,
        METADATA_E_ISSUER,    /* another issuer than the configured one, compared byte by byte */
        METADATA_E_NO_DEVICE, /* the provider does not offer the device flow */
        METADATA_E_ENDPOINT,  /* an endpoint is missing or not https */
} MetadataError;

typedef enum MetadataFlags {
        METADATA_LOOPBACK_HTTP = 1 << 0, /* endpoints may be http:// to this host itself */
        METADATA_MTLS = 1 << 1,          /* RFC 8705 5: the endpoints are those for clients with a
                                          * certificate, where the provider has others for them */
} MetadataFlags;

/* 0, a MetadataError, or -ENOMEM. */
int metadata_parse(const char *bytes, size_t size, const char *issuer, MetadataFlags flags,
                   Metadata **ret);
/* Whether what came of a request to @url, an endpoint of @issuer's (NULL: never), says that the
 * document has it wrong: it is not there, or another host that cannot be reached. Where the
 * issuer's own host cannot be, the network is to blame. @response as for a HttpCallback. */
bool metadata_is_outdated(const char *issuer, const char *url, HttpError error,
                          const HttpResponse *response);

Metadata *metadata_free(Metadata *metadata);
DEFINE_CLEANUP(Metadata, metadata_free);
