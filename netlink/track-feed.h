/* SPDX-License-Identifier: Apache-2.0 */
/* Netlink messages into the table of tracked filters. */
#ifndef VDPAD_NETLINK_TRACK_FEED_H
#define VDPAD_NETLINK_TRACK_FEED_H 1

#include "track-table.h"

/* Takes the payload of a message that was announced to the groups of TC and of
 * links, or that is part of the dump under way.  Others than those that
 * concern the table are skipped.  Return 0, VDPAD_CODEC_SKIP or -EBADMSG. */
int vdpad_track_announced(struct vdpad_track *, uint16_t type,
                          const void *payload, size_t len);
int vdpad_track_dumped(struct vdpad_track *, uint16_t type,
                       const void *payload, size_t len);

#endif
