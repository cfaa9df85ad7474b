/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>

#include "cli/check-parts.h"
#include "cli/pam-stack.h"
#include "common/parse.h"

#define SSHD "/usr/sbin/sshd"
#define SETTINGS_MAX 65536u
/* The module gives a person 110 s by default, and the rest of the login takes some. */
#define GRACE_MARGIN_SEC 10u /* for what the person reads at the end */

/* The value of a setting, as `sshd -T` prints it: "name value"; newer ones spell the name as the
 * manual does. */
static bool sshd_setting(const char *text, const char *name, char *value, size_t size) {
        size_t length = strlen(name);

        for (const char *line = text; line; line = strchr(line, '\n')) {
                line += *line == '\n';
                if (strncasecmp(line, name, length) == 0 && line[length] == ' ') {
                        (void)snprintf(value, size, "%.*s", (int)strcspn(line + length + 1, "\n"),
                                       line + length + 1);
                        return true;
                }
        }
        return false;
}

static void check_switch(Findings *findings, const char *text, const char *setting,
                         const char *written) {
        char value[64];

        if (!sshd_setting(text, setting, value, sizeof(value)))
                return;
        if (streq(value, "yes"))
                finding(findings, SEVERITY_OK, "sshd", "%s yes", written);
        else
                finding(findings, SEVERITY_ERROR, "sshd",
                        "%s is '%s': set '%s yes' in sshd_config, or nobody is shown a code",
                        written, value, written);
}

void check_sshd_settings(Findings *findings, const char *text, uint64_t timeout_sec) {
        char value[64];
        uint64_t grace;

        check_switch(findings, text, "usepam", "UsePAM");
        check_switch(findings, text, "kbdinteractiveauthentication",
                     "KbdInteractiveAuthentication");
        if (!sshd_setting(text, "logingracetime", value, sizeof(value)) ||
            parse_u64(value, 0, UINT32_MAX, &grace) < 0)
                return;
        if (grace != 0 && grace < timeout_sec + GRACE_MARGIN_SEC)
                finding(findings, SEVERITY_WARNING, "sshd",
                        "LoginGraceTime is %s s, but the module waits up to %" PRIu64
                        " s for an approval: set 'LoginGraceTime %" PRIu64 "', or a smaller "
                        "timeout= on the module's auth line",
                        value, timeout_sec, timeout_sec + GRACE_MARGIN_SEC);
        else
                finding(findings, SEVERITY_OK, "sshd", "LoginGraceTime %s%s", value,
                        grace == 0 ? " (no limit)" : " s");
}

static int read_some(int fd, char *text, size_t size) {
        size_t length = 0;
        ssize_t n;

        while (length < size - 1 && (n = read(fd, text + length, size - 1 - length)) != 0) {
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                length += (size_t)n;
        }
        text[length] = '\0';
        return 0;
}

static int spawn_sshd(pid_t *ret_pid, int output_fd) {
        char *const argv[] = {(char *)SSHD, (char *)"-T", NULL};
        char *const environment[] = {(char *)"PATH=/usr/sbin:/usr/bin", (char *)"LC_ALL=C", NULL};
        posix_spawn_file_actions_t actions;
        int r;

        r = posix_spawn_file_actions_init(&actions);
        if (r != 0)
                return -r;
        r = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        if (r == 0)
                r = posix_spawn_file_actions_adddup2(&actions, output_fd, STDOUT_FILENO);
        if (r == 0)
                r = posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY,
                                                     0);
        if (r == 0)
                r = posix_spawn(ret_pid, SSHD, &actions, NULL, argv, environment);
        (void)posix_spawn_file_actions_destroy(&actions);
        return -r;
}

/* `sshd -T` prints the settings in force, whichever files they came from. */
static int run_sshd(char *text, size_t size) {
        int pipes[2], status = 0, r, s;
        pid_t pid;

        if (pipe2(pipes, O_CLOEXEC) < 0)
                return -errno;
        r = spawn_sshd(&pid, pipes[1]);
        (void)close(pipes[1]);
        s = r < 0 ? r : read_some(pipes[0], text, size);
        (void)close(pipes[0]);
        if (r < 0)
                return r;
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        if (s < 0)
                return s;
        return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EPROTO;
}

static bool sshd_uses_module(const char *root, uint64_t *ret_timeout_sec) {
        _cleanup_free_ PamStack *stack = malloc(sizeof(*stack));
        _cleanup_free_ char *folder = NULL;
        const PamLine *line;

        if (!stack || asprintf(&folder, "%s/etc/pam.d", root) < 0) {
                folder = NULL;
                return false;
        }
        if (pam_stack_read(folder, "sshd", stack) < 0)
                return false;
        line = pam_stack_find(stack, PAM_TYPE_AUTH, PAM_MODULE_NAME);
        if (!line)
                return false;
        *ret_timeout_sec = pam_line_timeout_sec(line);
        return true;
}

void check_sshd(Findings *findings, const char *root) {
        _cleanup_free_ char *text = NULL;
        uint64_t timeout_sec;
        int r;

        if (!sshd_uses_module(root, &timeout_sec) || access(SSHD, X_OK) < 0)
                return;
        text = malloc(SETTINGS_MAX);
        if (!text)
                return;
        r = run_sshd(text, SETTINGS_MAX);
        if (r < 0)
                finding(findings, SEVERITY_WARNING, "sshd",
                        "its settings cannot be had (%s): run 'sshd -T' and see what it says",
                        strerror(-r));
        else
                check_sshd_settings(findings, text, timeout_sec);
}
