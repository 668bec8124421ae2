/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and writing small files of /sys and /proc.
 *
 * Which files may be read matters.  In many kernels the "show" functions of
 * sriov_numvfs (drivers/pci/iov.c), driver_override (drivers/pci/pci-sysfs.c)
 * and uevent (drivers/base/core.c of 6.11) take the lock of their device.  The
 * kernel holds that lock for as long as a driver's removal waits for a user of
 * the device: who reads such a file then, sleeps unkillably too.  Symbolic
 * links, and the files that are read here, need no such lock. */
#ifndef VDPAD_NETLINK_SYSFS_H
#define VDPAD_NETLINK_SYSFS_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vdpad/error.h>

#define VDPAD_PATH_SIZE 512

/* Whether 'name' may be one component of a path: 1 to 127 bytes, no '/', no
 * control characters, not "." or "..". */
bool vdpad_sysfs_name_is_valid(const char *name);

/* Reads the digits (of base 10, with "0x" 16) that '*text' begins with to
 * '*number' and moves '*text' behind them.  Returns 0, or -EINVAL when there
 * are none or the number is above 'max': then nothing is written. */
int vdpad_number_take(const char **text, uint64_t max, uint64_t *number);

/* The same for a text that is "PREFIX" and one number, decimal, to its end. */
int vdpad_number_after(const char *text, const char *prefix, uint64_t max,
                       uint64_t *number);

/* Reads the first line of the file that 'format' names to 'dst' of 'size'
 * bytes, cut if necessary; "(null)", which is how the kernel prints a missing
 * string, becomes "".  Returns 0 or a negative errno, then 'dst' is "". */
int vdpad_sysfs_read(char *dst, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Reads a number that is not negative, decimal or hexadecimal with "0x".
 * Returns 0 or a negative errno, then '*number' is left alone. */
int vdpad_sysfs_read_number(uint64_t *number, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Copies the last component of where the symbolic link leads to 'dst' of
 * 'size' bytes.  Returns 0 or a negative errno, then 'dst' is "". */
int vdpad_sysfs_link(char *dst, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Whether there is a file of that name (of any type). */
bool vdpad_sysfs_exists(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* Writes 'value' in one piece.  Returns 0 or a negative errno with 'why':
 * "write VALUE to PATH: error". */
int vdpad_sysfs_write(const char *value, struct vdpad_error *why,
                      const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Calls 'cb' for each entry of the directory 'path' that begins with 'prefix'
 * ("" all), except hidden ones, until it returns something else than 0, which
 * is then returned.  Returns 0 otherwise, or a negative errno when the
 * directory cannot be read. */
typedef int vdpad_sysfs_entry_cb(void *aux, const char *name);
int vdpad_sysfs_list(const char *path, const char *prefix,
                     vdpad_sysfs_entry_cb *cb, void *aux);

#endif
