/* SPDX-License-Identifier: Apache-2.0 */
/* Recorded messages as input of tests: see README.md. */
#ifndef TEST_RECORDED_H
#define TEST_RECORDED_H 1

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/netlink.h>

#include "netlink/attrs.h"

/* A decoder, whatever it fills. */
typedef int recorded_decode(const void *payload, size_t len, void *row);

/* The contents of test/data/NAME, freed by the caller. */
static inline char *
recorded_load(const char *name, size_t *size)
{
    const char *top = getenv("VDPAD_SRC");
    char path[512];
    FILE *stream;
    char *data;
    long end;

    (void) snprintf(path, sizeof path, "%s/test/data/%s", top ? top : ".",
                    name);
    stream = fopen(path, "rbe");
    if (!stream) {
        fail_msg("%s: %s (VDPAD_SRC must name the source)", path,
                 strerror(errno));
        abort();
    }
    assert_int_equal(fseek(stream, 0, SEEK_END), 0);
    end = ftell(stream);
    assert_true(end > 0);
    rewind(stream);
    *size = (size_t) end;
    data = malloc(*size);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, *size, stream), *size);
    (void) fclose(stream);
    return data;
}

/* A message's payload, in memory of exactly its size, so that the sanitizer
 * sees who reads beyond. */
struct recorded_message {
    uint16_t type;
    size_t len;
    void *payload;
};

/* Takes the message at '*offset' of the 'size' bytes at 'data' and moves on.
 * Returns false at the end. */
static inline bool
recorded_next(const char *data, size_t size, size_t *offset,
              struct recorded_message *message)
{
    struct nlmsghdr header;

    if (*offset + sizeof header > size) {
        return false;
    }
    memcpy(&header, data + *offset, sizeof header);
    assert_true(header.nlmsg_len >= sizeof header
                && header.nlmsg_len <= size - *offset);
    message->type = header.nlmsg_type;
    message->len = header.nlmsg_len - sizeof header;
    message->payload = malloc(message->len ? message->len : 1);
    assert_non_null(message->payload);
    memcpy(message->payload, data + *offset + sizeof header, message->len);
    *offset += (header.nlmsg_len + 3u) & ~3u;
    return true;
}

/* Decodes the file NAME into 'rows' ('max' of 'row_size' bytes); returns how
 * many messages made a row.  None may be malformed. */
static inline size_t
recorded_rows(const char *name, recorded_decode *decode, void *rows,
              size_t row_size, size_t max)
{
    size_t size, offset = 0, n = 0;
    char *data = recorded_load(name, &size);
    struct recorded_message message;

    memset(rows, 0, row_size * max);
    while (recorded_next(data, size, &offset, &message)) {
        void *row = (char *) rows + n * row_size;
        int error;

        assert_true(n < max);
        memset(row, 0, row_size);
        error = decode(message.payload, message.len, row);
        assert_true(error >= 0);
        n += error == 0;
        free(message.payload);
    }
    free(data);
    return n;
}

static inline bool
recorded_is_answer(int error)
{
    return error == 0 || error == VDPAD_CODEC_SKIP || error == -EBADMSG;
}

/* Decodes the file NAME cut short at every length, and with every byte
 * changed in several ways: the decoder must answer, and refuse some. */
static inline void
recorded_mangle(const char *name, recorded_decode *decode, size_t row_size)
{
    static const uint8_t changes[] = { 0x01, 0x80, 0xff };
    size_t size, offset = 0, n_refused = 0;
    char *data = recorded_load(name, &size);
    struct recorded_message message;
    void *row = malloc(row_size);

    assert_non_null(row);
    while (recorded_next(data, size, &offset, &message)) {
        uint8_t *bytes = message.payload;

        for (size_t len = 0; len < message.len; len++) {
            void *cut = malloc(len ? len : 1);
            int error;

            assert_non_null(cut);
            memcpy(cut, bytes, len);
            memset(row, 0, row_size);
            error = decode(cut, len, row);
            assert_true(recorded_is_answer(error));
            n_refused += error == -EBADMSG;
            free(cut);
        }
        for (size_t i = 0; i < message.len * sizeof changes; i++) {
            size_t at = i / sizeof changes;
            int error;

            bytes[at] ^= changes[i % sizeof changes];
            memset(row, 0, row_size);
            error = decode(bytes, message.len, row);
            assert_true(recorded_is_answer(error));
            n_refused += error == -EBADMSG;
            bytes[at] ^= changes[i % sizeof changes];
        }
        free(message.payload);
    }
    assert_true(n_refused > 0);
    free(row);
    free(data);
}

/* Finds the one attribute 'type' in a request built by libnl, checks its
 * length and returns its payload. */
static inline const void *
recorded_find_attr(const void *attrs, size_t len, int type, int want)
{
    const struct nlattr *attr = nla_find((const struct nlattr *) attrs,
                                         (int) len, type);

    assert_non_null(attr);
    assert_int_equal(nla_len(attr), want);
    return nla_data(attr);
}

#endif
