/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>
#include <malloc.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/clock.h"
#include "gateway/refreshes.h"
#include "tests/unit/fake-provider.h"

#define USER "alice"
#define UID 1000u

typedef struct Answer {
        bool here;
        int result;
        uint64_t generation;
        char refresh_token[32];
} Answer;

static sd_event *event;
static HttpClient *http;
static Configuration *configuration;
static Revocations *revocations;
static GrantFiles *files;
static Refreshes *refreshes;

/* CLOCK_REALTIME goes as fast as CLOCK_BOOTTIME does here, and can be wrong. */
static int64_t clock_is_off_sec;

uint64_t __real_clock_realtime_usec(void);
uint64_t __wrap_clock_realtime_usec(void);

uint64_t __wrap_clock_realtime_usec(void) {
        static uint64_t boottime_then, realtime_then;

        if (realtime_then == 0) {
                boottime_then = clock_boottime_usec();
                realtime_then = __real_clock_realtime_usec();
        }
        return realtime_then + (clock_boottime_usec() - boottime_then) +
               (uint64_t)(clock_is_off_sec * (int64_t)USEC_PER_SEC);
}

static void setup(const char *more) {
        fake_provider_reset(more);
        assert(sd_event_new(&event) >= 0);
        assert(http_client_new(event, &http) == 0);
        assert(configuration_new(fake_provider_root(), http, &configuration) == 0);
        assert(revocations_new(event, &revocations) == 0);
        assert(grant_files_new(fake_provider_root(), &files) == 0);
        assert(refreshes_new(event, revocations, files, &refreshes) == 0);
}

static void teardown(void) {
        refreshes = refreshes_free(refreshes);
        files = grant_files_free(files);
        revocations = revocations_free(revocations);
        configuration = configuration_free(configuration);
        http = http_client_free(http);
        event = sd_event_unref(event);
}

static void on_done(int result, const Grant *grant, void *userdata) {
        Answer *answer = userdata;

        assert(!answer->here && (result == 0) == (grant != NULL));
        answer->here = true;
        answer->result = result;
        if (!grant)
                return;
        answer->generation = grant->generation;
        (void)snprintf(answer->refresh_token, sizeof(answer->refresh_token), "%s",
                       secret_bytes(grant->refresh_token));
}

static void start(uid_t uid, const char *token, uint64_t generation, Answer *ret) {
        Provider *provider;

        *ret = (Answer){0};
        assert(configuration_provider(configuration, "corp", &provider) == 0);
        refreshes_renew(refreshes, provider, uid, fake_provider_old_grant(USER, token, generation),
                        on_done, ret);
}

static Answer refresh(uid_t uid, const char *token, uint64_t generation) {
        Answer answer;

        start(uid, token, generation, &answer);
        fake_provider_run(event, &answer.here);
        return answer;
}

static void test_idempotent(void) {
        Answer answer;

        setup(NULL);
        fake_provider_grant(USER, "r2");
        answer = refresh(UID, "r1", 4);
        assert(answer.result == 0 && answer.generation == 5 && streq(answer.refresh_token, "r2"));
        assert(strstr(fake_provider_form(FAKE_TOKEN), "refresh_token=r1"));
        assert(!strstr(fake_provider_form(FAKE_TOKEN), "scope="));

        answer = refresh(UID, "r1", 4);
        assert(answer.result == 0 && answer.generation == 5 && streq(answer.refresh_token, "r2"));
        assert(fake_provider_requests(FAKE_TOKEN) == 1 && !refreshes_are_idle(refreshes));

        /* Not for anybody else, and not for ever. */
        fake_provider_grant(USER, "r3");
        assert(refresh(UID + 1, "r1", 4).result == 0);
        assert(fake_provider_requests(FAKE_TOKEN) == 2);
        fake_provider_run_for(event, 650);
        assert(refreshes_are_idle(refreshes));
        fake_provider_say(FAKE_TOKEN,
                          (FakeAnswer){.status = 400, .body = "{\"error\":\"invalid_grant\"}"});
        assert(refresh(UID, "r1", 4).result == OUTCOME_LOGIN_REQUIRED);
        teardown();
}

static void test_shared(void) {
        Answer answers[REFRESH_CALLERS_MAX + 1];

        setup(NULL);
        fake_provider_grant(USER, "r2");
        for (size_t i = 0; i < ELEMENTSOF(answers); i++)
                start(UID, "r1", 0, &answers[i]);
        assert(answers[REFRESH_CALLERS_MAX].result == OUTCOME_PROVIDER_BUSY); /* the limit */
        fake_provider_run(event, &answers[0].here);
        for (size_t i = 0; i < REFRESH_CALLERS_MAX; i++)
                assert(answers[i].here && answers[i].result == 0);
        assert(fake_provider_requests(FAKE_TOKEN) == 1);
        teardown();
}

static void test_token_that_stays(void) {
        Answer answer;

        setup(NULL);
        fake_provider_grant(USER, NULL);
        answer = refresh(UID, "r1", 0);
        assert(answer.result == 0 && streq(answer.refresh_token, "r1"));
        /* Who has that answer and asks for the next gets the next. */
        fake_provider_grant(USER, NULL);
        answer = refresh(UID, "r1", 1);
        assert(answer.result == 0 && answer.generation == 2);
        assert(fake_provider_requests(FAKE_TOKEN) == 2);
        teardown();
}

static void test_errors(void) {
        static const struct {
                FakeAnswer answer;
                Outcome outcome;
                unsigned n_requests;
        } cases[] = {
                {{.status = 400, .body = "{\"error\":\"invalid_grant\"}"},
                 OUTCOME_LOGIN_REQUIRED,
                 1},
                {{.status = 400, .body = "{\"error\":\"interaction_required\"}"},
                 OUTCOME_LOGIN_REQUIRED,
                 1},
                {{.body = "{\"error\":\"invalid_grant\"}"}, OUTCOME_LOGIN_REQUIRED, 1},
                {{.status = 400, .body = "{\"error\":\"expired_token\"}"},
                 OUTCOME_LOGIN_REQUIRED,
                 1},
                {{.status = 403, .body = "{\"error\":\"access_denied\"}"},
                 OUTCOME_LOGIN_REQUIRED,
                 1},
                {{.status = 400, .body = "{\"error\":\"slow_down\"}"}, OUTCOME_PROVIDER_BUSY, 1},
                {{.status = 400, .body = "{\"error\":\"use_dpop_nonce\"}"},
                 OUTCOME_PROVIDER_BUSY,
                 1},
                {{.status = 500, .body = "{\"error\":\"invalid_request\"}"},
                 OUTCOME_PROVIDER_BUSY,
                 1},
                {{.status = 401, .body = "{\"error\":\"invalid_client\"}"},
                 OUTCOME_CLIENT_REFUSED,
                 1},
                {{.status = 400, .body = "{\"error\":\"invalid_scope\"}"},
                 OUTCOME_CLIENT_REFUSED,
                 1},
                {{.status = 400, .body = "{\"error\":\"temporarily_unavailable\"}"},
                 OUTCOME_PROVIDER_BUSY,
                 1},
                {{.status = 503, .body = "<html>"}, OUTCOME_PROVIDER_BUSY, 1},
                {{.error = HTTP_E_UNREACHABLE}, OUTCOME_PROVIDER_UNREACHABLE, 1},
                {{.error = HTTP_E_UNTRUSTED}, OUTCOME_PROVIDER_UNTRUSTED, 1},
                {{.error = HTTP_E_CLOCK}, OUTCOME_CLOCK_WRONG, 1},
                {{.error = HTTP_E_LOST}, OUTCOME_ANSWER_LOST, 2},
                {{.error = HTTP_E_LIMIT}, OUTCOME_ANSWER_LOST, 2},
                {{.body = "<html>"}, OUTCOME_ANSWER_LOST, 2},
                {{.body = "{\"access_token\":\"a\",\"token_type\":\"DPoP\"}"},
                 OUTCOME_ANSWER_LOST,
                 2},
                {{.status = 502, .body = "<html>"}, OUTCOME_PROVIDER_BUSY, 1},
                {{.status = 504, .body = "<html>"}, OUTCOME_ANSWER_LOST, 2},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                setup(NULL);
                fake_provider_say(FAKE_TOKEN, cases[i].answer);
                fake_provider_say(FAKE_TOKEN, cases[i].answer);
                assert(refresh(UID, "r1", 0).result == (int)cases[i].outcome);
                assert(fake_provider_requests(FAKE_TOKEN) == cases[i].n_requests);
                teardown();
        }
}

static void test_lost_answer(void) {
        setup(NULL);
        fake_provider_say(FAKE_TOKEN, (FakeAnswer){.error = HTTP_E_LOST});
        fake_provider_grant(USER, "r2");
        assert(refresh(UID, "r1", 0).result == 0);
        assert(fake_provider_requests(FAKE_TOKEN) == 2);
        teardown();

        /* Without a grace at the provider the same token must not be seen there again so soon; it
         * is for whoever asks to decide when there is nothing left to lose. */
        setup("rotation_grace = 0");
        fake_provider_say(FAKE_TOKEN, (FakeAnswer){.error = HTTP_E_LOST});
        fake_provider_grant(USER, "r2");
        assert(refresh(UID, "r1", 0).result == OUTCOME_ANSWER_LOST);
        assert(fake_provider_requests(FAKE_TOKEN) == 1);
        assert(refresh(UID, "r1", 0).result == 0);
        teardown();
}

/* A lost answer is not forgotten for other trouble after it: within the grace the token is sent
 * again, after it whoever asks is told once. */
static void test_lost_answer_and_other_trouble(void) {
        static const FakeAnswer troubles[] = {
                {.error = HTTP_E_UNREACHABLE},
                {.status = 503},
                {.status = 401, .body = "{\"error\":\"invalid_client\"}"},
        };

        for (size_t i = 0; i < ELEMENTSOF(troubles); i++) {
                int result;

                setup(NULL);
                fake_provider_say(FAKE_TOKEN, (FakeAnswer){.error = HTTP_E_LOST});
                fake_provider_say(FAKE_TOKEN, troubles[i]);
                fake_provider_say(FAKE_TOKEN, troubles[i]);
                result = refresh(UID, "r1", 0).result;
                assert(result > 0 && result != OUTCOME_ANSWER_LOST);
                fake_provider_run_for(event, 200);
                assert(refresh(UID, "r1", 0).result == result);
                assert(fake_provider_requests(FAKE_TOKEN) == 3);
                fake_provider_run_for(event, 150); /* from the first on, the grace is over */
                assert(refresh(UID, "r1", 0).result == OUTCOME_ANSWER_LOST);
                assert(fake_provider_requests(FAKE_TOKEN) == 3);
                fake_provider_grant(USER, "r2");
                assert(refresh(UID, "r1", 0).result == 0);
                teardown();
        }

        /* An end or an answer is one. */
        setup(NULL);
        fake_provider_say(FAKE_TOKEN, (FakeAnswer){.error = HTTP_E_LOST});
        fake_provider_say(FAKE_TOKEN,
                          (FakeAnswer){.status = 400, .body = "{\"error\":\"invalid_grant\"}"});
        assert(refresh(UID, "r1", 0).result == OUTCOME_LOGIN_REQUIRED);
        fake_provider_run_for(event, 350);
        fake_provider_grant("mallory", "r2");
        assert(refresh(UID, "r1", 0).result == OUTCOME_USER_MISMATCH);
        teardown();
}

static void test_ambiguous(void) {
        setup(NULL);
        for (unsigned i = 0; i < REFRESH_AMBIGUOUS_MAX; i++)
                fake_provider_say(FAKE_TOKEN, (FakeAnswer){.status = 400});
        for (unsigned i = 0; i < REFRESH_AMBIGUOUS_MAX - 1; i++)
                assert(refresh(UID, "r1", 0).result == OUTCOME_PROVIDER_ANSWER);
        assert(refreshes_are_idle(refreshes));
        assert(refresh(UID, "r1", 0).result == OUTCOME_LOGIN_REQUIRED);
        teardown();

        /* An answer in between begins the count anew. */
        setup(NULL);
        for (unsigned i = 0; i < 2; i++) {
                for (unsigned k = 0; k < REFRESH_AMBIGUOUS_MAX - 1; k++) {
                        fake_provider_say(FAKE_TOKEN, (FakeAnswer){.status = 400});
                        assert(refresh(UID, "r1", i).result == OUTCOME_PROVIDER_ANSWER);
                }
                fake_provider_grant(USER, "r1");
                assert(refresh(UID, "r1", i).result == 0);
        }
        teardown();
}

/* What was asked of the login is over when it is renewed (OpenID Connect Core 12.2). */
static void test_kind_of_login_counts_once(void) {
        setup("acr_values = urn:mfa\nmax_age = 60");
        fake_provider_claims(",\"auth_time\":1000000000,\"nonce\":\"of the login\"");
        fake_provider_grant(USER, "r2");
        assert(refresh(UID, "r1", 0).result == 0);
        teardown();
}

static void test_another_subject(void) {
        setup(NULL);
        fake_provider_grant("mallory", "r2");
        assert(refresh(UID, "r1", 0).result == OUTCOME_USER_MISMATCH);
        assert(fake_provider_requests(FAKE_REVOCATION) == 1);
        assert(strstr(fake_provider_form(FAKE_REVOCATION), "token=r2"));
        assert(refreshes_are_idle(refreshes));
        teardown();
}

/* After sleep this host's clock may be wrong; the provider's Date says what it is. */
static void test_times_by_the_providers_clock(void) {
        const int64_t ages[] = {86400, -86400};

        for (size_t i = 0; i < ELEMENTSOF(ages); i++) {
                _cleanup_free_ char *id_token = NULL, *body = NULL;
                uint64_t date_usec = (uint64_t)((int64_t)clock_realtime_usec() -
                                                ages[i] * (int64_t)USEC_PER_SEC);

                setup(NULL);
                id_token = fake_provider_id_token(USER, ages[i]);
                assert(asprintf(&body,
                                "{\"access_token\":\"a\",\"refresh_token\":\"r2\","
                                "\"token_type\":\"Bearer\",\"id_token\":\"%s\"}",
                                id_token) > 0);
                fake_provider_say(FAKE_TOKEN, (FakeAnswer){.body = body, .date_usec = date_usec});
                assert(refresh(UID, "r1", 0).result == 0);
                teardown();
        }
}

/* Where it says nothing of the time, a clock that is wrong by hours does not cost the rotated
 * token: it is verified when the clock is right, long after its times are over. */
static void test_clock_wrong(void) {
        const int64_t offs[] = {3 * 3600, -3 * 3600};

        for (size_t i = 0; i < ELEMENTSOF(offs); i++) {
                _cleanup_free_ char *id_token = NULL, *body = NULL;

                setup(NULL);
                clock_is_off_sec = offs[i];
                id_token = fake_provider_id_token(USER, offs[i]); /* by a clock that is right */
                assert(asprintf(&body,
                                "{\"access_token\":\"a\",\"refresh_token\":\"r2\","
                                "\"token_type\":\"Bearer\",\"id_token\":\"%s\"}",
                                id_token) > 0);
                fake_provider_say(FAKE_TOKEN, (FakeAnswer){.body = body});
                assert(refresh(UID, "r1", 0).result == OUTCOME_CLOCK_WRONG);
                assert(refresh(UID, "r1", 0).result == OUTCOME_CLOCK_WRONG);
                fake_provider_run_for(event, 4500);
                clock_is_off_sec = 0;
                assert(streq(refresh(UID, "r1", 0).refresh_token, "r2"));
                assert(fake_provider_requests(FAKE_TOKEN) == 1);
                assert(fake_provider_requests(FAKE_REVOCATION) == 0);
                teardown();
        }
}

/* a set in which the provider's key is not (yet): that of RFC 7515 A.3 */
#define OTHER_KEYS                                               \
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\","          \
        "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\"," \
        "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}"

/* Keys that cannot be had at the moment do not cost the rotated token. */
static void test_keys_out_of_reach(void) {
        setup(NULL);
        fake_provider_say(FAKE_JWKS, (FakeAnswer){.body = OTHER_KEYS});
        fake_provider_say(FAKE_JWKS, (FakeAnswer){.error = HTTP_E_UNREACHABLE});
        fake_provider_grant(USER, "r2");
        assert(refresh(UID, "r1", 0).result ==
               OUTCOME_PROVIDER_BUSY); /* unknown key, just fetched */
        assert(refresh(UID, "r1", 0).result == OUTCOME_PROVIDER_BUSY);
        assert(fake_provider_requests(FAKE_JWKS) == 1 && !refreshes_are_idle(refreshes));
        fake_provider_run_for(event, 620);
        assert(refresh(UID, "r1", 0).result == OUTCOME_PROVIDER_UNREACHABLE);
        fake_provider_run_for(event, 620);
        assert(streq(refresh(UID, "r1", 0).refresh_token, "r2"));
        assert(fake_provider_requests(FAKE_TOKEN) == 1);
        assert(fake_provider_requests(FAKE_REVOCATION) == 0);
        teardown();

        /* Nor where it is not even known any more where the keys are: the provider's metadata were
         * fetched again for another, and were none. Then they are fetched for this one. */
        setup(NULL);
        fake_provider_say(FAKE_JWKS, (FakeAnswer){.body = OTHER_KEYS});
        fake_provider_grant(USER, "r2");
        assert(refresh(UID, "r1", 0).result == OUTCOME_PROVIDER_BUSY);
        fake_provider_say(FAKE_TOKEN, (FakeAnswer){.status = 404});
        fake_provider_say(FAKE_DISCOVERY, (FakeAnswer){.body = "{}"});
        assert(refresh(UID, "other", 0).result != 0);
        assert(refresh(UID, "other", 0).result == OUTCOME_PROVIDER_ANSWER);
        fake_provider_run_for(event, 620);
        fake_provider_say(FAKE_DISCOVERY, (FakeAnswer){.error = HTTP_E_UNREACHABLE});
        assert(refresh(UID, "r1", 0).result == OUTCOME_PROVIDER_UNREACHABLE);
        assert(streq(refresh(UID, "r1", 0).refresh_token, "r2"));
        assert(fake_provider_requests(FAKE_TOKEN) == 2);
        assert(fake_provider_requests(FAKE_REVOCATION) == 0);
        teardown();

        /* A gateway that ends does not take away what the daemon may still live on. */
        setup(NULL);
        fake_provider_say(FAKE_JWKS, (FakeAnswer){.body = OTHER_KEYS});
        fake_provider_grant(USER, "r2");
        assert(refresh(UID, "r1", 0).result == OUTCOME_PROVIDER_BUSY);
        refreshes_stop(refreshes);
        assert(refreshes_are_idle(refreshes));
        assert(fake_provider_requests(FAKE_REVOCATION) == 0);
        teardown();
}

/* Nor does a key that signs already and is served only later, by a cache perhaps. */
static void test_key_that_is_served_late(void) {
        setup(NULL);
        fake_provider_grant(USER, "r2");
        for (unsigned n_fetched = 1; n_fetched <= 3; n_fetched++) {
                fake_provider_say(FAKE_JWKS, (FakeAnswer){.body = OTHER_KEYS});
                for (unsigned i = 0; i < 2; i++)
                        assert(refresh(UID, "r1", 0).result == OUTCOME_PROVIDER_BUSY);
                assert(fake_provider_requests(FAKE_JWKS) == n_fetched);
                fake_provider_run_for(event, 620);
        }
        assert(streq(refresh(UID, "r1", 0).refresh_token, "r2"));
        assert(fake_provider_requests(FAKE_TOKEN) == 1);
        assert(fake_provider_requests(FAKE_REVOCATION) == 0);
        teardown();
}

/* Where the keys can be had again at its end, the successor gets what waited for them. */
static void test_keys_there_at_the_end(void) {
        static const char name[] = "@oidc-keyring-test-refresh", wanted[] = "FDNAME=answer.1000.0.";
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        _cleanup_close_ int store = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        char message[512];
        bool found = false;
        ssize_t n;

        memcpy(address.sun_path + 1, name + 1, sizeof(name) - 2);
        assert(bind(store, (struct sockaddr *)&address,
                    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))) == 0);
        setup(NULL);
        fake_provider_say(FAKE_JWKS, (FakeAnswer){.body = OTHER_KEYS});
        fake_provider_grant(USER, "r2");
        assert(refresh(UID, "r1", 0).result == OUTCOME_PROVIDER_BUSY);
        fake_provider_run_for(event, 620);
        assert(setenv("NOTIFY_SOCKET", name, 1) == 0);
        refreshes_stop(refreshes);
        assert(!refreshes_are_idle(refreshes));
        for (unsigned i = 0; i < 100 && !refreshes_are_idle(refreshes); i++)
                fake_provider_run_for(event, 10);
        assert(refreshes_are_idle(refreshes) && unsetenv("NOTIFY_SOCKET") == 0);
        assert(fake_provider_requests(FAKE_TOKEN) == 1);
        assert(fake_provider_requests(FAKE_REVOCATION) == 0);
        while ((n = recv(store, message, sizeof(message) - 1, 0)) > 0) {
                message[n] = '\0';
                found = found || strstr(message, wanted);
        }
        assert(found);
        teardown();
}

static void test_retry_after(void) {
        setup(NULL);
        fake_provider_say(FAKE_TOKEN,
                          (FakeAnswer){.status = 429, .retry_after_usec = 20 * USEC_PER_SEC});
        fake_provider_grant(USER, "r2");
        assert(refresh(UID, "r1", 0).result == OUTCOME_PROVIDER_BUSY);
        assert(refresh(UID + 1, "other", 0).result == OUTCOME_PROVIDER_BUSY);
        assert(fake_provider_requests(FAKE_TOKEN) == 1);
        fake_provider_run_for(event, 210);
        assert(refresh(UID, "r1", 0).result == 0);
        teardown();
}

static void test_limits(void) {
        Answer answers[REFRESHES_PER_UID_MAX + 1];
        char token[16];

        setup(NULL);
        for (size_t i = 0; i < ELEMENTSOF(answers); i++) {
                (void)snprintf(token, sizeof(token), "t%zu", i);
                start(UID, token, 0, &answers[i]);
        }
        assert(answers[REFRESHES_PER_UID_MAX].result == OUTCOME_PROVIDER_BUSY);
        refreshes = refreshes_free(refreshes);
        for (size_t i = 0; i < REFRESHES_PER_UID_MAX; i++)
                assert(answers[i].here && answers[i].result == OUTCOME_PROVIDER_BUSY);
        teardown();

        /* What is only remembered gives way. */
        setup(NULL);
        for (size_t i = 0; i < 10; i++)
                fake_provider_grant(USER, "rotated");
        for (size_t i = 0; i < 10; i++) {
                (void)snprintf(token, sizeof(token), "t%zu", i);
                assert(refresh(UID, token, 0).result == 0);
        }
        assert(fake_provider_requests(FAKE_TOKEN) == 10);
        assert(refresh(UID, "t0", 0).result == 0);
        assert(fake_provider_requests(FAKE_TOKEN) == 10);
        teardown();
}

/* A thousand users with some accounts each, and all of them again before the time of any answer is
 * over: more than is remembered, and nobody is refused. */
static void test_crowd(void) {
        enum {
                USERS = 1000,
                ACCOUNTS = 3,
                ROUNDS = 2
        };
        unsigned n = 0;

        _Static_assert(USERS * ACCOUNTS > REFRESHES_MAX, "more than is remembered");
        setup(NULL);
        refreshes_remember_for(refreshes, 7 * 86400 * USEC_PER_SEC);
        for (uint64_t round = 0; round < ROUNDS; round++)
                for (unsigned i = 0; i < USERS * ACCOUNTS; i++, n++) {
                        char old[32], new[32];
                        Answer answer;

                        (void)snprintf(old, sizeof(old), "r%u.%" PRIu64, i, round);
                        (void)snprintf(new, sizeof(new), "r%u.%" PRIu64, i, round + 1);
                        fake_provider_grant(USER, new);
                        answer = refresh(UID + i % USERS, old, round);
                        assert(answer.result == 0 && streq(answer.refresh_token, new));
                }
        assert(fake_provider_requests(FAKE_TOKEN) == n);
        teardown();
}

static size_t memory_after_renewals(unsigned n) {
        for (unsigned i = 0; i < n; i++) {
                fake_provider_grant(USER, "r2");
                assert(refresh(UID + i, "r1", 0).result == 0);
        }
        while (!refreshes_are_idle(refreshes))
                fake_provider_run_for(event, 50);
        return mallinfo2().uordblks;
}

/* Once the answers are forgotten nothing is left of the renewals that brought them. What libraries
 * have at hand is a kilobyte more or less; one allocation of each renewal, which takes 24 bytes at
 * least, would be more than is allowed here. */
static void test_memory(void) {
        size_t taken = 0;

        setup(NULL);
        for (unsigned i = 0; i < 3; i++)
                taken = memory_after_renewals(1000);
        assert(memory_after_renewals(1000) < taken + 1000 * 16);
        teardown();
}

static void test_stop(void) {
        Answer answer, refused;

        setup(NULL);
        fake_provider_grant(USER, "r2");
        start(UID, "r1", 0, &answer);
        refreshes_stop(refreshes);
        start(UID, "other", 0, &refused);
        assert(refused.result == OUTCOME_PROVIDER_BUSY && !answer.here);
        fake_provider_run(event, &answer.here);
        assert(answer.result == 0 && refreshes_are_idle(refreshes));
        teardown();
}

static void test_no_refresh_token(void) {
        setup(NULL);
        assert(refresh(UID, NULL, 0).result == OUTCOME_NO_REFRESH_TOKEN);
        teardown();
}

int main(void) {
        test_idempotent();
        test_shared();
        test_token_that_stays();
        test_errors();
        test_lost_answer();
        test_lost_answer_and_other_trouble();
        test_ambiguous();
        test_kind_of_login_counts_once();
        test_another_subject();
        test_times_by_the_providers_clock();
        test_clock_wrong();
        test_keys_out_of_reach();
        test_key_that_is_served_late();
        test_keys_there_at_the_end();
        test_retry_after();
        test_limits();
        test_crowd();
        test_memory();
        test_stop();
        test_no_refresh_token();
        fake_provider_done();
        return 0;
}
