/* SPDX-License-Identifier: Apache-2.0 */
/* TC filters of all netdevs and shared blocks, counted by chain and
 * priority. */
#include "observe.h"

#include <errno.h>
#include <stdlib.h>

#include "tc-scope.h"

/* Pictures have at most so many rows.  Open vSwitch needs four for each
 * recirculation; another program may make chains and priorities by the
 * million. */
#define ROWS_MAX 65536u

/* The rows of one scope, which are the last ones. */
struct build {
    struct vdpad_rows *rows;
    const struct vdpad_scope *scope;
    size_t first;
    bool is_full;
};

static struct vdpad_tcprio *
row_at(const struct build *build, size_t i)
{
    return (struct vdpad_tcprio *) build->rows->picture.rows + i;
}

/* NULL: there are too many. */
static struct vdpad_tcprio *
add_row(struct build *build, uint32_t chain, uint32_t prio)
{
    struct vdpad_tcprio *row;

    if (build->rows->picture.n >= ROWS_MAX) {
        build->is_full = true;
        return NULL;
    }
    row = vdpad_rows_add(build->rows);
    row->ifindex = build->scope->ifindex;
    row->block = build->scope->block;
    row->egress = build->scope->egress;
    row->chain = chain;
    row->prio = prio;
    return row;
}

static void
on_filter(void *build_, const struct vdpad_filter *filter)
{
    struct build *build = build_;
    size_t n = build->rows->picture.n;
    struct vdpad_tcprio *row = n > build->first ? row_at(build, n - 1) : NULL;

    /* Dumps go by chain and priority. */
    if (!row || row->chain != filter->chain || row->prio != filter->prio) {
        row = add_row(build, filter->chain, filter->prio);
    }
    if (row) {
        row->filters++;
        row->ovs_filters += vdpad_filter_is_ovs(filter);
        row->hw_filters += filter->is_flower && filter->in_hw;
    }
}

static void
on_chain(void *build, const struct vdpad_filter *chain)
{
    if (chain->chain) {
        (void) add_row(build, chain->chain, 0);
    }
}

static int
compare_rows(const void *a_, const void *b_)
{
    const struct vdpad_tcprio *a = a_, *b = b_;

    return a->chain != b->chain ? (a->chain > b->chain ? 1 : -1)
           : a->prio != b->prio ? (a->prio > b->prio ? 1 : -1)
                                : 0;
}

/* Leaves one row of each chain and priority, and those of chains only where
 * there is nothing else of them. */
static void
merge(struct build *build)
{
    size_t n = build->rows->picture.n - build->first, kept = build->first;

    if (n) {
        qsort(row_at(build, build->first), n, sizeof(struct vdpad_tcprio),
              compare_rows);
    }
    for (size_t i = build->first; i < build->rows->picture.n; i++) {
        struct vdpad_tcprio row = *row_at(build, i);
        struct vdpad_tcprio *last = kept > build->first
                                        ? row_at(build, kept - 1)
                                        : NULL;

        if (last && !compare_rows(last, &row)) {
            last->filters += row.filters;
            last->ovs_filters += row.ovs_filters;
            last->hw_filters += row.hw_filters;
        } else if (last && last->chain == row.chain && !last->filters) {
            *last = row;
        } else {
            *row_at(build, kept++) = row;
        }
    }
    build->rows->picture.n = kept;
}

static int
observe_scope(struct vdpad_nl *nl, struct vdpad_rows *rows,
              const struct vdpad_scope *scope, struct vdpad_error *why)
{
    struct build build = { rows, scope, rows->picture.n, false };
    int error = vdpad_scope_filters(nl, scope, on_filter, &build, why);

    if (!error) {
        error = vdpad_scope_chains(nl, scope, on_chain, &build, why);
    }
    if (!error && build.is_full) {
        error = vdpad_error_set(why, -E2BIG,
                                "TC filters are in more than %u chains and "
                                "priorities: some program adds them without "
                                "end (tc -s filter show)",
                                ROWS_MAX);
    }
    if (!error) {
        merge(&build);
    }
    return error;
}

static bool
is_known_block(const struct vdpad_qdisc *qdiscs, size_t n, uint32_t block)
{
    for (size_t i = 0; i < n; i++) {
        if (qdiscs[i].ingress_block == block
            || qdiscs[i].egress_block == block) {
            return true;
        }
    }
    return false;
}

static int
observe_qdisc(struct vdpad_nl *nl, struct vdpad_rows *rows,
              const struct vdpad_qdisc *qdiscs, size_t i,
              struct vdpad_error *why)
{
    const struct vdpad_qdisc *qdisc = &qdiscs[i];
    int error = 0;

    for (int egress = 0; !error && egress <= (qdisc->clsact ? 1 : 0);
         egress++) {
        uint32_t block = egress ? qdisc->egress_block : qdisc->ingress_block;
        struct vdpad_scope scope = {
            .ifindex = block ? 0 : qdisc->ifindex,
            .block = block,
            .egress = egress && !block,
        };

        /* Each block once. */
        if (!block
            || (!is_known_block(qdiscs, i, block)
                && !(egress && block == qdisc->ingress_block))) {
            error = observe_scope(nl, rows, &scope, why);
        }
    }
    return error;
}

int
vdpad_observe_tcprio(struct vdpad_observer *observer, struct vdpad_rows *rows,
                     struct vdpad_error *why)
{
    struct vdpad_rows qdiscs;
    struct vdpad_nl *nl;
    int error;

    vdpad_rows_init(&qdiscs, VDPAD_QDISC);
    error = vdpad_observe_qdisc(observer, &qdiscs, why);
    if (!error) {
        error = vdpad_observer_route(observer, &nl, why);
    }
    for (size_t i = 0; !error && i < qdiscs.picture.n; i++) {
        error = observe_qdisc(nl, rows, qdiscs.picture.rows, i, why);
    }
    vdpad_rows_clear(&qdiscs);
    /* The netdev or its qdisc went while we looked. */
    return error == -ENODEV || error == -EINVAL ? -EINTR : error;
}
