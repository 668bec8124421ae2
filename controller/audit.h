/* SPDX-License-Identifier: Apache-2.0 */
/* Which TC filters no running Open vSwitch owns.
 *
 * A filter is Open vSwitch's when it is a flower filter with a cookie of 16
 * bytes in its actions, which no other known program makes.  Nobody owns it
 * when, beyond doubt,
 *   - no process named ovs-vswitchd runs, nor any that holds its pid file,
 *     for VDPAD_AUDIT_GRACE_NS, or
 *   - the only one that runs is the one of our database, for as long, and
 *     hw-offload is off and not in effect in it, or the netdev is no port of
 *     it.
 * Whatever leaves a doubt counts as live.  Pure. */
#ifndef VDPAD_AUDIT_H
#define VDPAD_AUDIT_H 1

#include <vdpad/action.h>

#include "effective.h"
#include "world.h"

/* A restart of ovs-vswitchd takes seconds, under load some more: until then
 * one that has ended may come back and claim its filters, and one that has
 * begun may not have claimed all of its ports. */
#define VDPAD_AUDIT_GRACE_NS INT64_C(30000000000)

enum vdpad_audit_class {
    VDPAD_AUDIT_LIVE,     /* A running Open vSwitch's, or it may be. */
    VDPAD_AUDIT_STRANDED, /* Proven to be nobody's. */
    VDPAD_AUDIT_FOREIGN,  /* Other programs' only. */
    VDPAD_AUDIT_CLEAN,    /* No filters. */
};
const char *vdpad_audit_class_name(enum vdpad_audit_class class_);

/* What is known of ovs-vswitchd. */
enum vdpad_audit_owner {
    VDPAD_OWNER_UNSURE, /* Nothing is stranded then. */
    VDPAD_OWNER_GONE,   /* None runs. */
    VDPAD_OWNER_OFF,    /* It runs without hw-offload. */
    VDPAD_OWNER_RUNS,   /* It runs: what its ports have is live. */
};
struct vdpad_audit_ovs {
    enum vdpad_audit_owner owner;
    char text[160]; /* How that is known; why not. */
};

/* 'effect': of the process that runs.  'gone_ns': for how long none has been
 * seen; 'now_ns': since boot, as /proc/PID/stat counts, with 'ticks' a
 * second. */
void vdpad_audit_judge(const struct vdpad_world *world,
                       const struct vdpad_effect_state *effect,
                       int64_t gone_ns, int64_t now_ns, long ticks,
                       struct vdpad_audit_ovs *ret);

/* Whether any process named ovs-vswitchd was seen, or one holds its pid
 * file. */
bool vdpad_audit_runs(const struct vdpad_world *world,
                      const struct vdpad_effect_state *effect);

/* Whether it is certain that none runs on this host. */
bool vdpad_audit_sees_none(const struct vdpad_world *world,
                           const struct vdpad_effect_state *effect);

/* One place where filters can be: a hook of a netdev, or a shared block. */
struct vdpad_audit_row {
    int32_t ifindex; /* 0: the block. */
    uint32_t block;
    bool egress;
    char netdevs[96]; /* Of a block all that share it. */
    enum vdpad_audit_class class_;
    uint32_t chains, filters, ovs_filters, hw_filters;
    bool has_foreign; /* Filters or chains that are not Open vSwitch's. */
    char proof[200];
};

/* All rows, sorted, owned by the caller (free()). */
struct vdpad_audit_row *vdpad_audit(const struct vdpad_world *world,
                                    const struct vdpad_audit_ovs *ovs,
                                    size_t *ret_n);

/* The steps that remove what is stranded in 'row', owned by the caller
 * (free()): the qdiscs where nothing else is in them, else the filters by
 * chain and priority. */
struct vdpad_act *vdpad_audit_steps(const struct vdpad_world *world,
                                    const struct vdpad_audit_row *row,
                                    size_t *ret_n);

#endif
