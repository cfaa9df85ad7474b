/* SPDX-License-Identifier: MIT */
#include "daemon/fd-store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>

#include "common/clock.h"
#include "common/grant.h"
#include "common/log.h"
#include "common/parse.h"

#define BARRIER_USEC (1 * USEC_PER_SEC)
#define NAME_PREFIX "grant."
#define NAME_MAX_SIZE (sizeof(NAME_PREFIX) + ACCOUNT_NAME_MAX + 1 + 20)
#define MESSAGE_MAX_SIZE (NAME_MAX_SIZE + 64)

int fd_store_push(const char *account, uint64_t sequence, int fd) {
        char message[MESSAGE_MAX_SIZE];
        int r;

        /* FDPOLL=0: a memfd cannot be polled, and nothing may drop it but us. */
        (void)snprintf(message, sizeof(message),
                       "FDSTORE=1\nFDPOLL=0\nFDNAME=" NAME_PREFIX "%s.%" PRIu64, account, sequence);
        r = sd_pid_notify_with_fds(0, 0, message, &fd, 1);
        if (r <= 0)
                return r;
        /* Without it the message could still lie unread in the socket of a busy manager when this
         * process is killed, and would then have no sender any more. */
        r = sd_notify_barrier(0, BARRIER_USEC);
        return r < 0 ? r : 1;
}

void fd_store_remove(const char *account, uint64_t sequence) {
        char message[MESSAGE_MAX_SIZE];
        int r;

        (void)snprintf(message, sizeof(message),
                       "FDSTOREREMOVE=1\nFDNAME=" NAME_PREFIX "%s.%" PRIu64, account, sequence);
        r = sd_notify(0, message);
        if (r < 0)
                (void)log_debug_errno(r, "%s: an older grant stays in the fd store", account);
}

/* "grant.ACCOUNT.SEQUENCE"; an account has no dot in its name. */
static int stored_grant_parse(const char *name, StoredGrant *ret) {
        StoredGrant grant = {.fd = -1};
        const char *account, *dot;
        size_t length;
        int r;

        if (strncmp(name, NAME_PREFIX, strlen(NAME_PREFIX)) != 0)
                return -EINVAL;
        account = name + strlen(NAME_PREFIX);
        dot = strchr(account, '.');
        length = dot ? (size_t)(dot - account) : sizeof(grant.account);
        if (length >= sizeof(grant.account))
                return -EINVAL;
        memcpy(grant.account, account, length);
        if (!account_name_is_valid(grant.account))
                return -EINVAL;
        r = parse_u64(dot + 1, 0, UINT64_MAX, &grant.sequence);
        if (r < 0)
                return r;

        *ret = grant;
        return 0;
}

static int stored_grant_compare(const void *p, const void *q) {
        const StoredGrant *a = p, *b = q;
        int order = strcmp(a->account, b->account);

        if (order != 0)
                return order;
        return (a->sequence < b->sequence) - (a->sequence > b->sequence);
}

static void names_free(char ***names) {
        for (char **name = *names; name && *name; name++)
                free(*name);
        free(*names);
}

int fd_store_load(StoredGrant **ret, size_t *ret_n) {
        _cleanup_(names_free) char **names = NULL;
        _cleanup_free_ StoredGrant *grants = NULL;
        size_t n = 0;
        int n_fds;

        n_fds = sd_listen_fds_with_names(1, &names);
        if (n_fds < 0)
                return n_fds;
        grants = calloc((size_t)n_fds + 1, sizeof(*grants));
        if (!grants)
                return -ENOMEM;

        for (int i = 0; i < n_fds; i++) {
                if (stored_grant_parse(names[i], &grants[n]) < 0) {
                        (void)close(SD_LISTEN_FDS_START + i);
                        continue;
                }
                grants[n++].fd = SD_LISTEN_FDS_START + i;
        }
        qsort(grants, n, sizeof(*grants), stored_grant_compare);

        *ret = TAKE_PTR(grants);
        *ret_n = n;
        return 0;
}

StoredGrant *fd_store_grants_free(StoredGrant *grants, size_t n) {
        for (size_t i = 0; i < n; i++)
                closep(&grants[i].fd);
        free(grants);
        return NULL;
}
