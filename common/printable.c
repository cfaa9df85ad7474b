/* SPDX-License-Identifier: MIT */
#include "common/printable.h"

#include "common/macro.h"

char *printable_copy(const char *text, size_t max) {
        char *clean = text ? strndup(text, max) : NULL;

        for (char *p = clean; p && *p; p++)
                if (*p < 0x20 || *p > 0x7e)
                        *p = '?';
        return clean;
}
