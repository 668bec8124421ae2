/* SPDX-License-Identifier: Apache-2.0 */

/* The words of the world builder's statements. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world-words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/util.h"

void
words_split(struct statement *s, const char *line, size_t len)
{
    char *rest = NULL;

    memset(s, 0, sizeof *s);
    s->line = line;
    if (len >= sizeof s->buffer) {
        fail_msg("statement too long: %s", line);
    }
    memcpy(s->buffer, line, len);
    for (char *word = strtok_r(s->buffer, " ", &rest); word;
         word = strtok_r(NULL, " ", &rest)) {
        assert_true(s->n < WORDS_MAX);
        s->words[s->n++] = word;
    }
    if (s->n) {
        s->used[0] = true;
    }
}

const char *
words_arg(struct statement *s, size_t i)
{
    if (i >= s->n) {
        fail_msg("word %zu is missing: %s", i, s->line);
    }
    s->used[i] = true;
    return s->words[i];
}

const char *
words_optional(struct statement *s, size_t i)
{
    return i < s->n ? words_arg(s, i) : "";
}

const char *
words_option(struct statement *s, const char *name, const char *otherwise)
{
    size_t len = strlen(name);

    for (size_t i = 1; i < s->n; i++) {
        if (!strncmp(s->words[i], name, len) && s->words[i][len] == '=') {
            s->used[i] = true;
            return s->words[i] + len + 1;
        }
    }
    return otherwise;
}

bool
words_flag(struct statement *s, const char *name)
{
    for (size_t i = 1; i < s->n; i++) {
        if (!strcmp(s->words[i], name)) {
            return s->used[i] = true;
        }
    }
    return false;
}

int32_t
words_number(const char *text)
{
    char *end;
    long value = strtol(text, &end, 10);

    if (*end || end == text) {
        fail_msg("not a number: %s", text);
    }
    return (int32_t) value;
}

char *
words_rest(struct statement *s, size_t i)
{
    char text[1024] = "";
    size_t len = 0;

    for (; i < s->n; i++) {
        len += (size_t) snprintf(text + len, sizeof text - len, "%s%s",
                                 len ? " " : "", words_arg(s, i));
    }
    return vdpad_xstrdup(text);
}
