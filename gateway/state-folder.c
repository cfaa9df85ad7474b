/* SPDX-License-Identifier: MIT */
#include "gateway/state-folder.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/macro.h"

int state_folder_open(int parent, const char *name) {
        int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

int state_folder_make(int parent, const char *name, mode_t mode) {
        _cleanup_close_ int fd = -1;

        if (mkdirat(parent, name, 0700) < 0)
                return errno == EEXIST ? state_folder_open(parent, name) : -errno;
        fd = state_folder_open(parent, name);
        if (fd < 0)
                return fd;
        if (fchmod(fd, mode) < 0 || fsync(parent) < 0)
                return -errno;
        return TAKE_FD(fd);
}
