/* SPDX-License-Identifier: Apache-2.0 */
#include "tc-sim.h"

#include <stdlib.h>
#include <string.h>

#include "netlink/uapi.h"

#define INGRESS TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)
#define EGRESS TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)

#define FIRST_BLOCK 21u

/* Few enough of each that all meet. */
#define CHAINS 4u
#define PRIOS 5u
#define HANDLES 30u

void
tc_sim_init(struct tc_sim *sim, uint64_t seed)
{
    memset(sim, 0, sizeof *sim);
    sim->random = seed * 2 + 1;
    sim->is_pure = true;
    for (int i = 0; i < TC_SIM_SCOPES; i++) {
        bool is_block = i >= TC_SIM_NETDEVS;

        sim->scopes[i].ifindex = is_block ? 0 : i + 1;
        sim->scopes[i].block = is_block ? FIRST_BLOCK
                                              + (uint32_t) (i - TC_SIM_NETDEVS)
                                        : 0;
    }
}

uint32_t
tc_sim_random(struct tc_sim *sim, uint32_t below)
{
    sim->random = sim->random * UINT64_C(6364136223846793005)
                  + UINT64_C(1442695040888963407);
    return (uint32_t) (sim->random >> 33) % below;
}

static bool
happens(struct tc_sim *sim, unsigned int once_in)
{
    return once_in && !tc_sim_random(sim, once_in);
}

/* Announcements. */

static struct tc_sim_event *
queued(struct tc_sim *sim, int i)
{
    return &sim->queue[(sim->head + i) % TC_SIM_QUEUE];
}

static bool
is_single(const struct tc_sim_event *e)
{
    return e->kind <= TC_SIM_FILTER_DEL && e->filter.handle;
}

static bool
is_same_filter(const struct vdpad_filter *a, const struct vdpad_filter *b)
{
    return a->ifindex == b->ifindex && a->chain == b->chain
           && a->prio == b->prio && a->handle == b->handle
           && (a->ifindex || a->parent == b->parent);
}

static void
put(struct tc_sim *sim, const struct tc_sim_event *event)
{
    if (sim->n_queued == TC_SIM_QUEUE || happens(sim, sim->loss)) {
        sim->is_overrun = true;
        sim->is_pure = false;
        return;
    }
    *queued(sim, sim->n_queued++) = *event;
}

/* Filters need no lock: those who change different ones, and more rarely the
 * same one, can announce it in the other order. */
static void
reorder(struct tc_sim *sim)
{
    struct tc_sim_event *a, *b, other;
    bool is_same;

    if (sim->n_queued < 2) {
        return;
    }
    a = queued(sim, sim->n_queued - 2);
    b = queued(sim, sim->n_queued - 1);
    if (!is_single(a) || !is_single(b)) {
        return;
    }
    is_same = is_same_filter(&a->filter, &b->filter);
    if (is_same ? happens(sim, sim->swap_same) : happens(sim, 8)) {
        other = *a;
        *a = *b;
        *b = other;
        sim->is_pure = sim->is_pure && !is_same;
    }
}

static void
announce(struct tc_sim *sim, const struct tc_sim_event *event)
{
    sim->n_events++;
    put(sim, event);
    if (happens(sim, 32)) {
        put(sim, event);
    }
    reorder(sim);
}

int
tc_sim_receive(struct tc_sim *sim, struct tc_sim_event *event)
{
    /* The error comes before what is still in the queue. */
    if (sim->is_overrun) {
        sim->is_overrun = false;
        return -1;
    }
    if (!sim->n_queued) {
        return 0;
    }
    *event = *queued(sim, 0);
    sim->head = (sim->head + 1) % TC_SIM_QUEUE;
    sim->n_queued--;
    return 1;
}

/* Filters. */

static void
address(struct tc_sim *sim, int scope, struct vdpad_filter *f)
{
    const struct tc_sim_scope *s = &sim->scopes[scope];
    bool is_clsact = s->ifindex && sim->qdiscs[s->ifindex - 1].clsact;

    f->ifindex = s->ifindex;
    f->parent = s->block                              ? s->block
                : !is_clsact && tc_sim_random(sim, 2) ? TC_H_MAJ(TC_H_INGRESS)
                                                      : INGRESS;
}

static int
compare(const struct vdpad_filter *a, const struct vdpad_filter *b)
{
    return a->chain != b->chain    ? (a->chain < b->chain ? -1 : 1)
           : a->prio != b->prio    ? (a->prio < b->prio ? -1 : 1)
           : a->handle < b->handle ? -1
                                   : a->handle > b->handle;
}

/* Where the filter is, or would be. */
static int
place(const struct tc_sim *sim, int scope, const struct vdpad_filter *f)
{
    int i = 0;

    while (i < sim->n_filters
           && (sim->filters[i].scope < scope
               || (sim->filters[i].scope == scope
                   && compare(&sim->filters[i].filter, f) < 0))) {
        i++;
    }
    return i;
}

static void
cut(struct tc_sim *sim, int i)
{
    sim->n_filters--;
    memmove(&sim->filters[i], &sim->filters[i + 1],
            (size_t) (sim->n_filters - i) * sizeof sim->filters[0]);
}

static void
announce_filter(struct tc_sim *sim, enum tc_sim_kind kind, int scope,
                const struct vdpad_filter *f)
{
    struct tc_sim_event event = { .kind = kind, .filter = *f };

    address(sim, scope, &event.filter);
    announce(sim, &event);
}

static void
announce_chain_gone(struct tc_sim *sim, int scope, uint32_t chain)
{
    struct vdpad_filter f = { .chain = chain };
    struct tc_sim_event event = { .kind = TC_SIM_CHAIN_DEL };

    for (int i = 0; i < sim->n_filters; i++) {
        if (sim->filters[i].scope == scope
            && sim->filters[i].filter.chain == chain) {
            return;
        }
    }
    event.filter = f;
    event.filter.ifindex = sim->scopes[scope].ifindex;
    event.filter.parent = sim->scopes[scope].block ? sim->scopes[scope].block
                                                   : TC_H_MAJ(TC_H_INGRESS);
    announce(sim, &event);
}

/* All filters of a classifier have one protocol. */
static uint16_t
protocol_of(struct tc_sim *sim, int scope, const struct vdpad_filter *f)
{
    for (int i = 0; i < sim->n_filters; i++) {
        const struct vdpad_filter *other = &sim->filters[i].filter;

        if (sim->filters[i].scope == scope && other->chain == f->chain
            && other->prio == f->prio) {
            return other->protocol;
        }
    }
    return (uint16_t) (8 + tc_sim_random(sim, 2));
}

static void
add_filter(struct tc_sim *sim, int scope)
{
    struct vdpad_filter f = {
        .chain = tc_sim_random(sim, CHAINS),
        .prio = (uint16_t) (1 + tc_sim_random(sim, PRIOS)),
        .handle = 1 + tc_sim_random(sim, HANDLES),
        .is_flower = true,
        .in_hw = tc_sim_random(sim, 2),
        .has_cookie = tc_sim_random(sim, 4),
    };
    int i = place(sim, scope, &f);
    bool is_there = i < sim->n_filters && sim->filters[i].scope == scope
                    && !compare(&sim->filters[i].filter, &f);

    f.protocol = protocol_of(sim, scope, &f);
    if (!is_there && sim->n_filters < TC_SIM_FILTERS) {
        memmove(&sim->filters[i + 1], &sim->filters[i],
                (size_t) (sim->n_filters - i) * sizeof sim->filters[0]);
        sim->n_filters++;
    } else if (!is_there) {
        return;
    }
    sim->filters[i].scope = scope;
    sim->filters[i].filter = f;
    announce_filter(sim, TC_SIM_FILTER_NEW, scope, &f);
}

static void
del_filter(struct tc_sim *sim, int i)
{
    struct vdpad_filter f = sim->filters[i].filter;
    int scope = sim->filters[i].scope;

    cut(sim, i);
    announce_filter(sim, TC_SIM_FILTER_DEL, scope, &f);
    announce_chain_gone(sim, scope, f.chain);
}

/* All with the chain and prio of filter 'i'. */
static void
del_classifier(struct tc_sim *sim, int i)
{
    struct vdpad_filter f = sim->filters[i].filter;
    struct vdpad_filter all = {
        .chain = f.chain,
        .prio = f.prio,
        .protocol = f.protocol,
        .is_flower = true,
    };
    int scope = sim->filters[i].scope;

    for (i = sim->n_filters - 1; i >= 0; i--) {
        if (sim->filters[i].scope == scope
            && sim->filters[i].filter.chain == f.chain
            && sim->filters[i].filter.prio == f.prio) {
            cut(sim, i);
        }
    }
    announce_filter(sim, TC_SIM_FILTER_DEL, scope, &all);
    announce_chain_gone(sim, scope, f.chain);
}

static void
del_chain(struct tc_sim *sim, int i)
{
    uint32_t chain = sim->filters[i].filter.chain;
    int scope = sim->filters[i].scope;

    for (i = 0; i < sim->n_filters;) {
        if (sim->filters[i].scope == scope
            && sim->filters[i].filter.chain == chain) {
            del_classifier(sim, i);
            i = 0;
        } else {
            i++;
        }
    }
}

static void
run_counters(struct tc_sim *sim)
{
    for (int i = 0; i < sim->n_filters; i++) {
        struct vdpad_filter *f = &sim->filters[i].filter;
        uint32_t hw = tc_sim_random(sim, 4), sw = tc_sim_random(sim, 3);

        if (happens(sim, 3)) {
            if (!f->chain) { /* Those further on have been counted there. */
                sim->scopes[sim->filters[i].scope].hw_packets += hw;
                sim->scopes[sim->filters[i].scope].sw_packets += sw;
            }
            f->packets += hw + sw;
            f->bytes += (hw + sw) * 100;
            f->hw_packets += hw;
            f->hw_bytes += hw * 100;
        }
    }
}

/* What has nothing to do with what is tracked. */
static void
make_noise(struct tc_sim *sim, const struct vdpad_qdisc *qdisc)
{
    struct tc_sim_event event = { .kind = tc_sim_random(sim, 2)
                                              ? TC_SIM_FILTER_NEW
                                              : TC_SIM_FILTER_DEL };
    struct vdpad_filter *f = &event.filter;

    f->ifindex = qdisc->ifindex;
    f->parent = qdisc->clsact ? EGRESS : INGRESS;
    f->prio = (uint16_t) (qdisc->clsact ? 1 : PRIOS + 1);
    f->handle = 1;
    f->is_flower = qdisc->clsact;
    if (qdisc->ingress_block && !qdisc->clsact) {
        f->ifindex = 0;
        f->parent = qdisc->ingress_block;
    }
    announce(sim, &event);
}

/* Qdiscs. */

static int
scope_of(const struct vdpad_qdisc *qdisc)
{
    return qdisc->ingress_block
               ? TC_SIM_NETDEVS + (int) (qdisc->ingress_block - FIRST_BLOCK)
               : qdisc->ifindex - 1;
}

/* Scopes that have lost their last qdisc end, and nobody says so. */
static void
sweep_scopes(struct tc_sim *sim)
{
    for (int s = 0; s < TC_SIM_SCOPES; s++) {
        sim->scopes[s].is_there = false;
    }
    for (int i = 0; i < TC_SIM_NETDEVS; i++) {
        if (sim->qdiscs[i].ifindex) {
            sim->scopes[scope_of(&sim->qdiscs[i])].is_there = true;
        }
    }
    for (int s = 0; s < TC_SIM_SCOPES; s++) {
        if (!sim->scopes[s].is_there) {
            sim->scopes[s].hw_packets = sim->scopes[s].sw_packets = 0;
        }
    }
    for (int i = sim->n_filters - 1; i >= 0; i--) {
        if (!sim->scopes[sim->filters[i].scope].is_there) {
            cut(sim, i);
        }
    }
}

static void
add_qdisc(struct tc_sim *sim, int32_t ifindex)
{
    struct tc_sim_event event = { .kind = TC_SIM_QDISC_NEW };
    struct vdpad_qdisc *qdisc = &event.qdisc;
    int n;

    qdisc->ifindex = ifindex;
    qdisc->clsact = tc_sim_random(sim, 2);
    qdisc->ingress_block = tc_sim_random(sim, 3)
                               ? 0
                               : FIRST_BLOCK + tc_sim_random(sim, 2);
    sim->qdiscs[ifindex - 1] = *qdisc;
    sweep_scopes(sim);
    n = sim->n_queued;
    announce(sim, &event);
    if (happens(sim, 4) && sim->n_queued == n + 1 && !qdisc->ingress_block) {
        /* Its first filter, announced before it. */
        add_filter(sim, scope_of(qdisc));
        if (sim->n_queued == n + 2) {
            event = *queued(sim, n);
            *queued(sim, n) = *queued(sim, n + 1);
            *queued(sim, n + 1) = event;
        }
    }
}

static void
del_qdisc(struct tc_sim *sim, int32_t ifindex, enum tc_sim_kind kind)
{
    struct tc_sim_event event = { .kind = kind };

    event.qdisc = sim->qdiscs[ifindex - 1];
    event.qdisc.ifindex = ifindex;
    if (sim->qdiscs[ifindex - 1].ifindex && kind == TC_SIM_LINK_DEL
        && sim->dump_qdisc >= ifindex) {
        sim->dump_qdisc++; /* It counts netdevs, and steps over one. */
    }
    memset(&sim->qdiscs[ifindex - 1], 0, sizeof sim->qdiscs[0]);
    sweep_scopes(sim);
    announce(sim, &event);
}

static void
act_on_qdisc(struct tc_sim *sim)
{
    int32_t ifindex = 1 + (int32_t) tc_sim_random(sim, TC_SIM_NETDEVS);

    if (!sim->qdiscs[ifindex - 1].ifindex) {
        add_qdisc(sim, ifindex);
    } else if (happens(sim, 8)) {
        del_qdisc(sim, ifindex, TC_SIM_LINK_DEL);
    } else if (happens(sim, 4)) {
        del_qdisc(sim, ifindex, TC_SIM_QDISC_DEL);
    }
}

void
tc_sim_act(struct tc_sim *sim)
{
    const struct vdpad_qdisc *qdisc =
        &sim->qdiscs[tc_sim_random(sim, TC_SIM_NETDEVS)];
    uint32_t n = tc_sim_random(sim, 1000);
    int any = sim->n_filters
                  ? (int) tc_sim_random(sim, (uint32_t) sim->n_filters)
                  : -1;

    if (n < 20) {
        act_on_qdisc(sim);
    } else if (!qdisc->ifindex) {
        return;
    } else if (n < 40) {
        make_noise(sim, qdisc);
    } else if (n < 60) {
        run_counters(sim);
    } else if (n < 62 && any >= 0) {
        /* A block's driver came or went. */
        sim->filters[any].filter.in_hw = !sim->filters[any].filter.in_hw;
    } else if (n < 70 && any >= 0) {
        del_classifier(sim, any);
    } else if (n < 73 && any >= 0) {
        del_chain(sim, any);
    } else if (n < 500 && any >= 0) {
        del_filter(sim, any);
    } else {
        add_filter(sim, scope_of(qdisc));
    }
}

/* Dumps. */

void
tc_sim_dump_begin(struct tc_sim *sim, const struct vdpad_track_target *target)
{
    sim->dump_scope = -1;
    for (int i = 0; i < TC_SIM_SCOPES; i++) {
        if (sim->scopes[i].is_there
            && sim->scopes[i].ifindex == target->ifindex
            && sim->scopes[i].block == target->block) {
            sim->dump_scope = i;
        }
    }
    sim->dump_index = 0;
    sim->dump_handle = 0;
    sim->dump_is_interrupted = happens(sim, sim->interrupt);
}

/* Goes on at the classifier with the number it was at, whichever that is by
 * now, behind the handle that was the last. */
int
tc_sim_dump_piece(struct tc_sim *sim, struct vdpad_filter piece[TC_SIM_PIECES])
{
    const struct vdpad_filter *last = NULL;
    int max = 1 + (int) tc_sim_random(sim, TC_SIM_PIECES), n = 0, index = -1;

    if (sim->dump_is_interrupted && happens(sim, 2)) {
        return 0;
    }
    for (int i = 0; i < sim->n_filters && n < max; i++) {
        const struct vdpad_filter *f = &sim->filters[i].filter;

        if (sim->filters[i].scope != sim->dump_scope) {
            continue;
        }
        if (!last || last->chain != f->chain || last->prio != f->prio) {
            index++;
        }
        last = f;
        if (index < sim->dump_index
            || (index == sim->dump_index && f->handle <= sim->dump_handle)) {
            continue;
        }
        piece[n] = *f;
        address(sim, sim->dump_scope, &piece[n++]);
        sim->dump_index = index;
        sim->dump_handle = f->handle;
    }
    return n;
}

void
tc_sim_qdiscs_begin(struct tc_sim *sim)
{
    sim->dump_qdisc = 0;
    sim->dump_is_interrupted = happens(sim, sim->interrupt);
}

int
tc_sim_qdiscs_piece(struct tc_sim *sim, struct vdpad_qdisc *piece, int max)
{
    int n = 0;

    while (n < max && sim->dump_qdisc < TC_SIM_NETDEVS) {
        const struct vdpad_qdisc *qdisc = &sim->qdiscs[sim->dump_qdisc++];

        if (qdisc->ifindex) {
            piece[n++] = *qdisc;
        }
    }
    return n;
}
