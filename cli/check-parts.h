/* SPDX-License-Identifier: MIT */
#pragma once

/* The parts of `oidc-keyring check`. Each looks at one thing below @root ("" in earnest). */

#include <stdbool.h>

#include "cli/findings.h"
#include "common/config.h"

#define PAM_MODULE_NAME "pam_oidc_keyring.so"

/* The files of the configuration; *ret is NULL if they cannot be used. */
void check_configuration(Findings *findings, const char *root, Config **ret);
/* The secrets of the providers that have one. */
void check_credentials(Findings *findings, const char *root, const Config *config);

/* Asks the gateway, and as root it asks each provider. */
void check_gateway(Findings *findings, const Config *config);

/* What the services of PAM do with the module. */
void check_pam(Findings *findings, const char *root);
/* sshd's own settings, if its service uses the module; root only. */
void check_sshd(Findings *findings, const char *root);
/* The same from the text that `sshd -T` prints. */
void check_sshd_settings(Findings *findings, const char *text, uint64_t timeout_sec);

/* The user's bus and keyring; not for root. */
void check_session(Findings *findings);
