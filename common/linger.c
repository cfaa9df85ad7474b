/* SPDX-License-Identifier: MIT */
#include "common/linger.h"

#include <stdio.h>

#include "common/macro.h"

#define LINGER_FOLDER "/var/lib/systemd/linger"

bool user_lingers(const char *root, const char *user) {
        _cleanup_free_ char *path = NULL;

        if (!*user || *user == '.' || strchr(user, '/'))
                return false;
        if (asprintf(&path, "%s" LINGER_FOLDER "/%s", root, user) < 0) {
                path = NULL;
                return false;
        }
        return access(path, F_OK) == 0;
}
