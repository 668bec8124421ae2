/* SPDX-License-Identifier: Apache-2.0 */
/* rtnetlink: counters of netdevs (RTM_GETSTATS, include/uapi/linux/if_link.h,
 * 4.7). */
#ifndef VDPAD_NETLINK_STATS_CODEC_H
#define VDPAD_NETLINK_STATS_CODEC_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nl_msg;

struct vdpad_link_stats {
    int32_t ifindex;
    uint64_t rx_packets;
    uint64_t cpu_hit_packets; /* Of these, those that hardware passed on. */
    bool has_cpu_hit;         /* The driver tells. */
};

/* Decodes the payload of a RTM_NEWSTATS message.  Returns 0 or -EBADMSG. */
int vdpad_stats_decode(const void *payload, size_t len,
                       struct vdpad_link_stats *stats);

/* Appends header and attributes of a dump of all netdevs to 'msg'.  Returns 0
 * or -EMSGSIZE. */
int vdpad_stats_encode_dump(struct nl_msg *msg);

#endif
