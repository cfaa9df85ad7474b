/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>

#include "common/macro.h"
#include "gateway/user-agent.h"

#define PRODUCT "oidc-keyring/" PACKAGE_VERSION

static void check(const char *host, const char *expected) {
        _cleanup_free_ char *text = NULL;

        assert(user_agent_new(host, &text) == 0);
        assert(streq(text, expected));
}

int main(void) {
        char large[300];
        _cleanup_free_ char *text = NULL;

        check("", PRODUCT);
        check("web-3.example.com", PRODUCT " (web-3.example.com)");
        check("Web_3", PRODUCT " (Web_3)");
        check("a\r\nX-Forwarded-For: 1", PRODUCT " (a??X-Forwarded-For??1)");
        check("a) b(\\", PRODUCT " (a??b?"
                                 "?)");
        check("\x1b[2J\xc3\xa4", PRODUCT " (??2J?"
                                         "?)");

        memset(large, 'x', sizeof(large) - 1);
        large[sizeof(large) - 1] = '\0';
        assert(user_agent_new(large, &text) == 0);
        assert(strlen(text) == strlen(PRODUCT " ()") + 64);
        return 0;
}
