/* SPDX-License-Identifier: MIT */
#pragma once

/* Whether a user's services live without a session (loginctl enable-linger). */

#include <stdbool.h>

/* By logind's file for @user below @root ("" for "/"). False where it cannot be found out.
 *
 * The file, not logind's property: at shutdown logind is stopped at the same time as the users'
 * services, and it takes the file away before it stops those of a user who lingers no more. */
bool user_lingers(const char *root, const char *user);
