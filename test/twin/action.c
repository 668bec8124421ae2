// SPDX-License-Identifier: GPL-2.0
/*
 * From a rule's TC actions to what the card does.
 */
#include <linux/icmpv6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/bonding.h>
#include <net/checksum.h>
#include <net/geneve.h>
#include <net/vxlan.h>

#include "eswitch.h"

static bool is_tunnel(const struct net_device *dev)
{
	return netif_is_vxlan(dev) || netif_is_geneve(dev);
}

/* Does the card know tunnels of the kind of @dev? */
int twin_check_tunnel(struct twin_pf *pf, const struct net_device *dev,
		      struct netlink_ext_ack *extack)
{
	bool vxlan = netif_is_vxlan(dev);

	if (!READ_ONCE(*(vxlan ? &pf->knobs.no_vxlan :
				 &pf->knobs.no_geneve)))
		return 0;
	NL_SET_ERR_MSG_FMT_MOD(extack, "the card does not know %s",
			       vxlan ? "VXLAN" : "Geneve");
	return -EOPNOTSUPP;
}

/* Do both uplinks hang on one bond (VF LAG)? */
static struct net_device *lag_master(const struct twin_pf *pf)
{
	struct net_device *master;

	master = netdev_master_upper_dev_get_rcu(pf->netdev);
	return master && netif_is_lag_master(master) ? master : NULL;
}

/* One of our uplinks is a port of this bond. */
static bool is_our_lag(struct twin_pf *pf, const struct net_device *dev)
{
	bool ours;

	if (!netif_is_lag_master(dev))
		return false;
	rcu_read_lock();
	ours = lag_master(pf) == dev;
	rcu_read_unlock();
	return ours;
}

static int check_output(struct twin_pf *pf, struct net_device *dev,
			bool encap, struct netlink_ext_ack *extack)
{
	struct twin_vport *vport = twin_netdev_vport(dev);
	bool lag;

	if (netif_is_ovs_master(dev)) {
		NL_SET_ERR_MSG_FMT_MOD(extack,
				       "output to internal port %s refused",
				       dev->name);
		return -EOPNOTSUPP;
	}
	if (is_tunnel(dev)) {
		if (encap)
			return twin_check_tunnel(pf, dev, extack);
		NL_SET_ERR_MSG_FMT_MOD(extack, "output to %s without a tunnel",
				       dev->name);
		return -EOPNOTSUPP;
	}
	if (encap) {
		NL_SET_ERR_MSG_MOD(extack, "tunnel_key set needs a tunnel");
		return -EOPNOTSUPP;
	}
	if (is_our_lag(pf, dev))
		return 0;
	if (!vport) {
		NL_SET_ERR_MSG_FMT_MOD(extack, "%s is not on this switch",
				       dev->name);
		return -EOPNOTSUPP;
	}
	if (vport->pf == pf)
		return 0;
	/* VFs of the other PF are reachable, its port only in a LAG. */
	if (vport->index != TWIN_UPLINK && !twin_separate_switch)
		return 0;
	rcu_read_lock();
	lag = lag_master(pf) && lag_master(pf) == lag_master(vport->pf);
	rcu_read_unlock();
	if (lag)
		return 0;
	NL_SET_ERR_MSG_FMT_MOD(extack, "%s is on another switch", dev->name);
	return -EOPNOTSUPP;
}

/*
 * The vport that @dev leads to now: a bond's moves with its active port.
 * RCU.
 */
struct twin_vport *twin_resolve(const struct net_device *dev)
{
	struct bonding *bond;
	struct net_device *port;
	struct list_head *iter;
	struct slave *slave;

	if (!netif_is_bond_master(dev))
		return twin_netdev_vport(dev);
	bond = netdev_priv(dev);
	port = bond_option_active_slave_get_rcu(bond);
	if (port)
		return twin_netdev_vport(port);
	bond_for_each_slave_rcu(bond, slave, iter)
		if (bond_slave_can_tx(slave) && twin_netdev_vport(slave->dev))
			return twin_netdev_vport(slave->dev);
	return NULL;
}

static int parse_tunnel_set(const struct flow_action_entry *entry,
			    struct twin_act *act)
{
	const struct ip_tunnel_info *info = entry->tunnel;
	size_t size = sizeof(*info) + info->options_len;

	act->kind = TWIN_ACT_TUNNEL_SET;
	act->tunnel = kmemdup(info, size, GFP_KERNEL);
	if (!act->tunnel)
		return -ENOMEM;
#ifdef CONFIG_DST_CACHE
	/* TC's cache must not be used, nor freed, from here. */
	memset(&act->tunnel->dst_cache, 0, sizeof(act->tunnel->dst_cache));
#endif
	return 0;
}

static int parse_mangle(const struct flow_action_entry *entry,
			struct twin_act *act, struct netlink_ext_ack *extack)
{
	switch (entry->mangle.htype) {
	case FLOW_ACT_MANGLE_HDR_TYPE_ETH:
	case FLOW_ACT_MANGLE_HDR_TYPE_IP4:
	case FLOW_ACT_MANGLE_HDR_TYPE_IP6:
	case FLOW_ACT_MANGLE_HDR_TYPE_TCP:
	case FLOW_ACT_MANGLE_HDR_TYPE_UDP:
		break;
	default:
		NL_SET_ERR_MSG_MOD(extack, "pedit of this header unsupported");
		return -EOPNOTSUPP;
	}
	if (entry->mangle.offset % 4 || entry->mangle.offset > 36) {
		NL_SET_ERR_MSG_MOD(extack, "pedit offset unsupported");
		return -EOPNOTSUPP;
	}
	act->kind = TWIN_ACT_MANGLE;
	act->mangle.base = entry->mangle.htype;
	act->mangle.offset = entry->mangle.offset;
	act->mangle.mask = entry->mangle.mask;
	act->mangle.value = entry->mangle.val;
	return 0;
}

struct parse_state {
	struct twin_pf *pf;
	struct netlink_ext_ack *extack;
	bool encap;
	bool decap;
	bool tunnel;		/* the rule stands on a tunnel's netdev */
	bool end;		/* redirected or dropped */
};

static int parse_vlan(const struct flow_action_entry *entry,
		      struct twin_act *act)
{
	switch (entry->id) {
	case FLOW_ACTION_VLAN_POP:
		act->kind = TWIN_ACT_VLAN_POP;
		return 0;
	case FLOW_ACTION_VLAN_PUSH:
		act->kind = TWIN_ACT_VLAN_PUSH;
		break;
	default:
		act->kind = TWIN_ACT_VLAN_MANGLE;
		break;
	}
	act->vlan.tpid = entry->vlan.proto;
	act->vlan.tci = entry->vlan.vid |
			entry->vlan.prio << VLAN_PRIO_SHIFT;
	return 0;
}

/* 1: @act filled; 0: nothing to do for this one; negative: refused. */
static int parse_one(const struct flow_action_entry *entry,
		     struct parse_state *state, struct twin_act *act)
{
	int err;

	switch (entry->id) {
	case FLOW_ACTION_REDIRECT:
	case FLOW_ACTION_MIRRED:
		err = check_output(state->pf, entry->dev, state->encap,
				   state->extack);
		if (err)
			return err;
		act->kind = entry->id == FLOW_ACTION_REDIRECT ?
			    TWIN_ACT_REDIRECT : TWIN_ACT_MIRROR;
		act->ifindex = entry->dev->ifindex;
		state->end |= act->kind == TWIN_ACT_REDIRECT;
		/* tunnel_key set is good for one output. */
		if (is_tunnel(entry->dev))
			state->encap = false;
		return 1;
	case FLOW_ACTION_REDIRECT_INGRESS:
	case FLOW_ACTION_MIRRED_INGRESS:
		/* How OVS outputs to the internal port of a bridge. */
		NL_SET_ERR_MSG_FMT_MOD(state->extack,
				       "output to internal port %s refused",
				       entry->dev->name);
		return -EOPNOTSUPP;
	case FLOW_ACTION_PTYPE:
		return 0;
	case FLOW_ACTION_DROP:
		act->kind = TWIN_ACT_DROP;
		state->end = true;
		return 1;
	case FLOW_ACTION_TRAP:
		act->kind = TWIN_ACT_TRAP;
		state->end = true;
		return 1;
	case FLOW_ACTION_VLAN_PUSH:
	case FLOW_ACTION_VLAN_POP:
	case FLOW_ACTION_VLAN_MANGLE:
		err = parse_vlan(entry, act);
		return err ? err : 1;
	case FLOW_ACTION_TUNNEL_ENCAP:
		if (state->pf->encap_mode == DEVLINK_ESWITCH_ENCAP_MODE_NONE) {
			NL_SET_ERR_MSG_MOD(state->extack, "encap mode is off");
			return -EOPNOTSUPP;
		}
		err = parse_tunnel_set(entry, act);
		state->encap = true;
		return err ? err : 1;
	case FLOW_ACTION_TUNNEL_DECAP:
		if (!state->tunnel) {
			NL_SET_ERR_MSG_MOD(state->extack,
					   "tunnel_key unset needs a tunnel");
			return -EOPNOTSUPP;
		}
		act->kind = TWIN_ACT_TUNNEL_UNSET;
		state->decap = true;
		return 1;
	case FLOW_ACTION_MANGLE:
		err = parse_mangle(entry, act, state->extack);
		return err ? err : 1;
	case FLOW_ACTION_CSUM:
		/* The card always fixes checksums. */
		return 0;
	case FLOW_ACTION_GOTO:
		NL_SET_ERR_MSG_MOD(state->extack, "goto chain unsupported");
		return -EOPNOTSUPP;
	case FLOW_ACTION_CT:
		NL_SET_ERR_MSG_MOD(state->extack, "action ct unsupported");
		return -EOPNOTSUPP;
	case FLOW_ACTION_POLICE:
		NL_SET_ERR_MSG_MOD(state->extack, "action police unsupported");
		return -EOPNOTSUPP;
	case FLOW_ACTION_SAMPLE:
		NL_SET_ERR_MSG_MOD(state->extack, "action sample unsupported");
		return -EOPNOTSUPP;
	default:
		NL_SET_ERR_MSG_FMT_MOD(state->extack, "unsupported action %d",
				       entry->id);
		return -EOPNOTSUPP;
	}
}

/* On success *@ret_rule is new and holds the actions; the rest is zero. */
int twin_actions_parse(struct twin_pf *pf, struct net_device *dev,
		       struct flow_cls_offload *flow, bool tunnel,
		       struct twin_rule **ret_rule)
{
	struct flow_action *actions = &flow->rule->action;
	struct parse_state state = {
		.pf = pf,
		.extack = flow->common.extack,
		.tunnel = tunnel,
	};
	const struct flow_action_entry *entry;
	struct twin_rule *rule;
	int i, err = -EOPNOTSUPP;

	if (!flow_action_has_entries(actions)) {
		NL_SET_ERR_MSG_MOD(state.extack, "rule without actions");
		return -EINVAL;
	}
	if (!flow_action_basic_hw_stats_check(actions, state.extack))
		return -EOPNOTSUPP;
	rule = kzalloc(struct_size(rule, acts, actions->num_entries),
		       GFP_KERNEL);
	if (!rule)
		return -ENOMEM;
	flow_action_for_each(i, entry, actions) {
		if (state.end) {
			NL_SET_ERR_MSG_MOD(state.extack,
					   "action after the last output");
			goto fail;
		}
		err = parse_one(entry, &state, &rule->acts[rule->n_acts]);
		if (err < 0)
			goto fail;
		rule->n_acts += err;
	}
	err = -EOPNOTSUPP;
	if (tunnel && !state.decap) {
		NL_SET_ERR_MSG_MOD(state.extack,
				   "tunnel rule without tunnel_key unset");
		goto fail;
	}
	if (!state.end) {
		NL_SET_ERR_MSG_MOD(state.extack,
				   "rule neither outputs nor drops");
		goto fail;
	}
	*ret_rule = rule;
	return 0;

fail:
	twin_rule_free(rule);
	return err;
}

static unsigned int l3_offset(struct sk_buff *skb, __be16 *proto)
{
	unsigned int offset = ETH_HLEN;

	*proto = ((struct ethhdr *)skb->data)->h_proto;
	while (eth_type_vlan(*proto) && offset < ETH_HLEN + 2 * VLAN_HLEN &&
	       pskb_may_pull(skb, offset + VLAN_HLEN)) {
		*proto = *(__be16 *)(skb->data + offset + 2);
		offset += VLAN_HLEN;
	}
	return offset;
}

/* Where a TCP or UDP checksum lies behind the IP header, 0 if nowhere. */
static unsigned int l4_check(struct sk_buff *skb, unsigned int l4, u8 proto)
{
	unsigned int at;

	switch (proto) {
	case IPPROTO_TCP:
		at = l4 + offsetof(struct tcphdr, check);
		break;
	case IPPROTO_UDP:
		at = l4 + offsetof(struct udphdr, check);
		break;
	case IPPROTO_ICMPV6:
		at = l4 + offsetof(struct icmp6hdr, icmp6_cksum);
		break;
	default:
		return 0;
	}
	if (!pskb_may_pull(skb, at + 2))
		return 0;
	if (proto == IPPROTO_UDP && !*(__sum16 *)(skb->data + at))
		return 0;
	return at;
}

/* Rewrites four bytes of a header and every checksum that covers them. */
void twin_mangle(struct sk_buff *skb, const struct twin_act *act)
{
	unsigned int l3, l4, base, check = 0, end;
	bool pseudo = false;
	__be32 *word, from;
	__be16 proto;
	u8 l4_proto;

	if (skb_ensure_writable(skb, min(skb->len, 128u)) ||
	    skb->len < ETH_HLEN)
		return;
	l3 = l3_offset(skb, &proto);
	if (act->mangle.base == FLOW_ACT_MANGLE_HDR_TYPE_ETH) {
		base = 0;
		end = ETH_HLEN;
		goto change;
	}
	if (proto == htons(ETH_P_IP)) {
		if (!pskb_may_pull(skb, l3 + sizeof(struct iphdr)))
			return;
		l4 = l3 + ((struct iphdr *)(skb->data + l3))->ihl * 4;
		l4_proto = ((struct iphdr *)(skb->data + l3))->protocol;
	} else if (proto == htons(ETH_P_IPV6)) {
		if (!pskb_may_pull(skb, l3 + sizeof(struct ipv6hdr)))
			return;
		l4 = l3 + sizeof(struct ipv6hdr);
		l4_proto = ((struct ipv6hdr *)(skb->data + l3))->nexthdr;
	} else {
		return;
	}
	base = l3;
	end = l4;
	switch (act->mangle.base) {
	case FLOW_ACT_MANGLE_HDR_TYPE_IP4:
		if (act->mangle.offset >= offsetof(struct iphdr, saddr)) {
			check = l4_check(skb, l4, l4_proto);
			pseudo = true;
		}
		break;
	case FLOW_ACT_MANGLE_HDR_TYPE_IP6:
		if (act->mangle.offset >= offsetof(struct ipv6hdr, saddr)) {
			check = l4_check(skb, l4, l4_proto);
			pseudo = true;
		}
		break;
	default:
		base = l4;
		end = min(skb->len, l4 + 40);
		check = l4_check(skb, l4, l4_proto);
		break;
	}
change:
	/* A write of the last two bytes of an Ethernet header ends past it. */
	if (base + act->mangle.offset + 4 > max(end, base + 16) ||
	    !pskb_may_pull(skb, base + act->mangle.offset + 4))
		return;
	word = (__be32 *)(skb->data + base + act->mangle.offset);
	from = get_unaligned(word);
	put_unaligned((from & (__force __be32)act->mangle.mask) |
		      (__force __be32)act->mangle.value, word);
	if (check)
		inet_proto_csum_replace4((__sum16 *)(skb->data + check), skb,
					 from, get_unaligned(word), pseudo);
	if (act->mangle.base == FLOW_ACT_MANGLE_HDR_TYPE_IP4)
		ip_send_check((struct iphdr *)(skb->data + l3));
}
