/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>
#include <fcntl.h>
#include <locale.h>
#include <stdint.h>
#include <sys/ioctl.h>

#include "cli/qr-style.h"
#include "common/macro.h"

static int open_terminal(int *ret_master) {
        int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

        assert(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
        *ret_master = master;
        return open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
}

static void set(const char *term, const char *locale) {
        assert(setenv("TERM", term, 1) == 0 && setenv("LC_ALL", locale, 1) == 0);
}

static void test_words(int terminal) {
        set("xterm", "C.UTF-8");
        assert(streq(qr_style("utf8", -1), "utf8") && streq(qr_style("ascii", -1), "ascii"));
        assert(streq(qr_style("none", terminal), "none"));
        assert(!qr_style("", terminal) && !qr_style("UTF8", terminal) && !qr_style("png", -1));
}

static void test_auto(int terminal) {
        static const struct {
                const char *term, *locale, *style;
        } cases[] = {
                {"xterm-256color", "C.UTF-8", "utf8"},
                {"xterm-256color", "C", "none"},
                {"dumb", "C.UTF-8", "none"},
        };
        int ends[2];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                set(cases[i].term, cases[i].locale);
                assert(streq(qr_style("auto", terminal), cases[i].style));
        }
        set("xterm", "C.UTF-8");
        assert(pipe(ends) == 0 && streq(qr_style("auto", ends[1]), "none"));
        (void)close(ends[0]);
        (void)close(ends[1]);
}

static void test_width(void) {
        static const char two[] = "\xe2\x96\x84\xe2\x96\x88\n\xe2\x96\x84 \n";

        assert(qr_fits("", 0) && qr_fits(two, 2) && !qr_fits(two, 1));
        assert(qr_fits("####\n##", 4) && !qr_fits("##\n#####", 4));
        assert(qr_fits("##", SIZE_MAX));
}

static void test_terminal(int terminal) {
        struct winsize size = {.ws_col = 33};
        char name[64];

        assert(terminal_columns(terminal) == 80); /* it does not tell */
        assert(ioctl(terminal, TIOCSWINSZ, &size) == 0 && terminal_columns(terminal) == 33);
        assert(terminal_columns(-1) == SIZE_MAX);
        terminal_name(terminal, name, sizeof(name));
        assert(strncmp(name, "pts/", 4) == 0);
        terminal_name(-1, name, sizeof(name));
        assert(streq(name, ""));
}

int main(void) {
        _cleanup_close_ int master = -1;
        _cleanup_close_ int terminal = open_terminal(&master);

        assert(terminal >= 0);
        test_words(terminal);
        test_auto(terminal);
        test_width();
        test_terminal(terminal);
        return 0;
}
