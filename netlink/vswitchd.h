/* SPDX-License-Identifier: Apache-2.0 */
/* Processes named ovs-vswitchd, by /proc. */
#ifndef VDPAD_NETLINK_VSWITCHD_H
#define VDPAD_NETLINK_VSWITCHD_H 1

#include <stdint.h>

/* Writes to 'ticks' when 'pid' began, in ticks since boot.  Returns 0 or a
 * negative errno: it has gone. */
int vdpad_process_began(int32_t pid, uint64_t *ticks);

/* The one that began last: '*ret_pid' (0: none runs) and when, as above (0).
 * Returns 0 or a negative errno: processes cannot be seen. */
int vdpad_vswitchd_newest(int32_t *ret_pid, uint64_t *ret_ticks);

#endif
