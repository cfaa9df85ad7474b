/* SPDX-License-Identifier: MIT */

/* json-c has no answer that says it is out of memory while it parses, only one that it is before.
 * So its parser is left alone. For programs linked with FAIL_NTH_JSON_WRAP. */

#include <json-c/json.h>

#include "tests/unit/fail-nth.h"

json_object *__real_json_tokener_parse_ex(json_tokener *tokener, const char *text, int size);
json_object *__wrap_json_tokener_parse_ex(json_tokener *tokener, const char *text, int size);
json_object *__wrap_json_tokener_parse_ex(json_tokener *tokener, const char *text, int size) {
        unsigned paused = fail_nth_pause();
        json_object *object = __real_json_tokener_parse_ex(tokener, text, size);

        fail_nth_resume(paused);
        return object;
}
