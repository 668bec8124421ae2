/* SPDX-License-Identifier: Apache-2.0 */
/* rtnetlink: qdiscs and flower filters (include/uapi/linux/rtnetlink.h,
 * pkt_cls.h, gen_stats.h). */
#ifndef VDPAD_NETLINK_TC_CODEC_H
#define VDPAD_NETLINK_TC_CODEC_H 1

#include <vdpad/model.h>

struct nl_msg;

/* Open vSwitch keeps a flow's identifier in the cookie of its actions. */
#define VDPAD_OVS_COOKIE_SIZE 16

struct vdpad_tc_counters {
    uint64_t packets, bytes;
};

/* What the actions of one filter have counted, of the busiest one.  A police
 * action can be shared: one that is an Open vSwitch meter counts the packets
 * of all filters that have it, so that it is asked only where no other action
 * counts. */
struct vdpad_tc_stats {
    bool is_own;                      /* Of actions other than police. */
    struct vdpad_tc_counters all, hw; /* 'hw': what the hardware counted. */
};

/* What a message says of one filter: in a dump, or when it came or went. */
struct vdpad_filter {
    int32_t ifindex; /* 0: of the shared block 'parent'. */
    uint32_t parent; /* TC_H_..., or the number of the block. */
    uint32_t chain;
    uint32_t handle;         /* 0: all that have 'prio' in 'chain'. */
    uint16_t prio, protocol; /* The protocol in network order. */
    bool is_flower;          /* The rest holds for flower only. */
    bool in_hw;
    bool has_cookie;               /* Of 16 bytes: Open vSwitch's. */
    uint64_t packets, bytes;       /* As struct vdpad_tc_stats has them. */
    uint64_t hw_packets, hw_bytes; /* Those that the hardware counted. */
};

/* Decode the payload of a message (a tcmsg with its attributes, aligned
 * to 4).  Return 0, VDPAD_CODEC_SKIP (not an ingress or clsact qdisc; not a
 * flower filter) or -EBADMSG. */
int vdpad_tc_decode_qdisc(const void *payload, size_t len,
                          struct vdpad_qdisc *row);
int vdpad_tc_decode_filter(const void *payload, size_t len,
                           struct vdpad_filter *filter);

/* Like vdpad_tc_decode_filter(), but skips nothing: for what is announced,
 * chains (RTM_NEWCHAIN, RTM_DELCHAIN: neither prio nor handle) included. */
int vdpad_tc_decode_event(const void *payload, size_t len,
                          struct vdpad_filter *filter);

/* Whether an action whose TCA_ACT_KIND is the 'len' bytes at 'kind' can be
 * shared by filters ("police"). */
bool vdpad_tc_is_shared(const void *kind, size_t len);

/* Adds the counters of one action, the 'len' bytes at 'data' that are in its
 * TCA_ACT_STATS (any alignment, unchecked), to 'stats', which begins zeroed.
 * The order of actions is of no matter.  Returns 0 or -EBADMSG. */
int vdpad_tc_take_stats(const void *data, size_t len, bool is_shared,
                        struct vdpad_tc_stats *stats);

/* Append header and attributes of a request to 'msg'.  Return 0 or
 * -EMSGSIZE.  Filters are those at the ingress of netdev 'ifindex', or, when
 * it is 0, of the shared block 'block'; 'terse' in the terse form, where the
 * kernel knows it (5.8).  Only flower has that: the kernel passes over a
 * matchall filter then, and ends the dump with EMSGSIZE at one of any other
 * kind (tcf_fill_node(), net/sched/cls_api.c of 6.12). */
int vdpad_tc_encode_qdisc_dump(struct nl_msg *msg);
int vdpad_tc_encode_qdisc_del(struct nl_msg *msg, int32_t ifindex,
                              const char *kind);
int vdpad_tc_encode_filter_dump(struct nl_msg *msg, int32_t ifindex,
                                uint32_t block, bool terse);

#endif
