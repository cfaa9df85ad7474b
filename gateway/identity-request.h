/* SPDX-License-Identifier: MIT */
#pragma once

/* IdentityRequest: from the tokens of a login to the Identity of whoever approved it: the ID token
 * verified and, where userinfo is configured and a claim that counts is not in it, the UserInfo
 * asked for. */

#include "gateway/identity.h"
#include "gateway/provider-request.h"
#include "gateway/token-response.h"

typedef struct IdentityRequest IdentityRequest;

/* @result: 0 with the @identity, which is the callee's to free; an Outcome; -errno. @detail is a
 * text for the log, fit for a terminal, or NULL. The request may be freed inside. */
typedef void (*IdentityRequestDone)(int result, Identity *identity, const char *detail,
                                    void *userdata);

/* @tokens and @nonce, which the login sent, stay the caller's and must outlive the request. @done
 * is called exactly once, perhaps from within, after *ret was set. -ENOMEM: it is not. */
int identity_request_start(Provider *provider, const TokenResponse *tokens, const char *nonce,
                           IdentityRequestDone done, void *userdata, IdentityRequest **ret);
IdentityRequest *identity_request_free(IdentityRequest *request);
DEFINE_CLEANUP(IdentityRequest, identity_request_free);
