/* SPDX-License-Identifier: Apache-2.0 */
/* Flows and groups: where they are kept and how they are found. */
#include <stdlib.h>
#include <string.h>

#include "track-private.h"

static uint32_t
group_key_hash(uint32_t scope, uint32_t chain, uint16_t prio,
               uint16_t protocol)
{
    return vdpad_index_hash(vdpad_index_hash(scope, chain),
                            (uint32_t) prio << 16 | protocol);
}

static uint32_t
group_hash(const void *t_, uint32_t id)
{
    const struct vdpad_track *t = t_;
    const struct track_group *group = &t->groups[id];

    return group_key_hash(group->scope, group->chain, group->prio,
                          group->protocol);
}

static uint32_t
flow_hash(const void *t_, uint32_t id)
{
    const struct track_flow *flow = track_flow(t_, id);

    return vdpad_index_hash(flow->group, flow->handle);
}

uint32_t
track_group_find(const struct vdpad_track *t, uint32_t scope,
                 const struct vdpad_filter *filter)
{
    uint32_t hash = group_key_hash(scope, filter->chain, filter->prio,
                                   filter->protocol);
    uint32_t at = NONE, id;

    while ((id = vdpad_index_probe(&t->group_index, hash, &at)) != NONE) {
        const struct track_group *group = &t->groups[id];

        if (group->scope == scope && group->chain == filter->chain
            && group->prio == filter->prio
            && group->protocol == filter->protocol) {
            break;
        }
    }
    return id;
}

static uint32_t
group_new(struct vdpad_track *t)
{
    uint32_t id = t->free_group;

    if (id != NONE) {
        t->free_group = t->groups[id].next;
    } else {
        if (t->n_groups >= VDPAD_INDEX_MAX) {
            return NONE;
        }
        if (t->n_groups == t->groups_capacity) {
            t->groups_capacity = t->groups_capacity ? t->groups_capacity * 2
                                                    : 16;
            t->groups = vdpad_nl_realloc(t->groups, t->groups_capacity,
                                         sizeof *t->groups);
        }
        id = t->n_groups++;
    }
    return id;
}

uint32_t
track_group_get(struct vdpad_track *t, uint32_t scope_id,
                const struct vdpad_filter *filter)
{
    uint32_t id = track_group_find(t, scope_id, filter);
    struct track_scope *scope = &t->scopes[scope_id];

    if (id != NONE) {
        return id;
    }
    id = group_new(t);
    if (id == NONE) {
        return NONE;
    }
    t->groups[id] = (struct track_group){
        .scope = scope_id,
        .chain = filter->chain,
        .prio = filter->prio,
        .protocol = filter->protocol,
        .first = NONE,
        .next = scope->first,
        .prev = NONE,
    };
    if (scope->first != NONE) {
        t->groups[scope->first].prev = id;
    }
    scope->first = id;
    vdpad_index_add(&t->group_index, group_hash(t, id), id, group_hash, t);
    return id;
}

/* Gives memory back when the table has become much smaller. */
static void
groups_shrink(struct vdpad_track *t)
{
    if (!t->group_index.used && t->groups_capacity > 16) {
        free(t->groups);
        t->groups = NULL;
        t->n_groups = t->groups_capacity = 0;
        t->free_group = NONE;
    }
}

void
track_group_put(struct vdpad_track *t, uint32_t id)
{
    struct track_group *group = &t->groups[id];

    if (group->n_all || group->is_killed) {
        return;
    }
    vdpad_index_remove(&t->group_index, group_hash(t, id), id, group_hash, t);
    if (group->prev != NONE) {
        t->groups[group->prev].next = group->next;
    } else {
        t->scopes[group->scope].first = group->next;
    }
    if (group->next != NONE) {
        t->groups[group->next].prev = group->prev;
    }
    group->next = t->free_group;
    t->free_group = id;
    groups_shrink(t);
}

uint32_t
track_flow_find(const struct vdpad_track *t, uint32_t group, uint32_t handle)
{
    uint32_t hash = vdpad_index_hash(group, handle);
    uint32_t at = NONE, id;

    while ((id = vdpad_index_probe(&t->flow_index, hash, &at)) != NONE) {
        const struct track_flow *flow = track_flow(t, id);

        if (flow->handle == handle && flow->group == group) {
            break;
        }
    }
    return id;
}

uint32_t
track_flow_add(struct vdpad_track *t, uint32_t group_id, uint32_t handle)
{
    struct track_group *group = &t->groups[group_id];
    struct track_flow *flow;
    uint32_t id = t->n_flows;

    if (id >= t->max) {
        return NONE;
    }
    if (id / TRACK_CHUNK == t->n_chunks) {
        if (t->n_chunks == t->chunks_capacity) {
            t->chunks_capacity = t->chunks_capacity ? t->chunks_capacity * 2
                                                    : 4;
            t->chunks = vdpad_nl_realloc(t->chunks, t->chunks_capacity,
                                         sizeof *t->chunks);
        }
        t->chunks[t->n_chunks++] = vdpad_nl_calloc(TRACK_CHUNK,
                                                   sizeof **t->chunks);
    }
    t->n_flows++;
    flow = track_flow(t, id);
    memset(flow, 0, sizeof *flow);
    flow->group = group_id & VDPAD_INDEX_MAX;
    flow->handle = handle;
    flow->next = group->first;
    flow->prev = NONE;
    if (group->first != NONE) {
        track_flow(t, group->first)->prev = id;
    }
    group->first = id;
    group->n_all++;
    t->scopes[group->scope].n_all++;
    vdpad_index_add(&t->flow_index, flow_hash(t, id), id, flow_hash, t);
    return id;
}

/* Moves the last flow to the place of 'id'. */
static void
fill_hole(struct vdpad_track *t, uint32_t id)
{
    uint32_t last = t->n_flows - 1;
    struct track_flow *flow = track_flow(t, id);

    if (id != last) {
        vdpad_index_rename(&t->flow_index, flow_hash(t, last), last, id);
        *flow = *track_flow(t, last);
        if (flow->prev != NONE) {
            track_flow(t, flow->prev)->next = id;
        } else {
            t->groups[flow->group].first = id;
        }
        if (flow->next != NONE) {
            track_flow(t, flow->next)->prev = id;
        }
    }
    t->n_flows--;
    /* One empty piece is kept: a flow that comes and goes costs nothing. */
    while (t->n_chunks > t->n_flows / TRACK_CHUNK + 2) {
        free(t->chunks[--t->n_chunks]);
    }
}

void
track_flow_free(struct vdpad_track *t, uint32_t id)
{
    struct track_flow *flow = track_flow(t, id);
    struct track_group *group = &t->groups[flow->group];

    vdpad_index_remove(&t->flow_index, flow_hash(t, id), id, flow_hash, t);
    if (flow->prev != NONE) {
        track_flow(t, flow->prev)->next = flow->next;
    } else {
        group->first = flow->next;
    }
    if (flow->next != NONE) {
        track_flow(t, flow->next)->prev = flow->prev;
    }
    group->n_all--;
    t->scopes[group->scope].n_all--;
    fill_hole(t, id);
}

void
track_group_empty(struct vdpad_track *t, uint32_t id)
{
    uint32_t first;

    while ((first = t->groups[id].first) != NONE) {
        struct track_flow *flow = track_flow(t, first);

        if (!flow->is_dead) {
            track_flow_uncount(t, flow);
        }
        track_flow_free(t, first);
    }
}

static void
count(struct vdpad_track *t, const struct track_flow *flow, uint32_t step)
{
    struct track_group *group = &t->groups[flow->group];
    struct track_scope *scope = &t->scopes[group->scope];

    if (flow->in_hw) {
        scope->counts.hw += step;
    } else {
        scope->counts.sw += step;
    }
    scope->counts.foreign += flow->is_foreign ? step : 0;
    group->n_live += step;
    if (t->dump.is_running && t->dump.scope == group->scope
        && flow->mark == scope->mark) {
        t->dump.n_seen += step;
    }
}

void
track_flow_count(struct vdpad_track *t, struct track_flow *flow)
{
    count(t, flow, 1);
}

void
track_flow_uncount(struct vdpad_track *t, struct track_flow *flow)
{
    count(t, flow, UINT32_MAX); /* -1 */
}

static void
gain(uint64_t now, uint64_t *seen, uint64_t *sum)
{
    if (now > *seen) {
        *sum += now - *seen;
        *seen = now;
    }
}

struct track_sums
track_sums_of(const struct vdpad_filter *f)
{
    /* A packet that is recirculated was counted where it came in: each filter
     * that it meets after that counts it once more. */
    if (f->chain) {
        return (struct track_sums){ 0, 0, 0, 0 };
    }
    /* The kernel reads the two one after the other: hardware may have more
     * than all for a moment. */
    return (struct track_sums){
        .hw_packets = f->hw_packets,
        .hw_bytes = f->hw_bytes,
        .sw_packets = f->packets > f->hw_packets ? f->packets - f->hw_packets
                                                 : 0,
        .sw_bytes = f->bytes > f->hw_bytes ? f->bytes - f->hw_bytes : 0,
    };
}

static bool
has_less(const struct vdpad_filter *filter, const struct track_flow *flow)
{
    return filter->hw_packets < flow->seen.hw_packets
           || filter->packets < flow->seen.hw_packets + flow->seen.sw_packets;
}

void
track_flow_take(struct vdpad_track *t, struct track_flow *flow,
                const struct vdpad_filter *filter)
{
    struct track_scope *scope = &t->scopes[t->groups[flow->group].scope];
    struct track_sums now = track_sums_of(filter);

    /* A counter that went down began anew: the filter was replaced. */
    if (has_less(filter, flow)) {
        flow->seen = (struct track_sums){ 0, 0, 0, 0 };
    }
    gain(now.hw_packets, &flow->seen.hw_packets, &scope->sums.hw_packets);
    gain(now.hw_bytes, &flow->seen.hw_bytes, &scope->sums.hw_bytes);
    gain(now.sw_packets, &flow->seen.sw_packets, &scope->sums.sw_packets);
    gain(now.sw_bytes, &flow->seen.sw_bytes, &scope->sums.sw_bytes);
}

void
track_flow_take_last(struct vdpad_track *t, struct track_flow *flow,
                     const struct vdpad_filter *filter)
{
    if (!has_less(filter, flow)) {
        track_flow_take(t, flow, filter);
    }
}

void
track_sums_add(struct track_sums *to, const struct track_sums *sums)
{
    to->hw_packets += sums->hw_packets;
    to->hw_bytes += sums->hw_bytes;
    to->sw_packets += sums->sw_packets;
    to->sw_bytes += sums->sw_bytes;
}

void
track_sums_sub(struct track_sums *from, const struct track_sums *sums)
{
    from->hw_packets -= sums->hw_packets;
    from->hw_bytes -= sums->hw_bytes;
    from->sw_packets -= sums->sw_packets;
    from->sw_bytes -= sums->sw_bytes;
}
