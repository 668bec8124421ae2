/* SPDX-License-Identifier: Apache-2.0 */
/* The table of tracked filters against a simulated kernel (tc-sim.h) that
 * does random things, announces them with losses, repetitions and in other
 * orders, and is dumped meanwhile.
 *
 * usage: test-track-sim [EVENTS [SEED]]
 *
 * In the ordinary suite 300,000 events; VDPAD_TRACK_EVENTS says otherwise. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "netlink/track-private.h"
#include "test/support/tc-sim.h"

static uint64_t n_events = 300000, first_seed = 1;

struct run {
    struct tc_sim *sim;
    struct vdpad_track *table;
    bool was_lost;
    struct vdpad_flow seen[TC_SIM_NETDEVS + 1]; /* By ifindex. */
    uint64_t n_checks, n_dumps, n_failed_dumps, n_losses;
};

static void
take(struct run *r, const struct tc_sim_event *event)
{
    switch (event->kind) {
    case TC_SIM_FILTER_NEW:
    case TC_SIM_FILTER_DEL:
        vdpad_track_event_filter(r->table, &event->filter,
                                 event->kind == TC_SIM_FILTER_NEW);
        break;
    case TC_SIM_CHAIN_DEL:
        vdpad_track_event_chain_gone(r->table, &event->filter);
        break;
    case TC_SIM_QDISC_NEW:
    case TC_SIM_QDISC_DEL:
        vdpad_track_event_qdisc(r->table, &event->qdisc,
                                event->kind == TC_SIM_QDISC_NEW);
        break;
    case TC_SIM_LINK_DEL:
        vdpad_track_event_link_gone(r->table, event->qdisc.ifindex);
        break;
    default:
        abort();
    }
}

/* Reads up to 'max' announcements. */
static void
read_events(struct run *r, uint32_t max)
{
    struct tc_sim_event event;
    int got = 1;

    for (uint32_t i = 0; got && i < max; i++) {
        got = tc_sim_receive(r->sim, &event);
        if (got > 0) {
            take(r, &event);
        } else if (got < 0) {
            vdpad_track_lost(r->table);
            r->was_lost = true;
            r->n_losses++;
        }
    }
}

/* Meanwhile life goes on, unless it is 'quiet'. */
static void
meanwhile(struct run *r, bool quiet)
{
    uint32_t n = quiet ? 0 : tc_sim_random(r->sim, 12);

    while (n--) {
        tc_sim_act(r->sim);
    }
    read_events(r, tc_sim_random(r->sim, 8));
}

static bool
is_complete(struct run *r)
{
    bool complete;

    read_events(r, UINT32_MAX);
    complete = !r->was_lost && !r->sim->dump_is_interrupted;
    r->n_dumps++;
    r->n_failed_dumps += !complete;
    return complete;
}

static void
dump_qdiscs(struct run *r, bool quiet)
{
    struct vdpad_qdisc piece[3];
    int n;

    r->was_lost = false;
    tc_sim_qdiscs_begin(r->sim);
    vdpad_track_qdiscs_begin(r->table);
    while ((n = tc_sim_qdiscs_piece(r->sim, piece, 3)) > 0) {
        meanwhile(r, quiet);
        for (int i = 0; i < n; i++) {
            vdpad_track_qdiscs_row(r->table, &piece[i]);
        }
    }
    vdpad_track_qdiscs_end(r->table, is_complete(r));
}

/* The kernel writes a piece ahead of the one that is read. */
static void
dump_filters(struct run *r, const struct vdpad_track_target *target,
             bool quiet)
{
    struct vdpad_filter pieces[2][TC_SIM_PIECES];
    int n[2] = { 0, 0 }, at = 0;

    r->was_lost = false;
    meanwhile(r, quiet);
    tc_sim_dump_begin(r->sim, target);
    vdpad_track_dump_begin(r->table, target);
    n[0] = tc_sim_dump_piece(r->sim, pieces[0]);
    while (n[at]) {
        meanwhile(r, quiet);
        n[!at] = tc_sim_dump_piece(r->sim, pieces[!at]);
        meanwhile(r, quiet);
        read_events(r, UINT32_MAX);
        for (int i = 0; i < n[at]; i++) {
            vdpad_track_dump_row(r->table, &pieces[at][i]);
        }
        at = !at;
    }
    vdpad_track_dump_end(r->table, is_complete(r));
}

/* As the tracker does it. */
static void
refresh(struct run *r, bool all, bool quiet)
{
    read_events(r, UINT32_MAX);
    vdpad_track_refresh(r->table, all);
    for (int i = 0; i < 4; i++) {
        struct vdpad_track_target target;

        if (vdpad_track_wants_qdiscs(r->table) || (all && !i)) {
            dump_qdiscs(r, quiet);
        }
        vdpad_track_restart(r->table);
        while (vdpad_track_next(r->table, &target)) {
            dump_filters(r, &target, quiet);
        }
        if (vdpad_track_is_complete(r->table)) {
            break;
        }
    }
}

/* Every filter of the kernel's is in the table, and nothing else; with
 * 'counters' also as what it is. */
static void
check_equal(struct run *r, bool counters)
{
    const struct vdpad_track *t = r->table;
    struct vdpad_track_totals totals;

    for (int i = 0; i < r->sim->n_filters; i++) {
        const struct vdpad_filter *f = &r->sim->filters[i].filter;
        const struct tc_sim_scope *s =
            &r->sim->scopes[r->sim->filters[i].scope];
        uint32_t scope = track_scope_find(t, s->ifindex, s->block);
        uint32_t group = scope == NONE ? NONE : track_group_find(t, scope, f);
        uint32_t id = group == NONE ? NONE
                                    : track_flow_find(t, group, f->handle);
        const struct track_flow *flow;

        if (id == NONE) {
            fail_msg("ifindex %d block %u chain %u prio %u handle %u is "
                     "missing",
                     s->ifindex, s->block, f->chain, f->prio, f->handle);
        }
        flow = track_flow(t, id);
        assert_false(flow->is_dead);
        if (counters) {
            assert_int_equal(flow->in_hw, f->in_hw);
            assert_int_equal(flow->is_foreign, !f->has_cookie);
            assert_int_equal(flow->seen.hw_packets,
                             f->chain ? 0 : f->hw_packets);
            assert_int_equal(flow->seen.sw_packets,
                             f->chain ? 0 : f->packets - f->hw_packets);
            assert_int_equal(flow->seen.sw_bytes,
                             f->chain ? 0 : f->bytes - f->hw_bytes);
        }
    }
    vdpad_track_totals(t, &totals);
    assert_int_equal(totals.flows, r->sim->n_filters);
}

/* What the rows say of each scope is the sum of what is there; sums never go
 * down. */
static void
check_rows(struct run *r, bool quiet)
{
    struct vdpad_rows rows;

    vdpad_rows_init(&rows, VDPAD_FLOW);
    vdpad_track_rows(r->table, &rows);
    assert_int_equal(vdpad_picture_sort(&rows.picture), 0);
    for (size_t i = 0; i < rows.picture.n; i++) {
        const struct vdpad_flow *row = &VDPAD_ROWS(&rows.picture,
                                                   vdpad_flow)[i];
        struct vdpad_flow *seen = &r->seen[row->ifindex];
        const struct vdpad_qdisc *qdisc = &r->sim->qdiscs[row->ifindex - 1];
        struct vdpad_flow sum = { .ifindex = row->ifindex };

        if (seen->epoch == row->epoch) {
            assert_true(row->hw_packets >= seen->hw_packets
                        && row->sw_packets >= seen->sw_packets
                        && row->hw_bytes >= seen->hw_bytes
                        && row->sw_bytes >= seen->sw_bytes);
        }
        *seen = *row;
        if (!quiet) {
            continue;
        }
        assert_int_equal(qdisc->ifindex, row->ifindex);
        assert_int_equal(qdisc->ingress_block, row->block);
        for (int j = 0; j < r->sim->n_filters; j++) {
            const struct tc_sim_scope *s =
                &r->sim->scopes[r->sim->filters[j].scope];
            const struct vdpad_filter *f = &r->sim->filters[j].filter;

            if (row->block ? s->block == row->block
                           : s->ifindex == row->ifindex) {
                sum.hw_flows += f->in_hw;
                sum.sw_flows += !f->in_hw;
                sum.foreign_flows += !f->has_cookie;
                sum.hw_packets += f->chain ? 0 : f->hw_packets;
            }
        }
        assert_int_equal(row->hw_flows, sum.hw_flows);
        assert_int_equal(row->sw_flows, sum.sw_flows);
        assert_int_equal(row->foreign_flows, sum.foreign_flows);
        assert_true(row->block || row->hw_packets >= sum.hw_packets);
    }
    vdpad_rows_clear(&rows);
}

/* Nothing is counted twice, unless what was announced was wrong: counters that
 * a filter had when it was last replaced or taken away as a whole are not
 * known, so that there may be less. */
static void
check_sums(struct run *r)
{
    for (int i = 0; r->sim->is_pure && i < TC_SIM_SCOPES; i++) {
        const struct tc_sim_scope *s = &r->sim->scopes[i];
        uint32_t id = track_scope_find(r->table, s->ifindex, s->block);

        assert_int_equal(id != NONE, s->is_there);
        if (id != NONE) {
            assert_in_range(r->table->scopes[id].sums.hw_packets, 0,
                            s->hw_packets);
            assert_in_range(r->table->scopes[id].sums.sw_packets, 0,
                            s->sw_packets);
        }
    }
}

/* Quiet: nothing happens until the table is certain. */
static void
check_quiet(struct run *r)
{
    int n = 0;

    refresh(r, true, true);
    while (!vdpad_track_is_complete(r->table)) {
        assert_true(++n < 50);
        refresh(r, false, true);
    }
    check_equal(r, true);
    check_rows(r, true);
    check_sums(r);
    r->n_checks++;
}

static void
live(struct run *r, uint64_t until)
{
    while (r->sim->n_events < until) {
        for (uint32_t n = tc_sim_random(r->sim, 200); n; n--) {
            tc_sim_act(r->sim);
            if (!tc_sim_random(r->sim, 3)) {
                read_events(r, tc_sim_random(r->sim, 10));
            }
        }
        if (tc_sim_random(r->sim, 2)) {
            refresh(r, !tc_sim_random(r->sim, 10), false);
            check_rows(r, false);
        }
        if (r->sim->is_pure && !r->sim->loss) {
            struct vdpad_track_totals totals;

            /* Without a loss the events alone keep it right. */
            read_events(r, UINT32_MAX);
            if (vdpad_track_is_complete(r->table)) {
                check_equal(r, false);
            }
            vdpad_track_totals(r->table, &totals);
            assert_int_equal(totals.repaired, 0);
        }
        if (!tc_sim_random(r->sim, 4)) {
            check_quiet(r);
        }
    }
}

static void
run(uint64_t events, unsigned int loss, unsigned int swap_same,
    unsigned int interrupt)
{
    struct run r = { .sim = calloc(1, sizeof *r.sim) };
    struct vdpad_track_totals totals;

    assert_non_null(r.sim);
    tc_sim_init(r.sim, first_seed);
    r.sim->loss = loss;
    r.sim->swap_same = swap_same;
    r.sim->interrupt = interrupt;
    r.table = vdpad_track_new(1, VDPAD_TRACK_MAX);
    live(&r, events);
    check_quiet(&r);
    vdpad_track_totals(r.table, &totals);
    print_message("seed %" PRIu64 ": %" PRIu64 " events, %" PRIu64
                  " losses, %" PRIu64 " dumps (%" PRIu64
                  " of them incomplete), %" PRIu64 " repaired, equal %" PRIu64
                  " times\n",
                  first_seed, r.sim->n_events, r.n_losses, r.n_dumps,
                  r.n_failed_dumps, totals.repaired, r.n_checks);
    vdpad_track_free(r.table);
    free(r.sim);
}

static void
all_announced(void **state)
{
    (void) state;
    run(n_events / 3, 0, 0, 10);
}

static void
some_lost(void **state)
{
    (void) state;
    run(n_events / 3, 200, 0, 20);
}

static void
everything(void **state)
{
    (void) state;
    run(n_events - 2 * (n_events / 3), 50, 20, 5);
}

int
main(int argc, char *argv[])
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_announced),
        cmocka_unit_test(some_lost),
        cmocka_unit_test(everything),
    };
    const char *events = argc > 1 ? argv[1] : getenv("VDPAD_TRACK_EVENTS");

    n_events = events ? strtoull(events, NULL, 10) : n_events;
    first_seed = argc > 2 ? strtoull(argv[2], NULL, 10) : first_seed;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
