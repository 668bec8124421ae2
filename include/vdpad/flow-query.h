/* SPDX-License-Identifier: Apache-2.0 */
/* Single flows, in full: asked for on demand, page by page, since there may be
 * a hundred thousand.  What is kept all the time are sums (VDPAD_FLOW,
 * VDPAD_KFLOW). */
#ifndef VDPAD_FLOW_QUERY_H
#define VDPAD_FLOW_QUERY_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vdpad/error.h>

/* Where packets of a flow are handled. */
enum vdpad_flow_where {
    VDPAD_FLOW_IN_HW,     /* A flower filter that is in hardware. */
    VDPAD_FLOW_IN_TC,     /* A flower filter in software. */
    VDPAD_FLOW_IN_KERNEL, /* Open vSwitch's kernel datapath. */
};

/* What a flow needs of the hardware: bits of vdpad_flow_detail.uses. */
enum vdpad_flow_use {
    /* Matches. */
    VDPAD_USE_CT_STATE = 1u << 0,   /* Connection state, zone, mark, label. */
    VDPAD_USE_RECIRC = 1u << 1,     /* A chain, or recirc_id, other than 0. */
    VDPAD_USE_TUNNEL_KEY = 1u << 2, /* It comes from a tunnel. */
    VDPAD_USE_VLAN_KEY = 1u << 3,
    VDPAD_USE_MPLS_KEY = 1u << 4,
    VDPAD_USE_FRAG_KEY = 1u << 5, /* Later fragments. */
    VDPAD_USE_DP_HASH = 1u << 6,  /* Kernel datapath only, like … */
    VDPAD_USE_PKT_MARK = 1u << 7,
    VDPAD_USE_PRIORITY = 1u << 8,  /* … this. */
    VDPAD_USE_OTHER_KEY = 1u << 9, /* One that we do not know. */
    /* Actions. */
    VDPAD_USE_CT = 1u << 16,
    VDPAD_USE_GOTO = 1u << 17,       /* Recirculation. */
    VDPAD_USE_TUNNEL_SET = 1u << 18, /* Into a tunnel. */
    VDPAD_USE_TUNNEL_UNSET = 1u << 19,
    VDPAD_USE_VLAN = 1u << 20,
    VDPAD_USE_MPLS = 1u << 21,
    VDPAD_USE_PEDIT = 1u << 22,
    VDPAD_USE_POLICE = 1u << 23, /* A meter. */
    VDPAD_USE_MIRROR = 1u << 24, /* More than one output. */
    VDPAD_USE_SAMPLE = 1u << 25,
    VDPAD_USE_USERSPACE = 1u << 26, /* To ovs-vswitchd: logging, sFlow,
                                         * slow path. */
    VDPAD_USE_HASH = 1u << 27,      /* dp_hash, for groups. */
    VDPAD_USE_OTHER_ACTION = 1u << 28,
};

/* Of vdpad_flow_detail.tc_flags: whoever made the filter keeps it out of
 * hardware (TCA_CLS_FLAGS_SKIP_HW, include/uapi/linux/pkt_cls.h). */
#define VDPAD_TC_SKIP_HW (1u << 0)

/* Identifies a flow among those of its kind; also the order of answers. */
struct vdpad_flow_pos {
    int32_t ifindex; /* Of TC: 0 for a shared block. */
    uint32_t block;  /* Of TC. */
    uint32_t parent, chain;
    uint16_t prio, protocol; /* 'protocol': an ETH_P_*, in host order. */
    uint32_t handle;
    uint8_t ufid[16]; /* Of the kernel datapath; else 0. */
};

#define VDPAD_FLOW_TEXT_SIZE 640
#define VDPAD_FLOW_OUTPUTS 8

struct vdpad_flow_detail {
    int32_t where; /* enum vdpad_flow_where. */
    struct vdpad_flow_pos pos;
    int32_t ifindex; /* Where its packets come in; 0: several. */
    bool has_ufid;
    uint8_t ufid[16];     /* Open vSwitch's identifier (TC: the cookie). */
    uint32_t tc_flags;    /* TCA_CLS_FLAGS_*. */
    uint32_t in_hw_count; /* Drivers that have it. */
    uint32_t uses;        /* enum vdpad_flow_use. */
    int32_t outputs[VDPAD_FLOW_OUTPUTS]; /* Netdevs (ifindex); 0 behind the
                                         * last. */
    uint64_t hw_packets, hw_bytes, sw_packets, sw_bytes;
    int64_t used_ms; /* Since the last packet; -1: none yet, or not told. */
    int64_t age_ms;  /* Since it was made; -1: not told. */
    char
        match[VDPAD_FLOW_TEXT_SIZE]; /* As Open vSwitch writes them; printable;
                                         * "…" at the end when cut. */
    char actions[VDPAD_FLOW_TEXT_SIZE];
};

enum vdpad_flow_query_kind {
    VDPAD_QUERY_TC,       /* Flower filters. */
    VDPAD_QUERY_DATAPATH, /* The kernel datapath's flows.  Takes generic
                           * netlink. */
    VDPAD_QUERY_PROBE,    /* Whether hardware would take the filter 'at' now,
                           * and why not: the same match and actions are
                           * offered to it once more (skip_sw, verbose) at a
                           * priority behind all of Open vSwitch's, and
                           * removed at once if they are taken. */
};

struct vdpad_flow_query {
    int32_t kind;     /* enum vdpad_flow_query_kind. */
    int32_t ifindex;  /* TC, DATAPATH: only its flows; 0: all. */
    uint32_t block;   /* TC: only those of this shared block; 0: all. */
    uint32_t where;   /* TC: bits 1 << enum vdpad_flow_where; 0: all. */
    bool has_ufid;    /* Only the one with this … */
    uint8_t ufid[16]; /* … identifier. */
    uint32_t limit;   /* So many at most; 0: 1000. */
    bool has_at;
    struct vdpad_flow_pos at; /* TC, DATAPATH: those that come after this one;
                               * PROBE: this one. */
};

/* Ends a query.  0: the 'n' 'flows', sorted, borrowed for the call; 'more':
 * there are others behind the last one.  A probe has none: 0 means taken,
 * -EEXIST that it is in hardware already, -ENOENT that the filter is gone,
 * -EBUSY that the priority which it needs is used, -ENOMSG that it cannot be
 * copied; -EAGAIN, -EINTR, -EBADMSG: it could not be read; -EIO: the helper
 * process died; -ETIMEDOUT as for observe().  Other errors are the driver's
 * refusal with its words in 'why' (-EREMOTEIO if its errno is one of these).
 * Otherwise a negative errno with 'why'; -ETIMEDOUT as for observe(). */
typedef void vdpad_flow_query_cb(void *aux, int error,
                                 const struct vdpad_flow_detail *flows,
                                 size_t n, bool more,
                                 const struct vdpad_error *why);

/* Whether 'error' of a probe is the driver's refusal: none of those that have
 * a meaning of their own there, nor 0. */
bool vdpad_probe_is_refusal(int error);

#endif
