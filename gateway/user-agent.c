/* SPDX-License-Identifier: MIT */
#include "gateway/user-agent.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PRODUCT PACKAGE_NAME "/" PACKAGE_VERSION
#define NAME_CHARACTERS                        \
        "abcdefghijklmnopqrstuvwxyz0123456789" \
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ.-_"

int user_agent_new(const char *host, char **ret) {
        char name[HOST_NAME_MAX + 1];
        int n;

        (void)snprintf(name, sizeof(name), "%s", host);
        for (char *p = name; *p; p++)
                if (!strchr(NAME_CHARACTERS, *p))
                        *p = '?';
        n = *name ? asprintf(ret, PRODUCT " (%s)", name) : asprintf(ret, PRODUCT);
        if (n < 0) {
                *ret = NULL;
                return -ENOMEM;
        }
        return 0;
}

int user_agent_of_this_host(char **ret) {
        char host[HOST_NAME_MAX + 1] = "";

        (void)gethostname(host, sizeof(host) - 1); /* the last byte stays NUL */
        return user_agent_new(host, ret);
}
