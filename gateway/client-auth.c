/* SPDX-License-Identifier: MIT */
#include "gateway/client-auth.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "common/names.h"

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

static int read_secret(int fd, Secret **ret) {
        _cleanup_(secret_freep) Secret *buffer = NULL;
        ssize_t size;
        int r;

        r = secret_new(CLIENT_SECRET_MAX + 1, &buffer);
        if (r < 0)
                return r;
        size = read_whole(fd, secret_buffer(buffer), CLIENT_SECRET_MAX + 1);
        if (size < 0)
                return (int)size;
        if (size > (ssize_t)CLIENT_SECRET_MAX)
                return -E2BIG;
        if (size > 0 && secret_bytes(buffer)[size - 1] == '\n')
                size--;
        if (size == 0)
                return -ENOENT;
        return secret_new_copy(secret_bytes(buffer), (size_t)size, ret);
}

int client_auth_load(const ProviderConfig *config, const char *directory, Secret **ret) {
        char name[sizeof(CLIENT_CREDENTIAL_PREFIX) + ACCOUNT_NAME_MAX];
        _cleanup_close_ int directory_fd = -1, fd = -1;

        if (config->client_auth == CLIENT_AUTH_NONE) {
                *ret = NULL;
                return 0;
        }
        if (config->client_auth != CLIENT_AUTH_SECRET_BASIC &&
            config->client_auth != CLIENT_AUTH_SECRET_POST)
                return -EOPNOTSUPP;
        if (!directory)
                return -ENOENT;

        (void)snprintf(name, sizeof(name), CLIENT_CREDENTIAL_PREFIX "%s", config->name);
        directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (directory_fd < 0)
                return -errno;
        fd = openat(directory_fd, name, O_RDONLY | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        return read_secret(fd, ret);
}

int client_auth_apply(const ProviderConfig *config, const Secret *secret, Form *form,
                      Secret **ret_authorization) {
        int r;

        *ret_authorization = NULL;
        if (config->client_auth != CLIENT_AUTH_NONE && !secret)
                return -ENOENT;
        if (config->client_auth == CLIENT_AUTH_SECRET_BASIC)
                return form_basic_authorization(config->client_id, secret, ret_authorization);

        r = form_add(form, "client_id", config->client_id);
        if (r < 0 || config->client_auth == CLIENT_AUTH_NONE)
                return r;
        return form_add_secret(form, "client_secret", secret);
}
