/* SPDX-License-Identifier: MIT */
#pragma once

/* The files that make up the configuration, by the usual rules: the main file of /etc, or else the
 * vendor's, then the drop-ins of both folders in the order of their names; of two of one name the
 * one in /etc counts. Names that do not end in ".conf" or begin with a dot are no drop-ins.
 * Only config.c has to do with them. */

#include <stdint.h>

#define CONFIG_NAME "oidc-keyring"

/* A NULL-terminated array of paths below @root in the order of reading, each of which can be read
 * now: a link that leads nowhere is a mistake and not a file that is not there, because the policy
 * could be in it. Empty: no configuration. -EINVAL with a message for the administrator, or another
 * -errno for what may pass (no memory, no descriptors, input and output). */
int config_files_list(const char *root, char ***ret, char **ret_error);

/* A value that changes when a file comes, goes or is edited, or may be read by others. */
uint64_t config_files_fingerprint(const char *root);
