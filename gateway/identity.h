/* SPDX-License-Identifier: MIT */
#pragma once

/* Identity: what a provider says of the person who approved a login: the verified ID token, and
 * beside it what UserInfo adds (OpenID Connect Core 5.3), where that was asked for. policy.h judges
 * it. */

#include <json-c/json.h>
#include <stdbool.h>

#include "gateway/id-token.h"

typedef struct Identity Identity;

typedef enum IdentityError {
        IDENTITY_E_MALFORMED = 1,
        IDENTITY_E_SUBJECT, /* the UserInfo is of another subject than the ID token, or of none */
} IdentityError;

/* Takes @id_token over, whatever comes of it. */
int identity_new(IdToken *id_token, Identity **ret);
Identity *identity_free(Identity *identity);
DEFINE_CLEANUP(Identity, identity_free);

const char *identity_subject(const Identity *identity);

/* Adds a UserInfo answer of @size bytes, once. 0, an IdentityError, or -ENOMEM. */
int identity_add_userinfo(Identity *identity, const char *bytes, size_t size);

/* A claim: that of the ID token, else that of the UserInfo; who said what to whom and when stands
 * in the ID token alone. It belongs to the identity; one that is null is absent. */
json_object *identity_claim(const Identity *identity, const char *name);
/* One that is a string, else NULL. */
const char *identity_claim_text(const Identity *identity, const char *name);
/* Whether it is the string @value, or an array one of whose elements is. */
bool identity_claim_lists(const Identity *identity, const char *name, const char *value);
/* The same; or it is the boolean or the whole number that is written @value. */
bool identity_claim_is(const Identity *identity, const char *name, const char *value);
