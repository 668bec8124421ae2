/* SPDX-License-Identifier: Apache-2.0 */
/* What all fuzz targets share. */
#ifndef FUZZ_H
#define FUZZ_H 1

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Takes back what would keep libFuzzer from writing the input that has failed;
 * NULL: nothing does. */
static void (*fuzz_let_go)(void) __attribute__((unused));

/* Ends the run, which libFuzzer takes for a crash, unless CONDITION holds. */
#define CHECK(CONDITION)                                       \
    do {                                                       \
        if (!(CONDITION)) {                                    \
            if (fuzz_let_go) {                                 \
                fuzz_let_go();                                 \
            }                                                  \
            fprintf(stderr, "%d: %s\n", __LINE__, #CONDITION); \
            abort();                                           \
        }                                                      \
    } while (0)

#endif
