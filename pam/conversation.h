/* SPDX-License-Identifier: MIT */
#pragma once

/* What is said to the person, through whatever conversation function the host has set. */

#include <security/pam_modules.h>

/* Whether there is anybody to talk to. 0 or FAILURE_NO_CONVERSATION. */
int conversation_check(pam_handle_t *pamh);

/* Shows @text and waits for Enter, without echo; whatever is typed is wiped and forgotten.
 * 0, FAILURE_NO_CONVERSATION, FAILURE_CONVERSATION or FAILURE_CONVERSATION_AGAIN. */
int conversation_prompt(pam_handle_t *pamh, const char *text);

/* Show @text as information or as an error; results as above. */
int conversation_info(pam_handle_t *pamh, const char *text);
int conversation_error(pam_handle_t *pamh, const char *text);
