/* SPDX-License-Identifier: Apache-2.0 */
/* TC filters of all netdevs and shared blocks, counted by chain and
 * priority. */
#include "observe.h"

#include <errno.h>

#include "tc-scope.h"

/* The rows of one scope, which are the last ones. */
struct build {
    struct vdpad_rows *rows;
    const struct vdpad_scope *scope;
    size_t first;
};

static struct vdpad_tcprio *
row_at(const struct build *build, size_t i)
{
    return (struct vdpad_tcprio *) build->rows->picture.rows + i;
}

static struct vdpad_tcprio *
add_row(struct build *build, uint32_t chain, uint32_t prio)
{
    struct vdpad_tcprio *row = vdpad_rows_add(build->rows);

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
    struct vdpad_tcprio *row = NULL;

    /* Dumps go by chain and priority: it is nearly always the last one. */
    for (size_t i = build->rows->picture.n; !row && i > build->first; i--) {
        if (row_at(build, i - 1)->chain == filter->chain
            && row_at(build, i - 1)->prio == filter->prio) {
            row = row_at(build, i - 1);
        }
    }
    if (!row) {
        row = add_row(build, filter->chain, filter->prio);
    }
    row->filters++;
    row->ovs_filters += vdpad_filter_is_ovs(filter);
    row->hw_filters += filter->is_flower && filter->in_hw;
}

static void
on_chain(void *build_, const struct vdpad_filter *chain)
{
    struct build *build = build_;

    for (size_t i = build->rows->picture.n; i > build->first; i--) {
        if (row_at(build, i - 1)->chain == chain->chain) {
            return;
        }
    }
    if (chain->chain) {
        (void) add_row(build, chain->chain, 0);
    }
}

static int
observe_scope(struct vdpad_nl *nl, struct vdpad_rows *rows,
              const struct vdpad_scope *scope, struct vdpad_error *why)
{
    struct build build = { rows, scope, rows->picture.n };
    int error = vdpad_scope_filters(nl, scope, on_filter, &build, why);

    return error ? error
                 : vdpad_scope_chains(nl, scope, on_chain, &build, why);
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
