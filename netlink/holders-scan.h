/* SPDX-License-Identifier: Apache-2.0 */
/* What the two halves of holders.h share. */
#ifndef VDPAD_NETLINK_HOLDERS_SCAN_H
#define VDPAD_NETLINK_HOLDERS_SCAN_H 1

#include <stddef.h>
#include <stdint.h>

#include <vdpad/error.h>

#define VDPAD_NO_MAJOR UINT32_MAX

/* Inode of the initial PID namespace (PROC_PID_INIT_INO,
 * include/linux/proc_ns.h). */
#define VDPAD_INITIAL_PID_NS 0xeffffffcU

/* Stores the major number of character devices 'name' (as in /proc/devices),
 * or VDPAD_NO_MAJOR when there are none.  Returns 0, or a negative errno with
 * 'why' when that cannot be known. */
int vdpad_holders_major(const char *name, uint32_t *ret_major,
                        struct vdpad_error *why);

/* Calls 'cb' for each vhost-vdpa and VFIO device file that some process has
 * open (again for each descriptor), until it returns something else than 0,
 * which is then returned.  Returns 0 otherwise, or a negative errno with
 * 'why'. */
typedef int vdpad_holders_cb(void *aux, uint32_t major_, uint32_t minor_,
                             int32_t pid);
int vdpad_holders_scan(vdpad_holders_cb *cb, void *aux,
                       struct vdpad_error *why);

/* Writes the command line of 'pid', or its name where it has none, to
 * 'command' of 'size' bytes, for people: printable ASCII, cut. */
void vdpad_holders_command(int32_t pid, char *command, size_t size);

/* Writes to 'macs' of 'size' bytes the MAC addresses that the command line
 * 'text' of 'n' bytes (words end with NUL) gives to devices, in either of
 * QEMU's notations, in lower case, each once, with blanks between; those that
 * do not fit are left out. */
void vdpad_holders_macs(const char *text, size_t n, char *macs, size_t size);

#endif
