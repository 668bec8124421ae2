/* SPDX-License-Identifier: Apache-2.0 */
/* What a flower filter matches (net/sched/cls_flower.c, fl_dump_key()). */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/openvswitch.h>
#include <string.h>

#include "attrs.h"
#include "flower-codec.h"
#include "uapi.h"

#define MAX TCA_FLOWER_KEY_NUM_OF_VLANS

enum kind { BYTES, U8_WIDE, BE16 }; /* 'U8_WIDE': in a wider member. */

/* A value and its mask, which may lack: then all of it matters. */
struct field {
    uint16_t value, mask;
    uint8_t kind, size;
    uint16_t offset; /* In struct vdpad_flow_key. */
};

#define FIELD(NAME, KIND, MEMBER)                                  \
    {                                                              \
        TCA_FLOWER_KEY_##NAME, TCA_FLOWER_KEY_##NAME##_MASK, KIND, \
            sizeof(((struct vdpad_flow_key *) 0)->MEMBER),         \
            offsetof(struct vdpad_flow_key, MEMBER)                \
    }
/* Of another size than the member. */
#define FIELD_OF(NAME, KIND, SIZE, MEMBER)                               \
    {                                                                    \
        TCA_FLOWER_KEY_##NAME, TCA_FLOWER_KEY_##NAME##_MASK, KIND, SIZE, \
            offsetof(struct vdpad_flow_key, MEMBER)                      \
    }

static const struct field fields[] = {
    FIELD(ETH_SRC, BYTES, eth_src),
    FIELD(ETH_DST, BYTES, eth_dst),
    FIELD_OF(IPV4_SRC, BYTES, 4, ip_src),
    FIELD_OF(IPV4_DST, BYTES, 4, ip_dst),
    FIELD(IPV6_SRC, BYTES, ip_src),
    FIELD(IPV6_DST, BYTES, ip_dst),
    FIELD(TCP_SRC, BE16, tp_src),
    FIELD(TCP_DST, BE16, tp_dst),
    FIELD(UDP_SRC, BE16, tp_src),
    FIELD(UDP_DST, BE16, tp_dst),
    FIELD(SCTP_SRC, BE16, tp_src),
    FIELD(SCTP_DST, BE16, tp_dst),
    FIELD_OF(ICMPV4_TYPE, U8_WIDE, 1, tp_src),
    FIELD_OF(ICMPV4_CODE, U8_WIDE, 1, tp_dst),
    FIELD_OF(ICMPV6_TYPE, U8_WIDE, 1, tp_src),
    FIELD_OF(ICMPV6_CODE, U8_WIDE, 1, tp_dst),
    FIELD(TCP_FLAGS, BE16, tcp_flags),
    FIELD(IP_TOS, BYTES, tos),
    FIELD(IP_TTL, BYTES, ttl),
    FIELD_OF(ARP_SIP, BYTES, 4, ip_src),
    FIELD_OF(ARP_TIP, BYTES, 4, ip_dst),
    FIELD_OF(ARP_OP, U8_WIDE, 1, arp_op),
    FIELD(ARP_SHA, BYTES, arp_sha),
    FIELD(ARP_THA, BYTES, arp_tha),
    FIELD_OF(ENC_IPV4_SRC, BYTES, 4, tunnel.src),
    FIELD_OF(ENC_IPV4_DST, BYTES, 4, tunnel.dst),
    FIELD(ENC_IPV6_SRC, BYTES, tunnel.src),
    FIELD(ENC_IPV6_DST, BYTES, tunnel.dst),
    FIELD(ENC_UDP_SRC_PORT, BE16, tunnel.tp_src),
    FIELD(ENC_UDP_DST_PORT, BE16, tunnel.tp_dst),
    FIELD(ENC_IP_TOS, BYTES, tunnel.tos),
    FIELD(ENC_IP_TTL, BYTES, tunnel.ttl),
    FIELD(CT_LABELS, BYTES, ct_label),
};

static void
put(struct vdpad_flow_key *key, const struct field *field, const void *bytes)
{
    char *to = (char *) key + field->offset;
    uint8_t small;
    uint16_t half;

    switch ((enum kind) field->kind) {
    case U8_WIDE:
        memcpy(&small, bytes, sizeof small);
        half = small;
        memcpy(to, &half, sizeof half);
        break;
    case BE16:
        memcpy(&half, bytes, sizeof half);
        half = ntohs(half);
        memcpy(to, &half, sizeof half);
        break;
    case BYTES:
    default:
        memcpy(to, bytes, field->size);
        break;
    }
}

static int
take_fields(struct nlattr *tb[], struct vdpad_flow_match *match)
{
    static const uint8_t all[16] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                     0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                     0xff, 0xff, 0xff, 0xff };

    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        const struct field *f = &fields[i];
        const struct nlattr *value = tb[f->value], *mask = tb[f->mask];
        uint8_t wanted[16];

        if (!value) {
            continue;
        }
        if (nla_len(value) != f->size || (mask && nla_len(mask) != f->size)) {
            return -EBADMSG;
        }
        /* Bits that do not matter come as they were given. */
        for (int j = 0; j < f->size; j++) {
            wanted[j] = ((const uint8_t *) nla_data(value))[j];
            wanted[j] &= mask ? ((const uint8_t *) nla_data(mask))[j] : 0xff;
        }
        put(&match->value, f, wanted);
        put(&match->mask, f, mask ? nla_data(mask) : all);
    }
    return 0;
}

static uint16_t
be16_of(const struct nlattr *attr)
{
    return ntohs(nla_get_u16(attr));
}

static void
take_vlan(struct vdpad_flow_match *match, int i, uint16_t tpid,
          const struct nlattr *id, const struct nlattr *prio)
{
    struct vdpad_vlan *value = &match->value.vlan[i];
    struct vdpad_vlan *mask = &match->mask.vlan[i];

    value->tpid = tpid;
    mask->tpid = UINT16_MAX;
    if (id) {
        value->tci |= nla_get_u16(id) & VDPAD_VLAN_VID;
        mask->tci |= VDPAD_VLAN_VID;
    }
    if (prio) {
        value->tci |= (uint16_t) (nla_get_u8(prio) << 13);
        mask->tci |= VDPAD_VLAN_PCP;
    }
}

static bool
is_vlan(uint16_t protocol)
{
    return protocol == ETH_P_8021Q || protocol == ETH_P_8021AD;
}

/* The filter's protocol is that of the outermost header; each further one has
 * an attribute of its own. */
static void
take_types(struct nlattr *tb[], uint16_t protocol,
           struct vdpad_flow_match *match)
{
    struct nlattr *inner = tb[TCA_FLOWER_KEY_VLAN_ETH_TYPE];
    uint16_t type = protocol;

    if (is_vlan(protocol)) {
        take_vlan(match, 0, protocol, tb[TCA_FLOWER_KEY_VLAN_ID],
                  tb[TCA_FLOWER_KEY_VLAN_PRIO]);
        type = inner ? be16_of(inner) : 0;
        if (is_vlan(type)) {
            take_vlan(match, 1, type, tb[TCA_FLOWER_KEY_CVLAN_ID],
                      tb[TCA_FLOWER_KEY_CVLAN_PRIO]);
            inner = tb[TCA_FLOWER_KEY_CVLAN_ETH_TYPE];
            type = inner ? be16_of(inner) : 0;
        }
    } else if (protocol == ETH_P_ALL) {
        type = 0;
    }
    match->value.eth_type = type;
    match->mask.eth_type = type ? UINT16_MAX : 0;
}

static void
take_mpls(struct nlattr *tb[], struct vdpad_flow_match *match)
{
    uint32_t value = 0, mask = 0;

    if (tb[TCA_FLOWER_KEY_MPLS_LABEL]) {
        value |= nla_get_u32(tb[TCA_FLOWER_KEY_MPLS_LABEL]) << 12;
        mask |= 0xfffff000;
    }
    if (tb[TCA_FLOWER_KEY_MPLS_TC]) {
        value |= (nla_get_u8(tb[TCA_FLOWER_KEY_MPLS_TC]) & 7u) << 9;
        mask |= 0xe00;
    }
    if (tb[TCA_FLOWER_KEY_MPLS_BOS]) {
        value |= (nla_get_u8(tb[TCA_FLOWER_KEY_MPLS_BOS]) & 1u) << 8;
        mask |= 0x100;
    }
    if (tb[TCA_FLOWER_KEY_MPLS_TTL]) {
        value |= nla_get_u8(tb[TCA_FLOWER_KEY_MPLS_TTL]);
        mask |= 0xff;
    }
    match->value.mpls = value;
    match->mask.mpls = mask;
    if (tb[TCA_FLOWER_KEY_MPLS_OPTS]) {
        match->uses |= VDPAD_USE_MPLS_KEY;
    }
}

static void
take_flags(struct nlattr *tb[], struct vdpad_flow_match *match)
{
    uint32_t value, mask;

    if (!tb[TCA_FLOWER_KEY_FLAGS]) {
        return;
    }
    value = ntohl(nla_get_u32(tb[TCA_FLOWER_KEY_FLAGS]));
    mask = tb[TCA_FLOWER_KEY_FLAGS_MASK]
               ? ntohl(nla_get_u32(tb[TCA_FLOWER_KEY_FLAGS_MASK]))
               : UINT32_MAX;
    if (mask & TCA_FLOWER_KEY_FLAGS_IS_FRAGMENT) {
        match->mask.frag = UINT8_MAX;
        if (value & TCA_FLOWER_KEY_FLAGS_IS_FRAGMENT) {
            match->value.frag = value & TCA_FLOWER_KEY_FLAGS_FRAG_IS_FIRST
                                    ? VDPAD_FRAG_FIRST
                                    : VDPAD_FRAG_LATER;
        }
    }
    if (mask
        & ~(uint32_t) (TCA_FLOWER_KEY_FLAGS_IS_FRAGMENT
                       | TCA_FLOWER_KEY_FLAGS_FRAG_IS_FIRST)) {
        match->uses |= VDPAD_USE_OTHER_KEY;
    }
}

static uint32_t
ct_state(uint16_t flower)
{
    static const struct {
        uint16_t flower;
        uint32_t ovs;
    } bits[] = {
        { TCA_FLOWER_KEY_CT_FLAGS_NEW, OVS_CS_F_NEW },
        { TCA_FLOWER_KEY_CT_FLAGS_ESTABLISHED, OVS_CS_F_ESTABLISHED },
        { TCA_FLOWER_KEY_CT_FLAGS_RELATED, OVS_CS_F_RELATED },
        { TCA_FLOWER_KEY_CT_FLAGS_TRACKED, OVS_CS_F_TRACKED },
        { TCA_FLOWER_KEY_CT_FLAGS_INVALID, OVS_CS_F_INVALID },
        { TCA_FLOWER_KEY_CT_FLAGS_REPLY, OVS_CS_F_REPLY_DIR },
    };
    uint32_t state = 0;

    for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++) {
        state |= flower & bits[i].flower ? bits[i].ovs : 0;
    }
    return state;
}

static void
take_ct(struct nlattr *tb[], struct vdpad_flow_match *match)
{
    if (tb[TCA_FLOWER_KEY_CT_STATE]) {
        match->value.ct_state = ct_state(
            nla_get_u16(tb[TCA_FLOWER_KEY_CT_STATE]));
        match->mask.ct_state = ct_state(
            vdpad_attr_u16(tb[TCA_FLOWER_KEY_CT_STATE_MASK], UINT16_MAX));
    }
    if (tb[TCA_FLOWER_KEY_CT_ZONE]) {
        match->value.ct_zone = nla_get_u16(tb[TCA_FLOWER_KEY_CT_ZONE]);
        match->mask.ct_zone = vdpad_attr_u16(tb[TCA_FLOWER_KEY_CT_ZONE_MASK],
                                             UINT16_MAX);
    }
    if (tb[TCA_FLOWER_KEY_CT_MARK]) {
        match->value.ct_mark = nla_get_u32(tb[TCA_FLOWER_KEY_CT_MARK]);
        match->mask.ct_mark = vdpad_attr_u32(tb[TCA_FLOWER_KEY_CT_MARK_MASK],
                                             UINT32_MAX);
    }
}

/* Geneve's TLVs, which the kernel gives taken apart, put together again.  A
 * new one begins with the class. */
int
vdpad_flower_decode_options(const struct nlattr *nest,
                            struct vdpad_tunnel *tunnel)
{
    static const struct nla_policy geneve[] = {
        [TCA_FLOWER_KEY_ENC_OPT_GENEVE_CLASS] = VDPAD_POLICY_U16,
        [TCA_FLOWER_KEY_ENC_OPT_GENEVE_TYPE] = VDPAD_POLICY_U8,
        [TCA_FLOWER_KEY_ENC_OPT_GENEVE_DATA] = VDPAD_POLICY_BYTES(4, 128),
    };
    static const struct nla_policy vxlan[] = {
        [TCA_FLOWER_KEY_ENC_OPT_VXLAN_GBP] = VDPAD_POLICY_U32,
    };
    const struct nlattr *attr;
    int left;

    if (!vdpad_attrs_are_sound(nla_data(nest), (size_t) nla_len(nest))) {
        return -EBADMSG;
    }
    nla_for_each_nested(attr, nest, left)
    {
        struct nlattr *tb[TCA_FLOWER_KEY_ENC_OPT_GENEVE_MAX + 1];

        if (nla_type(attr) == TCA_FLOWER_KEY_ENC_OPTS_GENEVE) {
            const struct nlattr *data;
            size_t len;
            uint8_t *to = tunnel->opts + tunnel->n_opts;

            if (vdpad_attrs_parse_nested(tb, TCA_FLOWER_KEY_ENC_OPT_GENEVE_MAX,
                                         attr, geneve)) {
                return -EBADMSG;
            }
            data = tb[TCA_FLOWER_KEY_ENC_OPT_GENEVE_DATA];
            len = data ? (size_t) nla_len(data) & ~(size_t) 3 : 0;
            if (tunnel->n_opts + 4 + len > sizeof tunnel->opts) {
                tunnel->has_more_opts = true;
                continue;
            }
            if (tb[TCA_FLOWER_KEY_ENC_OPT_GENEVE_CLASS]) {
                memcpy(to, nla_data(tb[TCA_FLOWER_KEY_ENC_OPT_GENEVE_CLASS]),
                       2);
            }
            to[2] = vdpad_attr_u8(tb[TCA_FLOWER_KEY_ENC_OPT_GENEVE_TYPE], 0);
            to[3] = (uint8_t) (len / 4);
            if (len) {
                memcpy(to + 4, nla_data(data), len);
            }
            tunnel->n_opts = (uint8_t) (tunnel->n_opts + 4 + len);
        } else if (nla_type(attr) == TCA_FLOWER_KEY_ENC_OPTS_VXLAN) {
            if (vdpad_attrs_parse_nested(tb, TCA_FLOWER_KEY_ENC_OPT_VXLAN_GBP,
                                         attr, vxlan)) {
                return -EBADMSG;
            }
            tunnel->gbp = vdpad_attr_u32(tb[TCA_FLOWER_KEY_ENC_OPT_VXLAN_GBP],
                                         0);
        } else {
            tunnel->has_more_opts = true;
        }
    }
    return 0;
}

static int
take_tunnel(struct nlattr *tb[], struct vdpad_flow_match *match)
{
    struct vdpad_tunnel *value = &match->value.tunnel;
    struct vdpad_tunnel *mask = &match->mask.tunnel;
    int error = 0;

    value->is_ip6 = tb[TCA_FLOWER_KEY_ENC_IPV6_SRC]
                    || tb[TCA_FLOWER_KEY_ENC_IPV6_DST];
    if (tb[TCA_FLOWER_KEY_ENC_KEY_ID]) {
        value->id = ntohl(nla_get_u32(tb[TCA_FLOWER_KEY_ENC_KEY_ID]));
        mask->id = UINT64_MAX;
        value->flags = mask->flags = VDPAD_TUNNEL_KEY;
    }
    if (tb[TCA_FLOWER_KEY_ENC_OPTS]) {
        error = vdpad_flower_decode_options(tb[TCA_FLOWER_KEY_ENC_OPTS],
                                            value);
    }
    if (!error && tb[TCA_FLOWER_KEY_ENC_OPTS_MASK]) {
        error = vdpad_flower_decode_options(tb[TCA_FLOWER_KEY_ENC_OPTS_MASK],
                                            mask);
    }
    return error;
}

int
vdpad_flower_decode_match(const struct nlattr *options, uint16_t protocol,
                          struct vdpad_flow_match *match)
{
    static const struct nla_policy policy[MAX + 1] = {
        [TCA_FLOWER_KEY_ETH_TYPE] = VDPAD_POLICY_U16,
        [TCA_FLOWER_KEY_IP_PROTO] = VDPAD_POLICY_U8,
        [TCA_FLOWER_KEY_VLAN_ID] = VDPAD_POLICY_U16,
        [TCA_FLOWER_KEY_VLAN_PRIO] = VDPAD_POLICY_U8,
        [TCA_FLOWER_KEY_VLAN_ETH_TYPE] = VDPAD_POLICY_U16,
        [TCA_FLOWER_KEY_CVLAN_ID] = VDPAD_POLICY_U16,
        [TCA_FLOWER_KEY_CVLAN_PRIO] = VDPAD_POLICY_U8,
        [TCA_FLOWER_KEY_CVLAN_ETH_TYPE] = VDPAD_POLICY_U16,
        [TCA_FLOWER_KEY_MPLS_LABEL] = VDPAD_POLICY_U32,
        [TCA_FLOWER_KEY_MPLS_TC] = VDPAD_POLICY_U8,
        [TCA_FLOWER_KEY_MPLS_BOS] = VDPAD_POLICY_U8,
        [TCA_FLOWER_KEY_MPLS_TTL] = VDPAD_POLICY_U8,
        [TCA_FLOWER_KEY_FLAGS] = VDPAD_POLICY_U32,
        [TCA_FLOWER_KEY_FLAGS_MASK] = VDPAD_POLICY_U32,
        [TCA_FLOWER_KEY_CT_STATE] = VDPAD_POLICY_U16,
        [TCA_FLOWER_KEY_CT_STATE_MASK] = VDPAD_POLICY_U16,
        [TCA_FLOWER_KEY_CT_ZONE] = VDPAD_POLICY_U16,
        [TCA_FLOWER_KEY_CT_ZONE_MASK] = VDPAD_POLICY_U16,
        [TCA_FLOWER_KEY_CT_MARK] = VDPAD_POLICY_U32,
        [TCA_FLOWER_KEY_CT_MARK_MASK] = VDPAD_POLICY_U32,
        [TCA_FLOWER_KEY_ENC_KEY_ID] = VDPAD_POLICY_U32,
        [TCA_FLOWER_KEY_ENC_OPTS] = VDPAD_POLICY_NEST,
        [TCA_FLOWER_KEY_ENC_OPTS_MASK] = VDPAD_POLICY_NEST,
    };
    static const uint16_t others[] = {
        TCA_FLOWER_INDEV,
        TCA_FLOWER_KEY_PORT_SRC_MIN,
        TCA_FLOWER_KEY_PORT_DST_MIN,
        TCA_FLOWER_KEY_HASH,
        TCA_FLOWER_KEY_NUM_OF_VLANS,
    };
    struct nlattr *tb[MAX + 1];
    const struct nlattr *attr;
    int error, left;

    memset(match, 0, sizeof *match);
    if (vdpad_attrs_parse_nested(tb, MAX, options, policy)) {
        return -EBADMSG;
    }
    take_types(tb, protocol, match);
    if (tb[TCA_FLOWER_KEY_IP_PROTO]) {
        match->value.proto = nla_get_u8(tb[TCA_FLOWER_KEY_IP_PROTO]);
        match->mask.proto = UINT8_MAX;
    }
    error = take_fields(tb, match);
    if (match->mask.arp_op == UINT8_MAX) {
        /* Flower knows its lower byte only. */
        match->mask.arp_op = UINT16_MAX;
    }
    if (!error) {
        error = take_tunnel(tb, match);
    }
    take_mpls(tb, match);
    take_flags(tb, match);
    take_ct(tb, match);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        match->uses |= tb[others[i]] ? VDPAD_USE_OTHER_KEY : 0;
    }
    nla_for_each_nested(attr, options, left)
    {
        match->uses |= nla_type(attr) > MAX ? VDPAD_USE_OTHER_KEY : 0;
    }
    return error;
}
