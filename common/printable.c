/* SPDX-License-Identifier: MIT */
#include "common/printable.h"

#include "common/macro.h"

void printable_clean(char *text) {
        for (unsigned char *p = (unsigned char *)text; *p; p++)
                if (*p < 0x20 || *p > 0x7e)
                        *p = '?';
}

char *printable_copy(const char *text, size_t max) {
        char *clean = text ? strndup(text, max) : NULL;

        if (clean)
                printable_clean(clean);
        return clean;
}
