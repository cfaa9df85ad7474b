/* SPDX-License-Identifier: MIT */
#pragma once

/* The hand-over of a grant to oidc-keyringd on the bus of the user, from a process of root's.
 *
 * That bus takes connections of its user only, so this one thread borrows the user's effective ids
 * for the moment of connecting. By raw system calls: those of libc change every thread of a host
 * that is not ours. The address is made from the uid and not looked up in the environment.
 *
 * Bus and daemon are run by the user, who is not to be trusted with the host's time or memory:
 * everything obeys a deadline, and no text of theirs is shown or logged. */

#include <stdint.h>
#include <sys/types.h>

/* Returns when the daemon has published the token (0), or why not: an Outcome or Failure (see
 * pam/result.h), or -errno. The descriptor stays the caller's. */
int user_bus_add_grant(uid_t uid, gid_t gid, int grant_fd, uint64_t deadline_usec);
