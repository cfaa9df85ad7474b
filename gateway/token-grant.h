/* SPDX-License-Identifier: MIT */
#pragma once

/* What the tokens of an answer make of a grant. @tokens gives up those that the grant takes;
 * @sent_usec: when the answer was asked for, from which the life is counted, so that it ends here
 * no later than at the provider. */

#include "common/config.h"
#include "common/grant.h"
#include "gateway/token-response.h"

/* The grant of a login, for an identity that was verified and may log in. NULL: no memory, and
 * nothing is taken. */
Grant *token_grant_new(const ProviderConfig *config, const char *user, const char *subject,
                       TokenResponse *tokens, uint64_t sent_usec);

/* @grant becomes its next generation; what did not come stays as it was. */
void token_grant_renew(Grant *grant, const ProviderConfig *config, TokenResponse *tokens,
                       uint64_t sent_usec);
