/* SPDX-License-Identifier: MIT */
#include "common/challenge.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "common/clock.h"
#include "common/macro.h"
#include "common/printable.h"

#define URI_MAX 2048u
#define CODE_MAX 128u
#define QR_MAX 16384u /* 76 columns of 3 bytes, and as many lines as a terminal may have */

const char *challenge_tty_name(const char *tty) {
        return strncmp(tty, "/dev/", 5) == 0 ? tty + 5 : tty;
}

/* The gateway has cleaned its strings; but it talks to strangers, and this is the last stop before
 * a terminal that may be root's. */
static bool is_plain(const char *text, size_t max) {
        size_t n = strnlen(text, max + 1);

        for (size_t i = 0; i < n; i++)
                if (text[i] <= 0x20 || text[i] > 0x7e)
                        return false;
        return n <= max;
}

/* Blanks, "#", line ends and the block elements U+2580 to U+259F: all that a QR code consists of.
 */
static bool is_qr(const char *text) {
        const unsigned char *p = (const unsigned char *)text;

        if (!*text || strnlen(text, QR_MAX + 1) > QR_MAX)
                return false;
        while (*p) {
                if (*p == ' ' || *p == '#' || *p == '\n')
                        p++;
                else if (p[0] == 0xe2 && p[1] == 0x96 && p[2] >= 0x80 && p[2] <= 0x9f)
                        p += 3;
                else
                        return false;
        }
        return true;
}

static int format_time(uint64_t usec, char **ret) {
        unsigned long seconds = (unsigned long)(usec / USEC_PER_SEC);
        int n;

        if (seconds < 60)
                n = asprintf(ret, "%lu s", seconds);
        else if (seconds % 60 == 0)
                n = asprintf(ret, "%lu min", seconds / 60);
        else
                n = asprintf(ret, "%lu min %lu s", seconds / 60, seconds % 60);
        if (n < 0) {
                *ret = NULL;
                return -ENOMEM;
        }
        return 0;
}

/* "Log in to HOST as USER (sshd, from 192.0.2.7)": whoever was sent a code by somebody else can see
 * here what it would open. */
static int format_title(const Challenge *c, char **ret) {
        char host[HOST_NAME_MAX + 1] = "";
        _cleanup_free_ char *clean_host = NULL, *service = NULL, *place = NULL;
        const char *preposition = *c->rhost ? ", from " : *c->tty ? ", on " : "";

        (void)gethostname(host, sizeof(host) - 1); /* the last byte stays NUL */
        clean_host = printable_copy(*host ? host : "this host", HOST_NAME_MAX);
        service = printable_copy(*c->service ? c->service : "unknown service", 64);
        place = printable_copy(*c->rhost ? c->rhost : challenge_tty_name(c->tty), 256);
        if (!clean_host || !service || !place)
                return -ENOMEM;

        if (asprintf(ret, "Log in to %s as %s (%s%s%s)", clean_host, c->user, service, preposition,
                     place) < 0) {
                *ret = NULL;
                return -ENOMEM;
        }
        return 0;
}

int challenge_text(const Challenge *c, char **ret) {
        _cleanup_free_ char *title = NULL, *left = NULL;
        bool complete = *c->verification_uri_complete;
        bool qr = is_qr(c->qr_text);
        char *text = NULL;
        int r;

        if (!*c->verification_uri || !is_plain(c->verification_uri, URI_MAX) || !*c->user_code ||
            !is_plain(c->user_code, CODE_MAX) || !is_plain(c->verification_uri_complete, URI_MAX))
                return -EBADMSG;
        r = format_title(c, &title);
        if (r < 0)
                return r;
        r = format_time(c->left_usec, &left);
        if (r < 0)
                return r;

        if (asprintf(&text,
                     "%s\n\n"
                     "  Open   %s\n"
                     "  Code   %s\n"
                     "%s%s%s%s\n"
                     "Approve within %s, and only if you started this login yourself.\n"
                     "%s%s%s%s",
                     title, c->verification_uri, c->user_code, complete ? "  or     " : "",
                     c->verification_uri_complete, complete ? "\n" : "",
                     qr ? "  or scan the QR code below\n" : "", left, qr ? "\n" : "",
                     qr ? c->qr_text : "",
                     qr && c->qr_text[strlen(c->qr_text) - 1] != '\n' ? "\n" : "",
                     c->prompt ? "\nPress Enter when you have approved: "
                               : "\nWaiting for your approval...") < 0)
                return -ENOMEM;

        *ret = text;
        return 0;
}
