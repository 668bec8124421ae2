/* SPDX-License-Identifier: Apache-2.0 */
#include "stats-codec.h"

#include <errno.h>
#include <string.h>

#include <netlink/msg.h>

#include "attrs.h"
#include "uapi.h"

/* The structure has grown, and grows, at its end. */
#define PACKETS_SIZE                                \
    (offsetof(struct rtnl_link_stats64, rx_packets) \
     + sizeof((struct rtnl_link_stats64 *) NULL)->rx_packets)

static const struct nla_policy policy[IFLA_STATS_MAX + 1] = {
    [IFLA_STATS_LINK_64] = VDPAD_POLICY_BYTES(PACKETS_SIZE, 0),
    [IFLA_STATS_LINK_OFFLOAD_XSTATS] = VDPAD_POLICY_NEST,
};

static const struct nla_policy
    offload_policy[IFLA_OFFLOAD_XSTATS_CPU_HIT + 1] = {
        [IFLA_OFFLOAD_XSTATS_CPU_HIT] = VDPAD_POLICY_BYTES(PACKETS_SIZE, 0),
    };

static uint64_t
rx_packets(const struct nlattr *attr)
{
    uint64_t packets;

    memcpy(&packets,
           (const char *) nla_data(attr)
               + offsetof(struct rtnl_link_stats64, rx_packets),
           sizeof packets);
    return packets;
}

int
vdpad_stats_decode(const void *payload, size_t len,
                   struct vdpad_link_stats *stats)
{
    struct nlattr *tb[IFLA_STATS_MAX + 1];
    struct nlattr *offload[IFLA_OFFLOAD_XSTATS_CPU_HIT + 1];
    struct if_stats_msg header;
    int error = vdpad_attrs_parse_after(tb, IFLA_STATS_MAX, payload, len,
                                        sizeof header, policy);

    if (error) {
        return error;
    }
    memcpy(&header, payload, sizeof header);
    memset(stats, 0, sizeof *stats);
    stats->ifindex = (int32_t) header.ifindex;
    if (stats->ifindex <= 0) {
        return -EBADMSG;
    }
    if (tb[IFLA_STATS_LINK_64]) {
        stats->rx_packets = rx_packets(tb[IFLA_STATS_LINK_64]);
    }
    if (!tb[IFLA_STATS_LINK_OFFLOAD_XSTATS]) {
        return 0;
    }
    error = vdpad_attrs_parse_nested(offload, IFLA_OFFLOAD_XSTATS_CPU_HIT,
                                     tb[IFLA_STATS_LINK_OFFLOAD_XSTATS],
                                     offload_policy);
    if (!error && offload[IFLA_OFFLOAD_XSTATS_CPU_HIT]) {
        stats->has_cpu_hit = true;
        stats->cpu_hit_packets = rx_packets(
            offload[IFLA_OFFLOAD_XSTATS_CPU_HIT]);
    }
    return error;
}

int
vdpad_stats_encode_dump(struct nl_msg *msg)
{
    struct if_stats_msg header = {
        .family = AF_UNSPEC,
        .filter_mask = IFLA_STATS_FILTER_BIT(IFLA_STATS_LINK_64)
                       | IFLA_STATS_FILTER_BIT(IFLA_STATS_LINK_OFFLOAD_XSTATS),
    };

    return nlmsg_append(msg, &header, sizeof header, NLMSG_ALIGNTO) ? -EMSGSIZE
                                                                    : 0;
}
