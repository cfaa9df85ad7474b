/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>
#include <stdio.h>

#include "tests/unit/tampering.h"

/* Well-formed tokens under a good signature with a header or claims that must not be, and a
 * thief's signature with the thief's key beside it. */

#define ISSUER TAMPERING_ISSUER
#define CLAIMS_BUT_SUB TAMPERING_IDENTITY "," TAMPERING_TIMES
#define CLAIMS_BUT_TIMES TAMPERING_IDENTITY ",\"sub\":\"alice\""
#define CLAIMS_BUT_AUD "\"iss\":\"" ISSUER "\",\"sub\":\"alice\"," TAMPERING_TIMES
#define CLAIMS_BUT_ISS "\"aud\":\"ssh-login\",\"sub\":\"alice\"," TAMPERING_TIMES

typedef struct Tampered {
        int expected;
        const char *text;
} Tampered;

#define ALG(value) "{\"alg\":" value ",\"kid\":\"ES256\"}"
#define KID(value) "{\"alg\":\"ES256\",\"kid\":" value "}"
#define WITH(members) "{\"alg\":\"ES256\",\"kid\":\"ES256\"," members "}"

static const Tampered algorithms[] = {
        {ID_TOKEN_E_ALGORITHM, ALG("\"none\"")},
        {ID_TOKEN_E_ALGORITHM, ALG("\"None\"")},
        {ID_TOKEN_E_ALGORITHM, ALG("\"NONE\"")},
        {ID_TOKEN_E_ALGORITHM, ALG("\"nOnE\"")},
        {ID_TOKEN_E_ALGORITHM, ALG("\"\"")},
        {ID_TOKEN_E_ALGORITHM, ALG("\"es256\"")},
        {ID_TOKEN_E_ALGORITHM, ALG("\"ES256 \"")},
        {ID_TOKEN_E_ALGORITHM, ALG("\"ES256K\"")},
        {ID_TOKEN_E_ALGORITHM, ALG("\"ES2\"")},
        {ID_TOKEN_E_ALGORITHM, ALG("\"RS1\"")},
        {ID_TOKEN_E_ALGORITHM, ALG("\"HS256\"")},
        {ID_TOKEN_E_ALGORITHM, ALG("\"RSA-OAEP\"")},
        {ID_TOKEN_E_ALGORITHM, ALG("\"dir\"")},
        {ID_TOKEN_E_ALGORITHM, ALG("\"Ed448\"")},
        {ID_TOKEN_E_ALGORITHM, ALG("null")},
        {ID_TOKEN_E_ALGORITHM, ALG("0")},
        {ID_TOKEN_E_ALGORITHM, ALG("true")},
        {ID_TOKEN_E_ALGORITHM, ALG("[\"ES256\"]")},
        {ID_TOKEN_E_ALGORITHM, ALG("{\"ES256\":1}")},
        {ID_TOKEN_E_ALGORITHM, "{\"kid\":\"ES256\"}"},
        {ID_TOKEN_E_ALGORITHM, "{\"ALG\":\"ES256\",\"kid\":\"ES256\"}"},
        {ID_TOKEN_E_MALFORMED, ALG("\"ES256\\u0000\"")},
        {ID_TOKEN_E_MALFORMED, ALG("\"none\",\"alg\":\"ES256\"")},
        {ID_TOKEN_E_MALFORMED, ALG("\"ES256\",\"alg\":\"none\"")},
        {ID_TOKEN_E_MALFORMED, ALG("\"ES256\",\"\\u0061lg\":\"none\"")},
};

static const Tampered key_ids[] = {
        {ID_TOKEN_E_MALFORMED, KID("\"ES256\",\"k\\u0069d\":\"RS256\"")},
        {ID_TOKEN_E_UNKNOWN_KEY, KID("\"\"")},
        {ID_TOKEN_E_UNKNOWN_KEY, KID("\"es256\"")},
        {ID_TOKEN_E_UNKNOWN_KEY, KID("\"ES256 \"")},
        {ID_TOKEN_E_UNKNOWN_KEY, KID("\"ES25\"")},
        {ID_TOKEN_E_UNKNOWN_KEY, KID("\"ES2567\"")},
        {ID_TOKEN_E_UNKNOWN_KEY, KID("\"../../../dev/null\"")},
        {ID_TOKEN_E_UNKNOWN_KEY, KID("\"/etc/passwd\"")},
        {ID_TOKEN_E_UNKNOWN_KEY, KID("\"x' UNION SELECT 'key';--\"")},
        {ID_TOKEN_E_UNKNOWN_KEY, KID("\"x|/bin/id\"")},
        {ID_TOKEN_E_UNKNOWN_KEY, KID("\"$(id)\"")},
        {ID_TOKEN_E_UNKNOWN_KEY, KID("\"%n%n%n%n\"")},
        {ID_TOKEN_E_UNKNOWN_KEY, KID("\"\\u001b[2J\"")},
        {ID_TOKEN_E_UNKNOWN_KEY, KID("\"https://evil.example/key\"")},
        {ID_TOKEN_E_MALFORMED, KID("\"ES256\\u0000\"")},
        {ID_TOKEN_E_MALFORMED, KID("7")},
        {ID_TOKEN_E_MALFORMED, KID("[\"ES256\"]")},
        {ID_TOKEN_E_MALFORMED, KID("{}")},
        {ID_TOKEN_E_MALFORMED, KID("false")},
};

static const Tampered extensions_and_types[] = {
        {ID_TOKEN_E_MALFORMED, WITH("\"crit\":[]")},
        {ID_TOKEN_E_MALFORMED, WITH("\"crit\":null")},
        {ID_TOKEN_E_MALFORMED, WITH("\"crit\":\"exp\"")},
        {ID_TOKEN_E_MALFORMED, WITH("\"crit\":[\"exp\"],\"exp\":1795262700")},
        {ID_TOKEN_E_MALFORMED, WITH("\"crit\":[\"alg\"]")},
        {ID_TOKEN_E_MALFORMED, WITH("\"crit\":[1]")},
        {ID_TOKEN_E_MALFORMED, WITH("\"crit\":{}")},
        {ID_TOKEN_E_MALFORMED, WITH("\"crit\":0")},
        {ID_TOKEN_E_MALFORMED, WITH("\"cr\\u0069t\":[\"exp\"]")},
        {ID_TOKEN_E_MALFORMED, WITH("\"b64\":false,\"crit\":[\"b64\"]")},
        {ID_TOKEN_E_MALFORMED, WITH("\"b64\":true,\"crit\":[\"b64\"]")},
        {ID_TOKEN_E_MALFORMED, WITH("\"typ\":\"at+jwt\"")},
        {ID_TOKEN_E_MALFORMED, WITH("\"typ\":\"application/at+jwt\"")},
        {ID_TOKEN_E_MALFORMED, WITH("\"typ\":\"logout+jwt\"")},
        {ID_TOKEN_E_MALFORMED, WITH("\"typ\":\"dpop+jwt\"")},
        {ID_TOKEN_E_MALFORMED, WITH("\"typ\":\"secevent+jwt\"")},
        {ID_TOKEN_E_MALFORMED, WITH("\"typ\":\"JOSE\"")},
        {ID_TOKEN_E_MALFORMED, WITH("\"typ\":\"\"")},
        {ID_TOKEN_E_MALFORMED, WITH("\"typ\":7")},
        {ID_TOKEN_E_MALFORMED, WITH("\"typ\":[\"JWT\"]")},
};

static const Tampered header_documents[] = {
        {ID_TOKEN_E_MALFORMED, "{\"alg\":\"ES256\",\"kid\":\"ES256\"} x"},
        {ID_TOKEN_E_MALFORMED, "{\"alg\":\"ES256\",\"kid\":\"ES256\"}{}"},
        {ID_TOKEN_E_MALFORMED, "{\"alg\":\"ES256\",\"kid\":\"ES256\",}"},
        {ID_TOKEN_E_MALFORMED, "{'alg':'ES256','kid':'ES256'}"},
        {ID_TOKEN_E_MALFORMED, "/**/{\"alg\":\"ES256\",\"kid\":\"ES256\"}"},
        {ID_TOKEN_E_MALFORMED, "[{\"alg\":\"ES256\",\"kid\":\"ES256\"}]"},
        {ID_TOKEN_E_MALFORMED, "\"ES256\""},
        {ID_TOKEN_E_MALFORMED, "null"},
        {ID_TOKEN_E_MALFORMED, ""},
        {ID_TOKEN_E_MALFORMED, "\xef\xbb\xbf{\"alg\":\"ES256\",\"kid\":\"ES256\"}"},
        {ID_TOKEN_E_MALFORMED, WITH("\"x\":\"\xff\"")},
        {ID_TOKEN_E_MALFORMED, WITH("\"x\":\"\xc0\xaf\"")},
        {ID_TOKEN_E_MALFORMED, WITH("\"x\":[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]")},
};

static void refuse_headers(const Tampered *cases, size_t n) {
        for (size_t i = 0; i < n; i++)
                tampering_refuse_signed(cases[i].expected, cases[i].text, TAMPERING_CLAIMS);
}

static void test_headers(void) {
        refuse_headers(algorithms, ELEMENTSOF(algorithms));
        refuse_headers(key_ids, ELEMENTSOF(key_ids));
        refuse_headers(extensions_and_types, ELEMENTSOF(extensions_and_types));
        refuse_headers(header_documents, ELEMENTSOF(header_documents));
}

/* A thief's signature, and the thief's key or where to find it in the token itself. */
static void test_keys_brought_along(void) {
        JoseKey thief = jose_key_new("ES256", "ES256");
        _cleanup_free_ char *set = jose_jwks(&thief, 1), *jwk = NULL;
        const char *begin = strchr(set, '[') + 1;
        static const char *const members[] = {
                "\"jwk\":%s",
                "\"jku\":\"https://evil.example/jwks\",\"x\":%s",
                "\"jku\":\"" ISSUER "/jwks\",\"jwk\":%s",
                "\"jku\":\"file:///etc/jwks\",\"jwk\":%s",
                "\"x5u\":\"https://evil.example/c.pem\",\"jwk\":%s",
                "\"x5c\":[\"MIIBszCCAVqgAwIBAgIUQ=\"],\"jwk\":%s",
                "\"x5t\":\"AAAA\",\"x5t#S256\":\"AAAA\",\"jwk\":%s",
                "\"epk\":%s",
                "\"keys\":[%s]",
        };

        assert(asprintf(&jwk, "%.*s", (int)(strrchr(set, ']') - begin), begin) > 0);
        for (size_t i = 0; i < ELEMENTSOF(members); i++) {
                _cleanup_free_ char *member = NULL, *named = NULL, *unnamed = NULL, *other = NULL;
                const char *percent = strstr(members[i], "%s");
                _cleanup_free_ char *first = NULL, *second = NULL, *third = NULL;

                assert(asprintf(&member, "%.*s%s%s", (int)(percent - members[i]), members[i], jwk,
                                percent + 2) > 0);
                assert(asprintf(&named, WITH("%s"), member) > 0);
                assert(asprintf(&unnamed, "{\"alg\":\"ES256\",%s}", member) > 0);
                assert(asprintf(&other, "{\"alg\":\"ES256\",\"kid\":\"mine\",%s}", member) > 0);
                first = jose_sign(&thief, named, TAMPERING_CLAIMS);
                tampering_refuse(ID_TOKEN_E_SIGNATURE, first);
                second = jose_sign(&thief, unnamed, TAMPERING_CLAIMS);
                tampering_refuse(ID_TOKEN_E_SIGNATURE, second);
                third = jose_sign(&thief, other, TAMPERING_CLAIMS);
                tampering_refuse(ID_TOKEN_E_UNKNOWN_KEY, third);
        }
        jose_key_done(&thief);
}

#define EXP(value) "{" CLAIMS_BUT_TIMES ",\"iat\":1795262390,\"exp\":" value "}"
#define IAT(value) "{" CLAIMS_BUT_TIMES ",\"exp\":1795262700,\"iat\":" value "}"
#define NBF(value) "{" CLAIMS_BUT_SUB ",\"sub\":\"alice\",\"nbf\":" value "}"
#define SUB(value) "{" CLAIMS_BUT_SUB ",\"sub\":" value "}"
#define AUD(value) "{" CLAIMS_BUT_AUD ",\"aud\":" value "}"
#define ISS(value) "{" CLAIMS_BUT_ISS ",\"iss\":" value "}"

static const Tampered times[] = {
        {ID_TOKEN_E_CLAIM, "{" CLAIMS_BUT_TIMES ",\"iat\":1795262390}"},
        {ID_TOKEN_E_CLAIM, "{" CLAIMS_BUT_TIMES ",\"exp\":1795262700}"},
        {ID_TOKEN_E_CLAIM, EXP("\"1795262700\"")},
        {ID_TOKEN_E_CLAIM, EXP("\"2026-11-21T12:00:00Z\"")},
        {ID_TOKEN_E_CLAIM, EXP("-1795262700")},
        {ID_TOKEN_E_CLAIM, EXP("-1e300")},
        {ID_TOKEN_E_CLAIM, EXP("1e300")},
        {ID_TOKEN_E_CLAIM, EXP("1e9999")},
        {ID_TOKEN_E_CLAIM, EXP("18446744073709551616")},
        {ID_TOKEN_E_CLAIM, EXP("99999999999999999999999999999999")},
        {ID_TOKEN_E_CLAIM, EXP("null")},
        {ID_TOKEN_E_CLAIM, EXP("true")},
        {ID_TOKEN_E_CLAIM, EXP("[1795262700]")},
        {ID_TOKEN_E_CLAIM, EXP("{\"\":1795262700}")},
        {ID_TOKEN_E_EXPIRED, EXP("0")},
        {ID_TOKEN_E_EXPIRED, EXP("1")},
        {ID_TOKEN_E_EXPIRED, EXP("0.5")},
        {ID_TOKEN_E_EXPIRED, EXP("1795262340")},
        {ID_TOKEN_E_EXPIRED, EXP("1.79526234e9")},
        {ID_TOKEN_E_EXPIRED, EXP("1e-9")},
        {ID_TOKEN_E_MALFORMED, EXP("NaN")},
        {ID_TOKEN_E_MALFORMED, EXP("Infinity")},
        {ID_TOKEN_E_MALFORMED, EXP("0x6b01a9ac")},
        {ID_TOKEN_E_MALFORMED, EXP("1795262700,\"exp\":1")},
        {ID_TOKEN_E_MALFORMED, EXP("1,\"\\u0065xp\":1795262700")},
        {ID_TOKEN_E_FUTURE, IAT("1795262461")},
        {ID_TOKEN_E_FUTURE, IAT("1.8e9")},
        {ID_TOKEN_E_CLAIM, IAT("\"1795262390\"")},
        {ID_TOKEN_E_CLAIM, IAT("-1")},
        {ID_TOKEN_E_CLAIM, IAT("1e300")},
        {ID_TOKEN_E_CLAIM, IAT("null")},
        {ID_TOKEN_E_CLAIM, IAT("[]")},
        {ID_TOKEN_E_FUTURE, NBF("1795262461")},
        {ID_TOKEN_E_CLAIM, NBF("\"0\"")},
        {ID_TOKEN_E_CLAIM, NBF("-1")},
        {ID_TOKEN_E_CLAIM, NBF("null")},
};

static const Tampered subjects[] = {
        {ID_TOKEN_E_CLAIM, "{" CLAIMS_BUT_SUB "}"},
        {ID_TOKEN_E_CLAIM, SUB("\"\"")},
        {ID_TOKEN_E_CLAIM, SUB("null")},
        {ID_TOKEN_E_CLAIM, SUB("0")},
        {ID_TOKEN_E_CLAIM, SUB("true")},
        {ID_TOKEN_E_CLAIM, SUB("[\"alice\"]")},
        {ID_TOKEN_E_CLAIM, SUB("{\"alice\":1}")},
        {ID_TOKEN_E_CLAIM, SUB("\"alice \"")},
        {ID_TOKEN_E_CLAIM, SUB("\"alice\\n\"")},
        {ID_TOKEN_E_CLAIM, SUB("\"\\u001b[2J\"")},
        {ID_TOKEN_E_CLAIM, SUB("\"\\u009b2J\"")},
        {ID_TOKEN_E_CLAIM, SUB("\"\\u202eecila\"")},
        {ID_TOKEN_E_CLAIM, SUB("\"al\\u0131ce\"")},
        {ID_TOKEN_E_CLAIM, SUB("\"\\ud800\"")}, /* half a pair */
        {ID_TOKEN_E_CLAIM, SUB("\"\\udc00\\ud800\"")},
        {ID_TOKEN_E_CLAIM, SUB("\"alice\\ud83d\"")},
        {ID_TOKEN_E_MALFORMED, SUB("\"alice\\u0000\"")},
        {ID_TOKEN_E_MALFORMED, SUB("\"alice\\u0000.evil\"")},
        {ID_TOKEN_E_MALFORMED, SUB("\"ali\xff\"")},
        {ID_TOKEN_E_MALFORMED, SUB("\"ali\xed\xa0\x80\"")},
        {ID_TOKEN_E_MALFORMED, SUB("\"\xc0\xa1\"")},
        {ID_TOKEN_E_MALFORMED, SUB("\"a\tb\"")},
        {ID_TOKEN_E_MALFORMED, SUB("\"mallory\",\"sub\":\"alice\"")},
        {ID_TOKEN_E_MALFORMED, SUB("\"alice\",\"sub\":\"mallory\"")},
        {ID_TOKEN_E_MALFORMED, SUB("\"alice\",\"\\u0073ub\":\"mallory\"")},
        {ID_TOKEN_E_MALFORMED, SUB("\"alice\",\"s\\u0075\\u0062\":\"mallory\"")},
        {ID_TOKEN_E_MALFORMED, SUB("\"alice\",\"sub\\u0000\":\"mallory\"")},
        {ID_TOKEN_E_MALFORMED, SUB("\"alice\",\"x\":{\"y\":1,\"y\":2}")},
        {ID_TOKEN_E_MALFORMED, SUB("\"alice\",\"x\":[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]")},
};

static const Tampered audiences[] = {
        {ID_TOKEN_E_AUDIENCE, "{" CLAIMS_BUT_AUD "}"},
        {ID_TOKEN_E_AUDIENCE, AUD("\"\"")},
        {ID_TOKEN_E_AUDIENCE, AUD("\"SSH-LOGIN\"")},
        {ID_TOKEN_E_AUDIENCE, AUD("\"ssh-logi\"")},
        {ID_TOKEN_E_AUDIENCE, AUD("\"ssh-login2\"")},
        {ID_TOKEN_E_AUDIENCE, AUD("\"ssh-login other\"")},
        {ID_TOKEN_E_AUDIENCE, AUD("\"ssh-login,other\"")},
        {ID_TOKEN_E_AUDIENCE, AUD("null")},
        {ID_TOKEN_E_AUDIENCE, AUD("0")},
        {ID_TOKEN_E_AUDIENCE, AUD("[]")},
        {ID_TOKEN_E_AUDIENCE, AUD("[\"ssh-login\",\"other\"]")},
        {ID_TOKEN_E_AUDIENCE, AUD("[\"other\",\"ssh-login\"]")},
        {ID_TOKEN_E_AUDIENCE, AUD("[\"ssh-login\",\"ssh-login\"]")},
        {ID_TOKEN_E_AUDIENCE, AUD("[\"ssh-login\",\"other\"],\"azp\":\"ssh-login\"")},
        {ID_TOKEN_E_AUDIENCE, AUD("[[\"ssh-login\"]]")},
        {ID_TOKEN_E_AUDIENCE, AUD("[null]")},
        {ID_TOKEN_E_AUDIENCE, AUD("{\"ssh-login\":1}")},
        {ID_TOKEN_E_AUDIENCE, AUD("\"ssh-login\",\"azp\":\"other\"")},
        {ID_TOKEN_E_AUDIENCE, AUD("\"ssh-login\",\"azp\":\"\"")},
        {ID_TOKEN_E_AUDIENCE, AUD("\"ssh-login\",\"azp\":null")},
        {ID_TOKEN_E_AUDIENCE, AUD("\"ssh-login\",\"azp\":[\"ssh-login\"]")},
        {ID_TOKEN_E_MALFORMED, AUD("\"other\",\"aud\":\"ssh-login\"")},
};

static const Tampered issuers[] = {
        {ID_TOKEN_E_ISSUER, "{" CLAIMS_BUT_ISS "}"},
        {ID_TOKEN_E_ISSUER, ISS("\"\"")},
        {ID_TOKEN_E_ISSUER, ISS("\"" ISSUER "/\"")},
        {ID_TOKEN_E_ISSUER, ISS("\"" ISSUER ".evil.example\"")},
        {ID_TOKEN_E_ISSUER, ISS("\"" ISSUER ":443\"")},
        {ID_TOKEN_E_ISSUER, ISS("\"" ISSUER "#\"")},
        {ID_TOKEN_E_ISSUER, ISS("\"http://id.example.com\"")},
        {ID_TOKEN_E_ISSUER, ISS("\"https://ID.example.com\"")},
        {ID_TOKEN_E_ISSUER, ISS("\"https://id.example.co\"")},
        {ID_TOKEN_E_ISSUER, ISS("\"https://evil.example/https://id.example.com\"")},
        {ID_TOKEN_E_ISSUER, ISS("[\"" ISSUER "\"]")},
        {ID_TOKEN_E_ISSUER, ISS("null")},
        {ID_TOKEN_E_MALFORMED, ISS("\"" ISSUER "\\u0000\"")},
        {ID_TOKEN_E_MALFORMED, ISS("\"" ISSUER "\",\"i\\u0073s\":\"x\"")},
};

static const Tampered payload_documents[] = {
        {ID_TOKEN_E_MALFORMED, ""},
        {ID_TOKEN_E_MALFORMED, "null"},
        {ID_TOKEN_E_MALFORMED, "[" TAMPERING_CLAIMS "]"},
        {ID_TOKEN_E_MALFORMED, TAMPERING_CLAIMS TAMPERING_CLAIMS},
        {ID_TOKEN_E_MALFORMED, TAMPERING_CLAIMS "\n;"},
        {ID_TOKEN_E_MALFORMED, "\xff\xfe{\"sub\":\"alice\"}"},
};

static void refuse_payloads(const Tampered *cases, size_t n) {
        for (size_t i = 0; i < n; i++)
                tampering_refuse_signed(cases[i].expected, TAMPERING_HEADER, cases[i].text);
}

static void test_payloads(void) {
        refuse_payloads(times, ELEMENTSOF(times));
        refuse_payloads(subjects, ELEMENTSOF(subjects));
        refuse_payloads(audiences, ELEMENTSOF(audiences));
        refuse_payloads(issuers, ELEMENTSOF(issuers));
        refuse_payloads(payload_documents, ELEMENTSOF(payload_documents));
}

static void test_sizes(void) {
        static const size_t sizes[] = {256, 4096, 65536, 150000};

        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                _cleanup_free_ char *pad = malloc(sizes[i] + 1), *sub = NULL, *kid = NULL;

                assert(pad);
                memset(pad, 'x', sizes[i]);
                pad[sizes[i]] = '\0';
                assert(asprintf(&sub, SUB("\"%s\""), pad) > 0);
                tampering_refuse_signed(0, TAMPERING_HEADER, sub);
                assert(asprintf(&kid, KID("\"%s\""), pad) > 0);
                tampering_refuse_signed(0, kid, TAMPERING_CLAIMS);
                memset(pad, '[', sizes[i]);
                tampering_refuse_signed(ID_TOKEN_E_MALFORMED, TAMPERING_HEADER, pad);
                tampering_refuse_bytes(ID_TOKEN_E_MALFORMED, pad, sizes[i]);
                memset(pad, '.', sizes[i]);
                tampering_refuse_bytes(ID_TOKEN_E_MALFORMED, pad, sizes[i]);
                memset(pad, 0, sizes[i]);
                tampering_refuse_bytes(ID_TOKEN_E_MALFORMED, pad, sizes[i]);
        }
}

void test_tampered_members(void) {
        test_headers();
        test_keys_brought_along();
        test_payloads();
        test_sizes();
}
