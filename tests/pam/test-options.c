/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>

#include <errno.h>

#include "common/clock.h"
#include "common/macro.h"
#include "pam/options.h"

static Options good(const char *word) {
        const char *argv[] = {"debug", word}, *wrong = NULL;
        Options options;

        assert(options_parse(2, argv, &options, &wrong) == 0);
        assert(!wrong && options.debug);
        return options;
}

static void bad(const char *word) {
        const char *argv[] = {"prompt=none", word}, *wrong = NULL;
        Options options;

        assert(options_parse(2, argv, &options, &wrong) == -EINVAL);
        assert(wrong == word);
        assert(options.prompt == PROMPT_AUTO &&
               streq(options.provider, "")); /* nothing half done */
}

int main(void) {
        static const char *const wrong[] = {
                "",
                "=",
                "provider",
                "provider=",
                "provider=Corp",
                "provider=4corp",
                "provider=corp/../x",
                "provider=a23456789012345678901234567890123",
                "prompt",
                "prompt=",
                "prompt=Enter",
                "promptx=enter",
                "promp=enter",
                "qr=yes",
                "timeout=9",
                "timeout=3601",
                "timeout=-1",
                "timeout=60s",
                "timeout=99999999999999999999",
                "debug=1",
                "debugger",
        };
        Options options;

        assert(options_parse(0, NULL, &options, NULL) == 0);
        assert(streq(options.provider, "") && options.prompt == PROMPT_AUTO);
        assert(options.qr == QR_MODE_AUTO && !options.debug);
        assert(options.timeout_usec == 110 * USEC_PER_SEC);

        assert(streq(good("provider=corp").provider, "corp"));
        assert(streq(good("provider=a2345678901234567890123456789012").provider + 30, "12"));
        assert(good("prompt=enter").prompt == PROMPT_ENTER);
        assert(good("prompt=none").prompt == PROMPT_NONE);
        assert(good("prompt=auto").prompt == PROMPT_AUTO);
        assert(good("qr=utf8").qr == QR_MODE_UTF8);
        assert(good("qr=ascii").qr == QR_MODE_ASCII);
        assert(good("qr=none").qr == QR_MODE_NONE);
        assert(good("timeout=10").timeout_usec == 10 * USEC_PER_SEC);
        assert(good("timeout=3600").timeout_usec == 3600 * USEC_PER_SEC);
        for (size_t i = 0; i < ELEMENTSOF(wrong); i++)
                bad(wrong[i]);
        return 0;
}
