/* SPDX-License-Identifier: Apache-2.0 */
/* The table of tracked filters, case by case: what is announced. */
#include "track-fixture.h"

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

/* A packet that goes from chain to chain is one packet. */
/* The end of a filter was written before the dump that is told before it. */
static void
counters_at_the_end(void **state)
{
    (void) state;
    add_qdisc(3, false, 0);
    for (uint32_t i = 1; i <= 2; i++) {
        begin(3, 0);
        row(counted(3, i, 1000, 900));
        end(true);
        if (i == 1) {
            went(counted(3, i, 990, 890));
        }
    }
    begin(3, 0);
    row(counted(3, 2, 1100, 1000));
    went(counted(3, 2, 1090, 990));
    end(true);
    assert_int_equal(flow_of(3).hw_packets, 900 + 1000);
    assert_int_equal(flow_of(3).sw_packets, 100 + 100);
    assert_int_equal(flow_of(3).hw_flows, 0);
}

static void
counters_of_chains(void **state)
{
    struct vdpad_filter first = counted(3, 1, 100, 90);
    struct vdpad_filter second = counted(3, 1, 95, 90);

    (void) state;
    second.chain = 7;
    add_qdisc(3, false, 0);
    begin(3, 0);
    row(first);
    row(second);
    end(true);
    assert_int_equal(flow_of(3).hw_flows, 2);
    assert_int_equal(flow_of(3).hw_packets, 90);
    assert_int_equal(flow_of(3).hw_bytes, 9000);
    assert_int_equal(flow_of(3).sw_packets, 10);
    second.packets = second.hw_packets = 200;
    went(second);
    assert_int_equal(flow_of(3).hw_flows, 1);
    assert_int_equal(flow_of(3).hw_packets, 90);
    assert_int_equal(flow_of(3).sw_bytes, 1000);
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
        TRACK_CASE(events),
        TRACK_CASE(keys),
        TRACK_CASE(not_tracked),
        TRACK_CASE(counters),
        TRACK_CASE(counters_at_the_end),
        TRACK_CASE(counters_of_chains),
        TRACK_CASE(blocks),
        TRACK_CASE(chains),
        TRACK_CASE(memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
