/* SPDX-License-Identifier: MIT */
#pragma once

/* A provider that lives behind http.h: programs that link this get no network, only answers that
 * were written for them. It is well until it is told otherwise: discovery, keys, a code, and
 * authorization_pending at the token endpoint. */

#include <systemd/sd-event.h>

#include "common/grant.h"
#include "gateway/configuration.h"
#include "gateway/http.h"

#define FAKE_ISSUER "https://id.example.com"

typedef enum FakeEndpoint {
        FAKE_DISCOVERY,
        FAKE_JWKS,
        FAKE_DEVICE,
        FAKE_TOKEN,
        FAKE_REVOCATION,
        FAKE_USERINFO,
        _FAKE_ENDPOINT_MAX,
} FakeEndpoint;

typedef struct FakeAnswer {
        HttpError error;
        long status;      /* 0: 200 */
        const char *body; /* copied; NULL: "" */
        uint64_t retry_after_usec;
        uint64_t date_usec;
        bool not_json; /* by its Content-Type */
} FakeAnswer;

/* Forgets answers and counters; @more is added to the configuration of provider "corp". */
void fake_provider_reset(const char *more);
void fake_provider_done(void);

/* The next request to @endpoint that has no answer yet gets this one. */
void fake_provider_say(FakeEndpoint endpoint, FakeAnswer answer);
/* The same, a token response for @user with a refresh token called @refresh (NULL: none). */
void fake_provider_grant(const char *user, const char *refresh);
/* Further members of the ID tokens from now on, such as ",\"acr\":\"x\""; a literal. */
void fake_provider_claims(const char *members);
/* What @user was granted before, with the access token "old"; @refresh_token NULL: none. */
Grant *fake_provider_old_grant(const char *user, const char *refresh_token, uint64_t generation);
/* An ID token for @user, issued @age_sec ago; the caller frees it. */
char *fake_provider_id_token(const char *user, int64_t age_sec);

unsigned fake_provider_requests(FakeEndpoint endpoint);
/* The form of the last request, decoded no further. */
const char *fake_provider_form(FakeEndpoint endpoint);
/* The Authorization header of the last request, "" if there was none. */
const char *fake_provider_authorization(FakeEndpoint endpoint);

/* Where the configuration is: for configuration_new() and manager_new(). */
const char *fake_provider_root(void);

/* Runs the loop until *@condition, at most some seconds. */
void fake_provider_run(sd_event *event, const bool *condition);
/* Runs the loop for @msec of real time. */
void fake_provider_run_for(sd_event *event, unsigned msec);
