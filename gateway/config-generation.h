/* SPDX-License-Identifier: MIT */
#pragma once

/* ConfigGeneration: one configuration as it was read, shared by what was begun under it, so that a
 * login that waits while the file is edited ends under the policy it began with. */

#include "common/config.h"
#include "common/macro.h"

typedef struct ConfigGeneration ConfigGeneration;

/* Takes @config over, also on failure. */
int config_generation_new(Config *config, ConfigGeneration **ret);
ConfigGeneration *config_generation_ref(ConfigGeneration *generation);
ConfigGeneration *config_generation_unref(ConfigGeneration *generation); /* NULL */
DEFINE_CLEANUP(ConfigGeneration, config_generation_unref);

const Config *config_generation_config(const ConfigGeneration *generation);
