/* SPDX-License-Identifier: Apache-2.0 */
/* JSON trees of what the commands print.  Running out of memory aborts. */
#ifndef VDPAD_JSON_H
#define VDPAD_JSON_H 1

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

/* All of these return a new reference and never NULL.
 *
 * The text may be any bytes: what is no UTF-8 is made so.  NULL and "" give
 * null. */
json_t *vdpad_json_text(const char *text);
json_t *vdpad_json_format(const char *format, ...)
    __attribute__((format(printf, 1, 2)));
json_t *vdpad_json_mac(const uint8_t mac[6]);

/* Numbers above INT64_MAX give that. */
json_t *vdpad_json_u64(uint64_t number);
json_t *vdpad_json_int(int64_t number);

/* 'number', or null when it is 'absent'. */
json_t *vdpad_json_optional(int64_t number, int64_t absent);
json_t *vdpad_json_bool(bool value);

/* Sets a member, adds an element; both take over 'value'. */
void vdpad_json_set(json_t *object, const char *key, json_t *value);
void vdpad_json_add(json_t *array, json_t *value);

/* Frees 'tree' and returns it as indented text, which the caller frees. */
char *vdpad_json_dump(json_t *tree);

/* The member at 'path', whose parts are separated by dots, or NULL. */
json_t *vdpad_json_at(const json_t *object, const char *path);

/* 'text' with whatever could disturb a terminal replaced, and valid UTF-8; the
 * caller frees it. */
char *vdpad_json_printable(const char *text);

/* What people read of 'value': "-" for null and nothing, "yes", "no", numbers,
 * printable text, elements separated by ", ", the values of an object by
 * blanks.  The caller frees it. */
char *vdpad_json_human(json_t *value);

#endif
