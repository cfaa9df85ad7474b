/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/config.h"

#define SMALLEST "[provider corp]\nissuer = https://id.example.com\nclient_id = ssh-login\n"

static char root[] = "/tmp/test-config-XXXXXX";

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        (void)st, (void)type, (void)ftw;
        return remove(path);
}

static void write_file(const char *name, const char *text) {
        _cleanup_free_ char *path = NULL;
        FILE *file;

        assert(asprintf(&path, "%s/%s", root, name) > 0);
        if (!text) {
                (void)unlink(path);
                return;
        }
        file = fopen(path, "we");
        assert(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void make_folder(const char *name) {
        _cleanup_free_ char *path = NULL;

        assert(asprintf(&path, "%s/%s", root, name) > 0 && mkdir(path, 0755) == 0);
}

/* The configuration that is this file alone, and good. */
static Config *load_good(const char *text) {
        _cleanup_free_ char *error = NULL;
        Config *config;

        write_file("etc/oidc-keyring.conf", text);
        assert(config_load(root, &config, &error) == 0 && !error);
        return config;
}

static void test_none(void) {
        _cleanup_(config_freep) Config *config = NULL;
        _cleanup_free_ char *error = NULL;

        assert(config_load(root, &config, &error) == -ENOENT && !config);
        assert(strstr(error, "/etc/oidc-keyring.conf does not exist"));
}

static void test_smallest(void) {
        _cleanup_(config_freep) Config *config = load_good("# a comment\n" SMALLEST);
        const ProviderConfig *p;

        assert(config->n_providers == 1);
        p = config_provider(config, "");
        assert(p && p == config_provider(config, "corp") && p == config_provider(config, NULL));
        assert(!config_provider(config, "cor") && !config_provider(config, "other"));
        assert(streq(p->name, "corp") && streq(p->issuer, "https://id.example.com"));
        assert(streq(p->client_id, "ssh-login") && streq(p->user_claim, "preferred_username"));
        assert(streq(p->scope, "openid profile offline_access"));
        assert(p->min_uid == 1000 && p->refresh_at == 75 && p->rotation_grace_sec == 30);
        assert(p->require_offline_access && !p->keep_on_logout && !p->allow_loopback_http);
        assert(p->revoke == REVOKE_ALWAYS);
        assert(p->client_auth == CLIENT_AUTH_NONE && !p->allow_users && !p->ca_file && !p->proxy);
        assert(streq(p->id_token_algs[0], "RS256") && streq(p->id_token_algs[5], "EdDSA"));
        assert(!p->id_token_algs[6]);
}

static void test_values(void) {
        _cleanup_(config_freep) Config *config = load_good(
                SMALLEST "allow_users = alice, bob carol\nmin_uid = 500\n"
                         "id_token_algs = ES384\nclient_auth = client_secret_basic\n"
                         "strip_domain = @example.com\nresource = https://api.example.com/\n"
                         "revoke = logout\n"
                         "[provider second]\nissuer = http://127.0.0.1:80/x\nclient_id = c\n"
                         "allow_loopback_http = yes\nrevoke = never\n");
        const ProviderConfig *p = config_provider(config, "corp");

        assert(streq(p->allow_users[0], "alice") && streq(p->allow_users[1], "bob"));
        assert(streq(p->allow_users[2], "carol") && !p->allow_users[3] && p->min_uid == 500);
        assert(streq(p->id_token_algs[0], "ES384") && !p->id_token_algs[1]);
        assert(p->client_auth == CLIENT_AUTH_SECRET_BASIC);
        assert(streq(p->resource, "https://api.example.com/"));
        assert(!p->max_age_sec && p->bind_subject && !p->userinfo && !p->ignore_case);
        assert(streq(p->groups_claim, "groups") && !p->allow_groups && !p->require_claim);
        assert(!config_provider(config, "")); /* two: one has to be named */
        assert(config_provider(config, "second")->allow_loopback_http);
        assert(p->revoke == REVOKE_LOGOUT);
        assert(config_provider(config, "second")->revoke == REVOKE_NEVER);
}

static void test_who_is_let_in(void) {
        _cleanup_(config_freep) Config *config = load_good(
                SMALLEST "client_auth = client_secret_post\nid_token_algs = HS256\n"
                         "user_map = /etc/oidc-keyring/users\nbind_subject = no\n"
                         "userinfo = yes\nallow_groups = staff, admins\ngroups_claim = roles\n"
                         "require_claim = email_verified=true a=b=c\nacr_values = gold\n"
                         "max_age = 3600\nverification_hosts = id.example.com\n");
        const ProviderConfig *p = config_provider(config, "corp");

        assert(p->client_auth == CLIENT_AUTH_SECRET_POST && streq(p->id_token_algs[0], "HS256"));
        assert(streq(p->user_map, "/etc/oidc-keyring/users") && !p->bind_subject && p->userinfo);
        assert(streq(p->allow_groups[1], "admins") && streq(p->groups_claim, "roles"));
        assert(streq(p->require_claim[1], "a=b=c") && !p->require_claim[2]);
        assert(streq(p->acr_values[0], "gold") && p->max_age_sec == 3600);
        assert(streq(p->verification_hosts[0], "id.example.com") && !p->verification_hosts[1]);
}

/* As it is installed: nobody is managed, and nothing is wrong. */
static void test_no_section(void) {
        _cleanup_(config_freep) Config *config = load_good("# only a comment\n");

        assert(config->n_providers == 0);
        assert(!config_provider(config, "") && !config_provider(config, "corp"));
}

/* As it is with what is installed, and with a drop-in that configures. */
static void test_drop_in_beside_nothing(void) {
        static const char *const texts[] = {"# only a comment\n", "", NULL};

        write_file("etc/oidc-keyring.conf.d/10-nothing.conf", "# only a comment\n");
        write_file("etc/oidc-keyring.conf.d/20-corp.conf", SMALLEST);
        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                _cleanup_(config_freep) Config *config = NULL;

                write_file("etc/oidc-keyring.conf", texts[i]);
                assert(config_load(root, &config, NULL) == 0 && config->n_providers == 1);
                assert(streq(config_provider(config, "corp")->client_id, "ssh-login"));
        }
        write_file("etc/oidc-keyring.conf.d/10-nothing.conf", NULL);
        write_file("etc/oidc-keyring.conf.d/20-corp.conf", NULL);
}

/* A drop-in that the gateway may not read could hold the policy. */
static void test_unreadable(void) {
        static const char *const names[] = {"etc/oidc-keyring.conf",
                                            "etc/oidc-keyring.conf.d/50-policy.conf",
                                            "etc/oidc-keyring.conf.d"};
        bool was_root = geteuid() == 0;

        write_file("etc/oidc-keyring.conf", SMALLEST);
        write_file(names[1], "[provider corp]\nallow_users = alice\n");
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                _cleanup_(config_freep) Config *config = NULL;
                _cleanup_free_ char *path = NULL, *error = NULL;

                assert(asprintf(&path, "%s/%s", root, names[i]) > 0);
                assert(chmod(root, 0755) == 0 && chmod(path, 0) == 0);
                assert(!was_root || seteuid(65534) == 0); /* whom modes concern */
                assert(config_load(root, &config, &error) == -EINVAL && !config);
                assert(strstr(error, names[i]) && strstr(error, "cannot be read"));
                assert(!was_root || seteuid(0) == 0);
                assert(chmod(path, 0755) == 0);
        }
        write_file(names[1], NULL);
}

/* A drop-in that cannot be found could hold the policy, too; what editors leave about could not. */
static void test_links(void) {
        _cleanup_(config_freep) Config *config = NULL, *other = NULL;
        _cleanup_free_ char *drop_in = NULL, *lock = NULL, *error = NULL;

        assert(asprintf(&drop_in, "%s/etc/oidc-keyring.conf.d/50-link.conf", root) > 0);
        assert(asprintf(&lock, "%s/etc/oidc-keyring.conf.d/.#50-link.conf", root) > 0);
        write_file("etc/oidc-keyring.conf", SMALLEST);
        assert(symlink("root@host.123:456", lock) == 0);
        assert(config_load(root, &config, &error) == 0 && config->n_providers == 1);
        assert(symlink("/nonexistent/policy.conf", drop_in) == 0);
        assert(config_load(root, &other, &error) == -EINVAL && !other);
        assert(strstr(error, "50-link.conf: cannot be read"));
        assert(unlink(drop_in) == 0 && unlink(lock) == 0);
}

/* The vendor's file counts where there is none of that name in /etc, file by file. */
static void test_vendor(void) {
        _cleanup_(config_freep) Config *config = NULL, *replaced = NULL;

        write_file("etc/oidc-keyring.conf", NULL);
        write_file("usr/lib/oidc-keyring.conf", SMALLEST "min_uid = 3000\n");
        make_folder("usr/lib/oidc-keyring.conf.d");
        write_file("usr/lib/oidc-keyring.conf.d/10-a.conf", "[provider corp]\nmin_uid = 4000\n");
        write_file("usr/lib/oidc-keyring.conf.d/20-b.conf", "[provider corp]\nrefresh_at = 50\n");
        write_file("usr/lib/oidc-keyring.conf.d/README", "no configuration\n");
        assert(config_load(root, &config, NULL) == 0);
        assert(config->providers[0].min_uid == 4000 && config->providers[0].refresh_at == 50);
        write_file("etc/oidc-keyring.conf.d/10-a.conf", "");
        write_file("etc/oidc-keyring.conf", SMALLEST);
        assert(config_load(root, &replaced, NULL) == 0);
        assert(replaced->providers[0].min_uid == 1000 && replaced->providers[0].refresh_at == 50);
        write_file("etc/oidc-keyring.conf.d/10-a.conf", NULL);
        write_file("usr/lib/oidc-keyring.conf.d/10-a.conf", NULL);
        write_file("usr/lib/oidc-keyring.conf.d/20-b.conf", NULL);
        write_file("usr/lib/oidc-keyring.conf", NULL);
}

/* Also of what says nothing about the content but whether it may be read. */
static void test_fingerprint_of_a_mode(void) {
        _cleanup_free_ char *path = NULL;
        uint64_t before;

        assert(asprintf(&path, "%s/etc/oidc-keyring.conf", root) > 0);
        write_file("etc/oidc-keyring.conf", SMALLEST);
        assert(chmod(path, 0600) == 0);
        before = config_fingerprint(root);
        assert(chmod(path, 0644) == 0 && before != config_fingerprint(root));
}

/* Drop-ins add and override, as in every program of this kind. */
static void test_drop_ins(void) {
        _cleanup_(config_freep) Config *config = NULL, *changed = NULL;
        uint64_t before;

        write_file("etc/oidc-keyring.conf", SMALLEST);
        before = config_fingerprint(root);
        assert(before == config_fingerprint(root));
        write_file("etc/oidc-keyring.conf.d/50-more.conf", "[provider corp]\nmin_uid = 2000\n");
        assert(before != config_fingerprint(root));
        assert(config_load(root, &config, NULL) == 0);
        assert(config->n_providers == 1 && config->providers[0].min_uid == 2000);
        assert(streq(config->providers[0].client_id, "ssh-login"));
        write_file("etc/oidc-keyring.conf.d/50-more.conf", NULL);
        assert(config_load(root, &changed, NULL) == 0 && changed->providers[0].min_uid == 1000);
}

/* Each message names the file, the line where there is one, and the key. */
static void test_refusals(void) {
        static const struct {
                const char *text, *message;
        } cases[] = {
                {SMALLEST "scoop = openid\n", "/etc/oidc-keyring.conf:4: scoop: there is no such"},
                {SMALLEST "min_uid = 0\n", "/etc/oidc-keyring.conf:4: min_uid: a user id from 1"},
                {SMALLEST "min_uid = -1\n", ":4: min_uid: "},
                {SMALLEST "min_uid = many\n", ":4: min_uid: "},
                {SMALLEST "refresh_at = 100\n", ":4: refresh_at: a percentage"},
                {SMALLEST "rotation_grace = 601\n", ":4: rotation_grace: "},
                {SMALLEST "require_offline_access = perhaps\n",
                 ":4: require_offline_access: yes or no"},
                {SMALLEST "scope = profile\n", ":4: scope: it must contain openid"},
                {SMALLEST "scope = openidx\n", ":4: scope: it must contain openid"},
                {SMALLEST "id_token_algs = RS256 none\n", ":4: id_token_algs: only RS256"},
                {SMALLEST "id_token_algs = RS\n", ":4: id_token_algs: only RS256"},
                {SMALLEST "id_token_algs = RS256 HS256\n", "HS256 HS384 HS512 need a client sec"},
                {SMALLEST "id_token_algs = HS256\nclient_auth = private_key_jwt\n",
                 "HS256 HS384 HS512 need a client secret"},
                {SMALLEST "max_age = 0\n", ":4: max_age: seconds from 1"},
                {SMALLEST "require_claim = department\n", ":4: require_claim: each has to be CL"},
                {SMALLEST "require_claim = =x\n", ":4: require_claim: each has to be CLAIM=VALUE"},
                {SMALLEST "require_claim = a=b c=\n", ":4: require_claim: each has to be CLAIM="},
                {SMALLEST "user_map = users\n", ":4: user_map: an absolute path"},
                {SMALLEST "user_map = /x\nstrip_domain = @x\n", "user_map and strip_domain excl"},
                {SMALLEST "user_map = /x\nignore_case = yes\n", "user_map and ignore_case excl"},
                {SMALLEST "client_key_id = k\n", "client_key_id is for client_auth = private_k"},
                {SMALLEST "client_assertion_audience = a\n", "client_assertion_audience is for"},
                {SMALLEST "verification_hosts = https://a.example\n",
                 ":4: verification_hosts: each"},
                {SMALLEST "verification_hosts = a.example u@b.example\n", "each has to be HOST or"},
                {SMALLEST "id_token_algs = S256\n", ":4: id_token_algs: only RS256"},
                {SMALLEST "client_auth = password\n", ":4: client_auth: none, client_secret"},
                {SMALLEST "ca_file = ca.pem\n", ":4: ca_file: an absolute path"},
                {SMALLEST "user_claim =\n", ":4: user_claim: a value is missing"},
                {SMALLEST "no equals sign\n", ":4: client_id: this line is not"},
                {SMALLEST "min_uid = 2000\nproxy = x\nmin_uid = 3000\n", "stands twice"},
                {SMALLEST "min_uid = 2000\nmin_uid = 3000\n", ":5: min_uid: stands twice"},
                {SMALLEST "proxy=x\n# more\n\n  proxy =x\n", ":7: proxy: stands twice"},
                {"[provider corp]\nclient_id = c\n",
                 "/etc/oidc-keyring.conf: [provider corp]: the key issuer is missing"},
                {"[provider corp]\nissuer = https://x\n", "the key client_id is missing"},
                {"[provider corp]\nissuer = http://x\nclient_id = c\n", "begin with https://"},
                {"[provider corp]\nissuer = http://x\nclient_id = c\nallow_loopback_http = yes\n",
                 "begin with https://"},
                {"[provider corp]\nissuer = http://127.0.0.1\nclient_id = c\n",
                 "allow_loopback_http = yes"},
                {"[provider Corp]\nissuer = https://x\nclient_id = c\n", "a provider's name"},
                {"[provider ../x]\nissuer = https://x\nclient_id = c\n", "a provider's name"},
                {SMALLEST "[token x]\na = b\n", "[token x]: only [provider NAME]"},
                {"issuer = https://x\n" SMALLEST, ":1: issuer: stands outside"},
                {"[provider corp\nissuer = https://x\n", "/etc/oidc-keyring.conf:1: "},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(config_freep) Config *config = NULL;
                _cleanup_free_ char *error = NULL;
                int r;

                write_file("etc/oidc-keyring.conf", cases[i].text);
                r = config_load(root, &config, &error);
                if (r != -EINVAL || !error || !strstr(error, cases[i].message))
                        fprintf(stderr, "%zu: %d, \"%s\", not \"%s\"\n", i, r, error,
                                cases[i].message);
                assert(r == -EINVAL && !config && error && strstr(error, cases[i].message));
        }
}

static void test_loopback_urls(void) {
        assert(url_is_loopback_http("http://127.0.0.1:8080/x"));
        assert(url_is_loopback_http("http://localhost"));
        assert(url_is_loopback_http("http://[::1]/"));
        assert(!url_is_loopback_http("http://127.0.0.1.example.com/"));
        assert(!url_is_loopback_http("http://localhost@example.com/"));
        assert(!url_is_loopback_http("https://localhost/"));
}

int main(void) {
        assert(mkdtemp(root));
        make_folder("etc");
        make_folder("etc/oidc-keyring.conf.d");
        make_folder("usr");
        make_folder("usr/lib");
        test_none();
        test_smallest();
        test_no_section();
        test_drop_in_beside_nothing();
        test_unreadable();
        test_values();
        test_who_is_let_in();
        test_links();
        test_vendor();
        test_fingerprint_of_a_mode();
        test_drop_ins();
        test_refusals();
        test_loopback_urls();
        return nftw(root, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}
