/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>

#include "cli/check-parts.h"
#include "cli/pam-stack.h"
#include "common/macro.h"

static char root[] = "/tmp/oidc-keyring-test-pam.XXXXXX";

static void write_service(const char *name, const char *text) {
        _cleanup_free_ char *path = NULL;
        FILE *file;

        assert(asprintf(&path, "%s/etc/pam.d/%s", root, name) > 0);
        file = fopen(path, "we");
        assert(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void remove_service(const char *name) {
        _cleanup_free_ char *path = NULL;

        assert(asprintf(&path, "%s/etc/pam.d/%s", root, name) > 0);
        assert(unlink(path) == 0);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        (void)st;
        (void)type;
        (void)ftw;
        return remove(path);
}

static void test_stack(void) {
        _cleanup_free_ char *folder = NULL;
        static PamStack stack;
        const PamLine *line;

        assert(asprintf(&folder, "%s/etc/pam.d", root) > 0);
        write_service("common-auth", "auth [success=1 default=ignore]\tpam_unix.so nullok\n"
                                     "auth requisite pam_deny.so # no\n");
        write_service("s", "# auth required pam_comment.so\n"
                           "@include common-auth\n"
                           "-session optional /lib/security/pam_systemd.so\n"
                           "account include common-auth\n"
                           "session\n"
                           "nonsense required pam_x.so\n"
                           "auth [unclosed pam_y.so\n"
                           "AUTH required pam_last.so debug timeout=300");
        assert(pam_stack_read(folder, "s", &stack) == 0 && stack.n == 4);
        line = pam_stack_find(&stack, PAM_TYPE_AUTH, "pam_unix.so");
        assert(line == &stack.lines[0] && streq(line->control, "[success=1 default=ignore]"));
        assert(streq(stack.lines[1].module, "pam_deny.so"));
        assert(pam_stack_find(&stack, PAM_TYPE_SESSION, "pam_systemd.so") == &stack.lines[2]);
        assert(streq(stack.lines[3].module, "pam_last.so"));
        assert(pam_line_timeout_sec(&stack.lines[3]) == 300);
        assert(pam_line_timeout_sec(&stack.lines[0]) == PAM_TIMEOUT_DEFAULT_SEC);
        assert(!pam_stack_find(&stack, PAM_TYPE_ACCOUNT, "pam_unix.so"));
        assert(pam_stack_read(folder, "absent", &stack) == -ENOENT);

        write_service("loop", "@include loop\nauth required pam_x.so\n");
        assert(pam_stack_read(folder, "loop", &stack) == 0 && stack.n == PAM_STACK_DEPTH_MAX + 1);
        remove_service("loop");
        remove_service("s");
        remove_service("common-auth");
}

#define AUTH "auth [success=done default=ignore] pam_oidc_keyring.so\n"
#define ACCOUNT "account required pam_oidc_keyring.so\n"
#define SYSTEMD "session optional pam_systemd.so\n"
#define SESSION "session optional pam_oidc_keyring.so\n"

static void test_mistakes(void) {
        static const struct {
                const char *text;
                unsigned n_errors, n_warnings;
        } cases[] = {
                {AUTH ACCOUNT SYSTEMD SESSION, 0, 0},
                {"auth required pam_unix.so\n", 0, 1}, /* nobody uses it */
                {AUTH ACCOUNT SYSTEMD, 0, 1},          /* as sudo */
                {"auth [success=done default=die] \\\n\tpam_oidc_keyring.so\n" ACCOUNT SYSTEMD
                         SESSION,
                 0, 0},
                {AUTH SYSTEMD SESSION, 0, 1},
                {AUTH ACCOUNT SESSION SYSTEMD, 1, 0},
                {AUTH ACCOUNT SESSION, 1, 0},
                {SYSTEMD SESSION, 0, 1},
                {AUTH "account sufficient pam_oidc_keyring.so\n" SYSTEMD SESSION, 1, 0},
                {AUTH "account optional pam_oidc_keyring.so\n" SYSTEMD SESSION, 1, 0},
                {AUTH ACCOUNT "password optional pam_oidc_keyring.so\n" SYSTEMD SESSION, 0, 1},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Findings findings = {0};

                write_service("sshd", cases[i].text);
                check_pam(&findings, root);
                if (findings.n[SEVERITY_ERROR] != cases[i].n_errors)
                        fprintf(stderr, "number %zu\n", i);
                assert(findings.n[SEVERITY_ERROR] == cases[i].n_errors);
                assert(findings.n[SEVERITY_WARNING] == cases[i].n_warnings);
        }
        remove_service("sshd");
}

/* What a service includes counts as its own. */
static void test_included(void) {
        Findings findings = {0};

        write_service("common-auth", AUTH);
        write_service("common-session", SYSTEMD SESSION);
        write_service("login", "@include common-auth\n" ACCOUNT "@include common-session\n");
        write_service("cron", "@include common-auth\n" ACCOUNT);
        write_service("sshd.dpkg-old", AUTH);
        check_pam(&findings, root);
        assert(findings.n[SEVERITY_OK] == 2 && findings.n[SEVERITY_ERROR] == 0);
        assert(findings.n[SEVERITY_WARNING] == 1);
}

static void test_sshd(void) {
        static const struct {
                const char *text;
                unsigned n_ok, n_warnings, n_errors;
                uint64_t timeout_sec;
        } cases[] = {
                {"port 22\nusepam yes\nlogingracetime 120\nkbdinteractiveauthentication yes\n", 3,
                 0, 0, 110},
                {"Port 22\nUsePAM yes\nLoginGraceTime 120\nKbdInteractiveAuthentication yes\n", 3,
                 0, 0, 110},
                {"usepam no\nlogingracetime 0\nkbdinteractiveauthentication no", 1, 0, 2, 110},
                {"usepam yes\nlogingracetime 30\nkbdinteractiveauthentication yes\n", 2, 1, 0, 110},
                {"logingracetime 120\n", 0, 1, 0, 300},
                {"logingracetime 310\n", 1, 0, 0, 300},
                {"usepamx yes\n", 0, 0, 0, 110},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Findings findings = {0};

                check_sshd_settings(&findings, cases[i].text, cases[i].timeout_sec);
                assert(findings.n[SEVERITY_OK] == cases[i].n_ok);
                assert(findings.n[SEVERITY_WARNING] == cases[i].n_warnings);
                assert(findings.n[SEVERITY_ERROR] == cases[i].n_errors);
        }
}

static void make_folder(const char *name) {
        _cleanup_free_ char *path = NULL;

        assert(asprintf(&path, "%s%s", root, name) > 0);
        for (char *slash = strchr(path + strlen(root) + 1, '/'); slash;
             slash = strchr(slash + 1, '/')) {
                *slash = '\0';
                assert(mkdir(path, 0755) == 0 || errno == EEXIST);
                *slash = '/';
        }
}

int main(void) {
        _cleanup_free_ char *module = NULL;
        FILE *file;

        assert(mkdtemp(root));
        make_folder("/etc/pam.d/");
        make_folder(PAM_MODULE_PATH);
        assert(asprintf(&module, "%s" PAM_MODULE_PATH, root) > 0);
        file = fopen(module, "we");
        assert(file && fclose(file) == 0);
        test_stack();
        test_mistakes();
        test_included();
        test_sshd();
        assert(nftw(root, remove_entry, 8, FTW_DEPTH | FTW_PHYS) == 0);
        return 0;
}
