/* SPDX-License-Identifier: Apache-2.0 */
#include "util.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *
check(void *p)
{
    if (!p) {
        abort();
    }
    return p;
}

void *
vdpad_xcalloc(size_t n, size_t size)
{
    return check(calloc(n ? n : 1, size ? size : 1));
}

char *
vdpad_xstrdup(const char *s)
{
    return check(strdup(s));
}

void *
vdpad_xrealloc(void *p, size_t n, size_t size)
{
    return check(reallocarray(p, n ? n : 1, size));
}

void *
vdpad_grow(void *array, size_t n, size_t *allocated, size_t size)
{
    if (n < *allocated) {
        return check(array);
    }
    *allocated = *allocated ? *allocated * 2 : 8;
    return vdpad_xrealloc(array, *allocated, size);
}

size_t
vdpad_position(const void *table, size_t n, size_t size, const char *key,
               bool *found)
{
    size_t low = 0;
    size_t high = n;

    *found = false;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int cmp = strcmp((const char *) table + mid * size, key);

        if (!cmp) {
            *found = true;
            return mid;
        }
        if (cmp < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

void
vdpad_copy(char *dst, size_t size, const char *src)
{
    size_t len = strnlen(src, size - 1);

    memcpy(dst, src, len);
    memset(dst + len, 0, size - len);
}

void
vdpad_text(char *dst, size_t size, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int n = vsnprintf(dst, size, format, args);
    va_end(args);
    if (n < 0) {
        dst[0] = '\0';
    }
    for (char *p = dst; *p; p++) {
        unsigned char c = (unsigned char) *p;

        if (c < 0x20 || c == 0x7f) {
            *p = '?';
        }
    }
}

const char *
vdpad_unless_first(const char *word, const char *text)
{
    return strncmp(word, text, strlen(word)) ? word : "";
}

bool
vdpad_streq(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : a == b;
}
