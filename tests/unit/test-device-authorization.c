/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "gateway/device-authorization.h"

#define CODE "\"device_code\":\"GmRhmhcxhwAzkoEqiMEg_DnyEysNkuNhszIySk9eS\""
#define USER "\"user_code\":\"WDJB-MJHT\""
#define URI "\"verification_uri\":\"https://example.com/device\""
#define EXPIRES "\"expires_in\":1800"

static int parse(const char *json, bool allow, DeviceAuthorization **ret) {
        return device_authorization_parse(json, strlen(json), allow, ret);
}

static void check_refused(const char *json) {
        _cleanup_(device_authorization_freep) DeviceAuthorization *authorization = NULL;
        int r = parse(json, false, &authorization);

        if (r != -EBADMSG)
                (void)fprintf(stderr, "%d: %s\n", r, json);
        assert(r == -EBADMSG && !authorization);
}

static void test_of_the_rfc(void) {
        static const char json[] = "{" CODE "," USER "," URI ",\"verification_uri_complete\":"
                                   "\"https://example.com/device?user_code=WDJB-MJHT\"," EXPIRES
                                   ",\"interval\":7,\"unknown\":{\"a\":[]}}";
        _cleanup_(device_authorization_freep) DeviceAuthorization *authorization = NULL;

        assert(parse(json, false, &authorization) == 0);
        assert(streq(secret_bytes(authorization->device_code),
                     "GmRhmhcxhwAzkoEqiMEg_DnyEysNkuNhszIySk9eS"));
        assert(secret_size(authorization->device_code) == 41);
        assert(streq(authorization->user_code, "WDJB-MJHT"));
        assert(streq(authorization->verification_uri, "https://example.com/device"));
        assert(streq(authorization->verification_uri_complete,
                     "https://example.com/device?user_code=WDJB-MJHT"));
        assert(authorization->expires_in_usec == 1800 * USEC_PER_SEC);
        assert(authorization->interval_usec == 7 * USEC_PER_SEC);
}

static void test_of_other_providers(void) {
        /* the older name of the URI, numbers as strings, a message, no interval */
        static const char json[] = "{" CODE ",\"user_code\":\"wdjbMJHT\","
                                   "\"verification_url\":\"https://www.example.com/device\","
                                   "\"expires_in\":\"900\",\"interval\":null,"
                                   "\"verification_uri_complete\":null,\"message\":\"x\"}";
        _cleanup_(device_authorization_freep) DeviceAuthorization *authorization = NULL;

        assert(parse(json, false, &authorization) == 0);
        assert(streq(authorization->user_code, "wdjbMJHT"));
        assert(streq(authorization->verification_uri, "https://www.example.com/device"));
        assert(!authorization->verification_uri_complete);
        assert(authorization->expires_in_usec == 900 * USEC_PER_SEC);
        assert(authorization->interval_usec == 5 * USEC_PER_SEC);
}

static void test_times(void) {
        static const struct {
                const char *expires, *interval;
                uint64_t expires_in, interval_value;
        } cases[] = {
                {"600", "5", 600, 5},
                {"600", "\"10\"", 600, 10},
                {"600", "0", 600, 1},
                {"600", "-1", 600, 5},
                {"600", "\"x\"", 600, 5},
                {"600", "2.5", 600, 5},
                {"600", "61", 600, 60},
                {"1", "1", 10, 1},
                {"10", "1", 10, 1},
                {"3601", "1", 3600, 1},
                {"1e99", "1e99", 3600, 60},
                {"\"3600\"", "1", 3600, 1},
                {"99999999999999999999", "5", 3600, 5},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(device_authorization_freep) DeviceAuthorization *authorization = NULL;
                char json[512];

                (void)snprintf(json, sizeof(json),
                               "{" CODE "," USER "," URI ",\"expires_in\":%s,\"interval\":%s}",
                               cases[i].expires, cases[i].interval);
                assert(parse(json, false, &authorization) == 0);
                assert(authorization->expires_in_usec == cases[i].expires_in * USEC_PER_SEC);
                assert(authorization->interval_usec == cases[i].interval_value * USEC_PER_SEC);
        }
}

static void test_missing_or_wrong(void) {
        check_refused("");
        check_refused("{}");
        check_refused("<html>");
        check_refused("{\"error\":\"invalid_client\"}");
        check_refused("{" USER "," URI "," EXPIRES "}");
        check_refused("{" CODE "," URI "," EXPIRES "}");
        check_refused("{" CODE "," USER "," EXPIRES "}");
        check_refused("{" CODE "," USER "," URI "}");
        check_refused("{" CODE "," CODE "," USER "," URI "," EXPIRES "}");
        check_refused("{" CODE "," USER "," URI ",\"expires_in\":0}");
        check_refused("{" CODE "," USER "," URI ",\"expires_in\":-1}");
        check_refused("{" CODE "," USER "," URI ",\"expires_in\":\"soon\"}");
        check_refused("{" CODE "," USER "," URI ",\"expires_in\":null}");
        check_refused("{\"device_code\":\"\"," USER "," URI "," EXPIRES "}");
        check_refused("{\"device_code\":7," USER "," URI "," EXPIRES "}");
        check_refused("{\"device_code\":\"a\\nb\"," USER "," URI "," EXPIRES "}");
        check_refused("{\"device_code\":\"a\\u0000b\"," USER "," URI "," EXPIRES "}");
        check_refused("{" CODE ",\"user_code\":\"\"," URI "," EXPIRES "}");
        check_refused("{" CODE ",\"user_code\":1234," URI "," EXPIRES "}");
}

static void test_unclean(void) {
        check_refused("{" CODE ",\"user_code\":\"\\u001b[2J\"," URI "," EXPIRES "}");
        check_refused("{" CODE ",\"user_code\":\"AB\\nCD\"," URI "," EXPIRES "}");
        check_refused("{" CODE ",\"user_code\":\"AB\\u202eCD\"," URI "," EXPIRES "}");
        check_refused("{" CODE "," USER ",\"verification_uri\":\"\"," EXPIRES "}");
        check_refused("{" CODE "," USER ",\"verification_uri\":\"/device\"," EXPIRES "}");
        check_refused("{" CODE "," USER ",\"verification_uri\":\"http://a.example/\"," EXPIRES "}");
        check_refused("{" CODE "," USER ",\"verification_uri\":\"javascript:alert(1)\"," EXPIRES
                      "}");
        check_refused("{" CODE "," USER ",\"verification_uri\":\"https://a\\u001b[2J/\"," EXPIRES
                      "}");
        check_refused("{" CODE "," USER ",\"verification_uri\":\"https://u:p@a.example/\"," EXPIRES
                      "}");
        check_refused("{" CODE "," USER "," URI
                      ",\"verification_uri_complete\":\"https://a/\\n\"," EXPIRES "}");
        check_refused("{" CODE "," USER "," URI ",\"verification_uri_complete\":5," EXPIRES "}");
        /* the newer name counts, also where it is the bad one */
        check_refused("{" CODE "," USER ",\"verification_uri\":\"ftp://a/\","
                      "\"verification_url\":\"https://a.example/\"," EXPIRES "}");
}

static void test_loopback(void) {
        static const char json[] =
                "{" CODE "," USER ",\"verification_uri\":\"http://127.0.0.1:3000/device\"," EXPIRES
                "}";
        _cleanup_(device_authorization_freep) DeviceAuthorization *authorization = NULL;

        check_refused(json);
        assert(parse(json, true, &authorization) == 0);
}

static int parse_with_sizes(size_t device_code, size_t user_code) {
        _cleanup_(device_authorization_freep) DeviceAuthorization *authorization = NULL;
        _cleanup_free_ char *code = calloc(1, device_code + 1), *user = calloc(1, user_code + 1);
        _cleanup_free_ char *json = NULL;

        assert(code && user);
        memset(code, 'c', device_code);
        memset(user, 'U', user_code);
        assert(asprintf(&json, "{\"device_code\":\"%s\",\"user_code\":\"%s\"," URI "," EXPIRES "}",
                        code, user) > 0);
        return parse(json, false, &authorization);
}

static void test_sizes(void) {
        assert(parse_with_sizes(8192, 64) == 0);
        assert(parse_with_sizes(8193, 64) == -EBADMSG);
        assert(parse_with_sizes(8192, 65) == -EBADMSG);
}

static void test_confinement(void) {
        static char *const one[] = {(char *)"ID.example", NULL};
        static char *const two[] = {(char *)"id.example", (char *)"go.example:8443", NULL};
        static char *const none[] = {NULL};
        static const struct {
                const char *uri, *complete;
                char *const *places;
                int result;
        } cases[] = {
                {"https://id.example/", NULL, NULL, 0},
                {"https://id.example/", "https://id.example/?c", NULL, 0},
                {"https://id.example/", "https://evil.example/?c", NULL, 1},
                {"https://id.example/", "https://id.example:8443/?c", NULL, 1},
                {"https://id.example/", NULL, one, 0},
                {"https://id.example/", "https://id.example/?c", one, 0},
                {"https://id.example/", "https://evil.example/?c", one, -EACCES},
                {"https://evil.example/", "https://id.example/?c", one, -EACCES},
                {"https://evil.example/", NULL, one, -EACCES},
                {"https://id.example:8443/", NULL, one, -EACCES},
                {"https://id.example/", "https://go.example:8443/?c", two, 0},
                {"https://go.example/", NULL, two, -EACCES},
                {"https://id.example/", NULL, none, -EACCES},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(device_authorization_freep) DeviceAuthorization *authorization = NULL;
                _cleanup_free_ char *json = NULL;
                const char *complete = cases[i].complete, *elsewhere = NULL;

                assert(asprintf(&json,
                                "{" CODE "," USER "," EXPIRES ",\"verification_uri\":\"%s\"%s%s%s}",
                                cases[i].uri, complete ? ",\"verification_uri_complete\":\"" : "",
                                complete ? complete : "", complete ? "\"" : "") > 0);
                assert(parse(json, false, &authorization) == 0);
                assert(device_authorization_confine(authorization, cases[i].places, &elsewhere) ==
                       cases[i].result);
                assert((elsewhere != NULL) == (cases[i].result == -EACCES));
                assert(!elsewhere || cases[i].places != one || !strstr(elsewhere, "//id.example/"));
                assert(streq(authorization->verification_uri, cases[i].uri));
                assert((authorization->verification_uri_complete != NULL) ==
                       (complete && cases[i].result != 1));
        }
}

int main(void) {
        test_of_the_rfc();
        test_of_other_providers();
        test_times();
        test_missing_or_wrong();
        test_unclean();
        test_loopback();
        test_sizes();
        test_confinement();
        return 0;
}
