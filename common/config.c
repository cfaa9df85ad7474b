/* SPDX-License-Identifier: MIT */
#include "common/config.h"

#include <errno.h>
#include <libeconf.h>
#include <libeconf_ext.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/config-files.h"
#include "common/parse.h"
#include "common/provider-key.h"

#define PROVIDER_SECTION "provider "

/* In ascending order: what stands in a later one wins. */
typedef struct ConfigFiles {
        econf_file **files;
        size_t n_files;
} ConfigFiles;

static inline void config_files_done(ConfigFiles *files) {
        for (size_t i = 0; i < files->n_files; i++)
                econf_freeFile(files->files[i]);
        free(files->files);
}

static inline econf_ext_value *ext_value_free(econf_ext_value *value) {
        econf_freeExtValue(value);
        return NULL;
}
DEFINE_CLEANUP(econf_ext_value, ext_value_free);

static inline void econf_arrayp(char ***array) {
        if (*array)
                econf_freeArray(*array);
}

static void provider_done(ProviderConfig *provider) {
        free(provider->name);
        provider_keys_done(provider);
}

Config *config_free(Config *config) {
        if (!config)
                return NULL;
        for (size_t i = 0; i < config->n_providers; i++)
                provider_done(&config->providers[i]);
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

bool url_is_loopback_http(const char *url) {
        static const char *const hosts[] = {"http://127.0.0.1", "http://[::1]", "http://localhost"};

        for (size_t i = 0; i < ELEMENTSOF(hosts); i++) {
                size_t n = strlen(hosts[i]);

                if (strncmp(url, hosts[i], n) == 0 && (url[n] == '\0' || strchr(":/", url[n])))
                        return true;
        }
        return false;
}

/* One key of one section, with the place where it was read for the message. */
static int provider_read_key(econf_file *file, const char *section, const char *name,
                             ProviderConfig *provider, char **ret_error) {
        _cleanup_(ext_value_freep) econf_ext_value *where = NULL;
        _cleanup_free_ char *value = NULL;
        const char *problem = NULL;
        econf_err e;

        e = econf_getExtValue(file, section, name, &where);
        if (e != ECONF_SUCCESS)
                return config_problem(ret_error, "[%s] %s: %s", section, name, econf_errString(e));
        e = econf_getStringValue(file, section, name, &value);
        if (e != ECONF_SUCCESS && e != ECONF_KEY_HAS_NULL_VALUE)
                problem = econf_errString(e);
        if (!problem)
                problem = provider_key_set(provider, name, value ? value : "");
        if (problem)
                return config_problem(ret_error, "%s:%llu: %s: %s",
                                      where->file ? where->file : "[" PROVIDER_SECTION "...]",
                                      (unsigned long long)where->line_number, name, problem);
        return 0;
}

/* What libeconf's lists of keys and sections came to; none at all is an error to it. */
static int config_listed(econf_err e, char **ret_error) {
        if (e == ECONF_SUCCESS || e == ECONF_NOKEY || e == ECONF_NOGROUP)
                return 0;
        return config_problem(ret_error, "%s", econf_errString(e));
}

static int provider_read(econf_file *file, const char *section, ProviderConfig *provider,
                         char **ret_error) {
        _cleanup_(econf_arrayp) char **keys = NULL;
        size_t n_keys = 0;
        int r;

        r = config_listed(econf_getKeys(file, section, &n_keys, &keys), ret_error);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n_keys; i++) {
                for (size_t j = 0; j < i; j++)
                        if (streq(keys[i], keys[j]))
                                return config_problem(ret_error, "[%s] %s: stands twice", section,
                                                      keys[i]);
                r = provider_read_key(file, section, keys[i], provider, ret_error);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* The provider of a section: the one that an earlier file began, or a new one with the defaults. */
static int config_find_provider(Config *config, const char *section, ProviderConfig **ret,
                                char **ret_error) {
        const char *name = section + strlen(PROVIDER_SECTION), *problem;
        ProviderConfig *provider;

        for (size_t i = 0; i < config->n_providers; i++)
                if (streq(config->providers[i].name, name)) {
                        *ret = &config->providers[i];
                        return 0;
                }
        if (!account_name_is_valid(name))
                return config_problem(ret_error,
                                      "[%s]: a provider's name is 1 to 32 of a-z, 0-9, '-' and "
                                      "'_', and begins with a letter",
                                      section);
        if (config->n_providers >= CONFIG_PROVIDERS_MAX)
                return config_problem(ret_error, "more than %u sections", CONFIG_PROVIDERS_MAX);
        provider = reallocarray(config->providers, config->n_providers + 1, sizeof(*provider));
        if (!provider)
                return -ENOMEM;
        config->providers = provider;
        provider += config->n_providers++;
        *provider = (ProviderConfig){.name = strdup(name)};
        if (!provider->name)
                return -ENOMEM;
        problem = provider_keys_set_defaults(provider);
        if (problem)
                return config_problem(ret_error, "[%s]: %s", section, problem);

        *ret = provider;
        return 0;
}

/* Keys above the first section belong to none. */
static int config_refuse_loose_keys(econf_file *file, char **ret_error) {
        _cleanup_(econf_arrayp) char **keys = NULL;
        _cleanup_(ext_value_freep) econf_ext_value *where = NULL;
        size_t n = 0;
        int r;

        r = config_listed(econf_getKeys(file, NULL, &n, &keys), ret_error);
        if (r < 0 || n == 0)
                return r;
        if (econf_getExtValue(file, NULL, keys[0], &where) != ECONF_SUCCESS)
                return config_problem(ret_error, "%s: stands outside of any section", keys[0]);
        return config_problem(ret_error, "%s:%llu: %s: stands outside of any section", where->file,
                              (unsigned long long)where->line_number, keys[0]);
}

static int config_read_sections(econf_file *file, Config *config, char **ret_error) {
        _cleanup_(econf_arrayp) char **sections = NULL;
        ProviderConfig *provider = NULL;
        size_t n = 0;
        int r;

        r = config_refuse_loose_keys(file, ret_error);
        if (r < 0)
                return r;
        r = config_listed(econf_getGroups(file, &n, &sections), ret_error);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++) {
                if (strncmp(sections[i], PROVIDER_SECTION, strlen(PROVIDER_SECTION)) != 0)
                        return config_problem(ret_error,
                                              "[%s]: only [provider NAME] sections are known",
                                              sections[i]);
                r = config_find_provider(config, sections[i], &provider, ret_error);
                if (r < 0)
                        return r;
                r = provider_read(file, sections[i], provider, ret_error);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Read one by one and never merged before: a file may be without any key, as the one is that is
 * installed, and a key that stands twice in one file can be told from one that a later file
 * changes.
 */
static int config_read_all(const ConfigFiles *files, Config *config, char **ret_error) {
        int r;

        for (size_t i = 0; i < files->n_files; i++) {
                r = config_read_sections(files->files[i], config, ret_error);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < config->n_providers; i++) {
                const char *problem = provider_keys_check(&config->providers[i]);

                if (problem)
                        return config_problem(ret_error, "[" PROVIDER_SECTION "%s]: %s",
                                              config->providers[i].name, problem);
        }
        return 0;
}

static int config_read_file(ConfigFiles *files, const char *path, char **ret_error) {
        econf_file **longer, *file = NULL;
        uint64_t line = 0;
        char *where = NULL;
        econf_err e;

        longer = reallocarray(files->files, files->n_files + 1, sizeof(econf_file *));
        if (!longer)
                return -ENOMEM;
        files->files = longer;
        e = econf_readFile(&file, path, "=", "#");
        if (e == ECONF_SUCCESS) {
                longer[files->n_files++] = file;
                return 0;
        }
        if (e == ECONF_NOMEM)
                return -ENOMEM;
        econf_errLocation(&where, &line);
        free(where); /* @path */
        return config_problem(ret_error, "%s:%llu: %s", path, (unsigned long long)line,
                              econf_errString(e));
}

/* libeconf passes over a key that stands right after itself: what was written last would not count,
 * and nobody be told. Of all else it knows more than is looked at here. */
static int config_refuse_repeats(const char *path, char **ret_error) {
        _cleanup_(fclosep) FILE *file = fopen(path, "re");
        _cleanup_free_ char *line = NULL, *before = NULL;
        size_t size = 0;

        if (!file)
                return -errno;
        for (unsigned n = 1; getline(&line, &size, file) >= 0; n++) {
                char *key = line + strspn(line, " \t");

                if (*key == '#' || *key == '\n')
                        continue;
                key[strcspn(key, " \t=\n")] = '\0';
                if (before && *key != '[' && streq(key, before))
                        return config_problem(ret_error, "%s:%u: %s: stands twice", path, n, key);
                free(before);
                before = strdup(key);
                if (!before)
                        return -ENOMEM;
        }
        return feof(file) ? 0 : -ENOMEM;
}

/* Reads all files. Each exists and can be read, so any failure is one: a policy must not get wider
 * because a part of it was passed over. */
static int config_read_files(const char *root, ConfigFiles *ret, char **ret_error) {
        _cleanup_(strv_freep) char **paths = NULL;
        int r;

        r = config_files_list(root, &paths, ret_error);
        if (r < 0)
                return r;
        if (!paths) {
                (void)config_problem(ret_error, "%s/etc/" CONFIG_NAME ".conf does not exist", root);
                return -ENOENT;
        }
        for (char **path = paths; *path; path++) {
                r = config_read_file(ret, *path, ret_error);
                if (r >= 0)
                        r = config_refuse_repeats(*path, ret_error);
                if (r < 0)
                        return r;
        }
        return 0;
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
        _cleanup_(config_files_done) ConfigFiles files = {0};
        _cleanup_(config_freep) Config *config = NULL;
        int r;

        root = root ? root : "";
        if (ret_error)
                *ret_error = NULL;
        r = config_read_files(root, &files, ret_error);
        if (r < 0)
                return r;
        config = calloc(1, sizeof(*config));
        if (!config)
                return -ENOMEM;
        r = config_read_all(&files, config, ret_error);
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

uint64_t config_fingerprint(const char *root) {
        return config_files_fingerprint(root ? root : "");
}
