/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>
#include <errno.h>

#include "gateway/policy.h"

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

static void test_judge(void) {
        char *users[] = {(char *)"alice", (char *)"bob", NULL};
        ProviderConfig config = {.min_uid = 1000};

        assert(policy_judge_user(&config, "root", 0) == POLICY_UNMANAGED);
        assert(policy_judge_user(&config, "daemon", 999) == POLICY_UNMANAGED);
        assert(policy_judge_user(&config, "carol", 1000) == POLICY_ALLOWED);

        config.allow_users = users;
        assert(policy_judge_user(&config, "carol", 1000) == POLICY_DENIED);
        assert(policy_judge_user(&config, "ali", 1000) == POLICY_DENIED);
        assert(policy_judge_user(&config, "alicex", 1000) == POLICY_DENIED);
        assert(policy_judge_user(&config, "Alice", 1000) == POLICY_DENIED);
        assert(policy_judge_user(&config, "bob", 1001) == POLICY_ALLOWED);
        assert(policy_judge_user(&config, "bob", 5) == POLICY_UNMANAGED);

        config.min_uid = 0; /* cannot be configured, and would not help */
        assert(policy_judge_user(&config, "alice", 0) == POLICY_UNMANAGED);
}

static void test_claim(void) {
        ProviderConfig config = {0};

        assert(policy_claim_is_user(&config, "alice", "alice"));
        assert(!policy_claim_is_user(&config, NULL, "alice"));
        assert(!policy_claim_is_user(&config, "", ""));
        assert(!policy_claim_is_user(&config, "Alice", "alice"));
        assert(!policy_claim_is_user(&config, "alice ", "alice"));
        assert(!policy_claim_is_user(&config, "alic", "alice"));
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

int main(void) {
        test_find_user();
        test_judge();
        test_claim();
        return 0;
}
