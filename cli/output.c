/* SPDX-License-Identifier: MIT */
#include "cli/output.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/clock.h"
#include "common/macro.h"

/* C1 controls are C2 80 to C2 9F in UTF-8; that it is UTF-8 at all D-Bus has seen to. */
void print_clean(const char *text) {
        for (const unsigned char *p = (const unsigned char *)text; *p; p++)
                if (*p < ' ' || *p == 0x7f)
                        (void)putchar('?');
                else if (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0) {
                        (void)putchar('?');
                        p++;
                } else
                        (void)putchar(*p);
}

json_object *json_time(uint64_t usec) {
        return usec == 0 ? NULL : json_object_new_int64((int64_t)(usec / USEC_PER_SEC));
}

void duration_text(uint64_t seconds, char *text, size_t size) {
        static const struct {
                uint64_t seconds;
                const char *name;
        } units[] = {{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}};
        size_t i = 0;

        while (i < ELEMENTSOF(units) - 1 && seconds < units[i].seconds)
                i++;
        if (i == ELEMENTSOF(units) - 1)
                (void)snprintf(text, size, "%" PRIu64 " s", seconds);
        else
                (void)snprintf(text, size, "%" PRIu64 " %s %" PRIu64 " %s",
                               seconds / units[i].seconds, units[i].name,
                               seconds % units[i].seconds / units[i + 1].seconds,
                               units[i + 1].name);
}
