/* SPDX-License-Identifier: MIT */
#pragma once

/* The side of libpam that modules see, in this process: as much of it as the module uses. It checks
 * what libpam would not: that nothing in the log could be replayed. */

#include <stdbool.h>
#include <sys/types.h>

#include <security/pam_modules.h>

pam_handle_t *fakepam_new(void);
/* Runs the clean-up functions of the data, as pam_end() does. */
pam_handle_t *fakepam_free(pam_handle_t *pamh);

/* PAM_USER, PAM_SERVICE, PAM_TTY, PAM_RHOST, PAM_RUSER; NULL = none. */
void fakepam_set_item(pam_handle_t *pamh, int item_type, const char *value);
void fakepam_set_conv(pam_handle_t *pamh, const struct pam_conv *conv);

/* The one user there is, for any name; otherwise there is none. */
void fakepam_set_passwd(pam_handle_t *pamh, uid_t uid, gid_t gid);

/* The real uid of the host: 0, as sshd's, until it is set. */
void fakepam_set_real_uid(uid_t uid);

/* What sshd does by authenticating in a child process: the data is gone, and no clean-up function
 * has run. */
void fakepam_forget_data(pam_handle_t *pamh);

/* A text that must never come by in a log line. */
void fakepam_add_secret(pam_handle_t *pamh, const char *secret);

/* NULL-terminated; the handle's. */
char **fakepam_environment(pam_handle_t *pamh);

const char *fakepam_code_name(int code);
