/* SPDX-License-Identifier: MIT */
#pragma once

/* What more than one command prints. */

#include <json.h>
#include <stddef.h>
#include <stdint.h>

/* Names come from a provider: no C0 or C1 control may reach the terminal. */
void print_clean(const char *text);

/* "4 min 10 s", the two largest units that matter. */
void duration_text(uint64_t seconds, char *text, size_t size);

/* Seconds since 1970, NULL (null in the text) if there is none. */
json_object *json_time(uint64_t usec);

static inline void json_putp(json_object **object) {
        (void)json_object_put(*object);
}
