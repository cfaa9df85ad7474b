/* SPDX-License-Identifier: MIT */
#pragma once

/* The one bounded reader of foreign JSON, over json-c: an object at the top, at most 16 levels
 * deep, valid UTF-8, no NUL inside strings, no duplicate member, nothing after the end. */

#include <json-c/json.h>
#include <stdint.h>

#include "common/macro.h"

#define JSON_SIZE_MAX (256u * 1024u)

/* Wipes every string of @object, because a token may be among them, and frees it. For the one who
 * had it from json_read(); members belong to their object. */
json_object *json_unref(json_object *object);
DEFINE_CLEANUP(json_object, json_unref);

/* 0, -EBADMSG for anything that is not as above or larger than JSON_SIZE_MAX, -ENOMEM. */
int json_read(const char *bytes, size_t size, json_object **ret);

/* Member @name of @object as a string of at most @max bytes. -ENOENT: absent or null;
 * -EBADMSG: another type, or longer. The string belongs to the object. */
int json_member_text(json_object *object, const char *name, size_t max, const char **ret);

/* A whole number >= 0, also where it came as a string of digits ("3600", seen in the field) or as
 * 3600.0. Negative or fractional: -EBADMSG. Above @max it is @max. -ENOENT: absent or null. */
int json_member_number(json_object *object, const char *name, uint64_t max, uint64_t *ret);
