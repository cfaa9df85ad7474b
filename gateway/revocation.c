/* SPDX-License-Identifier: MIT */
#include "gateway/revocation.h"

#include <errno.h>
#include <sys/queue.h>
#include <time.h>

#include "common/log.h"
#include "gateway/provider-request.h"
#include "gateway/result-text.h"
#include "gateway/token-response.h"

#define TIMER_ACCURACY_USEC UINT64_C(100000)

typedef struct Revocation Revocation;

struct Revocations {
        sd_event *event;
        size_t n_running;
        LIST_HEAD(, Revocation) running;
};

struct Revocation {
        LIST_ENTRY(Revocation) link;
        Revocations *all;
        Provider *provider;
        Secret *token;
        const char *hint; /* RFC 7009 2.1 token_type_hint */
        sd_event_source *deadline;
        ProviderWait *wait;
        ProviderRequest *request;
        RevocationDone done;
        void *userdata;
};

int revocations_new(sd_event *event, Revocations **ret) {
        Revocations *revocations = calloc(1, sizeof(*revocations));

        if (!revocations)
                return -ENOMEM;
        revocations->event = sd_event_ref(event);
        LIST_INIT(&revocations->running);
        *ret = revocations;
        return 0;
}

static Revocation *revocation_free(Revocation *revocation) {
        if (!revocation)
                return NULL;
        if (revocation->all) {
                LIST_REMOVE(revocation, link);
                revocation->all->n_running--;
        }
        provider_request_free(revocation->request);
        provider_wait_free(revocation->wait);
        sd_event_source_disable_unref(revocation->deadline);
        secret_free(revocation->token);
        provider_unref(revocation->provider);
        free(revocation);
        return NULL;
}
DEFINE_CLEANUP(Revocation, revocation_free);

static void revocation_end(Revocation *revocation, int result) {
        RevocationDone done = revocation->done;
        void *userdata = revocation->userdata;

        if (result != 0)
                log_warning("Provider %s: a grant could not be revoked there: %s",
                            provider_config(revocation->provider)->name, result_text(result));
        revocation_free(revocation);
        if (done)
                done(result, userdata);
}

Revocations *revocations_free(Revocations *revocations) {
        if (!revocations)
                return NULL;
        while (!LIST_EMPTY(&revocations->running))
                revocation_end(LIST_FIRST(&revocations->running), OUTCOME_CANCELLED);
        sd_event_unref(revocations->event);
        free(revocations);
        return NULL;
}

bool revocations_are_idle(const Revocations *revocations) {
        return revocations->n_running == 0;
}

/* RFC 7009 2.2: 200 also for a token that is not valid (any more). Some providers answer an unknown
 * token with an error; what is over needs no revocation either. */
static int answer_outcome(const HttpResponse *response) {
        TokenResponse *tokens = NULL;
        int r;

        if (response->status >= 200 && response->status < 300)
                return 0;
        r = token_response_parse(response, &tokens, NULL);
        token_response_free(tokens);
        if (r < 0)
                return r;
        if (r == TOKEN_E_GRANT_OVER)
                return 0;
        if (r == TOKEN_E_TRANSIENT || r == TOKEN_E_SLOW_DOWN)
                return OUTCOME_PROVIDER_BUSY;
        return r == TOKEN_E_CONFIGURATION || r == TOKEN_E_AMBIGUOUS ? OUTCOME_CLIENT_REFUSED
                                                                    : OUTCOME_PROVIDER_ANSWER;
}

static void on_answer(HttpError error, const HttpResponse *response, const char *detail,
                      void *userdata) {
        (void)detail;
        revocation_end(userdata, error == HTTP_OK ? answer_outcome(response)
                                                  : (int)provider_http_outcome(error));
}

static int revocation_send(Revocation *revocation) {
        _cleanup_(form_freep) Form *form = NULL;
        int r;

        r = form_new(&form);
        if (r < 0)
                return r;
        r = form_add_secret(form, "token", revocation->token);
        if (r < 0)
                return r;
        r = form_add(form, "token_type_hint", revocation->hint);
        if (r < 0)
                return r;
        return provider_post(revocation->provider, PROVIDER_REVOCATION, form,
                             REVOCATION_TIMEOUT_USEC, on_answer, revocation, &revocation->request);
}

/* A provider without the endpoint has nothing that could be revoked. */
static void revocation_advance(Revocation *revocation, int result) {
        if (result == 0)
                result = revocation_send(revocation);
        if (result == -EOPNOTSUPP)
                revocation_end(revocation, 0);
        else if (result != 0)
                revocation_end(revocation, result);
}

static void on_metadata(int result, void *userdata) {
        Revocation *revocation = userdata;

        revocation->wait = provider_wait_free(revocation->wait);
        revocation_advance(revocation, result);
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata) {
        (void)source;
        (void)usec;
        revocation_end(userdata, OUTCOME_PROVIDER_UNREACHABLE);
        return 0;
}

static int revocation_new(Revocations *revocations, Provider *provider, const Secret *token,
                          const char *hint, Revocation **ret) {
        _cleanup_(revocation_freep) Revocation *revocation = NULL;
        int r;

        if (revocations->n_running >= REVOCATIONS_MAX)
                return -EBUSY;
        revocation = calloc(1, sizeof(*revocation));
        if (!revocation)
                return -ENOMEM;
        revocation->provider = provider_ref(provider);
        revocation->hint = hint;
        r = secret_new_copy(secret_bytes(token), secret_size(token), &revocation->token);
        if (r < 0)
                return r;
        r = sd_event_add_time_relative(revocations->event, &revocation->deadline, CLOCK_BOOTTIME,
                                       REVOCATION_TIMEOUT_USEC, TIMER_ACCURACY_USEC, on_deadline,
                                       revocation);
        if (r < 0)
                return r;

        revocation->all = revocations;
        revocations->n_running++;
        LIST_INSERT_HEAD(&revocations->running, revocation, link);
        *ret = TAKE_PTR(revocation);
        return 0;
}

void revocation_start(Revocations *revocations, Provider *provider, const Secret *refresh_token,
                      const Secret *access_token, RevocationDone done, void *userdata) {
        const Secret *token = refresh_token ? refresh_token : access_token;
        Revocation *revocation = NULL;
        int r = 0;

        if (token && provider_config(provider)->revoke != REVOKE_NEVER)
                r = revocation_new(revocations, provider, token,
                                   refresh_token ? "refresh_token" : "access_token", &revocation);
        if (!revocation) {
                if (r < 0)
                        log_warning_errno(r, "A grant is not revoked at the provider");
                if (done)
                        done(r, userdata);
                return;
        }
        revocation->done = done;
        revocation->userdata = userdata;
        if (provider_metadata(provider)) {
                revocation_advance(revocation, 0);
                return;
        }
        r = provider_fetch_metadata(provider, on_metadata, revocation, &revocation->wait);
        if (r < 0)
                revocation_end(revocation, r);
}

void revocation_discard(Revocations *revocations, Provider *provider, const Secret *refresh_token,
                        const Secret *access_token) {
        if (provider_config(provider)->revoke == REVOKE_ALWAYS)
                revocation_start(revocations, provider, refresh_token, access_token, NULL, NULL);
}
