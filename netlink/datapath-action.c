/* SPDX-License-Identifier: Apache-2.0 */
/* What flows of the kernel datapath do: OVS_ACTION_ATTR_* (net/openvswitch/
 * actions.c). */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/openvswitch.h>
#include <netinet/in.h>
#include <string.h>

#include "attrs.h"
#include "datapath-codec.h"

#define MAX_KEY 64

/* Later than the headers of older distributions. */
#define ACTION_DROP 24
#define ACTION_PSAMPLE 25

static void
add_output(uint32_t number, struct vdpad_datapath_actions *a)
{
    const struct vdpad_vport *port = vdpad_vport_find(a->ports, number);

    if (!port) {
        vdpad_ftext_add(a->text, "%u", number);
        return;
    }
    vdpad_ftext_add(a->text, "%s", port->name);
    for (size_t i = 0; i < a->n_outputs; i++) {
        if (a->outputs[i] == port->ifindex) {
            return;
        }
    }
    a->uses |= a->n_outputs ? VDPAD_USE_MIRROR : 0;
    if (port->ifindex && a->n_outputs < VDPAD_FLOW_OUTPUTS) {
        a->outputs[a->n_outputs++] = port->ifindex;
    }
}

static int
take_userspace(const struct nlattr *nest, struct vdpad_datapath_actions *a)
{
    static const struct nla_policy policy[OVS_USERSPACE_ATTR_USERDATA + 1] = {
        [OVS_USERSPACE_ATTR_PID] = VDPAD_POLICY_U32,
    };
    struct nlattr *tb[OVS_USERSPACE_ATTR_USERDATA + 1];
    const struct nlattr *data;

    if (vdpad_attrs_parse_nested(tb, OVS_USERSPACE_ATTR_USERDATA, nest,
                                 policy)) {
        return -EBADMSG;
    }
    a->uses |= VDPAD_USE_USERSPACE;
    vdpad_ftext_add(a->text, "userspace(pid=%u",
                    vdpad_attr_u32(tb[OVS_USERSPACE_ATTR_PID], 0));
    data = tb[OVS_USERSPACE_ATTR_USERDATA];
    if (data) {
        vdpad_ftext_add(a->text, ",userdata(");
        for (int i = 0; i < nla_len(data); i++) {
            vdpad_ftext_add(a->text, "%02x",
                            ((const uint8_t *) nla_data(data))[i]);
        }
        vdpad_ftext_add(a->text, ")");
    }
    vdpad_ftext_add(a->text, ")");
    return 0;
}

/* The parts of a key that make sense only beside another. */
static void
set_context(int type, struct vdpad_flow_key *key)
{
    switch (type) {
    case OVS_KEY_ATTR_IPV4:
        key->eth_type = ETH_P_IP;
        break;
    case OVS_KEY_ATTR_IPV6:
        key->eth_type = ETH_P_IPV6;
        break;
    case OVS_KEY_ATTR_ARP:
        key->eth_type = ETH_P_ARP;
        break;
    case OVS_KEY_ATTR_TCP:
        key->proto = IPPROTO_TCP;
        break;
    case OVS_KEY_ATTR_UDP:
        key->proto = IPPROTO_UDP;
        break;
    case OVS_KEY_ATTR_SCTP:
        key->proto = IPPROTO_SCTP;
        break;
    case OVS_KEY_ATTR_ICMP:
        key->proto = IPPROTO_ICMP;
        break;
    case OVS_KEY_ATTR_ICMPV6:
        key->proto = IPPROTO_ICMPV6;
        break;
    default:
        break;
    }
}

static int
take_set_tunnel(const struct nlattr *attr, struct vdpad_datapath_actions *a)
{
    struct vdpad_tunnel tunnel;

    memset(&tunnel, 0, sizeof tunnel);
    a->uses |= VDPAD_USE_TUNNEL_SET;
    vdpad_ftext_add(a->text, "set(");
    if (vdpad_datapath_take_tunnel(attr, &tunnel)) {
        return -EBADMSG;
    }
    vdpad_tunnel_text(a->text, &tunnel, NULL);
    vdpad_ftext_close(a->text);
    return 0;
}

/* One key: its value, and with 'is_masked' its mask behind that. */
static int
take_set(const struct nlattr *nest, bool is_masked,
         struct vdpad_datapath_actions *a)
{
    const struct nlattr *attr = nla_data(nest);
    struct vdpad_flow_match match;
    uint8_t ones[MAX_KEY];
    const char *data;
    size_t len;
    int type, error;

    if (!vdpad_attrs_are_sound(attr, (size_t) nla_len(nest))
        || !nla_len(nest)) {
        return -EBADMSG;
    }
    type = nla_type(attr);
    if (type == OVS_KEY_ATTR_TUNNEL) {
        return take_set_tunnel(attr, a);
    }
    a->uses |= VDPAD_USE_PEDIT;
    data = nla_data(attr);
    len = (size_t) nla_len(attr) / (is_masked ? 2 : 1);
    memset(&match, 0, sizeof match);
    memset(ones, 0xff, sizeof ones);
    if (len > sizeof ones) {
        return -EBADMSG;
    }
    error = vdpad_datapath_take_attr(type, data, len, &match.value);
    if (!error) {
        error = vdpad_datapath_take_attr(type,
                                         is_masked ? data + len
                                                   : (const char *) ones,
                                         len, &match.mask);
    }
    if (error < 0) {
        return error;
    }
    set_context(type, &match.value);
    vdpad_ftext_add(a->text, "set(");
    if (error) {
        vdpad_ftext_add(a->text, "?");
    } else {
        vdpad_match_text(a->text, &match);
    }
    vdpad_ftext_close(a->text);
    return 0;
}

static int
take_nat(const struct nlattr *nest, struct vdpad_ftext *text)
{
    struct nlattr *tb[OVS_NAT_ATTR_PROTO_MAX + 1];
    const struct nlattr *min, *max;
    char address[INET6_ADDRSTRLEN];
    unsigned int first, last;
    int family;

    if (vdpad_attrs_parse_nested(tb, OVS_NAT_ATTR_PROTO_MAX, nest, NULL)) {
        return -EBADMSG;
    }
    vdpad_ftext_add(text, "nat(");
    if (tb[OVS_NAT_ATTR_SRC] || tb[OVS_NAT_ATTR_DST]) {
        vdpad_ftext_add(text, tb[OVS_NAT_ATTR_SRC] ? "src" : "dst");
    }
    min = tb[OVS_NAT_ATTR_IP_MIN];
    max = tb[OVS_NAT_ATTR_IP_MAX];
    if (min && (nla_len(min) == 4 || nla_len(min) == 16)) {
        family = nla_len(min) == 4 ? AF_INET : AF_INET6;
        (void) inet_ntop(family, nla_data(min), address, sizeof address);
        vdpad_ftext_add(text, "=%s", address);
        if (max && nla_len(max) == nla_len(min)
            && memcmp(nla_data(max), nla_data(min), (size_t) nla_len(min))) {
            (void) inet_ntop(family, nla_data(max), address, sizeof address);
            vdpad_ftext_add(text, "-%s", address);
        }
    }
    if (tb[OVS_NAT_ATTR_PROTO_MIN]
        && nla_len(tb[OVS_NAT_ATTR_PROTO_MIN]) == 2) {
        first = nla_get_u16(tb[OVS_NAT_ATTR_PROTO_MIN]);
        last = tb[OVS_NAT_ATTR_PROTO_MAX]
                       && nla_len(tb[OVS_NAT_ATTR_PROTO_MAX]) == 2
                   ? nla_get_u16(tb[OVS_NAT_ATTR_PROTO_MAX])
                   : first;
        vdpad_ftext_add(text, ":%u", first);
        if (last != first) {
            vdpad_ftext_add(text, "-%u", last);
        }
    }
    vdpad_ftext_add(text, "),");
    return 0;
}

static int
take_ct(const struct nlattr *nest, struct vdpad_datapath_actions *a)
{
    static const struct nla_policy policy[OVS_CT_ATTR_FORCE_COMMIT + 1] = {
        [OVS_CT_ATTR_ZONE] = VDPAD_POLICY_U16,
        [OVS_CT_ATTR_MARK] = VDPAD_POLICY_BYTES(8, 8),
        [OVS_CT_ATTR_LABELS] = VDPAD_POLICY_BYTES(32, 32),
        [OVS_CT_ATTR_NAT] = VDPAD_POLICY_NEST,
    };
    struct nlattr *tb[OVS_CT_ATTR_FORCE_COMMIT + 1];
    uint32_t mark[2];

    if (vdpad_attrs_parse_nested(tb, OVS_CT_ATTR_FORCE_COMMIT, nest, policy)) {
        return -EBADMSG;
    }
    a->uses |= VDPAD_USE_CT;
    vdpad_ftext_add(a->text, "ct(%s",
                    tb[OVS_CT_ATTR_FORCE_COMMIT] ? "force_commit,"
                    : tb[OVS_CT_ATTR_COMMIT]     ? "commit,"
                                                 : "");
    if (tb[OVS_CT_ATTR_ZONE]) {
        vdpad_ftext_add(a->text, "zone=%u,",
                        nla_get_u16(tb[OVS_CT_ATTR_ZONE]));
    }
    if (tb[OVS_CT_ATTR_MARK]) {
        memcpy(mark, nla_data(tb[OVS_CT_ATTR_MARK]), sizeof mark);
        vdpad_ftext_add(a->text, "mark=%#x/%#x,", mark[0], mark[1]);
    }
    if (tb[OVS_CT_ATTR_LABELS]) {
        const uint8_t *labels = nla_data(tb[OVS_CT_ATTR_LABELS]);

        vdpad_ftext_add(a->text, "label=");
        vdpad_ftext_bytes(a->text, labels, 16);
        vdpad_ftext_add(a->text, "/");
        vdpad_ftext_bytes(a->text, labels + 16, 16);
        vdpad_ftext_add(a->text, ",");
    }
    if (tb[OVS_CT_ATTR_NAT] && take_nat(tb[OVS_CT_ATTR_NAT], a->text)) {
        return -EBADMSG;
    }
    vdpad_ftext_close(a->text);
    return 0;
}

/* "name(…actions…)" of attribute 'type' in 'nest'. */
static int
take_inner(const struct nlattr *inner, const char *name, int depth,
           struct vdpad_datapath_actions *a)
{
    int error = 0;

    vdpad_ftext_add(a->text, "%s(", name);
    if (inner) {
        error = vdpad_datapath_take_actions(inner, depth - 1, a);
    }
    vdpad_ftext_close(a->text);
    return error;
}

static int
take_sample(const struct nlattr *nest, int depth,
            struct vdpad_datapath_actions *a)
{
    static const struct nla_policy policy[OVS_SAMPLE_ATTR_ACTIONS + 1] = {
        [OVS_SAMPLE_ATTR_PROBABILITY] = VDPAD_POLICY_U32,
        [OVS_SAMPLE_ATTR_ACTIONS] = VDPAD_POLICY_NEST,
    };
    struct nlattr *tb[OVS_SAMPLE_ATTR_ACTIONS + 1];
    double percent;
    int error;

    if (vdpad_attrs_parse_nested(tb, OVS_SAMPLE_ATTR_ACTIONS, nest, policy)) {
        return -EBADMSG;
    }
    a->uses |= VDPAD_USE_SAMPLE;
    percent = 100.0 * vdpad_attr_u32(tb[OVS_SAMPLE_ATTR_PROBABILITY], 0)
              / UINT32_MAX;
    vdpad_ftext_add(a->text, "sample(sample=%.1f%%,", percent);
    error = take_inner(tb[OVS_SAMPLE_ATTR_ACTIONS], "actions", depth, a);
    vdpad_ftext_close(a->text);
    return error;
}

static int
take_check_pkt_len(const struct nlattr *nest, int depth,
                   struct vdpad_datapath_actions *a)
{
    static const struct nla_policy policy[OVS_CHECK_PKT_LEN_ATTR_MAX + 1] = {
        [OVS_CHECK_PKT_LEN_ATTR_PKT_LEN] = VDPAD_POLICY_U16,
        [OVS_CHECK_PKT_LEN_ATTR_ACTIONS_IF_GREATER] = VDPAD_POLICY_NEST,
        [OVS_CHECK_PKT_LEN_ATTR_ACTIONS_IF_LESS_EQUAL] = VDPAD_POLICY_NEST,
    };
    struct nlattr *tb[OVS_CHECK_PKT_LEN_ATTR_MAX + 1];
    int error;

    if (vdpad_attrs_parse_nested(tb, OVS_CHECK_PKT_LEN_ATTR_MAX, nest,
                                 policy)) {
        return -EBADMSG;
    }
    a->uses |= VDPAD_USE_OTHER_ACTION;
    vdpad_ftext_add(a->text, "check_pkt_len(size=%u,",
                    vdpad_attr_u16(tb[OVS_CHECK_PKT_LEN_ATTR_PKT_LEN], 0));
    error = take_inner(tb[OVS_CHECK_PKT_LEN_ATTR_ACTIONS_IF_GREATER], "gt",
                       depth, a);
    if (!error) {
        error = take_inner(tb[OVS_CHECK_PKT_LEN_ATTR_ACTIONS_IF_LESS_EQUAL],
                           "le", depth, a);
    }
    vdpad_ftext_close(a->text);
    return error;
}

static int
take_push_vlan(const struct nlattr *attr, struct vdpad_datapath_actions *a)
{
    struct ovs_action_push_vlan push;
    unsigned int tci;

    if (nla_len(attr) != (int) sizeof push) {
        return -EBADMSG;
    }
    memcpy(&push, nla_data(attr), sizeof push);
    tci = ntohs(push.vlan_tci);
    a->uses |= VDPAD_USE_VLAN;
    vdpad_ftext_add(a->text, "push_vlan(");
    if (ntohs(push.vlan_tpid) != ETH_P_8021Q) {
        vdpad_ftext_add(a->text, "tpid=%#06x,", ntohs(push.vlan_tpid));
    }
    vdpad_ftext_add(a->text, "vid=%u,pcp=%u)", tci & VDPAD_VLAN_VID,
                    tci >> 13);
    return 0;
}

static int
take_push_mpls(const struct nlattr *attr, struct vdpad_datapath_actions *a)
{
    struct ovs_action_push_mpls push;
    uint32_t lse;

    if (nla_len(attr) < (int) sizeof push) {
        return -EBADMSG;
    }
    memcpy(&push, nla_data(attr), sizeof push);
    lse = ntohl(push.mpls_lse);
    a->uses |= VDPAD_USE_MPLS;
    vdpad_ftext_add(a->text,
                    "push_mpls(label=%u,tc=%u,ttl=%u,bos=%u,eth_type=%#06x)",
                    lse >> 12, lse >> 9 & 7, lse & 0xff, lse >> 8 & 1,
                    ntohs(push.mpls_ethertype));
    return 0;
}

static int
take_push_eth(const struct nlattr *attr, struct vdpad_datapath_actions *a)
{
    static const uint8_t all[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
    struct ovs_action_push_eth push;

    if (nla_len(attr) != (int) sizeof push) {
        return -EBADMSG;
    }
    memcpy(&push, nla_data(attr), sizeof push);
    a->uses |= VDPAD_USE_OTHER_ACTION;
    vdpad_ftext_add(a->text, "push_eth(");
    vdpad_ftext_mac(a->text, "src", push.addresses.eth_src, all);
    vdpad_ftext_mac(a->text, "dst", push.addresses.eth_dst, all);
    vdpad_ftext_close(a->text);
    return 0;
}

/* Actions that are one number, or nothing but their name. */
static int
take_simple(const struct nlattr *attr, struct vdpad_datapath_actions *a)
{
    int type = nla_type(attr);
    uint32_t number = nla_len(attr) >= 4 ? nla_get_u32(attr) : 0;

    switch (type) {
    case OVS_ACTION_ATTR_RECIRC:
        a->uses |= VDPAD_USE_GOTO;
        vdpad_ftext_add(a->text, "recirc(%#x)", number);
        break;
    case OVS_ACTION_ATTR_HASH:
        a->uses |= VDPAD_USE_HASH;
        vdpad_ftext_add(a->text, number ? "hash(sym_l4)" : "hash(l4)");
        break;
    case OVS_ACTION_ATTR_METER:
        a->uses |= VDPAD_USE_POLICE;
        vdpad_ftext_add(a->text, "meter(%u)", number);
        break;
    case OVS_ACTION_ATTR_TRUNC:
        a->uses |= VDPAD_USE_OTHER_ACTION;
        vdpad_ftext_add(a->text, "trunc(%u)", number);
        break;
    case OVS_ACTION_ATTR_POP_VLAN:
        a->uses |= VDPAD_USE_VLAN;
        vdpad_ftext_add(a->text, "pop_vlan");
        break;
    case OVS_ACTION_ATTR_POP_MPLS:
        a->uses |= VDPAD_USE_MPLS;
        vdpad_ftext_add(a->text, "pop_mpls(eth_type=%#06x)",
                        nla_len(attr) >= 2 ? ntohs(nla_get_u16(attr)) : 0);
        break;
    case OVS_ACTION_ATTR_CT_CLEAR:
        a->uses |= VDPAD_USE_CT;
        vdpad_ftext_add(a->text, "ct_clear");
        break;
    case ACTION_DROP:
        vdpad_ftext_add(a->text, "drop");
        break;
    case ACTION_PSAMPLE:
        a->uses |= VDPAD_USE_SAMPLE;
        vdpad_ftext_add(a->text, "psample");
        break;
    default:
        a->uses |= VDPAD_USE_OTHER_ACTION;
        vdpad_ftext_add(a->text,
                        type == OVS_ACTION_ATTR_POP_ETH    ? "pop_eth"
                        : type == OVS_ACTION_ATTR_PUSH_NSH ? "push_nsh"
                        : type == OVS_ACTION_ATTR_POP_NSH  ? "pop_nsh"
                        : type == OVS_ACTION_ATTR_ADD_MPLS ? "add_mpls"
                        : type == OVS_ACTION_ATTR_DEC_TTL  ? "dec_ttl"
                                                           : "?");
        break;
    }
    return 0;
}

static int
take_action(const struct nlattr *attr, int depth,
            struct vdpad_datapath_actions *a)
{
    switch (nla_type(attr)) {
    case OVS_ACTION_ATTR_OUTPUT:
        if (nla_len(attr) != 4) {
            return -EBADMSG;
        }
        add_output(nla_get_u32(attr), a);
        return 0;
    case OVS_ACTION_ATTR_USERSPACE:
        return take_userspace(attr, a);
    case OVS_ACTION_ATTR_SET:
        return take_set(attr, false, a);
    case OVS_ACTION_ATTR_SET_MASKED:
        return take_set(attr, true, a);
    case OVS_ACTION_ATTR_PUSH_VLAN:
        return take_push_vlan(attr, a);
    case OVS_ACTION_ATTR_PUSH_MPLS:
        return take_push_mpls(attr, a);
    case OVS_ACTION_ATTR_PUSH_ETH:
        return take_push_eth(attr, a);
    case OVS_ACTION_ATTR_CT:
        return take_ct(attr, a);
    case OVS_ACTION_ATTR_SAMPLE:
        return take_sample(attr, depth, a);
    case OVS_ACTION_ATTR_CLONE:
        return take_inner(attr, "clone", depth, a);
    case OVS_ACTION_ATTR_CHECK_PKT_LEN:
        return take_check_pkt_len(attr, depth, a);
    default:
        return take_simple(attr, a);
    }
}

int
vdpad_datapath_take_actions(const struct nlattr *nest, int depth,
                            struct vdpad_datapath_actions *a)
{
    const struct nlattr *attr;
    int left, error = 0;

    if (depth <= 0
        || !vdpad_attrs_are_sound(nla_data(nest), (size_t) nla_len(nest))) {
        return -EBADMSG;
    }
    nla_for_each_nested(attr, nest, left)
    {
        vdpad_ftext_comma(a->text);
        error = take_action(attr, depth, a);
        if (error) {
            return error;
        }
    }
    return 0;
}
