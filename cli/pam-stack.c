/* SPDX-License-Identifier: MIT */
#include "cli/pam-stack.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/macro.h"
#include "common/parse.h"

static int stack_read(PamStack *stack, const char *folder, const char *name, int only,
                      unsigned depth);

static int pam_type(const char *word) {
        static const char *const names[_PAM_TYPE_MAX] = {"auth", "account", "password", "session"};

        word += *word == '-'; /* silent if the module is missing */
        for (int type = 0; type < _PAM_TYPE_MAX; type++)
                if (strcasecmp(names[type], word) == 0)
                        return type;
        return -EINVAL;
}

/* The next word, or [words in brackets]; NULL at the end. */
static char *next_word(char **line) {
        char *begin = *line + strspn(*line, " \t\n");
        size_t length = *begin == '[' ? strcspn(begin, "]") + 1 : strcspn(begin, " \t\n");

        if (*begin == '\0' || *begin == '#')
                return NULL;
        if (length > strlen(begin))
                length = strlen(begin);
        *line = begin + length;
        if (**line) {
                **line = '\0';
                (*line)++;
        }
        return begin;
}

static void stack_append(PamStack *stack, PamType type, const char *control, const char *module,
                         const char *arguments) {
        const char *slash = strrchr(module, '/');
        PamLine *line = &stack->lines[stack->n];

        if (stack->n >= PAM_STACK_LINES_MAX)
                return;
        stack->n++;
        line->type = type;
        (void)snprintf(line->control, sizeof(line->control), "%s", control);
        (void)snprintf(line->module, sizeof(line->module), "%s", slash ? slash + 1 : module);
        (void)snprintf(line->arguments, sizeof(line->arguments), "%s", arguments);
}

/* @only: the type that an `include` line asked for, -1: all. */
static void stack_read_line(PamStack *stack, const char *folder, char *line, int only,
                            unsigned depth) {
        char *word = next_word(&line), *control, *module;
        int type;

        if (!word)
                return;
        if (streq(word, "@include")) {
                module = next_word(&line);
                if (module)
                        (void)stack_read(stack, folder, module, only, depth + 1);
                return;
        }
        type = pam_type(word);
        control = next_word(&line);
        module = next_word(&line);
        if (type < 0 || !control || !module || (only >= 0 && only != type))
                return;
        if (streq(control, "include") || streq(control, "substack"))
                (void)stack_read(stack, folder, module, type, depth + 1);
        else
                stack_append(stack, (PamType)type, control, module, line);
}

/* The next line with those that a backslash at its end adds to it. NULL: the end. */
static char *read_joined(FILE *file) {
        _cleanup_free_ char *joined = NULL, *line = NULL;
        size_t size = 0;
        ssize_t n;

        while ((n = getline(&line, &size, file)) >= 0) {
                char *longer = NULL;
                bool more = n >= 2 && streq(line + n - 2, "\\\n");

                if (more)
                        line[n - 2] = '\0';
                if (asprintf(&longer, "%s%s", joined ? joined : "", line) < 0)
                        return NULL;
                free(joined);
                joined = longer;
                if (!more)
                        break;
        }
        return TAKE_PTR(joined);
}

static int stack_read(PamStack *stack, const char *folder, const char *name, int only,
                      unsigned depth) {
        _cleanup_free_ char *path = NULL;
        _cleanup_(fclosep) FILE *file = NULL;
        char *line;

        if (depth > PAM_STACK_DEPTH_MAX)
                return -ELOOP;
        if (*name == '/')
                path = strdup(name);
        else if (asprintf(&path, "%s/%s", folder, name) < 0)
                path = NULL;
        if (!path)
                return -ENOMEM;
        file = fopen(path, "re");
        if (!file)
                return -errno;
        while ((line = read_joined(file))) {
                stack_read_line(stack, folder, line, only, depth);
                free(line);
        }
        return 0;
}

int pam_stack_read(const char *folder, const char *name, PamStack *ret) {
        ret->n = 0;
        return stack_read(ret, folder, name, -1, 0);
}

uint64_t pam_line_timeout_sec(const PamLine *line) {
        const char *value = strstr(line->arguments, "timeout=");
        uint64_t seconds = PAM_TIMEOUT_DEFAULT_SEC;
        char digits[8];

        if (!value)
                return seconds;
        value += strlen("timeout=");
        (void)snprintf(digits, sizeof(digits), "%.*s", (int)strspn(value, "0123456789"), value);
        (void)parse_u64(digits, 0, UINT64_MAX, &seconds);
        return seconds;
}

const PamLine *pam_stack_find(const PamStack *stack, PamType type, const char *module) {
        for (size_t i = 0; i < stack->n; i++)
                if (stack->lines[i].type == type && streq(stack->lines[i].module, module))
                        return &stack->lines[i];
        return NULL;
}
