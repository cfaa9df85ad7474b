/* SPDX-License-Identifier: MIT */
#include "cli/qr-style.h"

#include <langinfo.h>
#include <locale.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "common/challenge.h"
#include "common/macro.h"

#define COLUMNS_DEFAULT 80u

void terminal_name(int fd, char *name, size_t size) {
        char path[256];

        *name = '\0';
        if (ttyname_r(fd, path, sizeof(path)) == 0)
                (void)snprintf(name, size, "%s", challenge_tty_name(path));
}

static bool terminal_is_modern(int fd) {
        const char *term = secure_getenv("TERM");
        char name[64];

        terminal_name(fd, name, sizeof(name));
        if (strncmp(name, "pts/", 4) != 0 || !term || streq(term, "dumb"))
                return false;
        (void)setlocale(LC_CTYPE, "");
        return streq(nl_langinfo(CODESET), "UTF-8");
}

const char *qr_style(const char *word, int fd) {
        static const char *const styles[] = {"utf8", "ascii", "none"};

        if (streq(word, "auto"))
                return terminal_is_modern(fd) ? "utf8" : "none";
        for (size_t i = 0; i < ELEMENTSOF(styles); i++)
                if (streq(word, styles[i]))
                        return styles[i];
        return NULL;
}

bool qr_fits(const char *qr, size_t columns) {
        size_t width = 0;

        for (const char *p = qr; *p; p++) {
                /* all but the first byte of a character are 10xxxxxx in UTF-8 */
                width = *p == '\n' ? 0 : width + (((unsigned char)*p & 0xc0) != 0x80);
                if (width > columns)
                        return false;
        }
        return true;
}

size_t terminal_columns(int fd) {
        struct winsize size;

        if (ioctl(fd, TIOCGWINSZ, &size) < 0)
                return SIZE_MAX;
        return size.ws_col > 0 ? size.ws_col : COLUMNS_DEFAULT;
}
