/* SPDX-License-Identifier: MIT */
#include "daemon/fd-store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

#include "common/parse.h"
#include "common/service-store.h"

#define NAME_PREFIX "grant."
#define NAME_MAX_SIZE (sizeof(NAME_PREFIX) + ACCOUNT_NAME_MAX + 1 + 20)

static void stored_grant_name(char name[static NAME_MAX_SIZE], const char *account,
                              uint64_t sequence) {
        (void)snprintf(name, NAME_MAX_SIZE, NAME_PREFIX "%s.%" PRIu64, account, sequence);
}

int fd_store_push(const char *account, uint64_t sequence, int fd) {
        char name[NAME_MAX_SIZE];

        stored_grant_name(name, account, sequence);
        return service_store_put(name, fd, true);
}

void fd_store_remove(const char *account, uint64_t sequence) {
        char name[NAME_MAX_SIZE];

        stored_grant_name(name, account, sequence);
        service_store_remove(name);
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

typedef struct StoredGrants {
        StoredGrant *grants;
        size_t n;
        bool incomplete;
} StoredGrants;

static int on_stored(const char *name, int fd, void *userdata) {
        StoredGrants *stored = userdata;
        StoredGrant grant, *grants;
        int r;

        r = stored_grant_parse(name, &grant);
        if (r < 0)
                return r;
        grants = reallocarray(stored->grants, stored->n + 1, sizeof(*grants));
        if (!grants) {
                stored->incomplete = true;
                return -ENOMEM;
        }
        grant.fd = fd;
        grants[stored->n++] = grant;
        stored->grants = grants;
        return 0;
}

int fd_store_load(StoredGrant **ret, size_t *ret_n) {
        StoredGrants stored = {0};
        int r;

        r = service_store_load(on_stored, &stored);
        if (r >= 0 && stored.incomplete)
                r = -ENOMEM;
        if (r < 0) {
                fd_store_grants_free(stored.grants, stored.n);
                return r;
        }
        if (stored.n > 0)
                qsort(stored.grants, stored.n, sizeof(*stored.grants), stored_grant_compare);
        *ret = stored.grants;
        *ret_n = stored.n;
        return 0;
}

StoredGrant *fd_store_grants_free(StoredGrant *grants, size_t n) {
        for (size_t i = 0; i < n; i++)
                closep(&grants[i].fd);
        free(grants);
        return NULL;
}
