/* SPDX-License-Identifier: Apache-2.0 */
/* What the conformance cases need of a real host: done and judged by the
 * commands that everybody uses. */
#ifndef TEST_REAL_HOST_H
#define TEST_REAL_HOST_H 1

#include "kernel-cases.h"

/* Fills in everything but begin, end and pump. */
void real_fill(struct kc_ops *ops);

/* No VFs, legacy mode, autoprobe on; vDPA's modules are loaded. */
void real_clean(struct kc_env *env);

/* Ends all processes that hold devices. */
void real_release_all(void);

/* Runs a shell command, which must succeed, and returns the first lines that
 * it printed, without the last line's end: borrowed until the next call. */
const char *real_output(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

#endif
