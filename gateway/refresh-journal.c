/* SPDX-License-Identifier: MIT */
#include "gateway/refresh-journal.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/sha.h>
#include <stdio.h>

#include "common/log.h"
#include "common/parse.h"
#include "common/sealed-memfd.h"
#include "common/service-store.h"

#define SENT "sent"
#define ANSWER "answer"
#define TIME_MAX 32u

_Static_assert(sizeof(((RefreshKey *)NULL)->digest) == SHA256_DIGEST_LENGTH, "a SHA-256 digest");

RefreshKey refresh_key_of(uid_t uid, const Grant *grant) {
        const Secret *token = grant->refresh_token;
        RefreshKey key = {.uid = uid, .generation = grant->generation};

        (void)SHA256((const unsigned char *)secret_bytes(token), secret_size(token), key.digest);
        return key;
}

bool refresh_key_same_token(const RefreshKey *a, const RefreshKey *b) {
        return a->uid == b->uid && memcmp(a->digest, b->digest, sizeof(a->digest)) == 0;
}

bool refresh_key_equal(const RefreshKey *a, const RefreshKey *b) {
        return a->generation == b->generation && refresh_key_same_token(a, b);
}

/* "KIND.UID.GENERATION.DIGEST" */
static void entry_name(char name[static SERVICE_STORE_NAME_MAX], const char *kind,
                       const RefreshKey *key) {
        int n = snprintf(name, SERVICE_STORE_NAME_MAX, "%s.%u.%" PRIu64 ".", kind,
                         (unsigned)key->uid, key->generation);

        for (size_t i = 0; i < sizeof(key->digest); i++)
                n += snprintf(name + n, SERVICE_STORE_NAME_MAX - (size_t)n, "%02x", key->digest[i]);
}

static int digest_parse(const char *text, unsigned char digest[static SHA256_DIGEST_LENGTH]) {
        static const char digits[] = "0123456789abcdef";

        if (strlen(text) != 2 * SHA256_DIGEST_LENGTH)
                return -EINVAL;
        for (size_t i = 0; i < SHA256_DIGEST_LENGTH; i++) {
                const char *high = strchr(digits, text[2 * i]);
                const char *low = strchr(digits, text[2 * i + 1]);

                if (!high || !low)
                        return -EINVAL;
                digest[i] = (unsigned char)((high - digits) << 4 | (low - digits));
        }
        return 0;
}

static int entry_parse(const char *name, bool *ret_answer, RefreshKey *ret) {
        _cleanup_free_ char *copy = strdup(name);
        char *state = NULL, *kind, *uid, *generation, *digest;
        uint64_t number;

        kind = copy ? strtok_r(copy, ".", &state) : NULL;
        uid = kind ? strtok_r(NULL, ".", &state) : NULL;
        generation = uid ? strtok_r(NULL, ".", &state) : NULL;
        digest = generation ? strtok_r(NULL, "", &state) : NULL;
        if (!digest || (!streq(kind, SENT) && !streq(kind, ANSWER)) ||
            parse_u64(uid, 0, UINT32_MAX, &number) < 0 ||
            parse_u64(generation, 0, UINT64_MAX, &ret->generation) < 0)
                return -EINVAL;
        ret->uid = (uid_t)number;
        *ret_answer = streq(kind, ANSWER);
        return digest_parse(digest, ret->digest);
}

static void journal_put(const char *kind, const RefreshKey *key, int fd) {
        char name[SERVICE_STORE_NAME_MAX];
        int r;

        entry_name(name, kind, key);
        /* Not waited for: the manager takes up what a process wrote before it looks after its end,
         * and no other user's refresh is held up by a manager that is busy. */
        r = service_store_put(name, fd, false);
        if (r < 0)
                (void)log_warning_errno(r, "The journal of refreshes cannot be kept");
}

void refresh_journal_sent(const RefreshKey *key, uint64_t sent_usec) {
        _cleanup_close_ int fd = -1;
        char text[TIME_MAX];
        int n = snprintf(text, sizeof(text), "%" PRIu64, sent_usec);

        if (sealed_memfd_new("refresh-sent", text, (size_t)n, &fd) == 0)
                journal_put(SENT, key, fd);
}

void refresh_journal_answer(const RefreshKey *key, const Grant *answer) {
        _cleanup_close_ int fd = -1;

        if (grant_seal(answer, &fd) == 0)
                journal_put(ANSWER, key, fd);
}

static void journal_remove(const char *kind, const RefreshKey *key) {
        char name[SERVICE_STORE_NAME_MAX];

        entry_name(name, kind, key);
        service_store_remove(name);
}

void refresh_journal_forget_sent(const RefreshKey *key) {
        journal_remove(SENT, key);
}

void refresh_journal_forget_answer(const RefreshKey *key) {
        journal_remove(ANSWER, key);
}

typedef struct Loading {
        RefreshJournalFound found;
        void *userdata;
} Loading;

static int sent_time_read(int fd, uint64_t *ret_usec) {
        _cleanup_(secret_freep) Secret *text = NULL;
        int r = sealed_memfd_read(fd, TIME_MAX, &text);

        return r < 0 ? r : parse_u64(secret_bytes(text), 0, UINT64_MAX, ret_usec);
}

static int on_stored(const char *name, int fd, void *userdata) {
        const Loading *loading = userdata;
        Grant *answer = NULL;
        uint64_t sent_usec = 0;
        bool is_answer;
        RefreshKey key;
        int r;

        r = entry_parse(name, &is_answer, &key);
        if (r == 0)
                r = is_answer ? grant_unseal(fd, &answer) : sent_time_read(fd, &sent_usec);
        if (r < 0) {
                (void)log_warning_errno(r, "An entry of the journal of refreshes is of no use");
                return r;
        }
        (void)close(fd);
        loading->found(&key, sent_usec, answer, loading->userdata);
        return 0;
}

int refresh_journal_load(RefreshJournalFound found, void *userdata) {
        Loading loading = {found, userdata};
        int r = service_store_load(on_stored, &loading);

        return r < 0 ? r : 0;
}
