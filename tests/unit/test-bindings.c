/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/clock.h"
#include "common/names.h"
#include "common/outcome.h"
#include "gateway/bindings.h"

#define ISSUER "https://id.example.com"

static char root[] = "/tmp/oidc-keyring-test.XXXXXX";
static Bindings *bindings;
static const ProviderConfig corp = {
        .name = (char *)"corp", .issuer = (char *)ISSUER, .bind_subject = true};
static const ProviderConfig club = {
        .name = (char *)"club", .issuer = (char *)ISSUER, .bind_subject = true};

static void shell(const char *format, ...) _printf_(1, 2);
static void shell(const char *format, ...) {
        _cleanup_free_ char *command = NULL;
        va_list arguments;

        va_start(arguments, format);
        assert(vasprintf(&command, format, arguments) > 0);
        va_end(arguments);
        assert(system(command) == 0);
}

/* An empty state folder. */
static void begin(void) {
        _cleanup_free_ char *folder = NULL;

        assert(asprintf(&folder, "%s" STATE_FOLDER, root) > 0);
        shell("rm -rf %s", folder);
        shell("mkdir -p %s", folder);
}

static char *path_of(const char *name) {
        char *path = NULL;

        assert(asprintf(&path, "%s" STATE_FOLDER "%s", root, name) > 0);
        return path;
}

/* What a walk has seen, as text. */
typedef struct Seen {
        char text[4096];
        char provider[64], user[64]; /* the last */
        size_t n;
} Seen;

static int see(const Binding *binding, void *userdata) {
        Seen *seen = userdata;
        size_t used = strlen(seen->text);

        (void)snprintf(seen->text + used, sizeof(seen->text) - used, "%s/%s=%s;", binding->provider,
                       binding->user, binding->subject);
        (void)snprintf(seen->provider, sizeof(seen->provider), "%s", binding->provider);
        (void)snprintf(seen->user, sizeof(seen->user), "%s", binding->user);
        seen->n++;
        return 1; /* as good as 0 */
}

static void check_list(const char *expected) {
        Seen seen = {0};

        assert(bindings_list(bindings, "", "", 100, see, &seen) == 0);
        assert(streq(seen.text, expected));
}

static void test_first_and_later(void) {
        ProviderConfig moved = corp;

        begin();
        check_list("");
        assert(bindings_admit(bindings, &corp, "alice", "1") == 0);
        assert(bindings_admit(bindings, &corp, "alice", "1") == 0);
        assert(bindings_admit(bindings, &corp, "alice", "2") == OUTCOME_IDENTITY_CHANGED);
        assert(bindings_admit(bindings, &corp, "alice", "11") == OUTCOME_IDENTITY_CHANGED);
        assert(bindings_admit(bindings, &corp, "alice", "1") == 0);

        /* Each name at each provider for itself. */
        assert(bindings_admit(bindings, &corp, "bob", "2") == 0);
        assert(bindings_admit(bindings, &club, "alice", "3") == 0);
        check_list("club/alice=3;corp/alice=1;corp/bob=2;");

        moved.issuer = (char *)"https://id.example.org";
        assert(bindings_admit(bindings, &moved, "alice", "1") == OUTCOME_IDENTITY_CHANGED);
}

static void test_not_asked_for(void) {
        ProviderConfig off = corp, mapped = corp;

        begin();
        off.bind_subject = false;
        mapped.user_map = (char *)"/etc/oidc-keyring/users";
        assert(bindings_admit(bindings, &off, "alice", "1") == 0);
        assert(bindings_admit(bindings, &mapped, "alice", "2") == 0);
        check_list("");

        assert(bindings_admit(bindings, &corp, "alice", "1") == 0);
        assert(bindings_admit(bindings, &off, "alice", "2") == 0);
        assert(bindings_admit(bindings, &mapped, "alice", "2") == 0);
}

static void test_names(void) {
        static const char *const good[] = {"Alice", "EXAMPLE\\alice", "alice@example.com", "a b",
                                           "\xc3\xa4"};
        static const char *const bad[] = {"", ".", "..", ".alice", "a/b", "../corp/bob", "\xff"};
        _cleanup_free_ char *path = NULL;
        char longest[257];

        begin();
        memset(longest, 'x', sizeof(longest));
        longest[256] = '\0';
        assert(bindings_admit(bindings, &corp, longest, "1") == OUTCOME_STATE_UNUSABLE);
        longest[255] = '\0';
        assert(bindings_admit(bindings, &corp, longest, "1") == 0);
        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                assert(bindings_admit(bindings, &corp, good[i], "1") == 0);
                assert(bindings_admit(bindings, &corp, good[i], "2") == OUTCOME_IDENTITY_CHANGED);
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                assert(bindings_admit(bindings, &corp, bad[i], "1") == OUTCOME_STATE_UNUSABLE);
                assert(bindings_clear(bindings, "corp", bad[i], see, &(Seen){0}) == -ENOENT);
        }
        /* What could not be read again is not written. */
        assert(bindings_admit(bindings, &corp, "bob", "1\n2") == OUTCOME_STATE_UNUSABLE);
        assert(bindings_admit(bindings, &corp, "bob", "") == OUTCOME_STATE_UNUSABLE);
        assert(bindings_admit(bindings, &corp, "bob", "1") == 0);
        path = path_of("/bindings/corp/x");
        assert(mkdir(path, 0700) == 0);
        assert(bindings_admit(bindings, &corp, "x/../bob", "1") == OUTCOME_STATE_UNUSABLE);
        assert(bindings_clear(bindings, "corp", "x/../bob", see, &(Seen){0}) == -ENOENT);
        assert(bindings_admit(bindings, &corp, "bob", "2") == OUTCOME_IDENTITY_CHANGED);
}

static void write_file(const char *path, const char *text, size_t size) {
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert(fd >= 0 && write(fd, text, size) == (ssize_t)size);
}

/* Whatever stands where the binding belongs and is none refuses, and stays. */
static void test_damaged(void) {
#define TEXT(text) \
        { text, sizeof(text) - 1 }
        static const struct {
                const char *text;
                size_t size;
        } cases[] = {
                TEXT(""),
                TEXT("version 1\n"),
                TEXT("version 1\nissuer " ISSUER "\n"),
                TEXT("version 1\nissuer " ISSUER "\nsubject 1"),
                TEXT("version 1\nissuer " ISSUER "\nsubject \n"),
                TEXT("version 1\nissuer " ISSUER "\nsubject 1\n\n"),
                TEXT("version 1\nissuer " ISSUER "\nsubject 1\nsubject 2\n"),
                TEXT("version 1\nissuer " ISSUER "\nsubject 1\n\0"),
                TEXT("version 1\nissuer " ISSUER "\nsubject 1\0\n"),
                TEXT("version 1\nissuer " ISSUER "\nsubject 1\x1b[2J\n"),
                TEXT("version 2\nissuer " ISSUER "\nsubject 1\n"),
                TEXT("version 11\nissuer " ISSUER "\nsubject 1\n"),
                TEXT("issuer " ISSUER "\nsubject 1\nversion 1\n"),
        };
        _cleanup_free_ char *path = path_of("/bindings/corp/alice");
        char large[20000];

        begin();
        assert(bindings_admit(bindings, &corp, "alice", "1") == 0);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                write_file(path, cases[i].text, cases[i].size);
                assert(bindings_admit(bindings, &corp, "alice", "1") == OUTCOME_STATE_UNUSABLE);
                check_list("corp/alice=;");
        }
        memset(large, 'x', sizeof(large));
        write_file(path, large, sizeof(large));
        assert(bindings_admit(bindings, &corp, "alice", "1") == OUTCOME_STATE_UNUSABLE);

        /* A good one, followed to by a link. */
        assert(bindings_admit(bindings, &corp, "bob", "1") == 0);
        shell("ln -sf bob %s", path);
        assert(bindings_admit(bindings, &corp, "alice", "1") == OUTCOME_STATE_UNUSABLE);
        shell("rm %s", path);
        assert(mkfifo(path, 0600) == 0);
        assert(bindings_admit(bindings, &corp, "alice", "1") == OUTCOME_STATE_UNUSABLE);
        assert(bindings_clear(bindings, "", "alice", see, &(Seen){0}) == 0);
        assert(mkdir(path, 0700) == 0);
        assert(bindings_admit(bindings, &corp, "alice", "1") == OUTCOME_STATE_UNUSABLE);
}

static void test_folders_that_are_none(void) {
        _cleanup_free_ char *all = path_of("/bindings"), *one = path_of("/bindings/corp");
        _cleanup_free_ char *state = path_of("");

        begin();
        assert(bindings_probe(bindings) == 0);
        shell("touch %s", one);
        assert(bindings_admit(bindings, &corp, "alice", "1") == OUTCOME_STATE_UNUSABLE);
        assert(bindings_admit(bindings, &club, "alice", "1") == 0);
        shell("rm -r %s", all);
        shell("ln -s /tmp %s", all);
        assert(bindings_admit(bindings, &corp, "alice", "1") == OUTCOME_STATE_UNUSABLE);
        assert(bindings_probe(bindings) < 0);
        shell("rm -r %s", state);
        assert(bindings_admit(bindings, &corp, "alice", "1") == OUTCOME_STATE_UNUSABLE);
        assert(bindings_probe(bindings) == -ENOENT);
        check_list("");
}

static void test_full_disk(void) {
        struct rlimit limit, none;

        begin();
        assert(bindings_admit(bindings, &corp, "alice", "1") == 0);
        assert(getrlimit(RLIMIT_FSIZE, &limit) == 0);
        none = limit;
        none.rlim_cur = 0;
        (void)signal(SIGXFSZ, SIG_IGN);
        assert(setrlimit(RLIMIT_FSIZE, &none) == 0);
        assert(bindings_admit(bindings, &corp, "alice", "1") == 0);
        assert(bindings_admit(bindings, &corp, "alice", "2") == OUTCOME_IDENTITY_CHANGED);
        assert(bindings_admit(bindings, &corp, "bob", "2") == OUTCOME_STATE_UNUSABLE);
        assert(bindings_probe(bindings) < 0);
        assert(setrlimit(RLIMIT_FSIZE, &limit) == 0);
        check_list("corp/alice=1;");
        assert(bindings_admit(bindings, &corp, "bob", "2") == 0);
}

/* A gateway that leaves and its successor: the first binds, the others are compared with it. */
static void test_first_logins_at_once(void) {
        enum {
                RIVALS = 8,
                ROUNDS = 20
        };

        for (int round = 0; round < ROUNDS; round++) {
                int gate[2], winners = 0;
                pid_t pids[RIVALS];
                char byte;

                begin();
                assert(pipe2(gate, O_CLOEXEC) == 0);
                for (int i = 0; i < RIVALS; i++) {
                        char subject[] = {(char)('a' + i), '\0'};

                        pids[i] = fork();
                        assert(pids[i] >= 0);
                        if (pids[i] == 0) {
                                (void)close(gate[1]);
                                assert(read(gate[0], &byte, 1) == 0);
                                _exit(bindings_admit(bindings, &corp, "alice", subject));
                        }
                }
                (void)close(gate[1]);
                (void)close(gate[0]);
                for (int i = 0; i < RIVALS; i++) {
                        char expected[] = {'c', 'o', 'r', 'p', '/', 'a',
                                           'l', 'i', 'c', 'e', '=', (char)('a' + i),
                                           ';', '\0'};
                        int status;

                        assert(waitpid(pids[i], &status, 0) == pids[i] && WIFEXITED(status));
                        if (WEXITSTATUS(status) == 0) {
                                winners++;
                                check_list(expected);
                        } else
                                assert(WEXITSTATUS(status) == OUTCOME_IDENTITY_CHANGED);
                }
                assert(winners == 1);
        }
}

static void test_left_by_a_crash(void) {
        _cleanup_free_ char *name = NULL, *path = NULL;

        begin();
        assert(bindings_admit(bindings, &corp, "alice", "1") == 0);
        assert(asprintf(&name, "/bindings/corp/.new.%d", (int)getpid()) > 0);
        path = path_of(name);
        assert(access(path, F_OK) < 0);
        write_file(path, "half", 4);
        check_list("corp/alice=1;");
        assert(bindings_admit(bindings, &corp, "bob", "2") == 0);
        check_list("corp/alice=1;corp/bob=2;");
        assert(access(path, F_OK) < 0);
}

static void test_pages(void) {
        const ProviderConfig *providers[] = {&club, &corp};
        Seen all = {0}, paged = {0};
        char user[] = "u0";
        size_t before;

        begin();
        for (int i = 9; i >= 0; i--) {
                user[1] = (char)('0' + i);
                assert(bindings_admit(bindings, providers[i % 2], user, "s") == 0);
        }
        assert(bindings_list(bindings, "", "", 100, see, &all) == 0 && all.n == 10);
        assert(streq(all.text, "club/u0=s;club/u2=s;club/u4=s;club/u6=s;club/u8=s;"
                               "corp/u1=s;corp/u3=s;corp/u5=s;corp/u7=s;corp/u9=s;"));
        do {
                before = paged.n;
                assert(bindings_list(bindings, paged.provider, paged.user, 3, see, &paged) == 0);
                assert(paged.n - before <= 3 && paged.n <= all.n);
        } while (paged.n > before);
        assert(streq(paged.text, all.text));
}

static int see_time(const Binding *binding, void *userdata) {
        assert(streq(binding->issuer, ISSUER));
        *(uint64_t *)userdata = binding->since_usec;
        return -ECANCELED;
}

static void test_since(void) {
        uint64_t before = clock_realtime_usec() - USEC_PER_SEC, since = 0;

        begin();
        assert(bindings_admit(bindings, &corp, "alice", "1") == 0);
        assert(bindings_list(bindings, "", "", 100, see_time, &since) == -ECANCELED);
        assert(since >= before && since <= clock_realtime_usec());
}

static void test_clear(void) {
        Seen seen = {0};

        begin();
        assert(bindings_clear(bindings, "corp", "alice", see, &seen) == -ENOENT);
        assert(bindings_admit(bindings, &corp, "alice", "1") == 0);
        assert(bindings_admit(bindings, &club, "alice", "2") == 0);
        assert(bindings_admit(bindings, &corp, "bob", "3") == 0);
        assert(bindings_clear(bindings, "elsewhere", "alice", see, &seen) == -ENOENT);
        assert(bindings_clear(bindings, "corp", "alice", see, &seen) == 0);
        assert(streq(seen.text, "corp/alice=1;"));
        assert(bindings_clear(bindings, "corp", "alice", see, &seen) == -ENOENT);
        check_list("club/alice=2;corp/bob=3;");

        /* Bound anew to whoever comes next. */
        assert(bindings_admit(bindings, &corp, "alice", "4") == 0);
        assert(bindings_admit(bindings, &corp, "alice", "1") == OUTCOME_IDENTITY_CHANGED);

        seen = (Seen){0};
        assert(bindings_clear(bindings, "", "alice", see, &seen) == 0);
        assert(streq(seen.text, "club/alice=2;corp/alice=4;"));
        check_list("corp/bob=3;");
}

int main(void) {
        assert(mkdtemp(root));
        assert(bindings_new(root, &bindings) == 0);
        test_first_and_later();
        test_not_asked_for();
        test_names();
        test_damaged();
        test_folders_that_are_none();
        test_full_disk();
        test_first_logins_at_once();
        test_left_by_a_crash();
        test_pages();
        test_since();
        test_clear();
        bindings_free(bindings);
        shell("rm -r %s", root);
        return 0;
}
