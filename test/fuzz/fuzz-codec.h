/* SPDX-License-Identifier: Apache-2.0 */
/* What the fuzz targets of the codecs share: the first byte chooses the
 * decoder, the rest is the payload of a message. */
#ifndef FUZZ_CODEC_H
#define FUZZ_CODEC_H 1

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "netlink/attrs.h"
#include "fuzz.h"

typedef int fuzz_decode(const void *payload, size_t len, void *row);

struct fuzz_codec {
    fuzz_decode *decode;
    size_t row_size;
};

/* Decodes a copy that is aligned as messages are, and no longer than the
 * input.  The answer must be one of the three, and rows must not depend on
 * what was in their memory before where they are compared as bytes. */
static inline int
fuzz_codec_run(const struct fuzz_codec *codecs, size_t n, const uint8_t *data,
               size_t size)
{
    const struct fuzz_codec *codec;
    void *payload, *row;
    int error;

    if (!size) {
        return 0;
    }
    codec = &codecs[data[0] % n];
    payload = malloc(size > 1 ? size - 1 : 1);
    row = calloc(1, codec->row_size);
    if (!payload || !row) {
        abort();
    }
    memcpy(payload, data + 1, size - 1);
    error = codec->decode(payload, size - 1, row);
    if (error && error != VDPAD_CODEC_SKIP && error != -EBADMSG) {
        abort();
    }
    free(payload);
    free(row);
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
