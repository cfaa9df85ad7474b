/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/names.h"
#include "gateway/grant-files.h"
#include "gateway/host-key.h"
#include "tests/unit/key-server.h"

#define ISSUER "https://id.example.com"
#define UID 1000u
#define FILE_PATH STATE_FOLDER "/grants/1000/corp"

static char root[] = "/tmp/oidc-keyring-test.XXXXXX";
static GrantFiles *files;
static ProviderConfig corp = {.name = (char *)"corp",
                              .issuer = (char *)ISSUER,
                              .client_id = (char *)"ssh-login",
                              .persist = true};

static void shell(const char *format, ...) _printf_(1, 2);
static void shell(const char *format, ...) {
        _cleanup_free_ char *command = NULL, *arguments_filled = NULL;
        va_list arguments;

        va_start(arguments, format);
        assert(vasprintf(&arguments_filled, format, arguments) > 0);
        va_end(arguments);
        assert(asprintf(&command, "cd %s && { %s; }", root, arguments_filled) > 0);
        assert(system(command) == 0);
}

static bool exists(const char *name) {
        _cleanup_free_ char *path = NULL;
        struct stat st;

        assert(asprintf(&path, "%s%s", root, name) > 0);
        return lstat(path, &st) == 0;
}

static void begin(void) {
        files = grant_files_free(files);
        shell("rm -rf .%s; mkdir -p .%s etc var/lib/systemd/linger", STATE_FOLDER, STATE_FOLDER);
        shell("echo 0123456789abcdef0123456789abcdef >etc/machine-id");
        shell("touch var/lib/systemd/linger/alice");
        corp.persist = true;
        corp.issuer = (char *)ISSUER;
        corp.client_id = (char *)"ssh-login";
        assert(grant_files_new(root, &files) == 0);
}

static Grant *grant_of(const char *user, const char *refresh_token, uint64_t generation) {
        Grant *grant = calloc(1, sizeof(*grant));

        assert(grant);
        grant->account = strdup("corp");
        grant->issuer = strdup(ISSUER);
        grant->subject = strdup("s1");
        grant->user = strdup(user);
        grant->scope = strdup("openid");
        grant->expires_usec = 5;
        grant->lifetime_usec = 300;
        grant->refresh_at = 75;
        grant->generation = generation;
        assert(secret_new_copy("access", 6, &grant->access_token) == 0);
        if (refresh_token)
                assert(secret_new_copy(refresh_token, strlen(refresh_token),
                                       &grant->refresh_token) == 0);
        return grant;
}

/* Whether it was kept. */
static bool keep(const char *user, const char *refresh_token, uint64_t generation) {
        _cleanup_(grant_freep) Grant *grant = grant_of(user, refresh_token, generation);

        grant_files_keep(files, &corp, UID, grant);
        assert(secret_equal(grant->access_token, grant->access_token) && grant->expires_usec == 5);
        return grant->kept_on_disk;
}

/* The refresh token that is kept, NULL if it is nothing; else *ret_error says why. */
static char *kept(uid_t uid, int *ret_error) {
        _cleanup_(grant_freep) Grant *grant = NULL;

        *ret_error = grant_files_read(files, &corp, uid, &grant);
        assert((*ret_error == 0) == (grant != NULL));
        return grant ? strdup(secret_bytes(grant->refresh_token)) : NULL;
}

static bool keeps(const char *token) {
        _cleanup_free_ char *found = NULL;
        int error;

        found = kept(UID, &error);
        return found ? token && streq(found, token) : !token && error == -ENOENT;
}

/* It is not used, and not there any more. */
static bool is_stale(void) {
        _cleanup_free_ char *found = NULL;
        int error;

        found = kept(UID, &error);
        if (error != -ESTALE)
                fprintf(stderr, "the end is %d\n", error);
        return error == -ESTALE && !exists(FILE_PATH);
}

static void test_round_trip(void) {
        _cleanup_(grant_freep) Grant *grant = NULL;

        begin();
        assert(keeps(NULL) && keep("alice", "r1", 7));
        assert(grant_files_read(files, &corp, UID, &grant) == 0);
        assert(streq(grant->account, "corp") && streq(grant->issuer, ISSUER));
        assert(streq(grant->subject, "s1") && streq(grant->user, "alice"));
        assert(streq(secret_bytes(grant->refresh_token), "r1") && grant->generation == 7);
        assert(!grant->access_token && grant->expires_usec == 0 && grant->lifetime_usec == 300);
        assert(grant->kept_on_disk == 1);
        shell("test $(stat -c %%a .%s/grants) = 711", STATE_FOLDER);
        shell("test $(stat -c %%a .%s/grants/1000) = 700", STATE_FOLDER);
        shell("test $(stat -c %%a .%s) = 600", FILE_PATH);
        shell("! grep -q -e r1 -e access -e alice .%s", FILE_PATH);
        assert(keep("alice", "r2", 8) && keeps("r2"));
        shell("test $(ls -A .%s/grants/1000) = corp", STATE_FOLDER);
}

/* Whatever is not kept leaves nothing of before either. */
static void test_what_is_not_kept(void) {
        begin();
        assert(!keep("bob", "r1", 0) && keeps(NULL));
        assert(!keep("../linger/alice", "r1", 0) && !keep(".", "r1", 0));
        assert(keep("alice", "r1", 0) && !keep("alice", NULL, 1) && keeps(NULL));
        assert(keep("alice", "r1", 0) && !keep("bob", "r2", 1) && keeps(NULL));
        assert(keep("alice", "r1", 0));
        corp.persist = false;
        assert(!keep("alice", "r2", 1) && !exists(FILE_PATH));
        assert(!exists(STATE_FOLDER "/grants/1000"));
        shell("rm -r .%s", STATE_FOLDER);
        assert(!keep("alice", "r2", 1));
}

/* To whom, what and where it is bound; each alone. */
static void test_bound(void) {
        static const char *const elsewhere[] = {
                "echo 1123456789abcdef0123456789abcdef >etc/machine-id"};
        _cleanup_free_ char *found = NULL;
        int error;

        begin();
        assert(keep("alice", "r1", 0));
        shell("cd .%s/grants; mv 1000 1001", STATE_FOLDER);
        found = kept(1001, &error);
        assert(!found && error == -ESTALE);
        for (size_t i = 0; i < ELEMENTSOF(elsewhere); i++) {
                begin();
                assert(keep("alice", "r1", 0));
                shell("%s", elsewhere[i]);
                assert(is_stale());
        }
        begin();
        assert(keep("alice", "r1", 0));
        corp.client_id = (char *)"other";
        assert(is_stale());
        begin();
        assert(keep("alice", "r1", 0));
        corp.issuer = (char *)ISSUER "/";
        assert(is_stale());
}

static void test_another_account(void) {
        ProviderConfig club = corp;
        _cleanup_(grant_freep) Grant *grant = NULL;

        begin();
        assert(keep("alice", "r1", 0));
        shell("cd .%s/grants/1000; mv corp club", STATE_FOLDER);
        club.name = (char *)"club";
        assert(grant_files_read(files, &club, UID, &grant) == -ESTALE && !grant);
}

/* All ways in which an older file comes back. */
static void test_rolled_back(void) {
        static const char *const ways[] = {
                "cp -a corp ../old; :; mv ../old corp", /* the same, as a backup has it */
                "ln ../corp.link corp.again && mv corp.again corp",
                "mv ../corp.link corp", /* the very inode of then */
                "cat ../old >corp",
                "cp -a ../old corp.again && mv corp.again corp",
                "cp -a --remove-destination ../old corp",
                "tar -xf ../old.tar",
        };

        for (size_t i = 0; i < ELEMENTSOF(ways); i++) {
                begin();
                assert(keep("alice", "r1", 0));
                shell("cd .%s/grants/1000; cp -a corp ../old; ln corp ../corp.link; "
                      "tar -cf ../old.tar corp",
                      STATE_FOLDER);
                shell("rm .%s/grants/corp.link; ln .%s .%s/grants/corp.link", STATE_FOLDER,
                      FILE_PATH, STATE_FOLDER);
                assert(keep("alice", "r2", 1));
                shell("cd .%s/grants/1000; %s", STATE_FOLDER, ways[i]);
                if (!is_stale()) {
                        fprintf(stderr, "not seen: %s\n", ways[i]);
                        assert(false);
                }
                assert(keep("alice", "r3", 2) && keeps("r3"));
        }
}

static void test_what_is_no_file(void) {
        static const char *const ways[] = {
                ": >corp",
                "rm corp; mkdir corp; rmdir corp; mkfifo corp",
                "truncate -s -1 corp",
                "echo >>corp",
                "truncate -s 300000 corp",
                "mv corp x; ln -s x corp",
                "ln corp x",
        };

        for (size_t i = 0; i < ELEMENTSOF(ways); i++) {
                int error;

                begin();
                assert(keep("alice", "r1", 0));
                shell("cd .%s/grants/1000; %s", STATE_FOLDER, ways[i]);
                if (kept(UID, &error) || error != -ESTALE) {
                        fprintf(stderr, "%s: %d\n", ways[i], error);
                        assert(false);
                }
        }
}

static void test_changed(void) {
        _cleanup_free_ char *path = NULL;
        struct stat st;

        begin();
        assert(asprintf(&path, "%s" FILE_PATH, root) > 0);
        assert(keep("alice", "r1", 0) && stat(path, &st) == 0);
        for (off_t i = 0; i < st.st_size; i += 16) { /* each bit: test-encryption.c */
                _cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC);
                char byte;

                assert(pread(fd, &byte, 1, i) == 1);
                byte ^= 1;
                assert(pwrite(fd, &byte, 1, i) == 1);
                assert(is_stale() && keep("alice", "r1", 0));
        }
        assert(keeps("r1"));
}

static void forget(const char *refresh_token, uint64_t generation, const ProviderConfig *config) {
        _cleanup_(grant_freep) Grant *grant = grant_of("alice", refresh_token, generation);

        grant_files_forget(files, config, UID, grant);
}

static void test_forget(void) {
        begin();
        forget("r1", 0, &corp);
        assert(keep("alice", "r2", 1));
        forget("r2", 1, &corp);
        assert(keeps(NULL) && keep("alice", "r2", 1));
        forget("r1", 0, &corp); /* a daemon that has not heard of the last refresh */
        assert(keeps(NULL) && keep("alice", "another login", 0));
        forget("r2", 1, &corp);
        assert(keeps("another login"));
        forget("r2", 1, NULL);
        assert(keeps(NULL) && keep("alice", "r2", 1));
        grant_files_remove(files, UID, "club");
        assert(keeps("r2"));
        shell("touch .%s/grants/1000/.new", STATE_FOLDER);
        grant_files_remove(files, UID, "corp");
        assert(keeps(NULL) && !exists(STATE_FOLDER "/grants/1000"));
}

/* What cannot be written is not kept, and neither is what was there: its token is used up. */
static void test_no_room(void) {
        begin();
        assert(keep("alice", "r1", 0));
        shell("mkdir .%s/grants/1000/.new", STATE_FOLDER);
        assert(!keep("alice", "r2", 1) && keeps(NULL));
        shell("rmdir .%s/grants/1000/.new", STATE_FOLDER);
        assert(keep("alice", "r3", 2) && keeps("r3"));
        begin();
        shell("touch .%s/grants", STATE_FOLDER);
        assert(!keep("alice", "r1", 0));
        assert(grant_files_probe(files) < 0);
}

static void test_other_key(pid_t *server) {
        static const char *const answers[] = {"", "0123456789abcdef0123456789abcde",
                                              "0123456789abcdef0123456789abcdef0"};
        int error;

        begin();
        assert(keep("alice", "r1", 0) && grant_files_probe(files) == 0);
        files = grant_files_free(files);
        key_server_end(root, *server);
        assert(grant_files_new(root, &files) == 0);
        assert(!kept(UID, &error) && error == -ENOKEY && exists(FILE_PATH));
        assert(grant_files_probe(files) == -ENOKEY);
        assert(strstr(grant_files_advice(-ENOKEY), "oidc-keyring-host-key"));
        for (size_t i = 0; i < ELEMENTSOF(answers); i++) {
                files = grant_files_free(files);
                assert(grant_files_new(root, &files) == 0);
                *server = key_server_start(root, answers[i], strlen(answers[i]));
                assert(!kept(UID, &error) && error == -ENOKEY && exists(FILE_PATH));
                key_server_end(root, *server);
        }
        assert(!keep("alice", "r2", 1) && !exists(FILE_PATH));
        files = grant_files_free(files);
        *server = key_server_start(root, "0123456789abcdef0123456789abcdef", HOST_KEY_SIZE);
        assert(grant_files_new(root, &files) == 0 && keep("alice", "r1", 0));
        files = grant_files_free(files);
        key_server_end(root, *server);
        *server = key_server_start(root, "1123456789abcdef0123456789abcdef", HOST_KEY_SIZE);
        assert(grant_files_new(root, &files) == 0 && is_stale());
}

int main(void) {
        pid_t server;

        assert(mkdtemp(root));
        server = key_server_start(root, "0123456789abcdef0123456789abcdef", HOST_KEY_SIZE);
        begin();
        if (grant_files_probe(files) == -EOPNOTSUPP) {
                puts("the file system does not say when a file was made");
                key_server_end(root, server);
                shell("rm -r %s", root);
                return 77;
        }
        test_round_trip();
        test_what_is_not_kept();
        test_bound();
        test_another_account();
        test_rolled_back();
        test_what_is_no_file();
        test_changed();
        test_forget();
        test_no_room();
        test_other_key(&server);
        files = grant_files_free(files);
        key_server_end(root, server);
        shell("rm -r %s", root);
        return 0;
}
