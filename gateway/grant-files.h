/* SPDX-License-Identifier: MIT */
#pragma once

/* GrantFiles: the grants that outlive a reboot (persist in oidc-keyring.conf(5)): of users who
 * linger, each in a file STATE_FOLDER/grants/UID/ACCOUNT, encrypted with the key of host-key.h and
 * without its access token. Each generation is a new file that is on the disk before anybody is
 * given what is in it.
 *
 * What is encrypted is bound to whom and what it is of, to this host and to the very file: inode
 * number and time of birth are known before it is written. So a file that was copied, restored from
 * a backup or taken to another host cannot be read, and no refresh token is sent that was exchanged
 * since. A snapshot of the whole file system is not told from the file. */

#include <stdbool.h>
#include <sys/types.h>

#include "common/config.h"
#include "common/grant.h"

typedef struct GrantFiles GrantFiles;

/* They lie in STATE_FOLDER below @root ("" or NULL for "/"). */
int grant_files_new(const char *root, GrantFiles **ret);
GrantFiles *grant_files_free(GrantFiles *files);
DEFINE_CLEANUP(GrantFiles, grant_files_free);

/* The newest grant of @uid at the provider of @config: from now on the file is of this one, or
 * there is none, where it is not to be kept or cannot be (which the log says once). Tells in
 * grant->kept_on_disk. */
void grant_files_keep(GrantFiles *files, const ProviderConfig *config, uid_t uid, Grant *grant);

/* The login of @grant is over: takes its file away, also one of a later generation, and lets that
 * of another login be. @config NULL: its provider is configured no more. */
void grant_files_forget(GrantFiles *files, const ProviderConfig *config, uid_t uid,
                        const Grant *grant);

/* What is kept. -ENOENT: nothing; -ESTALE: nothing that was written here as it is, and it is gone
 * now; -ENOKEY and others: it cannot be read just now. */
int grant_files_read(GrantFiles *files, const ProviderConfig *config, uid_t uid, Grant **ret);

/* Takes the file of @account away, whatever is in it. */
void grant_files_remove(GrantFiles *files, uid_t uid, const char *account);

/* Takes away whatever @wanted answers with 0. For the start of a gateway: the configuration may
 * have changed since. */
typedef int (*GrantFilesWanted)(uid_t uid, const char *account, void *userdata);
void grant_files_sweep(GrantFiles *files, GrantFilesWanted wanted, void *userdata);

/* Whether grants of @user are kept at all. */
bool grant_files_user_lingers(const GrantFiles *files, const char *user);

/* Whether a grant could be kept now; a key that could not be had is asked for at once. 0; -ENOKEY:
 * there is no key; -EOPNOTSUPP: the file system does not say when a file was made; -errno. */
int grant_files_probe(GrantFiles *files);

/* What such a failure means, for the administrator. */
const char *grant_files_advice(int error);
