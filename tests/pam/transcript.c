/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>

#include "tests/pam/transcript.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

static int transcript_fd = -1;

void transcript_open(int fd) {
        transcript_fd = fd;
}

static void append(const char *text) {
        assert(write(transcript_fd, text, strlen(text)) == (ssize_t)strlen(text));
}

/* @text with what lies from @from to the end of @until replaced by @by; @text is consumed. */
static char *replace(char *text, const char *from, const char *until, const char *by) {
        char *begin = strstr(text, from);
        char *end = begin ? strstr(begin + strlen(from), until) : NULL;
        char *changed = NULL;

        if (!end)
                return text;
        end += strlen(until);
        *begin = '\0';
        assert(asprintf(&changed, "%s%s%s", text, by, end) >= 0);
        free(text);
        return changed;
}

void transcript_line(const char *format, ...) {
        char *line = NULL, *whole = NULL;
        va_list ap;

        va_start(ap, format);
        assert(vasprintf(&line, format, ap) >= 0);
        va_end(ap);
        line = replace(line, TRANSCRIPT_LOGIN_ID, "", "ID");
        assert(asprintf(&whole, "%s\n", line) >= 0);
        append(whole);
        free(whole);
        free(line);
}

void transcript_text(const char *text) {
        char host[HOST_NAME_MAX + 1] = "";
        char *shown = strdup(text), *rest, *line;

        (void)gethostname(host, sizeof(host) - 1);
        assert(shown);
        if (strncmp(shown, "Log in to ", strlen("Log in to ")) == 0)
                shown = replace(shown, host, "", "HOST");
        shown = replace(shown, "within ", ",", "within TIME,");
        for (rest = shown; (line = strsep(&rest, "\n"));)
                transcript_line("|%s|", line);
        free(shown);
}
