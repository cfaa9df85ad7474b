/* SPDX-License-Identifier: MIT */

/* Configuration, secrets and grants where memory or a system call fails. */

#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <ftw.h>
#include <libeconf.h>
#include <libeconf_ext.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/config.h"
#include "common/grant.h"
#include "common/sealed-memfd.h"
#include "tests/unit/fail-nth.h"

/* libeconf's own memory is left alone; that it has none is what it says. Its lists come to nothing
 * then, and nothing must not be taken for an empty configuration. */
#define WRAP(name, parameters, arguments)    \
        econf_err __real_##name parameters;  \
        econf_err __wrap_##name parameters;  \
        econf_err __wrap_##name parameters { \
                unsigned paused;             \
                econf_err e;                 \
                                             \
                if (fail_nth_memory_fails()) \
                        return ECONF_NOMEM;  \
                paused = fail_nth_pause();   \
                e = __real_##name arguments; \
                fail_nth_resume(paused);     \
                return e;                    \
        }                                    \
        struct _semicolon_eater_

WRAP(econf_getKeys, (econf_file * file, const char *group, size_t *n, char ***keys),
     (file, group, n, keys));
WRAP(econf_getGroups, (econf_file * file, size_t *n, char ***groups), (file, n, groups));
WRAP(econf_getStringValue, (econf_file * file, const char *group, const char *key, char **value),
     (file, group, key, value));
WRAP(econf_getExtValue,
     (econf_file * file, const char *group, const char *key, econf_ext_value **value),
     (file, group, key, value));
WRAP(econf_readFile,
     (econf_file * *file, const char *path, const char *delimiter, const char *comment),
     (file, path, delimiter, comment));

static char root[] = "/tmp/test-fail-common-XXXXXX";

static void write_file(const char *name, const char *text) {
        _cleanup_free_ char *path = NULL;
        FILE *file;

        assert(asprintf(&path, "%s/%s", root, name) > 0);
        file = fopen(path, "we");
        assert(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void make_folder(const char *name) {
        _cleanup_free_ char *path = NULL;

        assert(asprintf(&path, "%s/%s", root, name) > 0 && mkdir(path, 0755) == 0);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        (void)st, (void)type, (void)ftw;
        return remove(path);
}

/* Whatever fails, no part of the policy may be missing where there is one at all. */
static int try_config(void) {
        _cleanup_(config_freep) Config *config = NULL;
        _cleanup_free_ char *error = NULL;
        const ProviderConfig *p;
        int r = FAIL_NTH(config_load(root, &config, &error));

        assert((r == 0) == (config != NULL));
        if (r < 0)
                return r;
        assert(config->n_providers == 2);
        p = config_provider(config, "corp");
        assert(p && p->min_uid == 2000 && streq(p->issuer, "https://id.example.com"));
        assert(streq(p->allow_users[0], "alice") && streq(p->allow_users[1], "bob"));
        assert(!p->allow_users[2] && streq(p->strip_domain, "@example.com"));
        p = config_provider(config, "second");
        assert(p && streq(p->client_id, "c") && streq(p->id_token_algs[0], "ES256"));
        return 0;
}

static int try_config_refused(void) {
        _cleanup_(config_freep) Config *config = NULL;
        _cleanup_free_ char *error = NULL;
        int r = FAIL_NTH(config_load(root, &config, &error));

        assert(r < 0 && !config);
        return r == -EINVAL && (error || fail_nth_injected()) ? 0 : r;
}

static void test_config(void) {
        static const char *const wrong[] = {"loose = 1\n", "[provider corp]\nno_such_key = 1\n",
                                            "[daemon]\nx = 1\n"};

        make_folder("etc");
        make_folder("etc/oidc-keyring.conf.d");
        write_file(
                "etc/oidc-keyring.conf",
                "# both\n[provider corp]\nissuer = https://id.example.com\nclient_id = ssh-login\n"
                "allow_users = alice, bob\nstrip_domain = @example.com\n"
                "[provider second]\nissuer = https://two.example.com\nclient_id = c\n"
                "id_token_algs = ES256\n");
        write_file("etc/oidc-keyring.conf.d/50.conf", "[provider corp]\nmin_uid = 2000\n");
        fail_nth_run("config_load", try_config);
        for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
                write_file("etc/oidc-keyring.conf.d/60.conf", wrong[i]);
                fail_nth_run("config_load of a wrong one", try_config_refused);
        }
}

static int try_secret(void) {
        _cleanup_(secret_freep) Secret *secret = NULL;
        int r = FAIL_NTH(secret_new_copy("a token", 7, &secret));

        assert((r == 0) == (secret != NULL));
        assert(!secret || (secret_size(secret) == 7 && streq(secret_bytes(secret), "a token")));
        return r;
}

static int try_sealed_memfd(void) {
        _cleanup_(secret_freep) Secret *secret = NULL;
        _cleanup_close_ int fd = -1;
        int r = FAIL_NTH(sealed_memfd_new("x", "content", 7, &fd));

        assert((r == 0) == (fd >= 0));
        if (r < 0)
                return r;
        r = FAIL_NTH(sealed_memfd_read(fd, 100, &secret));
        assert((r == 0) == (secret != NULL));
        assert(!secret || (secret_size(secret) == 7 && streq(secret_bytes(secret), "content")));
        return r;
}

static const Grant *example(void) {
        static Grant grant;

        if (grant.account)
                return &grant;
        grant = (Grant){
                .account = strdup("corp"),
                .issuer = strdup("https://id.example.com"),
                .subject = strdup("s1"),
                .user = strdup("alice"),
                .scope = strdup("openid"),
                .expires_usec = 1,
                .lifetime_usec = 2,
                .refresh_at = 75,
        };
        assert(secret_new_copy("access", 6, &grant.access_token) == 0);
        assert(secret_new_copy("refresh", 7, &grant.refresh_token) == 0);
        return &grant;
}

static int try_grant(void) {
        _cleanup_(grant_freep) Grant *read = NULL;
        _cleanup_close_ int fd = -1;
        const Grant *grant = example();
        int r = FAIL_NTH(grant_seal(grant, &fd));

        assert((r == 0) == (fd >= 0));
        if (r < 0)
                return r;
        r = FAIL_NTH(grant_unseal(fd, &read));
        assert((r == 0) == (read != NULL));
        if (r < 0)
                return r;
        assert(streq(read->account, "corp") && streq(read->issuer, "https://id.example.com"));
        assert(streq(read->subject, "s1") && streq(read->user, "alice"));
        assert(streq(read->scope, "openid") && read->refresh_at == 75);
        assert(secret_equal(read->access_token, grant->access_token));
        assert(secret_equal(read->refresh_token, grant->refresh_token));
        return 0;
}

int main(void) {
        if (!fail_nth_works()) {
                (void)puts("a sanitizer has malloc() itself");
                return 77;
        }
        assert(mkdtemp(root));
        test_config();
        fail_nth_run("secret", try_secret);
        fail_nth_run("sealed memfd", try_sealed_memfd);
        fail_nth_run("grant", try_grant);
        return nftw(root, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}
