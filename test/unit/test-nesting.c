/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes within attributes within attributes, as deep as their lengths
 * permit.  What is deeper than it may be is refused, and counted; no decoder
 * needs more stack for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/devlink.h>
#include <linux/ethtool_netlink.h>
#include <linux/openvswitch.h>
#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>
#include <linux/vdpa.h>
#include <pthread.h>

#include <netlink/msg.h>

#include "netlink/attrs.h"
#include "netlink/datapath-codec.h"
#include "netlink/devlink-codec.h"
#include "netlink/ethtool-codec.h"
#include "netlink/flower-codec.h"
#include "netlink/link-codec.h"
#include "netlink/query.h"
#include "netlink/tc-codec.h"
#include "netlink/vdpa-codec.h"
#include "netlink-answers.h"

#define N_ELEMS(ARRAY) (sizeof(ARRAY) / sizeof(ARRAY)[0])

/* A call for each of thousands of levels does not fit in. */
#define STACK_SIZE ((size_t) 384 << 10)

#define ATTR_MAX 65532 /* Bytes of an attribute, its header included. */

/* The payload of a message that is being made. */
static struct {
    _Alignas(8) char data[ATTR_MAX + 256];
    size_t size;
    size_t open[ATTR_MAX / 4 + 16]; /* Where those begin. */
    size_t n_open;
} m;

static void
append(const void *data, size_t size)
{
    assert_true(m.size + size <= sizeof m.data);
    if (size) {
        memcpy(m.data + m.size, data, size);
    }
    m.size += size;
}

static void
begin(const void *header, size_t size)
{
    m.size = m.n_open = 0;
    append(header, size);
}

static void
open_attr(uint16_t type)
{
    const struct nlattr attr = { .nla_type = type };

    m.open[m.n_open++] = m.size;
    append(&attr, sizeof attr);
}

/* Closes all but the outermost 'n'. */
static void
close_attrs(size_t n)
{
    while (m.n_open > n) {
        size_t at = m.open[--m.n_open];
        uint16_t len = (uint16_t) (m.size - at);

        assert_true(m.size - at <= ATTR_MAX);
        memcpy(m.data + at, &len, sizeof len);
    }
}

static void
put_u32(uint16_t type, uint32_t value)
{
    const struct nlattr attr = { .nla_len = 8, .nla_type = type };

    append(&attr, sizeof attr);
    append(&value, sizeof value);
}

/* What a thread of its own with little stack does. */
struct job {
    int (*decode)(void *row);
    void *row;
    int error;
};

static void *
run(void *job_)
{
    struct job *job = job_;

    job->error = job->decode(job->row);
    return NULL;
}

/* Decodes the message to '*row', of 'size' bytes. */
static int
decode(int (*decoder)(void *row), void *row, size_t size)
{
    struct job job = { .decode = decoder, .row = row };
    pthread_attr_t attr;
    pthread_t thread;

    memset(row, 0, size);
    assert_int_equal(pthread_attr_init(&attr), 0);
    assert_int_equal(pthread_attr_setstacksize(&attr, STACK_SIZE), 0);
    assert_int_equal(pthread_create(&thread, &attr, run, &job), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    (void) pthread_attr_destroy(&attr);
    return job.error;
}

/* Flows of the kernel datapath: actions and tags nest. */

static const struct vdpad_vport ports[] = {
    { .port = 2, .ifindex = 6, .name = "pf0vf0" },
};

static int
decode_flow(void *row)
{
    const struct vdpad_vports all = { .ports = ports, .n = N_ELEMS(ports) };

    return vdpad_kernel_flow_detail(m.data, m.size, &all, 0, row);
}

static void
begin_flow(void)
{
    const struct {
        struct genlmsghdr genl;
        struct ovs_header ovs;
    } header = { .genl = { .cmd = OVS_FLOW_CMD_NEW }, .ovs = { 15 } };

    begin(&header, sizeof header);
}

enum inner { CLONE, SAMPLE, GREATER, LESS, ALL, N_INNERS };

static void
open_inner(enum inner inner)
{
    switch (inner) {
    case SAMPLE:
        open_attr(OVS_ACTION_ATTR_SAMPLE);
        open_attr(OVS_SAMPLE_ATTR_ACTIONS);
        break;
    case GREATER:
        open_attr(OVS_ACTION_ATTR_CHECK_PKT_LEN);
        open_attr(OVS_CHECK_PKT_LEN_ATTR_ACTIONS_IF_GREATER);
        break;
    case LESS:
        open_attr(OVS_ACTION_ATTR_CHECK_PKT_LEN);
        open_attr(OVS_CHECK_PKT_LEN_ATTR_ACTIONS_IF_LESS_EQUAL);
        break;
    case CLONE:
    case ALL:
    case N_INNERS:
    default:
        open_attr(OVS_ACTION_ATTR_CLONE);
        break;
    }
}

/* A flow whose actions are 'depth' levels within others; before them, and in
 * the innermost, is an output. */
static void
make_actions(enum inner inner, size_t depth)
{
    begin_flow();
    open_attr(OVS_FLOW_ATTR_KEY);
    put_u32(OVS_KEY_ATTR_IN_PORT, 2);
    close_attrs(0);
    open_attr(OVS_FLOW_ATTR_ACTIONS);
    put_u32(OVS_ACTION_ATTR_OUTPUT, 2);
    for (size_t i = 0; i < depth; i++) {
        open_inner(inner == ALL ? (enum inner)(i % ALL) : inner);
    }
    put_u32(OVS_ACTION_ATTR_OUTPUT, 99);
    close_attrs(0);
}

static void
actions_within_actions(void **state)
{
    static const size_t depths[] = { 0, 1, 15, 16, 17, 100, 8000, 16000 };
    struct vdpad_flow_detail row;

    (void) state;
    for (int inner = 0; inner < N_INNERS; inner++) {
        for (size_t i = 0; i < N_ELEMS(depths); i++) {
            if (inner != CLONE && depths[i] > 8000) {
                continue; /* Takes two attributes for a level. */
            }
            make_actions((enum inner) inner, depths[i]);
            assert_int_equal(decode(decode_flow, &row, sizeof row),
                             depths[i] <= 16 ? 0 : -EBADMSG);
            if (depths[i] <= 16) {
                assert_non_null(strstr(row.actions, "99"));
            }
        }
    }
    make_actions(CLONE, 2);
    assert_int_equal(decode(decode_flow, &row, sizeof row), 0);
    assert_string_equal(row.actions, "pf0vf0,clone(clone(99))");
}

static void
tags_within_tags(void **state)
{
    static const size_t depths[] = { 0, 1, 2, 3, 4, 100, 16000 };

    (void) state;
    for (int is_mask = 0; is_mask <= 1; is_mask++) {
        for (size_t i = 0; i < N_ELEMS(depths); i++) {
            struct vdpad_flow_detail row;

            begin_flow();
            if (is_mask) {
                open_attr(OVS_FLOW_ATTR_KEY);
                put_u32(OVS_KEY_ATTR_IN_PORT, 2);
                close_attrs(0);
            }
            open_attr(is_mask ? OVS_FLOW_ATTR_MASK : OVS_FLOW_ATTR_KEY);
            for (size_t j = 0; j < depths[i]; j++) {
                open_attr(OVS_KEY_ATTR_ENCAP);
            }
            put_u32(OVS_KEY_ATTR_PRIORITY, 1);
            close_attrs(0);
            assert_int_equal(decode(decode_flow, &row, sizeof row),
                             depths[i] <= 2 ? 0 : -EBADMSG);
        }
    }
}

/* All decoders: wherever they look into a nest, an endless one is put, of each
 * type.  What that means is theirs to say, if only they say something. */

#define DECODER(NAME, FUNCTION)               \
    static int NAME(void *row)                \
    {                                         \
        return FUNCTION(m.data, m.size, row); \
    }

DECODER(decode_link, vdpad_link_decode)
DECODER(decode_qdisc, vdpad_tc_decode_qdisc)
DECODER(decode_filter, vdpad_tc_decode_filter)
DECODER(decode_dev, vdpad_devlink_decode_dev)
DECODER(decode_eswitch, vdpad_devlink_decode_eswitch)
DECODER(decode_info, vdpad_devlink_decode_info)
DECODER(decode_dlport, vdpad_devlink_decode_port)
DECODER(decode_features, vdpad_ethtool_decode_features)
DECODER(decode_mgmtdev, vdpad_vdpa_decode_mgmtdev)
DECODER(decode_vdpa, vdpad_vdpa_decode_dev)
DECODER(decode_config, vdpad_vdpa_decode_config)
DECODER(decode_family, vdpad_genl_decode_family)
DECODER(decode_vport, vdpad_vport_decode)
DECODER(decode_datapath, vdpad_datapath_decode)

static int
decode_flower(void *row)
{
    return vdpad_flower_decode(m.data, m.size, NULL, row);
}

static int
copy_flower(void *row)
{
    static const uint8_t cookie[16] = "0123456789abcde";
    struct nl_msg *msg = nlmsg_alloc_size(m.size + 16384);
    int error = vdpad_flower_encode_copy(msg, m.data, m.size, 16, 1, 2,
                                         cookie);

    (void) row;
    nlmsg_free(msg);
    /* One without an action cannot be told from others. */
    return error == -ENOMSG || error == -EMSGSIZE ? -EBADMSG : error;
}

#define RTNL 255 /* Instead of a command of generic netlink. */

static const struct {
    int (*decode)(void *row);
    uint8_t cmd;
    uint8_t header_size; /* Of the message's family. */
    const char *kind;    /* TCA_KIND. */
    uint16_t path[6];    /* From the message to the nest. */
} places[] = {
    { decode_link, RTNL, 16, NULL, { 0 } },
    { decode_link, RTNL, 16, NULL, { IFLA_LINKINFO } },
    { decode_link, RTNL, 16, NULL, { IFLA_LINKINFO, IFLA_INFO_DATA } },
    { decode_qdisc, RTNL, 20, "ingress", { 0 } },
    { decode_qdisc, RTNL, 20, "ingress", { TCA_OPTIONS } },
    { decode_filter, RTNL, 20, "flower", { 0 } },
    { decode_filter, RTNL, 20, "flower", { TCA_OPTIONS } },
    { decode_filter, RTNL, 20, "flower", { TCA_OPTIONS, TCA_FLOWER_ACT, 1 } },
    { decode_filter,
      RTNL,
      20,
      "flower",
      { TCA_OPTIONS, TCA_FLOWER_ACT, 1, TCA_ACT_STATS } },
    { decode_flower, RTNL, 20, "flower", { TCA_OPTIONS } },
    { decode_flower,
      RTNL,
      20,
      "flower",
      { TCA_OPTIONS, TCA_FLOWER_KEY_ENC_OPTS } },
    { decode_flower,
      RTNL,
      20,
      "flower",
      { TCA_OPTIONS, TCA_FLOWER_KEY_ENC_OPTS,
        TCA_FLOWER_KEY_ENC_OPTS_GENEVE } },
    { decode_flower,
      RTNL,
      20,
      "flower",
      { TCA_OPTIONS, TCA_FLOWER_KEY_ENC_OPTS_MASK,
        TCA_FLOWER_KEY_ENC_OPTS_VXLAN } },
    { decode_flower, RTNL, 20, "flower", { TCA_OPTIONS, TCA_FLOWER_ACT } },
    { decode_flower, RTNL, 20, "flower", { TCA_OPTIONS, TCA_FLOWER_ACT, 1 } },
    { copy_flower, RTNL, 20, "flower", { TCA_OPTIONS } },
    { copy_flower, RTNL, 20, "flower", { TCA_OPTIONS, TCA_FLOWER_ACT } },
    { copy_flower, RTNL, 20, "flower", { TCA_OPTIONS, TCA_FLOWER_ACT, 1 } },
    { decode_dev, DEVLINK_CMD_NEW, 0, NULL, { 0 } },
    { decode_eswitch, DEVLINK_CMD_ESWITCH_GET, 0, NULL, { 0 } },
    { decode_info, DEVLINK_CMD_INFO_GET, 0, NULL, { 0 } },
    { decode_info,
      DEVLINK_CMD_INFO_GET,
      0,
      NULL,
      { DEVLINK_ATTR_INFO_VERSION_RUNNING } },
    { decode_dlport, DEVLINK_CMD_PORT_NEW, 0, NULL, { 0 } },
    { decode_dlport,
      DEVLINK_CMD_PORT_NEW,
      0,
      NULL,
      { DEVLINK_ATTR_PORT_FUNCTION } },
    { decode_features, ETHTOOL_MSG_FEATURES_GET_REPLY, 0, NULL, { 0 } },
    { decode_features,
      ETHTOOL_MSG_FEATURES_GET_REPLY,
      0,
      NULL,
      { ETHTOOL_A_FEATURES_HEADER } },
    { decode_features,
      ETHTOOL_MSG_FEATURES_GET_REPLY,
      0,
      NULL,
      { ETHTOOL_A_FEATURES_ACTIVE } },
    { decode_features,
      ETHTOOL_MSG_FEATURES_GET_REPLY,
      0,
      NULL,
      { ETHTOOL_A_FEATURES_ACTIVE, ETHTOOL_A_BITSET_BITS } },
    { decode_mgmtdev, VDPA_CMD_MGMTDEV_NEW, 0, NULL, { 0 } },
    { decode_vdpa, VDPA_CMD_DEV_NEW, 0, NULL, { 0 } },
    { decode_config, VDPA_CMD_DEV_CONFIG_GET, 0, NULL, { 0 } },
    { decode_family, CTRL_CMD_NEWFAMILY, 0, NULL, { 0 } },
    { decode_family,
      CTRL_CMD_NEWFAMILY,
      0,
      NULL,
      { CTRL_ATTR_MCAST_GROUPS, 1 } },
    { decode_vport, OVS_VPORT_CMD_NEW, 4, NULL, { 0 } },
    { decode_datapath, OVS_DP_CMD_NEW, 4, NULL, { 0 } },
    { decode_flow, OVS_FLOW_CMD_NEW, 4, NULL, { 0 } },
    { decode_flow, OVS_FLOW_CMD_NEW, 4, NULL, { OVS_FLOW_ATTR_KEY } },
    { decode_flow, OVS_FLOW_CMD_NEW, 4, NULL, { OVS_FLOW_ATTR_ACTIONS } },
    { decode_flow,
      OVS_FLOW_CMD_NEW,
      4,
      NULL,
      { OVS_FLOW_ATTR_KEY, OVS_KEY_ATTR_TUNNEL } },
    { decode_flow,
      OVS_FLOW_CMD_NEW,
      4,
      NULL,
      { OVS_FLOW_ATTR_ACTIONS, OVS_ACTION_ATTR_SET } },
    { decode_flow,
      OVS_FLOW_CMD_NEW,
      4,
      NULL,
      { OVS_FLOW_ATTR_ACTIONS, OVS_ACTION_ATTR_CT, OVS_CT_ATTR_NAT } },
};

/* The beginning of a message for 'places[i]', up to its nest. */
static void
begin_place(size_t i)
{
    static const char zeros[32];
    struct genlmsghdr genl = { .cmd = places[i].cmd };

    if (places[i].cmd == RTNL) {
        begin(zeros, places[i].header_size);
    } else {
        begin(&genl, sizeof genl);
        append(zeros, places[i].header_size);
    }
    if (places[i].kind) {
        char kind[8] = "";

        memcpy(kind, places[i].kind, strlen(places[i].kind));
        open_attr(TCA_KIND);
        append(kind, sizeof kind);
        close_attrs(0);
    }
    for (size_t j = 0; j < N_ELEMS(places[i].path) && places[i].path[j]; j++) {
        open_attr(places[i].path[j]);
    }
}

static void
everywhere(void **state)
{
    static union {
        struct vdpad_flow_detail flow;
        struct vdpad_genl_family family;
        struct vdpad_link link;
        struct vdpad_filter filter;
        char bytes[8192]; /* Of others. */
    } row;

    (void) state;
    for (size_t i = 0; i < N_ELEMS(places); i++) {
        for (uint16_t type = 1; type < 160; type++) {
            int error;

            begin_place(i);
            while (m.size + 8 < ATTR_MAX) {
                open_attr(type);
            }
            close_attrs(0);
            error = decode(places[i].decode, &row, sizeof row);
            if (error && error != VDPAD_CODEC_SKIP && error != -EBADMSG) {
                fail_msg("place %zu, type %u: %d", i, type, error);
            }
        }
    }
}

/* And what is asked about flows fails as a whole, is counted, and is answered
 * the next time. */
static void
flows_that_are_asked_for(void **state)
{
    enum { DATAPATH = 0x21, VPORT, FLOW };
    const struct vdpad_flow_query query = { .kind = VDPAD_QUERY_DATAPATH };
    struct vdpad_observer observer = { .malformed = 0 };
    const struct {
        struct genlmsghdr genl;
        struct ovs_header ovs;
    } header = { .genl = { .cmd = 1 }, .ovs = { 15 } };

    (void) state;
    for (int i = 0; i < 2; i++) {
        struct vdpad_page page = { .n = 0 };
        struct vdpad_error why;

        add_family(OVS_DATAPATH_FAMILY, DATAPATH);
        add_family(OVS_VPORT_FAMILY, VPORT);
        add_family(OVS_FLOW_FAMILY, FLOW);
        begin(&header, sizeof header);
        open_attr(OVS_DP_ATTR_NAME);
        append("system\0", 8);
        close_attrs(0);
        (void) add_datagram();
        (void) add(DATAPATH, NLM_F_MULTI, m.data, m.size);
        add_done();
        (void) add_datagram();
        add_done(); /* No ports. */
        (void) add_datagram();
        make_actions(ALL, 7);
        (void) add(FLOW, NLM_F_MULTI, m.data, m.size);
        if (!i) {
            make_actions(CLONE, 10000);
            (void) add(FLOW, NLM_F_MULTI, m.data, m.size);
        }
        (void) add_datagram();
        add_done();
        assert_int_equal(vdpad_query(&observer, &query, &page, &why),
                         i ? 0 : -EBADMSG);
        assert_int_equal(observer.malformed, 1);
        assert_int_equal(observer.interrupted, 0);
        assert_int_equal(page.n, i);
        assert_int_equal(n_taken, n_datagrams);
        vdpad_page_clear(&page);
        forget_datagrams();
    }
    vdpad_observer_done(&observer);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(actions_within_actions),
        cmocka_unit_test(tags_within_tags),
        cmocka_unit_test(everywhere),
        cmocka_unit_test(flows_that_are_asked_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
