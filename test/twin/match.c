// SPDX-License-Identifier: GPL-2.0
/*
 * From a flower rule to the key and mask that the card compares.
 */
#include "eswitch.h"

#define KEY(x) BIT_ULL(FLOW_DISSECTOR_KEY_##x)

static const u64 plain_keys =
	KEY(CONTROL) | KEY(BASIC) | KEY(ETH_ADDRS) | KEY(VLAN) | KEY(CVLAN) |
	KEY(IPV4_ADDRS) | KEY(IPV6_ADDRS) | KEY(IP) | KEY(PORTS) | KEY(TCP) |
	KEY(ICMP) | KEY(ARP) | KEY(META);
static const u64 tunnel_keys =
	KEY(ENC_CONTROL) | KEY(ENC_KEYID) | KEY(ENC_IPV4_ADDRS) |
	KEY(ENC_IPV6_ADDRS) | KEY(ENC_PORTS) | KEY(ENC_IP) | KEY(ENC_OPTS);

static int match_l2(struct flow_rule *rule, struct twin_key *key,
		    struct twin_key *mask)
{
	if (flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_BASIC)) {
		struct flow_match_basic m;

		flow_rule_match_basic(rule, &m);
		key->n_proto = m.key->n_proto;
		mask->n_proto = m.mask->n_proto;
		key->ip_proto = m.key->ip_proto;
		mask->ip_proto = m.mask->ip_proto;
	}
	if (flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_ETH_ADDRS)) {
		struct flow_match_eth_addrs m;

		flow_rule_match_eth_addrs(rule, &m);
		ether_addr_copy(key->eth_dst, m.key->dst);
		ether_addr_copy(mask->eth_dst, m.mask->dst);
		ether_addr_copy(key->eth_src, m.key->src);
		ether_addr_copy(mask->eth_src, m.mask->src);
	}
	if (flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_VLAN)) {
		struct flow_match_vlan m;

		flow_rule_match_vlan(rule, &m);
		key->vlan_tci = htons(m.key->vlan_id |
				      m.key->vlan_priority << VLAN_PRIO_SHIFT);
		mask->vlan_tci =
			htons(m.mask->vlan_id |
			      m.mask->vlan_priority << VLAN_PRIO_SHIFT);
		key->vlan_tpid = m.key->vlan_tpid;
		mask->vlan_tpid = m.mask->vlan_tpid;
	}
	if (flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_CVLAN)) {
		struct flow_match_vlan m;

		flow_rule_match_cvlan(rule, &m);
		key->cvlan_tci = htons(m.key->vlan_id |
				       m.key->vlan_priority <<
				       VLAN_PRIO_SHIFT);
		mask->cvlan_tci =
			htons(m.mask->vlan_id |
			      m.mask->vlan_priority << VLAN_PRIO_SHIFT);
		key->cvlan_tpid = m.key->vlan_tpid;
		mask->cvlan_tpid = m.mask->vlan_tpid;
	}
	if (flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_ARP)) {
		struct flow_match_arp m;

		flow_rule_match_arp(rule, &m);
		key->src.s6_addr32[3] = (__force __be32)m.key->sip;
		mask->src.s6_addr32[3] = (__force __be32)m.mask->sip;
		key->dst.s6_addr32[3] = (__force __be32)m.key->tip;
		mask->dst.s6_addr32[3] = (__force __be32)m.mask->tip;
		key->arp_op = m.key->op;
		mask->arp_op = m.mask->op;
		ether_addr_copy(key->arp_sha, m.key->sha);
		ether_addr_copy(mask->arp_sha, m.mask->sha);
		ether_addr_copy(key->arp_tha, m.key->tha);
		ether_addr_copy(mask->arp_tha, m.mask->tha);
	}
	return 0;
}

static int match_control(struct flow_rule *rule, struct twin_key *key,
			 struct twin_key *mask, u16 *addr_type,
			 struct netlink_ext_ack *extack)
{
	struct flow_match_control m;

	*addr_type = 0;
	if (!flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_CONTROL))
		return 0;
	flow_rule_match_control(rule, &m);
	*addr_type = m.key->addr_type;
	if (!flow_rule_is_supp_control_flags(FLOW_DIS_IS_FRAGMENT |
					     FLOW_DIS_FIRST_FRAG,
					     m.mask->flags, extack))
		return -EOPNOTSUPP;
	if (m.mask->flags & FLOW_DIS_IS_FRAGMENT) {
		mask->frag |= TWIN_FRAG_ANY;
		if (m.key->flags & FLOW_DIS_IS_FRAGMENT)
			key->frag |= TWIN_FRAG_ANY;
	}
	if (m.mask->flags & FLOW_DIS_FIRST_FRAG) {
		mask->frag |= TWIN_FRAG_FIRST;
		if (m.key->flags & FLOW_DIS_FIRST_FRAG)
			key->frag |= TWIN_FRAG_FIRST;
	}
	return 0;
}

static void match_l3(struct flow_rule *rule, u16 addr_type,
		     struct twin_key *key, struct twin_key *mask)
{
	if (addr_type == FLOW_DISSECTOR_KEY_IPV4_ADDRS &&
	    flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_IPV4_ADDRS)) {
		struct flow_match_ipv4_addrs m;

		flow_rule_match_ipv4_addrs(rule, &m);
		key->src.s6_addr32[3] = m.key->src;
		mask->src.s6_addr32[3] = m.mask->src;
		key->dst.s6_addr32[3] = m.key->dst;
		mask->dst.s6_addr32[3] = m.mask->dst;
	}
	if (addr_type == FLOW_DISSECTOR_KEY_IPV6_ADDRS &&
	    flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_IPV6_ADDRS)) {
		struct flow_match_ipv6_addrs m;

		flow_rule_match_ipv6_addrs(rule, &m);
		key->src = m.key->src;
		mask->src = m.mask->src;
		key->dst = m.key->dst;
		mask->dst = m.mask->dst;
	}
	if (flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_IP)) {
		struct flow_match_ip m;

		flow_rule_match_ip(rule, &m);
		key->tos = m.key->tos;
		mask->tos = m.mask->tos;
		key->ttl = m.key->ttl;
		mask->ttl = m.mask->ttl;
	}
}

static void match_l4(struct flow_rule *rule, struct twin_key *key,
		     struct twin_key *mask)
{
	if (flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_PORTS)) {
		struct flow_match_ports m;

		flow_rule_match_ports(rule, &m);
		key->sport = m.key->src;
		mask->sport = m.mask->src;
		key->dport = m.key->dst;
		mask->dport = m.mask->dst;
	}
	if (flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_TCP)) {
		struct flow_match_tcp m;

		flow_rule_match_tcp(rule, &m);
		key->tcp_flags = m.key->flags;
		mask->tcp_flags = m.mask->flags;
	}
	if (flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_ICMP)) {
		struct flow_match_icmp m;

		flow_rule_match_icmp(rule, &m);
		key->icmp_type = m.key->type;
		mask->icmp_type = m.mask->type;
		key->icmp_code = m.key->code;
		mask->icmp_code = m.mask->code;
	}
}

static int match_tunnel_opts(struct flow_rule *rule, struct twin_key *key,
			     struct twin_key *mask,
			     struct netlink_ext_ack *extack)
{
	struct flow_match_enc_opts m;

	if (!flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_ENC_OPTS))
		return 0;
	flow_rule_match_enc_opts(rule, &m);
	if (!m.mask->len || !memchr_inv(m.mask->data, 0, m.mask->len))
		return 0;
	if (m.key->dst_opt_type != IP_TUNNEL_GENEVE_OPT_BIT) {
		NL_SET_ERR_MSG_MOD(extack,
				   "only Geneve options can be matched");
		return -EOPNOTSUPP;
	}
	if (m.key->len > TWIN_TUNNEL_OPTS) {
		NL_SET_ERR_MSG_MOD(extack, "too many Geneve options");
		return -EOPNOTSUPP;
	}
	memcpy(key->tun_opts, m.key->data, m.key->len);
	memcpy(mask->tun_opts, m.mask->data, m.key->len);
	key->tun_opts_len = m.key->len;
	mask->tun_opts_len = 0xff;
	return 0;
}

static int match_tunnel(struct flow_rule *rule, struct twin_key *key,
			struct twin_key *mask, struct netlink_ext_ack *extack)
{
	struct flow_match_control control;

	if (!flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_ENC_CONTROL)) {
		NL_SET_ERR_MSG_MOD(extack,
				   "tunnel rules must match outer addresses");
		return -EOPNOTSUPP;
	}
	flow_rule_match_enc_control(rule, &control);
	if (flow_rule_has_enc_control_flags(control.mask->flags, extack))
		return -EOPNOTSUPP;
	mask->tun_v6 = 0xff;
	if (control.key->addr_type == FLOW_DISSECTOR_KEY_IPV4_ADDRS) {
		struct flow_match_ipv4_addrs m;

		flow_rule_match_enc_ipv4_addrs(rule, &m);
		key->tun_src.s6_addr32[3] = m.key->src;
		mask->tun_src.s6_addr32[3] = m.mask->src;
		key->tun_dst.s6_addr32[3] = m.key->dst;
		mask->tun_dst.s6_addr32[3] = m.mask->dst;
	} else if (control.key->addr_type == FLOW_DISSECTOR_KEY_IPV6_ADDRS) {
		struct flow_match_ipv6_addrs m;

		flow_rule_match_enc_ipv6_addrs(rule, &m);
		key->tun_v6 = 1;
		key->tun_src = m.key->src;
		mask->tun_src = m.mask->src;
		key->tun_dst = m.key->dst;
		mask->tun_dst = m.mask->dst;
	}
	if (flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_ENC_KEYID)) {
		struct flow_match_enc_keyid m;

		flow_rule_match_enc_keyid(rule, &m);
		key->tun_id = m.key->keyid;
		mask->tun_id = m.mask->keyid;
	}
	if (flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_ENC_PORTS)) {
		struct flow_match_ports m;

		flow_rule_match_enc_ports(rule, &m);
		key->tun_sport = m.key->src;
		mask->tun_sport = m.mask->src;
		key->tun_dport = m.key->dst;
		mask->tun_dport = m.mask->dst;
	}
	if (flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_ENC_IP)) {
		struct flow_match_ip m;

		flow_rule_match_enc_ip(rule, &m);
		key->tun_tos = m.key->tos;
		mask->tun_tos = m.mask->tos;
		key->tun_ttl = m.key->ttl;
		mask->tun_ttl = m.mask->ttl;
	}
	return match_tunnel_opts(rule, key, mask, extack);
}

static int match_meta(struct net_device *dev, struct flow_rule *rule,
		      struct netlink_ext_ack *extack)
{
	struct flow_match_meta m;

	if (!flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_META))
		return 0;
	flow_rule_match_meta(rule, &m);
	if (m.mask->l2_miss) {
		NL_SET_ERR_MSG_MOD(extack, "cannot match l2_miss");
		return -EOPNOTSUPP;
	}
	if (m.mask->ingress_ifindex &&
	    m.key->ingress_ifindex != dev->ifindex) {
		NL_SET_ERR_MSG_MOD(extack, "cannot match another indev");
		return -EOPNOTSUPP;
	}
	return 0;
}

/*
 * Fills @key and @mask from a rule on @dev; @tunnel: @dev is a tunnel's
 * netdev.  -EOPNOTSUPP with a reason in the rule's extack.
 */
int twin_match_parse(struct net_device *dev, struct flow_cls_offload *flow,
		     bool tunnel, struct twin_key *key, struct twin_key *mask)
{
	struct flow_rule *rule = flow_cls_offload_flow_rule(flow);
	struct netlink_ext_ack *extack = flow->common.extack;
	u64 keys = rule->match.dissector->used_keys;
	u64 supported = plain_keys | (tunnel ? tunnel_keys : 0);
	u16 addr_type;
	int err;

	memset(key, 0, sizeof(*key));
	memset(mask, 0, sizeof(*mask));
	/* The dissector lists enc_control for any rule; only keys count. */
	if (!tunnel)
		supported |= KEY(ENC_CONTROL);
	if (keys & ~supported) {
		NL_SET_ERR_MSG_FMT_MOD(extack,
				       "unsupported match (keys 0x%llx)",
				       keys & ~supported);
		return -EOPNOTSUPP;
	}
	if (flow->common.protocol != htons(ETH_P_ALL)) {
		key->wire_proto = flow->common.protocol;
		mask->wire_proto = htons(0xffff);
	}
	err = match_meta(dev, rule, extack);
	if (!err)
		err = match_control(rule, key, mask, &addr_type, extack);
	if (!err)
		err = match_l2(rule, key, mask);
	if (err)
		return err;
	match_l3(rule, addr_type, key, mask);
	match_l4(rule, key, mask);
	return tunnel ? match_tunnel(rule, key, mask, extack) : 0;
}
