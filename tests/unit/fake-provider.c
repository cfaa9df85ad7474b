/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include "tests/unit/fake-provider.h"

#include <assert.h>
#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "common/clock.h"
#include "common/names.h"
#include "tests/unit/jose.h"

#define ANSWERS_MAX 16

struct HttpClient {
        sd_event *event;
};

struct HttpExchange {
        sd_event_source *source;
        FakeAnswer answer;
        HttpCallback callback;
        void *userdata;
        Secret *body; /* of the answer */
};

static struct {
        FakeAnswer answers[ANSWERS_MAX];
        size_t n_answers, n_used;
        unsigned n_requests;
        char *form;
        char *authorization;
} endpoints[_FAKE_ENDPOINT_MAX];

static const char *const paths[_FAKE_ENDPOINT_MAX] = {
        [FAKE_DISCOVERY] = "/.well-known/openid-configuration",
        [FAKE_JWKS] = "/jwks",
        [FAKE_DEVICE] = "/device",
        [FAKE_TOKEN] = "/token",
        [FAKE_REVOCATION] = "/revoke",
        [FAKE_USERINFO] = "/userinfo",
};

static JoseKey key;
static char *jwks;
static const char *claims_more = "";
static char root[] = "/tmp/oidc-keyring-test.XXXXXX";

/* What it says of itself. */

static FakeAnswer default_answer(FakeEndpoint endpoint) {
        static const char *const bodies[_FAKE_ENDPOINT_MAX] = {
                [FAKE_DISCOVERY] = "{\"issuer\":\"" FAKE_ISSUER "\","
                                   "\"device_authorization_endpoint\":\"" FAKE_ISSUER "/device\","
                                   "\"token_endpoint\":\"" FAKE_ISSUER "/token\","
                                   "\"revocation_endpoint\":\"" FAKE_ISSUER "/revoke\","
                                   "\"userinfo_endpoint\":\"" FAKE_ISSUER "/userinfo\","
                                   "\"jwks_uri\":\"" FAKE_ISSUER "/jwks\"}",
                [FAKE_DEVICE] = "{\"device_code\":\"the-device-code\",\"user_code\":\"WDJB-MJHT\","
                                "\"verification_uri\":\"" FAKE_ISSUER "/go\",\"expires_in\":60,"
                                "\"interval\":5}",
                [FAKE_TOKEN] = "{\"error\":\"authorization_pending\"}",
        };

        return (FakeAnswer){
                .status = endpoint == FAKE_TOKEN ? 400 : 200,
                .body = endpoint == FAKE_JWKS ? jwks : bodies[endpoint],
        };
}

Grant *fake_provider_old_grant(const char *user, const char *refresh_token, uint64_t generation) {
        Grant *grant = calloc(1, sizeof(*grant));

        assert(grant);
        grant->account = strdup("corp");
        grant->issuer = strdup(FAKE_ISSUER);
        assert(asprintf(&grant->subject, "sub-%s", user) > 0);
        grant->user = strdup(user);
        grant->scope = strdup("openid");
        grant->lifetime_usec = 1;
        grant->refresh_at = 75;
        grant->generation = generation;
        assert(secret_new_copy("old", 3, &grant->access_token) == 0);
        if (refresh_token)
                assert(secret_new_copy(refresh_token, strlen(refresh_token),
                                       &grant->refresh_token) == 0);
        return grant;
}

char *fake_provider_id_token(const char *user, int64_t age_sec) {
        int64_t now = (int64_t)(clock_realtime_usec() / USEC_PER_SEC) - age_sec;
        _cleanup_free_ char *claims = NULL;

        assert(asprintf(&claims,
                        "{\"iss\":\"" FAKE_ISSUER "\",\"aud\":\"ssh-login\",\"sub\":\"sub-%s\","
                        "\"preferred_username\":\"%s\",\"iat\":%" PRId64 ",\"exp\":%" PRId64 "%s}",
                        user, user, now, now + 300, claims_more) > 0);
        return jose_sign(&key, "{\"alg\":\"ES256\",\"kid\":\"k\"}", claims);
}

void fake_provider_say(FakeEndpoint endpoint, FakeAnswer answer) {
        FakeAnswer *place =
                &endpoints[endpoint].answers[endpoints[endpoint].n_answers % ANSWERS_MAX];

        assert(endpoints[endpoint].n_answers - endpoints[endpoint].n_used < ANSWERS_MAX);
        free((char *)place->body);
        answer.body = strdup(answer.body ? answer.body : "");
        answer.status = answer.status ? answer.status : 200;
        *place = answer;
        endpoints[endpoint].n_answers++;
}

void fake_provider_grant(const char *user, const char *refresh) {
        _cleanup_free_ char *id_token = fake_provider_id_token(user, 1), *body = NULL;

        assert(asprintf(&body,
                        "{\"access_token\":\"access-of-%s\",\"token_type\":\"Bearer\","
                        "\"expires_in\":300,\"id_token\":\"%s\"%s%s%s}",
                        refresh ? refresh : "nothing", id_token,
                        refresh ? ",\"refresh_token\":\"" : "", refresh ? refresh : "",
                        refresh ? "\"" : "") > 0);
        fake_provider_say(FAKE_TOKEN, (FakeAnswer){.body = body});
}

/* Its life. */

static void write_configuration(const char *more) {
        _cleanup_free_ char *folder = NULL, *path = NULL;
        FILE *file;

        assert(asprintf(&folder, "%s/etc", root) > 0 &&
               asprintf(&path, "%s/oidc-keyring.conf", folder) > 0);
        assert(mkdir(folder, 0700) == 0 || errno == EEXIST);
        file = fopen(path, "we");
        assert(file);
        assert(fprintf(file,
                       "[provider corp]\nissuer = " FAKE_ISSUER "\nclient_id = ssh-login\n%s\n",
                       more ? more : "") > 0);
        assert(fclose(file) == 0);
}

void fake_provider_claims(const char *members) {
        claims_more = members;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        (void)st, (void)type, (void)ftw;
        return remove(path);
}

/* The empty folder that systemd makes for the gateway. */
static void clear_state(void) {
        _cleanup_free_ char *folder = NULL;

        assert(asprintf(&folder, "%s" STATE_FOLDER, root) > 0);
        assert(nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS) == 0 || errno == ENOENT);
        for (char *p = folder + strlen(root); p; p = strchr(p + 1, '/')) {
                char *next = strchr(p + 1, '/');

                if (next)
                        *next = '\0';
                assert(mkdir(folder, 0700) == 0 || errno == EEXIST);
                if (next)
                        *next = '/';
        }
}

static void forget(void) {
        claims_more = "";
        for (size_t i = 0; i < _FAKE_ENDPOINT_MAX; i++) {
                for (size_t n = 0; n < ANSWERS_MAX; n++)
                        free((char *)endpoints[i].answers[n].body);
                free(endpoints[i].form);
                free(endpoints[i].authorization);
                memset(&endpoints[i], 0, sizeof(endpoints[i]));
        }
}

void fake_provider_reset(const char *more) {
        if (!jwks) {
                key = jose_key_new("ES256", "k");
                jwks = jose_jwks(&key, 1);
                assert(mkdtemp(root));
        }
        forget();
        clear_state();
        write_configuration(more);
}

void fake_provider_done(void) {
        forget();
        jose_key_done(&key);
        free(jwks);
        assert(nftw(root, remove_entry, 8, FTW_DEPTH | FTW_PHYS) == 0);
}

const char *fake_provider_root(void) {
        return root;
}

unsigned fake_provider_requests(FakeEndpoint endpoint) {
        return endpoints[endpoint].n_requests;
}

const char *fake_provider_form(FakeEndpoint endpoint) {
        return endpoints[endpoint].form ? endpoints[endpoint].form : "";
}

const char *fake_provider_authorization(FakeEndpoint endpoint) {
        return endpoints[endpoint].authorization ? endpoints[endpoint].authorization : "";
}

static uint64_t monotonic_msec(void) {
        struct timespec now;

        assert(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
        return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void run(sd_event *event, const bool *condition, unsigned msec) {
        uint64_t end = monotonic_msec() + msec;

        while (!*condition && monotonic_msec() < end)
                assert(sd_event_run(event, 1000) >= 0);
}

void fake_provider_run(sd_event *event, const bool *condition) {
        run(event, condition, 8000);
        assert(*condition);
}

void fake_provider_run_for(sd_event *event, unsigned msec) {
        const bool never = false;

        run(event, &never, msec);
}

/* http.h */

int http_client_new(sd_event *event, HttpClient **ret) {
        HttpClient *client = calloc(1, sizeof(*client));

        assert(client);
        client->event = sd_event_ref(event);
        *ret = client;
        return 0;
}

HttpClient *http_client_free(HttpClient *client) {
        if (!client)
                return NULL;
        sd_event_unref(client->event);
        free(client);
        return NULL;
}

static int on_exchange(sd_event_source *source, void *userdata) {
        HttpExchange *exchange = userdata;
        FakeAnswer answer = exchange->answer;
        _cleanup_(secret_freep) Secret *body = TAKE_PTR(exchange->body);
        HttpResponse response;

        (void)source;
        response = (HttpResponse){
                .status = answer.status,
                .body = body,
                .retry_after_usec = answer.retry_after_usec,
                .date_usec = answer.date_usec,
                .is_json = !answer.not_json,
        };
        exchange->callback(answer.error, answer.error == HTTP_OK ? &response : NULL, "faked",
                           exchange->userdata);
        return 0;
}

static FakeEndpoint endpoint_of(const char *url) {
        assert(strncmp(url, FAKE_ISSUER, strlen(FAKE_ISSUER)) == 0);
        for (FakeEndpoint i = 0; i < _FAKE_ENDPOINT_MAX; i++)
                if (streq(url + strlen(FAKE_ISSUER), paths[i]))
                        return i;
        assert(!"a URL that the provider does not have");
        return _FAKE_ENDPOINT_MAX;
}

int http_exchange_start(HttpClient *client, const HttpRequest *request, HttpCallback callback,
                        void *userdata, HttpExchange **ret) {
        FakeEndpoint endpoint = endpoint_of(request->url);
        HttpExchange *exchange = calloc(1, sizeof(*exchange));

        assert(exchange);
        *exchange = (HttpExchange){.callback = callback, .userdata = userdata};
        exchange->answer =
                endpoints[endpoint].n_used < endpoints[endpoint].n_answers
                        ? endpoints[endpoint].answers[endpoints[endpoint].n_used++ % ANSWERS_MAX]
                        : default_answer(endpoint);
        if (!exchange->answer.body)
                exchange->answer.body = "";
        endpoints[endpoint].n_requests++;
        free(endpoints[endpoint].form);
        endpoints[endpoint].form = request->form ? strdup(secret_bytes(request->form)) : NULL;
        free(endpoints[endpoint].authorization);
        endpoints[endpoint].authorization =
                request->authorization ? strdup(secret_bytes(request->authorization)) : NULL;
        assert(secret_new_copy(exchange->answer.body, strlen(exchange->answer.body),
                               &exchange->body) == 0);
        assert(sd_event_add_defer(client->event, &exchange->source, on_exchange, exchange) >= 0);
        *ret = exchange;
        return 0;
}

HttpExchange *http_exchange_free(HttpExchange *exchange) {
        if (!exchange)
                return NULL;
        sd_event_source_disable_unref(exchange->source);
        secret_free(exchange->body);
        free(exchange);
        return NULL;
}

uint64_t http_client_connections(const HttpClient *client) {
        (void)client;
        return 0;
}
