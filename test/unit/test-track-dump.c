/* SPDX-License-Identifier: Apache-2.0 */
/* The table of tracked filters, case by case: what is dumped. */
#include "track-fixture.h"

static void
dump_repairs(void **state)
{
    (void) state;
    add_qdisc(3, false, 0);
    begin(3, 0);
    row(filter(3, 1, 1));
    row(filter(3, 1, 2));
    end(true);
    assert_true(flow_of(3).hw_flows == 2 && repaired() == 0);
    begin(3, 0);
    row(filter(3, 1, 2));
    row(filter(3, 1, 3));
    end(true);
    assert_int_equal(flow_of(3).hw_flows, 2);
    assert_int_equal(repaired(), 2);
    /* One that did not come to its end removes nothing. */
    begin(3, 0);
    row(filter(3, 1, 4));
    end(false);
    assert_int_equal(flow_of(3).hw_flows, 3);
    begin(3, 0);
    end(true);
    assert_int_equal(flow_of(3).hw_flows, 0);
    assert_int_equal(flows(), 0);
}

/* The last event decides, whenever the dump looked. */
static void
events_in_a_dump(void **state)
{
    (void) state;
    add_qdisc(3, false, 0);
    begin(3, 0);
    row(filter(3, 1, 1));
    row(filter(3, 1, 2));
    row(filter(3, 1, 3));
    end(true);

    begin(3, 0);
    went(filter(3, 1, 1));
    row(filter(3, 1, 1)); /* Written before. */
    row(filter(3, 1, 2));
    went(filter(3, 1, 2));
    came(filter(3, 1, 4)); /* Behind where the dump was. */
    row(filter(3, 1, 3));
    went(filter(3, 1, 5)); /* Of one that was never seen */
    row(filter(3, 1, 5));
    end(true);
    assert_int_equal(flow_of(3).hw_flows, 2);
    assert_int_equal(flows(), 2);
    assert_int_equal(repaired(), 0);

    begin(3, 0);
    row(filter(3, 1, 3));
    went(filter(3, 1, 3));
    came(filter(3, 1, 3));
    row(filter(3, 1, 4));
    row(filter(3, 1, 4));
    end(true);
    assert_int_equal(flow_of(3).hw_flows, 2);
    assert_int_equal(repaired(), 0);
}

/* Counters that may be those of a predecessor are not taken. */
static void
made_again_in_a_dump(void **state)
{
    (void) state;
    add_qdisc(3, false, 0);
    begin(3, 0);
    row(counted(3, 1, 1000, 1000));
    end(true);
    begin(3, 0);
    went(counted(3, 1, 1001, 1001));
    came(counted(3, 1, 0, 0));
    row(counted(3, 1, 1000, 1000));
    end(true);
    assert_int_equal(flow_of(3).hw_packets, 1001);
    begin(3, 0);
    row(counted(3, 1, 7, 7));
    end(true);
    assert_int_equal(flow_of(3).hw_packets, 1008);
}

static void
classifier_goes_in_a_dump(void **state)
{
    struct vdpad_filter all = filter(3, 1, 0), moved = filter(3, 2, 9);

    (void) state;
    add_qdisc(3, false, 0);
    begin(3, 0);
    row(filter(3, 1, 1));
    went(all);
    row(filter(3, 1, 2)); /* Written before. */
    came(filter(3, 1, 3));
    row(moved);
    end(true);
    assert_int_equal(flow_of(3).hw_flows, 2);

    /* The kernel may step over others then: they stay. */
    begin(3, 0);
    row(filter(3, 1, 3));
    went(filter(3, 1, 3));
    end(true);
    assert_int_equal(flow_of(3).hw_flows, 1);
    /* Until a dump that nothing disturbed. */
    empty_dump(3);
    assert_int_equal(flow_of(3).hw_flows, 0);
}

/* Where classifiers go all the time, three dumps running are believed. */
static void
always_disturbed(void **state)
{
    (void) state;
    add_qdisc(3, false, 0);
    begin(3, 0);
    row(filter(3, 1, 1));
    row(filter(3, 2, 2));
    end(true);
    vdpad_track_lost(t);
    for (int i = 0; i < 3; i++) {
        assert_false(vdpad_track_is_complete(t));
        assert_int_equal(flow_of(3).hw_flows, 2);
        begin(3, 0);
        row(filter(3, 2, 2));
        came(filter(3, 7, 7));
        went(filter(3, 7, 7));
        end(true);
        vdpad_track_qdiscs_begin(t);
        vdpad_track_qdiscs_row(t, &(struct vdpad_qdisc){ .ifindex = 3 });
        vdpad_track_qdiscs_end(t, true);
    }
    assert_int_equal(flow_of(3).hw_flows, 1);
    assert_true(vdpad_track_is_complete(t));
    assert_int_equal(repaired(), 1);
}

static void
qdisc_goes_in_a_dump(void **state)
{
    (void) state;
    add_qdisc(3, false, 0);
    begin(3, 0);
    row(filter(3, 1, 1));
    del_qdisc(3);
    add_qdisc(3, false, 0);
    row(filter(3, 1, 2));
    end(true);
    assert_int_equal(flow_of(3).hw_flows, 0);
    assert_false(vdpad_track_is_complete(t));
}

static void
qdisc_dumps(void **state)
{
    struct vdpad_qdisc qdisc = { .ifindex = 3 };

    (void) state;
    assert_true(vdpad_track_wants_qdiscs(t));
    vdpad_track_qdiscs_begin(t);
    vdpad_track_qdiscs_row(t, &qdisc);
    del_qdisc(3); /* The last event decides. */
    vdpad_track_qdiscs_row(t, &qdisc);
    add_qdisc(4, false, 0);
    vdpad_track_qdiscs_end(t, true);
    assert_int_equal(flow_of(3).ifindex, 0);
    assert_int_equal(flow_of(4).ifindex, 4);
    assert_false(vdpad_track_wants_qdiscs(t));

    /* One that did not come to its end removes nothing. */
    vdpad_track_qdiscs_begin(t);
    vdpad_track_qdiscs_end(t, false);
    assert_int_equal(flow_of(4).ifindex, 4);
    assert_true(vdpad_track_wants_qdiscs(t));
    vdpad_track_qdiscs_begin(t);
    vdpad_track_event_link_gone(t, 9);
    vdpad_track_qdiscs_end(t, true);
    assert_int_equal(flow_of(4).ifindex, 4);
    vdpad_track_qdiscs_begin(t);
    vdpad_track_qdiscs_end(t, true);
    assert_int_equal(flow_of(4).ifindex, 0);
}

static void
netdev_counters(void **state)
{
    struct vdpad_link_stats stats = { .ifindex = 3, .rx_packets = 5 };

    (void) state;
    vdpad_track_stats_row(t, &stats); /* Nothing to show of it. */
    assert_true(vdpad_track_is_empty(t));
    add_qdisc(3, false, 0);
    vdpad_track_stats_begin(t);
    vdpad_track_stats_row(t, &stats);
    stats = (struct vdpad_link_stats){ 4, 7, 6, true };
    vdpad_track_stats_row(t, &stats);
    vdpad_track_stats_end(t, true);
    assert_int_equal(flow_of(3).rx_packets, 5);
    assert_false(flow_of(3).has_cpu_hit);
    assert_int_equal(flow_of(4).rx_packets, 7);
    assert_int_equal(flow_of(4).cpu_hit_packets, 6);
    assert_true(flow_of(4).has_cpu_hit);
    vdpad_track_stats_begin(t);
    vdpad_track_stats_end(t, false);
    assert_int_equal(flow_of(4).ifindex, 4);
    vdpad_track_stats_begin(t);
    vdpad_track_stats_end(t, true);
    assert_int_equal(flow_of(4).ifindex, 0);
    assert_int_equal(flow_of(3).ifindex, 3);
    assert_true(vdpad_track_wants_qdiscs(t));
}

/* Past the limit only what dumps show is counted. */
static void
limit(void **state)
{
    struct vdpad_track_totals totals;

    (void) state;
    vdpad_track_free(t);
    t = vdpad_track_new(1, 2);
    add_qdisc(3, false, 0);
    begin(3, 0);
    for (uint32_t i = 1; i <= 5; i++) {
        row(counted(3, i, 10, 0));
    }
    end(true);
    vdpad_track_totals(t, &totals);
    assert_int_equal(totals.flows, 2);
    assert_int_equal(totals.untracked, 3);
    assert_int_equal(flow_of(3).hw_flows, 5);
    assert_int_equal(flow_of(3).sw_packets, 50);
    /* Two leave, and two others take their places. */
    went(counted(3, 1, 11, 0));
    went(counted(3, 2, 11, 0));
    assert_int_equal(flow_of(3).sw_packets, 52);
    begin(3, 0);
    for (uint32_t i = 3; i <= 5; i++) {
        row(counted(3, i, 20, 0));
    }
    end(true);
    assert_int_equal(flow_of(3).sw_packets, 82);
    assert_int_equal(flow_of(3).hw_flows, 3);
    begin(3, 0);
    for (uint32_t i = 3; i <= 5; i++) {
        row(counted(3, i, 21, 0));
    }
    end(true);
    assert_int_equal(flow_of(3).sw_packets, 85);
    came(filter(3, 1, 9));
    vdpad_track_totals(t, &totals);
    assert_int_equal(totals.flows, 2);
}

/* A program that adds filters without end, each in a chain and at a priority
 * of its own: announced, dumped, and withdrawn. */
static void
flood(void **state)
{
    enum { MAX = 1000, MANY = 200000 };
    struct vdpad_track_totals totals;
    uint64_t bytes = 0;

    (void) state;
    vdpad_track_free(t);
    t = vdpad_track_new(1, MAX);
    add_qdisc(3, false, 0);
    empty_dump(3);
    for (uint32_t way = 0; way < 3; way++) {
        if (way == 1) {
            begin(3, 0);
        }
        for (uint32_t i = 1; i <= MANY; i++) {
            struct vdpad_filter f = filter(3, (uint16_t) (i % 60000 + 1), 1);

            f.chain = i;
            f.has_cookie = false;
            if (way == 0) {
                came(f);
            } else if (way == 1) {
                row(f);
            } else {
                went(f);
            }
            if (way == 0 && i == MAX) {
                vdpad_track_totals(t, &totals);
                bytes = totals.bytes;
            }
        }
        if (way == 1) {
            end(true);
            vdpad_track_totals(t, &totals);
            assert_int_equal(totals.untracked, MANY - MAX);
            assert_int_equal(flow_of(3).hw_flows, MANY);
            assert_int_equal(flow_of(3).foreign_flows, MANY);
        }
        vdpad_track_totals(t, &totals);
        assert_int_equal(totals.flows, way < 2 ? MAX : 0);
        assert_true(totals.bytes <= bytes + bytes / 8);
    }
    empty_dump(3);
    vdpad_track_totals(t, &totals);
    assert_int_equal(totals.untracked, 0);
    assert_int_equal(flow_of(3).hw_flows, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TRACK_CASE(dump_repairs),
        TRACK_CASE(events_in_a_dump),
        TRACK_CASE(made_again_in_a_dump),
        TRACK_CASE(classifier_goes_in_a_dump),
        TRACK_CASE(always_disturbed),
        TRACK_CASE(qdisc_goes_in_a_dump),
        TRACK_CASE(qdisc_dumps),
        TRACK_CASE(netdev_counters),
        TRACK_CASE(limit),
        TRACK_CASE(flood),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
