/* SPDX-License-Identifier: MIT */
#include "gateway/configuration.h"

#include <errno.h>

#include "common/log.h"

struct Configuration {
        char *root;
        HttpClient *http;
        bool loaded; /* whether fingerprint and the rest are of the files */
        uint64_t fingerprint;
        char *problem;
        ConfigGeneration *generation; /* NULL with a problem */
        Provider
                *providers[CONFIG_PROVIDERS_MAX]; /* in the order of the Config; NULL: unused yet */
};

int configuration_new(const char *root, HttpClient *http, Configuration **ret) {
        _cleanup_(configuration_freep) Configuration *configuration =
                calloc(1, sizeof(*configuration));

        if (!configuration)
                return -ENOMEM;
        configuration->http = http;
        configuration->root = strdup(root ? root : "");
        if (!configuration->root)
                return -ENOMEM;
        *ret = TAKE_PTR(configuration);
        return 0;
}

void configuration_reload(Configuration *configuration) {
        for (size_t i = 0; i < CONFIG_PROVIDERS_MAX; i++)
                configuration->providers[i] = provider_unref(configuration->providers[i]);
        configuration->generation = config_generation_unref(configuration->generation);
        free(configuration->problem);
        configuration->problem = NULL;
        configuration->loaded = false;
}

Configuration *configuration_free(Configuration *configuration) {
        if (!configuration)
                return NULL;
        configuration_reload(configuration);
        free(configuration->root);
        free(configuration);
        return NULL;
}

static int configuration_load(Configuration *configuration) {
        Config *config = NULL;
        int r;

        r = config_load(configuration->root, &config, &configuration->problem);
        if (r == -EINVAL) {
                log_error("Configuration: %s",
                          configuration->problem ? configuration->problem : "it cannot be used");
                return OUTCOME_CONFIGURATION;
        }
        if (r == -ENOENT) { /* no file says as much as one without a section */
                config = calloc(1, sizeof(*config));
                r = config ? 0 : -ENOMEM;
        }
        if (r < 0)
                return r;
        if (config->n_providers == 0)
                log_warning("Configuration: no provider yet, so nobody can log in through one");
        return config_generation_new(config, &configuration->generation);
}

/* The fingerprint is taken first: a file that changes while it is read is read again next time. */
static int configuration_refresh(Configuration *configuration) {
        uint64_t fingerprint = config_fingerprint(configuration->root);
        int r;

        if (configuration->loaded && fingerprint == configuration->fingerprint)
                return configuration->generation ? 0 : OUTCOME_CONFIGURATION;

        configuration_reload(configuration);
        r = configuration_load(configuration);
        if (r < 0)
                return r;
        configuration->fingerprint = fingerprint;
        configuration->loaded = true;
        return r;
}

static int configuration_slot(Configuration *configuration, const ProviderConfig *found,
                              Provider **ret) {
        const Config *config = config_generation_config(configuration->generation);
        Provider **slot;
        int r;

        if (!found)
                return OUTCOME_UNKNOWN_PROVIDER;
        slot = &configuration->providers[found - config->providers];
        if (!*slot) {
                r = provider_new(configuration->generation, found, configuration->http, slot);
                if (r < 0)
                        return r;
        }
        *ret = *slot;
        return 0;
}

int configuration_provider(Configuration *configuration, const char *name, Provider **ret) {
        int r = configuration_refresh(configuration);

        if (r != 0)
                return r;
        return configuration_slot(
                configuration,
                config_provider(config_generation_config(configuration->generation), name), ret);
}

int configuration_provider_after(Configuration *configuration, const char *after, Provider **ret) {
        const ProviderConfig *next = NULL;
        const Config *config;
        int r;

        r = configuration_refresh(configuration);
        if (r != 0)
                return r;
        config = config_generation_config(configuration->generation);
        for (size_t i = 0; i < config->n_providers; i++) {
                const ProviderConfig *one = &config->providers[i];

                if (strcmp(one->name, after) > 0 && (!next || strcmp(one->name, next->name) < 0))
                        next = one;
        }
        return configuration_slot(configuration, next, ret);
}

bool configuration_is_empty(const Configuration *configuration) {
        return configuration->generation &&
               config_generation_config(configuration->generation)->n_providers == 0;
}

const char *configuration_problem(const Configuration *configuration) {
        return configuration->problem;
}
