/* SPDX-License-Identifier: Apache-2.0 */
/* What flows of the kernel datapath match: OVS_KEY_ATTR_* (net/openvswitch/
 * flow_netlink.c). */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <linux/openvswitch.h>
#include <stdio.h>
#include <string.h>

#include "attrs.h"
#include "datapath-codec.h"

#define MAX_KEY 64 /* Bytes of the longest key that is no nest. */

/* Copies 'size' bytes, refusing any other length. */
static int
copy(void *to, size_t size, const void *data, size_t len)
{
    if (len != size) {
        return -EBADMSG;
    }
    memcpy(to, data, size);
    return 0;
}

static int
copy16(uint16_t *to, const void *data, size_t len)
{
    int error = copy(to, sizeof *to, data, len);

    *to = ntohs(*to);
    return error;
}

static int
take_ip4(struct vdpad_flow_key *key, const void *data, size_t len)
{
    struct ovs_key_ipv4 ip;

    if (copy(&ip, sizeof ip, data, len)) {
        return -EBADMSG;
    }
    memcpy(key->ip_src, &ip.ipv4_src, 4);
    memcpy(key->ip_dst, &ip.ipv4_dst, 4);
    key->proto = ip.ipv4_proto;
    key->tos = ip.ipv4_tos;
    key->ttl = ip.ipv4_ttl;
    key->frag = ip.ipv4_frag;
    return 0;
}

static int
take_ip6(struct vdpad_flow_key *key, const void *data, size_t len)
{
    struct ovs_key_ipv6 ip;

    if (copy(&ip, sizeof ip, data, len)) {
        return -EBADMSG;
    }
    memcpy(key->ip_src, ip.ipv6_src, 16);
    memcpy(key->ip_dst, ip.ipv6_dst, 16);
    key->ip6_label = ntohl(ip.ipv6_label) & 0xfffff;
    key->proto = ip.ipv6_proto;
    key->tos = ip.ipv6_tclass;
    key->ttl = ip.ipv6_hlimit;
    key->frag = ip.ipv6_frag;
    return 0;
}

static int
take_arp(struct vdpad_flow_key *key, const void *data, size_t len)
{
    struct ovs_key_arp arp;

    if (copy(&arp, sizeof arp, data, len)) {
        return -EBADMSG;
    }
    memcpy(key->ip_src, &arp.arp_sip, 4);
    memcpy(key->ip_dst, &arp.arp_tip, 4);
    key->arp_op = ntohs(arp.arp_op);
    memcpy(key->arp_sha, arp.arp_sha, 6);
    memcpy(key->arp_tha, arp.arp_tha, 6);
    return 0;
}

static int
take_nd(struct vdpad_flow_key *key, const void *data, size_t len)
{
    struct ovs_key_nd nd;

    if (copy(&nd, sizeof nd, data, len)) {
        return -EBADMSG;
    }
    memcpy(key->nd_target, nd.nd_target, 16);
    memcpy(key->nd_sll, nd.nd_sll, 6);
    memcpy(key->nd_tll, nd.nd_tll, 6);
    return 0;
}

/* Ports of TCP, UDP and SCTP, and ICMP's type and code, look the same. */
static int
take_ports(struct vdpad_flow_key *key, const void *data, size_t len,
           bool is_icmp)
{
    const uint8_t *bytes = data;

    if (len != (is_icmp ? 2u : 4u)) {
        return -EBADMSG;
    }
    if (is_icmp) {
        key->tp_src = bytes[0];
        key->tp_dst = bytes[1];
    } else {
        key->tp_src = (uint16_t) (bytes[0] << 8 | bytes[1]);
        key->tp_dst = (uint16_t) (bytes[2] << 8 | bytes[3]);
    }
    return 0;
}

static int
take_ethernet(struct vdpad_flow_key *key, const void *data, size_t len)
{
    struct ovs_key_ethernet eth;

    if (copy(&eth, sizeof eth, data, len)) {
        return -EBADMSG;
    }
    memcpy(key->eth_src, eth.eth_src, 6);
    memcpy(key->eth_dst, eth.eth_dst, 6);
    return 0;
}

static int
take_mpls(struct vdpad_flow_key *key, const void *data, size_t len)
{
    /* One entry or more. */
    if (len < sizeof key->mpls) {
        return -EBADMSG;
    }
    memcpy(&key->mpls, data, sizeof key->mpls);
    key->mpls = ntohl(key->mpls);
    return 0;
}

int
vdpad_datapath_take_attr(int type, const void *data, size_t len,
                         struct vdpad_flow_key *key)
{
    switch (type) {
    case OVS_KEY_ATTR_PRIORITY:
        return copy(&key->priority, 4, data, len);
    case OVS_KEY_ATTR_SKB_MARK:
        return copy(&key->mark, 4, data, len);
    case OVS_KEY_ATTR_DP_HASH:
        return copy(&key->dp_hash, 4, data, len);
    case OVS_KEY_ATTR_RECIRC_ID:
        return copy(&key->recirc_id, 4, data, len);
    case OVS_KEY_ATTR_CT_STATE:
        return copy(&key->ct_state, 4, data, len);
    case OVS_KEY_ATTR_CT_ZONE:
        return copy(&key->ct_zone, 2, data, len);
    case OVS_KEY_ATTR_CT_MARK:
        return copy(&key->ct_mark, 4, data, len);
    case OVS_KEY_ATTR_CT_LABELS:
        return copy(key->ct_label, 16, data, len);
    case OVS_KEY_ATTR_ETHERNET:
        return take_ethernet(key, data, len);
    case OVS_KEY_ATTR_ETHERTYPE:
        return copy16(&key->eth_type, data, len);
    case OVS_KEY_ATTR_IPV4:
        return take_ip4(key, data, len);
    case OVS_KEY_ATTR_IPV6:
        return take_ip6(key, data, len);
    case OVS_KEY_ATTR_TCP:
    case OVS_KEY_ATTR_UDP:
    case OVS_KEY_ATTR_SCTP:
        return take_ports(key, data, len, false);
    case OVS_KEY_ATTR_ICMP:
    case OVS_KEY_ATTR_ICMPV6:
        return take_ports(key, data, len, true);
    case OVS_KEY_ATTR_TCP_FLAGS:
        return copy16(&key->tcp_flags, data, len);
    case OVS_KEY_ATTR_ARP:
        return take_arp(key, data, len);
    case OVS_KEY_ATTR_ND:
        return take_nd(key, data, len);
    case OVS_KEY_ATTR_MPLS:
        return take_mpls(key, data, len);
    default:
        return VDPAD_CODEC_SKIP;
    }
}

int
vdpad_datapath_take_tunnel(const struct nlattr *nest,
                           struct vdpad_tunnel *tunnel)
{
    static const struct nla_policy policy[OVS_TUNNEL_KEY_ATTR_MAX + 1] = {
        [OVS_TUNNEL_KEY_ATTR_ID] = VDPAD_POLICY_U64,
        [OVS_TUNNEL_KEY_ATTR_IPV4_SRC] = VDPAD_POLICY_U32,
        [OVS_TUNNEL_KEY_ATTR_IPV4_DST] = VDPAD_POLICY_U32,
        [OVS_TUNNEL_KEY_ATTR_IPV6_SRC] = VDPAD_POLICY_BYTES(16, 16),
        [OVS_TUNNEL_KEY_ATTR_IPV6_DST] = VDPAD_POLICY_BYTES(16, 16),
        [OVS_TUNNEL_KEY_ATTR_TOS] = VDPAD_POLICY_U8,
        [OVS_TUNNEL_KEY_ATTR_TTL] = VDPAD_POLICY_U8,
        [OVS_TUNNEL_KEY_ATTR_TP_SRC] = VDPAD_POLICY_U16,
        [OVS_TUNNEL_KEY_ATTR_TP_DST] = VDPAD_POLICY_U16,
        [OVS_TUNNEL_KEY_ATTR_VXLAN_OPTS] = VDPAD_POLICY_NEST,
    };
    static const struct nla_policy vxlan[OVS_VXLAN_EXT_GBP + 1] = {
        [OVS_VXLAN_EXT_GBP] = VDPAD_POLICY_U32,
    };
    struct nlattr *tb[OVS_TUNNEL_KEY_ATTR_MAX + 1];
    const struct nlattr *src, *dst, *opts;

    if (vdpad_attrs_parse_nested(tb, OVS_TUNNEL_KEY_ATTR_MAX, nest, policy)) {
        return -EBADMSG;
    }
    if (tb[OVS_TUNNEL_KEY_ATTR_ID]) {
        memcpy(&tunnel->id, nla_data(tb[OVS_TUNNEL_KEY_ATTR_ID]), 8);
        tunnel->id = be64toh(tunnel->id);
        tunnel->flags |= VDPAD_TUNNEL_KEY;
    }
    tunnel->is_ip6 = tb[OVS_TUNNEL_KEY_ATTR_IPV6_SRC]
                     || tb[OVS_TUNNEL_KEY_ATTR_IPV6_DST];
    src = tb[tunnel->is_ip6 ? OVS_TUNNEL_KEY_ATTR_IPV6_SRC
                            : OVS_TUNNEL_KEY_ATTR_IPV4_SRC];
    dst = tb[tunnel->is_ip6 ? OVS_TUNNEL_KEY_ATTR_IPV6_DST
                            : OVS_TUNNEL_KEY_ATTR_IPV4_DST];
    if (src) {
        memcpy(tunnel->src, nla_data(src), (size_t) nla_len(src));
    }
    if (dst) {
        memcpy(tunnel->dst, nla_data(dst), (size_t) nla_len(dst));
    }
    tunnel->tos = vdpad_attr_u8(tb[OVS_TUNNEL_KEY_ATTR_TOS], 0);
    tunnel->ttl = vdpad_attr_u8(tb[OVS_TUNNEL_KEY_ATTR_TTL], 0);
    tunnel->tp_src = ntohs(vdpad_attr_u16(tb[OVS_TUNNEL_KEY_ATTR_TP_SRC], 0));
    tunnel->tp_dst = ntohs(vdpad_attr_u16(tb[OVS_TUNNEL_KEY_ATTR_TP_DST], 0));
    tunnel->flags |= tb[OVS_TUNNEL_KEY_ATTR_DONT_FRAGMENT] ? VDPAD_TUNNEL_DF
                                                           : 0;
    tunnel->flags |= tb[OVS_TUNNEL_KEY_ATTR_CSUM] ? VDPAD_TUNNEL_CSUM : 0;
    tunnel->flags |= tb[OVS_TUNNEL_KEY_ATTR_OAM] ? VDPAD_TUNNEL_OAM : 0;
    opts = tb[OVS_TUNNEL_KEY_ATTR_GENEVE_OPTS];
    if (opts) {
        size_t len = (size_t) nla_len(opts);

        tunnel->has_more_opts = len > sizeof tunnel->opts;
        tunnel->n_opts = (uint8_t) (tunnel->has_more_opts ? sizeof tunnel->opts
                                                          : len);
        memcpy(tunnel->opts, nla_data(opts), tunnel->n_opts);
    }
    if (tb[OVS_TUNNEL_KEY_ATTR_VXLAN_OPTS]) {
        struct nlattr *ext[OVS_VXLAN_EXT_GBP + 1];

        if (vdpad_attrs_parse_nested(ext, OVS_VXLAN_EXT_GBP,
                                     tb[OVS_TUNNEL_KEY_ATTR_VXLAN_OPTS],
                                     vxlan)) {
            return -EBADMSG;
        }
        tunnel->gbp = vdpad_attr_u32(ext[OVS_VXLAN_EXT_GBP], 0);
    }
    tunnel->has_more_opts |= tb[OVS_TUNNEL_KEY_ATTR_ERSPAN_OPTS] != NULL;
    return 0;
}

/* A key being read: the value; the mask; or, of a flow without one, all ones
 * wherever the value has something. */
enum part { VALUE, MASK, ONES };

static bool
is_zero(const struct nlattr *attr)
{
    const uint8_t *bytes = nla_data(attr);

    for (int i = 0; i < nla_len(attr); i++) {
        if (bytes[i]) {
            return false;
        }
    }
    return true;
}

/* What the key has no place for, by its mask. */
static uint32_t
uses_of(const struct nlattr *attr)
{
    int type = nla_type(attr);

    if (is_zero(attr)) {
        return 0;
    }
    return type == OVS_KEY_ATTR_CT_ORIG_TUPLE_IPV4
                   || type == OVS_KEY_ATTR_CT_ORIG_TUPLE_IPV6
               ? VDPAD_USE_CT_STATE
               : VDPAD_USE_OTHER_KEY;
}

static int take_nest(const struct nlattr *nest, enum part part, int depth,
                     struct vdpad_flow_key *key,
                     struct vdpad_flow_match *match);

/* Tags are nested: what is inside has a type and keys of its own. */
static int
take_tag(struct nlattr *vlan, const struct nlattr *encap, enum part part,
         int depth, struct vdpad_flow_key *key, struct vdpad_flow_match *match)
{
    uint16_t tci = 0;

    if (depth > 1 || (vlan && nla_len(vlan) != 2)) {
        return -EBADMSG;
    }
    if (vlan) {
        tci = part == ONES ? UINT16_MAX : ntohs(nla_get_u16(vlan));
    }
    key->vlan[depth].tpid = key->eth_type;
    /* The bit between them says that there is a tag. */
    key->vlan[depth].tci = tci & (VDPAD_VLAN_VID | VDPAD_VLAN_PCP);
    key->eth_type = 0;
    return take_nest(encap, part, depth + 1, key, match);
}

static int
take_nest(const struct nlattr *nest, enum part part, int depth,
          struct vdpad_flow_key *key, struct vdpad_flow_match *match)
{
    uint8_t ones[MAX_KEY];
    struct nlattr *vlan = NULL;
    const struct nlattr *attr, *encap = NULL;
    int left, error = 0;

    if (!vdpad_attrs_are_sound(nla_data(nest), (size_t) nla_len(nest))) {
        return -EBADMSG;
    }
    memset(ones, 0xff, sizeof ones);
    nla_for_each_nested(attr, nest, left)
    {
        int type = nla_type(attr);
        const void *data = part == ONES ? ones : nla_data(attr);
        size_t len = (size_t) nla_len(attr);

        if (type == OVS_KEY_ATTR_TUNNEL) {
            error = vdpad_datapath_take_tunnel(attr, &key->tunnel);
        } else if (type == OVS_KEY_ATTR_ENCAP) {
            encap = attr;
        } else if (type == OVS_KEY_ATTR_VLAN) {
            vlan = (struct nlattr *) (uintptr_t) attr;
        } else if (len <= sizeof ones) {
            error = vdpad_datapath_take_attr(type, data, len, key);
        } else {
            error = VDPAD_CODEC_SKIP;
        }
        if (error < 0) {
            return error;
        }
        if (error == VDPAD_CODEC_SKIP && part != VALUE
            && type != OVS_KEY_ATTR_IN_PORT) {
            match->uses |= uses_of(attr);
        }
        error = 0;
    }
    return encap ? take_tag(vlan, encap, part, depth, key, match) : 0;
}

int
vdpad_datapath_decode_key(const struct nlattr *key, const struct nlattr *mask,
                          const struct vdpad_vports *ports,
                          struct vdpad_flow_match *match)
{
    const struct nlattr *in_port;
    int error;

    memset(match, 0, sizeof *match);
    error = take_nest(key, VALUE, 0, &match->value, match);
    if (!error) {
        error = take_nest(mask ? mask : key, mask ? MASK : ONES, 0,
                          &match->mask, match);
    }
    if (error) {
        return error;
    }
    in_port = nla_find(nla_data(key), nla_len(key), OVS_KEY_ATTR_IN_PORT);
    if (in_port && nla_len(in_port) == 4) {
        uint32_t number = nla_get_u32(in_port);
        const struct vdpad_vport *port = vdpad_vport_find(ports, number);

        if (port) {
            (void) snprintf(match->in_port, sizeof match->in_port, "%s",
                            port->name);
        } else {
            (void) snprintf(match->in_port, sizeof match->in_port, "%u",
                            number);
        }
    }
    return 0;
}
