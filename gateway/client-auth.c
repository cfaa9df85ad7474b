/* SPDX-License-Identifier: MIT */
#include "gateway/client-auth.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "gateway/client-assertion.h"
#include "gateway/client-key.h"

ClientCredential *client_credential_free(ClientCredential *credential) {
        if (!credential)
                return NULL;
        secret_free(credential->bytes);
        client_certificate_free(credential->certificate);
        free(credential);
        return NULL;
}

/* What a credential has to be, and what it goes into. */

static const char *secret_check(ClientCredential *credential) {
        return secret_size(credential->bytes) > CLIENT_SECRET_MAX ? "is too long" : NULL;
}

static const char *key_check(ClientCredential *credential) {
        _cleanup_(client_key_done) ClientKey key = {};

        return client_key_read(credential->bytes, &key);
}

static const char *certificate_check(ClientCredential *credential) {
        return client_certificate_read(credential->bytes, &credential->certificate);
}

static int secret_add(const ProviderConfig *config, const ClientCredential *credential,
                      Form *form) {
        (void)config;
        return form_add_secret(form, "client_secret", credential->bytes);
}

static int assertion_add(const ProviderConfig *config, const ClientCredential *credential,
                         Form *form) {
        _cleanup_(secret_freep) Secret *assertion = NULL;
        int r;

        r = client_assertion_make(config, credential->bytes, clock_realtime_usec(), &assertion);
        if (r < 0)
                return r;
        r = form_add(form, "client_assertion_type", CLIENT_ASSERTION_TYPE);
        if (r < 0)
                return r;
        return form_add_secret(form, "client_assertion", assertion);
}

static const struct Method {
        const char *(*check)(ClientCredential *credential);
        int (*add)(const ProviderConfig *config, const ClientCredential *credential, Form *form);
} methods[_CLIENT_AUTH_MAX] = {
        [CLIENT_AUTH_NONE] = {},
        [CLIENT_AUTH_SECRET_BASIC] = {secret_check, NULL},
        [CLIENT_AUTH_SECRET_POST] = {secret_check, secret_add},
        [CLIENT_AUTH_PRIVATE_KEY_JWT] = {key_check, assertion_add},
        [CLIENT_AUTH_TLS] = {certificate_check, NULL},
};

/* The file. */

/* Reads until the end of the file or of @size bytes. */
static ssize_t read_whole(int fd, char *buffer, size_t size) {
        size_t n = 0;

        while (n < size) {
                ssize_t k = read(fd, buffer + n, size - n);

                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0)
                        return -errno;
                if (k == 0)
                        break;
                n += (size_t)k;
        }
        return (ssize_t)n;
}

static const char *read_bytes(int fd, Secret **ret) {
        _cleanup_(secret_freep) Secret *buffer = NULL;
        ssize_t size;

        if (secret_new(CLIENT_PEM_MAX + 1, &buffer) < 0)
                return "cannot be read: out of memory";
        size = read_whole(fd, secret_buffer(buffer), CLIENT_PEM_MAX + 1);
        if (size < 0)
                return "cannot be read";
        if (size > (ssize_t)CLIENT_PEM_MAX)
                return "is too long";
        if (size > 0 && secret_bytes(buffer)[size - 1] == '\n')
                size--;
        if (size == 0)
                return "is empty";
        return secret_new_copy(secret_bytes(buffer), (size_t)size, ret) < 0
                       ? "cannot be read: out of memory"
                       : NULL;
}

/* -1 with errno if it is in neither form there. */
static int open_credential(int directory_fd, const char *provider) {
        static const char *const prefixes[] = {CLIENT_CREDENTIAL_PREFIX,
                                               CLIENT_CREDENTIAL_PREFIX_ENCRYPTED};
        int fd = -1;

        for (size_t i = 0; i < ELEMENTSOF(prefixes) && fd < 0; i++) {
                _cleanup_free_ char *name = NULL;

                if (asprintf(&name, "%s%s", prefixes[i], provider) < 0) {
                        name = NULL;
                        return -1;
                }
                fd = openat(directory_fd, name, O_RDONLY | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
                if (fd < 0 && errno != ENOENT)
                        return -1;
        }
        return fd;
}

static const char *read_credential(const char *provider, const char *directory, Secret **ret) {
        _cleanup_close_ int directory_fd = -1, fd = -1;

        if (!directory)
                return "is missing";
        directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (directory_fd < 0)
                return "is missing";
        fd = open_credential(directory_fd, provider);
        if (fd < 0)
                return errno == ENOENT ? "is missing" : "cannot be opened";
        return read_bytes(fd, ret);
}

const char *client_auth_load(const ProviderConfig *config, const char *directory,
                             ClientCredential **ret) {
        _cleanup_(client_credential_freep) ClientCredential *credential = NULL;
        const struct Method *method = &methods[config->client_auth];
        const char *problem;

        *ret = NULL;
        if (!method->check)
                return NULL;
        credential = calloc(1, sizeof(*credential));
        if (!credential)
                return "cannot be read: out of memory";
        problem = read_credential(config->name, directory, &credential->bytes);
        if (problem)
                return problem;
        problem = method->check(credential);
        if (problem)
                return problem;
        *ret = TAKE_PTR(credential);
        return NULL;
}

int client_auth_apply(const ProviderConfig *config, const ClientCredential *credential, Form *form,
                      Secret **ret_authorization) {
        const struct Method *method = &methods[config->client_auth];
        int r;

        *ret_authorization = NULL;
        if (method->check && !credential)
                return -ENOENT;
        if (config->client_auth == CLIENT_AUTH_SECRET_BASIC)
                return form_basic_authorization(config->client_id, credential->bytes,
                                                ret_authorization);

        r = form_add(form, "client_id", config->client_id);
        if (r < 0 || !method->add)
                return r;
        return method->add(config, credential, form);
}
