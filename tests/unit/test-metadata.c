/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "gateway/metadata.h"

#define ISSUER "https://id.example.com/oidc"
#define ENDPOINTS                                                                                \
        "\"device_authorization_endpoint\":\"https://id.example.com/d\","                        \
        "\"token_endpoint\":\"https://id.example.com/t\",\"jwks_uri\":\"https://id.example.com/" \
        "j\""
#define GOOD "{\"issuer\":\"" ISSUER "\"," ENDPOINTS "}"

static void test_urls(void) {
        static const struct {
                const char *issuer, *openid, *oauth;
        } cases[] = {
                {"https://a.b", "https://a.b/.well-known/openid-configuration",
                 "https://a.b/.well-known/oauth-authorization-server"},
                {"https://a.b/", "https://a.b/.well-known/openid-configuration",
                 "https://a.b/.well-known/oauth-authorization-server"},
                {"https://a.b:8/x/y", "https://a.b:8/x/y/.well-known/openid-configuration",
                 "https://a.b:8/.well-known/oauth-authorization-server/x/y"},
                {"https://a.b/x/", "https://a.b/x/.well-known/openid-configuration",
                 "https://a.b/.well-known/oauth-authorization-server/x"},
        };
        char *none = NULL;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *openid = NULL, *oauth = NULL;

                assert(metadata_url(cases[i].issuer, METADATA_OPENID, &openid) == 0);
                assert(metadata_url(cases[i].issuer, METADATA_OAUTH, &oauth) == 0);
                assert(streq(openid, cases[i].openid) && streq(oauth, cases[i].oauth));
        }
        assert(metadata_url("no-url", METADATA_OPENID, &none) == -EINVAL && !none);
        assert(metadata_url("https://a.b?c", METADATA_OPENID, &none) == -EINVAL && !none);
        assert(metadata_url("https://a.b/#c", METADATA_OAUTH, &none) == -EINVAL && !none);
}

static void test_good(void) {
        _cleanup_(metadata_freep) Metadata *m = NULL, *http = NULL;
        static const char loopback[] =
                "{\"issuer\":\"http://127.0.0.1:1\",\"device_authorization_endpoint\":"
                "\"http://127.0.0.1:1/d\",\"token_endpoint\":\"http://127.0.0.1:1/t\","
                "\"jwks_uri\":\"http://127.0.0.1:1/j\",\"revocation_endpoint\":"
                "\"http://127.0.0.1:1/r\",\"userinfo_endpoint\":\"http://127.0.0.1:1/u\"}";

        assert(metadata_parse(GOOD, strlen(GOOD), ISSUER, false, &m) == 0);
        assert(streq(m->device_authorization_endpoint, "https://id.example.com/d"));
        assert(streq(m->token_endpoint, "https://id.example.com/t"));
        assert(streq(m->jwks_uri, "https://id.example.com/j") && !m->revocation_endpoint);
        assert(!m->userinfo_endpoint);
        assert(metadata_parse(loopback, strlen(loopback), "http://127.0.0.1:1", true, &http) == 0);
        assert(streq(http->revocation_endpoint, "http://127.0.0.1:1/r"));
        assert(streq(http->userinfo_endpoint, "http://127.0.0.1:1/u"));
}

static void test_aliases(void) {
        static const char json[] =
                "{\"issuer\":\"" ISSUER "\"," ENDPOINTS ",\"mtls_endpoint_aliases\":{"
                "\"token_endpoint\":\"https://mtls.example.com/t\","
                "\"revocation_endpoint\":\"https://mtls.example.com/r\","
                "\"jwks_uri\":\"https://mtls.example.com/j\"}}";
        static const char bad[] =
                "{\"issuer\":\"" ISSUER "\"," ENDPOINTS ",\"mtls_endpoint_aliases\":{"
                "\"token_endpoint\":\"http://mtls.example.com/t\"}}";
        static const char odd[] =
                "{\"issuer\":\"" ISSUER "\"," ENDPOINTS ",\"mtls_endpoint_aliases\":[1]}";
        _cleanup_(metadata_freep) Metadata *with = NULL, *without = NULL, *none = NULL, *m = NULL;

        assert(metadata_parse(json, strlen(json), ISSUER, METADATA_MTLS, &with) == 0);
        assert(streq(with->device_authorization_endpoint, "https://id.example.com/d"));
        assert(streq(with->token_endpoint, "https://mtls.example.com/t"));
        assert(streq(with->revocation_endpoint, "https://mtls.example.com/r"));
        assert(streq(with->jwks_uri, "https://id.example.com/j"));
        assert(metadata_parse(json, strlen(json), ISSUER, 0, &without) == 0);
        assert(streq(without->token_endpoint, "https://id.example.com/t"));
        assert(!without->revocation_endpoint);
        assert(metadata_parse(bad, strlen(bad), ISSUER, METADATA_MTLS, &none) ==
               METADATA_E_ENDPOINT);
        assert(metadata_parse(odd, strlen(odd), ISSUER, METADATA_MTLS, &m) == 0);
}

/* Which are only warned about, so that nonsense there breaks no login. */
static void test_acr_values(void) {
        static const struct {
                const char *list, *first, *second;
        } cases[] = {
                {"[\"urn:a\",\"urn:b\"]", "urn:a", "urn:b"},
                {"[1,null,[],\"urn:a\"]", "urn:a", NULL},
                {"[]", NULL, NULL},
        };
        static const char *const nonsense[] = {"null", "\"urn:a\"", "{}", "7"};

        for (size_t i = 0; i < ELEMENTSOF(cases) + ELEMENTSOF(nonsense); i++) {
                bool list = i < ELEMENTSOF(cases);
                _cleanup_(metadata_freep) Metadata *m = NULL;
                _cleanup_free_ char *text = NULL;

                assert(asprintf(&text,
                                "{\"issuer\":\"" ISSUER "\"," ENDPOINTS
                                ",\"acr_values_supported\":%s}",
                                list ? cases[i].list : nonsense[i - ELEMENTSOF(cases)]) > 0);
                assert(metadata_parse(text, strlen(text), ISSUER, 0, &m) == 0);
                assert(list == (m->acr_values != NULL));
                if (!list)
                        continue;
                assert(streq_ptr(m->acr_values[0], cases[i].first));
                if (cases[i].first)
                        assert(streq_ptr(m->acr_values[1], cases[i].second));
        }
}

static void test_refusals(void) {
        static const struct {
                int expected;
                const char *text;
        } cases[] = {
                {METADATA_E_MALFORMED, ""},
                {METADATA_E_MALFORMED, "<html>"},
                {METADATA_E_MALFORMED, "{" ENDPOINTS "}"},
                {METADATA_E_MALFORMED, "{\"issuer\":1," ENDPOINTS "}"},
                {METADATA_E_ISSUER, "{\"issuer\":\"" ISSUER "/\"," ENDPOINTS "}"},
                {METADATA_E_ISSUER, "{\"issuer\":\"https://id.example.com/oid\"," ENDPOINTS "}"},
                {METADATA_E_ISSUER, "{\"issuer\":\"https://ID.example.com/oidc\"," ENDPOINTS "}"},
                {METADATA_E_NO_DEVICE, "{\"issuer\":\"" ISSUER "\",\"token_endpoint\":"
                                       "\"https://id.example.com/t\"}"},
                {METADATA_E_ENDPOINT,
                 "{\"issuer\":\"" ISSUER "\",\"device_authorization_endpoint\":"
                 "\"https://id.example.com/d\"}"},
                {METADATA_E_ENDPOINT,
                 "{\"issuer\":\"" ISSUER "\",\"device_authorization_endpoint\":"
                 "\"http://id.example.com/d\"}"},
                {METADATA_E_ENDPOINT,
                 "{\"issuer\":\"" ISSUER "\",\"device_authorization_endpoint\":"
                 "\"file:///etc/passwd\"}"},
                {METADATA_E_ENDPOINT, "{\"issuer\":\"" ISSUER "\"," ENDPOINTS
                                      ",\"revocation_endpoint\":\"http://id.example.com/r\"}"},
                {METADATA_E_ENDPOINT, "{\"issuer\":\"" ISSUER "\"," ENDPOINTS
                                      ",\"userinfo_endpoint\":\"http://id.example.com/u\"}"},
                {METADATA_E_ENDPOINT,
                 "{\"issuer\":\"" ISSUER "\",\"device_authorization_endpoint\":"
                 "[\"https://id.example.com/d\"]}"},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Metadata *none = NULL;
                int r = metadata_parse(cases[i].text, strlen(cases[i].text), ISSUER, true, &none);

                if (r != cases[i].expected)
                        fprintf(stderr, "%d, not %d: %s\n", r, cases[i].expected, cases[i].text);
                assert(r == cases[i].expected && !none);
        }
}

static void test_outdated(void) {
        static const struct {
                bool expected;
                const char *url;
                HttpError error;
                long status;
        } cases[] = {
                {false, ISSUER "/token", HTTP_OK, 200},
                {false, ISSUER "/token", HTTP_OK, 400},
                {false, ISSUER "/token", HTTP_OK, 503},
                {false, ISSUER "/token", HTTP_E_UNREACHABLE, 0},
                {false, "HTTPS://ID.example.com?x", HTTP_E_UNREACHABLE, 0},
                {false, ISSUER "/token", HTTP_E_LOST, 0},
                {false, "https://elsewhere.example/token", HTTP_E_LOST, 0},
                {false, NULL, HTTP_E_UNTRUSTED, 0},
                {true, ISSUER "/token", HTTP_OK, 404},
                {true, ISSUER "/token", HTTP_OK, 405},
                {true, ISSUER "/token", HTTP_OK, 410},
                {true, ISSUER "/token", HTTP_OK, 308},
                {true, ISSUER "/token", HTTP_E_UNTRUSTED, 0},
                {true, "https://elsewhere.example/token", HTTP_E_UNREACHABLE, 0},
                {true, "https://id.example.com.evil/token", HTTP_E_UNREACHABLE, 0},
                {true, "https://id.example.com:8443/token", HTTP_E_UNREACHABLE, 0},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const HttpResponse response = {.status = cases[i].status};

                assert(metadata_is_outdated(ISSUER "/tenant", cases[i].url, cases[i].error,
                                            cases[i].error == HTTP_OK ? &response : NULL) ==
                       cases[i].expected);
        }
}

int main(void) {
        test_outdated();
        test_urls();
        test_good();
        test_aliases();
        test_acr_values();
        test_refusals();
        return 0;
}
