/* SPDX-License-Identifier: MIT */
#pragma once

/* UserMap: the file of user_map, which alone says who is whom: lines "LOCAL-USER ISSUER SUBJECT".
 * Nothing in it is passed over: a line that cannot be understood makes all of it unusable, because
 * nobody knows whom it was to keep out. docs/oidc-keyring.conf.5 documents the format. */

#include <stdbool.h>
#include <stddef.h>

#include "common/macro.h"

#define USER_MAP_SIZE_MAX (1024u * 1024u)
#define USER_MAP_LINE_MAX 2048u

typedef struct UserMap UserMap;

/* Reads the file at @path, which must be a regular one that nobody but its owner may write, and its
 * owner root. The gateway's own user will do, too: a process with that uid makes the decisions
 * anyway. -EINVAL: *ret_problem says what is wrong ("FILE:LINE: ..."), the caller frees it; NULL if
 * there is no memory for it. -ENOMEM. */
int user_map_read(const char *path, UserMap **ret, char **ret_problem);
/* The same of @size bytes; @name is for the message. */
int user_map_parse(const char *bytes, size_t size, const char *name, UserMap **ret,
                   char **ret_problem);
UserMap *user_map_free(UserMap *map);
DEFINE_CLEANUP(UserMap, user_map_free);

size_t user_map_size(const UserMap *map); /* lines that map somebody */

/* Whether a line says so: all three compared whole, byte by byte; @subject NULL: any. */
bool user_map_has(const UserMap *map, const char *user, const char *issuer, const char *subject);
