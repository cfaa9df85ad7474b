/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/check-parts.h"
#include "common/names.h"

void check_configuration(Findings *findings, const char *root, Config **ret) {
        _cleanup_(config_freep) Config *config = NULL;
        _cleanup_free_ char *error = NULL;
        int r;

        *ret = NULL;
        r = config_load(root, &config, &error);
        if (r == -ENOENT)
                finding(findings, SEVERITY_ERROR, "configuration",
                        "there is none: write a provider's section into " CONFIG_FILE
                        ", see oidc-keyring.conf(5)");
        else if (r < 0)
                finding(findings, SEVERITY_ERROR, "configuration", "%s",
                        error ? error : strerror(-r));
        if (r < 0)
                return;
        for (size_t i = 0; i < config->n_providers; i++)
                finding(findings, SEVERITY_OK, "configuration", "provider %s is %s as %s",
                        config->providers[i].name, config->providers[i].issuer,
                        config->providers[i].client_id);
        if (config->n_providers == 0)
                finding(findings, SEVERITY_ERROR, "configuration",
                        "it has no provider: add a [provider NAME] section, see "
                        "oidc-keyring.conf(5)");
        *ret = TAKE_PTR(config);
}

static bool only_root(const struct stat *st, mode_t allowed) {
        return st->st_uid == 0 && (st->st_mode & 07777 & ~allowed) == 0;
}

static const char *credential_name(ClientAuth auth) {
        static const char *const names[_CLIENT_AUTH_MAX] = {
                [CLIENT_AUTH_NONE] = "what it holds",
                [CLIENT_AUTH_SECRET_BASIC] = "the client's secret",
                [CLIENT_AUTH_SECRET_POST] = "the client's secret",
                [CLIENT_AUTH_PRIVATE_KEY_JWT] = "the client's private key",
                [CLIENT_AUTH_TLS] = "the client's certificate and private key",
        };

        return names[auth];
}

static void check_credential(Findings *findings, const char *path, const ProviderConfig *provider) {
        struct stat st;
        bool needed = provider->client_auth != CLIENT_AUTH_NONE;

        if (stat(path, &st) < 0) {
                if (needed)
                        finding(findings, SEVERITY_ERROR, "credentials",
                                "%s has a client_auth that needs %s, but %s cannot be had (%s): "
                                "write it there, mode 0600",
                                provider->name, credential_name(provider->client_auth), path,
                                strerror(errno));
                return;
        }
        if (!S_ISREG(st.st_mode) || !only_root(&st, 0600))
                finding(findings, SEVERITY_ERROR, "credentials",
                        "%s can be read or written by others than root: chown root:root and chmod "
                        "0600, and replace %s, which others may know",
                        path, credential_name(provider->client_auth));
        else if (st.st_size == 0)
                finding(findings, SEVERITY_ERROR, "credentials", "%s is empty", path);
        else if (!needed)
                finding(findings, SEVERITY_WARNING, "credentials",
                        "%s is not used: set client_auth for %s, or remove the file", path,
                        provider->name);
        else
                finding(findings, SEVERITY_OK, "credentials", "%s is there for root alone", path);
}

static bool has_encrypted(Findings *findings, const char *root, const ProviderConfig *provider) {
        _cleanup_free_ char *path = NULL;
        struct stat st;

        if (asprintf(&path, "%s" ENCRYPTED_CREDENTIALS_FOLDER "/%s", root, provider->name) < 0) {
                path = NULL;
                return false;
        }
        if (stat(path, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size == 0)
                return false;
        finding(findings, SEVERITY_OK, "credentials", "%s is there, encrypted", path);
        return true;
}

static void check_credentials_folder(Findings *findings, const char *folder) {
        struct stat st;

        if (stat(folder, &st) == 0 && !only_root(&st, 0700))
                finding(findings, SEVERITY_ERROR, "credentials",
                        "%s is open to others than root: chown root:root and chmod 0700", folder);
}

void check_credentials(Findings *findings, const char *root, const Config *config) {
        _cleanup_free_ char *folder = NULL;

        if (asprintf(&folder, "%s" CREDENTIALS_FOLDER, root) < 0) {
                folder = NULL;
                return;
        }
        check_credentials_folder(findings, folder);
        for (size_t i = 0; i < config->n_providers; i++) {
                const ProviderConfig *provider = &config->providers[i];
                _cleanup_free_ char *path = NULL;

                if (asprintf(&path, "%s/%s", folder, provider->name) < 0) {
                        path = NULL;
                        return;
                }
                if (access(path, F_OK) == 0 || !has_encrypted(findings, root, provider))
                        check_credential(findings, path, provider);
        }
}
