/* SPDX-License-Identifier: MIT */
#include "pam/user-bus.h"

#include <errno.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "common/macro.h"
#include "common/names.h"
#include "pam/bus-address.h"
#include "pam/bus-call.h"
#include "pam/result.h"

/* Where the plain calls are the 16-bit ones of old. */
#ifndef SYS_setresuid32
#define SYS_setresuid32 SYS_setresuid
#define SYS_setresgid32 SYS_setresgid
#endif

typedef struct Identity {
        uid_t euid;
        gid_t egid;
        int dumpable;
        int death_signal;
} Identity;

static int set_effective_uid(uid_t uid) {
        return syscall(SYS_setresuid32, (uid_t)-1, uid, (uid_t)-1) < 0 ? -errno : 0;
}

static int set_effective_gid(gid_t gid) {
        return syscall(SYS_setresgid32, (gid_t)-1, gid, (gid_t)-1) < 0 ? -errno : 0;
}

static Identity identity_get(void) {
        Identity identity = {.euid = geteuid(), .egid = getegid()};

        identity.dumpable = prctl(PR_GET_DUMPABLE);
        (void)prctl(PR_GET_PDEATHSIG, &identity.death_signal);
        return identity;
}

/* The group first: without root's uid it could not be changed any more. */
static int identity_assume(uid_t uid, gid_t gid) {
        int r;

        r = set_effective_gid(gid);
        if (r < 0)
                return r;
        return set_effective_uid(uid);
}

/* The kernel resets two more things of the host's with every change of an effective uid. */
static int identity_restore(const Identity *identity) {
        int r, q;

        r = set_effective_uid(identity->euid);
        q = set_effective_gid(identity->egid);
        if (identity->dumpable == 1)
                (void)prctl(PR_SET_DUMPABLE, 1);
        if (identity->death_signal > 0)
                (void)prctl(PR_SET_PDEATHSIG, identity->death_signal);
        return r < 0 ? r : q;
}

static int open_as_user(const char *address, uid_t uid, gid_t gid, sd_bus **ret) {
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
        Identity identity = identity_get();
        int assumed, restored, r = 0;

        if (identity.euid == uid) /* a host of the user's own, a screen locker for example */
                return bus_open(address, ret);

        assumed = identity_assume(uid, gid);
        if (assumed >= 0)
                r = bus_open(address, &bus);
        restored = identity_restore(&identity);
        if (assumed < 0 || restored < 0)
                return FAILURE_IDENTITY;
        if (r < 0)
                return r;

        *ret = TAKE_PTR(bus);
        return 0;
}

/* Whoever listens there must at least be the user; the session's token goes to nobody else. */
static int check_peer(sd_bus *bus, uid_t uid) {
        _cleanup_(sd_bus_creds_unrefp) sd_bus_creds *creds = NULL;
        uid_t peer;
        int r;

        r = sd_bus_get_owner_creds(bus, SD_BUS_CREDS_EUID, &creds);
        if (r < 0)
                return r;
        r = sd_bus_creds_get_euid(creds, &peer);
        if (r < 0)
                return r;
        return peer == uid ? 0 : -EPERM;
}

static int connect_user(uid_t uid, gid_t gid, uint64_t deadline_usec, sd_bus **ret) {
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
        _cleanup_free_ char *address = NULL;
        int r;

        r = bus_address_user(uid, &address);
        if (r < 0)
                return r;
        r = open_as_user(address, uid, gid, &bus);
        if (r == -ENOENT || r == -ECONNREFUSED)
                return FAILURE_NO_USER_BUS;
        if (r > 0 || r == -ENOMEM)
                return r;
        if (r < 0 || bus_wait_ready(bus, deadline_usec) < 0 || check_peer(bus, uid) < 0)
                return FAILURE_USER_BUS;

        *ret = TAKE_PTR(bus);
        return 0;
}

/* Errors that the bus answers in place of a daemon that it could not start, or that went away. */
static int failure_of_bus_error(const char *name) {
        static const struct {
                const char *prefix;
                int failure;
        } errors[] = {
                {"org.freedesktop.DBus.Error.ServiceUnknown", FAILURE_NO_DAEMON},
                {"org.freedesktop.DBus.Error.NameHasNoOwner", FAILURE_NO_DAEMON},
                {"org.freedesktop.DBus.Error.Spawn.", FAILURE_NO_DAEMON},
                {"org.freedesktop.systemd1.", FAILURE_NO_DAEMON},
                {"org.freedesktop.DBus.Error.NoReply", FAILURE_DAEMON_SLOW},
                {"org.freedesktop.DBus.Error.TimedOut", FAILURE_DAEMON_SLOW},
        };

        for (size_t i = 0; i < ELEMENTSOF(errors); i++)
                if (strncmp(name, errors[i].prefix, strlen(errors[i].prefix)) == 0)
                        return errors[i].failure;
        return FAILURE_DAEMON_ANSWER;
}

int user_bus_add_grant(uid_t uid, gid_t gid, int grant_fd, uint64_t deadline_usec) {
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        const sd_bus_error *error;
        int r;

        r = connect_user(uid, gid, deadline_usec, &bus);
        if (r != 0)
                return r;
        r = sd_bus_message_new_method_call(bus, &call, KEYRING_BUS_NAME, KEYRING_OBJECT_PATH,
                                           KEYRING_INTERFACE, "AddGrant");
        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "h", grant_fd);
        if (r < 0)
                return r == -EOPNOTSUPP ? FAILURE_USER_BUS : r;

        r = bus_call(bus, call, deadline_usec, &reply);
        if (r < 0)
                return r == -ETIMEDOUT ? FAILURE_DAEMON_SLOW : FAILURE_USER_BUS;
        error = sd_bus_message_get_error(reply);
        if (!error)
                return 0;
        return result_from_error_name(error->name, failure_of_bus_error(error->name));
}
