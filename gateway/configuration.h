/* SPDX-License-Identifier: MIT */
#pragma once

/* Configuration: the providers under the configuration as it is on disk now. An edited file is
 * noticed before each use; what was begun under the former one keeps its own Provider. */

#include <stdbool.h>

#include "gateway/http.h"
#include "gateway/provider.h"

typedef struct Configuration Configuration;

/* @root as for config_load(); @http outlives it. Reads nothing yet. */
int configuration_new(const char *root, HttpClient *http, Configuration **ret);
Configuration *configuration_free(Configuration *configuration);
DEFINE_CLEANUP(Configuration, configuration_free);

/* Forgets everything read and fetched, so that the next use reads the files again. */
void configuration_reload(Configuration *configuration);

/* The provider called @name, or with "" the only one; valid until the next call, longer with a
 * reference. 0, OUTCOME_CONFIGURATION, OUTCOME_UNKNOWN_PROVIDER, -errno. */
int configuration_provider(Configuration *configuration, const char *name, Provider **ret);

/* The one whose name comes next after @after ("": the first), by bytes. OUTCOME_UNKNOWN_PROVIDER:
 * none does. */
int configuration_provider_after(Configuration *configuration, const char *after, Provider **ret);

/* Whether it was read and has no provider at all. */
bool configuration_is_empty(const Configuration *configuration);

/* What is wrong with it ("FILE:LINE: KEY: ..."); NULL while nothing is. */
const char *configuration_problem(const Configuration *configuration);
