/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include "tests/unit/login-fixture.h"

#include <assert.h>

static sd_event *event;
static HttpClient *http;
static Configuration *configuration;
static Revocations *revocations;
static Bindings *bindings;

void login_fixture_begin(const char *more) {
        fake_provider_reset(more);
        assert(sd_event_new(&event) >= 0);
        assert(http_client_new(event, &http) == 0);
        assert(configuration_new(fake_provider_root(), http, &configuration) == 0);
        assert(revocations_new(event, &revocations) == 0);
        assert(bindings_new(fake_provider_root(), &bindings) == 0);
}

void login_fixture_end(HeardLogin *heard) {
        login_free(heard->login);
        revocations = revocations_free(revocations);
        bindings = bindings_free(bindings);
        configuration = configuration_free(configuration);
        http = http_client_free(http);
        event = sd_event_unref(event);
}

static void on_begun(Login *login, int result, void *userdata) {
        HeardLogin *heard = userdata;

        assert(!heard->begun && login == heard->login);
        heard->begun = true;
        heard->begun_result = result;
}

void heard_awaited(Login *login, int result, void *userdata) {
        HeardLogin *heard = userdata;

        assert(!heard->awaited && login == heard->login);
        heard->awaited = true;
        heard->awaited_result = result;
}

static void on_over(Login *login, void *userdata) {
        HeardLogin *heard = userdata;

        assert(!heard->over && login == heard->login);
        heard->over = true;
        heard->login = login_free(login);
}

void heard_begin(HeardLogin *heard) {
        const LoginRequest request = {.user = USER,
                                      .service = "sshd",
                                      .rhost = "",
                                      .user_uid = 1000,
                                      .bindings = bindings};
        Provider *provider;

        *heard = (HeardLogin){0};
        assert(configuration_provider(configuration, "corp", &provider) == 0);
        assert(login_new(event, provider, revocations, &request, on_over, heard, &heard->login) ==
               0);
        login_begin(heard->login, on_begun, heard);
        fake_provider_run(event, &heard->begun);
}

int heard_verdict(HeardLogin *heard) {
        heard_begin(heard);
        assert(heard->begun_result == 0 && login_challenge(heard->login));
        login_await(heard->login, heard_awaited, heard);
        fake_provider_run(event, &heard->awaited);
        return heard->awaited_result;
}

sd_event *login_fixture_event(void) {
        return event;
}

const Bindings *login_fixture_bindings(void) {
        return bindings;
}
