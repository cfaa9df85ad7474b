/* SPDX-License-Identifier: MIT */
#include "pam/options.h"

#include <errno.h>

#include "common/clock.h"
#include "common/macro.h"
#include "common/parse.h"

/* sshd hangs up after LoginGraceTime, 120 s by default; the verdict has to be there before. */
#define TIMEOUT_DEFAULT_SEC 110u
#define TIMEOUT_MIN_SEC 10u
#define TIMEOUT_MAX_SEC 3600u

static int word_index(const char *word, const char *const *words, int n_words) {
        for (int i = 0; i < n_words; i++)
                if (streq(word, words[i]))
                        return i;
        return -EINVAL;
}

static int parse_provider(const char *value, Options *options) {
        if (!account_name_is_valid(value))
                return -EINVAL;
        options->provider = value;
        return 0;
}

static int parse_prompt(const char *value, Options *options) {
        static const char *const words[_PROMPT_MAX] = {
                [PROMPT_AUTO] = "auto", [PROMPT_ENTER] = "enter", [PROMPT_NONE] = "none"};
        int i = word_index(value, words, _PROMPT_MAX);

        if (i < 0)
                return i;
        options->prompt = (PromptMode)i;
        return 0;
}

static int parse_qr(const char *value, Options *options) {
        static const char *const words[_QR_MODE_MAX] = {[QR_MODE_AUTO] = "auto",
                                                        [QR_MODE_UTF8] = "utf8",
                                                        [QR_MODE_ASCII] = "ascii",
                                                        [QR_MODE_NONE] = "none"};
        int i = word_index(value, words, _QR_MODE_MAX);

        if (i < 0)
                return i;
        options->qr = (QrMode)i;
        return 0;
}

static int parse_timeout(const char *value, Options *options) {
        uint64_t seconds;
        int r;

        r = parse_u64(value, TIMEOUT_MIN_SEC, TIMEOUT_MAX_SEC, &seconds);
        if (r < 0)
                return -EINVAL;
        options->timeout_usec = seconds * USEC_PER_SEC;
        return 0;
}

static int parse_debug(const char *value, Options *options) {
        if (value)
                return -EINVAL;
        options->debug = true;
        return 0;
}

static const struct {
        const char *name;
        bool has_value;
        int (*parse)(const char *value, Options *options);
} table[] = {
        {"provider", true, parse_provider}, {"prompt", true, parse_prompt}, {"qr", true, parse_qr},
        {"timeout", true, parse_timeout},   {"debug", false, parse_debug},
};

static int parse_word(const char *word, Options *options) {
        size_t n_name = strcspn(word, "=");
        const char *value = word[n_name] == '=' ? word + n_name + 1 : NULL;

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                if (strlen(table[i].name) != n_name || strncmp(table[i].name, word, n_name) != 0)
                        continue;
                if (table[i].has_value && !value)
                        return -EINVAL;
                return table[i].parse(value, options);
        }
        return -EINVAL;
}

int options_parse(int argc, const char **argv, Options *ret, const char **ret_wrong) {
        static const Options defaults = {.provider = "",
                                         .timeout_usec = TIMEOUT_DEFAULT_SEC * USEC_PER_SEC};
        Options options = defaults;

        *ret = defaults;
        for (int i = 0; i < argc; i++)
                if (parse_word(argv[i], &options) < 0) {
                        *ret_wrong = argv[i];
                        return -EINVAL;
                }
        *ret = options;
        return 0;
}
