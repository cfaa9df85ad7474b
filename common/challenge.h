/* SPDX-License-Identifier: MIT */
#pragma once

/* The one text that asks a person to approve the login elsewhere: plain words first, then the QR
 * code, so that whoever cannot see or scan it has read the rest already. */

#include <stdbool.h>
#include <stdint.h>

/* What the gateway answered, and what the login looks like from here. Everything is borrowed. */
typedef struct Challenge {
        const char *user;
        const char *service;
        const char *rhost; /* "" = from this host */
        const char *tty;   /* "" = none */
        const char *verification_uri;
        const char *verification_uri_complete; /* "" = none */
        const char *user_code;
        const char *qr_text; /* "" = none */
        uint64_t left_usec;  /* to approve it */
        bool prompt;         /* the text ends in the words of a prompt */
} Challenge;

/* "/dev/pts/3" as people call it. */
const char *challenge_tty_name(const char *tty);

/* 0 and the text in @ret, the caller's to wipe and free; -ENOMEM; -EBADMSG if the gateway's strings
 * are not fit for a terminal. (A QR code that is not is left out.) */
int challenge_text(const Challenge *challenge, char **ret);
