/* SPDX-License-Identifier: MIT */
#pragma once

/* RefreshJournal: what a gateway that is killed leaves to its successor, in the fd store of the
 * service manager (common/service-store.h): before a refresh token is sent, that it is; and the
 * grant that came of it for as long as it is remembered. "sent." and "answer." begin the names. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/grant.h"

/* Whose token it is: the same token of another user is another matter. The generation tells apart
 * who has not got the answer yet from who has it and wants the next, at a provider that does not
 * rotate: there the token is the same. */
typedef struct RefreshKey {
        uid_t uid;
        uint64_t generation;
        unsigned char digest[32]; /* SHA-256 of the refresh token */
} RefreshKey;

/* The key of @grant, which has a refresh token. */
RefreshKey refresh_key_of(uid_t uid, const Grant *grant);
bool refresh_key_equal(const RefreshKey *a, const RefreshKey *b);
bool refresh_key_same_token(const RefreshKey *a, const RefreshKey *b);

/* @sent_usec: CLOCK_BOOTTIME. All are best effort: without the journal a refresh goes on. */
void refresh_journal_sent(const RefreshKey *key, uint64_t sent_usec);
void refresh_journal_answer(const RefreshKey *key, const Grant *answer);
void refresh_journal_forget_sent(const RefreshKey *key);
void refresh_journal_forget_answer(const RefreshKey *key);

/* What a predecessor left, each once: @answer (handed over), or NULL for a token whose answer
 * nobody has; @sent_usec is when that was sent. Call once. */
typedef void (*RefreshJournalFound)(const RefreshKey *key, uint64_t sent_usec, Grant *answer,
                                    void *userdata);
int refresh_journal_load(RefreshJournalFound found, void *userdata);
