/* SPDX-License-Identifier: Apache-2.0 */

/* The words of the world builder's statements: each must be asked for, what
 * nobody asked for was not understood. */

#ifndef TEST_WORLD_WORDS_H
#define TEST_WORLD_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WORDS_MAX 32

struct statement {
    const char *line; /* The whole, for complaints. */
    char buffer[1024];
    size_t n;
    char *words[WORDS_MAX];
    bool used[WORDS_MAX];
};

/* Takes the first 'len' bytes of 'line' apart. */
void words_split(struct statement *s, const char *line, size_t len);

/* Word 'i', which must be there; or else "". */
const char *words_arg(struct statement *s, size_t i);
const char *words_optional(struct statement *s, size_t i);

/* Value of the word "NAME=...", or 'otherwise'. */
const char *words_option(struct statement *s, const char *name,
                         const char *otherwise);

/* Whether the word 'name' is there. */
bool words_flag(struct statement *s, const char *name);

/* Everything from word 'i' on, which the caller frees. */
char *words_rest(struct statement *s, size_t i);

/* 'text' as a number, which it must be. */
int32_t words_number(const char *text);

#endif
