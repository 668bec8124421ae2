/* SPDX-License-Identifier: Apache-2.0 */
/* Flower filters and flows of the kernel datapath as text.  What is expected
 * of the recorded ones is what `ovs-appctl dpctl/dump-flows --names` wrote of
 * them at the time, by the identifiers that `dpctl/dump-flows -m` shows. */
#include "test/data/recorded.h"

#include <linux/gen_stats.h>
#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_gact.h>
#include <linux/tc_act/tc_pedit.h>

#include <netlink/msg.h>

#include "controller/flow-cursor.h"
#include "netlink/datapath-codec.h"
#include "netlink/flower-codec.h"

#define N_ELEMS(ARRAY) (sizeof(ARRAY) / sizeof(ARRAY)[0])
#define ENCAP                                                              \
    "set(tunnel(tun_id=0x2a,dst=10.0.2.2,ttl=64,tp_dst=4789,flags(key)))," \
    "vxlan_sys_4789"
#define DECAP                                                               \
    "tunnel(tun_id=0x2a,src=10.0.2.2,dst=10.0.2.1,tos=0,tp_dst=4789,flags(" \
    "+key)),recirc_id(0),in_port(vxlan_sys_4789),"

/* As `ip link` had them. */
static void
netdev_name(void *aux, int32_t ifindex, char name[32])
{
    static const char *const names[] = {
        [3] = "p0",
        [6] = "pf0vf0",
        [7] = "pf0vf1",
        [8] = "pf0vf2",
        [16] = "br-int",
        [17] = "br-ex",
        [18] = "vxlan_sys_4789",
    };

    (void) aux;
    (void) snprintf(name, 32, "%s",
                    ifindex > 0 && ifindex < (int32_t) N_ELEMS(names)
                            && names[ifindex]
                        ? names[ifindex]
                        : "?");
}

static const struct vdpad_netdev_names names = { .cb = netdev_name };

static int
decode(const void *payload, size_t len, void *row)
{
    return vdpad_flower_decode(payload, len, &names, row);
}

struct expected {
    const char *ufid, *match, *actions;
    int32_t where;
    uint64_t packets, bytes;
};

/* Each of the 'n' expected ones is among the 'n_rows' rows. */
static void
check(const struct vdpad_flow_detail *rows, size_t n_rows,
      const struct expected *expected, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct vdpad_flow_detail *row = NULL;
        uint8_t ufid[16];

        assert_true(vdpad_ufid_parse(expected[i].ufid, ufid));
        for (size_t j = 0; j < n_rows; j++) {
            if (rows[j].has_ufid && !memcmp(rows[j].ufid, ufid, 16)) {
                assert_null(row);
                row = &rows[j];
            }
        }
        if (!row) {
            fail_msg("%s is not there", expected[i].ufid);
            abort();
        }
        assert_string_equal(row->match, expected[i].match);
        assert_string_equal(row->actions, expected[i].actions);
        assert_int_equal(row->where, expected[i].where);
        assert_int_equal(row->hw_packets + row->sw_packets,
                         expected[i].packets);
        assert_int_equal(row->hw_bytes + row->sw_bytes, expected[i].bytes);
    }
}

static void
test_tunnel(void **state)
{
    static const struct expected expected[] = {
        { "008ae539-06cf-40ce-a178-e5f70a54218f",
          "recirc_id(0),in_port(pf0vf1),eth(src=02:00:00:00:00:02,dst=02:00:"
          "00:00:00:01),eth_type(0x0800),ipv4(frag=no)",
          "pf0vf0", VDPAD_FLOW_IN_HW, 10, 980 },
        { "6ddecbd3-01a7-49ac-a7f8-4b2b80244381",
          "recirc_id(0),in_port(pf0vf1),eth(src=02:00:00:00:00:02,dst=76:de:"
          "04:f6:15:c1),eth_type(0x0800),ipv4(tos=0/0x3,frag=no)",
          ENCAP, VDPAD_FLOW_IN_HW, 10, 980 },
        { "0cb731db-d27f-41af-a794-41d011711a2e",
          "recirc_id(0),in_port(pf0vf1),eth(src=02:00:00:00:00:02,dst=ff:ff:"
          "ff:ff:ff:ff),eth_type(0x0806),arp(sip=192.0.2.2,tip=192.0.2.9,op="
          "1)",
          "br-int,pf0vf0,pf0vf2," ENCAP, VDPAD_FLOW_IN_TC, 0, 0 },
        { "6868e227-054f-42a8-b5a4-223a4c99113a",
          DECAP "eth(src=76:de:04:f6:15:c1,dst=02:00:00:00:00:02),eth_type("
                "0x0800),ipv4(frag=no)",
          "pf0vf1", VDPAD_FLOW_IN_HW, 10, 980 },
    };
    static struct vdpad_flow_detail rows[64];
    size_t n;

    (void) state;
    n = recorded_rows("linux-6.12/ovs-filter-tunnel.nl", decode, rows,
                      sizeof rows[0], N_ELEMS(rows));
    check(rows, n, expected, N_ELEMS(expected));
    for (size_t i = 0; i < n; i++) {
        if (strstr(rows[i].actions, "vxlan_sys") && !rows[i].outputs[1]) {
            assert_int_equal(rows[i].uses, VDPAD_USE_TUNNEL_SET);
            assert_int_equal(rows[i].outputs[0], 18);
        } else if (rows[i].ifindex == 18 && !rows[i].outputs[1]) {
            assert_int_equal(rows[i].uses,
                             VDPAD_USE_TUNNEL_KEY | VDPAD_USE_TUNNEL_UNSET);
        }
    }
}

static void
test_vlan(void **state)
{
    static struct vdpad_flow_detail rows[64];
    size_t n, n_pop = 0, n_push = 0;

    (void) state;
    n = recorded_rows("linux-6.12/ovs-filter-vlan.nl", decode, rows,
                      sizeof rows[0], N_ELEMS(rows));
    for (size_t i = 0; i < n; i++) {
        if (rows[i].where == VDPAD_FLOW_IN_HW && rows[i].ifindex == 3
            && rows[i].hw_packets == 10) {
            assert_string_equal(
                rows[i].match,
                "recirc_id(0),in_port(p0),eth(src=0a:94:9b:45:8f:e5,dst=02:00:"
                "00:00:00:03),eth_type(0x8100),vlan(vid=5,pcp=0),encap(eth_"
                "type(0x0800),ipv4(frag=no))");
            assert_string_equal(rows[i].actions, "pop_vlan,pf0vf2");
            assert_int_equal(rows[i].hw_bytes, 1020);
            assert_int_equal(rows[i].uses,
                             VDPAD_USE_VLAN_KEY | VDPAD_USE_VLAN);
            n_pop++;
        } else if (rows[i].where == VDPAD_FLOW_IN_HW && rows[i].ifindex == 8
                   && rows[i].hw_packets == 10) {
            assert_string_equal(rows[i].actions, "push_vlan(vid=5,pcp=0),p0");
            n_push++;
        }
    }
    assert_int_equal(n_pop, 1);
    assert_int_equal(n_push, 1);
}

static void
test_actions(void **state)
{
    static const struct expected expected[] = {
        { "773c8191-7744-42ad-a206-30870ce0a189",
          "recirc_id(0),in_port(pf0vf0),eth(src=02:00:00:00:00:01),eth_type("
          "0x0800),ipv4(src=192.0.2.1,dst=192.0.2.2,proto=1,tos=0/0xfc,ttl="
          "64,frag=no)",
          "set(eth(src=02:00:00:00:00:aa)),set(ipv4(tos=0x20/0xfc,ttl=33)),"
          "pf0vf1,pf0vf2",
          VDPAD_FLOW_IN_HW, 10, 980 },
        { "bc1b6585-f38e-41ff-adc4-cddbc70f7c3c",
          "recirc_id(0),in_port(pf0vf0),eth_type(0x0800),ipv4(dst=192.0.2.77,"
          "frag=no)",
          "drop", VDPAD_FLOW_IN_HW, 4, 392 },
        { "244601f4-dfff-48ed-b265-e54096bb82c8",
          "recirc_id(0),in_port(pf0vf0),eth_type(0x0800),ipv4(src=192.0.2.1,"
          "dst=192.0.2.2,proto=17,frag=no),udp(dst=1003)",
          "set(udp(dst=5)),pf0vf1", VDPAD_FLOW_IN_HW, 5, 215 },
        { "1434b9ff-7d46-4a90-8fe1-2829970a22f8",
          "recirc_id(0),in_port(pf0vf1),eth(src=02:00:00:00:00:02,dst=02:00:"
          "00:00:00:01),eth_type(0x0800),ipv4(dst=192.0.2.0/255.255.255.254,"
          "frag=no)",
          "pf0vf0", VDPAD_FLOW_IN_HW, 23, 1801 },
    };
    static struct vdpad_flow_detail rows[64];
    size_t n;

    (void) state;
    n = recorded_rows("linux-6.12/ovs-filter-actions.nl", decode, rows,
                      sizeof rows[0], N_ELEMS(rows));
    check(rows, n, expected, N_ELEMS(expected));
    for (size_t i = 0; i < n; i++) {
        if (strstr(rows[i].actions, "set(ipv4")) {
            assert_int_equal(rows[i].uses, VDPAD_USE_PEDIT | VDPAD_USE_MIRROR);
            assert_int_equal(rows[i].outputs[0], 7);
            assert_int_equal(rows[i].outputs[1], 8);
            assert_int_equal(rows[i].in_hw_count, 1);
            assert_in_range(rows[i].used_ms, 0, 60000);
            assert_in_range(rows[i].age_ms, rows[i].used_ms, 60000);
        }
    }
}

static int
decode_vport(const void *payload, size_t len, void *row)
{
    return vdpad_vport_decode(payload, len, row);
}

static struct vdpad_vport ports[8];
static struct vdpad_vports all_ports = { .ports = ports };

static int
decode_kernel(const void *payload, size_t len, void *row)
{
    return vdpad_kernel_flow_detail(payload, len, &all_ports, INT64_MAX, row);
}

static int
decode_datapath(const void *payload, size_t len, void *row)
{
    return vdpad_datapath_decode(payload, len, row);
}

static void
load_ports(void)
{
    /* In the order of their numbers, or they would not be found. */
    all_ports.n = recorded_rows("linux-6.12/ovs-vport.nl", decode_vport, ports,
                                sizeof ports[0], N_ELEMS(ports));
    assert_int_equal(all_ports.n, 8);
}

static void
test_kernel(void **state)
{
    static const struct expected expected[] = {
        { "4b555770-f28d-49cd-9db0-71d53fb350a0",
          "ct_state(+new+trk),recirc_id(0x2),in_port(pf0vf0),eth_type(0x0800),"
          "ipv4(proto=6,frag=no)",
          "pf0vf1", VDPAD_FLOW_IN_KERNEL, 5, 370 },
        { "be7300af-0dcd-40f1-8afb-cbc1bf70705d",
          "recirc_id(0),in_port(pf0vf0),eth_type(0x0800),ipv4(src=192.0.2.1,"
          "dst=192.0.2.2,proto=6,frag=no),tcp(dst=80)",
          "ct(commit,zone=7,mark=0x5/0xffffffff),recirc(0x2)",
          VDPAD_FLOW_IN_KERNEL, 5, 370 },
    };
    struct vdpad_flow_detail rows[8];
    struct vdpad_datapath datapaths[2], *datapath = datapaths;
    size_t n;

    (void) state;
    load_ports();
    assert_int_equal(recorded_rows("linux-6.12/ovs-datapath.nl",
                                   decode_datapath, datapaths,
                                   sizeof *datapaths, 2),
                     1);
    assert_string_equal(datapath->name, "ovs-system");
    assert_int_equal(datapath->ifindex, 15);
    assert_string_equal(vdpad_vport_find(&all_ports, 7)->name,
                        "vxlan_sys_4789");
    assert_int_equal(vdpad_vport_find(&all_ports, 7)->ifindex, 18);
    assert_null(vdpad_vport_find(&all_ports, 8));

    n = recorded_rows("linux-6.12/ovs-flow.nl", decode_kernel, rows,
                      sizeof rows[0], N_ELEMS(rows));
    assert_int_equal(n, 3);
    check(rows, n, expected, N_ELEMS(expected));
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(rows[i].ifindex, 6);
        if (strstr(rows[i].actions, "userspace")) {
            assert_int_equal(rows[i].uses, VDPAD_USE_USERSPACE);
            assert_int_equal(rows[i].sw_packets, 5);
        } else if (strstr(rows[i].actions, "ct(")) {
            assert_int_equal(rows[i].uses, VDPAD_USE_CT | VDPAD_USE_GOTO);
        } else {
            assert_int_equal(rows[i].uses,
                             VDPAD_USE_CT_STATE | VDPAD_USE_RECIRC);
        }
    }
}

static void
test_mangled(void **state)
{
    (void) state;
    load_ports();
    recorded_mangle("linux-6.12/ovs-filter-tunnel.nl", decode,
                    sizeof(struct vdpad_flow_detail));
    recorded_mangle("linux-6.12/ovs-filter-vlan.nl", decode,
                    sizeof(struct vdpad_flow_detail));
    recorded_mangle("linux-6.12/ovs-filter-actions.nl", decode,
                    sizeof(struct vdpad_flow_detail));
    recorded_mangle("linux-6.12/ovs-flow.nl", decode_kernel,
                    sizeof(struct vdpad_flow_detail));
    recorded_mangle("linux-6.12/ovs-vport.nl", decode_vport,
                    sizeof(struct vdpad_vport));
}

/* A copy is the same filter, but for what a copy changes. */
static void
test_copy(void **state)
{
    static const uint8_t cookie[16] = "a cookie";
    struct recorded_message m;
    size_t size, offset = 0, n = 0;
    char *data = recorded_load("linux-6.12/ovs-filter-actions.nl", &size);

    (void) state;
    while (recorded_next(data, size, &offset, &m)) {
        static struct vdpad_flow_detail first, second;
        struct nl_msg *msg = nlmsg_alloc_size(16384);
        struct nlmsghdr *header = nlmsg_hdr(msg);
        struct vdpad_flower_id id;

        if (!decode(m.payload, m.len, &first)) {
            assert_int_equal(vdpad_flower_encode_copy(msg, m.payload, m.len,
                                                      16, 99, 2, cookie),
                             0);
            assert_int_equal(decode(nlmsg_data(header),
                                    (size_t) nlmsg_datalen(header), &second),
                             0);
            assert_int_equal(
                vdpad_flower_decode_id(nlmsg_data(header),
                                       (size_t) nlmsg_datalen(header), &id),
                0);
            assert_int_equal(id.cookie.len, 16);
            assert_memory_equal(id.cookie.bytes, cookie, 16);
            assert_int_equal(id.flags, 2);
            assert_int_equal(second.pos.prio, 16);
            assert_int_equal(second.pos.handle, 99);
            assert_int_equal(second.pos.protocol, first.pos.protocol);
            assert_int_equal(second.pos.ifindex, first.pos.ifindex);
            assert_string_equal(second.match, first.match);
            assert_string_equal(second.actions, first.actions);
            /* Counters and times are not part of a request. */
            assert_int_equal(second.hw_packets + second.sw_packets, 0);
            assert_int_equal(second.age_ms, -1);
            n++;
        }
        nlmsg_free(msg);
        free(m.payload);
    }
    assert_true(n >= 5);
    free(data);
}

/* An action that drops, or a meter, with 'packets' and its times. */
static void
put_action(struct nl_msg *msg, int order, bool is_meter, uint32_t packets,
           uint64_t used)
{
    const struct gnet_stats_basic basic = { .bytes = packets,
                                            .packets = packets };
    const struct tcf_t times = { .install = 2 * used, .lastuse = used };
    const struct tc_police police = { .index = 0x10000003 };
    const struct tc_gact gact = { .action = TC_ACT_SHOT };
    struct nlattr *action = nla_nest_start(msg, order), *nest;

    nla_put_string(msg, TCA_ACT_KIND, is_meter ? "police" : "gact");
    nest = nla_nest_start(msg, TCA_ACT_STATS);
    nla_put(msg, TCA_STATS_BASIC, sizeof basic, &basic);
    nla_put(msg, TCA_STATS_BASIC_HW, sizeof basic, &basic);
    nla_nest_end(msg, nest);
    nest = nla_nest_start(msg, TCA_ACT_OPTIONS);
    if (is_meter) {
        nla_put(msg, TCA_POLICE_TBF, sizeof police, &police);
        nla_put(msg, TCA_POLICE_TM, sizeof times, &times);
    } else {
        nla_put(msg, TCA_GACT_PARMS, sizeof gact, &gact);
        nla_put(msg, TCA_GACT_TM, sizeof times, &times);
    }
    nla_nest_end(msg, nest);
    nla_nest_end(msg, action);
}

/* What a meter has counted, and when it was used, is not the filter's own. */
static void
test_meter(void **state)
{
    static const struct {
        bool is_meter[2];
        uint32_t packets;
        int64_t used_ms;
    } cases[] = {
        { { true, false }, 7, 700 },
        { { false, true }, 7, 700 },
        { { true, true }, 5000, 20 },
    };

    (void) state;
    for (size_t i = 0; i < N_ELEMS(cases); i++) {
        struct nl_msg *msg = nlmsg_alloc();
        struct nlattr *actions = nla_nest_start(msg, TCA_FLOWER_ACT);
        struct vdpad_flower_actions a = { .names = &names };

        for (int j = 0; j < 2; j++) {
            put_action(msg, j + 1, cases[i].is_meter[j],
                       cases[i].is_meter[j] ? 5000 : 7,
                       cases[i].is_meter[j] ? 2 : 70);
        }
        nla_nest_end(msg, actions);
        assert_int_equal(vdpad_flower_decode_actions(actions, &a), 0);
        assert_true(a.uses & VDPAD_USE_POLICE);
        assert_int_equal(a.stats.all.packets, cases[i].packets);
        assert_int_equal(a.stats.hw.packets, cases[i].packets);
        assert_int_equal(a.used_ms, cases[i].used_ms);
        assert_int_equal(a.age_ms, 2 * cases[i].used_ms);
        nlmsg_free(msg);
    }
}

static void
test_text_is_cut(void **state)
{
    struct vdpad_ftext text;
    char buffer[12];

    (void) state;
    vdpad_ftext_begin(&text, buffer, sizeof buffer);
    vdpad_ftext_add(&text, "abc,");
    vdpad_ftext_end(&text);
    assert_string_equal(buffer, "abc");
    vdpad_ftext_begin(&text, buffer, sizeof buffer);
    vdpad_ftext_add(&text, "abcdefgh");
    vdpad_ftext_add(&text, "ijklmn");
    vdpad_ftext_add(&text, "more");
    vdpad_ftext_end(&text);
    assert_string_equal(buffer, "abcdefgh\xe2\x80\xa6");
}

/* What no recorded flow has. */
static void
test_match_text(void **state)
{
    struct vdpad_flow_match m;
    struct vdpad_ftext text;
    char buffer[512];

    (void) state;
    memset(&m, 0, sizeof m);
    (void) snprintf(m.in_port, sizeof m.in_port, "genev_sys_6081");
    m.value.tunnel = (struct vdpad_tunnel){
        .id = 7,
        .src = { 10, 0, 0, 1 },
        .tos = 4,
        .flags = VDPAD_TUNNEL_KEY,
        .n_opts = 8,
        .opts = { 1, 2, 0x80, 1, 0, 1, 0, 2 },
    };
    m.mask.tunnel = (struct vdpad_tunnel){
        .id = UINT64_MAX,
        .src = { 255, 255, 255, 0 },
        .tos = 0xfc,
        .flags = VDPAD_TUNNEL_KEY | VDPAD_TUNNEL_CSUM,
        .n_opts = 8,
        .opts = { 255, 255, 255, 255, 127, 255, 255, 255 },
    };
    m.value.eth_type = 0x86dd;
    m.mask.eth_type = UINT16_MAX;
    m.value.ip_dst[0] = 0xfe;
    m.value.ip_dst[1] = 0x80;
    m.mask.ip_dst[0] = m.mask.ip_dst[1] = 0xff;
    m.value.proto = 58;
    m.mask.proto = UINT8_MAX;
    m.value.frag = VDPAD_FRAG_LATER;
    m.mask.frag = UINT8_MAX;
    m.value.tp_src = 135;
    m.mask.tp_src = UINT8_MAX;
    m.value.mpls = 5u << 12 | 1u << 8;
    m.mask.mpls = 0xfffff000 | 1u << 8;
    m.value.ct_state = 0x22;
    m.mask.ct_state = 0x3e;
    m.value.ct_mark = 5;
    m.mask.ct_mark = 0xff;
    m.mask.ct_zone = UINT16_MAX;
    m.value.ct_label[15] = m.mask.ct_label[15] = 0x10;
    m.value.tcp_flags = 2;
    m.mask.tcp_flags = 0x12;
    vdpad_ftext_begin(&text, buffer, sizeof buffer);
    vdpad_match_text(&text, &m);
    vdpad_ftext_end(&text);
    assert_string_equal(
        buffer,
        "tunnel(tun_id=0x7,src=10.0.0.1/255.255.255.0,tos=0x4/0xfc,geneve({"
        "class=0x102,type=0x80,len=4,0x10002/0x7fffffff}),flags(-csum+key)),"
        "ct_state(+est-rel-rpl-inv+trk),ct_zone(0),ct_mark(0x5/0xff),"
        "ct_label(0x10/0x10),in_port(genev_sys_6081),eth_type(0x86dd),"
        "ipv6(dst=fe80::/ffff::,proto=58,frag=later),mpls(label=5,bos=1),"
        "icmpv6(type=135),tcp_flags(+syn-ack)");
    assert_int_equal(vdpad_match_uses(&m),
                     VDPAD_USE_TUNNEL_KEY | VDPAD_USE_CT_STATE
                         | VDPAD_USE_FRAG_KEY | VDPAD_USE_MPLS_KEY);
}

static void
test_cursor(void **state)
{
    static const char *const bad[] = {
        "",
        "tc",
        "tc-",
        "tc-1-2-3-4-5-6",
        "tc-1-2-3-4-5-6-7-8",
        "tc-1-2-3-4-10000-6-7",
        "tc-1-2-3-4-5-6-7 ",
        "tc-100000000-0-0-0-0-0-0",
        "tc--2-3-4-5-6-7",
        "kernel-1",
        "kernel-1-0123",
        "kernel-x-01234567-89ab-cdef-0123-456789abcdef",
        "kernel-1-01234567-89ab-cdef-0123-456789abcdefa",
        "kernel-1-01234567+89ab-cdef-0123-456789abcdef",
        "hw-1",
    };
    const struct vdpad_flow_cursor tc = {
        .pos = { .ifindex = 6,
                 .block = 22,
                 .parent = 0xfffffff2,
                 .chain = 3,
                 .prio = 65535,
                 .protocol = 0x800,
                 .handle = UINT32_MAX },
    };
    struct vdpad_flow_cursor kernel = { .is_kernel = true }, parsed;
    char text[VDPAD_CURSOR_SIZE];

    (void) state;
    vdpad_flow_cursor_text(&tc, text);
    assert_true(vdpad_flow_cursor_parse(text, &parsed));
    assert_memory_equal(&parsed, &tc, sizeof tc);
    kernel.pos.ifindex = 15;
    for (uint8_t i = 0; i < 16; i++) {
        kernel.pos.ufid[i] = (uint8_t) (200 + i);
    }
    vdpad_flow_cursor_text(&kernel, text);
    assert_true(vdpad_flow_cursor_parse(text, &parsed));
    assert_memory_equal(&parsed, &kernel, sizeof kernel);
    for (size_t i = 0; i < N_ELEMS(bad); i++) {
        assert_false(vdpad_flow_cursor_parse(bad[i], &parsed));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tunnel),     cmocka_unit_test(test_vlan),
        cmocka_unit_test(test_actions),    cmocka_unit_test(test_kernel),
        cmocka_unit_test(test_mangled),    cmocka_unit_test(test_copy),
        cmocka_unit_test(test_meter),      cmocka_unit_test(test_text_is_cut),
        cmocka_unit_test(test_match_text), cmocka_unit_test(test_cursor),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
