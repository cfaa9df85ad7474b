/* SPDX-License-Identifier: MIT */
#pragma once

/* What more than one command prints. */

#include <json.h>
#include <stdint.h>

/* Names come from a provider: no C0 or C1 control may reach the terminal. */
void print_clean(const char *text);

/* Seconds since 1970, NULL (null in the text) if there is none. */
json_object *json_time(uint64_t usec);

static inline void json_putp(json_object **object) {
        (void)json_object_put(*object);
}
