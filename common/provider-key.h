/* SPDX-License-Identifier: MIT */
#pragma once

/* The keys of a provider section: what each one's value turns into, its default, and what they say
 * together. Only config.c has to do with them; docs/oidc-keyring.conf.5 documents every one. */

#include "common/config.h"

/* Each returns NULL, or what is wrong in words for the administrator. */
const char *provider_key_set(ProviderConfig *provider, const char *key, const char *value);
const char *provider_keys_set_defaults(ProviderConfig *provider);

/* What no single key can say. */
const char *provider_keys_check(const ProviderConfig *provider);

/* Frees what the keys hold, not @provider itself. */
void provider_keys_done(ProviderConfig *provider);
