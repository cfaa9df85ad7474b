/* SPDX-License-Identifier: MIT */
#pragma once

/* Where the two buses are. The shipped module knows both addresses by heart and takes neither from
 * the environment, which in some hosts is the caller's. A pair of files of its own, so that the
 * tests can link another one. */

#include <sys/types.h>

const char *bus_address_system(void);

/* @ret is the caller's. 0 or -ENOMEM. */
int bus_address_user(uid_t uid, char **ret);
