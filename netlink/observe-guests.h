/* SPDX-License-Identifier: Apache-2.0 */
/* What runs guests on this host, and what could keep it from their devices:
 * libvirt, QEMU, SELinux, AppArmor.  No foreign program is run to find out. */
#ifndef VDPAD_NETLINK_OBSERVE_GUESTS_H
#define VDPAD_NETLINK_OBSERVE_GUESTS_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rows.h"

/* Adds a fact (VDPAD_HOST) with the name 'format', unless there is one of that
 * name; both texts are cut. */
void vdpad_host_add(struct vdpad_rows *rows, const char *value,
                    const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Adds the version of the libvirt library that process 'pid', named 'comm',
 * runs, unless a user other than root runs it. */
void vdpad_observe_libvirtd(struct vdpad_rows *rows, const char *comm,
                            int pid);

/* Adds the rest.  What is not there, or cannot be read, adds nothing. */
void vdpad_observe_guests(struct vdpad_rows *rows);

/* Writes the release in the file name of a libvirt library to 'version' of
 * 'size' bytes: of "…/libvirt.so.0.9000.1" that is "9.0.1" (libvirt numbers
 * its library 0, 1000 * major + minor, micro).  Returns false, and writes
 * nothing, for other names. */
bool vdpad_libvirt_version(const char *name, char *version, size_t size);

/* Reads from 'path', in which libvirt has noted what it learnt about an
 * emulator, the path of that emulator and its version, "7.2.22".  Returns
 * false when it is no such file. */
bool vdpad_libvirt_emulator(const char *path, char *emulator, size_t size,
                            char version[16]);

/* Whether one of the lines of the file 'path' that are no comments has 'word'
 * in it: 1 or 0, or a negative errno when it cannot be read. */
int vdpad_file_mentions(const char *path, const char *word);

#endif
