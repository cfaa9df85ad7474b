/* SPDX-License-Identifier: MIT */
#include "common/provider-key.h"

#include <string.h>

#include "common/parse.h"

#define VERIFIED_ALGS "RS256 PS256 ES256 ES384 ES512 EdDSA"
#define MAC_ALGS "HS256 HS384 HS512"
#define MAX_AGE_MAX_SEC (365u * 24 * 3600)

/* What a key's value turns into. Each parser returns NULL, or what is wrong with the value; each
 * clear frees what the parser left in the field. */
typedef struct ConfigType {
        const char *(*parse)(const char *value, void *field);
        void (*clear)(void *field); /* NULL: nothing to free */
} ConfigType;

static void clear_text(void *field) {
        freep(field);
}

static const char *parse_text(const char *value, void *field) {
        char *copy;

        if (!*value)
                return "a value is missing";
        for (const char *p = value; *p; p++)
                if ((unsigned char)*p < ' ' || *p == 0x7f)
                        return "control characters are not allowed";
        copy = strdup(value);
        if (!copy)
                return "out of memory";
        clear_text(field);
        *(char **)field = copy;
        return NULL;
}

static void clear_words(void *field) {
        strv_free(*(char ***)field);
}

static const char *parse_words(const char *value, void *field) {
        _cleanup_free_ char *copy = strdup(value);
        _cleanup_(strv_freep) char **words = calloc(strlen(value) / 2 + 2, sizeof(*words));
        char *state = NULL;
        size_t n = 0;

        if (!copy || !words)
                return "out of memory";
        for (char *w = strtok_r(copy, " \t,", &state); w; w = strtok_r(NULL, " \t,", &state)) {
                words[n] = strdup(w);
                if (!words[n++])
                        return "out of memory";
        }
        clear_words(field);
        *(char ***)field = TAKE_PTR(words);
        return n == 0 ? "a value is missing" : NULL;
}

static bool is_word_of(const char *word, const char *words) {
        size_t length = strlen(word);

        for (const char *w = words; *w; w += strspn(w, " ")) {
                size_t n = strcspn(w, " ");

                if (n == length && memcmp(w, word, n) == 0)
                        return true;
                w += n;
        }
        return false;
}

static const char *parse_algs(const char *value, void *field) {
        const char *problem = parse_words(value, field);

        for (char **alg = problem ? NULL : *(char ***)field; alg && *alg; alg++)
                if (!is_word_of(*alg, VERIFIED_ALGS) && !is_word_of(*alg, MAC_ALGS))
                        return "only " VERIFIED_ALGS " and, with a client secret, " MAC_ALGS
                               " are verified";
        return problem;
}

static const char *parse_claims(const char *value, void *field) {
        const char *problem = parse_words(value, field);

        for (char **claim = problem ? NULL : *(char ***)field; claim && *claim; claim++) {
                const char *equals = strchr(*claim, '=');

                if (!equals || equals == *claim || !equals[1])
                        return "each has to be CLAIM=VALUE";
        }
        return problem;
}

/* HOST, HOST:PORT, or either with an address in brackets: nothing that a URL has beside them. */
static const char *parse_hosts(const char *value, void *field) {
        static const char allowed[] =
                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.:[]";
        const char *problem = parse_words(value, field);

        for (char **host = problem ? NULL : *(char ***)field; host && *host; host++)
                if ((*host)[strspn(*host, allowed)])
                        return "each has to be HOST or HOST:PORT";
        return problem;
}

static const char *parse_scope(const char *value, void *field) {
        return is_word_of("openid", value)
                       ? parse_text(value, field)
                       : "it must contain openid: without an ID token nobody can be logged in";
}

static const char *parse_path(const char *value, void *field) {
        return *value == '/' ? parse_text(value, field) : "an absolute path is needed";
}

static const char *parse_truth(const char *value, void *field) {
        return parse_bool(value, field) < 0 ? "yes or no is needed" : NULL;
}

static const char *parse_number(const char *value, void *field, uint64_t min, uint64_t max,
                                const char *problem) {
        return parse_u64(value, min, max, field) < 0 ? problem : NULL;
}

static const char *parse_min_uid(const char *value, void *field) {
        return parse_number(value, field, 1, UINT32_MAX - 1,
                            "a user id from 1 up is needed: root cannot be allowed");
}

static const char *parse_percent(const char *value, void *field) {
        return parse_number(value, field, 1, 99, "a percentage from 1 to 99 is needed");
}

static const char *parse_grace(const char *value, void *field) {
        return parse_number(value, field, 0, 600, "seconds from 0 to 600 are needed");
}

static const char *parse_max_age(const char *value, void *field) {
        return parse_number(value, field, 1, MAX_AGE_MAX_SEC,
                            "seconds from 1 to 31536000 are needed");
}

static const char *parse_revoke(const char *value, void *field) {
        static const char *const names[_REVOKE_POLICY_MAX] = {
                [REVOKE_ALWAYS] = "always",
                [REVOKE_LOGOUT] = "logout",
                [REVOKE_NEVER] = "never",
        };

        for (RevokePolicy policy = 0; policy < _REVOKE_POLICY_MAX; policy++)
                if (streq(value, names[policy])) {
                        *(RevokePolicy *)field = policy;
                        return NULL;
                }
        return "always, logout or never is needed";
}

static const char *parse_client_auth(const char *value, void *field) {
        static const char *const names[_CLIENT_AUTH_MAX] = {
                [CLIENT_AUTH_NONE] = "none",
                [CLIENT_AUTH_SECRET_BASIC] = "client_secret_basic",
                [CLIENT_AUTH_SECRET_POST] = "client_secret_post",
                [CLIENT_AUTH_PRIVATE_KEY_JWT] = "private_key_jwt",
                [CLIENT_AUTH_TLS] = "tls_client_auth",
        };

        for (ClientAuth auth = 0; auth < _CLIENT_AUTH_MAX; auth++)
                if (streq(value, names[auth])) {
                        *(ClientAuth *)field = auth;
                        return NULL;
                }
        return "none, client_secret_basic, client_secret_post, private_key_jwt or tls_client_auth "
               "is needed";
}

static const ConfigType type_text = {parse_text, clear_text};
static const ConfigType type_scope = {parse_scope, clear_text};
static const ConfigType type_path = {parse_path, clear_text};
static const ConfigType type_words = {parse_words, clear_words};
static const ConfigType type_claims = {parse_claims, clear_words};
static const ConfigType type_hosts = {parse_hosts, clear_words};
static const ConfigType type_algs = {parse_algs, clear_words};
static const ConfigType type_truth = {parse_truth, NULL};
static const ConfigType type_min_uid = {parse_min_uid, NULL};
static const ConfigType type_percent = {parse_percent, NULL};
static const ConfigType type_grace = {parse_grace, NULL};
static const ConfigType type_max_age = {parse_max_age, NULL};
static const ConfigType type_client_auth = {parse_client_auth, NULL};
static const ConfigType type_revoke = {parse_revoke, NULL};

#define FIELD(member) offsetof(ProviderConfig, member)

static const struct ProviderKey {
        const char *name;
        const ConfigType *type;
        size_t field;
        const char *default_value; /* NULL: none */
} provider_keys[] = {
        {"issuer", &type_text, FIELD(issuer), NULL},
        {"client_id", &type_text, FIELD(client_id), NULL},
        {"client_auth", &type_client_auth, FIELD(client_auth), "none"},
        {"client_key_id", &type_text, FIELD(client_key_id), NULL},
        {"client_assertion_audience", &type_text, FIELD(client_assertion_audience), NULL},
        {"scope", &type_scope, FIELD(scope), "openid profile offline_access"},
        {"resource", &type_text, FIELD(resource), NULL},
        {"audience", &type_text, FIELD(audience), NULL},
        {"user_claim", &type_text, FIELD(user_claim), "preferred_username"},
        {"strip_domain", &type_text, FIELD(strip_domain), NULL},
        {"ignore_case", &type_truth, FIELD(ignore_case), "no"},
        {"user_map", &type_path, FIELD(user_map), NULL},
        {"bind_subject", &type_truth, FIELD(bind_subject), "yes"},
        {"userinfo", &type_truth, FIELD(userinfo), "no"},
        {"min_uid", &type_min_uid, FIELD(min_uid), "1000"},
        {"allow_users", &type_words, FIELD(allow_users), NULL},
        {"allow_groups", &type_words, FIELD(allow_groups), NULL},
        {"groups_claim", &type_text, FIELD(groups_claim), "groups"},
        {"require_claim", &type_claims, FIELD(require_claim), NULL},
        {"acr_values", &type_words, FIELD(acr_values), NULL},
        {"max_age", &type_max_age, FIELD(max_age_sec), NULL},
        {"id_token_algs", &type_algs, FIELD(id_token_algs), VERIFIED_ALGS},
        {"require_offline_access", &type_truth, FIELD(require_offline_access), "yes"},
        {"verification_hosts", &type_hosts, FIELD(verification_hosts), NULL},
        {"ca_file", &type_path, FIELD(ca_file), NULL},
        {"proxy", &type_text, FIELD(proxy), NULL},
        {"refresh_at", &type_percent, FIELD(refresh_at), "75"},
        {"rotation_grace", &type_grace, FIELD(rotation_grace_sec), "30"},
        {"revoke", &type_revoke, FIELD(revoke), "always"},
        {"keep_on_logout", &type_truth, FIELD(keep_on_logout), "no"},
        {"persist", &type_truth, FIELD(persist), "no"},
        {"allow_loopback_http", &type_truth, FIELD(allow_loopback_http), "no"},
};

static const char *key_set(ProviderConfig *provider, const struct ProviderKey *key,
                           const char *value) {
        if (strlen(value) > CONFIG_VALUE_MAX)
                return "the value is too long";
        if (strchr(value, '\n')) /* libeconf takes a line without '=' for more of the value */
                return "this line is not \"key = value\"";
        return key->type->parse(value, (char *)provider + key->field);
}

const char *provider_key_set(ProviderConfig *provider, const char *key, const char *value) {
        for (size_t i = 0; i < ELEMENTSOF(provider_keys); i++)
                if (streq(provider_keys[i].name, key))
                        return key_set(provider, &provider_keys[i], value);
        return "there is no such key";
}

const char *provider_keys_set_defaults(ProviderConfig *provider) {
        for (size_t i = 0; i < ELEMENTSOF(provider_keys); i++) {
                const struct ProviderKey *key = &provider_keys[i];
                const char *problem =
                        key->default_value ? key_set(provider, key, key->default_value) : NULL;

                if (problem)
                        return problem;
        }
        return NULL;
}

void provider_keys_done(ProviderConfig *provider) {
        for (size_t i = 0; i < ELEMENTSOF(provider_keys); i++)
                if (provider_keys[i].type->clear)
                        provider_keys[i].type->clear((char *)provider + provider_keys[i].field);
}

static const char *check_issuer(const ProviderConfig *provider) {
        if (!provider->issuer)
                return "the key issuer is missing";
        if (strncmp(provider->issuer, "https://", strlen("https://")) == 0)
                return NULL;
        if (!url_is_loopback_http(provider->issuer))
                return "issuer must begin with https://";
        if (!provider->allow_loopback_http)
                return "issuer must begin with https:// (http to this host itself needs "
                       "allow_loopback_http = yes)";
        return NULL;
}

/* RFC 7518 3.2 makes the client secret the key of an HMAC. A public client has none, and one that
 * proves itself otherwise shares none with the provider. */
static const char *check_algs(const ProviderConfig *provider) {
        if (provider->client_auth == CLIENT_AUTH_SECRET_BASIC ||
            provider->client_auth == CLIENT_AUTH_SECRET_POST)
                return NULL;
        for (char **alg = provider->id_token_algs; *alg; alg++)
                if (is_word_of(*alg, MAC_ALGS))
                        return "id_token_algs: " MAC_ALGS " need a client secret: client_auth = "
                               "client_secret_basic or client_secret_post";
        return NULL;
}

/* Two answers to the question who somebody is would leave open which of them counts. */
static const char *check_mapping(const ProviderConfig *provider) {
        if (provider->user_map && provider->strip_domain)
                return "user_map and strip_domain exclude each other: with a map no claim is a "
                       "user's name";
        if (provider->user_map && provider->ignore_case)
                return "user_map and ignore_case exclude each other: with a map no claim is a "
                       "user's name";
        return NULL;
}

static const char *check_assertion(const ProviderConfig *provider) {
        if (provider->client_auth == CLIENT_AUTH_PRIVATE_KEY_JWT)
                return NULL;
        if (provider->client_key_id)
                return "client_key_id is for client_auth = private_key_jwt only";
        if (provider->client_assertion_audience)
                return "client_assertion_audience is for client_auth = private_key_jwt only";
        return NULL;
}

const char *provider_keys_check(const ProviderConfig *provider) {
        static const char *(*const checks[])(const ProviderConfig *) = {
                check_issuer, check_algs, check_mapping, check_assertion};

        for (size_t i = 0; i < ELEMENTSOF(checks); i++) {
                const char *problem = checks[i](provider);

                if (problem)
                        return problem;
        }
        return provider->client_id ? NULL : "the key client_id is missing";
}
