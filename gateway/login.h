/* SPDX-License-Identifier: MIT */
#pragma once

/* Login: one device authorization (RFC 8628) from the request for a code to the grant that is
 * claimed. It polls by itself; nobody can hasten it. It fails closed: the one place that makes a
 * grant is reached only with a verified ID token whose identity is the local user. Whatever it got
 * from the provider and could not hand on is revoked there. */

#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "common/grant.h"
#include "gateway/bindings.h"
#include "gateway/device-authorization.h"
#include "gateway/provider.h"
#include "gateway/revocation.h"

#define LOGIN_ID_SIZE 32u                          /* hex digits */
#define LOGIN_CLAIM_USEC (120 * UINT64_C(1000000)) /* how long an outcome is kept */

#define LOGIN_TEXT_MAX 128u

typedef struct Login Login;

typedef struct LoginRequest {
        const char *user;    /* the local user, which policy allows */
        const char *service; /* for the log, cleaned, at most LOGIN_TEXT_MAX */
        const char *rhost;   /* the same */
        uid_t user_uid;
        uid_t caller_uid;
        const Bindings *bindings; /* outlive the login */
} LoginRequest;

/* Somebody who waits learns @result: 0, an Outcome or -errno. Called exactly once for each time it
 * was asked for, perhaps from within the call that asked. */
typedef void (*LoginTold)(Login *login, int result, void *userdata);

/* Nothing can be had from the login any more: its owner frees it. */
typedef void (*LoginOver)(Login *login, void *userdata);

/* Copies what it needs. @event and @revocations outlive the login. */
int login_new(sd_event *event, Provider *provider, Revocations *revocations,
              const LoginRequest *request, LoginOver over, void *over_userdata, Login **ret);
/* Who still waits learns that it was cancelled. */
Login *login_free(Login *login);
DEFINE_CLEANUP(Login, login_free);

/* Asks the provider for a code. With 0 it is there, see login_challenge(). */
void login_begin(Login *login, LoginTold begun, void *userdata);

/* Waits for the outcome. Whoever waited before learns that it was cancelled: there is one verdict,
 * and the last who asked gets it. */
void login_await(Login *login, LoginTold awaited, void *userdata);

/* Ends a login that has not ended; a grant that nobody has claimed is revoked. It is over at once,
 * or when the answer to a poll under way has come. */
void login_cancel(Login *login);

/* Hands the grant out, once, to whoever has heard the verdict. -ENOENT: there is none. */
int login_claim(Login *login, Grant **ret);
/* It was not delivered: it may be claimed again, or is revoked when nobody comes. Takes @grant. */
void login_give_back(Login *login, Grant *grant);

const char *login_id(const Login *login);
const char *login_user(const Login *login);
uid_t login_user_uid(const Login *login);
const ProviderConfig *login_provider_config(const Login *login);
uid_t login_caller_uid(const Login *login);
bool login_is_waiting(const Login *login);    /* for approval, or on the way there */
bool login_was_delivered(const Login *login); /* somebody has got the verdict */

const DeviceAuthorization *login_challenge(const Login *login); /* NULL before and after */
uint64_t login_expires_usec(const Login *login);                /* of the code, CLOCK_BOOTTIME */
const char *login_issuer(const Login *login);
const char *login_subject(const Login *login); /* NULL before success */
