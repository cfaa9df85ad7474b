/* SPDX-License-Identifier: MIT */
#include "gateway/json.h"

#include <errno.h>
#include <json-c/printbuf.h>
#include <stdbool.h>
#include <string.h>

#include "common/parse.h"
#include "gateway/utf8.h"

#define JSON_DEPTH_MAX 16

/* json-c lets pass what we must not: of two members of one name the last wins, a NUL ends a name,
 * control characters and overlong UTF-8 stand in strings, NaN is a number. This scan knows just
 * enough of JSON to see these; all else is json-c's. Each member has exactly one colon outside of
 * strings, so that a duplicate shows as fewer members in the tree than colons in the text. */
typedef struct Scan {
        size_t n_members;
        size_t depth;
        bool in_string;
} Scan;

/* What may stand outside of strings: structure, blanks, numbers, the letters of true false null. */
static bool is_structural(char c) {
        static const char structural[] = "{}[]:,\" \t\r\n0123456789+-.eEtrufalsn";

        return memchr(structural, c, sizeof(structural) - 1) != NULL;
}

/* The number of bytes to go on by, 0 if this is not for us. */
static size_t scan_string(Scan *scan, const char *bytes, size_t left) {
        if ((unsigned char)bytes[0] < 0x20)
                return 0;
        if (bytes[0] == '"')
                scan->in_string = false;
        if (bytes[0] != '\\')
                return 1;
        if (left >= 6 && memcmp(bytes + 1, "u0000", 5) == 0)
                return 0;
        return left >= 2 ? 2 : 0;
}

static size_t scan_structure(Scan *scan, char c) {
        if (!is_structural(c))
                return 0;
        if (c == '"')
                scan->in_string = true;
        if (c == ':')
                scan->n_members++;
        if (c == '{' || c == '[')
                scan->depth++;
        if ((c == '}' || c == ']') && scan->depth > 0)
                scan->depth--;
        return scan->depth > JSON_DEPTH_MAX ? 0 : 1;
}

static int scan_members(const char *bytes, size_t size, size_t *ret) {
        Scan scan = {};
        size_t step;

        for (size_t i = 0; i < size; i += step) {
                step = scan.in_string ? scan_string(&scan, bytes + i, size - i)
                                      : scan_structure(&scan, bytes[i]);
                if (step == 0)
                        return -EBADMSG;
        }
        *ret = scan.n_members;
        return 0;
}

static size_t count_members(json_object *object) {
        size_t n = 0;

        if (json_object_is_type(object, json_type_object)) {
                json_object_object_foreach(object, name, value) {
                        (void)name;
                        n += 1 + count_members(value);
                }
        } else if (json_object_is_type(object, json_type_array)) {
                for (size_t i = 0; i < json_object_array_length(object); i++)
                        n += count_members(json_object_array_get_idx(object, i));
        }
        return n;
}

static void wipe_strings(json_object *object) {
        if (json_object_is_type(object, json_type_object)) {
                json_object_object_foreach(object, name, value) {
                        (void)name;
                        wipe_strings(value);
                }
        } else if (json_object_is_type(object, json_type_array)) {
                for (size_t i = 0; i < json_object_array_length(object); i++)
                        wipe_strings(json_object_array_get_idx(object, i));
        } else if (json_object_is_type(object, json_type_string)) {
                explicit_bzero((char *)json_object_get_string(object),
                               (size_t)json_object_get_string_len(object));
        }
}

json_object *json_unref(json_object *object) {
        if (object) {
                wipe_strings(object);
                json_object_put(object);
        }
        return NULL;
}

static json_tokener *json_tokener_unref(json_tokener *tokener) {
        explicit_bzero(tokener->pb->buf, (size_t)tokener->pb->size);
        json_tokener_free(tokener);
        return NULL;
}
DEFINE_CLEANUP(json_tokener, json_tokener_unref);

/* The tokener collects each string in its buffer; at full size from the start it is never
 * reallocated, which would leave an unwiped copy behind. */
static int tokener_new(size_t size, json_tokener **ret) {
        _cleanup_(json_tokener_unrefp) json_tokener *tokener = NULL;

        tokener = json_tokener_new_ex(JSON_DEPTH_MAX + 1);
        if (!tokener)
                return -ENOMEM;
        json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
        if (printbuf_memset(tokener->pb, 0, 0, (int)size + 1) < 0)
                return -ENOMEM;
        printbuf_reset(tokener->pb);

        *ret = TAKE_PTR(tokener);
        return 0;
}

int json_read(const char *bytes, size_t size, json_object **ret) {
        _cleanup_(json_tokener_unrefp) json_tokener *tokener = NULL;
        _cleanup_(json_unrefp) json_object *object = NULL;
        size_t n_members = 0;
        int r;

        if (size > JSON_SIZE_MAX || !utf8_is_valid(bytes, size))
                return -EBADMSG;
        r = scan_members(bytes, size, &n_members);
        if (r < 0)
                return r;

        r = tokener_new(size, &tokener);
        if (r < 0)
                return r;
        object = json_tokener_parse_ex(tokener, bytes, (int)size);
        if (!object || json_tokener_get_error(tokener) != json_tokener_success)
                return -EBADMSG;
        if (!json_object_is_type(object, json_type_object) || count_members(object) != n_members)
                return -EBADMSG;

        *ret = TAKE_PTR(object);
        return 0;
}

int json_member_text(json_object *object, const char *name, size_t max, const char **ret) {
        json_object *value = NULL;

        if (!json_object_object_get_ex(object, name, &value) || !value)
                return -ENOENT;
        if (!json_object_is_type(value, json_type_string) ||
            (size_t)json_object_get_string_len(value) > max)
                return -EBADMSG;

        *ret = json_object_get_string(value);
        return 0;
}

static int number_of_int(json_object *value, uint64_t max, uint64_t *ret) {
        uint64_t number;

        if (json_object_get_int64(value) < 0)
                return -EBADMSG;
        number = json_object_get_uint64(value);
        *ret = number < max ? number : max;
        return 0;
}

static int number_of_double(json_object *value, uint64_t max, uint64_t *ret) {
        double number = json_object_get_double(value);

        if (!(number >= 0))
                return -EBADMSG;
        if (number >= (double)max) {
                *ret = max;
                return 0;
        }
        if (number - (double)(uint64_t)number > 0)
                return -EBADMSG;
        *ret = (uint64_t)number;
        return 0;
}

static int number_of_string(json_object *value, uint64_t max, uint64_t *ret) {
        int r;

        r = parse_u64(json_object_get_string(value), 0, max, ret);
        if (r != -ERANGE)
                return r < 0 ? -EBADMSG : 0;
        *ret = max;
        return 0;
}

int json_member_number(json_object *object, const char *name, uint64_t max, uint64_t *ret) {
        json_object *value = NULL;

        if (!json_object_object_get_ex(object, name, &value) || !value)
                return -ENOENT;
        switch (json_object_get_type(value)) {
        case json_type_int:
                return number_of_int(value, max, ret);
        case json_type_double:
                return number_of_double(value, max, ret);
        case json_type_string:
                return number_of_string(value, max, ret);
        default:
                return -EBADMSG;
        }
}
