/* SPDX-License-Identifier: Apache-2.0 */
/* What a helper process makes of the answers to the requests of a step, which
 * are no dumps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/devlink.h>
#include <linux/ethtool_netlink.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "netlink/step.h"
#include "transport-fixture.h"

/* Requests that are no dumps end with an acknowledgement, and with nothing
 * else. */
static void
steps(void **state)
{
    static const struct {
        uint16_t type;
        int32_t number;
        uint32_t seq;
        int error;
    } cases[] = {
        { NLMSG_ERROR, 0, 0, 0 },
        { NLMSG_ERROR, -EBUSY, 0, -EBUSY },
        { NLMSG_ERROR, 0, 1, -EBADMSG },
        { NLMSG_DONE, 0, 0, -EBADMSG },
        { NLMSG_ERROR, -ENOBUFS, 0, -ENOBUFS },
    };
    struct vdpad_nl nl = { .sock = NULL };

    (void) state;
    assert_int_equal(vdpad_nl_open(&nl, NETLINK_ROUTE, &why), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        (void) add_datagram();
        (void) add_link(1, 0);
        (void) add_datagram();
        add_number(cases[i].type, 0, cases[i].number)->nlmsg_seq =
            cases[i].seq;
        assert_int_equal(vdpad_nl_call(&nl, vdpad_nl_msg(RTM_DELLINK, 0), 0,
                                       NULL, NULL, &why, "step"),
                         cases[i].error);
        assert_int_equal(n_taken, 2);
        assert_true(request.nlmsg_flags & NLM_F_ACK);
        forget_datagrams();
    }
    vdpad_nl_close(&nl);
}

/* Whether a step was done is not known when its answer is lost; what the
 * kernel says of it is never taken for that. */
static void
answers_to_steps(void **state)
{
    static const struct {
        uint16_t type;
        int32_t number;
        int error;
    } cases[] = {
        { NLMSG_ERROR, 0, 0 },
        { NLMSG_ERROR, -EBUSY, -EBUSY },
        { NLMSG_ERROR, -EIO, -EREMOTEIO },
        { NLMSG_ERROR, -ETIMEDOUT, -EREMOTEIO },
        { NLMSG_ERROR, -ECANCELED, -EREMOTEIO },
        { NLMSG_ERROR, -ECOMM, -EREMOTEIO },
        { NLMSG_ERROR, -EAGAIN, -EREMOTEIO },
        { NLMSG_OVERRUN, 0, -EIO },
        { NLMSG_DONE, 0, -EIO },
    };
    struct vdpad_act act = {
        .kind = VDPAD_ACT_LINK_UP,
        .ifindex = 1,
        .number = 1,
        .object = "eth1",
    };

    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        (void) add_datagram();
        (void) add_link(1, 0);
        (void) add_datagram();
        (void) add_number(NLMSG_ERROR, 0, 0);
        (void) add_datagram();
        (void) add_number(cases[i].type, 0, cases[i].number);
        observer.malformed = 0;
        assert_int_equal(vdpad_step(&observer, &act, &why), cases[i].error);
        assert_true(!cases[i].error || why.code == cases[i].error);
        assert_true(!cases[i].number
                    || strstr(why.text, strerror(-cases[i].number)));
        assert_int_equal(observer.malformed, cases[i].type == NLMSG_DONE);
        assert_int_equal(n_taken, n_datagrams);
        forget_datagrams();
    }
}

/* Who keeps an e-switch busy is told. */
static void
busy_eswitch(void **state)
{
    enum { FAMILY = 0x21 };
    static const struct {
        struct genlmsghdr genl;
        struct nlattr attr;
        uint16_t mode[2];
    } mode = {
        .genl = { .cmd = DEVLINK_CMD_ESWITCH_GET },
        .attr = { .nla_len = 6, .nla_type = DEVLINK_ATTR_ESWITCH_MODE },
        .mode = { DEVLINK_ESWITCH_MODE_SWITCHDEV, 0 },
    };
    struct vdpad_act act = {
        .kind = VDPAD_ACT_ESWITCH_MODE,
        .object = "0000:01:00.0",
        .number = DEVLINK_ESWITCH_MODE_LEGACY,
        .force = true,
    };

    (void) state;
    add_family("devlink", FAMILY);
    add_answer(FAMILY, &mode, sizeof mode);
    (void) add_datagram();
    (void) add_number(NLMSG_ERROR, 0, -EBUSY);
    assert_int_equal(vdpad_step(&observer, &act, &why), -EBUSY);
    assert_int_equal(why.code, -EBUSY);
    assert_non_null(strstr(why.text, "pci/0000:01:00.0 to legacy"));
    assert_non_null(strstr(why.text, "take the uplink out of its bridge"));
    assert_int_equal(n_taken, n_datagrams);
    forget_datagrams();
}

/* The answer to a request to set hw-tc-offload, as that of 6.18. */
static void
add_feature_reply(uint16_t family, bool is_refused)
{
    struct {
        struct genlmsghdr genl;
        struct nlattr wanted;
        struct nlattr size_attr;
        uint32_t size;
        struct nlattr bits;
        struct nlattr bit;
        struct nlattr index_attr;
        uint32_t index;
        struct nlattr name_attr;
        char name[16];
    } reply = {
        .genl = { .cmd = ETHTOOL_MSG_FEATURES_SET_REPLY },
        .wanted = { .nla_len = is_refused ? 48 : 16,
                    .nla_type = ETHTOOL_A_FEATURES_WANTED | NLA_F_NESTED },
        .size_attr = { .nla_len = 8, .nla_type = ETHTOOL_A_BITSET_SIZE },
        .size = 64,
        .bits = { .nla_len = is_refused ? 36 : 4,
                  .nla_type = ETHTOOL_A_BITSET_BITS | NLA_F_NESTED },
        .bit = { .nla_len = 32,
                 .nla_type = ETHTOOL_A_BITSET_BITS_BIT | NLA_F_NESTED },
        .index_attr = { .nla_len = 8, .nla_type = ETHTOOL_A_BITSET_BIT_INDEX },
        .index = 49,
        .name_attr = { .nla_len = 18, .nla_type = ETHTOOL_A_BITSET_BIT_NAME },
        .name = "hw-tc-offload",
    };

    add_answer(family, &reply,
               is_refused ? sizeof reply : offsetof(__typeof__(reply), bit));
}

/* What a driver refuses, the kernel calls a success, and keeps as wanted: the
 * next attempt would be none. */
static void
refused_feature(void **state)
{
    enum { FAMILY = 0x21 };

    (void) state;
    for (int on = 0; on <= 1; on++) {
        for (int is_refused = 0; is_refused <= 1; is_refused++) {
            struct vdpad_act act = {
                .kind = VDPAD_ACT_FEATURE,
                .ifindex = 1,
                .number = on,
                .object = "eth1",
            };

            (void) add_datagram();
            (void) add_link(1, 0);
            (void) add_datagram();
            (void) add_number(NLMSG_ERROR, 0, 0);
            add_family("ethtool", FAMILY);
            add_feature_reply(FAMILY, is_refused);
            if (is_refused) {
                add_feature_reply(FAMILY, false);
            }
            n_requests = 0;
            assert_int_equal(vdpad_step(&observer, &act, &why),
                             is_refused ? -EREMOTEIO : 0);
            assert_int_equal(n_requests, is_refused ? 4 : 3);
            assert_true(
                !is_refused
                || strstr(why.text, on ? "hw-tc-offload of eth1 on: its driver"
                                       : "hw-tc-offload of eth1 off: its "
                                         "driver"));
            assert_int_equal(n_taken, n_datagrams);
            forget_datagrams();
        }
    }
}

static void
add_qdisc(int ifindex)
{
    const struct {
        struct tcmsg header;
        struct rtattr attr;
        char kind[8];
    } qdisc = {
        .header = { .tcm_ifindex = ifindex, .tcm_parent = TC_H_INGRESS },
        .attr = { .rta_len = RTA_LENGTH(8), .rta_type = TCA_KIND },
        .kind = "ingress",
    };

    (void) add_datagram();
    (void) add(RTM_NEWQDISC, NLM_F_MULTI, &qdisc, sizeof qdisc);
    (void) add_datagram();
    add_done();
}

/* A qdisc that the second look does not find may have a block with filters of
 * others: it is not deleted. */
static void
qdisc_that_a_dump_lacks(void **state)
{
    struct vdpad_act act = {
        .kind = VDPAD_ACT_QDISC_DEL,
        .ifindex = 1,
        .number = 1,
        .object = "eth1",
    };

    (void) state;
    (void) add_datagram();
    (void) add_link(1, 0);
    (void) add_datagram();
    (void) add_number(NLMSG_ERROR, 0, 0);
    add_qdisc(1);
    add_qdisc(2);
    assert_int_equal(vdpad_step(&observer, &act, &why), -EINTR);
    assert_int_equal(n_taken, n_datagrams);
    assert_non_null(strstr(why.text, "qdisc"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(steps),
        TEST(answers_to_steps),
        TEST(busy_eswitch),
        TEST(refused_feature),
        TEST(qdisc_that_a_dump_lacks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
