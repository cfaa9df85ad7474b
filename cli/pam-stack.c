/* SPDX-License-Identifier: MIT */
#include "cli/pam-stack.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/macro.h"

static inline void fclosep(FILE **file) {
        if (*file)
                (void)fclose(*file);
}

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

static void stack_append(PamStack *stack, PamType type, const char *control, const char *module) {
        const char *slash = strrchr(module, '/');
        PamLine *line = &stack->lines[stack->n];

        if (stack->n >= PAM_STACK_LINES_MAX)
                return;
        stack->n++;
        line->type = type;
        (void)snprintf(line->control, sizeof(line->control), "%s", control);
        (void)snprintf(line->module, sizeof(line->module), "%s", slash ? slash + 1 : module);
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
                stack_append(stack, (PamType)type, control, module);
}

static int stack_read(PamStack *stack, const char *folder, const char *name, int only,
                      unsigned depth) {
        _cleanup_free_ char *path = NULL, *line = NULL;
        _cleanup_(fclosep) FILE *file = NULL;
        size_t size = 0;

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
        while (getline(&line, &size, file) >= 0)
                stack_read_line(stack, folder, line, only, depth);
        return 0;
}

int pam_stack_read(const char *folder, const char *name, PamStack *ret) {
        ret->n = 0;
        return stack_read(ret, folder, name, -1, 0);
}

const PamLine *pam_stack_find(const PamStack *stack, PamType type, const char *module) {
        for (size_t i = 0; i < stack->n; i++)
                if (stack->lines[i].type == type && streq(stack->lines[i].module, module))
                        return &stack->lines[i];
        return NULL;
}
