/* SPDX-License-Identifier: MIT */
#include "pam/display.h"

#include "common/challenge.h"
#include "common/macro.h"

static bool is_sshd(const char *service, const char *tty) {
        /* The service may be renamed (PAMServiceName), the terminal is always called that. */
        return streq(service, "sshd") || streq(tty, "ssh");
}

/* Graphical front ends put their display (":0") where the terminal belongs. */
static bool is_terminal(const char *tty) {
        return *tty && !strchr(tty, ':') && !streq(tty, "ssh");
}

bool display_wants_prompt(PromptMode mode, const char *service, const char *tty) {
        if (mode != PROMPT_AUTO)
                return mode == PROMPT_ENTER;
        return is_sshd(service, tty) || !is_terminal(tty);
}

const char *display_qr_style(QrMode mode, const char *service, const char *tty) {
        static const char *const styles[_QR_MODE_MAX] = {
                [QR_MODE_UTF8] = "utf8", [QR_MODE_ASCII] = "ascii", [QR_MODE_NONE] = "none"};

        if (mode != QR_MODE_AUTO)
                return styles[mode];
        if (is_sshd(service, tty) || strncmp(challenge_tty_name(tty), "pts/", 4) == 0)
                return "utf8";
        return "none";
}
