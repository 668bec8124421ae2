/* SPDX-License-Identifier: Apache-2.0 */
/* What the fuzz targets of the codecs share: the first byte chooses the
 * decoder, the rest is the payload of a message. */
#ifndef FUZZ_CODEC_H
#define FUZZ_CODEC_H 1

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "controller/fields.h"
#include "netlink/attrs.h"
#include "fuzz.h"

typedef int fuzz_decode(const void *payload, size_t len, void *row);
typedef void fuzz_check(const void *row);

/* What a decoder promises of the memory that it is given. */
enum fuzz_kind {
    FUZZ_ROW,      /* It makes all of the row. */
    FUZZ_ADDITION, /* It adds to a row that another decoder has made. */
    FUZZ_EVENT,    /* It makes a mask of classes. */
    FUZZ_NOTHING,  /* It is given none, and returns 0. */
};

struct fuzz_codec {
    fuzz_decode *decode;
    enum fuzz_kind kind;
    bool keeps; /* What is not decoded leaves the row as it was. */
    bool has_class;
    enum vdpad_class class_; /* Of the row; else … */
    size_t row_size;         /* … its size. */
    fuzz_check *check;       /* Further checks of a row; or NULL. */
    /* Of additions: what the decoder finds in a row and goes by, where it is
     * not names; or NULL. */
    void (*begin)(void *row);
};

#define FUZZ_MAX_ROW 4096

/* Of struct fuzz_codec, for what makes, or adds to, a row of CLASS. */
#define FUZZ_OF(CLASS) .has_class = true, .class_ = (CLASS)

/* 'text' of 'size' bytes ends, and is zero from there on: two rows that are
 * equal are so byte by byte. */
static inline void
fuzz_check_text(const char *text, size_t size)
{
    size_t len = strnlen(text, size);

    CHECK(len < size);
    for (size_t i = len; i < size; i++) {
        CHECK(!text[i]);
    }
}

/* Each member is one that readers of the row may rely on. */
static inline void
fuzz_check_fields(enum vdpad_class class_, const void *row)
{
    size_t n;
    const struct vdpad_field *fields = vdpad_fields(class_, &n);

    for (size_t i = 0; i < n; i++) {
        const char *p = (const char *) row + fields[i].offset;
        int32_t number;

        if (fields[i].type == VDPAD_FIELD_TEXT) {
            fuzz_check_text(p, fields[i].size);
        } else if (fields[i].type == VDPAD_FIELD_BOOL) {
            CHECK(!*p || *p == 1);
        } else if (fields[i].type == VDPAD_FIELD_BYTES) {
            CHECK((uint8_t) p[-1] <= fields[i].size);
        } else if (fields[i].flags & VDPAD_FIELD_OPTIONAL) {
            memcpy(&number, p, sizeof number);
            CHECK(number >= -1);
        }
    }
}

/* Fills 'row' with 'byte', but for what an addition goes by. */
static inline void
fuzz_fill(const struct fuzz_codec *codec, size_t size, int byte, void *row)
{
    const struct vdpad_field *fields;
    size_t n;

    memset(row, byte, size);
    if (codec->kind != FUZZ_ADDITION) {
        return;
    }
    fields = vdpad_fields(codec->class_, &n);
    for (size_t i = 0; i < n; i++) {
        if (fields[i].type == VDPAD_FIELD_TEXT) {
            ((char *) row)[fields[i].offset + fields[i].size - 1] = '\0';
        }
    }
    if (codec->begin) {
        codec->begin(row);
    }
}

/* What was decoded to 'after' does not depend on what was 'before' in its
 * memory. */
static inline void
fuzz_compare(const struct fuzz_codec *codec, int error, size_t size,
             const uint8_t *const before[2], const uint8_t *const after[2])
{
    if (error) {
        /* Else it says nothing about the row then. */
        CHECK(!codec->keeps
              || (!memcmp(before[0], after[0], size)
                  && !memcmp(before[1], after[1], size)));
    } else if (codec->kind != FUZZ_ADDITION) {
        CHECK(!memcmp(after[0], after[1], size));
    } else {
        for (size_t i = 0; i < size; i++) {
            CHECK(after[0][i] == after[1][i]
                  || (after[0][i] == before[0][i]
                      && after[1][i] == before[1][i]));
        }
    }
}

static inline void
fuzz_check_row(const struct fuzz_codec *codec, const void *row)
{
    unsigned int classes;

    if (codec->kind == FUZZ_EVENT) {
        memcpy(&classes, row, sizeof classes);
        CHECK(!(classes >> VDPAD_N_CLASSES));
    } else if (codec->has_class) {
        fuzz_check_fields(codec->class_, row);
    }
    if (codec->check) {
        codec->check(row);
    }
}

/* Decodes 'payload' to memory filled with zeros and to memory filled with
 * ones.  The answer must be one of the three, and the same both times; see
 * above for what the rows must be. */
static inline void
fuzz_decode_twice(const struct fuzz_codec *codec, const void *payload,
                  size_t len)
{
    static const int bytes[2] = { 0, 0xff };
    static uint8_t before[2][FUZZ_MAX_ROW];
    size_t size = codec->has_class ? vdpad_row_size(codec->class_)
                                   : codec->row_size;
    uint8_t *after[2];
    int errors[2];

    CHECK(size && size <= FUZZ_MAX_ROW);
    for (int i = 0; i < 2; i++) {
        /* On the heap, so that what is written behind it is seen. */
        after[i] = malloc(size);
        CHECK(after[i]);
        fuzz_fill(codec, size, bytes[i], after[i]);
        memcpy(before[i], after[i], size);
        errors[i] = codec->decode(payload, len, after[i]);
        CHECK(!errors[i] || errors[i] == VDPAD_CODEC_SKIP
              || errors[i] == -EBADMSG);
    }
    CHECK(errors[0] == errors[1]);
    fuzz_compare(codec, errors[0], size,
                 (const uint8_t *const[2]){ before[0], before[1] },
                 (const uint8_t *const[2]){ after[0], after[1] });
    if (!errors[0]) {
        fuzz_check_row(codec, after[1]);
    }
    free(after[0]);
    free(after[1]);
}

/* Decodes a copy that is aligned as messages are, and no longer than the
 * input. */
static inline int
fuzz_codec_run(const struct fuzz_codec *codecs, size_t n, const uint8_t *data,
               size_t size)
{
    const struct fuzz_codec *codec;
    void *payload;

    if (!size) {
        return 0;
    }
    codec = &codecs[data[0] % n];
    payload = malloc(size > 1 ? size - 1 : 1);
    CHECK(payload);
    memcpy(payload, data + 1, size - 1);
    if (codec->kind == FUZZ_NOTHING) {
        CHECK(!codec->decode(payload, size - 1, NULL));
    } else {
        fuzz_decode_twice(codec, payload, size - 1);
    }
    free(payload);
    return 0;
}

/* Defines NAME, which calls FUNCTION with the types that it has. */
#define FUZZ_DECODE(NAME, FUNCTION)                             \
    static int NAME(const void *payload, size_t len, void *row) \
    {                                                           \
        return FUNCTION(payload, len, row);                     \
    }

#define FUZZ_TARGET(CODECS)                                              \
    int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)         \
    {                                                                    \
        return fuzz_codec_run(CODECS, sizeof(CODECS) / sizeof *(CODECS), \
                              data, size);                               \
    }

#endif
