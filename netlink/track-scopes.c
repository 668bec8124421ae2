/* SPDX-License-Identifier: Apache-2.0 */
/* Netdevs with their qdiscs, and the scopes that follow from these. */
#include <stdlib.h>
#include <string.h>

#include "track-private.h"
#include "uapi.h"

#define FLOW_BIT (1u << VDPAD_FLOW)
#define QDISC_BIT (1u << VDPAD_QDISC)

static uint32_t
scope_hash(const void *t_, uint32_t id)
{
    const struct vdpad_track *t = t_;

    return vdpad_index_hash((uint32_t) t->scopes[id].ifindex,
                            t->scopes[id].block);
}

static uint32_t
netdev_hash(const void *t_, uint32_t id)
{
    const struct vdpad_track *t = t_;

    return vdpad_index_hash((uint32_t) t->netdevs[id].ifindex, 0);
}

uint32_t
track_scope_find(const struct vdpad_track *t, int32_t ifindex, uint32_t block)
{
    uint32_t hash = vdpad_index_hash((uint32_t) ifindex, block);
    uint32_t at = NONE, id;

    while ((id = vdpad_index_probe(&t->scope_index, hash, &at)) != NONE) {
        if (t->scopes[id].ifindex == ifindex && t->scopes[id].block == block) {
            break;
        }
    }
    return id;
}

uint32_t
track_netdev_find(const struct vdpad_track *t, int32_t ifindex)
{
    uint32_t hash = vdpad_index_hash((uint32_t) ifindex, 0);
    uint32_t at = NONE, id;

    while ((id = vdpad_index_probe(&t->netdev_index, hash, &at)) != NONE) {
        if (t->netdevs[id].ifindex == ifindex) {
            break;
        }
    }
    return id;
}

static uint32_t
scope_new(struct vdpad_track *t, int32_t ifindex, uint32_t block)
{
    uint32_t id = 0;

    while (id < t->n_scopes && t->scopes[id].is_used) {
        id++;
    }
    if (id == t->n_scopes) {
        t->scopes = vdpad_nl_realloc(t->scopes, ++t->n_scopes,
                                     sizeof *t->scopes);
    }
    t->scopes[id] = (struct track_scope){
        .is_used = true,
        .is_wanted = true,
        .ifindex = ifindex,
        .block = block,
        .first = NONE,
    };
    vdpad_index_add(&t->scope_index, scope_hash(t, id), id, scope_hash, t);
    return id;
}

static void
scope_free(struct vdpad_track *t, uint32_t id)
{
    struct track_scope *scope = &t->scopes[id];
    uint32_t group;

    if (t->dump.is_running && t->dump.scope == id) {
        t->dump.scope = NONE;
    }
    while ((group = t->scopes[id].first) != NONE) {
        track_group_empty(t, group);
        t->groups[group].is_killed = false;
        track_group_put(t, group);
    }
    vdpad_index_remove(&t->scope_index, scope_hash(t, id), id, scope_hash, t);
    scope->is_used = false;
}

static void
scope_leave(struct vdpad_track *t, struct track_netdev *netdev)
{
    uint32_t id = netdev->scope;

    if (id == NONE) {
        return;
    }
    track_sums_add(&netdev->before, &t->scopes[id].sums);
    netdev->scope = NONE;
    if (!--t->scopes[id].refs) {
        scope_free(t, id);
    }
    t->changed |= FLOW_BIT;
}

static void
scope_join(struct vdpad_track *t, struct track_netdev *netdev)
{
    static const struct track_sums zero = { 0, 0, 0, 0 };
    uint32_t block = netdev->ingress_block;
    int32_t ifindex = block ? 0 : netdev->ifindex;
    uint32_t id = track_scope_find(t, ifindex, block);

    if (id == NONE) {
        id = scope_new(t, ifindex, block);
    }
    t->scopes[id].refs++;
    netdev->scope = id;
    /* All ports of a block show the same; but one that has counted goes on
     * from there. */
    if (memcmp(&netdev->before, &zero, sizeof zero)) {
        track_sums_sub(&netdev->before, &t->scopes[id].sums);
    }
    t->changed |= FLOW_BIT;
}

void
track_scope_doubt(struct vdpad_track *t, uint32_t id)
{
    t->scopes[id].is_synced = false;
    t->scopes[id].is_wanted = true;
}

static uint32_t
netdev_get(struct vdpad_track *t, int32_t ifindex)
{
    uint32_t id = track_netdev_find(t, ifindex);

    if (id != NONE) {
        return id;
    }
    for (id = 0; id < t->n_netdevs && t->netdevs[id].is_used; id++) {
    }
    if (id == VDPAD_INDEX_MAX) {
        return NONE;
    }
    if (id == t->n_netdevs) {
        t->netdevs = vdpad_nl_realloc(t->netdevs, ++t->n_netdevs,
                                      sizeof *t->netdevs);
    }
    memset(&t->netdevs[id], 0, sizeof t->netdevs[id]);
    t->netdevs[id].is_used = true;
    t->netdevs[id].ifindex = ifindex;
    t->netdevs[id].epoch = t->epoch++;
    t->netdevs[id].scope = NONE;
    t->netdevs_used++;
    vdpad_index_add(&t->netdev_index, netdev_hash(t, id), id, netdev_hash, t);
    return id;
}

static void
netdev_free(struct vdpad_track *t, uint32_t id)
{
    struct track_netdev *netdev = &t->netdevs[id];

    scope_leave(t, netdev);
    vdpad_index_remove(&t->netdev_index, netdev_hash(t, id), id, netdev_hash,
                       t);
    netdev->is_used = false;
    t->netdevs_used--;
    t->changed |= FLOW_BIT;
}

static void
set_qdisc(struct vdpad_track *t, struct track_netdev *netdev,
          const struct vdpad_qdisc *row)
{
    bool is_same = netdev->has_qdisc && netdev->clsact == row->clsact
                   && netdev->ingress_block == row->ingress_block;

    if (!is_same) {
        scope_leave(t, netdev);
        netdev->has_qdisc = true;
        netdev->clsact = row->clsact;
        netdev->ingress_block = row->ingress_block;
        scope_join(t, netdev);
    }
    if (!is_same || netdev->egress_block != row->egress_block) {
        netdev->egress_block = row->egress_block;
        t->changed |= QDISC_BIT;
    }
}

static void
clear_qdisc(struct vdpad_track *t, struct track_netdev *netdev)
{
    if (netdev->has_qdisc) {
        netdev->has_qdisc = false;
        scope_leave(t, netdev);
        t->changed |= QDISC_BIT | FLOW_BIT;
    }
}

void
vdpad_track_event_qdisc(struct vdpad_track *t, const struct vdpad_qdisc *row,
                        bool is_there)
{
    uint32_t id = is_there ? netdev_get(t, row->ifindex)
                           : track_netdev_find(t, row->ifindex);
    struct track_netdev *netdev;

    if (id == NONE) {
        return;
    }
    netdev = &t->netdevs[id];
    netdev->is_qdisc_seen = true;
    if (!is_there) {
        clear_qdisc(t, netdev);
    } else if (netdev->has_qdisc) {
        set_qdisc(t, netdev, row);
        /* Announced though it was there: perhaps it is another one. */
        track_scope_doubt(t, netdev->scope);
    } else {
        set_qdisc(t, netdev, row);
    }
    t->changed |= QDISC_BIT;
}

void
vdpad_track_event_link_gone(struct vdpad_track *t, int32_t ifindex)
{
    uint32_t id = track_netdev_find(t, ifindex);

    /* The kernel counts netdevs to find its place in a dump of qdiscs again
     * (tc_dump_qdisc(), net/sched/sch_api.c). */
    t->qdiscs_disturbed = true;
    if (id != NONE) {
        t->changed |= t->netdevs[id].has_qdisc ? QDISC_BIT : 0;
        netdev_free(t, id);
    }
}

void
vdpad_track_lost(struct vdpad_track *t)
{
    t->wants_qdiscs = true;
    t->qdiscs_disturbed = true;
    t->dump.is_disturbed = true;
    for (uint32_t i = 0; i < t->n_scopes; i++) {
        if (t->scopes[i].is_used) {
            track_scope_doubt(t, i);
        }
    }
    t->changed |= QDISC_BIT | FLOW_BIT;
}

/* Whether 'block' is one that only serves what leaves netdevs. */
static bool
is_egress_block(const struct vdpad_track *t, uint32_t block)
{
    for (uint32_t i = 0; i < t->n_netdevs; i++) {
        if (t->netdevs[i].is_used && t->netdevs[i].has_qdisc
            && t->netdevs[i].egress_block == block) {
            return true;
        }
    }
    return false;
}

uint32_t
track_scope_of(struct vdpad_track *t, const struct vdpad_filter *f,
               bool is_there)
{
    const struct track_netdev *netdev;
    uint32_t id;

    if (!f->ifindex) {
        id = track_scope_find(t, 0, f->parent);
        if (id == NONE && is_there && !is_egress_block(t, f->parent)) {
            t->wants_qdiscs = true;
        }
        return id;
    }
    if (TC_H_MAJ(f->parent) != TC_H_MAJ(TC_H_INGRESS)) {
        return NONE; /* Of a qdisc for what leaves. */
    }
    id = track_netdev_find(t, f->ifindex);
    netdev = id == NONE ? NULL : &t->netdevs[id];
    if (!netdev || !netdev->has_qdisc) {
        /* Filters need no lock, so that one can be announced before the qdisc
         * that it is under. */
        t->wants_qdiscs |= is_there;
        return NONE;
    }
    if (netdev->clsact && TC_H_MIN(f->parent) != TC_H_MIN(TC_H_MIN_INGRESS)) {
        return NONE;
    }
    return netdev->ingress_block ? NONE : netdev->scope;
}

bool
vdpad_track_wants_qdiscs(const struct vdpad_track *t)
{
    return t->wants_qdiscs;
}

void
vdpad_track_qdiscs_begin(struct vdpad_track *t)
{
    t->qdiscs_running = true;
    t->qdiscs_disturbed = false;
    t->wants_qdiscs = false;
    for (uint32_t i = 0; i < t->n_netdevs; i++) {
        t->netdevs[i].is_qdisc_seen = false;
    }
}

void
vdpad_track_qdiscs_row(struct vdpad_track *t, const struct vdpad_qdisc *row)
{
    uint32_t id = track_netdev_find(t, row->ifindex);

    /* What an event said meanwhile is later than, or the same as, this. */
    if (id != NONE && t->netdevs[id].is_qdisc_seen) {
        return;
    }
    id = netdev_get(t, row->ifindex);
    if (id == NONE) {
        return;
    }
    t->netdevs[id].is_qdisc_seen = true;
    set_qdisc(t, &t->netdevs[id], row);
}

void
vdpad_track_qdiscs_end(struct vdpad_track *t, bool complete)
{
    bool is_sure = complete && !t->qdiscs_disturbed;

    t->qdiscs_running = false;
    for (uint32_t i = 0; is_sure && i < t->n_netdevs; i++) {
        struct track_netdev *netdev = &t->netdevs[i];

        if (netdev->is_used && !netdev->is_qdisc_seen) {
            clear_qdisc(t, netdev);
        }
    }
    t->wants_qdiscs |= !is_sure;
}

void
vdpad_track_stats_begin(struct vdpad_track *t)
{
    for (uint32_t i = 0; i < t->n_netdevs; i++) {
        t->netdevs[i].is_stats_seen = false;
    }
}

void
vdpad_track_stats_row(struct vdpad_track *t,
                      const struct vdpad_link_stats *stats)
{
    uint32_t id = stats->has_cpu_hit ? netdev_get(t, stats->ifindex)
                                     : track_netdev_find(t, stats->ifindex);
    struct track_netdev *netdev;

    if (id == NONE) {
        return;
    }
    netdev = &t->netdevs[id];
    netdev->is_stats_seen = true;
    if (netdev->rx_packets != stats->rx_packets
        || netdev->has_cpu_hit != stats->has_cpu_hit
        || netdev->cpu_hit_packets != stats->cpu_hit_packets) {
        netdev->rx_packets = stats->rx_packets;
        netdev->has_cpu_hit = stats->has_cpu_hit;
        netdev->cpu_hit_packets = stats->cpu_hit_packets;
        t->changed |= FLOW_BIT;
    }
}

void
vdpad_track_stats_end(struct vdpad_track *t, bool complete)
{
    for (uint32_t i = 0; complete && i < t->n_netdevs; i++) {
        struct track_netdev *netdev = &t->netdevs[i];

        if (!netdev->is_used || netdev->is_stats_seen) {
            continue;
        }
        if (netdev->has_qdisc) {
            /* It came just now, or its end was not told. */
            t->wants_qdiscs = true;
        } else {
            netdev_free(t, i);
        }
    }
}
