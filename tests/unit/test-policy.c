/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "gateway/policy.h"
#include "tests/unit/some-identity.h"

static void test_find_user(void) {
        char long_name[400];
        uid_t uid = 1;

        assert(policy_find_user("root", &uid) == 0 && uid == 0);
        assert(policy_find_user("", &uid) == -ENOENT);
        assert(policy_find_user(NULL, &uid) == -ENOENT);
        assert(policy_find_user("no-such-user", &uid) == -ENOENT);
        memset(long_name, 'a', sizeof(long_name) - 1);
        long_name[sizeof(long_name) - 1] = '\0';
        assert(policy_find_user(long_name, &uid) == -ENOENT);
}

static PolicyVerdict verdict(const ProviderConfig *config, const char *user, uid_t uid) {
        PolicyVerdict verdict = POLICY_ALLOWED;
        char *problem;

        assert(policy_judge_user(config, user, uid, &verdict, &problem) == 0 && !problem);
        return verdict;
}

static void test_judge(void) {
        char *users[] = {(char *)"alice", (char *)"bob", NULL};
        ProviderConfig config = {.min_uid = 1000};

        assert(verdict(&config, "root", 0) == POLICY_UNMANAGED);
        assert(verdict(&config, "daemon", 999) == POLICY_UNMANAGED);
        assert(verdict(&config, "carol", 1000) == POLICY_ALLOWED);

        config.allow_users = users;
        assert(verdict(&config, "carol", 1000) == POLICY_DENIED);
        assert(verdict(&config, "ali", 1000) == POLICY_DENIED);
        assert(verdict(&config, "alicex", 1000) == POLICY_DENIED);
        assert(verdict(&config, "Alice", 1000) == POLICY_DENIED);
        assert(verdict(&config, "bob", 1001) == POLICY_ALLOWED);
        assert(verdict(&config, "bob", 5) == POLICY_UNMANAGED);

        /* Others that are no person's, whoever allows them. */
        for (uid_t uid = 61184; uid <= 65535; uid++)
                assert((verdict(&config, "alice", uid) == POLICY_UNMANAGED) ==
                       (uid <= 65519 || uid >= 65534));
        assert(verdict(&config, "alice", 61183) == POLICY_ALLOWED);
        assert(verdict(&config, "alice", 65536) == POLICY_ALLOWED);
        assert(verdict(&config, "alice", UINT32_MAX - 1) == POLICY_ALLOWED);
        assert(verdict(&config, "alice", UINT32_MAX) == POLICY_UNMANAGED);

        config.min_uid = 0; /* cannot be configured, and would not help */
        assert(verdict(&config, "alice", 0) == POLICY_UNMANAGED);
}

static char map_path[] = "/tmp/oidc-keyring-map.XXXXXX";

static void write_map(const char *text) {
        FILE *file = fopen(map_path, "we");

        assert(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void test_judge_by_map(void) {
        char *users[] = {(char *)"alice", (char *)"dave", NULL};
        ProviderConfig config = {
                .min_uid = 1000, .issuer = (char *)SOME_ISSUER, .user_map = map_path};
        PolicyVerdict verdict_of_broken = POLICY_DENIED;
        char *problem;

        write_map("alice " SOME_ISSUER " 1\nbob https://elsewhere.example.com 1\n");
        assert(verdict(&config, "alice", 1000) == POLICY_ALLOWED);
        assert(verdict(&config, "bob", 1001) == POLICY_DENIED);
        assert(verdict(&config, "carol", 1002) == POLICY_DENIED);
        assert(verdict(&config, "daemon", 1) == POLICY_UNMANAGED);
        config.allow_users = users;
        assert(verdict(&config, "alice", 1000) == POLICY_ALLOWED);
        assert(verdict(&config, "dave", 1003) == POLICY_DENIED);

        /* Read anew: what is taken out does not count any more. */
        write_map("dave " SOME_ISSUER " 1\n");
        assert(verdict(&config, "alice", 1000) == POLICY_DENIED);
        assert(verdict(&config, "dave", 1003) == POLICY_ALLOWED);

        /* What cannot be understood lets nobody in; those whom it does not concern are not asked
         * about. */
        write_map("dave " SOME_ISSUER " 1\nalice\n");
        assert(policy_judge_user(&config, "dave", 1003, &verdict_of_broken, &problem) ==
               OUTCOME_CONFIGURATION);
        assert(verdict_of_broken == POLICY_DENIED && strstr(problem, ":2: "));
        free(problem);
        assert(verdict(&config, "root", 0) == POLICY_UNMANAGED);
}

static void test_claim(void) {
        ProviderConfig config = {0};

        assert(policy_claim_is_user(&config, "alice", "alice"));
        assert(!policy_claim_is_user(&config, NULL, "alice"));
        assert(!policy_claim_is_user(&config, "", ""));
        assert(!policy_claim_is_user(&config, "Alice", "alice"));
        assert(!policy_claim_is_user(&config, "alice ", "alice"));
        assert(!policy_claim_is_user(&config, "alic", "alice"));
        assert(!policy_claim_is_user(&config, "a", "alice"));
        assert(!policy_claim_is_user(&config, "", "alice"));
        assert(!policy_claim_is_user(&config, "alicea", "alice"));
        assert(!policy_claim_is_user(&config, "alice", ""));
        assert(!policy_claim_is_user(&config, "alice@example.com", "alice"));

        config.strip_domain = (char *)"@example.com";
        assert(policy_claim_is_user(&config, "alice@example.com", "alice"));
        assert(!policy_claim_is_user(&config, "alice", "alice"));
        assert(!policy_claim_is_user(&config, "@example.com", ""));
        assert(!policy_claim_is_user(&config, "alice@EXAMPLE.com", "alice"));
        assert(!policy_claim_is_user(&config, "alice@evil.com", "alice"));
        assert(!policy_claim_is_user(&config, "alice@example.com.evil.com", "alice"));
        assert(!policy_claim_is_user(&config, "alice@evil.com@example.com", "alice"));
        assert(!policy_claim_is_user(&config, "alice@example.com", "alice@example.com"));
}

static void test_claim_ignoring_case(void) {
        ProviderConfig config = {.ignore_case = true};

        assert(policy_claim_is_user(&config, "Alice", "alice"));
        assert(policy_claim_is_user(&config, "alice", "ALICE"));
        assert(!policy_claim_is_user(&config, "Alic", "alice"));
        assert(!policy_claim_is_user(&config, "Alicex", "alice"));
        assert(!policy_claim_is_user(&config, "", ""));
        /* What differs from a letter by the same bit, the neighbours of A and Z, and letters that
         * some locale or Unicode folds: K with the Kelvin sign, I with the dotless i. */
        assert(!policy_claim_is_user(&config, "a@b", "a`b") &&
               !policy_claim_is_user(&config, "a[b", "a{b"));
        assert(!policy_claim_is_user(&config, "\xe2\x84\xaa", "k"));
        assert(!policy_claim_is_user(&config, "\xc4\xb1", "i"));
        assert(!policy_claim_is_user(&config, "\xc3\x84", "\xc3\xa4"));

        config.strip_domain = (char *)"@example.com";
        assert(policy_claim_is_user(&config, "Alice@EXAMPLE.com", "alice"));
        assert(!policy_claim_is_user(&config, "Alice@EXAMPLE.org", "alice"));
        assert(!policy_claim_is_user(&config, "@EXAMPLE.com", ""));
}

/* Judges somebody of these claims who wants to be alice. */
static int judge(const ProviderConfig *config, const char *members, const char *detail) {
        _cleanup_(identity_freep) Identity *identity = some_identity(members);
        _cleanup_free_ char *said = NULL;
        int r;

        r = policy_judge_identity(config, identity, "alice", &said);
        assert((r == 0) == !said);
        if (!streq_ptr(said, detail))
                fprintf(stderr, "%s, not %s: %s\n", said, detail, members);
        assert(streq_ptr(said, detail));
        return r;
}

#define SUB ",\"sub\":\"1\""
#define ALICE SUB ",\"preferred_username\":\"alice\""

typedef struct JudgeCase {
        int expected;
        const char *members;
        const char *detail;
} JudgeCase;

static void assert_judged(const ProviderConfig *config, const JudgeCase *cases, size_t n) {
        for (size_t i = 0; i < n; i++)
                assert(judge(config, cases[i].members, cases[i].detail) == cases[i].expected);
}

static void test_judge_person(void) {
        static const JudgeCase cases[] = {
                {0, ALICE, NULL},
                {OUTCOME_USER_MISMATCH, SUB ",\"preferred_username\":\"m\\u001b[31m\"",
                 "approved by another: m?[31m"},
                {OUTCOME_USER_MISMATCH, SUB ",\"preferred_username\":\"\"",
                 "approved by another: "},
                {OUTCOME_USER_MISMATCH, SUB, "no such claim: preferred_username"},
                {OUTCOME_USER_MISMATCH, SUB ",\"preferred_username\":null",
                 "no such claim: preferred_username"},
                {OUTCOME_USER_MISMATCH, SUB ",\"preferred_username\":[\"alice\"]",
                 "no such claim: preferred_username"},
                {OUTCOME_USER_MISMATCH, ",\"sub\":\"alice\"", "no such claim: preferred_username"},
        };
        const ProviderConfig config = {.user_claim = (char *)"preferred_username"};

        assert_judged(&config, cases, ELEMENTSOF(cases));
}

/* With a map no claim is anybody's name. */
static void test_judge_person_by_map(void) {
        static const JudgeCase cases[] = {
                {0, SUB, NULL},
                {0, SUB ",\"preferred_username\":\"mallory\"", NULL},
                {OUTCOME_USER_MISMATCH, ",\"sub\":\"2\",\"preferred_username\":\"alice\"",
                 "user_map has no line for this subject"},
                {OUTCOME_USER_MISMATCH, ",\"sub\":\"11\"", "user_map has no line for this subject"},
        };
        ProviderConfig config = {.user_claim = (char *)"preferred_username",
                                 .issuer = (char *)SOME_ISSUER,
                                 .user_map = map_path};
        _cleanup_(identity_freep) Identity *identity = some_identity(SUB);
        char *detail;

        write_map("alice " SOME_ISSUER " 1\nmallory " SOME_ISSUER " 2\n"
                  "alice https://elsewhere.example.com 2\n");
        assert_judged(&config, cases, ELEMENTSOF(cases));
        write_map("alice " SOME_ISSUER " 1\n?\n");
        assert(policy_judge_identity(&config, identity, "alice", &detail) == OUTCOME_CONFIGURATION);
        assert(strstr(detail, ":2: "));
        free(detail);
}

static void test_judge_groups(void) {
        static const char none[] = "allow_groups: none of them is in groups";
        static const JudgeCase cases[] = {
                {0, ALICE ",\"groups\":[\"users\",\"ops\"]", NULL},
                {0, ALICE ",\"groups\":\"admins\"", NULL},
                {0, ALICE ",\"groups\":[7,\"ops\"]", NULL},
                {OUTCOME_IDENTITY_NOT_ALLOWED, ALICE, "allow_groups: there is no claim groups"},
                {OUTCOME_IDENTITY_NOT_ALLOWED, ALICE ",\"groups\":null",
                 "allow_groups: there is no claim groups"},
                {OUTCOME_IDENTITY_NOT_ALLOWED, ALICE ",\"groups\":[]", none},
                {OUTCOME_IDENTITY_NOT_ALLOWED, ALICE ",\"groups\":[\"op\",\"opsx\",\"OPS\"]", none},
                {OUTCOME_IDENTITY_NOT_ALLOWED, ALICE ",\"groups\":\"users ops\"", none},
                {OUTCOME_IDENTITY_NOT_ALLOWED, ALICE ",\"groups\":[[\"ops\"]]", none},
                {OUTCOME_IDENTITY_NOT_ALLOWED, ALICE ",\"groups\":{\"ops\":true}", none},
                {OUTCOME_IDENTITY_NOT_ALLOWED, ALICE ",\"groups\":true", none},
                {OUTCOME_IDENTITY_NOT_ALLOWED, ALICE ",\"roles\":[\"ops\"]",
                 "allow_groups: there is no claim groups"},
                /* who it is comes first */
                {OUTCOME_USER_MISMATCH, SUB ",\"preferred_username\":\"bob\",\"groups\":\"ops\"",
                 "approved by another: bob"},
        };
        char *groups[] = {(char *)"ops", (char *)"admins", (char *)"true", NULL};
        const ProviderConfig config = {.user_claim = (char *)"preferred_username",
                                       .allow_groups = groups,
                                       .groups_claim = (char *)"groups"};

        assert_judged(&config, cases, ELEMENTSOF(cases));
}

static void test_judge_claims(void) {
        static const char email[] = "require_claim: email_verified",
                          level[] = "require_claim: level";
#define EMAIL ",\"email_verified\":true"
        static const JudgeCase cases[] = {
                {0, ALICE EMAIL ",\"level\":3", NULL},
                {0, ALICE ",\"email_verified\":\"true\",\"level\":\"3\"", NULL},
                {0, ALICE EMAIL ",\"level\":[\"2\",\"3\"]", NULL},
                {OUTCOME_IDENTITY_NOT_ALLOWED, ALICE, email},
                {OUTCOME_IDENTITY_NOT_ALLOWED, ALICE ",\"email_verified\":false,\"level\":3",
                 email},
                {OUTCOME_IDENTITY_NOT_ALLOWED, ALICE ",\"email_verified\":1,\"level\":3", email},
                {OUTCOME_IDENTITY_NOT_ALLOWED, ALICE ",\"email_verified\":null,\"level\":3", email},
                {OUTCOME_IDENTITY_NOT_ALLOWED, ALICE EMAIL, level},
                {OUTCOME_IDENTITY_NOT_ALLOWED, ALICE EMAIL ",\"level\":33", level},
                {OUTCOME_IDENTITY_NOT_ALLOWED, ALICE EMAIL ",\"level\":-3", level},
                {OUTCOME_IDENTITY_NOT_ALLOWED, ALICE EMAIL ",\"level\":3.0", level},
                {OUTCOME_IDENTITY_NOT_ALLOWED, ALICE EMAIL ",\"level\":[3]", level},
                {OUTCOME_IDENTITY_NOT_ALLOWED, ALICE EMAIL ",\"level\":\"3 \"", level},
                {OUTCOME_IDENTITY_NOT_ALLOWED, ALICE EMAIL ",\"level\":{\"3\":3}", level},
        };
        char *claims[] = {(char *)"email_verified=true", (char *)"level=3", NULL};
        char *equals[] = {(char *)"tenant=a=b", NULL};
        ProviderConfig config = {.user_claim = (char *)"preferred_username",
                                 .require_claim = claims};

        assert_judged(&config, cases, ELEMENTSOF(cases));
        config.require_claim = equals; /* the first = ends the name */
        assert(judge(&config, ALICE ",\"tenant\":\"a=b\"", NULL) == 0);
        assert(judge(&config, ALICE ",\"tenant\":\"a\"", "require_claim: tenant") ==
               OUTCOME_IDENTITY_NOT_ALLOWED);
}

int main(void) {
        int fd = mkstemp(map_path);

        assert(fd >= 0 && close(fd) == 0);
        test_find_user();
        test_judge();
        test_judge_by_map();
        test_claim();
        test_claim_ignoring_case();
        test_judge_person();
        test_judge_person_by_map();
        test_judge_groups();
        test_judge_claims();
        assert(unlink(map_path) == 0);
        return 0;
}
