/* SPDX-License-Identifier: MIT */
#pragma once

/* The login id on its way from authenticate to open_session.
 *
 * sshd authenticates in a child process, and what pam_set_data stored there is lost; only the
 * variables of PAM's environment come back to the process that opens the session. Those, however,
 * end up in the environment of the session unless they are deleted in time. So the id travels both
 * ways, and the variable goes as soon as setcred or open_session sees it.
 *
 * The id is bound to the name of the user who logged in: some hosts (sudo) change PAM_USER between
 * authentication and session, and nobody may inherit another's login. */

#include <stdbool.h>

#include <security/pam_modules.h>

#define LOGIN_ID_LENGTH 32u

/* Whether @login_id is what the gateway hands out: 32 hexadecimal digits. */
bool handover_login_id_is_valid(const char *login_id);

/* After a login. 0, or -ENOMEM (nothing is left behind then). */
int handover_put(pam_handle_t *pamh, const char *login_id, const char *user);

/* Takes the variable, if there is one, into this process and out of the environment. */
void handover_adopt(pam_handle_t *pamh);

/* Whether @user has logged in through us in this very process. The variable does not count: a
 * user's own ~/.pam_environment may have set it. */
bool handover_present(pam_handle_t *pamh, const char *user);

/* Takes the id out of both places for good. 1 and the id of @user in @ret_login_id (for the caller
 * to wipe), 0 if there is none or it is another user's. */
int handover_take(pam_handle_t *pamh, const char *user, char ret_login_id[LOGIN_ID_LENGTH + 1]);
