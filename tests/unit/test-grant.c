/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "common/grant.h"
#include "common/sealed-memfd.h"

#define HEAD "oidc-keyring-grant 1\n"
#define BODY                                                                            \
        "account=corp\nissuer=https://id.example.com\nsubject=s1\nuser=alice\nscope=\n" \
        "expires_usec=18446744073709551615\nlifetime_usec=300000000\nrefresh_at=75\n"   \
        "keep_on_logout=0\ngeneration=3\naccess_token=at\n"

static Grant *example(void) {
        Grant *grant = calloc(1, sizeof(*grant));

        assert(grant);
        grant->account = strdup("corp");
        grant->issuer = strdup("https://id.example.com/a=b");
        grant->subject = strdup("s\xc3\xbc");
        grant->user = strdup("alice");
        grant->scope = strdup("");
        grant->expires_usec = 1;
        grant->lifetime_usec = 2;
        grant->refresh_at = 75;
        grant->generation = UINT64_MAX;
        assert(secret_new_copy("access", 6, &grant->access_token) == 0);
        return grant;
}

static void test_round_trip(void) {
        _cleanup_(grant_freep) Grant *grant = example(), *first = NULL, *second = NULL;
        _cleanup_close_ int fd = -1, fd2 = -1;

        assert(grant_seal(grant, &fd) == 0);
        assert(grant_unseal(fd, &first) == 0);
        assert(streq(first->account, "corp") && streq(first->subject, "s\xc3\xbc"));
        assert(streq(first->issuer, "https://id.example.com/a=b") && streq(first->scope, ""));
        assert(first->expires_usec == 1 && first->generation == UINT64_MAX);
        assert(secret_equal(first->access_token, grant->access_token) && !first->refresh_token);

        assert(secret_new_copy("refresh", 7, &grant->refresh_token) == 0);
        assert(grant_seal(grant, &fd2) == 0);
        assert(grant_unseal(fd2, &second) == 0);
        assert(secret_equal(second->refresh_token, grant->refresh_token));
        assert(first->login_over == 0);
}

/* A grant of before there was such a thing is one that is revoked. */
static void test_keep_replaced(void) {
        static const char without[] = HEAD BODY, wrong[] = HEAD BODY "keep_replaced=2\n";
        _cleanup_(grant_freep) Grant *grant = example(), *sealed = NULL, *parsed = NULL;
        _cleanup_close_ int fd = -1;

        grant->keep_replaced = 1;
        assert(grant_seal(grant, &fd) == 0 && grant_unseal(fd, &sealed) == 0);
        assert(sealed->keep_replaced == 1);
        assert(grant_parse(without, strlen(without), &parsed) == 0 && parsed->keep_replaced == 0);
        assert(grant_parse(wrong, strlen(wrong), &sealed) == -EBADMSG);
}

static void test_login_over(void) {
        static const char over[] = HEAD BODY "login_over=1\n";
        _cleanup_(grant_freep) Grant *grant = example(), *sealed = NULL, *parsed = NULL;
        _cleanup_close_ int fd = -1;

        grant->login_over = 1;
        assert(grant_seal(grant, &fd) == 0 && grant_unseal(fd, &sealed) == 0);
        assert(sealed->login_over == 1);
        assert(grant_parse(over, strlen(over), &parsed) == 0 && parsed->login_over == 1);
}

static void test_sent_and_lost(void) {
        static const char lost[] = HEAD BODY "refresh_token=a\nsent=1\nanswer_lost=1\n";
        _cleanup_(grant_freep) Grant *parsed = NULL, *sealed = NULL;
        _cleanup_close_ int fd = -1;

        assert(grant_parse(lost, strlen(lost), &parsed) == 0);
        assert(parsed->sent == 1 && parsed->answer_lost == 1);
        assert(grant_seal(parsed, &fd) == 0 && grant_unseal(fd, &sealed) == 0);
        assert(sealed->sent == 1 && sealed->answer_lost == 1);
}

static void break_account(Grant *g) {
        g->account[0] = '/';
}
static void break_text(Grant *g) {
        g->subject[0] = '\n';
}
static void drop_issuer(Grant *g) {
        free(g->issuer);
        g->issuer = NULL;
}
static void empty_user(Grant *g) {
        g->user[0] = '\0';
}
static void break_token(Grant *g) {
        secret_buffer(g->access_token)[2] = '\n';
}
static void break_percent(Grant *g) {
        g->refresh_at = 100;
}
static void no_lifetime(Grant *g) {
        g->lifetime_usec = 0;
}
static void over_and_renewable(Grant *g) {
        g->login_over = 1;
        assert(secret_new_copy("refresh", 7, &g->refresh_token) == 0);
}
static void over_twice(Grant *g) {
        g->login_over = 2;
}

/* What could not be read back is not written. */
static void test_unsound_grants_are_not_sealed(void) {
        static void (*const breaks[])(Grant *) = {break_account, break_text,         drop_issuer,
                                                  empty_user,    break_token,        break_percent,
                                                  no_lifetime,   over_and_renewable, over_twice};

        for (size_t i = 0; i < ELEMENTSOF(breaks); i++) {
                _cleanup_(grant_freep) Grant *grant = example();
                int fd = -1;

                breaks[i](grant);
                assert(grant_seal(grant, &fd) == -EINVAL && fd == -1);
        }
}

static void test_foreign_bytes(void) {
        static const char *const refused[] = {
                "",
                "oidc-keyring-grant 2\n" BODY,
                HEAD,
                HEAD BODY "access_token=again\n",
                HEAD "unknown=1\n",
                HEAD BODY "refresh_token=\n",
                HEAD BODY "refresh_token=a\x1b\n",
                HEAD BODY "refresh_token=\xc3\xbc\n",
                HEAD BODY "no equals sign\n",
                HEAD BODY "refresh_token=unterminated",
                HEAD BODY "login_over=1\nrefresh_token=a\n",
                HEAD BODY "login_over=2\n",
                HEAD BODY "sent=1\n", /* without a token that was sent */
                HEAD BODY "refresh_token=a\nsent=2\n",
                HEAD BODY "answer_lost=1\n", /* without a token that was sent */
                HEAD BODY "refresh_token=a\nanswer_lost=2\n",
                HEAD "account=Corp\n" BODY,
        };
        static const char newer[] = HEAD BODY "unknown=1\nunknown=2\n";
        _cleanup_(grant_freep) Grant *good = NULL, *next = NULL, *none = NULL;

        assert(grant_parse(HEAD BODY, strlen(HEAD BODY), &good) == 0);
        assert(grant_parse(newer, strlen(newer), &next) == 0 && next->generation == 3);
        for (size_t i = 0; i < ELEMENTSOF(refused); i++) {
                int r = grant_parse(refused[i], strlen(refused[i]), &none);

                if (r != -EBADMSG)
                        fprintf(stderr, "not refused: number %zu\n", i);
                assert(r == -EBADMSG && !none);
        }
        assert(grant_parse(HEAD BODY "\0", sizeof(HEAD BODY), &none) == -EBADMSG);
}

static void test_descriptors(void) {
        _cleanup_(secret_freep) Secret *large = NULL;
        _cleanup_(grant_freep) Grant *none = NULL;
        _cleanup_close_ int fd = -1;

        assert(secret_new(GRANT_SIZE_MAX + 1, &large) == 0);
        assert(sealed_memfd_new("large", secret_bytes(large), secret_size(large), &fd) == 0);
        assert(grant_unseal(fd, &none) == -EBADMSG);
        assert(grant_unseal(-1, &none) == -EBADF);
}

int main(void) {
        test_round_trip();
        test_keep_replaced();
        test_login_over();
        test_sent_and_lost();
        test_unsound_grants_are_not_sealed();
        test_foreign_bytes();
        test_descriptors();
        return 0;
}
