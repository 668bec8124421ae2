/* SPDX-License-Identifier: Apache-2.0 */
/* Files of /proc and /sys that a test makes up.  A program that uses them is
 * linked with
 *
 *   wrap: open close fopen opendir readdir closedir readlink readlinkat
 *   wrap: realpath stat lstat statx
 */
#ifndef TEST_FILE_TREE_H
#define TEST_FILE_TREE_H 1

#include <stdbool.h>
#include <stddef.h>

/* Makes the lines of 'text', which is changed and stays in use, the only
 * files:
 *
 *   PATH=CONTENT      a file; "\n" and "\0" in CONTENT stand for these
 *   PATH>TARGET       a symbolic link; "TARGET MAJOR:MINOR" leads to a
 *                     character device, one with entries to a directory
 *   PATH!ERRNO        whatever is asked of it ends so
 *   PATH              an empty directory; those that others are in are there
 *
 * Lines that are none of these are passed over, as are those beyond the
 * 128th. */
void tree_make(char *text);

/* Whether the functions of the list above have those files, or the kernel's
 * (as at first). */
void tree_on(bool on);

/* A descriptor of the file 'path' for reading; -1 with errno. */
int tree_open(const char *path);

/* How many directories were opened by open() and not closed. */
size_t tree_n_open(void);

#endif
