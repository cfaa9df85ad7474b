/* SPDX-License-Identifier: MIT */
#pragma once

/* ID tokens that were tampered with, and the count of those that were refused. */

#include <stddef.h>

#include "gateway/id-token.h"
#include "tests/unit/jose.h"

#define TAMPERING_ISSUER "https://id.example.com"
#define TAMPERING_IDENTITY "\"iss\":\"" TAMPERING_ISSUER "\",\"aud\":\"ssh-login\""
#define TAMPERING_TIMES "\"exp\":1795262700,\"iat\":1795262390"
/* of a good token */
#define TAMPERING_CLAIMS "{" TAMPERING_IDENTITY "," TAMPERING_TIMES ",\"sub\":\"alice\"}"
#define TAMPERING_HEADER "{\"alg\":\"ES256\",\"kid\":\"ES256\"}"

/* The provider's keys, one for each algorithm of ours and called after it. */
#define TAMPERING_KEYS 6
extern const char *const tampering_algs[TAMPERING_KEYS];
extern JoseKey tampering_keys[TAMPERING_KEYS];
extern JoseKey *const tampering_es256; /* one of them */

void tampering_begin(void);
/* Prints how many tokens there were and how many were refused. 0 if all were, else 1. */
int tampering_end(void);

/* A good token by @key; the caller frees it. */
char *tampering_good_token(const JoseKey *key);
void tampering_assert_taken(const char *token);

/* Counts the token, and whether it was refused as @expected, an IdTokenError; 0 is any of them. */
void tampering_refuse(int expected, const char *token);
void tampering_refuse_bytes(int expected, const char *token, size_t size);
/* the same with a good signature over whatever it is */
void tampering_refuse_signed(int expected, const char *header, const char *payload);

/* in tampered-members.c */
void test_tampered_members(void);
