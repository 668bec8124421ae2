/* SPDX-License-Identifier: Apache-2.0 */
#include "track-table.h"

#include <stdlib.h>
#include <string.h>

#include "track-private.h"

#define FLOW_BIT (1u << VDPAD_FLOW)

struct vdpad_track *
vdpad_track_new(uint32_t epoch, uint32_t max)
{
    struct vdpad_track *t = vdpad_nl_calloc(1, sizeof *t);

    t->epoch = epoch;
    t->max = max < VDPAD_TRACK_MAX ? max : VDPAD_TRACK_MAX;
    t->free_group = NONE;
    t->wants_qdiscs = true;
    t->dump.scope = NONE;
    return t;
}

void
vdpad_track_free(struct vdpad_track *t)
{
    if (!t) {
        return;
    }
    for (uint32_t i = 0; i < t->n_chunks; i++) {
        free(t->chunks[i]);
    }
    free(t->chunks);
    free(t->groups);
    free(t->scopes);
    free(t->netdevs);
    vdpad_index_clear(&t->flow_index);
    vdpad_index_clear(&t->group_index);
    vdpad_index_clear(&t->scope_index);
    vdpad_index_clear(&t->netdev_index);
    free(t);
}

static bool
is_dumping(const struct vdpad_track *t, uint32_t scope)
{
    return t->dump.is_running && t->dump.scope == scope;
}

/* What hardware does, and whose it is: counted anew when it changed. */
static void
describe(struct vdpad_track *t, struct track_flow *flow,
         const struct vdpad_filter *filter)
{
    if (flow->in_hw != filter->in_hw
        || flow->is_foreign == filter->has_cookie) {
        track_flow_uncount(t, flow);
        flow->in_hw = filter->in_hw;
        flow->is_foreign = !filter->has_cookie;
        track_flow_count(t, flow);
        t->changed |= FLOW_BIT;
    }
}

/* A flow that has just been added: counts it. */
static void
begin_flow(struct vdpad_track *t, struct track_flow *flow,
           const struct vdpad_filter *filter, bool mark)
{
    flow->mark = mark;
    flow->in_hw = filter->in_hw;
    flow->is_foreign = !filter->has_cookie;
    track_flow_count(t, flow);
    t->changed |= FLOW_BIT;
}

/* An event named the flow while its scope is being dumped: that decides. */
static void
name(struct vdpad_track *t, struct track_flow *flow)
{
    const struct track_scope *scope = &t->scopes[t->dump.scope];

    if (flow->is_added) {
        flow->is_added = 0;
        t->dump.n_added--;
    }
    flow->is_named = 1;
    flow->n_missed = 0;
    t->dump.has_traces = true;
    if (flow->mark != scope->mark) {
        flow->mark = scope->mark;
        t->dump.n_seen += flow->is_dead ? 0 : 1;
    }
}

/* 'filter' came, or was replaced. */
static void
filter_came(struct vdpad_track *t, uint32_t scope,
            const struct vdpad_filter *filter)
{
    uint32_t group = track_group_get(t, scope, filter);
    uint32_t id = group == NONE ? NONE
                                : track_flow_find(t, group, filter->handle);
    struct track_flow *flow;

    if (id != NONE) {
        flow = track_flow(t, id);
        if (flow->is_dead) {
            flow->is_dead = 0;
            flow->seen = (struct track_sums){ 0, 0, 0, 0 };
            begin_flow(t, flow, filter, flow->mark);
        }
        describe(t, flow, filter);
    } else {
        id = group == NONE ? NONE : track_flow_add(t, group, filter->handle);
        if (id == NONE) {
            if (group != NONE) {
                track_group_put(t, group);
            }
            /* No room.  The next dump counts it; once filters past the limit
             * are known of, the scope is dumped each time. */
            if (!t->scopes[scope].over.n) {
                track_scope_doubt(t, scope);
            }
            return;
        }
        flow = track_flow(t, id);
        begin_flow(t, flow, filter, t->scopes[scope].mark);
    }
    /* One that the dump already had was announced late: that is older. */
    if (!flow->is_added) {
        track_flow_take(t, flow, filter);
    }
    if (is_dumping(t, scope)) {
        name(t, flow);
    }
}

/* 'filter' went while its scope is being dumped: a message that the kernel
 * wrote before must not bring it back. */
static void
bury(struct vdpad_track *t, uint32_t scope, const struct vdpad_filter *filter,
     uint32_t id)
{
    if (id == NONE) {
        uint32_t group = track_group_get(t, scope, filter);

        /* Perhaps the last one of a classifier. */
        t->dump.is_disturbed = true;
        id = group == NONE ? NONE : track_flow_add(t, group, filter->handle);
        if (id == NONE) {
            if (group != NONE) {
                track_group_put(t, group);
            }
            track_scope_doubt(t, scope);
            return;
        }
    } else if (!track_flow(t, id)->is_dead) {
        track_flow_uncount(t, track_flow(t, id));
    }
    track_flow(t, id)->is_dead = 1;
    name(t, track_flow(t, id));
}

static void
filter_went(struct vdpad_track *t, uint32_t scope,
            const struct vdpad_filter *filter)
{
    uint32_t group = track_group_find(t, scope, filter);
    uint32_t id = group == NONE ? NONE
                                : track_flow_find(t, group, filter->handle);

    if (id != NONE && !track_flow(t, id)->is_dead) {
        track_flow_take_last(t, track_flow(t, id), filter);
        t->changed |= FLOW_BIT;
    }
    if (is_dumping(t, scope)) {
        bury(t, scope, filter, id);
        t->dump.is_disturbed |= group != NONE && !t->groups[group].n_live;
    } else if (id != NONE) {
        track_flow_uncount(t, track_flow(t, id));
        track_flow_free(t, id);
        track_group_put(t, group);
    }
}

/* All filters of one classifier went. */
static void
classifier_went(struct vdpad_track *t, uint32_t scope,
                const struct vdpad_filter *filter)
{
    uint32_t group = is_dumping(t, scope) ? track_group_get(t, scope, filter)
                                          : track_group_find(t, scope, filter);

    if (is_dumping(t, scope)) {
        t->dump.is_disturbed = true;
    }
    if (group == NONE) {
        return;
    }
    for (uint32_t i = t->groups[group].first; i != NONE;
         i = track_flow(t, i)->next) {
        if (track_flow(t, i)->is_added) {
            t->dump.n_added--;
        }
    }
    if (t->groups[group].n_all) {
        t->changed |= FLOW_BIT;
    }
    track_group_empty(t, group);
    if (is_dumping(t, scope)) {
        t->groups[group].is_killed = true;
        t->dump.has_traces = true;
    }
    track_group_put(t, group);
}

void
vdpad_track_event_filter(struct vdpad_track *t,
                         const struct vdpad_filter *filter, bool is_there)
{
    uint32_t scope = track_scope_of(t, filter, is_there);

    if (scope == NONE) {
        return;
    }
    if (filter->handle && !filter->is_flower) {
        /* Nothing that is tracked; but perhaps the last one of its
         * classifier, of which there is then one less. */
        if (!is_there && is_dumping(t, scope)) {
            t->dump.is_disturbed = true;
        }
    } else if (filter->handle && is_there) {
        filter_came(t, scope, filter);
    } else if (filter->handle) {
        filter_went(t, scope, filter);
    } else if (!is_there) {
        classifier_went(t, scope, filter);
    }
}

void
vdpad_track_event_chain_gone(struct vdpad_track *t,
                             const struct vdpad_filter *chain)
{
    uint32_t scope = track_scope_of(t, chain, false);
    const struct track_group *group;

    if (scope == NONE) {
        return;
    }
    if (is_dumping(t, scope)) {
        t->dump.is_disturbed = true;
    }
    /* All that was in it has been told to be gone before.  Of a clsact qdisc
     * it is not told whether the chain was at its ingress. */
    for (uint32_t i = t->scopes[scope].first; i != NONE; i = group->next) {
        group = &t->groups[i];
        if (group->chain == chain->chain && group->n_live) {
            track_scope_doubt(t, scope);
            return;
        }
    }
}

void
vdpad_track_refresh(struct vdpad_track *t, bool all)
{
    for (uint32_t i = 0; i < t->n_scopes; i++) {
        struct track_scope *scope = &t->scopes[i];

        scope->is_wanted |= all || scope->n_all || scope->over.n
                            || !scope->is_synced;
    }
}

void
vdpad_track_restart(struct vdpad_track *t)
{
    t->next_scope = 0;
}

bool
vdpad_track_next(struct vdpad_track *t, struct vdpad_track_target *target)
{
    while (t->next_scope < t->n_scopes) {
        const struct track_scope *scope = &t->scopes[t->next_scope++];

        if (scope->is_used && scope->is_wanted) {
            target->ifindex = scope->ifindex;
            target->block = scope->block;
            return true;
        }
    }
    return false;
}

void
vdpad_track_dump_begin(struct vdpad_track *t,
                       const struct vdpad_track_target *target)
{
    uint32_t scope = track_scope_find(t, target->ifindex, target->block);

    memset(&t->dump, 0, sizeof t->dump);
    t->dump.is_running = true;
    t->dump.scope = scope;
    t->dump.group = t->dump.flow = NONE;
    if (scope != NONE) {
        t->scopes[scope].mark = !t->scopes[scope].mark;
        t->scopes[scope].is_wanted = false;
    }
}

static void
add_over(struct vdpad_track *t, const struct vdpad_filter *filter)
{
    struct track_over *over = &t->dump.over;
    struct track_sums sums = track_sums_of(filter);

    over->n++;
    over->counts.hw += filter->in_hw;
    over->counts.sw += !filter->in_hw;
    over->counts.foreign += !filter->has_cookie;
    track_sums_add(&over->sums, &sums);
}

static void
add_from_dump(struct vdpad_track *t, uint32_t scope,
              const struct vdpad_filter *filter)
{
    uint32_t group = track_group_get(t, scope, filter);
    uint32_t id = group == NONE || t->groups[group].is_killed
                      ? NONE
                      : track_flow_add(t, group, filter->handle);
    struct track_flow *flow;

    if (group != NONE && t->groups[group].is_killed) {
        return; /* An event has said so. */
    }
    if (id == NONE) {
        if (group != NONE) {
            track_group_put(t, group);
        }
        add_over(t, filter);
        return;
    }
    flow = track_flow(t, id);
    begin_flow(t, flow, filter, t->scopes[scope].mark);
    flow->is_added = 1;
    t->dump.n_added++;
    if (t->scopes[scope].over.n) {
        /* One of those whose sum has been counted so far. */
        flow->seen = track_sums_of(filter);
        track_sums_add(&t->dump.over.sums, &flow->seen);
        track_sums_add(&t->dump.over.moved, &flow->seen);
    } else {
        track_flow_take(t, flow, filter);
    }
}

/* The flow of a dump's row, or NONE.  A dump goes by classifier, and shows
 * filters mostly in the order in which they were added: what comes next is
 * where it is looked for first. */
static uint32_t
find_in_dump(struct vdpad_track *t, const struct vdpad_filter *filter)
{
    struct track_dump *dump = &t->dump;
    uint32_t group = dump->group, id = dump->flow + 1;

    if (group == NONE || group >= t->n_groups
        || t->groups[group].scope != dump->scope
        || t->groups[group].chain != filter->chain
        || t->groups[group].prio != filter->prio
        || t->groups[group].protocol != filter->protocol
        || !t->groups[group].n_all) {
        group = track_group_find(t, dump->scope, filter);
    }
    if (group == NONE) {
        return NONE;
    }
    if (id >= t->n_flows || track_flow(t, id)->group != group
        || track_flow(t, id)->handle != filter->handle) {
        id = track_flow_find(t, group, filter->handle);
    }
    dump->group = group;
    dump->flow = id;
    return id;
}

void
vdpad_track_dump_row(struct vdpad_track *t, const struct vdpad_filter *filter)
{
    uint32_t scope = t->dump.scope, id;
    struct track_flow *flow;
    struct track_sums before;

    if (scope == NONE || !filter->is_flower || !filter->handle) {
        return;
    }
    id = find_in_dump(t, filter);
    if (id == NONE) {
        add_from_dump(t, scope, filter);
        return;
    }
    flow = track_flow(t, id);
    if (flow->is_named || flow->is_dead) {
        return; /* This may be its predecessor. */
    }
    if (flow->mark != t->scopes[scope].mark) {
        flow->mark = t->scopes[scope].mark;
        t->dump.n_seen++;
    }
    flow->n_missed = 0;
    describe(t, flow, filter);
    before = flow->seen;
    track_flow_take(t, flow, filter);
    if (memcmp(&before, &flow->seen, sizeof before)) {
        t->changed |= FLOW_BIT;
    }
}

/* How a dump ended. */
enum ending {
    SURE,      /* What it did not have is not there. */
    DISTURBED, /* It came to its end, but may have stepped over some. */
    INCOMPLETE,
};

static bool
is_believed_gone(struct track_flow *flow, bool mark, enum ending ending)
{
    if (flow->is_dead || flow->mark == mark || ending == INCOMPLETE) {
        return false;
    }
    return ending == SURE || ++flow->n_missed >= TRACK_MISSED;
}

/* Ends the traces of a dump in one group, and removes what has gone.  Returns
 * how many went that no event had told of. */
static uint32_t
clean_group(struct vdpad_track *t, uint32_t id, bool mark, enum ending ending)
{
    uint32_t next, n_swept = 0;

    for (uint32_t i = t->groups[id].first; i != NONE; i = next) {
        struct track_flow *flow = track_flow(t, i);
        bool is_gone = is_believed_gone(flow, mark, ending);

        next = flow->next;
        flow->is_named = flow->is_added = 0;
        if (is_gone) {
            track_flow_uncount(t, flow);
            n_swept++;
        } else if (!flow->is_dead) {
            flow->mark = mark;
            continue;
        }
        /* The last one moves here. */
        next = next == t->n_flows - 1 ? i : next;
        track_flow_free(t, i);
    }
    t->groups[id].is_killed = false;
    return n_swept;
}

static uint32_t
clean_scope(struct vdpad_track *t, uint32_t id, enum ending ending)
{
    uint32_t next, n_swept = 0;

    for (uint32_t i = t->scopes[id].first; i != NONE; i = next) {
        next = t->groups[i].next;
        n_swept += clean_group(t, i, t->scopes[id].mark, ending);
        track_group_put(t, i);
    }
    return n_swept;
}

static void
gain(uint64_t *sum, uint64_t now, uint64_t old)
{
    *sum += now > old ? now - old : 0;
}

/* How much more was counted past the limit since the dump before. */
static void
take_over(struct vdpad_track *t, struct track_scope *scope)
{
    struct track_over *now = &t->dump.over;
    const struct track_sums *old = &scope->over.sums;

    gain(&scope->sums.hw_packets, now->sums.hw_packets, old->hw_packets);
    gain(&scope->sums.hw_bytes, now->sums.hw_bytes, old->hw_bytes);
    gain(&scope->sums.sw_packets, now->sums.sw_packets, old->sw_packets);
    gain(&scope->sums.sw_bytes, now->sums.sw_bytes, old->sw_bytes);
    if (now->n != scope->over.n || memcmp(&now->sums, old, sizeof now->sums)) {
        t->changed |= FLOW_BIT;
    }
    track_sums_sub(&now->sums, &now->moved);
    scope->over = *now;
}

/* What is known of the scope after a dump. */
static void
judge(struct vdpad_track *t, uint32_t id, enum ending ending, bool has_open)
{
    struct track_scope *scope = &t->scopes[id];

    switch (ending) {
    case SURE:
        scope->is_synced = !scope->is_wanted;
        scope->is_known = true;
        scope->n_disturbed = 0;
        break;
    case DISTURBED:
        /* Events keep it right, unless some were lost; then several such dumps
         * have to do. */
        if (!scope->is_synced && ++scope->n_disturbed >= TRACK_MISSED) {
            scope->is_synced = scope->is_known = true;
        }
        scope->is_wanted |= has_open || !scope->is_synced;
        break;
    case INCOMPLETE:
    default:
        track_scope_doubt(t, id);
        break;
    }
}

void
vdpad_track_dump_end(struct vdpad_track *t, bool complete)
{
    struct track_dump *dump = &t->dump;
    uint32_t id = dump->scope, n_swept = 0;
    enum ending ending = !complete            ? INCOMPLETE
                         : dump->is_disturbed ? DISTURBED
                                              : SURE;
    struct track_scope *scope;
    bool has_open;

    dump->is_running = false;
    dump->scope = NONE;
    if (id == NONE) {
        return;
    }
    scope = &t->scopes[id];
    has_open = dump->n_seen != scope->counts.hw + scope->counts.sw;
    if (dump->has_traces || dump->n_added || has_open) {
        n_swept = clean_scope(t, id, ending);
    }
    if (complete) {
        take_over(t, scope);
    }
    t->changed |= n_swept ? FLOW_BIT : 0;
    if (scope->is_known && complete) {
        t->repaired += n_swept;
        /* Past the limit filters come and go unseen. */
        t->repaired += scope->over.n ? 0 : dump->n_added;
    }
    judge(t, id, ending, has_open);
}
