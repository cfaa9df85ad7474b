/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>

#include "tests/unit/some-identity.h"

static int add(Identity *identity, const char *userinfo) {
        return identity_add_userinfo(identity, userinfo, strlen(userinfo));
}

static void test_of_whom(void) {
        static const struct {
                int expected;
                const char *userinfo;
        } cases[] = {
                {0, "{\"sub\":\"s1\"}"},
                {0, "{\"sub\":\"s1\",\"iss\":\"https://elsewhere.example.com\",\"exp\":1}"},
                {IDENTITY_E_SUBJECT, "{}"},
                {IDENTITY_E_SUBJECT, "{\"sub\":\"s2\"}"},
                {IDENTITY_E_SUBJECT, "{\"sub\":\"s\"}"},
                {IDENTITY_E_SUBJECT, "{\"sub\":\"s11\"}"},
                {IDENTITY_E_SUBJECT, "{\"sub\":\"S1\"}"},
                {IDENTITY_E_SUBJECT, "{\"sub\":null}"},
                {IDENTITY_E_SUBJECT, "{\"sub\":[\"s1\"]}"},
                {IDENTITY_E_MALFORMED, "{\"sub\":\"s2\",\"sub\":\"s1\"}"},
                {IDENTITY_E_MALFORMED, "{\"sub\":\"s1\\u0000\"}"},
                {IDENTITY_E_MALFORMED, "{\"sub\":\"s1\"}x"},
                {IDENTITY_E_MALFORMED, "[{\"sub\":\"s1\"}]"},
                {IDENTITY_E_MALFORMED, "eyJhbGciOiJub25lIn0.eyJzdWIiOiJzMSJ9."},
                {IDENTITY_E_MALFORMED, ""},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(identity_freep) Identity *identity = some_identity(",\"sub\":\"s1\"");

                assert(add(identity, cases[i].userinfo) == cases[i].expected);
                assert(streq(identity_subject(identity), "s1"));
        }
}

/* What was refused is not there. */
static void test_refused(void) {
        _cleanup_(identity_freep) Identity *identity = some_identity(",\"sub\":\"s1\"");

        assert(add(identity, "{\"sub\":\"s2\",\"groups\":[\"ops\"]}") == IDENTITY_E_SUBJECT);
        assert(!identity_claim(identity, "groups"));
}

static void test_whose_claims(void) {
        static const char *const of_id_token_alone[] = {"acr", "amr", "auth_time",
                                                        "azp", "nbf", "nonce"};
        _cleanup_(identity_freep) Identity *identity =
                some_identity(",\"sub\":\"s1\",\"name\":\"a\",\"groups\":[],\"email\":null");

        assert(!identity_claim(identity, "email") && !identity_claim_text(identity, "groups"));
        assert(add(identity, "{\"sub\":\"s1\",\"name\":\"b\",\"groups\":[\"ops\"],\"email\":\"e\","
                             "\"level\":3,\"acr\":\"mfa\",\"amr\":[\"otp\"],\"auth_time\":1,"
                             "\"azp\":\"c\",\"nbf\":1,\"nonce\":\"n\",\"aud\":\"x\","
                             "\"iss\":\"https://elsewhere.example.com\"}") == 0);
        assert(streq(identity_claim_text(identity, "name"), "a"));
        assert(!identity_claim_lists(identity, "groups", "ops"));
        assert(streq(identity_claim_text(identity, "email"), "e"));
        assert(identity_claim_is(identity, "level", "3"));
        assert(!identity_claim(identity, "phone"));
        for (size_t i = 0; i < ELEMENTSOF(of_id_token_alone); i++)
                assert(!identity_claim(identity, of_id_token_alone[i]));
        assert(streq(identity_claim_text(identity, "aud"), "c"));
        assert(streq(identity_claim_text(identity, "iss"), SOME_ISSUER));
}

int main(void) {
        test_of_whom();
        test_refused();
        test_whose_claims();
        return 0;
}
