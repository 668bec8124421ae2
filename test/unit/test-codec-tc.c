/* SPDX-License-Identifier: Apache-2.0 */
#include "test/data/recorded.h"

#include <linux/gen_stats.h>

#include <netlink/msg.h>

#include "netlink/tc-codec.h"
#include "netlink/uapi.h"

static int
decode_qdisc(const void *payload, size_t len, void *row)
{
    return vdpad_tc_decode_qdisc(payload, len, row);
}

static int
decode_filter(const void *payload, size_t len, void *row)
{
    return vdpad_tc_decode_filter(payload, len, row);
}

static void
test_qdisc(void **state)
{
    struct vdpad_qdisc rows[8];

    (void) state;
    assert_int_equal(recorded_rows("linux-6.12/qdisc.nl", decode_qdisc, rows,
                                   sizeof rows[0], 8),
                     3);
    assert_int_equal(rows[0].ifindex, 3);
    assert_false(rows[0].clsact);
    assert_int_equal(rows[0].ingress_block, 0);
    assert_int_equal(rows[1].ifindex, 5);
    assert_true(rows[1].clsact);
    assert_int_equal(rows[2].ifindex, 8);
    assert_int_equal(rows[2].ingress_block, 22);
}

/* Both forms of a dump say the same. */
static void
test_filter(void **state)
{
    static const char *const files[] = { "linux-6.12/filter-full.nl",
                                         "linux-6.12/filter-terse.nl" };

    (void) state;
    for (size_t i = 0; i < 2; i++) {
        struct vdpad_filter rows[16];
        size_t n = recorded_rows(files[i], decode_filter, rows, sizeof rows[0],
                                 16);
        size_t n_hw = 0;

        assert_int_equal(n, 4);
        for (size_t j = 0; j < n; j++) {
            n_hw += rows[j].in_hw;
        }
        assert_int_equal(n_hw, 2);
    }
}

/* As `tc -s` showed them: 20 packets by the hardware, 7 in software. */
static void
test_recorded_counters(void **state)
{
    static const char *const files[] = {
        "linux-6.12/filter-counted-full.nl",
        "linux-6.12/filter-counted-terse.nl",
    };

    (void) state;
    for (size_t i = 0; i < 2; i++) {
        struct vdpad_filter rows[8];

        assert_int_equal(recorded_rows(files[i], decode_filter, rows,
                                       sizeof rows[0], 8),
                         2);
        assert_true(rows[0].in_hw);
        assert_int_equal(rows[0].packets, 20);
        assert_int_equal(rows[0].bytes, 1960);
        assert_int_equal(rows[0].hw_packets, 20);
        assert_int_equal(rows[0].hw_bytes, 1960);
        assert_false(rows[1].in_hw);
        assert_int_equal(rows[1].packets, 7);
        assert_int_equal(rows[1].bytes, 588);
        assert_int_equal(rows[1].hw_packets, 0);
    }
}

static void
test_mangled(void **state)
{
    (void) state;
    recorded_mangle("linux-6.12/qdisc.nl", decode_qdisc,
                    sizeof(struct vdpad_qdisc));
    recorded_mangle("linux-6.12/filter-full.nl", decode_filter,
                    sizeof(struct vdpad_filter));
    recorded_mangle("linux-6.12/filter-terse.nl", decode_filter,
                    sizeof(struct vdpad_filter));
}

/* One group of counters as the kernel writes it: the 64-bit count only when 32
 * bits are not enough. */
static void
put_counters(struct nl_msg *msg, int type, uint64_t bytes, uint64_t packets)
{
    struct gnet_stats_basic basic;

    memset(&basic, 0, sizeof basic);
    basic.bytes = bytes;
    basic.packets = (uint32_t) packets;
    nla_put(msg, type, sizeof basic, &basic);
    if (packets > UINT32_MAX) {
        nla_put_u64(msg, TCA_STATS_PKT64, packets);
    }
}

static void
put_kind(struct nl_msg *msg, int index, const char *kind, uint64_t packets,
         uint64_t hw_packets, bool has_hw)
{
    struct nlattr *action = nla_nest_start(msg, index);
    struct nlattr *stats;

    nla_put_string(msg, TCA_ACT_KIND, kind);
    stats = nla_nest_start(msg, TCA_ACT_STATS);
    put_counters(msg, TCA_STATS_BASIC, packets * 100, packets);
    if (has_hw) {
        put_counters(msg, TCA_STATS_BASIC_HW, hw_packets * 100, hw_packets);
    }
    nla_nest_end(msg, stats);
    nla_nest_end(msg, action);
}

static void
put_action(struct nl_msg *msg, int index, uint64_t packets,
           uint64_t hw_packets, bool has_hw)
{
    put_kind(msg, index, "mirred", packets, hw_packets, has_hw);
}

struct made {
    struct nl_msg *msg;
    struct nlattr *options, *actions;
};

static struct made
begin_filter(uint32_t flags)
{
    struct tcmsg header = { .tcm_ifindex = 3, .tcm_handle = 1 };
    struct made made = { .msg = nlmsg_alloc() };

    assert_int_equal(nlmsg_append(made.msg, &header, sizeof header, 4), 0);
    nla_put_string(made.msg, TCA_KIND, "flower");
    made.options = nla_nest_start(made.msg, TCA_OPTIONS);
    nla_put_u32(made.msg, TCA_FLOWER_FLAGS, flags);
    made.actions = nla_nest_start(made.msg, TCA_FLOWER_ACT);
    return made;
}

static int
end_filter(struct made *made, struct vdpad_filter *filter)
{
    const struct nlmsghdr *header = nlmsg_hdr(made->msg);
    int error;

    nla_nest_end(made->msg, made->actions);
    nla_nest_end(made->msg, made->options);
    error = decode_filter(nlmsg_data(header), (size_t) nlmsg_datalen(header),
                          filter);
    nlmsg_free(made->msg);
    return error;
}

static void
test_counters(void **state)
{
    const uint64_t many = UINT64_C(0x300000007), some = UINT64_C(0x200000005);
    struct vdpad_filter filter;
    struct nlattr *action, *stats;
    struct made made;

    (void) state;
    /* Both groups have a 64-bit count of their own, under one number. */
    made = begin_filter(TCA_CLS_FLAGS_IN_HW);
    put_action(made.msg, 1, many, some, true);
    assert_int_equal(end_filter(&made, &filter), 0);
    assert_true(filter.in_hw);
    assert_int_equal(filter.packets, many);
    assert_int_equal(filter.bytes, many * 100);
    assert_int_equal(filter.hw_packets, some);
    assert_int_equal(filter.hw_bytes, some * 100);

    /* Only one of them needs it. */
    made = begin_filter(TCA_CLS_FLAGS_IN_HW);
    put_action(made.msg, 1, many, 5, true);
    assert_int_equal(end_filter(&made, &filter), 0);
    assert_int_equal(filter.packets, many);
    assert_int_equal(filter.hw_packets, 5);

    /* The busiest action counts. */
    made = begin_filter(TCA_CLS_FLAGS_NOT_IN_HW);
    put_action(made.msg, 1, 10, 2, true);
    put_action(made.msg, 2, 30, 9, true);
    put_action(made.msg, 3, 20, 3, true);
    assert_int_equal(end_filter(&made, &filter), 0);
    assert_false(filter.in_hw);
    assert_int_equal(filter.packets, 30);
    assert_int_equal(filter.hw_packets, 9);

    /* No counters of the hardware: all is software. */
    made = begin_filter(TCA_CLS_FLAGS_NOT_IN_HW);
    put_action(made.msg, 1, 10, 0, false);
    assert_int_equal(end_filter(&made, &filter), 0);
    assert_int_equal(filter.packets, 10);
    assert_int_equal(filter.hw_packets, 0);

    /* A group that is too short. */
    made = begin_filter(TCA_CLS_FLAGS_IN_HW);
    action = nla_nest_start(made.msg, 1);
    stats = nla_nest_start(made.msg, TCA_ACT_STATS);
    nla_put_u64(made.msg, TCA_STATS_BASIC, 1);
    nla_nest_end(made.msg, stats);
    nla_nest_end(made.msg, action);
    assert_int_equal(end_filter(&made, &filter), -EBADMSG);
}

/* A meter counts for all filters that have it. */
static void
test_meter(void **state)
{
    struct vdpad_filter filter;
    struct nlattr *action;
    struct made made;

    (void) state;
    for (int is_last = 0; is_last < 2; is_last++) {
        made = begin_filter(TCA_CLS_FLAGS_IN_HW);
        put_kind(made.msg, 1, is_last ? "mirred" : "police",
                 is_last ? 7 : 5000, is_last ? 3 : 4000, true);
        put_kind(made.msg, 2, is_last ? "police" : "mirred",
                 is_last ? 5000 : 7, is_last ? 4000 : 3, true);
        assert_int_equal(end_filter(&made, &filter), 0);
        assert_int_equal(filter.packets, 7);
        assert_int_equal(filter.bytes, 700);
        assert_int_equal(filter.hw_packets, 3);
        assert_int_equal(filter.hw_bytes, 300);
    }

    /* Of one that has carried nothing it tells nothing either. */
    made = begin_filter(TCA_CLS_FLAGS_IN_HW);
    put_kind(made.msg, 1, "police", 5000, 4000, true);
    put_action(made.msg, 2, 0, 0, false);
    assert_int_equal(end_filter(&made, &filter), 0);
    assert_int_equal(filter.packets, 0);
    assert_int_equal(filter.hw_packets, 0);

    /* Nothing else counts. */
    made = begin_filter(TCA_CLS_FLAGS_IN_HW);
    put_kind(made.msg, 1, "police", 5000, 4000, true);
    action = nla_nest_start(made.msg, 2);
    nla_put_string(made.msg, TCA_ACT_KIND, "mirred");
    nla_nest_end(made.msg, action);
    assert_int_equal(end_filter(&made, &filter), 0);
    assert_int_equal(filter.packets, 5000);
    assert_int_equal(filter.hw_packets, 4000);

    /* Not by a part of its name. */
    made = begin_filter(TCA_CLS_FLAGS_IN_HW);
    put_kind(made.msg, 1, "polices", 9, 8, true);
    put_kind(made.msg, 2, "polic", 10, 7, true);
    assert_int_equal(end_filter(&made, &filter), 0);
    assert_int_equal(filter.packets, 10);
    assert_int_equal(filter.hw_packets, 8);
}

static void
test_encode(void **state)
{
    struct nl_msg *msg = nlmsg_alloc();
    const struct tcmsg *header = nlmsg_data(nlmsg_hdr(msg));
    const struct nla_bitfield32 *flags;

    (void) state;
    assert_int_equal(vdpad_tc_encode_filter_dump(msg, 3, 0, true), 0);
    assert_int_equal(header->tcm_ifindex, 3);
    assert_int_equal(header->tcm_parent, 0xfffffff2);
    flags = recorded_find_attr(nlmsg_attrdata(nlmsg_hdr(msg), sizeof *header),
                               12, TCA_DUMP_FLAGS, 8);
    assert_int_equal(flags->value, TCA_DUMP_FLAGS_TERSE);
    nlmsg_free(msg);

    msg = nlmsg_alloc();
    header = nlmsg_data(nlmsg_hdr(msg));
    assert_int_equal(vdpad_tc_encode_filter_dump(msg, 0, 22, false), 0);
    assert_int_equal((uint32_t) header->tcm_ifindex, 0xffffffff);
    assert_int_equal(header->tcm_block_index, 22);
    assert_int_equal(nlmsg_datalen(nlmsg_hdr(msg)), sizeof *header);
    nlmsg_free(msg);

    msg = nlmsg_alloc();
    header = nlmsg_data(nlmsg_hdr(msg));
    assert_int_equal(vdpad_tc_encode_qdisc_del(msg, 3, "ingress"), 0);
    assert_int_equal(header->tcm_ifindex, 3);
    assert_int_equal(header->tcm_parent, TC_H_INGRESS);
    assert_int_equal(header->tcm_handle, 0xffff0000);
    assert_string_equal(recorded_find_attr(nlmsg_attrdata(nlmsg_hdr(msg),
                                                          sizeof *header),
                                           12, TCA_KIND, 8),
                        "ingress");
    nlmsg_free(msg);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_qdisc),
        cmocka_unit_test(test_filter),
        cmocka_unit_test(test_recorded_counters),
        cmocka_unit_test(test_mangled),
        cmocka_unit_test(test_counters),
        cmocka_unit_test(test_meter),
        cmocka_unit_test(test_encode),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
