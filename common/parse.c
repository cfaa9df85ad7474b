/* SPDX-License-Identifier: MIT */
#include "common/parse.h"

#include <errno.h>
#include <stddef.h>
#include <strings.h>

#include "common/macro.h"
#include "common/names.h"

int parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret) {
        uint64_t value = 0;

        if (!text || !*text)
                return -EINVAL;
        for (const char *p = text; *p; p++) {
                if (*p < '0' || *p > '9')
                        return -EINVAL;
                if (__builtin_mul_overflow(value, UINT64_C(10), &value) ||
                    __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
                        return -ERANGE;
        }
        if (value < min || value > max)
                return -ERANGE;

        *ret = value;
        return 0;
}

int parse_bool(const char *text, bool *ret) {
        static const struct {
                const char *word;
                bool value;
        } words[] = {
                {"yes", true}, {"true", true},   {"on", true},   {"1", true},
                {"no", false}, {"false", false}, {"off", false}, {"0", false},
        };

        if (!text)
                return -EINVAL;
        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                if (strcasecmp(text, words[i].word) == 0) {
                        *ret = words[i].value;
                        return 0;
                }
        return -EINVAL;
}

bool account_name_is_valid(const char *name) {
        size_t length;

        if (!name || *name < 'a' || *name > 'z')
                return false;
        length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-");
        return length <= ACCOUNT_NAME_MAX && name[length] == '\0';
}
