/* SPDX-License-Identifier: Apache-2.0 */
/* What track-table.c, track-scopes.c and track-flows.c share.
 *
 *   netdev ── scope ──< group ──< flow
 *
 * Everything is named by a number, since things move in memory.  A flow has 48
 * bytes and some 5 to 9 in the index. */
#ifndef VDPAD_NETLINK_TRACK_PRIVATE_H
#define VDPAD_NETLINK_TRACK_PRIVATE_H 1

#include "track-index.h"
#include "track-table.h"

#define NONE VDPAD_INDEX_NONE

struct track_sums {
    uint64_t hw_packets, hw_bytes, sw_packets, sw_bytes;
};

struct track_counts {
    uint32_t hw, sw, foreign;
};

/* A filter. */
struct track_flow {
    uint32_t group : 20;
    uint32_t in_hw : 1;
    uint32_t is_foreign : 1;
    uint32_t mark : 1;     /* That of the scope: seen in the present dump. */
    uint32_t is_dead : 1;  /* Gone while its scope is being dumped. */
    uint32_t is_named : 1; /* By an event, since that dump began. */
    uint32_t is_added : 1; /* By that dump. */
    uint32_t n_missed : 2; /* Dumps that may have stepped over it. */
    uint32_t handle;
    uint32_t next, prev;    /* Of the group. */
    struct track_sums seen; /* When last seen: what is in the sums. */
};

/* All filters of one classifier: one chain, prio and protocol. */
struct track_group {
    uint32_t scope;
    uint32_t chain;
    uint16_t prio, protocol;
    bool is_killed;         /* Went as a whole while being dumped. */
    uint32_t first;         /* Flow. */
    uint32_t n_live, n_all; /* Flows; the second with dead ones. */
    uint32_t next, prev;    /* Of the scope; 'next' also of free ones. */
};

/* Filters past the limit, as a dump had them. */
struct track_over {
    uint32_t n;
    struct track_counts counts;
    struct track_sums sums;
    struct track_sums moved; /* Of 'sums': of what is kept from now on. */
};

struct track_scope {
    bool is_used;
    bool is_synced; /* Dumped since the last loss. */
    bool is_known;  /* Dumped at all. */
    bool is_wanted; /* To be dumped. */
    bool mark;
    int32_t ifindex; /* 0: of 'block'. */
    uint32_t block;
    uint32_t refs;        /* Netdevs. */
    uint32_t n_disturbed; /* Dumps since it was certain. */
    uint32_t first;       /* Group. */
    uint32_t n_all;       /* Flows, dead ones included. */
    struct track_counts counts;
    struct track_sums sums;
    struct track_over over;
};

struct track_netdev {
    bool is_used;
    bool has_qdisc, clsact;
    bool is_qdisc_seen; /* In the present dump, or named by an event. */
    bool is_stats_seen;
    bool has_cpu_hit;
    int32_t ifindex;
    uint32_t epoch;
    uint32_t ingress_block, egress_block;
    uint32_t scope;           /* NONE: none. */
    struct track_sums before; /* To be added to the scope's; modulo 2^64. */
    uint64_t rx_packets, cpu_hit_packets;
};

struct track_dump {
    bool is_running;
    uint32_t scope;       /* NONE: it has gone. */
    bool is_disturbed;    /* It may have stepped over filters. */
    uint32_t group, flow; /* Of its last row; NONE: none. */
    uint32_t n_seen;      /* Live flows that have its mark. */
    uint32_t n_added;     /* Flows it added, not named since. */
    bool has_traces;      /* Dead or named flows, killed groups. */
    struct track_over over;
};

/* Flows are in pieces, so that growing copies nothing. */
#define TRACK_CHUNK 1024u

/* That many dumps running which stepped over the same are believed. */
#define TRACK_MISSED 3u

struct vdpad_track {
    uint32_t epoch;
    uint32_t max;
    unsigned int changed;
    uint64_t repaired;

    struct track_flow **chunks;
    uint32_t n_chunks, chunks_capacity, n_flows;
    struct track_group *groups;
    uint32_t n_groups, groups_capacity, free_group;
    struct vdpad_index flow_index, group_index;

    struct track_scope *scopes;
    uint32_t n_scopes;
    struct track_netdev *netdevs;
    uint32_t n_netdevs, netdevs_used;
    struct vdpad_index scope_index, netdev_index;

    bool wants_qdiscs, qdiscs_running, qdiscs_disturbed;
    bool stats_running;
    uint32_t next_scope; /* Where vdpad_track_next() goes on. */
    struct track_dump dump;
};

static inline struct track_flow *
track_flow(const struct vdpad_track *t, uint32_t id)
{
    return &t->chunks[id / TRACK_CHUNK][id % TRACK_CHUNK];
}

/* track-flows.c: flows and groups. */

/* The group of 'scope' with the chain, prio and protocol of 'filter', or
 * NONE. */
uint32_t track_group_find(const struct vdpad_track *, uint32_t scope,
                          const struct vdpad_filter *filter);
/* Likewise, made if there is none; NONE: no room. */
uint32_t track_group_get(struct vdpad_track *, uint32_t scope,
                         const struct vdpad_filter *filter);
/* Frees the group if nothing is in it. */
void track_group_put(struct vdpad_track *, uint32_t id);
uint32_t track_flow_find(const struct vdpad_track *, uint32_t group,
                         uint32_t handle);
/* A new flow, not counted, without counters; NONE: no room. */
uint32_t track_flow_add(struct vdpad_track *, uint32_t group, uint32_t handle);
/* Frees the flow, which must not be counted any more; its group stays.  The
 * last flow gets its number. */
void track_flow_free(struct vdpad_track *, uint32_t id);
/* Frees all flows of the group, their counts included. */
void track_group_empty(struct vdpad_track *, uint32_t id);
/* Counts the flow, and no longer. */
void track_flow_count(struct vdpad_track *, struct track_flow *flow);
void track_flow_uncount(struct vdpad_track *, struct track_flow *flow);
/* Takes what 'filter' has more than was seen of it. */
void track_flow_take(struct vdpad_track *, struct track_flow *flow,
                     const struct vdpad_filter *filter);
/* The same of a filter that went.  The kernel writes its end down before it
 * takes it away, without RTNL (tfilter_del_notify(), net/sched/cls_api.c of
 * 6.12): a dump may have read more meanwhile, and less is old. */
void track_flow_take_last(struct vdpad_track *, struct track_flow *flow,
                          const struct vdpad_filter *filter);
/* What a filter has counted, software and hardware apart. */
struct track_sums track_sums_of(const struct vdpad_filter *filter);
void track_sums_add(struct track_sums *to, const struct track_sums *sums);
void track_sums_sub(struct track_sums *from, const struct track_sums *sums);

/* track-scopes.c: netdevs, their qdiscs and scopes. */

/* By key, or NONE. */
uint32_t track_scope_find(const struct vdpad_track *, int32_t ifindex,
                          uint32_t block);
uint32_t track_netdev_find(const struct vdpad_track *, int32_t ifindex);
/* The scope that 'filter' is in, or NONE.  One that came ('is_there') though
 * no such scope is known has qdiscs looked at. */
uint32_t track_scope_of(struct vdpad_track *,
                        const struct vdpad_filter *filter, bool is_there);
/* To be dumped, since it is not known what is in it. */
void track_scope_doubt(struct vdpad_track *, uint32_t id);

#endif
