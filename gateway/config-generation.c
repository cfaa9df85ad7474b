/* SPDX-License-Identifier: MIT */
#include "gateway/config-generation.h"

#include <errno.h>

struct ConfigGeneration {
        unsigned n_ref;
        Config *config;
};

int config_generation_new(Config *config, ConfigGeneration **ret) {
        ConfigGeneration *generation = calloc(1, sizeof(*generation));

        if (!generation) {
                config_free(config);
                return -ENOMEM;
        }
        *generation = (ConfigGeneration){.n_ref = 1, .config = config};
        *ret = generation;
        return 0;
}

ConfigGeneration *config_generation_ref(ConfigGeneration *generation) {
        generation->n_ref++;
        return generation;
}

ConfigGeneration *config_generation_unref(ConfigGeneration *generation) {
        if (!generation || --generation->n_ref > 0)
                return NULL;
        config_free(generation->config);
        free(generation);
        return NULL;
}

const Config *config_generation_config(const ConfigGeneration *generation) {
        return generation->config;
}
