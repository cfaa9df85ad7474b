/* SPDX-License-Identifier: MIT */
#pragma once

/* One login in the gateway, at the provider of fake-provider.h, and all that is heard of it. */

#include <stdbool.h>

#include "gateway/login.h"
#include "tests/unit/fake-provider.h"

#define USER "alice"

typedef struct HeardLogin {
        Login *login;
        bool begun, awaited, over;
        int begun_result, awaited_result;
} HeardLogin;

/* @more is added to the configuration of the provider. */
void login_fixture_begin(const char *more);
void login_fixture_end(HeardLogin *heard);
sd_event *login_fixture_event(void);
const Bindings *login_fixture_bindings(void);

/* Begins a login of USER, and returns when the code is there or will not be. */
void heard_begin(HeardLogin *heard);
/* For login_await(). */
void heard_awaited(Login *login, int result, void *userdata);
/* The verdict of a login of which everything but the token endpoint is well. */
int heard_verdict(HeardLogin *heard);
