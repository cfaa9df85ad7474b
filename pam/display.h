/* SPDX-License-Identifier: MIT */
#pragma once

/* How the challenge is shown, which depends on what the host lets through. */

#include <stdbool.h>

#include "pam/options.h"

/* Whether the text has to be a prompt. By itself (PROMPT_AUTO) it is for sshd, which before 10.3
 * shows information only together with a prompt, and where no terminal is known: graphical and web
 * front ends tend to hide information. */
bool display_wants_prompt(PromptMode mode, const char *service, const char *tty);

/* The QR style to ask the gateway for: "utf8", "ascii" or "none". By itself (QR_MODE_AUTO) it is
 * utf8 through sshd and on pseudo-terminals, and none where a font, a line's speed or the height of
 * the screen is in doubt. */
const char *display_qr_style(QrMode mode, const char *service, const char *tty);
