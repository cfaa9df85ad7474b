/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/check-parts.h"
#include "cli/pam-stack.h"

static void check_order(Findings *findings, const char *what, const PamStack *stack) {
        const PamLine *ours = pam_stack_find(stack, PAM_TYPE_SESSION, PAM_MODULE_NAME);
        const PamLine *logind = pam_stack_find(stack, PAM_TYPE_SESSION, "pam_systemd.so");

        if (!logind)
                finding(findings, SEVERITY_ERROR, what,
                        "there is no session line of pam_systemd.so: without it there is no bus of "
                        "the user, and no token in the session");
        else if (ours < logind)
                finding(findings, SEVERITY_ERROR, what,
                        "the session line of the module comes before that of pam_systemd.so, which "
                        "starts the user's bus: move it behind");
}

static void check_account(Findings *findings, const char *what, const PamLine *account) {
        if (streq(account->control, "sufficient") || strstr(account->control, "success=done"))
                finding(findings, SEVERITY_ERROR, what,
                        "the account line is '%s': whoever logged in through the provider would "
                        "skip the account lines behind it. Make it 'required'",
                        account->control);
        else if (streq(account->control, "optional"))
                finding(findings, SEVERITY_ERROR, what,
                        "the account line is 'optional', so a user whom the policy refuses is let "
                        "in. Make it 'required'");
}

static void check_service(Findings *findings, const char *name, const PamStack *stack) {
        const PamLine *lines[_PAM_TYPE_MAX] = {NULL};
        unsigned n_errors = findings->n[SEVERITY_ERROR];
        char what[288];

        (void)snprintf(what, sizeof(what), "PAM service %s", name);
        for (int type = 0; type < _PAM_TYPE_MAX; type++)
                lines[type] = pam_stack_find(stack, (PamType)type, PAM_MODULE_NAME);
        if (!lines[PAM_TYPE_AUTH] && !lines[PAM_TYPE_ACCOUNT] && !lines[PAM_TYPE_SESSION] &&
            !lines[PAM_TYPE_PASSWORD])
                return;

        if (lines[PAM_TYPE_PASSWORD])
                finding(findings, SEVERITY_WARNING, what,
                        "the module has no password part: remove its password line");
        if (lines[PAM_TYPE_AUTH] && !lines[PAM_TYPE_SESSION])
                finding(findings, SEVERITY_WARNING, what,
                        "there is an auth line but no session line: right for sudo and su, whose "
                        "session is another user's; a service that people log in by needs 'session "
                        "optional " PAM_MODULE_NAME "' behind pam_systemd.so");
        if (lines[PAM_TYPE_SESSION] && !lines[PAM_TYPE_AUTH])
                finding(findings, SEVERITY_WARNING, what,
                        "there is a session line but no auth line: nobody logs in through the "
                        "provider here");
        if (lines[PAM_TYPE_AUTH] && lines[PAM_TYPE_SESSION] && !lines[PAM_TYPE_ACCOUNT])
                finding(findings, SEVERITY_WARNING, what,
                        "there is no account line: who comes with an ssh key is not asked for. Add "
                        "'account required " PAM_MODULE_NAME "'");
        if (lines[PAM_TYPE_SESSION])
                check_order(findings, what, stack);
        if (lines[PAM_TYPE_ACCOUNT])
                check_account(findings, what, lines[PAM_TYPE_ACCOUNT]);
        if (n_errors == findings->n[SEVERITY_ERROR])
                finding(findings, SEVERITY_OK, what, "uses the module for%s%s%s",
                        lines[PAM_TYPE_AUTH] ? " auth" : "",
                        lines[PAM_TYPE_ACCOUNT] ? " account" : "",
                        lines[PAM_TYPE_SESSION] ? " session" : "");
}

static void check_module(Findings *findings, const char *root) {
        _cleanup_free_ char *path = NULL;

        if (asprintf(&path, "%s" PAM_MODULE_PATH, root) < 0)
                path = NULL;
        else if (access(path, F_OK) < 0)
                finding(findings, SEVERITY_ERROR, "PAM", "the module %s is missing (%s)", path,
                        strerror(errno));
}

/* What other services include is not one by itself, and neither are an editor's leavings. */
static int is_service(const struct dirent *entry) {
        return entry->d_name[0] != '.' && strncmp(entry->d_name, "common-", 7) != 0 &&
               !strpbrk(entry->d_name, "~.");
}

void check_pam(Findings *findings, const char *root) {
        _cleanup_free_ PamStack *stack = malloc(sizeof(*stack));
        _cleanup_free_ char *folder = NULL;
        struct dirent **entries = NULL;
        unsigned before = findings->n[0] + findings->n[1] + findings->n[2];
        int n;

        if (!stack || asprintf(&folder, "%s/etc/pam.d", root) < 0) {
                folder = NULL;
                return;
        }
        n = scandir(folder, &entries, is_service, alphasort);
        for (int i = 0; i < n; i++) {
                if (pam_stack_read(folder, entries[i]->d_name, stack) >= 0)
                        check_service(findings, entries[i]->d_name, stack);
                free(entries[i]);
        }
        free(entries);
        if (n < 0)
                finding(findings, SEVERITY_ERROR, "PAM", "%s cannot be read (%s)", folder,
                        strerror(errno));
        else if (before == findings->n[0] + findings->n[1] + findings->n[2])
                finding(findings, SEVERITY_WARNING, "PAM",
                        "no service in %s uses the module: nobody logs in through a provider yet. "
                        "The lines to add are in pam_oidc_keyring(8)",
                        folder);
        else
                check_module(findings, root);
}
