/* SPDX-License-Identifier: MIT */
#pragma once

/* The words behind pam_oidc_keyring.so in a PAM stack. docs/pam_oidc_keyring.8 explains them. */

#include <stdbool.h>
#include <stdint.h>

typedef enum PromptMode {
        PROMPT_AUTO, /* by service and terminal, see pam/display.h */
        PROMPT_ENTER,
        PROMPT_NONE,
        _PROMPT_MAX,
} PromptMode;

typedef enum QrMode {
        QR_MODE_AUTO,
        QR_MODE_UTF8,
        QR_MODE_ASCII,
        QR_MODE_NONE,
        _QR_MODE_MAX,
} QrMode;

typedef struct Options {
        const char *provider; /* "" = the only one; points into argv */
        PromptMode prompt;
        QrMode qr;
        uint64_t timeout_usec;
        bool debug;
} Options;

/* Fills @ret with the defaults and then with @argv. 0, or -EINVAL and the first word that is wrong
 * in @ret_wrong (points into @argv); @ret then holds the defaults. */
int options_parse(int argc, const char **argv, Options *ret, const char **ret_wrong);
