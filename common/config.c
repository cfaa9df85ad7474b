/* SPDX-License-Identifier: MIT */
#include "common/config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libeconf.h>
#include <libeconf_ext.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/grant.h"
#include "common/parse.h"

#define CONFIG_NAME "oidc-keyring"
#define PROVIDER_SECTION "provider "
#define DEFAULT_ALGS "RS256 PS256 ES256 ES384 ES512 EdDSA"

static inline econf_file *econf_file_free(econf_file *file) {
        econf_freeFile(file);
        return NULL;
}
DEFINE_CLEANUP(econf_file, econf_file_free);

static inline econf_ext_value *ext_value_free(econf_ext_value *value) {
        econf_freeExtValue(value);
        return NULL;
}
DEFINE_CLEANUP(econf_ext_value, ext_value_free);

static inline char **strv_free(char **strv) {
        for (char **s = strv; s && *s; s++)
                free(*s);
        free(strv);
        return NULL;
}

static inline void econf_arrayp(char ***array) {
        if (*array)
                econf_freeArray(*array);
}

static inline void closedirp(DIR **dir) {
        if (*dir)
                (void)closedir(*dir);
}

/* What a key's value turns into. Each parser returns NULL, or what is wrong with the value. */
typedef const char *(*ConfigParser)(const char *value, void *field);

static const char *config_text(const char *value, void *field) {
        char *copy;

        if (!*value)
                return "a value is missing";
        for (const char *p = value; *p; p++)
                if ((unsigned char)*p < ' ' || *p == 0x7f)
                        return "control characters are not allowed";
        copy = strdup(value);
        if (!copy)
                return "out of memory";
        free(*(char **)field);
        *(char **)field = copy;
        return NULL;
}

static const char *config_words(const char *value, void *field) {
        _cleanup_free_ char *copy = strdup(value);
        char **words, *state = NULL;
        size_t n = 0;

        words = calloc(strlen(value) / 2 + 2, sizeof(*words));
        if (!copy || !words) {
                free(words);
                return "out of memory";
        }
        for (char *w = strtok_r(copy, " \t,", &state); w; w = strtok_r(NULL, " \t,", &state)) {
                words[n] = strdup(w);
                if (!words[n++]) {
                        strv_free(words);
                        return "out of memory";
                }
        }
        strv_free(*(char ***)field);
        *(char ***)field = words;
        return n == 0 ? "a value is missing" : NULL;
}

static bool alg_is_verified(const char *alg) {
        static const char *const algs[] = {"RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA"};

        for (size_t i = 0; i < ELEMENTSOF(algs); i++)
                if (streq(algs[i], alg))
                        return true;
        return false;
}

static const char *config_algs(const char *value, void *field) {
        const char *problem = config_words(value, field);

        for (char **alg = problem ? NULL : *(char ***)field; alg && *alg; alg++)
                if (!alg_is_verified(*alg))
                        return "only " DEFAULT_ALGS " are verified";
        return problem;
}

static const char *config_scope(const char *value, void *field) {
        _cleanup_free_ char *copy = strdup(value);
        char *state = NULL;
        bool openid = false;

        if (!copy)
                return "out of memory";
        for (char *w = strtok_r(copy, " ", &state); w; w = strtok_r(NULL, " ", &state))
                openid = openid || streq(w, "openid");
        return openid ? config_text(value, field)
                      : "it must contain openid: without an ID token nobody can be logged in";
}

static const char *config_path(const char *value, void *field) {
        return *value == '/' ? config_text(value, field) : "an absolute path is needed";
}

static const char *config_truth(const char *value, void *field) {
        return parse_bool(value, field) < 0 ? "yes or no is needed" : NULL;
}

static const char *config_number(const char *value, void *field, uint64_t min, uint64_t max,
                                 const char *problem) {
        return parse_u64(value, min, max, field) < 0 ? problem : NULL;
}

static const char *config_min_uid(const char *value, void *field) {
        return config_number(value, field, 1, UINT32_MAX - 1,
                             "a user id from 1 up is needed: root cannot be allowed");
}

static const char *config_percent(const char *value, void *field) {
        return config_number(value, field, 1, 99, "a percentage from 1 to 99 is needed");
}

static const char *config_grace(const char *value, void *field) {
        return config_number(value, field, 0, 600, "seconds from 0 to 600 are needed");
}

static const char *config_client_auth(const char *value, void *field) {
        static const char *const names[_CLIENT_AUTH_MAX] = {
                [CLIENT_AUTH_NONE] = "none",
                [CLIENT_AUTH_SECRET_BASIC] = "client_secret_basic",
                [CLIENT_AUTH_SECRET_POST] = "client_secret_post",
        };

        for (ClientAuth auth = 0; auth < _CLIENT_AUTH_MAX; auth++)
                if (streq(value, names[auth])) {
                        *(ClientAuth *)field = auth;
                        return NULL;
                }
        return "none, client_secret_basic or client_secret_post is needed";
}

/* Every key of a provider section; docs/oidc-keyring.conf.5 says what they mean. */
static const struct ConfigKey {
        const char *name;
        ConfigParser parser;
        size_t offset;
        const char *default_value; /* NULL: none */
} provider_keys[] = {
        {"issuer", config_text, offsetof(ProviderConfig, issuer), NULL},
        {"client_id", config_text, offsetof(ProviderConfig, client_id), NULL},
        {"scope", config_scope, offsetof(ProviderConfig, scope), "openid profile offline_access"},
        {"user_claim", config_text, offsetof(ProviderConfig, user_claim), "preferred_username"},
        {"strip_domain", config_text, offsetof(ProviderConfig, strip_domain), NULL},
        {"allow_users", config_words, offsetof(ProviderConfig, allow_users), NULL},
        {"min_uid", config_min_uid, offsetof(ProviderConfig, min_uid), "1000"},
        {"id_token_algs", config_algs, offsetof(ProviderConfig, id_token_algs), DEFAULT_ALGS},
        {"resource", config_text, offsetof(ProviderConfig, resource), NULL},
        {"audience", config_text, offsetof(ProviderConfig, audience), NULL},
        {"client_auth", config_client_auth, offsetof(ProviderConfig, client_auth), "none"},
        {"ca_file", config_path, offsetof(ProviderConfig, ca_file), NULL},
        {"proxy", config_text, offsetof(ProviderConfig, proxy), NULL},
        {"require_offline_access", config_truth, offsetof(ProviderConfig, require_offline_access),
         "yes"},
        {"refresh_at", config_percent, offsetof(ProviderConfig, refresh_at), "75"},
        {"rotation_grace", config_grace, offsetof(ProviderConfig, rotation_grace_sec), "60"},
        {"keep_on_logout", config_truth, offsetof(ProviderConfig, keep_on_logout), "no"},
        {"allow_loopback_http", config_truth, offsetof(ProviderConfig, allow_loopback_http), "no"},
};

static const struct ConfigKey *provider_key(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(provider_keys); i++)
                if (streq(provider_keys[i].name, name))
                        return &provider_keys[i];
        return NULL;
}

static void provider_config_done(ProviderConfig *provider) {
        free(provider->name);
        free(provider->issuer);
        free(provider->client_id);
        free(provider->scope);
        free(provider->user_claim);
        free(provider->strip_domain);
        strv_free(provider->allow_users);
        strv_free(provider->id_token_algs);
        free(provider->resource);
        free(provider->audience);
        free(provider->ca_file);
        free(provider->proxy);
}

Config *config_free(Config *config) {
        if (!config)
                return NULL;
        for (size_t i = 0; i < config->n_providers; i++)
                provider_config_done(&config->providers[i]);
        free(config->providers);
        free(config);
        return NULL;
}

static int _printf_(2, 3) config_problem(char **ret_error, const char *format, ...) {
        va_list args;

        if (!ret_error)
                return -EINVAL;
        va_start(args, format);
        if (vasprintf(ret_error, format, args) < 0)
                *ret_error = NULL;
        va_end(args);
        return -EINVAL;
}

static const char *provider_set(ProviderConfig *provider, const struct ConfigKey *key,
                                const char *value) {
        if (strlen(value) > CONFIG_VALUE_MAX)
                return "the value is too long";
        if (strchr(value, '\n')) /* libeconf takes a line without '=' for more of the value */
                return "this line is not \"key = value\"";
        return key->parser(value, (char *)provider + key->offset);
}

bool url_is_loopback_http(const char *url) {
        static const char *const hosts[] = {"http://127.0.0.1", "http://[::1]", "http://localhost"};

        for (size_t i = 0; i < ELEMENTSOF(hosts); i++) {
                size_t n = strlen(hosts[i]);

                if (strncmp(url, hosts[i], n) == 0 && (url[n] == '\0' || strchr(":/", url[n])))
                        return true;
        }
        return false;
}

/* What no single key can say. */
static const char *provider_check(const ProviderConfig *provider) {
        if (!provider->issuer)
                return "the key issuer is missing";
        if (!provider->client_id)
                return "the key client_id is missing";
        if (strncmp(provider->issuer, "https://", strlen("https://")) == 0)
                return NULL;
        if (!url_is_loopback_http(provider->issuer))
                return "issuer must begin with https://";
        if (!provider->allow_loopback_http)
                return "issuer must begin with https:// (http to this host itself needs "
                       "allow_loopback_http = yes)";
        return NULL;
}

/* One key of one section, with the place where it was read for the message. */
static int provider_read_key(econf_file *file, const char *section, const char *name,
                             ProviderConfig *provider, char **ret_error) {
        _cleanup_(ext_value_freep) econf_ext_value *where = NULL;
        _cleanup_free_ char *value = NULL;
        const struct ConfigKey *key = provider_key(name);
        const char *problem = NULL;
        econf_err e;

        e = econf_getExtValue(file, section, name, &where);
        if (e != ECONF_SUCCESS)
                return config_problem(ret_error, "[%s] %s: %s", section, name, econf_errString(e));
        e = econf_getStringValue(file, section, name, &value);
        if (e != ECONF_SUCCESS && e != ECONF_KEY_HAS_NULL_VALUE)
                problem = econf_errString(e);
        if (!key)
                problem = "there is no such key";
        if (!problem)
                problem = provider_set(provider, key, value ? value : "");
        if (problem)
                return config_problem(ret_error, "%s:%llu: %s: %s",
                                      where->file ? where->file : "[" PROVIDER_SECTION "...]",
                                      (unsigned long long)where->line_number, name, problem);
        return 0;
}

static int provider_defaults(ProviderConfig *provider, char **ret_error) {
        for (size_t i = 0; i < ELEMENTSOF(provider_keys); i++) {
                const char *problem;

                if (!provider_keys[i].default_value)
                        continue;
                problem = provider_set(provider, &provider_keys[i], provider_keys[i].default_value);
                if (problem)
                        return config_problem(ret_error, "%s: %s", provider_keys[i].name, problem);
        }
        return 0;
}

static int provider_read(econf_file *file, const char *section, ProviderConfig *provider,
                         char **ret_error) {
        _cleanup_(econf_arrayp) char **keys = NULL;
        const char *problem;
        size_t n_keys = 0;
        int r;

        provider->name = strdup(section + strlen(PROVIDER_SECTION));
        if (!provider->name)
                return -ENOMEM;
        if (!account_name_is_valid(provider->name))
                return config_problem(ret_error,
                                      "[%s]: a provider's name is 1 to 32 of a-z, 0-9, '-' and "
                                      "'_', and begins with a letter",
                                      section);
        r = provider_defaults(provider, ret_error);
        if (r < 0)
                return r;
        if (econf_getKeys(file, section, &n_keys, &keys) != ECONF_SUCCESS)
                n_keys = 0;
        for (size_t i = 0; i < n_keys; i++) {
                for (size_t j = 0; j < i; j++)
                        if (streq(keys[i], keys[j]))
                                return config_problem(ret_error, "[%s] %s: stands twice", section,
                                                      keys[i]);
                r = provider_read_key(file, section, keys[i], provider, ret_error);
                if (r < 0)
                        return r;
        }
        problem = provider_check(provider);
        return problem ? config_problem(ret_error, "[%s]: %s", section, problem) : 0;
}

/* Keys above the first section belong to none. */
static int config_refuse_loose_keys(econf_file *file, char **ret_error) {
        _cleanup_(econf_arrayp) char **keys = NULL;
        _cleanup_(ext_value_freep) econf_ext_value *where = NULL;
        size_t n = 0;

        if (econf_getKeys(file, NULL, &n, &keys) != ECONF_SUCCESS || n == 0)
                return 0;
        if (econf_getExtValue(file, NULL, keys[0], &where) != ECONF_SUCCESS)
                return config_problem(ret_error, "%s: stands outside of any section", keys[0]);
        return config_problem(ret_error, "%s:%llu: %s: stands outside of any section", where->file,
                              (unsigned long long)where->line_number, keys[0]);
}

static int config_read_sections(econf_file *file, Config *config, char **ret_error) {
        _cleanup_(econf_arrayp) char **sections = NULL;
        size_t n = 0;
        int r;

        r = config_refuse_loose_keys(file, ret_error);
        if (r < 0)
                return r;
        if (econf_getGroups(file, &n, &sections) != ECONF_SUCCESS || n == 0)
                return 0; /* installed and not configured yet */
        if (n > CONFIG_PROVIDERS_MAX)
                return config_problem(ret_error, "more than %u sections", CONFIG_PROVIDERS_MAX);
        config->providers = calloc(n, sizeof(*config->providers));
        if (!config->providers)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                if (strncmp(sections[i], PROVIDER_SECTION, strlen(PROVIDER_SECTION)) != 0)
                        return config_problem(ret_error,
                                              "[%s]: only [provider NAME] sections are known",
                                              sections[i]);
                r = provider_read(file, sections[i], &config->providers[config->n_providers++],
                                  ret_error);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int file_is_readable(const char *path, char **ret_error) {
        if (faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) == 0 || errno == ENOENT)
                return 0;
        return config_problem(ret_error, "%s: cannot be read: %m", path);
}

static int folder_is_readable(const char *folder, char **ret_error) {
        _cleanup_(closedirp) DIR *dir = opendir(folder);
        int r = 0;

        if (!dir && errno != ENOENT)
                return config_problem(ret_error, "%s: cannot be read: %m", folder);
        for (struct dirent *entry = dir ? readdir(dir) : NULL; entry && r == 0;
             entry = readdir(dir)) {
                _cleanup_free_ char *path = NULL;

                if (asprintf(&path, "%s/%s", folder, entry->d_name) < 0)
                        return -ENOMEM;
                r = file_is_readable(path, ret_error);
        }
        return r;
}

/* libeconf passes over what it may not read. A policy must not get wider by a file's mode. */
static int config_is_readable(const char *folder, char **ret_error) {
        _cleanup_free_ char *file = NULL, *drop_ins = NULL;
        int r;

        if (asprintf(&file, "%s/" CONFIG_NAME ".conf", folder) < 0 ||
            asprintf(&drop_ins, "%s.d", file) < 0)
                return -ENOMEM;
        r = file_is_readable(file, ret_error);
        return r < 0 ? r : folder_is_readable(drop_ins, ret_error);
}

static int config_read_files(const char *root, econf_file **ret, char **ret_error) {
        _cleanup_free_ char *vendor = NULL, *etc = NULL, *where = NULL;
        uint64_t line = 0;
        econf_err e;
        int r;

        if (asprintf(&vendor, "%s/usr/lib", root) < 0 || asprintf(&etc, "%s/etc", root) < 0)
                return -ENOMEM;
        r = config_is_readable(vendor, ret_error);
        if (r == 0)
                r = config_is_readable(etc, ret_error);
        if (r < 0)
                return r;
        e = econf_readDirs(ret, vendor, etc, CONFIG_NAME, "conf", "=", "#");
        if (e == ECONF_SUCCESS)
                return 0;
        if (e == ECONF_NOFILE) {
                (void)config_problem(ret_error, "%s/%s.conf does not exist", etc, CONFIG_NAME);
                return -ENOENT;
        }
        econf_errLocation(&where, &line);
        return config_problem(ret_error, "%s:%llu: %s", where ? where : etc,
                              (unsigned long long)line, econf_errString(e));
}

/* What concerns a section as a whole stands on no one line: name the file to look into at least. */
static void config_name_file(const char *root, char **error) {
        char *longer = NULL;

        if (!error || !*error || **error == '/')
                return;
        if (asprintf(&longer, "%s/etc/" CONFIG_NAME ".conf: %s", root, *error) < 0)
                return;
        free(*error);
        *error = longer;
}

int config_load(const char *root, Config **ret, char **ret_error) {
        _cleanup_(econf_file_freep) econf_file *file = NULL;
        _cleanup_(config_freep) Config *config = NULL;
        int r;

        root = root ? root : "";
        if (ret_error)
                *ret_error = NULL;
        r = config_read_files(root, &file, ret_error);
        if (r < 0)
                return r;
        config = calloc(1, sizeof(*config));
        if (!config)
                return -ENOMEM;
        r = config_read_sections(file, config, ret_error);
        if (r < 0) {
                config_name_file(root, ret_error);
                return r;
        }

        *ret = TAKE_PTR(config);
        return 0;
}

const ProviderConfig *config_provider(const Config *config, const char *name) {
        if (!name || !*name)
                return config->n_providers == 1 ? &config->providers[0] : NULL;
        for (size_t i = 0; i < config->n_providers; i++)
                if (streq(config->providers[i].name, name))
                        return &config->providers[i];
        return NULL;
}

/* FNV-1a over what stat(2) says: cheap, and enough to notice an edit. */
static uint64_t fingerprint_add(uint64_t hash, const char *path) {
        struct stat st = {0};
        unsigned char bytes[sizeof(st.st_mtim) + sizeof(st.st_ino) + sizeof(st.st_size)];

        if (stat(path, &st) < 0)
                return hash * 31;
        memcpy(bytes, &st.st_mtim, sizeof(st.st_mtim));
        memcpy(bytes + sizeof(st.st_mtim), &st.st_ino, sizeof(st.st_ino));
        memcpy(bytes + sizeof(st.st_mtim) + sizeof(st.st_ino), &st.st_size, sizeof(st.st_size));
        for (size_t i = 0; i < sizeof(bytes); i++)
                hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
        return hash;
}

static uint64_t fingerprint_add_folder(uint64_t hash, const char *folder) {
        _cleanup_(closedirp) DIR *dir = opendir(folder);
        uint64_t sum = 0; /* of the files, in whatever order they come */

        for (struct dirent *entry = dir ? readdir(dir) : NULL; entry; entry = readdir(dir)) {
                _cleanup_free_ char *path = NULL;

                if (asprintf(&path, "%s/%s", folder, entry->d_name) < 0)
                        break;
                sum += fingerprint_add(hash, path);
        }
        return fingerprint_add(hash, folder) ^ sum;
}

uint64_t config_fingerprint(const char *root) {
        static const char *const folders[] = {"/usr/lib/", "/etc/"};
        uint64_t hash = UINT64_C(0xcbf29ce484222325);

        for (size_t i = 0; i < ELEMENTSOF(folders); i++) {
                _cleanup_free_ char *file = NULL, *folder = NULL;

                if (asprintf(&file, "%s%s" CONFIG_NAME ".conf", root ? root : "", folders[i]) < 0 ||
                    asprintf(&folder, "%s.d", file) < 0)
                        break;
                hash = fingerprint_add_folder(fingerprint_add(hash, file), folder);
        }
        return hash;
}
