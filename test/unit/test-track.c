/* SPDX-License-Identifier: Apache-2.0 */
/* The table of tracked filters, case by case. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "netlink/track-private.h"
#include "netlink/uapi.h"

#define INGRESS TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)
#define EGRESS TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)

static struct vdpad_track *t;

static int
setup(void **state)
{
    (void) state;
    t = vdpad_track_new(1000, VDPAD_TRACK_MAX);
    return 0;
}

static int
teardown(void **state)
{
    (void) state;
    vdpad_track_free(t);
    return 0;
}

static struct vdpad_filter
filter(int32_t ifindex, uint16_t prio, uint32_t handle)
{
    return (struct vdpad_filter){
        .ifindex = ifindex,
        .parent = INGRESS,
        .handle = handle,
        .prio = prio,
        .protocol = 8,
        .is_flower = true,
        .in_hw = true,
        .has_cookie = true,
    };
}

static struct vdpad_filter
counted(int32_t ifindex, uint32_t handle, uint64_t packets, uint64_t hw)
{
    struct vdpad_filter f = filter(ifindex, 1, handle);

    f.packets = packets;
    f.bytes = packets * 100;
    f.hw_packets = hw;
    f.hw_bytes = hw * 100;
    return f;
}

static void
add_qdisc(int32_t ifindex, bool clsact, uint32_t block)
{
    struct vdpad_qdisc qdisc = {
        .ifindex = ifindex,
        .clsact = clsact,
        .ingress_block = block,
    };

    vdpad_track_event_qdisc(t, &qdisc, true);
}

static void
del_qdisc(int32_t ifindex)
{
    struct vdpad_qdisc qdisc = { .ifindex = ifindex };

    vdpad_track_event_qdisc(t, &qdisc, false);
}

static void
came(struct vdpad_filter f)
{
    vdpad_track_event_filter(t, &f, true);
}

static void
went(struct vdpad_filter f)
{
    vdpad_track_event_filter(t, &f, false);
}

static void
begin(int32_t ifindex, uint32_t block)
{
    struct vdpad_track_target target = { ifindex, block };

    vdpad_track_dump_begin(t, &target);
}

static void
row(struct vdpad_filter f)
{
    vdpad_track_dump_row(t, &f);
}

static void
end(bool complete)
{
    vdpad_track_dump_end(t, complete);
}

/* A dump that shows nothing. */
static void
empty_dump(int32_t ifindex)
{
    begin(ifindex, 0);
    end(true);
}

static struct vdpad_flow
flow_of(int32_t ifindex)
{
    struct vdpad_flow found = { .ifindex = 0 };
    struct vdpad_rows rows;

    vdpad_rows_init(&rows, VDPAD_FLOW);
    vdpad_track_rows(t, &rows);
    assert_int_equal(vdpad_picture_sort(&rows.picture), 0);
    for (size_t i = 0; i < rows.picture.n; i++) {
        const struct vdpad_flow *f = &VDPAD_ROWS(&rows.picture, vdpad_flow)[i];

        if (f->ifindex == ifindex) {
            found = *f;
        }
    }
    vdpad_rows_clear(&rows);
    return found;
}

static uint64_t
repaired(void)
{
    struct vdpad_track_totals totals;

    vdpad_track_totals(t, &totals);
    return totals.repaired;
}

static uint32_t
flows(void)
{
    struct vdpad_track_totals totals;

    vdpad_track_totals(t, &totals);
    return totals.flows;
}

static void
events(void **state)
{
    struct vdpad_filter f = filter(3, 1, 2);

    (void) state;
    came(filter(3, 1, 1)); /* Its qdisc is not known. */
    assert_int_equal(flow_of(3).ifindex, 0);
    add_qdisc(3, false, 0);
    empty_dump(3);
    assert_int_equal(flow_of(3).ifindex, 3);
    came(filter(3, 1, 1));
    f.in_hw = f.has_cookie = false;
    came(f);
    came(f); /* The same one again. */
    assert_int_equal(flow_of(3).hw_flows, 1);
    assert_int_equal(flow_of(3).sw_flows, 1);
    assert_int_equal(flow_of(3).foreign_flows, 1);
    f.in_hw = true; /* Replaced. */
    came(f);
    assert_int_equal(flow_of(3).hw_flows, 2);
    assert_int_equal(flow_of(3).sw_flows, 0);
    went(filter(3, 1, 1));
    went(filter(3, 1, 1));
    went(filter(3, 1, 77));
    assert_int_equal(flow_of(3).hw_flows, 1);
    assert_int_equal(repaired(), 0);
    assert_int_equal(vdpad_track_take_changed(t),
                     1u << VDPAD_FLOW | 1u << VDPAD_QDISC);
    assert_int_equal(vdpad_track_take_changed(t), 0);
}

/* What is the same in all but one part of the key is another filter. */
static void
keys(void **state)
{
    struct vdpad_filter a = filter(3, 1, 1), b;

    (void) state;
    add_qdisc(3, false, 0);
    add_qdisc(4, false, 0);
    came(a);
    b = a;
    b.ifindex = 4;
    came(b);
    b = a;
    b.chain = 1;
    came(b);
    b = a;
    b.prio = 2;
    came(b);
    b = a;
    b.protocol = 9;
    came(b);
    b = a;
    b.handle = 2;
    came(b);
    assert_int_equal(flow_of(3).hw_flows, 5);
    assert_int_equal(flow_of(4).hw_flows, 1);
    a.handle = 0; /* The whole classifier. */
    went(a);
    assert_int_equal(flow_of(3).hw_flows, 3);
    assert_int_equal(flows(), 4);
}

static void
not_tracked(void **state)
{
    struct vdpad_filter f;

    (void) state;
    add_qdisc(3, true, 0);
    empty_dump(3);
    f = filter(3, 1, 1);
    f.parent = EGRESS;
    came(f);
    f.parent = 0x10000; /* Under a qdisc for what leaves. */
    came(f);
    f.parent = INGRESS;
    f.is_flower = false;
    came(f);
    assert_int_equal(flows(), 0);
    /* An ingress qdisc has one list, whatever the parent. */
    add_qdisc(4, false, 0);
    f = filter(4, 1, 1);
    f.parent = TC_H_MAKE(TC_H_INGRESS, 0);
    came(f);
    assert_int_equal(flow_of(4).hw_flows, 1);
}

static void
counters(void **state)
{
    struct vdpad_flow f;
    uint32_t epoch;

    (void) state;
    add_qdisc(3, false, 0);
    begin(3, 0);
    row(counted(3, 1, 100, 90));
    end(true);
    f = flow_of(3);
    assert_int_equal(f.hw_packets, 90);
    assert_int_equal(f.hw_bytes, 9000);
    assert_int_equal(f.sw_packets, 10);
    assert_int_equal(f.sw_bytes, 1000);
    epoch = f.epoch;

    /* Hardware was read a moment later than the rest. */
    begin(3, 0);
    row(counted(3, 1, 100, 101));
    end(true);
    assert_int_equal(flow_of(3).hw_packets, 101);
    assert_int_equal(flow_of(3).sw_packets, 10);
    begin(3, 0);
    row(counted(3, 1, 115, 105));
    end(true);
    assert_int_equal(flow_of(3).hw_packets, 105);
    assert_int_equal(flow_of(3).sw_packets, 10);

    /* The last ones come with its end. */
    went(counted(3, 1, 125, 110));
    assert_int_equal(flow_of(3).hw_packets, 110);
    assert_int_equal(flow_of(3).sw_packets, 15);
    assert_int_equal(flow_of(3).hw_flows, 0);

    /* Made again; then replaced, which is told by its counters only. */
    came(counted(3, 1, 5, 5));
    came(counted(3, 1, 2, 1));
    f = flow_of(3);
    assert_int_equal(f.hw_packets, 116);
    assert_int_equal(f.sw_packets, 16);

    /* The sums outlive the qdisc. */
    del_qdisc(3);
    assert_int_equal(flow_of(3).ifindex, 0);
    add_qdisc(3, true, 0);
    f = flow_of(3);
    assert_int_equal(f.hw_packets, 116);
    assert_int_equal(f.hw_flows, 0);
    assert_int_equal(f.epoch, epoch);

    /* Not the netdev. */
    vdpad_track_event_link_gone(t, 3);
    add_qdisc(3, false, 0);
    f = flow_of(3);
    assert_int_equal(f.hw_packets, 0);
    assert_int_not_equal(f.epoch, epoch);
}

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
blocks(void **state)
{
    struct vdpad_filter f = filter(0, 1, 1);

    (void) state;
    add_qdisc(3, false, 22);
    add_qdisc(4, true, 22);
    begin(0, 22);
    f.parent = 22;
    f.packets = 10;
    row(f);
    end(true);
    for (int32_t i = 3; i < 5; i++) {
        assert_int_equal(flow_of(i).block, 22);
        assert_int_equal(flow_of(i).hw_flows, 1);
        assert_int_equal(flow_of(i).sw_packets, 10);
    }
    /* One leaves; the filters stay, and what it counted. */
    add_qdisc(3, false, 0);
    assert_int_equal(flow_of(3).block, 0);
    assert_int_equal(flow_of(3).hw_flows, 0);
    assert_int_equal(flow_of(3).sw_packets, 10);
    assert_int_equal(flow_of(4).hw_flows, 1);
    /* It comes back, and counts on from there. */
    add_qdisc(3, false, 22);
    f.packets = 15;
    begin(0, 22);
    row(f);
    end(true);
    assert_int_equal(flow_of(3).sw_packets, 15);
    assert_int_equal(flow_of(4).sw_packets, 15);
    vdpad_track_event_link_gone(t, 3);
    assert_int_equal(flow_of(4).hw_flows, 1);
    del_qdisc(4);
    assert_int_equal(flows(), 0);
}

static void
chains(void **state)
{
    struct vdpad_filter f = filter(3, 1, 1);

    (void) state;
    add_qdisc(3, false, 0);
    empty_dump(3);
    vdpad_track_qdiscs_begin(t);
    vdpad_track_qdiscs_row(t, &(struct vdpad_qdisc){ .ifindex = 3 });
    vdpad_track_qdiscs_end(t, true);
    assert_true(vdpad_track_is_complete(t));
    f.chain = 5;
    came(f);
    vdpad_track_event_chain_gone(t, &(struct vdpad_filter){
                                        .ifindex = 3,
                                        .parent = 0xffff0000,
                                        .chain = 4,
                                    });
    assert_true(vdpad_track_is_complete(t));
    /* That should have been empty. */
    vdpad_track_event_chain_gone(t, &(struct vdpad_filter){
                                        .ifindex = 3,
                                        .parent = 0xffff0000,
                                        .chain = 5,
                                    });
    assert_false(vdpad_track_is_complete(t));
    assert_int_equal(flow_of(3).hw_flows, 1);
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

/* All memory by filter, at every moment once there are ten thousand. */
static void
memory(void **state)
{
    struct vdpad_track_totals totals;
    size_t worst = 0;

    (void) state;
    add_qdisc(3, false, 0);
    for (uint32_t i = 1; i <= 300000; i++) {
        struct vdpad_filter f = filter(3, (uint16_t) (1 + i % 4), i);

        f.chain = i % 64;
        came(f);
        if (i >= 10000 && i % 64 == 0) {
            vdpad_track_totals(t, &totals);
            worst = totals.bytes / i > worst ? totals.bytes / i : worst;
        }
    }
    print_message("at most %zu bytes a filter\n", worst);
    assert_in_range(worst, 48, 63);
    for (uint32_t i = 1; i <= 300000; i++) {
        struct vdpad_filter f = filter(3, (uint16_t) (1 + i % 4), i);

        f.chain = i % 64;
        went(f);
    }
    vdpad_track_totals(t, &totals);
    assert_int_equal(totals.flows, 0);
    assert_in_range(totals.bytes, 0, 200000);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
        CASE(events),
        CASE(keys),
        CASE(not_tracked),
        CASE(counters),
        CASE(dump_repairs),
        CASE(events_in_a_dump),
        CASE(made_again_in_a_dump),
        CASE(classifier_goes_in_a_dump),
        CASE(always_disturbed),
        CASE(qdisc_goes_in_a_dump),
        CASE(blocks),
        CASE(chains),
        CASE(qdisc_dumps),
        CASE(netdev_counters),
        CASE(limit),
        CASE(memory),
#undef CASE
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
