/* SPDX-License-Identifier: MIT */
#include "gateway/refresh.h"

#include <assert.h>
#include <errno.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <sys/queue.h>
#include <time.h>

#include "common/clock.h"
#include "common/log.h"
#include "gateway/pace.h"
#include "gateway/result-text.h"
#include "gateway/token-response.h"
#include "gateway/verification.h"

#define TIMER_ACCURACY_USEC UINT64_C(100000)
#define AMBIGUOUS_MEMORY_USEC (3600 * USEC_PER_SEC)
#define PARKED_MEMORY_USEC (3600 * USEC_PER_SEC)

typedef struct Refresh Refresh;

typedef enum RefreshState {
        REFRESH_RUNNING,
        REFRESH_DONE,      /* `grant` is the answer, until the timer */
        REFRESH_AMBIGUOUS, /* only n_ambiguous is remembered, until the timer */
        REFRESH_PARKED,    /* `tokens` are here, but the keys to verify them cannot be had */
} RefreshState;

typedef struct RefreshCaller {
        RefreshDone done;
        void *userdata;
} RefreshCaller;

/* Whose token it is: the same token of another user is another matter. The generation tells apart
 * who has not got the answer yet from who has it and wants the next, at a provider that does not
 * rotate: there the token is the same. */
typedef struct RefreshKey {
        uid_t uid;
        uint64_t generation;
        unsigned char digest[SHA256_DIGEST_LENGTH];
} RefreshKey;

struct Refresh {
        TAILQ_ENTRY(Refresh) link;
        Refreshes *all;
        RefreshKey key;
        RefreshState state;
        Provider *provider;
        Grant *grant; /* what is renewed, then what came of it */
        RefreshCaller callers[REFRESH_CALLERS_MAX];
        size_t n_callers;
        sd_event_source *timer;
        ProviderWait *wait;
        ProviderRequest *request;
        Verification *verification;
        TokenResponse *tokens;  /* that nobody was given */
        uint64_t provider_usec; /* CLOCK_REALTIME there when it gave them, 0: not known */
        uint64_t sent_usec;
        bool sent_twice;
        unsigned n_ambiguous;
};

struct Refreshes {
        sd_event *event;
        Revocations *revocations;
        Pace *pace;
        bool stopping;
        size_t n_refreshes;
        TAILQ_HEAD(, Refresh) refreshes; /* oldest first */
};

/* Life-cycle. */

int refreshes_new(sd_event *event, Revocations *revocations, Refreshes **ret) {
        _cleanup_(refreshes_freep) Refreshes *refreshes = calloc(1, sizeof(*refreshes));
        int r;

        if (!refreshes)
                return -ENOMEM;
        TAILQ_INIT(&refreshes->refreshes);
        r = pace_new(REFRESH_BURST, REFRESH_PERIOD_USEC, &refreshes->pace);
        if (r < 0)
                return r;
        refreshes->event = sd_event_ref(event);
        refreshes->revocations = revocations;
        *ret = TAKE_PTR(refreshes);
        return 0;
}

static void refresh_stop(Refresh *refresh) {
        refresh->wait = provider_wait_free(refresh->wait);
        refresh->request = provider_request_free(refresh->request);
        refresh->verification = verification_free(refresh->verification);
}

/* What the provider gave and nobody got, unless somebody lives on it: a provider that does not
 * rotate gives back the token that was sent, and one that is told late may take both for one. */
static void refresh_discard(const Refresh *refresh) {
        const TokenResponse *tokens = refresh->tokens;
        const Secret *sent = refresh->grant ? refresh->grant->refresh_token : NULL;

        if (!tokens || !tokens->refresh_token)
                return;
        if (refresh->all->stopping && refresh->state == REFRESH_PARKED)
                return; /* the next gateway is asked with the token before it, which may work */
        if (sent && secret_equal(tokens->refresh_token, sent))
                return;
        revocation_discard(refresh->all->revocations, refresh->provider, tokens->refresh_token,
                           tokens->access_token);
}

static Refresh *refresh_free(Refresh *refresh) {
        if (!refresh)
                return NULL;
        TAILQ_REMOVE(&refresh->all->refreshes, refresh, link);
        refresh->all->n_refreshes--;
        refresh_stop(refresh);
        refresh_discard(refresh);
        token_response_free(refresh->tokens);
        sd_event_source_disable_unref(refresh->timer);
        grant_free(refresh->grant);
        provider_unref(refresh->provider);
        free(refresh);
        return NULL;
}

/* Everybody who asked; nobody is told twice. */
static void refresh_tell(Refresh *refresh, int result, const Grant *grant) {
        size_t n = refresh->n_callers;

        refresh->n_callers = 0;
        for (size_t i = 0; i < n; i++)
                refresh->callers[i].done(result, grant, refresh->callers[i].userdata);
}

Refreshes *refreshes_free(Refreshes *refreshes) {
        if (!refreshes)
                return NULL;
        while (!TAILQ_EMPTY(&refreshes->refreshes)) {
                Refresh *refresh = TAILQ_FIRST(&refreshes->refreshes);

                refresh_tell(refresh, OUTCOME_CANCELLED, NULL);
                refresh_free(refresh);
        }
        pace_free(refreshes->pace);
        sd_event_unref(refreshes->event);
        free(refreshes);
        return NULL;
}

void refreshes_stop(Refreshes *refreshes) {
        Refresh *refresh, *next;

        refreshes->stopping = true;
        for (refresh = TAILQ_FIRST(&refreshes->refreshes); refresh; refresh = next) {
                next = TAILQ_NEXT(refresh, link);
                if (refresh->state != REFRESH_RUNNING)
                        refresh_free(refresh);
        }
}

bool refreshes_are_idle(const Refreshes *refreshes) {
        const Refresh *refresh;

        TAILQ_FOREACH(refresh, &refreshes->refreshes, link) {
                if (refresh->state != REFRESH_AMBIGUOUS)
                        return false;
        }
        return true;
}

/* What is remembered. */

static void refresh_key(uid_t uid, const Grant *grant, RefreshKey *ret) {
        const Secret *token = grant->refresh_token;

        ret->uid = uid;
        ret->generation = grant->generation;
        (void)SHA256((const unsigned char *)secret_bytes(token), secret_size(token), ret->digest);
}

static bool refresh_key_equal(const RefreshKey *a, const RefreshKey *b) {
        return a->uid == b->uid && a->generation == b->generation &&
               memcmp(a->digest, b->digest, sizeof(a->digest)) == 0;
}

static Refresh *refreshes_find(Refreshes *refreshes, const RefreshKey *key) {
        Refresh *refresh;

        TAILQ_FOREACH(refresh, &refreshes->refreshes, link) {
                if (refresh_key_equal(&refresh->key, key))
                        return refresh;
        }
        return NULL;
}

/* Makes room for one more of @uid: what is only remembered goes first, the oldest of it. */
static bool refreshes_make_room(Refreshes *refreshes, uid_t uid) {
        Refresh *refresh, *oldest = NULL, *oldest_of_uid = NULL;
        size_t n_of_uid = 0;

        TAILQ_FOREACH(refresh, &refreshes->refreshes, link) {
                bool remembered =
                        refresh->state == REFRESH_DONE || refresh->state == REFRESH_AMBIGUOUS;

                if (remembered && !oldest)
                        oldest = refresh;
                if (refresh->key.uid != uid)
                        continue;
                n_of_uid++;
                if (remembered && !oldest_of_uid)
                        oldest_of_uid = refresh;
        }
        if (n_of_uid >= REFRESHES_PER_UID_MAX) {
                if (!oldest_of_uid)
                        return false;
                refresh_free(oldest_of_uid);
                return true;
        }
        if (refreshes->n_refreshes < REFRESHES_MAX)
                return true;
        if (!oldest)
                return false;
        refresh_free(oldest);
        return true;
}

static int on_forget(sd_event_source *source, uint64_t usec, void *userdata) {
        (void)source;
        (void)usec;
        refresh_free(userdata);
        return 0;
}

/* Frees the refresh if it is not to be remembered. */
static void refresh_remember(Refresh *refresh, RefreshState state, uint64_t usec) {
        refresh->state = state;
        refresh_stop(refresh);
        if (usec == 0 || refresh->all->stopping ||
            sd_event_add_time_relative(refresh->all->event, &refresh->timer, CLOCK_BOOTTIME, usec,
                                       TIMER_ACCURACY_USEC, on_forget, refresh) < 0)
                refresh_free(refresh);
}

/* The end of a request. Each of these is the last thing its caller does. */

static void refresh_log(const Refresh *refresh, int result, const char *detail) {
        const Grant *grant = refresh->grant;

        log_line(result == 0 ? 6 : 5,
                 "Refresh for %s (uid %u) through %s: %s%s%s; issuer %s subject %s", grant->user,
                 (unsigned)refresh->key.uid, grant->account, result_text(result),
                 detail && *detail ? ", " : "", detail ? detail : "", grant->issuer,
                 grant->subject);
}

static void refresh_fail(Refresh *refresh, int result, const char *detail) {
        refresh_log(refresh, result, detail);
        refresh_tell(refresh, result, NULL);
        refresh_free(refresh);
}

/* Some providers say in such words that the grant is over, others that something is odd for the
 * moment. Only a series of them counts as the former; the pace is that of whoever asks. */
static void refresh_ambiguous(Refresh *refresh, const char *code) {
        if (++refresh->n_ambiguous >= REFRESH_AMBIGUOUS_MAX) {
                refresh_fail(refresh, OUTCOME_LOGIN_REQUIRED, code);
                return;
        }
        refresh_log(refresh, OUTCOME_PROVIDER_ANSWER, code);
        refresh_tell(refresh, OUTCOME_PROVIDER_ANSWER, NULL);
        refresh_remember(refresh, REFRESH_AMBIGUOUS, AMBIGUOUS_MEMORY_USEC);
}

static void refresh_take_tokens(Refresh *refresh) {
        const ProviderConfig *config = provider_config(refresh->provider);
        TokenResponse *tokens = refresh->tokens;
        Grant *grant = refresh->grant;

        grant->expires_usec = refresh->sent_usec + tokens->lifetime_usec;
        grant->lifetime_usec = tokens->lifetime_usec;
        grant->refresh_at = config->refresh_at;
        grant->keep_on_logout = config->keep_on_logout;
        grant->generation++;
        secret_free(grant->access_token);
        grant->access_token = TAKE_PTR(tokens->access_token);
        if (tokens->refresh_token) {
                secret_free(grant->refresh_token);
                grant->refresh_token = TAKE_PTR(tokens->refresh_token);
        }
        if (tokens->scope) {
                free(grant->scope);
                grant->scope = TAKE_PTR(tokens->scope);
        }
        refresh->tokens = token_response_free(refresh->tokens);
}

static void refresh_succeed(Refresh *refresh) {
        uint64_t grace_usec = provider_config(refresh->provider)->rotation_grace_sec * USEC_PER_SEC;

        refresh_take_tokens(refresh);
        refresh_log(refresh, 0, NULL);
        refresh_tell(refresh, 0, refresh->grant);
        refresh_remember(refresh, REFRESH_DONE, grace_usec);
}

/* The token is rotated already, and nothing is wrong with the answer that we could tell: network
 * trouble must not cost a login. Whoever asks again has it verified again. */
static void refresh_park(Refresh *refresh, int result, const char *detail) {
        refresh_log(refresh, result, detail);
        refresh_tell(refresh, result == OUTCOME_ID_TOKEN_INVALID ? OUTCOME_PROVIDER_BUSY : result,
                     NULL);
        refresh_remember(refresh, REFRESH_PARKED, PARKED_MEMORY_USEC);
}

/* OpenID Connect Core 12.2: another subject in the answer is no mistake that could be passed over.
 * What is refused is revoked, see refresh_free(). */
static void on_verified(int result, IdToken *verified, const char *detail, void *userdata) {
        _cleanup_(id_token_freep) IdToken *id_token = verified;
        Refresh *refresh = userdata;

        if (result != 0 && verification_may_be_tried_again(refresh->verification))
                refresh_park(refresh, result, detail);
        else if (result != 0)
                refresh_fail(refresh, result, detail);
        else if (!streq(id_token_subject(id_token), refresh->grant->subject))
                refresh_fail(refresh, OUTCOME_USER_MISMATCH, "the ID token is of another");
        else
                refresh_succeed(refresh);
}

/* The times in the ID token are held against the provider's own clock where its answer has it: a
 * host whose clock is wrong after it slept must not lose a token that was rotated just now, and who
 * is meant is told by signature, issuer, audience and subject. */
static void refresh_verify(Refresh *refresh) {
        const VerificationRequest request = {
                .token = refresh->tokens->id_token,
                .now_usec =
                        refresh->provider_usec > 0 ? refresh->provider_usec : clock_realtime_usec(),
                .renewal = true,
        };
        int r;

        if (!refresh->tokens->id_token) {
                refresh_succeed(refresh);
                return;
        }
        r = verification_start(refresh->provider, &request, on_verified, refresh,
                               &refresh->verification);
        if (r < 0)
                refresh_fail(refresh, r, NULL);
}

/* The request. */

typedef enum RefreshAction {
        REFRESH_FAIL,
        REFRESH_TRY_SERIES, /* refresh_ambiguous() */
        REFRESH_RETRY_ONCE, /* it may have been executed: at once, see below */
} RefreshAction;

static const struct {
        RefreshAction action;
        Outcome outcome;
} error_actions[] = {
        [TOKEN_E_PENDING] = {REFRESH_FAIL, OUTCOME_PROVIDER_BUSY},
        [TOKEN_E_SLOW_DOWN] = {REFRESH_FAIL, OUTCOME_PROVIDER_BUSY},
        [TOKEN_E_DENIED] = {REFRESH_FAIL, OUTCOME_LOGIN_REQUIRED},
        [TOKEN_E_EXPIRED] = {REFRESH_FAIL, OUTCOME_LOGIN_REQUIRED},
        [TOKEN_E_GRANT_OVER] = {REFRESH_FAIL, OUTCOME_LOGIN_REQUIRED},
        [TOKEN_E_CONFIGURATION] = {REFRESH_FAIL, OUTCOME_CLIENT_REFUSED},
        [TOKEN_E_AMBIGUOUS] = {REFRESH_TRY_SERIES, OUTCOME_PROVIDER_ANSWER},
        [TOKEN_E_TRANSIENT] = {REFRESH_FAIL, OUTCOME_PROVIDER_BUSY},
        [TOKEN_E_MALFORMED] = {REFRESH_RETRY_ONCE, OUTCOME_PROVIDER_ANSWER},
        [TOKEN_E_TOKEN_TYPE] = {REFRESH_FAIL, OUTCOME_PROVIDER_ANSWER},
};

static int refresh_send(Refresh *refresh);

/* The provider may have rotated the token and its answer is lost. Those that have a grace window
 * accept the old token for a few seconds more, so now is the best time to ask again. */
static void refresh_retry_once(Refresh *refresh, Outcome outcome, const char *detail) {
        int r = (int)outcome;

        if (!refresh->sent_twice) {
                refresh->sent_twice = true;
                log_debug("Refresh for %s: the answer was lost, asking once more",
                          refresh->grant->user);
                r = refresh_send(refresh);
                if (r == 0)
                        return;
        }
        refresh_fail(refresh, r, detail);
}

static void refresh_error(Refresh *refresh, TokenError error, const char *code) {
        Outcome outcome = error == TOKEN_E_CONFIGURATION ? provider_refusal(refresh->provider)
                                                         : error_actions[error].outcome;

        switch (error_actions[error].action) {
        case REFRESH_TRY_SERIES:
                refresh_ambiguous(refresh, code);
                return;
        case REFRESH_RETRY_ONCE:
                refresh_retry_once(refresh, outcome, code);
                return;
        default:
                refresh_fail(refresh, (int)outcome, code);
        }
}

static void on_answer(HttpError error, const HttpResponse *response, const char *detail,
                      void *userdata) {
        _cleanup_free_ char *code = NULL;
        Refresh *refresh = userdata;
        int r;

        refresh->request = provider_request_free(refresh->request);
        if (error == HTTP_E_LOST || error == HTTP_E_LIMIT) {
                refresh_retry_once(refresh, provider_http_outcome(error), detail);
                return;
        }
        if (error != HTTP_OK) {
                refresh_fail(refresh, (int)provider_http_outcome(error), detail);
                return;
        }
        r = token_response_parse(response, &refresh->tokens, &code);
        if (r > 0)
                refresh_error(refresh, (TokenError)r, code);
        else if (r < 0)
                refresh_fail(refresh, r, NULL);
        else {
                refresh->provider_usec = response->date_usec;
                refresh_verify(refresh);
        }
}

static int refresh_send(Refresh *refresh) {
        const ProviderConfig *config = provider_config(refresh->provider);
        _cleanup_(form_freep) Form *form = NULL;
        int r;

        r = form_new(&form);
        if (r < 0)
                return r;
        /* RFC 6749 6: no scope is the scope as granted; several providers refuse to be told. */
        r = form_add(form, "grant_type", "refresh_token");
        if (r >= 0)
                r = form_add_secret(form, "refresh_token", refresh->grant->refresh_token);
        if (r >= 0)
                r = form_add(form, "resource", config->resource);
        if (r < 0)
                return r;
        refresh->sent_usec = clock_boottime_usec();
        return provider_post(refresh->provider, PROVIDER_TOKEN, form, 0, on_answer, refresh,
                             &refresh->request);
}

/* Metadata, then keys, then the request: once the token is rotated nothing that may fail is left to
 * be fetched. */
static void refresh_advance(Refresh *refresh);

static void on_ready(int result, void *userdata) {
        Refresh *refresh = userdata;

        refresh->wait = provider_wait_free(refresh->wait);
        if (result != 0)
                refresh_fail(refresh, result, provider_problem(refresh->provider));
        else
                refresh_advance(refresh);
}

static void refresh_advance(Refresh *refresh) {
        Provider *provider = refresh->provider;
        int r;

        if (!provider_metadata(provider))
                r = provider_fetch_metadata(provider, on_ready, refresh, &refresh->wait);
        else if (!provider_keys(provider))
                r = provider_fetch_keys(provider, on_ready, refresh, &refresh->wait);
        else
                r = refresh_send(refresh);
        if (r < 0)
                refresh_fail(refresh, r, NULL);
}

/* Whoever asks. */

static int refresh_new(Refreshes *refreshes, const RefreshKey *key, Provider *provider,
                       Grant **grant, Refresh **ret) {
        Refresh *refresh;

        if (!refreshes_make_room(refreshes, key->uid))
                return OUTCOME_PROVIDER_BUSY;
        refresh = calloc(1, sizeof(*refresh));
        if (!refresh)
                return -ENOMEM;
        refresh->key = *key;
        refresh->provider = provider_ref(provider);
        refresh->grant = TAKE_PTR(*grant);
        refresh->all = refreshes;
        refreshes->n_refreshes++;
        TAILQ_INSERT_TAIL(&refreshes->refreshes, refresh, link);
        *ret = refresh;
        return 0;
}

/* 0: the caller is answered or will be. */
static int refresh_join(Refresh *refresh, RefreshDone done, void *userdata) {
        if (refresh->state == REFRESH_DONE) {
                done(0, refresh->grant, userdata);
                return 0;
        }
        if (refresh->n_callers >= REFRESH_CALLERS_MAX)
                return OUTCOME_PROVIDER_BUSY;
        refresh->callers[refresh->n_callers++] = (RefreshCaller){done, userdata};
        return 0;
}

static int refresh_unpark(Refresh *refresh, RefreshDone done, void *userdata) {
        refresh->state = REFRESH_RUNNING;
        refresh->timer = sd_event_source_disable_unref(refresh->timer);
        (void)refresh_join(refresh, done, userdata); /* everybody before was told */
        refresh_verify(refresh);
        return 0;
}

static int refresh_begin(Refreshes *refreshes, Provider *provider, const RefreshKey *key,
                         Grant **grant, RefreshDone done, void *userdata) {
        Refresh *refresh = refreshes_find(refreshes, key);
        unsigned n_ambiguous = 0;
        int r;

        if (refresh && refresh->state == REFRESH_PARKED)
                return refresh_unpark(refresh, done, userdata);
        if (refresh && refresh->state != REFRESH_AMBIGUOUS)
                return refresh_join(refresh, done, userdata);
        if (refreshes->stopping)
                return OUTCOME_PROVIDER_BUSY;
        r = provider_usable(provider, PROVIDER_TOKEN);
        if (r != 0)
                return r;
        if (!pace_take_uid(refreshes->pace, key->uid, clock_boottime_usec()))
                return OUTCOME_PROVIDER_BUSY;
        if (refresh) {
                n_ambiguous = refresh->n_ambiguous;
                refresh_free(refresh);
        }
        r = refresh_new(refreshes, key, provider, grant, &refresh);
        if (r != 0)
                return r;
        refresh->n_ambiguous = n_ambiguous;
        (void)refresh_join(refresh, done, userdata); /* there is room for the first */
        refresh_advance(refresh);
        return 0;
}

void refresh_start(Refreshes *refreshes, Provider *provider, uid_t uid, Grant *grant,
                   RefreshDone done, void *userdata) {
        _cleanup_(grant_freep) Grant *owned = grant;
        RefreshKey key;
        int r;

        if (!grant->refresh_token) {
                done(OUTCOME_NO_REFRESH_TOKEN, NULL, userdata);
                return;
        }
        refresh_key(uid, grant, &key);
        r = refresh_begin(refreshes, provider, &key, &owned, done, userdata);
        if (r != 0)
                done(r, NULL, userdata);
}

static bool refresh_was_asked_with(const Refresh *refresh, const RefreshKey *key) {
        return memcmp(refresh->key.digest, key->digest, sizeof(key->digest)) == 0;
}

static bool refresh_brought(const Refresh *refresh, const RefreshKey *key) {
        RefreshKey brought;

        refresh_key(key->uid, refresh->grant, &brought);
        return memcmp(brought.digest, key->digest, sizeof(key->digest)) == 0;
}

static Refresh *refreshes_find_ended(Refreshes *refreshes, const RefreshKey *key,
                                     bool (*is_it)(const Refresh *, const RefreshKey *)) {
        Refresh *refresh;

        TAILQ_FOREACH(refresh, &refreshes->refreshes, link) {
                if (refresh->state != REFRESH_RUNNING && refresh->key.uid == key->uid &&
                    is_it(refresh, key))
                        return refresh;
        }
        return NULL;
}

/* Back along the line of answers: each brought the token that the next was asked with. */
void refreshes_forget(Refreshes *refreshes, uid_t uid, const Grant *grant) {
        Refresh *refresh;
        RefreshKey key;

        if (!grant->refresh_token)
                return;
        refresh_key(uid, grant, &key);
        do {
                while ((refresh = refreshes_find_ended(refreshes, &key, refresh_was_asked_with)))
                        refresh_free(refresh);
                refresh = refreshes_find_ended(refreshes, &key, refresh_brought);
                if (refresh)
                        memcpy(key.digest, refresh->key.digest, sizeof(key.digest));
        } while (refresh);
}
