/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>

#include "common/macro.h"
#include "pam/display.h"

int main(void) {
        static const struct {
                const char *service, *tty;
                bool prompt;
                const char *qr;
        } cases[] = {
                {"sshd", "ssh", true, "utf8"},
                {"sshd-jump", "ssh", true, "utf8"},
                {"sshd", "", true, "utf8"},
                {"login", "/dev/tty1", false, "none"},
                {"login", "tty1", false, "none"},
                {"login", "pts/0", false, "utf8"},
                {"su-l", "/dev/pts/12", false, "utf8"},
                {"sudo", "/dev/ttyS0", false, "none"},
                {"login", "hvc0", false, "none"},
                {"login", "console", false, "none"},
                {"gdm-password", ":0", true, "none"},
                {"lightdm", "localhost:10.0", true, "none"},
                {"cron", "", true, "none"},
                {"su", "ptsx", false, "none"},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const char *service = cases[i].service, *tty = cases[i].tty;

                assert(display_wants_prompt(PROMPT_AUTO, service, tty) == cases[i].prompt);
                assert(display_wants_prompt(PROMPT_ENTER, service, tty));
                assert(!display_wants_prompt(PROMPT_NONE, service, tty));
                assert(streq(display_qr_style(QR_MODE_AUTO, service, tty), cases[i].qr));
                assert(streq(display_qr_style(QR_MODE_UTF8, service, tty), "utf8"));
                assert(streq(display_qr_style(QR_MODE_ASCII, service, tty), "ascii"));
                assert(streq(display_qr_style(QR_MODE_NONE, service, tty), "none"));
        }
        return 0;
}
