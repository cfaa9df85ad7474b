/* SPDX-License-Identifier: MIT */
#include "gateway/refreshes.h"

#include <errno.h>
#include <sys/queue.h>
#include <time.h>

#include "common/clock.h"
#include "common/log.h"
#include "gateway/pace.h"
#include "gateway/refresh-journal.h"
#include "gateway/refresh.h"
#include "gateway/result-text.h"

#define TIMER_ACCURACY_USEC UINT64_C(100000)
#define MEMORY_USEC (3600 * USEC_PER_SEC)

typedef struct Entry Entry;

typedef enum EntryState {
        ENTRY_RUNNING,
        ENTRY_DONE,        /* `answer` is given again */
        ENTRY_UNCLEAR,     /* only n_unclear is remembered */
        ENTRY_UNVERIFIED,  /* `refresh` has tokens that could not be verified yet */
        ENTRY_INTERRUPTED, /* the token was sent and no answer came: a predecessor did not live to
                            * see it, or it was lost and the provider could not be reached again */
} EntryState;

typedef struct RefreshCaller {
        RefreshDone done;
        void *userdata;
} RefreshCaller;

struct Entry {
        TAILQ_ENTRY(Entry) link;
        Refreshes *all;
        RefreshKey key;
        EntryState state;
        Refresh *refresh;
        Grant *answer;
        RefreshCaller callers[REFRESH_CALLERS_MAX];
        size_t n_callers;
        sd_event_source *timer; /* of forgetting it */
        unsigned n_unclear;
        uint64_t sent_usec; /* of ENTRY_INTERRUPTED */
        bool superseded;    /* see refreshes_supersede() */
};

struct Refreshes {
        sd_event *event;
        Revocations *revocations;
        GrantFiles *files;
        Pace *pace;
        uint64_t answer_usec;
        bool stopping;
        size_t n_entries;
        TAILQ_HEAD(, Entry) entries; /* oldest first */
};

/* Entries. */

static Entry *entry_free(Entry *entry) {
        if (!entry)
                return NULL;
        TAILQ_REMOVE(&entry->all->entries, entry, link);
        entry->all->n_entries--;
        refresh_free(entry->refresh);
        sd_event_source_disable_unref(entry->timer);
        grant_free(entry->answer);
        free(entry);
        return NULL;
}

/* The same, for good: a successor is not to know it either. */
static void entry_forget(Entry *entry) {
        if (entry->state == ENTRY_DONE)
                refresh_journal_forget_answer(&entry->key);
        else if (entry->state == ENTRY_INTERRUPTED)
                refresh_journal_forget_sent(&entry->key);
        entry_free(entry);
}

static int entry_new(Refreshes *refreshes, const RefreshKey *key, EntryState state, Entry **ret) {
        Entry *entry = calloc(1, sizeof(*entry));

        if (!entry)
                return -ENOMEM;
        entry->all = refreshes;
        entry->key = *key;
        entry->state = state;
        refreshes->n_entries++;
        TAILQ_INSERT_TAIL(&refreshes->entries, entry, link);
        *ret = entry;
        return 0;
}

static Entry *refreshes_find(Refreshes *refreshes, const RefreshKey *key) {
        Entry *entry;

        TAILQ_FOREACH(entry, &refreshes->entries, link) {
                if (refresh_key_equal(&entry->key, key))
                        return entry;
        }
        return NULL;
}

static bool entry_may_give_way(const Entry *entry) {
        return entry->state == ENTRY_DONE || entry->state == ENTRY_UNCLEAR ||
               entry->state == ENTRY_INTERRUPTED;
}

/* Makes room for one more of @uid: what is only remembered goes first, the oldest of it. */
static bool refreshes_make_room(Refreshes *refreshes, uid_t uid) {
        Entry *entry, *oldest = NULL, *oldest_of_uid = NULL;
        size_t n_of_uid = 0;

        TAILQ_FOREACH(entry, &refreshes->entries, link) {
                if (entry_may_give_way(entry) && !oldest)
                        oldest = entry;
                if (entry->key.uid != uid)
                        continue;
                n_of_uid++;
                if (entry_may_give_way(entry) && !oldest_of_uid)
                        oldest_of_uid = entry;
        }
        if (n_of_uid >= REFRESHES_PER_UID_MAX)
                oldest = oldest_of_uid;
        else if (refreshes->n_entries < REFRESHES_MAX)
                return true;
        if (oldest)
                entry_forget(oldest);
        return oldest != NULL;
}

/* Everybody who asked; nobody is told twice. */
static void entry_tell(Entry *entry, int result, const Grant *grant) {
        size_t n = entry->n_callers;

        entry->n_callers = 0;
        for (size_t i = 0; i < n; i++)
                entry->callers[i].done(result, grant, entry->callers[i].userdata);
}

static int on_forget(sd_event_source *source, uint64_t usec, void *userdata) {
        (void)source;
        (void)usec;
        entry_forget(userdata);
        return 0;
}

static void entry_remember(Entry *entry, EntryState state, uint64_t usec) {
        entry->state = state;
        if (entry->all->stopping) {
                entry_free(entry); /* the journal has it */
        } else if (sd_event_add_time_relative(entry->all->event, &entry->timer, CLOCK_BOOTTIME,
                                              usec, TIMER_ACCURACY_USEC, on_forget, entry) < 0) {
                if (entry->refresh) /* for want of memory no login is ended */
                        refresh_spare(entry->refresh);
                entry_forget(entry);
        }
}

/* The journal. */

static void on_journal(const RefreshKey *key, uint64_t sent_usec, Grant *answer, void *userdata) {
        Refreshes *refreshes = userdata;
        Entry *entry = refreshes_find(refreshes, key);

        if (entry && !answer) { /* killed when the answer was there, and the other not gone yet */
                refresh_journal_forget_sent(key);
                return;
        }
        if (entry)
                entry_forget(entry);
        if (entry_new(refreshes, key, answer ? ENTRY_DONE : ENTRY_INTERRUPTED, &entry) < 0) {
                grant_free(answer);
                return;
        }
        entry->answer = answer;
        entry->sent_usec = sent_usec;
        if (!answer)
                log_warning("A refresh of uid %u was under way when the gateway ended; its answer "
                            "is lost",
                            (unsigned)key->uid);
        entry_remember(entry, entry->state, answer ? refreshes->answer_usec : MEMORY_USEC);
}

/* Life-cycle. */

int refreshes_new(sd_event *event, Revocations *revocations, GrantFiles *files, Refreshes **ret) {
        _cleanup_(refreshes_freep) Refreshes *refreshes = calloc(1, sizeof(*refreshes));
        int r;

        if (!refreshes)
                return -ENOMEM;
        TAILQ_INIT(&refreshes->entries);
        refreshes->answer_usec = REFRESH_ANSWER_USEC;
        r = pace_new(REFRESH_BURST, REFRESH_PERIOD_USEC, &refreshes->pace);
        if (r < 0)
                return r;
        refreshes->event = sd_event_ref(event);
        refreshes->revocations = revocations;
        refreshes->files = files;
        r = refresh_journal_load(on_journal, refreshes);
        if (r < 0)
                (void)log_warning_errno(r, "The journal of refreshes cannot be read");
        *ret = TAKE_PTR(refreshes);
        return 0;
}

Refreshes *refreshes_free(Refreshes *refreshes) {
        if (!refreshes)
                return NULL;
        while (!TAILQ_EMPTY(&refreshes->entries)) {
                Entry *entry = TAILQ_FIRST(&refreshes->entries);

                entry_tell(entry, OUTCOME_PROVIDER_BUSY, NULL);
                if (entry->refresh) /* nothing can be revoked any more */
                        refresh_spare(entry->refresh);
                entry_free(entry);
        }
        pace_free(refreshes->pace);
        sd_event_unref(refreshes->event);
        free(refreshes);
        return NULL;
}

void refreshes_remember_for(Refreshes *refreshes, uint64_t answer_usec) {
        Entry *entry;

        refreshes->answer_usec = answer_usec;
        /* also those that were taken over: later than that nobody asks for them */
        TAILQ_FOREACH(entry, &refreshes->entries, link) {
                if (entry->state == ENTRY_DONE)
                        (void)sd_event_source_set_time_relative(entry->timer, answer_usec);
        }
}

static void entry_verify(Entry *entry) {
        entry->state = ENTRY_RUNNING;
        entry->timer = sd_event_source_disable_unref(entry->timer);
        refresh_verify_again(entry->refresh);
}

void refreshes_stop(Refreshes *refreshes) {
        Entry *entry, *next;

        refreshes->stopping = true;
        for (entry = TAILQ_FIRST(&refreshes->entries); entry; entry = next) {
                next = TAILQ_NEXT(entry, link);
                if (entry->state == ENTRY_UNVERIFIED) {
                        /* Its last chance: the journal takes only what is verified, and to a
                         * successor the answer is lost otherwise. */
                        refresh_spare(entry->refresh);
                        entry_verify(entry);
                } else if (entry->state != ENTRY_RUNNING)
                        entry_free(entry);
        }
}

bool refreshes_are_idle(const Refreshes *refreshes) {
        const Entry *entry;

        TAILQ_FOREACH(entry, &refreshes->entries, link) {
                if (entry->state != ENTRY_UNCLEAR && entry->state != ENTRY_INTERRUPTED)
                        return false;
        }
        return true;
}

/* The end of an exchange. */

static void entry_log(const Entry *entry, int result, const char *detail) {
        const Grant *grant = refresh_grant(entry->refresh);

        log_line(result == 0 ? 6 : 5,
                 "Refresh for %s (uid %u) through %s: %s%s%s; issuer %s subject %s", grant->user,
                 (unsigned)entry->key.uid, grant->account, result_text(result),
                 detail && *detail ? ", " : "", detail ? detail : "", grant->issuer,
                 grant->subject);
}

/* Each of these is the last thing its caller does: the entry may be gone afterwards. */

static void entry_renewed(Entry *entry) {
        const ProviderConfig *config = refresh_provider_config(entry->refresh);

        entry->answer = refresh_take_grant(entry->refresh);
        refresh_journal_answer(&entry->key, entry->answer);
        if (entry->superseded)
                entry->answer->kept_on_disk = 0;
        else
                grant_files_keep(entry->all->files, config, entry->key.uid, entry->answer);
        entry->refresh = refresh_free(entry->refresh);
        entry_tell(entry, 0, entry->answer);
        entry_remember(entry, ENTRY_DONE, entry->all->answer_usec);
}

/* After a lost answer no other trouble makes it any clearer what became of the token. */
static void entry_failed(Entry *entry, int result) {
        uint64_t lost_usec = refresh_lost_since(entry->refresh);

        if (!entry->superseded &&
            (result == OUTCOME_LOGIN_REQUIRED || result == OUTCOME_USER_MISMATCH))
                grant_files_forget(entry->all->files, refresh_provider_config(entry->refresh),
                                   entry->key.uid, refresh_grant(entry->refresh));
        entry_tell(entry, result, NULL);
        if (lost_usec == 0 || result == OUTCOME_ANSWER_LOST || result == OUTCOME_LOGIN_REQUIRED) {
                entry_free(entry);
                return;
        }
        refresh_spare(entry->refresh);
        entry->refresh = refresh_free(entry->refresh);
        entry->sent_usec = lost_usec;
        entry_remember(entry, ENTRY_INTERRUPTED, MEMORY_USEC);
}

/* Only a series of them means that the grant is over; the pace is that of whoever asks. */
static void entry_unclear(Entry *entry, int result) {
        entry->refresh = refresh_free(entry->refresh);
        entry_tell(entry, result, NULL);
        entry_remember(entry, ENTRY_UNCLEAR, MEMORY_USEC);
}

/* The token is rotated already, and nothing is wrong with the answer that we could tell: network
 * trouble must not cost a login. Whoever asks again has it verified again. */
static void entry_unverified(Entry *entry, int result) {
        entry_tell(entry, result == OUTCOME_ID_TOKEN_INVALID ? OUTCOME_PROVIDER_BUSY : result,
                   NULL);
        if (entry->all->stopping)
                refresh_spare(entry->refresh);
        entry_remember(entry, ENTRY_UNVERIFIED, MEMORY_USEC);
}

static void on_over(Refresh *refresh, RefreshEnd end, int result, const char *detail,
                    void *userdata) {
        Entry *entry = userdata;

        (void)refresh;
        if (end == REFRESH_UNCLEAR && ++entry->n_unclear >= REFRESH_AMBIGUOUS_MAX) {
                end = REFRESH_FAILED;
                result = OUTCOME_LOGIN_REQUIRED;
        }
        entry_log(entry, result, detail);
        switch (end) {
        case REFRESH_RENEWED:
                entry_renewed(entry);
                return;
        case REFRESH_UNCLEAR:
                entry_unclear(entry, result);
                return;
        case REFRESH_UNVERIFIED:
                entry_unverified(entry, result);
                return;
        case REFRESH_FAILED:
        default:
                entry_failed(entry, result);
        }
}

/* Whoever asks. */

/* 0: the caller is answered or will be. */
static int entry_join(Entry *entry, RefreshDone done, void *userdata) {
        if (entry->state == ENTRY_DONE) {
                done(0, entry->answer, userdata);
                return 0;
        }
        if (entry->n_callers >= REFRESH_CALLERS_MAX)
                return OUTCOME_PROVIDER_BUSY;
        entry->callers[entry->n_callers++] = (RefreshCaller){done, userdata};
        return 0;
}

static int entry_verify_again(Entry *entry, RefreshDone done, void *userdata) {
        (void)entry_join(entry, done, userdata); /* everybody before was told */
        entry_verify(entry);
        return 0;
}

/* Within the provider's grace the old token still brings the answer. After it the token counts as
 * stolen when it is seen again, and that ends the login: whoever asks hears so once, and asks again
 * when there is nothing left to lose. */
static bool entry_is_lost(const Entry *entry, const Provider *provider) {
        uint64_t grace_usec = provider_config(provider)->rotation_grace_sec * USEC_PER_SEC;

        return entry->state == ENTRY_INTERRUPTED &&
               clock_boottime_usec() - entry->sent_usec >= grace_usec;
}

/* Why no request may be sent now. */
static int refreshes_refusal(Refreshes *refreshes, Provider *provider, uid_t uid) {
        int r;

        if (refreshes->stopping)
                return OUTCOME_PROVIDER_BUSY;
        r = provider_usable(provider, PROVIDER_TOKEN);
        if (r != 0)
                return r;
        return pace_take_uid(refreshes->pace, uid, clock_boottime_usec()) ? 0
                                                                          : OUTCOME_PROVIDER_BUSY;
}

static int refreshes_begin(Refreshes *refreshes, Provider *provider, const RefreshKey *key,
                           Grant **grant, Entry **ret) {
        Entry *entry;
        int r;

        if (!refreshes_make_room(refreshes, key->uid))
                return OUTCOME_PROVIDER_BUSY;
        r = entry_new(refreshes, key, ENTRY_RUNNING, &entry);
        if (r < 0)
                return r;
        r = refresh_new(provider, refreshes->revocations, key, TAKE_PTR(*grant), on_over, entry,
                        &entry->refresh);
        if (r < 0) {
                entry_free(entry);
                return r;
        }
        *ret = entry;
        return 0;
}

/* The next in the place of @before (NULL: it is the first), which only remembered something. */
static int refreshes_follow(Refreshes *refreshes, Provider *provider, const RefreshKey *key,
                            Entry *before, Grant **grant, Entry **ret) {
        unsigned n_unclear = before ? before->n_unclear : 0;
        uint64_t sent_usec = before ? before->sent_usec : 0;
        int r;

        if (before && entry_is_lost(before, provider)) {
                entry_forget(before);
                return OUTCOME_ANSWER_LOST;
        }
        entry_free(before); /* what the journal has of it is still true */
        r = refreshes_begin(refreshes, provider, key, grant, ret);
        if (r != 0)
                return r;
        (*ret)->n_unclear = n_unclear;
        if (sent_usec > 0)
                refresh_was_sent((*ret)->refresh, sent_usec);
        return 0;
}

static int refreshes_ask(Refreshes *refreshes, Provider *provider, const RefreshKey *key,
                         Grant **grant, RefreshDone done, void *userdata) {
        Entry *entry = refreshes_find(refreshes, key);
        int r;

        if (entry && entry->state == ENTRY_UNVERIFIED)
                return entry_verify_again(entry, done, userdata);
        if (entry && (entry->state == ENTRY_RUNNING || entry->state == ENTRY_DONE))
                return entry_join(entry, done, userdata);
        r = refreshes_refusal(refreshes, provider, key->uid);
        if (r == 0)
                r = refreshes_follow(refreshes, provider, key, entry, grant, &entry);
        if (r != 0)
                return r;
        (void)entry_join(entry, done, userdata); /* there is room for the first */
        refresh_run(entry->refresh);
        return 0;
}

void refreshes_renew(Refreshes *refreshes, Provider *provider, uid_t uid, Grant *grant,
                     RefreshDone done, void *userdata) {
        _cleanup_(grant_freep) Grant *owned = grant;
        RefreshKey key;
        int r;

        if (!grant->refresh_token) {
                done(OUTCOME_NO_REFRESH_TOKEN, NULL, userdata);
                return;
        }
        key = refresh_key_of(uid, grant);
        r = refreshes_ask(refreshes, provider, &key, &owned, done, userdata);
        if (r != 0)
                done(r, NULL, userdata);
}

/* Another login. */

/* Told, not found out: a file that is not of the grant at hand may be of its own login, too, left
 * where a later one could not be written. */
void refreshes_supersede(Refreshes *refreshes, uid_t uid, const char *account) {
        Entry *entry;

        TAILQ_FOREACH(entry, &refreshes->entries, link) {
                if (entry->refresh && entry->key.uid == uid &&
                    streq(refresh_grant(entry->refresh)->account, account))
                        entry->superseded = true;
        }
}

/* What is being revoked. */

static bool entry_was_asked_with(const Entry *entry, const RefreshKey *key) {
        return refresh_key_same_token(&entry->key, key);
}

static bool entry_brought(const Entry *entry, const RefreshKey *key) {
        RefreshKey brought;

        if (!entry->answer)
                return false;
        brought = refresh_key_of(entry->key.uid, entry->answer);
        return refresh_key_same_token(&brought, key);
}

static Entry *refreshes_find_ended(Refreshes *refreshes, const RefreshKey *key,
                                   bool (*is_it)(const Entry *, const RefreshKey *)) {
        Entry *entry;

        TAILQ_FOREACH(entry, &refreshes->entries, link) {
                if (entry->state != ENTRY_RUNNING && is_it(entry, key))
                        return entry;
        }
        return NULL;
}

/* Back along the line of answers: each brought the token that the next was asked with. */
void refreshes_forget(Refreshes *refreshes, uid_t uid, const Grant *grant) {
        RefreshKey key;
        Entry *entry;

        if (!grant->refresh_token)
                return;
        key = refresh_key_of(uid, grant);
        do {
                while ((entry = refreshes_find_ended(refreshes, &key, entry_was_asked_with)))
                        entry_forget(entry);
                entry = refreshes_find_ended(refreshes, &key, entry_brought);
                if (entry)
                        key = entry->key;
        } while (entry);
}
