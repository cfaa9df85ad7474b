/* SPDX-License-Identifier: MIT */

/* The readers of what a provider says, and what is said to it, where memory or a system call fails:
 * nothing is verified that is not, and nothing is half there. */

#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>

#include "gateway/client-auth.h"
#include "gateway/device-authorization.h"
#include "gateway/id-token.h"
#include "gateway/json.h"
#include "gateway/metadata.h"
#include "gateway/token-response.h"
#include "gateway/user-map.h"
#include "tests/unit/fail-nth.h"
#include "tests/unit/jose.h"

#define ISSUER "https://id.example.com"

#define NOW_SEC "1795262400"

static JoseKey keys[3];
static char *key_set, *id_tokens[3];
static Jwks *jwks;
static size_t n_key; /* the one that is tried */

static int try_json(void) {
        static const char text[] = "{\"a\":\"x\",\"b\":[1,2.5,{\"c\":null}],\"d\":{\"e\":true}}";
        _cleanup_(json_unrefp) json_object *object = NULL;
        const char *a;
        int r = FAIL_NTH(json_read(text, strlen(text), &object));

        assert((r == 0) == (object != NULL));
        if (r < 0)
                return r;
        assert(json_object_object_length(object) == 3);
        assert(json_member_text(object, "a", 10, &a) == 0 && streq(a, "x"));
        assert(json_object_array_length(json_object_object_get(object, "b")) == 3);
        return 0;
}

static int try_jwks(void) {
        _cleanup_(jwks_freep) Jwks *read = NULL;
        int r = FAIL_NTH(jwks_parse(key_set, strlen(key_set), &read));

        ERR_clear_error();
        assert((r == 0) == (read != NULL));
        assert(!read || jwks_size(read) == ELEMENTSOF(keys));
        return r;
}

static int verify(const char *text, IdToken **ret) {
        static char *const algs[] = {(char *)"RS256", (char *)"ES256", (char *)"EdDSA", NULL};
        static char *const acr[] = {(char *)"1", NULL};
        static const IdTokenExpectation expectation = {
                .issuer = ISSUER,
                .client_id = "ssh-login",
                .algs = algs,
                .now_usec = UINT64_C(1795262400) * 1000000,
                .nonce = "n",
                .acr_values = acr,
                .max_age_sec = 100,
        };
        _cleanup_(secret_freep) Secret *token = NULL;
        int r;

        assert(secret_new_copy(text, strlen(text), &token) == 0);
        r = FAIL_NTH(id_token_verify(token, jwks, &expectation, ret));
        ERR_clear_error();
        return r;
}

static int try_id_token(void) {
        _cleanup_(id_token_freep) IdToken *id_token = NULL;
        int r = verify(id_tokens[n_key], &id_token);

        assert((r == 0) == (id_token != NULL));
        assert(!id_token || streq(id_token_subject(id_token), "s1"));
        return r;
}

/* The same with a signature that is not one: no failure may let it pass. */
static int try_forged_id_token(void) {
        _cleanup_(id_token_freep) IdToken *id_token = NULL;
        _cleanup_free_ char *forged = strdup(id_tokens[n_key]);
        char *signature = strrchr(forged, '.') + 20;
        int r;

        *signature = *signature == 'A' ? 'B' : 'A';
        r = verify(forged, &id_token);
        assert(r != 0 && !id_token);
        return r == ID_TOKEN_E_SIGNATURE ? 0 : r;
}

static int try_token_response(void) {
        static const char text[] = "{\"access_token\":\"a\",\"token_type\":\"Bearer\","
                                   "\"expires_in\":300,\"refresh_token\":\"r\",\"id_token\":\"i\","
                                   "\"scope\":\"openid profile\"}";
        _cleanup_(token_response_freep) TokenResponse *response = NULL;
        _cleanup_(secret_freep) Secret *body = NULL;
        _cleanup_free_ char *code = NULL;
        HttpResponse http = {.status = 200};
        int r;

        assert(secret_new_copy(text, strlen(text), &body) == 0);
        http.body = body;
        r = FAIL_NTH(token_response_parse(&http, &response, &code));
        assert((r == 0) == (response != NULL) && !code);
        if (r != 0)
                return r;
        assert(streq(secret_bytes(response->access_token), "a"));
        assert(streq(secret_bytes(response->refresh_token), "r"));
        assert(streq(secret_bytes(response->id_token), "i"));
        assert(streq(response->scope, "openid profile"));
        return 0;
}

/* Out of memory is no verdict of the provider's: it may say neither that a grant is over nor that
 * somebody refused. */
static int try_token_error(void) {
        static const char text[] = "{\"error\":\"invalid_grant\",\"error_description\":\"over\"}";
        _cleanup_(token_response_freep) TokenResponse *response = NULL;
        _cleanup_(secret_freep) Secret *body = NULL;
        _cleanup_free_ char *code = NULL;
        HttpResponse http = {.status = 400};
        int r;

        assert(secret_new_copy(text, strlen(text), &body) == 0);
        http.body = body;
        r = FAIL_NTH(token_response_parse(&http, &response, &code));
        assert(!response && r != 0);
        assert(r == TOKEN_E_GRANT_OVER || r == -ENOMEM);
        return r == TOKEN_E_GRANT_OVER ? 0 : r;
}

static int try_device_authorization(void) {
        static const char text[] =
                "{\"device_code\":\"d\",\"user_code\":\"WDJB-MJHT\",\"verification_uri\":\"" ISSUER
                "/go\",\"verification_uri_complete\":\"" ISSUER
                "/go?c=WDJB-MJHT\",\"expires_in\":600,\"interval\":7}";
        _cleanup_(device_authorization_freep) DeviceAuthorization *read = NULL;
        int r = FAIL_NTH(device_authorization_parse(text, strlen(text), false, &read));

        assert((r == 0) == (read != NULL));
        if (r < 0)
                return r;
        assert(streq(secret_bytes(read->device_code), "d") && streq(read->user_code, "WDJB-MJHT"));
        assert(streq(read->verification_uri, ISSUER "/go"));
        assert(streq(read->verification_uri_complete, ISSUER "/go?c=WDJB-MJHT"));
        assert(read->interval_usec == 7000000 && read->expires_in_usec == 600000000);
        return 0;
}

static int try_metadata(void) {
        static const char text[] =
                "{\"issuer\":\"" ISSUER "\",\"token_endpoint\":\"" ISSUER
                "/t\",\"device_authorization_endpoint\":\"" ISSUER "/d\",\"jwks_uri\":\"" ISSUER
                "/j\",\"revocation_endpoint\":\"" ISSUER "/r\"}";
        _cleanup_(metadata_freep) Metadata *metadata = NULL;
        int r = FAIL_NTH(metadata_parse(text, strlen(text), ISSUER, false, &metadata));

        assert((r == 0) == (metadata != NULL));
        if (r != 0)
                return r;
        assert(streq(metadata->token_endpoint, ISSUER "/t"));
        assert(streq(metadata->device_authorization_endpoint, ISSUER "/d"));
        assert(streq(metadata->jwks_uri, ISSUER "/j"));
        assert(streq(metadata->revocation_endpoint, ISSUER "/r"));
        return 0;
}

static int build_form(const ProviderConfig *config, const ClientCredential *credential,
                      Secret **ret_form, Secret **ret_authorization) {
        _cleanup_(form_freep) Form *form = NULL;
        int r;

        r = form_new(&form);
        if (r < 0)
                return r;
        r = form_add(form, "scope", "openid profile");
        if (r < 0)
                return r;
        r = form_add_secret(form, "device_code", credential->bytes);
        if (r < 0)
                return r;
        r = client_auth_apply(config, credential, form, ret_authorization);
        if (r < 0)
                return r;
        return form_finish(form, ret_form);
}

static int try_form(void) {
        static const ClientAuth auths[] = {CLIENT_AUTH_NONE, CLIENT_AUTH_SECRET_POST,
                                           CLIENT_AUTH_SECRET_BASIC};
        static const char *const ends[] = {"&client_id=c", "&client_id=c&client_secret=a%2Fb", ""};
        _cleanup_(secret_freep) Secret *secret = NULL, *body = NULL, *authorization = NULL;
        _cleanup_free_ char *expected = NULL;
        ClientCredential credential = {0};
        ProviderConfig config = {.client_id = (char *)"c", .client_auth = auths[n_key]};
        int r;

        assert(secret_new_copy("a/b", 3, &secret) == 0);
        credential.bytes = secret;
        r = FAIL_NTH(build_form(&config, &credential, &body, &authorization));
        assert((r == 0) == (body != NULL));
        if (r < 0)
                return r;
        assert(asprintf(&expected, "scope=openid%%20profile&device_code=a%%2Fb%s", ends[n_key]) >
               0);
        assert(streq(secret_bytes(body), expected));
        assert((authorization != NULL) == (config.client_auth == CLIENT_AUTH_SECRET_BASIC));
        assert(!authorization || streq(secret_bytes(authorization), "Basic YzphJTJGYg=="));
        return 0;
}

static int try_user_map(void) {
        static const char text[] = "alice " ISSUER " 1\nbob " ISSUER " 2\n";
        _cleanup_(user_map_freep) UserMap *map = NULL;
        _cleanup_free_ char *problem = NULL;
        int r = FAIL_NTH(user_map_parse(text, strlen(text), "map", &map, &problem));

        assert((r == 0) == (map != NULL) && !problem);
        assert(!map || (user_map_size(map) == 2 && user_map_has(map, "bob", ISSUER, "2")));
        return r;
}

static void set_up(void) {
        static const char *const algs[] = {"RS256", "ES256", "EdDSA"};

        for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
                _cleanup_free_ char *header = NULL;

                keys[i] = jose_key_new(algs[i], algs[i]);
                assert(asprintf(&header, "{\"alg\":\"%s\",\"kid\":\"%s\"}", algs[i], algs[i]) > 0);
                id_tokens[i] = jose_sign(&keys[i], header,
                                         "{\"iss\":\"" ISSUER "\",\"aud\":\"ssh-login\","
                                         "\"sub\":\"s1\",\"iat\":" NOW_SEC ",\"exp\":" NOW_SEC
                                         ",\"auth_time\":" NOW_SEC ",\"acr\":\"1\","
                                         "\"nonce\":\"n\"}");
        }
        key_set = jose_jwks(keys, ELEMENTSOF(keys));
        assert(jwks_parse(key_set, strlen(key_set), &jwks) == 0);
}

static void tear_down(void) {
        for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
                jose_key_done(&keys[i]);
                free(id_tokens[i]);
        }
        jwks_free(jwks);
        free(key_set);
}

int main(void) {
        if (!fail_nth_works()) {
                (void)puts("a sanitizer has malloc() itself");
                return 77;
        }
        set_up();
        fail_nth_run("json_read", try_json);
        fail_nth_run("jwks_parse", try_jwks);
        for (n_key = 0; n_key < ELEMENTSOF(keys); n_key++) {
                fail_nth_run("id_token_verify", try_id_token);
                fail_nth_run("id_token_verify, forged", try_forged_id_token);
        }
        fail_nth_run("token_response_parse", try_token_response);
        fail_nth_run("token_response_parse, error", try_token_error);
        fail_nth_run("device_authorization_parse", try_device_authorization);
        fail_nth_run("metadata_parse", try_metadata);
        for (n_key = 0; n_key < ELEMENTSOF(keys); n_key++)
                fail_nth_run("form and client_auth_apply", try_form);
        fail_nth_run("user_map_parse", try_user_map);
        tear_down();
        return 0;
}
