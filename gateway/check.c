/* SPDX-License-Identifier: MIT */
#include "gateway/check.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/names.h"
#include "gateway/device-request.h"
#include "gateway/id-token.h"
#include "gateway/mac.h"
#include "gateway/user-map.h"

#define SKEW_WARNING_SEC 10

struct Check {
        Provider *provider;
        CheckDone done;
        void *userdata;
        ProviderWait *wait;
        DeviceRequest *device_request;
        CheckFinding findings[CHECK_FINDINGS_MAX];
        size_t n_findings;
};

const char *check_severity_to_string(CheckSeverity severity) {
        static const char *const names[_CHECK_SEVERITY_MAX] = {
                [CHECK_OK] = "ok",
                [CHECK_WARNING] = "warning",
                [CHECK_ERROR] = "error",
        };

        return names[severity];
}

/* One that there is no memory for is missing in the list; the list is not what protects anything.
 */
static void check_say(Check *check, CheckSeverity severity, const char *what, const char *format,
                      ...) _printf_(4, 5);
static void check_say(Check *check, CheckSeverity severity, const char *what, const char *format,
                      ...) {
        CheckFinding *finding = &check->findings[check->n_findings];
        va_list arguments;
        int n;

        assert(check->n_findings < CHECK_FINDINGS_MAX);
        va_start(arguments, format);
        n = vasprintf(&finding->message, format, arguments);
        va_end(arguments);
        if (n < 0) {
                finding->message = NULL;
                return;
        }
        finding->severity = severity;
        finding->what = what;
        check->n_findings++;
}

static void check_finish(Check *check) {
        check->done(check, check->findings, check->n_findings, check->userdata);
}

/* The sentence of an outcome is for the person at a prompt; here the administrator reads. */
static const char *advice(int result) {
        static const char *const texts[_OUTCOME_MAX] = {
                [OUTCOME_PROVIDER_UNREACHABLE] =
                        "Check the network, the proxy and the issuer in the configuration.",
                [OUTCOME_PROVIDER_UNTRUSTED] =
                        ("Check the clock, and that ca_file (or the system's certificates) has the "
                         "authority that signed the provider's certificate."),
                [OUTCOME_CLOCK_WRONG] = "Set the clock of this host.",
                [OUTCOME_PROVIDER_BUSY] = "Try again in a minute.",
                [OUTCOME_PROVIDER_ANSWER] =
                        "Check the issuer in the configuration, and that the provider is healthy.",
                [OUTCOME_CLIENT_REFUSED] =
                        ("Check client_id, client_auth, the credential and the scope, and allow "
                         "the "
                         "client the device authorization grant at the provider."),
                [OUTCOME_CONFIGURATION] =
                        "Mend the configuration, then restart oidc-keyring-gateway.service.",
        };

        return result > 0 && result < _OUTCOME_MAX && texts[result]
                       ? texts[result]
                       : "See the journal of oidc-keyring-gateway.service.";
}

static void check_clock(Check *check) {
        int64_t skew_sec, distance;

        if (provider_clock_skew(check->provider, &skew_sec) < 0) {
                check_say(check, CHECK_WARNING, "clock",
                          "The provider's answers carry no Date: its clock cannot be compared.");
                return;
        }
        distance = skew_sec < 0 ? -skew_sec : skew_sec;
        check_say(check,
                  distance * 1000000 > (int64_t)ID_TOKEN_SKEW_USEC ? CHECK_ERROR
                  : distance > SKEW_WARNING_SEC                    ? CHECK_WARNING
                                                                   : CHECK_OK,
                  "clock",
                  distance > SKEW_WARNING_SEC
                          ? "This host's clock is %" PRId64 " s %s the provider's. Set it: logins "
                            "fail from a minute on."
                          : "This host's clock is %" PRId64 " s %s the provider's.",
                  distance, skew_sec > 0 ? "behind" : "ahead of");
}

/* HS256 and its like need no keys of the provider's; who has the secret can make ID tokens. */
static void check_algs(Check *check) {
        const Secret *secret = provider_client_secret(check->provider);
        const char *longest = NULL;

        for (char **alg = provider_config(check->provider)->id_token_algs; *alg; alg++)
                if (mac_algorithm_is_known(*alg) &&
                    (!longest || mac_secret_min(*alg) > mac_secret_min(longest)))
                        longest = *alg;
        if (!longest)
                return;
        if (secret && secret_size(secret) < mac_secret_min(longest))
                check_say(check, CHECK_ERROR, "ID tokens",
                          "The client secret is too short for %s, which needs %zu bytes.", longest,
                          mac_secret_min(longest));
        check_say(check, CHECK_WARNING, "ID tokens",
                  "id_token_algs has algorithms with a shared secret: whoever has the client "
                  "secret, on any host of this client, can be anybody here. Have the provider sign "
                  "with RS256 or ES256 if it can.");
}

static void on_keys(int result, void *userdata) {
        Check *check = userdata;

        check->wait = provider_wait_free(check->wait);
        if (result != 0)
                check_say(check, CHECK_ERROR, "keys", "The provider's keys cannot be had: %s. %s",
                          provider_problem(check->provider), advice(result));
        else if (jwks_size(provider_keys(check->provider)) == 0)
                check_say(check, CHECK_ERROR, "keys",
                          "None of the provider's keys can be used. It has to sign ID tokens with "
                          "RS256, PS256, ES256, ES384, ES512 or EdDSA.");
        else
                check_say(check, CHECK_OK, "keys", "%zu keys to verify ID tokens with.",
                          jwks_size(provider_keys(check->provider)));
        check_clock(check);
        check_finish(check);
}

static void on_authorization(int result, DeviceAuthorization *authorization, const char *detail,
                             void *userdata) {
        Check *check = userdata;
        int r;

        check->device_request = device_request_free(check->device_request);
        if (result != 0)
                check_say(check, CHECK_ERROR, "client",
                          "The provider gives client %s no code%s%s. %s",
                          provider_config(check->provider)->client_id, detail ? ": " : "",
                          detail ? detail : "", advice(result));
        else
                check_say(check, CHECK_OK, "client",
                          "Client %s is allowed the device flow; people approve at %s.",
                          provider_config(check->provider)->client_id,
                          authorization->verification_uri);
        device_authorization_free(authorization);

        check_algs(check);
        if (!provider_needs_keys(check->provider)) {
                check_clock(check);
                check_finish(check);
                return;
        }
        r = provider_fetch_keys(check->provider, on_keys, check, &check->wait);
        if (r < 0)
                on_keys(r, check);
}

static void check_user_map(Check *check) {
        const char *path = provider_config(check->provider)->user_map;
        _cleanup_(user_map_freep) UserMap *map = NULL;
        _cleanup_free_ char *problem = NULL;

        if (!path)
                return;
        if (user_map_read(path, &map, &problem) < 0)
                check_say(check, CHECK_ERROR, "user map",
                          "%s. Nobody can log in until it is mended.", problem ? problem : path);
        else
                check_say(check, CHECK_OK, "user map", "%s has %zu lines.", path,
                          user_map_size(map));
}

static bool is_published(const Metadata *metadata, const char *acr) {
        for (char **value = metadata->acr_values; value && *value; value++)
                if (streq(*value, acr))
                        return true;
        return !metadata->acr_values;
}

/* What the configuration relies on and the provider may not have. */
static void check_reliance(Check *check, const Metadata *metadata) {
        const ProviderConfig *config = provider_config(check->provider);

        for (char **acr = config->acr_values; acr && *acr; acr++)
                if (!is_published(metadata, *acr)) {
                        check_say(check, CHECK_WARNING, "acr_values",
                                  "The provider does not name %s in its acr_values_supported.",
                                  *acr);
                        break;
                }
        if (config->userinfo && !metadata->userinfo_endpoint)
                check_say(check, CHECK_ERROR, "UserInfo",
                          "The provider has no userinfo_endpoint. Have it put the claims into the "
                          "ID token, and set userinfo = no.");
}

static void check_metadata(Check *check) {
        const Metadata *metadata = provider_metadata(check->provider);

        check_say(check, CHECK_OK, "issuer", "%s names itself so in its discovery document.",
                  provider_config(check->provider)->issuer);
        check_say(check, CHECK_OK, "device endpoint", "%s",
                  metadata->device_authorization_endpoint);
        if (!metadata->revocation_endpoint)
                check_say(check, CHECK_WARNING, "revocation endpoint",
                          "The provider has none: at logout tokens are wiped here, and stay alive "
                          "there until they expire.");
        check_reliance(check, metadata);
}

static void on_metadata(int result, void *userdata) {
        Check *check = userdata;
        int r;

        check->wait = provider_wait_free(check->wait);
        if (result != 0) {
                check_say(check, CHECK_ERROR, "discovery", "%s: %s. %s",
                          provider_config(check->provider)->issuer,
                          provider_problem(check->provider), advice(result));
                check_finish(check);
                return;
        }
        check_metadata(check);
        r = device_request_start(check->provider, NULL, on_authorization, check,
                                 &check->device_request);
        if (r < 0)
                on_authorization(r, NULL, NULL, check);
}

static void check_bindings(Check *check, const Bindings *bindings) {
        const ProviderConfig *config = provider_config(check->provider);
        int r;

        if (!config->bind_subject || config->user_map)
                return;
        r = bindings_probe(bindings);
        if (r < 0)
                check_say(check, CHECK_ERROR, "bindings",
                          STATE_FOLDER " cannot be written (%s): whoever logs in for the first "
                                       "time is refused. See to the disk and to the folder's owner "
                                       "(oidc-keyring, mode 0700), or restart "
                                       "oidc-keyring-gateway.service, which makes it.",
                          strerror(-r));
        else
                check_say(check, CHECK_OK, "bindings",
                          "A user name can be bound to the identity that first logs in with it.");
}

static void check_persist(Check *check, GrantFiles *files) {
        int r;

        if (!provider_config(check->provider)->persist)
                return;
        r = grant_files_probe(files);
        if (r < 0)
                check_say(check, CHECK_ERROR, "persist",
                          "Logins are not kept for after a reboot: %s.", grant_files_advice(r));
        else
                check_say(check, CHECK_OK, "persist",
                          "Logins of users who linger can be kept for after a reboot.");
}

int check_start(Provider *provider, const Bindings *bindings, GrantFiles *files, CheckDone done,
                void *userdata, Check **ret) {
        Check *check = calloc(1, sizeof(*check));
        int r;

        if (!check)
                return -ENOMEM;
        check->provider = provider_ref(provider);
        check->done = done;
        check->userdata = userdata;
        *ret = check;

        if (provider_usable(provider, PROVIDER_TOKEN) == OUTCOME_CONFIGURATION) {
                check_say(check, CHECK_ERROR, "credential",
                          "%s. Then restart oidc-keyring-gateway.service.",
                          provider_problem(provider));
                check_finish(check);
                return 0;
        }
        check_say(check, CHECK_OK, "configuration", "Provider %s is configured.",
                  provider_config(provider)->name);
        check_bindings(check, bindings);
        check_persist(check, files);
        check_user_map(check);
        r = provider_fetch_metadata(provider, on_metadata, check, &check->wait);
        if (r < 0)
                on_metadata(r, check);
        return 0;
}

Check *check_free(Check *check) {
        if (!check)
                return NULL;
        for (size_t i = 0; i < check->n_findings; i++)
                free(check->findings[i].message);
        provider_wait_free(check->wait);
        device_request_free(check->device_request);
        provider_unref(check->provider);
        free(check);
        return NULL;
}
