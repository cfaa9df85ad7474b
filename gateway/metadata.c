/* SPDX-License-Identifier: MIT */
#include "gateway/metadata.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>

#include "gateway/json.h"

#define URL_MAX 2048u
#define OPENID_SUFFIX "/.well-known/openid-configuration"
#define OAUTH_INFIX "/.well-known/oauth-authorization-server"

/* The length of @issuer without one terminating '/' (Discovery 4.1). */
static int issuer_length(const char *issuer) {
        size_t length = strlen(issuer);

        return (int)(length > 0 && issuer[length - 1] == '/' ? length - 1 : length);
}

int metadata_url(const char *issuer, MetadataWhere where, char **ret) {
        int length = issuer_length(issuer), host_length, n;
        const char *host = strstr(issuer, "://");

        /* Discovery 2: an issuer has neither query nor fragment. */
        if (!host || strpbrk(issuer, "?#") || length > (int)URL_MAX)
                return -EINVAL;
        if (where == METADATA_OPENID) {
                n = asprintf(ret, "%.*s" OPENID_SUFFIX, length, issuer);
        } else {
                host += strlen("://");
                host_length = (int)(host - issuer) + (int)strcspn(host, "/");
                n = asprintf(ret, "%.*s" OAUTH_INFIX "%.*s", host_length, issuer,
                             length > host_length ? length - host_length : 0, issuer + host_length);
        }
        return n < 0 ? -ENOMEM : 0;
}

Metadata *metadata_free(Metadata *metadata) {
        if (!metadata)
                return NULL;
        free(metadata->device_authorization_endpoint);
        free(metadata->token_endpoint);
        free(metadata->jwks_uri);
        free(metadata->revocation_endpoint);
        free(metadata->userinfo_endpoint);
        strv_free(metadata->acr_values);
        free(metadata);
        return NULL;
}

/* What we use of the document. */
static const struct Endpoint {
        const char *name;
        size_t offset;
        int absent;      /* what it means if it is not there */
        bool has_client; /* that proves itself there */
} endpoints[] = {
        {"device_authorization_endpoint", offsetof(Metadata, device_authorization_endpoint),
         METADATA_E_NO_DEVICE, true},
        {"token_endpoint", offsetof(Metadata, token_endpoint), METADATA_E_ENDPOINT, true},
        {"jwks_uri", offsetof(Metadata, jwks_uri), METADATA_E_ENDPOINT, false},
        {"revocation_endpoint", offsetof(Metadata, revocation_endpoint), 0, true},
        {"userinfo_endpoint", offsetof(Metadata, userinfo_endpoint), 0, true},
};

/* -ENOENT: not there. */
static int endpoint_read(json_object *object, const struct Endpoint *endpoint, MetadataFlags flags,
                         Metadata *metadata) {
        char **field = (char **)((char *)metadata + endpoint->offset);
        const char *url;
        int r;

        r = json_member_text(object, endpoint->name, URL_MAX, &url);
        if (r == -ENOENT)
                return r;
        if (r < 0 || !http_url_is_acceptable(url, flags & METADATA_LOOPBACK_HTTP))
                return METADATA_E_ENDPOINT;
        free(*field);
        *field = strdup(url);
        return *field ? 0 : -ENOMEM;
}

static int endpoints_read(json_object *object, MetadataFlags flags, Metadata *metadata) {
        json_object *aliases = NULL;
        int r;

        if (flags & METADATA_MTLS)
                (void)json_object_object_get_ex(object, "mtls_endpoint_aliases", &aliases);
        for (size_t i = 0; i < ELEMENTSOF(endpoints); i++) {
                r = endpoint_read(object, &endpoints[i], flags, metadata);
                if (r != 0 && r != -ENOENT)
                        return r;
                if (r == -ENOENT && endpoints[i].absent)
                        return endpoints[i].absent;
                if (!aliases || !endpoints[i].has_client)
                        continue;
                r = endpoint_read(aliases, &endpoints[i], flags, metadata);
                if (r != 0 && r != -ENOENT)
                        return r;
        }
        return 0;
}

/* Only to warn with: what is no list of texts says nothing. */
static int acr_values_read(json_object *object, Metadata *metadata) {
        json_object *list = NULL;
        size_t n;

        (void)json_object_object_get_ex(object, "acr_values_supported", &list);
        if (!json_object_is_type(list, json_type_array))
                return 0;
        n = json_object_array_length(list);
        metadata->acr_values = calloc(n + 1, sizeof(*metadata->acr_values));
        if (!metadata->acr_values)
                return -ENOMEM;
        for (size_t i = 0, k = 0; i < n; i++) {
                json_object *value = json_object_array_get_idx(list, i);

                if (!json_object_is_type(value, json_type_string))
                        continue;
                metadata->acr_values[k] = strdup(json_object_get_string(value));
                if (!metadata->acr_values[k++])
                        return -ENOMEM;
        }
        return 0;
}

int metadata_parse(const char *bytes, size_t size, const char *issuer, MetadataFlags flags,
                   Metadata **ret) {
        _cleanup_(json_unrefp) json_object *object = NULL;
        _cleanup_(metadata_freep) Metadata *metadata = NULL;
        const char *named;
        int r;

        r = json_read(bytes, size, &object);
        if (r < 0)
                return r == -ENOMEM ? r : METADATA_E_MALFORMED;
        if (json_member_text(object, "issuer", URL_MAX, &named) < 0)
                return METADATA_E_MALFORMED;
        /* Discovery 4.3: exactly, or the document MUST NOT be used. */
        if (!streq(named, issuer))
                return METADATA_E_ISSUER;

        metadata = calloc(1, sizeof(*metadata));
        if (!metadata)
                return -ENOMEM;
        r = endpoints_read(object, flags, metadata);
        if (r != 0)
                return r;

        r = acr_values_read(object, metadata);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(metadata);
        return 0;
}

static bool is_at_issuer(const char *issuer, const char *url) {
        size_t size = strcspn(issuer, ":") + strlen("://");

        size += strcspn(issuer + size, "/");
        return strncasecmp(issuer, url, size) == 0 && strchr("/?#", url[size]);
}

bool metadata_is_outdated(const char *issuer, const char *url, HttpError error,
                          const HttpResponse *response) {
        if (!url)
                return false;
        if (error == HTTP_OK)
                return response->status / 100 == 3 || response->status == 404 ||
                       response->status == 405 || response->status == 410;
        return error == HTTP_E_UNTRUSTED ||
               (error == HTTP_E_UNREACHABLE && !is_at_issuer(issuer, url));
}
