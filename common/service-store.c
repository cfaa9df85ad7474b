/* SPDX-License-Identifier: MIT */
#include "common/service-store.h"

#include <errno.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/macro.h"

#define BARRIER_USEC (1 * USEC_PER_SEC)
#define MESSAGE_MAX_SIZE (SERVICE_STORE_NAME_MAX + 64u)

int service_store_put(const char *name, int fd, bool wait) {
        char message[MESSAGE_MAX_SIZE];
        int r;

        if (strlen(name) > SERVICE_STORE_NAME_MAX)
                return -ENAMETOOLONG;
        /* FDPOLL=0: a memfd cannot be polled, and nothing may drop it but us. */
        (void)snprintf(message, sizeof(message), "FDSTORE=1\nFDPOLL=0\nFDNAME=%s", name);
        r = sd_pid_notify_with_fds(0, 0, message, &fd, 1);
        if (r <= 0 || !wait)
                return r;
        r = sd_notify_barrier(0, BARRIER_USEC);
        return r < 0 ? r : 1;
}

void service_store_remove(const char *name) {
        char message[MESSAGE_MAX_SIZE];
        int r;

        (void)snprintf(message, sizeof(message), "FDSTOREREMOVE=1\nFDNAME=%s", name);
        r = sd_notify(0, message);
        if (r < 0)
                (void)log_debug_errno(r, "%s stays in the fd store", name);
}

int service_store_load(int (*found)(const char *name, int fd, void *userdata), void *userdata) {
        _cleanup_(strv_freep) char **names = NULL;
        int n_fds, n = 0;

        n_fds = sd_listen_fds_with_names(1, &names);
        for (int i = 0; i < n_fds; i++) {
                int fd = SD_LISTEN_FDS_START + i;

                if (found(names[i], fd, userdata) < 0)
                        (void)close(fd);
                else
                        n++;
        }
        return n_fds < 0 ? n_fds : n;
}
