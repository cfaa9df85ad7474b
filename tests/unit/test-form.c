/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "gateway/form.h"
#include "gateway/wiped-buffer.h"

static Secret *secret_of(const char *text) {
        Secret *secret = NULL;

        assert(secret_new_copy(text, strlen(text), &secret) == 0);
        return secret;
}

static void check_body(Form *form, const char *expected) {
        _cleanup_(secret_freep) Secret *body = NULL;

        assert(form_finish(form, &body) == 0);
        assert(secret_size(body) == strlen(expected) && streq(secret_bytes(body), expected));
}

static void test_body(void) {
        _cleanup_(secret_freep) Secret *token = secret_of("a+b/c=~d e");
        _cleanup_(form_freep) Form *form = NULL;

        assert(form_new(&form) == 0);
        assert(form_add(form, "grant_type", "urn:ietf:params:oauth:grant-type:device_code") == 0);
        assert(form_add(form, "scope", "openid offline_access") == 0);
        assert(form_add_secret(form, "refresh_token", token) == 0);
        assert(form_add(form, "resource", "https://api.example.test/?a=1&b=%20") == 0);
        assert(form_add(form, "login_hint", "zo\xc3\xab") == 0);
        check_body(form, "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code"
                         "&scope=openid%20offline_access"
                         "&refresh_token=a%2Bb%2Fc%3D%7Ed%20e"
                         "&resource=https%3A%2F%2Fapi.example.test%2F%3Fa%3D1%26b%3D%2520"
                         "&login_hint=zo%C3%AB");
}

static void test_a_value_adds_no_parameter(void) {
        _cleanup_(form_freep) Form *form = NULL;

        assert(form_new(&form) == 0);
        assert(form_add(form, "a", "1&b=2\r\nX: y") == 0);
        check_body(form, "a=1%26b%3D2%0D%0AX%3A%20y");
}

static void test_a_body_goes_on(void) {
        _cleanup_(secret_freep) Secret *body = secret_of("a=1%26&b=2"), *empty = secret_of("");
        _cleanup_(form_freep) Form *form = NULL;

        assert(form_new(&form) == 0);
        assert(form_add_encoded(form, empty) == 0 && form_add_encoded(form, body) == 0);
        assert(form_add(form, "c", "&") == 0 && form_add_encoded(form, body) == 0);
        check_body(form, "a=1%26&b=2&c=%26&a=1%26&b=2");
}

static void test_absent(void) {
        _cleanup_(secret_freep) Secret *empty = secret_of("");
        _cleanup_(form_freep) Form *form = NULL;

        assert(form_new(&form) == 0);
        assert(form_add(form, "a", NULL) == 0);
        assert(form_add(form, "b", "") == 0);
        assert(form_add_secret(form, "c", NULL) == 0);
        assert(form_add_secret(form, "d", empty) == 0);
        assert(form_add(form, "e", "1") == 0);
        assert(form_add(form, "f", "") == 0);
        assert(form_add(form, "g", "2") == 0);
        check_body(form, "e=1&g=2");
        check_body(form, ""); /* finished */
}

static void test_every_byte(void) {
        _cleanup_(secret_freep) Secret *bytes = NULL, *body = NULL;
        _cleanup_(form_freep) Form *form = NULL;

        assert(secret_new(256, &bytes) == 0);
        for (size_t i = 0; i < 256; i++)
                secret_buffer(bytes)[i] = (char)i;
        assert(form_new(&form) == 0);
        assert(form_add_secret(form, "b", bytes) == 0);
        assert(form_finish(form, &body) == 0);
        assert(secret_size(body) == 2 + 65 + 3 * (256 - 65)); /* 26 + 26 + 10 + "-._" */
        assert(strncmp(secret_bytes(body), "b=%00%01", 8) == 0);
        for (size_t i = 0; i < secret_size(body); i++)
                assert(secret_bytes(body)[i] > 0x20 && secret_bytes(body)[i] < 0x7f);
}

static void test_limit(void) {
        _cleanup_(secret_freep) Secret *large = NULL;
        _cleanup_(form_freep) Form *form = NULL;

        assert(secret_new(SECRET_SIZE_MAX / 3, &large) == 0);
        assert(form_new(&form) == 0);
        assert(form_add_secret(form, "a", large) == -E2BIG); /* each NUL becomes three bytes */
}

static void test_basic(void) {
        static const struct {
                const char *id, *secret, *expected;
        } cases[] = {
                /* RFC 6749 2.3.1 */
                {"s6BhdRkqt3", "7Fjfp0ZBr1KtDRbnfVdmIw",
                 "Basic czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3"},
                /* "a%3Ab:p%2Bq%25" */
                {"a:b", "p+q%", "Basic YSUzQWI6cCUyQnElMjU="},
                {"id", "", "Basic aWQ6"},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(secret_freep) Secret *secret = secret_of(cases[i].secret), *value = NULL;

                assert(form_basic_authorization(cases[i].id, secret, &value) == 0);
                assert(streq(secret_bytes(value), cases[i].expected));
                assert(secret_size(value) == strlen(cases[i].expected));
        }
}

static void test_wiped_buffer(void) {
        _cleanup_(wiped_buffer_done) WipedBuffer buffer = {};
        _cleanup_(secret_freep) Secret *taken = NULL;

        for (int i = 0; i < 10000; i++)
                assert(wiped_buffer_append(&buffer, "0123456789", 10, 100000) == 0);
        assert(wiped_buffer_append(&buffer, "x", 1, 100000) == -E2BIG);
        assert(wiped_buffer_append(&buffer, "", 0, 100000) == 0);
        assert(wiped_buffer_append(&buffer, "x", SIZE_MAX, 100000) == -E2BIG);
        assert(wiped_buffer_take(&buffer, &taken) == 0);
        assert(secret_size(taken) == 100000 && buffer.used == 0);
        for (size_t i = 0; i < 100000; i++)
                assert(secret_bytes(taken)[i] == (char)('0' + i % 10));
}

int main(void) {
        test_body();
        test_a_value_adds_no_parameter();
        test_a_body_goes_on();
        test_absent();
        test_every_byte();
        test_limit();
        test_basic();
        test_wiped_buffer();
        return 0;
}
