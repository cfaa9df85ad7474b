/* SPDX-License-Identifier: MIT */
#include "gateway/refresh.h"

#include <errno.h>

#include "common/clock.h"
#include "common/log.h"
#include "gateway/provider-request.h"
#include "gateway/token-grant.h"
#include "gateway/token-response.h"
#include "gateway/verification.h"

struct Refresh {
        Provider *provider;
        Revocations *revocations;
        RefreshKey key;
        Grant *grant; /* what is renewed, then what came of it */
        RefreshOver over;
        void *userdata;
        ProviderWait *wait;
        ProviderRequest *request;
        Verification *verification;
        TokenResponse *tokens;  /* that nobody was given */
        uint64_t provider_usec; /* CLOCK_REALTIME there when it gave them, 0: not known */
        uint64_t answered_usec; /* CLOCK_BOOTTIME here then */
        uint64_t first_sent_usec;
        uint64_t sent_usec;
        bool sent_twice;
        bool lost;
        bool in_journal;
        bool spared;
};

/* Life-cycle. */

int refresh_new(Provider *provider, Revocations *revocations, const RefreshKey *key, Grant *grant,
                RefreshOver over, void *userdata, Refresh **ret) {
        Refresh *refresh = calloc(1, sizeof(*refresh));

        if (!refresh) {
                grant_free(grant);
                return -ENOMEM;
        }
        refresh->provider = provider_ref(provider);
        refresh->revocations = revocations;
        refresh->key = *key;
        refresh->grant = grant;
        refresh->over = over;
        refresh->userdata = userdata;
        *ret = refresh;
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

        if (!tokens || !tokens->refresh_token || refresh->spared)
                return;
        if (sent && secret_equal(tokens->refresh_token, sent))
                return;
        revocation_discard(refresh->revocations, refresh->provider, tokens->refresh_token,
                           tokens->access_token);
}

Refresh *refresh_free(Refresh *refresh) {
        if (!refresh)
                return NULL;
        /* Of one that is cancelled under way, or of tokens left to chance, a successor should
         * know. */
        if (refresh->in_journal && !refresh->request && !refresh->spared)
                refresh_journal_forget_sent(&refresh->key);
        refresh_stop(refresh);
        refresh_discard(refresh);
        token_response_free(refresh->tokens);
        grant_free(refresh->grant);
        provider_unref(refresh->provider);
        free(refresh);
        return NULL;
}

void refresh_was_sent(Refresh *refresh, uint64_t sent_usec) {
        refresh->first_sent_usec = sent_usec;
        refresh->in_journal = true;
        refresh->lost = true;
}

uint64_t refresh_lost_since(const Refresh *refresh) {
        return refresh->lost ? refresh->first_sent_usec : 0;
}

void refresh_spare(Refresh *refresh) {
        refresh->spared = true;
}

const ProviderConfig *refresh_provider_config(const Refresh *refresh) {
        return provider_config(refresh->provider);
}

Grant *refresh_take_grant(Refresh *refresh) {
        return TAKE_PTR(refresh->grant);
}

const Grant *refresh_grant(const Refresh *refresh) {
        return refresh->grant;
}

/* The end of a run. Each of these is the last thing its caller does. */

static void refresh_end(Refresh *refresh, RefreshEnd end, int result, const char *detail) {
        refresh_stop(refresh);
        refresh->over(refresh, end, result, detail, refresh->userdata);
}

static void refresh_fail(Refresh *refresh, int result, const char *detail) {
        refresh_end(refresh, REFRESH_FAILED, result, detail);
}

static void refresh_succeed(Refresh *refresh) {
        token_grant_renew(refresh->grant, provider_config(refresh->provider), refresh->tokens,
                          refresh->sent_usec);
        refresh->tokens = token_response_free(refresh->tokens);
        refresh_end(refresh, REFRESH_RENEWED, 0, NULL);
}

/* Whether it may still become a good one: the keys may be had later, and a clock be set. */
static bool refresh_may_be_verified_later(const Refresh *refresh, int result) {
        return result == OUTCOME_CLOCK_WRONG ||
               verification_may_be_tried_again(refresh->verification);
}

/* OpenID Connect Core 12.2: another subject in the answer is no mistake that could be passed over.
 * What is refused is revoked, see refresh_free(). */
static void on_verified(int result, IdToken *verified, const char *detail, void *userdata) {
        _cleanup_(id_token_freep) IdToken *id_token = verified;
        Refresh *refresh = userdata;

        if (result != 0 && refresh_may_be_verified_later(refresh, result))
                refresh_end(refresh, REFRESH_UNVERIFIED, result, detail);
        else if (result != 0)
                refresh_fail(refresh, result, detail);
        else if (!streq(id_token_subject(id_token), refresh->grant->subject))
                refresh_fail(refresh, OUTCOME_USER_MISMATCH, "the ID token is of another");
        else
                refresh_succeed(refresh);
}

/* The times in the ID token are held against the provider's own clock where its answer has it: a
 * host whose clock is wrong after it slept must not lose a token that was rotated just now, and who
 * is meant is told by signature, issuer, audience and subject. Else against what this host's clock,
 * as it is set by now, would have shown when the answer came. */
static uint64_t refresh_answer_realtime(const Refresh *refresh) {
        if (refresh->provider_usec > 0)
                return refresh->provider_usec;
        return clock_realtime_usec() - (clock_boottime_usec() - refresh->answered_usec);
}

void refresh_verify_again(Refresh *refresh) {
        const VerificationRequest request = {
                .token = refresh->tokens->id_token,
                .now_usec = refresh_answer_realtime(refresh),
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
                refresh_end(refresh, REFRESH_UNVERIFIED, r, NULL);
}

/* The request. */

typedef enum RefreshAction {
        REFRESH_FAIL,
        REFRESH_TRY_SERIES, /* REFRESH_UNCLEAR */
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
        [TOKEN_E_TOKEN_TYPE] = {REFRESH_RETRY_ONCE, OUTCOME_PROVIDER_ANSWER},
};

static int refresh_send(Refresh *refresh);

/* The provider may have rotated the token, and its answer is lost. Those that have a grace accept
 * the old token for some seconds more, so now is the best time to ask again. After the grace it
 * counts as stolen when it is seen again, which ends the login and often the access token too: the
 * daemon lives on that first, and asks again when it ends. */
static void refresh_lost(Refresh *refresh, const char *detail) {
        uint64_t grace_usec = provider_config(refresh->provider)->rotation_grace_sec * USEC_PER_SEC;
        int r = OUTCOME_ANSWER_LOST;

        refresh->lost = true;
        if (!refresh->sent_twice && clock_boottime_usec() - refresh->first_sent_usec < grace_usec) {
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
                refresh_end(refresh, REFRESH_UNCLEAR, (int)outcome, code);
                return;
        case REFRESH_RETRY_ONCE:
                refresh_lost(refresh, code);
                return;
        case REFRESH_FAIL:
        default:
                refresh_fail(refresh, (int)outcome, code);
        }
}

/* RFC 9110 15.6.5: somebody on the way did not wait for the provider's own answer, so the provider
 * may have given one. */
static bool answer_is_of_another(const HttpResponse *response) {
        return response->status == 504;
}

static void on_answer(HttpError error, const HttpResponse *response, const char *detail,
                      void *userdata) {
        _cleanup_free_ char *code = NULL;
        Refresh *refresh = userdata;
        int r;

        refresh->request = provider_request_free(refresh->request);
        if (error == HTTP_E_LOST || error == HTTP_E_LIMIT) {
                refresh_lost(refresh, detail);
                return;
        }
        if (error != HTTP_OK) {
                refresh_fail(refresh, (int)provider_http_outcome(error), detail);
                return;
        }
        r = token_response_parse(response, &refresh->tokens, &code);
        if (r == TOKEN_E_TRANSIENT && answer_is_of_another(response))
                refresh_lost(refresh, "it was given up on the way");
        else if (r > 0)
                refresh_error(refresh, (TokenError)r, code);
        else if (r < 0)
                refresh_fail(refresh, r, NULL);
        else {
                refresh->lost = false;
                refresh->provider_usec = response->date_usec;
                refresh->answered_usec = clock_boottime_usec();
                refresh_verify_again(refresh);
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
        if (!refresh->in_journal) {
                refresh->first_sent_usec = refresh->sent_usec;
                refresh->in_journal = true;
                refresh_journal_sent(&refresh->key, refresh->sent_usec);
        }
        return provider_post(refresh->provider, PROVIDER_TOKEN, form, 0, on_answer, refresh,
                             &refresh->request);
}

/* Metadata, then keys, then the request: once the token is rotated nothing that may fail is left to
 * be fetched. */
static void on_ready(int result, void *userdata) {
        Refresh *refresh = userdata;

        refresh->wait = provider_wait_free(refresh->wait);
        if (result != 0)
                refresh_fail(refresh, result, provider_problem(refresh->provider));
        else
                refresh_run(refresh);
}

void refresh_run(Refresh *refresh) {
        Provider *provider = refresh->provider;
        int r;

        if (!provider_metadata(provider))
                r = provider_fetch_metadata(provider, on_ready, refresh, &refresh->wait);
        else if (provider_lacks_keys(provider))
                r = provider_fetch_keys(provider, on_ready, refresh, &refresh->wait);
        else
                r = refresh_send(refresh);
        if (r < 0)
                refresh_fail(refresh, r, NULL);
}
