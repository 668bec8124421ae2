/* SPDX-License-Identifier: Apache-2.0 */
/* Memory and text helpers of controller/.  Running out of memory aborts: the
 * libraries below us do so anyway, and what we know is rebuilt at restart. */
#ifndef VDPAD_UTIL_H
#define VDPAD_UTIL_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As calloc(3), strdup(3), reallocarray(3); never NULL. */
void *vdpad_xcalloc(size_t n, size_t size)
    __attribute__((malloc, returns_nonnull));
char *vdpad_xstrdup(const char *) __attribute__((malloc, returns_nonnull));
void *vdpad_xrealloc(void *, size_t n, size_t size)
    __attribute__((returns_nonnull));

/* Returns 'array' (of '*allocated' elements of 'size' bytes) with room for
 * one more than 'n', moved perhaps. */
void *vdpad_grow(void *array, size_t n, size_t *allocated, size_t size)
    __attribute__((returns_nonnull));

/* Where in 'table', 'n' structures of 'size' bytes that begin with their key
 * (an array of char) and are sorted by it, 'key' is or, when not '*found',
 * belongs. */
size_t vdpad_position(const void *table, size_t n, size_t size,
                      const char *key, bool *found);

/* Copies 'src' to 'dst' of 'size' bytes: cut if need be, always terminated,
 * the rest zero (rows are compared as bytes). */
void vdpad_copy(char *dst, size_t size, const char *src);

/* snprintf() that may cut without complaint and replaces control characters
 * by '?'. */
void vdpad_text(char *dst, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* 'word', or "" when 'text' begins with it anyway: for "WORD: TEXT". */
const char *vdpad_unless_first(const char *word, const char *text);

/* Both NULL, or equal. */
bool vdpad_streq(const char *a, const char *b);

#endif
