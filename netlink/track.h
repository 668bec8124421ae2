/* SPDX-License-Identifier: Apache-2.0 */
/* The helper process that tracks flower filters.
 *
 * Why a process: the table of a hundred thousand filters, and the dumps that
 * bring their counters, are neither for the daemon's thread nor to be begun
 * anew with each request.  It answers requests for VDPAD_FLOW out of its
 * table, whose counters it renews first when they are older than a second,
 * and tells unasked that VDPAD_FLOW or VDPAD_QDISC has changed. */
#ifndef VDPAD_NETLINK_TRACK_H
#define VDPAD_NETLINK_TRACK_H 1

/* Serves until the daemon closes its end.  Returns the exit status. */
int vdpad_track_main(void);

#endif
