/* SPDX-License-Identifier: MIT */
#pragma once

/* The file descriptor store of the service manager: what lies there survives kill -9, a restart and
 * an upgrade of the service, never touches a disk, and is gone when the unit is stopped
 * (FileDescriptorStoreMax= in systemd.service(5)). Without a service manager nothing is stored. */

#include <stdbool.h>

/* Names are printable ASCII without ':'. */
#define SERVICE_STORE_NAME_MAX 200u

/* Hands a copy of @fd to the service manager under @name. With @wait it returns when the manager
 * has taken it, or after 1 s: without, the message could still lie unread in the socket of a busy
 * manager when this process is killed. 1: stored; 0: there is no service manager; -errno: not known
 * to be stored. */
int service_store_put(const char *name, int fd, bool wait);

/* Takes it away again. Best effort. */
void service_store_remove(const char *name);

/* What lay there when this process was started, each with its name. @found takes the descriptor
 * over and answers 0, or -errno: then it is closed and nothing else happens. Call once; it returns
 * how many were taken, or -errno. */
int service_store_load(int (*found)(const char *name, int fd, void *userdata), void *userdata);
