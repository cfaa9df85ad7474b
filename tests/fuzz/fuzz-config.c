/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/config.h"

/* The configuration in a root of its own: what stands before the first NUL is the main file, what
 * stands behind it a drop-in. */

static const char *const folders[] = {"etc", "etc/oidc-keyring.conf.d"};
static const char *const files[] = {"etc/oidc-keyring.conf",
                                    "etc/oidc-keyring.conf.d/50-more.conf"};
static char root[256];

static char *below_root(const char *name) {
        char *path;

        assert(asprintf(&path, "%s/%s", root, name) > 0);
        return path;
}

static void tear_down(void) {
        for (size_t i = 0; i < ELEMENTSOF(files); i++) {
                _cleanup_free_ char *path = below_root(files[i]);

                (void)unlink(path);
        }
        for (size_t i = ELEMENTSOF(folders); i > 0; i--) {
                _cleanup_free_ char *path = below_root(folders[i - 1]);

                (void)rmdir(path);
        }
        (void)rmdir(root);
}

/* In memory where that can be had: it is written anew for each input. */
static void set_up(void) {
        const char *place = getenv("TMPDIR");

        if (root[0])
                return;
        if (!place)
                place = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
        assert(snprintf(root, sizeof(root), "%s/fuzz-config.XXXXXX", place) < (int)sizeof(root));
        assert(mkdtemp(root) && atexit(tear_down) == 0);
        for (size_t i = 0; i < ELEMENTSOF(folders); i++) {
                _cleanup_free_ char *path = below_root(folders[i]);

                assert(mkdir(path, 0700) == 0);
        }
}

static void write_file(const char *name, const uint8_t *data, size_t size) {
        _cleanup_free_ char *path = below_root(name);
        _cleanup_close_ int fd = -1;

        if (!data) {
                assert(unlink(path) == 0 || errno == ENOENT);
                return;
        }
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        assert(fd >= 0 && write(fd, data, size) == (ssize_t)size);
}

/* What the gateway relies on, whatever stood there. */
static void check_provider(const ProviderConfig *provider) {
        assert(*provider->name && *provider->issuer && *provider->client_id);
        assert(*provider->user_claim && provider->id_token_algs[0]);
        assert(strncmp(provider->issuer, "https://", 8) == 0 ||
               (provider->allow_loopback_http && url_is_loopback_http(provider->issuer)));
        assert(strstr(provider->scope, "openid"));
        assert(provider->min_uid >= 1 && provider->refresh_at >= 1 && provider->refresh_at <= 99);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(config_freep) Config *config = NULL;
        _cleanup_free_ char *error = NULL;
        const uint8_t *nul = size > 0 ? memchr(data, '\0', size) : NULL;
        size_t main_size = nul ? (size_t)(nul - data) : size;
        int r;

        set_up();
        write_file(files[0], data, main_size);
        write_file(files[1], nul ? nul + 1 : NULL, nul ? size - main_size - 1 : 0);
        r = config_load(root, &config, &error);
        assert(r == 0 || r == -EINVAL);
        assert((r == 0) == (config != NULL) && (r == 0) == (error == NULL));
        for (size_t i = 0; config && i < config->n_providers; i++)
                check_provider(&config->providers[i]);
        return 0;
}
