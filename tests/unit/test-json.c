/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/json.h"

static int read_text(const char *text) {
        _cleanup_(json_unrefp) json_object *object = NULL;

        return json_read(text, strlen(text), &object);
}

static void test_accepted(void) {
        assert(read_text("{}") == 0);
        assert(read_text(" \r\n\t{ } \n") == 0);
        assert(read_text("{\"a\":1,\"b\":[true,false,null,1.5e3,-1,\"x:y\"],\"c\":{\"a\":2}}") ==
               0);
        assert(read_text("{\"a\":\"\\u0001\\n\\\"\\\\\"}") == 0);
        assert(read_text("{\"a\":\"\\\\u0000\"}") == 0); /* a backslash, then text */
        assert(read_text("{\"a\":\"h\xc3\xa9\"}") == 0);
        assert(read_text("{\"a\":[{\"b\":1},{\"b\":1}]}") == 0);
        assert(read_text("{\"\":1,\"A\":1,\"a\":1}") == 0);
}

static void test_not_an_object(void) {
        assert(read_text("") == -EBADMSG);
        assert(read_text("   ") == -EBADMSG);
        assert(read_text("null") == -EBADMSG);
        assert(read_text("[]") == -EBADMSG);
        assert(read_text("1") == -EBADMSG);
        assert(read_text("\"a\"") == -EBADMSG);
        assert(read_text("<html></html>") == -EBADMSG);
        assert(read_text("access_token=x&token_type=bearer") == -EBADMSG);
}

static void test_malformed(void) {
        int failed = 0;
        static const char *const malformed[] = {
                "{",
                "{\"a\"",
                "{\"a\":",
                "{\"a\":1",
                "{\"a\":1,}",
                "{\"a\":[1,]}",
                "{\"a\" 1}",
                "{a:1}",
                "{'a':1}",
                "{\"a\":'b'}",
                "{\"a\":tru}",
                "{\"a\":NaN}",
                "{\"a\":Infinity}",
                "{\"a\":-Infinity}",
                "{\"a\":1}x",
                "{\"a\":1}{}",
                "{\"a\":1}}",
                "}{",
                "/* c */{\"a\":1}",
                "{\"a\":1}//",
                "{\"a\":\"b}",
                "{\"a\":\"b\nc\"}",
                "{\"a\":\"\\x\"}",
                "{\"a\":\"\\",
                "{\"a\":\"\xff\"}",
                "{\"a\":\"\xc0\x80\"}",
                "{\"\xff\":1}",
        };

        for (size_t i = 0; i < ELEMENTSOF(malformed); i++)
                if (read_text(malformed[i]) != -EBADMSG)
                        fprintf(stderr, "read: %s\n", malformed[i]), failed = 1;
        assert(!failed);
}

static void test_duplicates(void) {
        assert(read_text("{\"a\":1,\"a\":1}") == -EBADMSG);
        assert(read_text("{\"a\":1,\"\\u0061\":1}") == -EBADMSG); /* the same name, escaped */
        assert(read_text("{\"x\":{\"a\":1,\"b\":2,\"a\":3}}") == -EBADMSG);
        assert(read_text("{\"x\":[1,{\"a\":1,\"a\":{\"b\":1}}]}") == -EBADMSG);
        assert(read_text("{\"a\":{\"b\":1},\"a\":{\"b\":1}}") == -EBADMSG);
}

static void test_nul(void) {
        static const char raw[] = "{\"a\":1}\0x", inside[] = "{\"a\":\"b\0c\"}";
        _cleanup_(json_unrefp) json_object *object = NULL;

        assert(json_read(raw, sizeof(raw) - 1, &object) == -EBADMSG);
        assert(json_read(inside, sizeof(inside) - 1, &object) == -EBADMSG);
        assert(read_text("{\"a\":\"alice\\u0000bob\"}") == -EBADMSG);
        assert(read_text("{\"sub\\u0000\":1}") == -EBADMSG);
        assert(!object);
}

static void test_not_terminated(void) {
        _cleanup_(json_unrefp) json_object *object = NULL;

        assert(json_read("{\"a\":12}3", 8, &object) == 0); /* reads no further than told */
}

static char *nested(size_t depth, char open, char close, const char *core) {
        size_t size = 5 + depth + strlen(core) + depth + 2;
        char *text = calloc(1, size);

        assert(text);
        strcpy(text, "{\"a\":");
        memset(text + 5, open, depth);
        strcpy(text + 5 + depth, core);
        memset(text + strlen(text), close, depth);
        text[strlen(text)] = '}';
        return text;
}

static void test_depth(void) {
        _cleanup_free_ char *deepest = nested(15, '[', ']', "1"),
                            *deeper = nested(16, '[', ']', "1");
        _cleanup_free_ char *bomb = nested(100000, '[', ']', "");

        assert(read_text(deepest) == 0);
        assert(read_text(deeper) == -EBADMSG);
        assert(read_text(bomb) == -EBADMSG);
}

static void test_size(void) {
        _cleanup_(json_unrefp) json_object *object = NULL;
        _cleanup_free_ char *text = malloc(JSON_SIZE_MAX + 1);

        assert(text);
        memset(text, ' ', JSON_SIZE_MAX + 1);
        memcpy(text, "{}", 2);
        assert(json_read(text, JSON_SIZE_MAX + 1, &object) == -EBADMSG);
        assert(json_read(text, JSON_SIZE_MAX, &object) == 0);
}

static void test_text(void) {
        static const char text[] = "{\"a\":\"abc\",\"n\":null,\"i\":1,\"e\":\"\",\"l\":[]}";
        _cleanup_(json_unrefp) json_object *object = NULL;
        const char *value = NULL;

        assert(json_read(text, sizeof(text) - 1, &object) == 0);
        assert(json_member_text(object, "absent", 8, &value) == -ENOENT);
        assert(json_member_text(object, "n", 8, &value) == -ENOENT);
        assert(json_member_text(object, "i", 8, &value) == -EBADMSG);
        assert(json_member_text(object, "l", 8, &value) == -EBADMSG);
        assert(json_member_text(object, "a", 2, &value) == -EBADMSG);
        assert(!value);
        assert(json_member_text(object, "a", 3, &value) == 0 && streq(value, "abc"));
        assert(json_member_text(object, "e", 0, &value) == 0 && streq(value, ""));
}

static void test_number(void) {
        static const struct {
                const char *json;
                int r;
                uint64_t value;
        } cases[] = {
                {"3600", 0, 3600},
                {"0", 0, 0},
                {"3600.0", 0, 3600},
                {"3.6e3", 0, 3600},
                {"\"3600\"", 0, 3600},
                {"1000000", 0, 1000000},
                {"1000001", 0, 1000000},
                {"1000001.5", 0, 1000000},
                {"1e400", 0, 1000000},
                {"18446744073709551615", 0, 1000000},
                {"99999999999999999999999999", 0, 1000000},
                {"\"99999999999999999999999999\"", 0, 1000000},
                {"null", -ENOENT, 0},
                {"-1", -EBADMSG, 0},
                {"-0.5", -EBADMSG, 0},
                {"-99999999999999999999999999", -EBADMSG, 0},
                {"0.5", -EBADMSG, 0},
                {"\"\"", -EBADMSG, 0},
                {"\"-1\"", -EBADMSG, 0},
                {"\" 1\"", -EBADMSG, 0},
                {"\"1.0\"", -EBADMSG, 0},
                {"\"0x10\"", -EBADMSG, 0},
                {"true", -EBADMSG, 0},
                {"[1]", -EBADMSG, 0},
                {"{}", -EBADMSG, 0},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(json_unrefp) json_object *object = NULL;
                uint64_t value = 0;
                char text[80];

                assert(snprintf(text, sizeof(text), "{\"n\":%s}", cases[i].json) > 0);
                assert(json_read(text, strlen(text), &object) == 0);
                assert(json_member_number(object, "n", 1000000, &value) == cases[i].r);
                assert(value == cases[i].value);
                assert(json_member_number(object, "absent", 1, &value) == -ENOENT);
        }
}

int main(void) {
        test_accepted();
        test_not_an_object();
        test_malformed();
        test_duplicates();
        test_nul();
        test_not_terminated();
        test_depth();
        test_size();
        test_text();
        test_number();
        return 0;
}
