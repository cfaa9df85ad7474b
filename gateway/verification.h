/* SPDX-License-Identifier: MIT */
#pragma once

/* Verification: one ID token against a provider's keys, fetching them where they are not there yet
 * and, once, where the token names a key that we do not know. */

#include <stdbool.h>

#include "gateway/id-token.h"
#include "gateway/provider.h"

typedef struct Verification Verification;

typedef struct VerificationRequest {
        const Secret *token; /* NULL: the provider gave none, which is an invalid one */
        uint64_t now_usec;   /* CLOCK_REALTIME, to hold its times against */
        bool renewal;        /* acr_values and max_age are for a login alone */
        const char *nonce;   /* that the login sent, or NULL */
} VerificationRequest;

/* @result: 0 with the verified @id_token, which is the callee's to free; an Outcome; -errno.
 * @detail is a word for the log, or NULL. The verification may be freed inside. */
typedef void (*VerificationDone)(int result, IdToken *id_token, const char *detail, void *userdata);

/* What @request points to stays the caller's and must outlive the verification. @done is called
 * exactly once, perhaps from within, after *ret was set. -ENOMEM: it is not called. */
int verification_start(Provider *provider, const VerificationRequest *request,
                       VerificationDone done, void *userdata, Verification **ret);
/* After a failure: whether it says nothing about the token, because the keys cannot be had now
 * (they cannot be fetched, or were fetched too short a while ago to be fetched again, or in a
 * renewal are without the one that it names as yet) or there was no memory. */
bool verification_may_be_tried_again(const Verification *verification);
Verification *verification_free(Verification *verification);
DEFINE_CLEANUP(Verification, verification_free);
