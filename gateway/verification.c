/* SPDX-License-Identifier: MIT */
#include "gateway/verification.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

struct Verification {
        Provider *provider;
        VerificationRequest request;
        VerificationDone done;
        void *userdata;
        ProviderWait *wait;
        bool keys_were_fetched;
        bool undecided;
};

static const Outcome outcomes[_ID_TOKEN_ERROR_MAX] = {
        [ID_TOKEN_E_MALFORMED] = OUTCOME_ID_TOKEN_INVALID,
        [ID_TOKEN_E_ALGORITHM] = OUTCOME_ID_TOKEN_INVALID,
        [ID_TOKEN_E_UNKNOWN_KEY] = OUTCOME_ID_TOKEN_INVALID,
        [ID_TOKEN_E_SIGNATURE] = OUTCOME_ID_TOKEN_INVALID,
        [ID_TOKEN_E_ISSUER] = OUTCOME_ID_TOKEN_INVALID,
        [ID_TOKEN_E_AUDIENCE] = OUTCOME_ID_TOKEN_INVALID,
        [ID_TOKEN_E_EXPIRED] = OUTCOME_CLOCK_WRONG,
        [ID_TOKEN_E_FUTURE] = OUTCOME_CLOCK_WRONG,
        [ID_TOKEN_E_CLAIM] = OUTCOME_ID_TOKEN_INVALID,
        [ID_TOKEN_E_NONCE] = OUTCOME_ID_TOKEN_INVALID,
        [ID_TOKEN_E_ACR] = OUTCOME_AUTHENTICATION_WEAK,
        [ID_TOKEN_E_SECRET] = OUTCOME_CONFIGURATION,
        [ID_TOKEN_E_AUTH_TIME] = OUTCOME_AUTHENTICATION_WEAK,
};

static void verification_run(Verification *verification);

static void on_keys(int result, void *userdata) {
        Verification *verification = userdata;

        verification->wait = provider_wait_free(verification->wait);
        verification->undecided = result != 0;
        if (result != 0)
                verification->done(result, NULL, "the keys could not be fetched",
                                   verification->userdata);
        else
                verification_run(verification);
}

static void verification_fetch_keys(Verification *verification);

static void on_metadata(int result, void *userdata) {
        Verification *verification = userdata;

        verification->wait = provider_wait_free(verification->wait);
        verification->undecided = result != 0;
        if (result != 0)
                verification->done(result, NULL, "where the keys are is not known",
                                   verification->userdata);
        else
                verification_fetch_keys(verification);
}

/* Where they are may have been forgotten since the request that brought the token: nobody else's
 * request is waited for to find it out. */
static void verification_fetch_keys(Verification *verification) {
        Provider *provider = verification->provider;
        int r;

        if (!provider_metadata(provider)) {
                r = provider_fetch_metadata(provider, on_metadata, verification,
                                            &verification->wait);
        } else {
                verification->keys_were_fetched = true;
                r = provider_fetch_keys(provider, on_keys, verification, &verification->wait);
        }
        verification->undecided = r < 0;
        if (r < 0)
                verification->done(r, NULL, "the keys could not be fetched",
                                   verification->userdata);
}

static int verification_check(const Verification *verification, int64_t *ret_off_sec,
                              IdToken **ret) {
        const ProviderConfig *config = provider_config(verification->provider);
        IdTokenExpectation expectation = {
                .issuer = config->issuer,
                .client_id = config->client_id,
                .algs = config->id_token_algs,
                .now_usec = verification->request.now_usec,
                .nonce = verification->request.nonce,
                .client_secret = provider_client_secret(verification->provider),
                .ret_off_sec = ret_off_sec,
        };

        if (!verification->request.renewal) {
                expectation.acr_values = config->acr_values;
                expectation.max_age_sec = config->max_age_sec;
        }
        return id_token_verify(verification->request.token, provider_keys(verification->provider),
                               &expectation, ret);
}

/* With a clock that is wrong the question is which, and by how much. */
static void verification_refuse(Verification *verification, IdTokenError error, int64_t off_sec) {
        int64_t skew_sec;
        char detail[160];
        int n;

        n = snprintf(detail, sizeof(detail), "%s", id_token_error_text((int)error));
        if (outcomes[error] == OUTCOME_CLOCK_WRONG) {
                n += snprintf(detail + n, sizeof(detail) - (size_t)n, " by %" PRId64 " s", off_sec);
                if (provider_clock_skew(verification->provider, &skew_sec) == 0)
                        (void)snprintf(detail + n, sizeof(detail) - (size_t)n,
                                       "; by its Date the provider's clock is %" PRId64
                                       " s ahead of this host's",
                                       skew_sec);
        }
        verification->done((int)outcomes[error], NULL, detail, verification->userdata);
}

/* A provider's new key may be known later than it is used: its set comes through caches. A login is
 * refused for that and can be begun again; a renewal has cost the refresh token before it. */
static bool verification_may_know_key_later(const Verification *verification, int error) {
        return error == ID_TOKEN_E_UNKNOWN_KEY &&
               (verification->request.renewal || !verification->keys_were_fetched);
}

static void verification_run(Verification *verification) {
        _cleanup_(id_token_freep) IdToken *id_token = NULL;
        int64_t off_sec = 0;
        int r;

        if (provider_lacks_keys(verification->provider)) {
                verification_fetch_keys(verification);
                return;
        }
        r = verification_check(verification, &off_sec, &id_token);
        if (r == ID_TOKEN_E_UNKNOWN_KEY && !verification->keys_were_fetched &&
            provider_may_renew_keys(verification->provider)) {
                verification_fetch_keys(verification);
                return;
        }
        verification->undecided = r < 0 || verification_may_know_key_later(verification, r);
        if (r > 0)
                verification_refuse(verification, (IdTokenError)r, off_sec);
        else
                verification->done(r, TAKE_PTR(id_token), NULL, verification->userdata);
}

int verification_start(Provider *provider, const VerificationRequest *request,
                       VerificationDone done, void *userdata, Verification **ret) {
        Verification *verification = calloc(1, sizeof(*verification));

        if (!verification)
                return -ENOMEM;
        *verification = (Verification){
                .provider = provider_ref(provider),
                .request = *request,
                .done = done,
                .userdata = userdata,
        };
        *ret = verification;
        if (!request->token)
                done(OUTCOME_ID_TOKEN_INVALID, NULL, "missing", userdata);
        else
                verification_run(verification);
        return 0;
}

bool verification_may_be_tried_again(const Verification *verification) {
        return verification->undecided;
}

Verification *verification_free(Verification *verification) {
        if (!verification)
                return NULL;
        provider_wait_free(verification->wait);
        provider_unref(verification->provider);
        free(verification);
        return NULL;
}
