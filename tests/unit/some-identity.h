/* SPDX-License-Identifier: MIT */
#pragma once

/* An identity for tests: an ID token of these claims, signed with a key of the moment and verified
 * as every other, because there is no shorter way to one. */

#include "gateway/identity.h"

#define SOME_ISSUER "https://id.example.com"

/* @members are further ones of the payload, such as ",\"sub\":\"x\""; `sub` must be among them. */
Identity *some_identity(const char *members);
