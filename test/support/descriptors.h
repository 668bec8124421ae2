/* SPDX-License-Identifier: Apache-2.0 */
/* How many descriptors this process has.  After cmocka.h. */
#ifndef VDPAD_TEST_DESCRIPTORS_H
#define VDPAD_TEST_DESCRIPTORS_H 1

#include <dirent.h>

static size_t
count_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    size_t n = 0;

    assert_non_null(dir);
    while (readdir(dir)) {
        n++;
    }
    (void) closedir(dir);
    return n;
}

#endif
