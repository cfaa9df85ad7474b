/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "common/challenge.h"
#include "common/clock.h"
#include "common/macro.h"

static const Challenge usual = {
        .user = "alice",
        .service = "sshd",
        .rhost = "",
        .tty = "",
        .verification_uri = "https://id.example.com/device",
        .verification_uri_complete = "",
        .user_code = "ABCD",
        .qr_text = "",
        .left_usec = 110 * USEC_PER_SEC,
};

static bool says(Challenge challenge, const char *words) {
        _cleanup_free_ char *text = NULL;

        assert(challenge_text(&challenge, &text) == 0);
        return strstr(text, words);
}

static void check_time(uint64_t usec, const char *expected) {
        _cleanup_free_ char *words = NULL;
        Challenge challenge = usual;

        challenge.left_usec = usec;
        assert(asprintf(&words, "within %s,", expected) >= 0);
        assert(says(challenge, words));
}

/* Which host, which user, which service, and from where: for every kind of login. */
static void check_title(void) {
        static const struct {
                const char *service, *rhost, *tty, *expected;
        } cases[] = {
                {"sshd", "192.0.2.7", "ssh", "(sshd, from 192.0.2.7)"},
                {"sshd", "2001:db8::7", "ssh", "(sshd, from 2001:db8::7)"},
                {"login", "", "/dev/tty1", "(login, on tty1)"},
                {"login", "", "ttyS0", "(login, on ttyS0)"},
                {"su", "", "pts/3", "(su, on pts/3)"},
                {"sudo", "", "/dev/pts/3", "(sudo, on pts/3)"},
                {"gdm-password", "", ":0", "(gdm-password, on :0)"},
                {"cron", "", "", "(cron)"},
                {"", "", "", "(unknown service)"},
                {"", "192.0.2.7", "pts/3", "(unknown service, from 192.0.2.7)"},
                /* Nothing in it may begin a line of its own or steer the terminal. */
                {"su\nCode ABCD", "", "\x1b[2Jpts/3\r", "(su?Code ABCD, on ?[2Jpts/3?)"},
                {"sshd", "h\xc2\x9b\xe2\x80\xaest", "ssh", "(sshd, from h?????st)"},
        };
        char host[HOST_NAME_MAX + 1] = "";

        assert(gethostname(host, sizeof(host)) == 0);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *text = NULL, *title = NULL;
                Challenge challenge = usual;

                challenge.service = cases[i].service;
                challenge.rhost = cases[i].rhost;
                challenge.tty = cases[i].tty;
                assert(challenge_text(&challenge, &text) == 0);
                assert(asprintf(&title, "Log in to %s as alice %s\n\n", host, cases[i].expected) >
                       0);
                assert(strncmp(text, title, strlen(title)) == 0);
        }
}

static void check_long_title(void) {
        static char large[5000];
        Challenge challenge = usual;
        _cleanup_free_ char *text = NULL;

        memset(large, 'x', sizeof(large) - 1);
        challenge.service = challenge.rhost = large;
        assert(challenge_text(&challenge, &text) == 0 && strlen(text) < 1000);
}

static void check_qr(void) {
        static const char *const bad[] = {"\xe2",    "\xe2\x96", "\xe2\x96\xa0",
                                          "\x1b[1m", "#a",       "\xe2\x95\x80"};
        Challenge challenge = usual;

        challenge.qr_text = "## #";
        assert(says(challenge, "scan the QR code below\n"));
        assert(says(challenge, "\n\n## #\n\nWaiting"));
        challenge.qr_text = "\xe2\x96\x84\xe2\x96\x88\n";
        challenge.prompt = true;
        assert(says(challenge, "\n\n\xe2\x96\x84\xe2\x96\x88\n\nPress Enter"));
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                challenge.qr_text = bad[i];
                assert(!says(challenge, "QR"));
                assert(!says(challenge, bad[i]));
        }
}

static void check_limits(void) {
        static char large[20000];
        Challenge challenge = usual;
        char *text = NULL;

        memset(large, '#', sizeof(large) - 1);
        challenge.qr_text = large;
        assert(!says(challenge, "##"));
        challenge.user_code = large;
        assert(challenge_text(&challenge, &text) == -EBADMSG);
        challenge.user_code = "";
        assert(challenge_text(&challenge, &text) == -EBADMSG);
        challenge.user_code = "A B";
        assert(challenge_text(&challenge, &text) == -EBADMSG);
        challenge.user_code = "AB";
        challenge.verification_uri = large;
        assert(challenge_text(&challenge, &text) == -EBADMSG);
        challenge.verification_uri = "";
        assert(challenge_text(&challenge, &text) == -EBADMSG);
        assert(!text);
}

int main(void) {
        check_time(110 * USEC_PER_SEC, "1 min 50 s");
        check_time(59 * USEC_PER_SEC + 999999, "59 s");
        check_time(60 * USEC_PER_SEC, "1 min");
        check_time(600 * USEC_PER_SEC, "10 min");
        check_title();
        check_long_title();
        check_qr();
        check_limits();
        return 0;
}
