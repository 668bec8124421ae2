/* SPDX-License-Identifier: Apache-2.0 */
/* What a kernel announced, as recorded, into the table of tracked filters. */
#include "test/data/recorded.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <netlink/msg.h>

#include "netlink/stats-codec.h"
#include "netlink/track-feed.h"

#define PF0VF0 8
#define PF0VF1 9

/* tc-event.nl is what these commands had the kernel announce; `tc monitor`
 * showed the same beside, and whether each filter was in hardware.  Numbers
 * of filters at the ingress of pf0vf0 that are in hardware, that are not, and
 * that are without Open vSwitch's cookie, -1: no row. */
static const struct {
    const char *command;
    int hw, sw, foreign;
} announced[] = {
    { "qdisc add dev pf0vf0 ingress", 0, 0, 0 },
    { "(its chain 0)", 0, 0, 0 },
    { "filter add ingress prio 2 handle 5 … cookie …", 1, 0, 0 },
    { "(chain 7)", 1, 0, 0 },
    { "filter add ingress prio 3 chain 7 … skip_hw", 1, 1, 1 },
    { "filter replace ingress prio 3 chain 7 handle 1 … skip_hw", 1, 1, 1 },
    { "filter add ingress prio 4 protocol arp …", 2, 1, 2 },
    { "filter add ingress prio 4 protocol arp …", 3, 1, 3 },
    { "filter add ingress prio 9 protocol all matchall …", 3, 1, 3 },
    { "filter del ingress prio 2 handle 5 flower", 2, 1, 3 },
    { "filter del ingress prio 4", 0, 1, 1 },
    { "chain add ingress chain 9", 0, 1, 1 },
    { "filter add ingress prio 1 chain 9 …", 0, 2, 2 },
    { "chain del ingress chain 9: its filter", 0, 1, 1 },
    { "chain del ingress chain 9: the chain", 0, 1, 1 },
    { "filter del ingress chain 7: its filter", 0, 0, 0 },
    { "filter del ingress chain 7: the chain", 0, 0, 0 },
    { "qdisc del dev pf0vf0 ingress", -1, -1, -1 },
    { "(its chain 0)", -1, -1, -1 },
    { "qdisc add dev pf0vf0 clsact", 0, 0, 0 },
    { "(chain 0 of its egress)", 0, 0, 0 },
    { "filter add egress prio 1 …", 0, 0, 0 },
    { "(chain 0 of its ingress)", 0, 0, 0 },
    { "filter add ingress prio 1 …", 1, 0, 1 },
    { "filter del egress: its filter", 1, 0, 1 },
    { "filter del egress: the chain", 1, 0, 1 },
};

static struct vdpad_flow
row_of(const struct vdpad_track *t, int32_t ifindex)
{
    struct vdpad_flow row = { .ifindex = -1 };
    struct vdpad_rows rows;

    vdpad_rows_init(&rows, VDPAD_FLOW);
    vdpad_track_rows(t, &rows);
    for (size_t i = 0; i < rows.picture.n; i++) {
        if (VDPAD_ROWS(&rows.picture, vdpad_flow)[i].ifindex == ifindex) {
            row = VDPAD_ROWS(&rows.picture, vdpad_flow)[i];
        }
    }
    vdpad_rows_clear(&rows);
    return row;
}

static void
test_recorded_events(void **state)
{
    struct vdpad_track *t = vdpad_track_new(1, VDPAD_TRACK_MAX);
    size_t size, offset = 0, n = 0;
    char *data = recorded_load("linux-6.12/tc-event.nl", &size);
    struct recorded_message message;
    struct vdpad_flow row;
    bool had_block = false;

    (void) state;
    vdpad_track_qdiscs_begin(t);
    vdpad_track_qdiscs_end(t, true);
    while (recorded_next(data, size, &offset, &message)) {
        int error = vdpad_track_announced(t, message.type, message.payload,
                                          message.len);

        assert_true(!error || error == VDPAD_CODEC_SKIP);
        if (n < sizeof announced / sizeof announced[0]) {
            bool is_there = announced[n].hw >= 0;

            row = row_of(t, PF0VF0);
            if ((row.ifindex == PF0VF0) != is_there
                || (is_there
                    && ((int) row.hw_flows != announced[n].hw
                        || (int) row.sw_flows != announced[n].sw
                        || (int) row.foreign_flows != announced[n].foreign))) {
                fail_msg("after %s: %d: %u %u %u", announced[n].command,
                         row.ifindex, row.hw_flows, row.sw_flows,
                         row.foreign_flows);
            }
        }
        /* Then a filter in block 22, and its end. */
        row = row_of(t, PF0VF1);
        had_block |= row.block == 22 && row.hw_flows == 1;
        n++;
        free(message.payload);
    }
    free(data);
    assert_true(had_block);
    assert_int_equal(row_of(t, PF0VF0).hw_flows, 1);
    assert_int_equal(row_of(t, PF0VF1).hw_flows, 0);
    assert_int_equal(row_of(t, PF0VF1).block, 22);
    /* No qdisc was unknown. */
    assert_false(vdpad_track_wants_qdiscs(t));
    vdpad_track_free(t);
}

static int
feed_any(const void *payload, size_t len, void *table)
{
    static const uint16_t types[] = { RTM_NEWTFILTER, RTM_DELTFILTER,
                                      RTM_NEWQDISC,   RTM_DELQDISC,
                                      RTM_DELCHAIN,   RTM_DELLINK };
    struct vdpad_track *t = vdpad_track_new(1, 100);
    int error = 0;

    (void) table;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        error = vdpad_track_announced(t, types[i], payload, len);
    }
    vdpad_track_free(t);
    return error;
}

static void
test_mangled(void **state)
{
    (void) state;
    recorded_mangle("linux-6.12/tc-event.nl", feed_any, sizeof(int));
}

static void
put_stats(struct nl_msg *msg, int type, uint64_t packets)
{
    struct rtnl_link_stats64 stats;

    memset(&stats, 0, sizeof stats);
    stats.rx_packets = packets;
    nla_put(msg, type, sizeof stats, &stats);
}

static void
test_stats(void **state)
{
    struct if_stats_msg header = { .ifindex = 7 };
    struct vdpad_link_stats stats;
    struct nl_msg *msg = nlmsg_alloc();
    const struct nlmsghdr *made = nlmsg_hdr(msg);
    struct nlattr *nest;

    (void) state;
    assert_int_equal(nlmsg_append(msg, &header, sizeof header, 4), 0);
    put_stats(msg, IFLA_STATS_LINK_64, 50);
    assert_int_equal(vdpad_stats_decode(nlmsg_data(made),
                                        (size_t) nlmsg_datalen(made), &stats),
                     0);
    assert_int_equal(stats.ifindex, 7);
    assert_int_equal(stats.rx_packets, 50);
    assert_false(stats.has_cpu_hit);

    nest = nla_nest_start(msg, IFLA_STATS_LINK_OFFLOAD_XSTATS);
    put_stats(msg, IFLA_OFFLOAD_XSTATS_CPU_HIT, 9);
    nla_nest_end(msg, nest);
    assert_int_equal(vdpad_stats_decode(nlmsg_data(made),
                                        (size_t) nlmsg_datalen(made), &stats),
                     0);
    assert_true(stats.has_cpu_hit);
    assert_int_equal(stats.cpu_hit_packets, 9);

    nest = nla_nest_start(msg, IFLA_STATS_LINK_OFFLOAD_XSTATS);
    nla_put_u32(msg, IFLA_OFFLOAD_XSTATS_CPU_HIT, 9); /* Too short. */
    nla_nest_end(msg, nest);
    assert_int_equal(vdpad_stats_decode(nlmsg_data(made),
                                        (size_t) nlmsg_datalen(made), &stats),
                     -EBADMSG);
    nlmsg_free(msg);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recorded_events),
        cmocka_unit_test(test_mangled),
        cmocka_unit_test(test_stats),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
