// SPDX-License-Identifier: GPL-2.0
/*
 * The path of packets through the e-switch.
 *
 * Everywhere here skb->data points at the Ethernet header, VLAN tags are in
 * the packet, and the caller holds rcu_read_lock().  A packet always ends in
 * a queue (netif_rx() or a vDPA device's), so nothing recurses.
 */
#include "eswitch.h"

/* The packet leaves one host's stack for the card: it takes nothing along. */
static void scrub(struct sk_buff *skb)
{
	skb_orphan(skb);
	skb_scrub_packet(skb, true);
	skb_reset_redirect(skb);
	skb_clear_hash(skb);
	skb->priority = 0;
	skb->queue_mapping = 0;
	skb->encapsulation = 0;
	skb->ip_summed = CHECKSUM_NONE;
	skb->csum_level = 0;
	if (skb_vlan_tag_present(skb)) {
		u16 tci = skb_vlan_tag_get(skb);
		__be16 proto = skb->vlan_proto;

		__vlan_hwaccel_clear_tag(skb);
		skb_reset_mac_header(skb);
		__vlan_insert_tag(skb, proto, tci);
	}
}

static void drop(struct twin_vport *vport, struct sk_buff *skb)
{
	atomic64_inc(&vport->dropped);
	kfree_skb(skb);
}

static void receive(struct net_device *dev, struct sk_buff *skb)
{
	if (!pskb_may_pull(skb, ETH_HLEN)) {
		kfree_skb(skb);
		return;
	}
	scrub(skb);
	skb->dev = dev;
	skb->protocol = eth_type_trans(skb, dev);
	if (dev->pcpu_stat_type == NETDEV_PCPU_STAT_TSTATS)
		dev_sw_netstats_rx_add(dev, skb->len + ETH_HLEN);
	netif_rx(skb);
}

/* Hands @skb to what stands behind @vport: wire, vDPA device or netdev. */
void twin_deliver(struct twin_vport *vport, struct sk_buff *skb)
{
	struct twin_vdpa *vdpa;
	struct net_device *dev;

	if (!READ_ONCE(vport->link_up)) {
		drop(vport, skb);
		return;
	}
	twin_count(&vport->to, skb->len);
	vdpa = rcu_dereference(vport->vdpa);
	if (vdpa && twin_vdpa_deliver(vdpa, skb))
		return;
	dev = rcu_dereference(vport->nic);
	if (dev && netif_running(dev))
		receive(dev, skb);
	else
		drop(vport, skb);
}

/* No rule: the host's CPU gets it through the representor. */
static void slow_path(struct twin_vport *vport, struct sk_buff *skb)
{
	struct net_device *rep = rcu_dereference(vport->rep);

	if (!rep || !netif_running(rep)) {
		drop(vport, skb);
		return;
	}
	twin_count(&vport->slow_from, skb->len);
	receive(rep, skb);
}

static void output(struct twin_vport *from, int ifindex,
		   const struct ip_tunnel_info *tunnel, struct sk_buff *skb)
{
	struct twin_pf *pf = from->pf;
	struct twin_vport *to;
	struct net_device *dev;

	dev = dev_get_by_index_rcu(dev_net(pf->netdev), ifindex);
	if (!dev) {
		drop(from, skb);
		return;
	}
	if (tunnel && !twin_netdev_vport(dev) && !netif_is_lag_master(dev)) {
		twin_encap(pf, dev, tunnel, skb);
		return;
	}
	to = twin_resolve(dev);
	if (to)
		twin_deliver(to, skb);
	else
		drop(from, skb);
}

static int vlan_pop(struct sk_buff *skb)
{
	struct ethhdr *eth = (struct ethhdr *)skb->data;

	if (!eth_type_vlan(eth->h_proto))
		return 0;
	if (skb_ensure_writable(skb, VLAN_ETH_HLEN))
		return -ENOMEM;
	memmove(skb->data + VLAN_HLEN, skb->data, 2 * ETH_ALEN);
	__skb_pull(skb, VLAN_HLEN);
	return 0;
}

static int vlan_push(struct sk_buff *skb, __be16 tpid, u16 tci)
{
	skb_reset_mac_header(skb);
	return __vlan_insert_tag(skb, tpid, tci);
}

static int vlan_change(struct sk_buff *skb, __be16 tpid, u16 tci)
{
	struct vlan_ethhdr *eth;

	if (skb_ensure_writable(skb, VLAN_ETH_HLEN))
		return -ENOMEM;
	eth = (struct vlan_ethhdr *)skb->data;
	if (eth_type_vlan(eth->h_vlan_proto)) {
		eth->h_vlan_proto = tpid;
		eth->h_vlan_TCI = htons(tci);
	}
	return 0;
}

static void run_rule(struct twin_vport *vport, struct twin_rule *rule,
		     struct sk_buff *skb)
{
	const struct ip_tunnel_info *tunnel = NULL;
	unsigned int i;

	for (i = 0; i < rule->n_acts; i++) {
		const struct twin_act *act = &rule->acts[i];
		struct sk_buff *copy;
		int err = 0;

		switch (act->kind) {
		case TWIN_ACT_REDIRECT:
			output(vport, act->ifindex, tunnel, skb);
			return;
		case TWIN_ACT_MIRROR:
			copy = skb_copy(skb, GFP_ATOMIC);
			if (copy)
				output(vport, act->ifindex, tunnel, copy);
			break;
		case TWIN_ACT_DROP:
			consume_skb(skb);
			return;
		case TWIN_ACT_TRAP:
			slow_path(vport, skb);
			return;
		case TWIN_ACT_VLAN_PUSH:
			/* Frees the packet if it fails. */
			err = vlan_push(skb, act->vlan.tpid, act->vlan.tci);
			break;
		case TWIN_ACT_VLAN_POP:
			err = vlan_pop(skb);
			break;
		case TWIN_ACT_VLAN_MANGLE:
			err = vlan_change(skb, act->vlan.tpid, act->vlan.tci);
			break;
		case TWIN_ACT_TUNNEL_SET:
			tunnel = act->tunnel;
			break;
		case TWIN_ACT_TUNNEL_UNSET:
			/* Was done on the way in. */
			break;
		case TWIN_ACT_MANGLE:
			twin_mangle(skb, act);
			break;
		}
		if (err)
			break;
	}
	drop(vport, skb);
}

static void hit(struct twin_rule *rule, unsigned int bytes)
{
	twin_count(&rule->hits, bytes);
	WRITE_ONCE(rule->lastused, jiffies);
}

/* True: @skb was a tunnel's packet with a rule, and is gone. */
static bool decapsulate(struct twin_vport *vport, const struct twin_key *outer,
			struct sk_buff *skb)
{
	struct twin_tunnel *tunnel;
	struct twin_key key;
	unsigned int len;

	if (outer->ip_proto != IPPROTO_UDP || outer->frag)
		return false;
	list_for_each_entry_rcu(tunnel, &vport->pf->tunnels, list) {
		struct twin_rule *rule;

		if (READ_ONCE(tunnel->dport) != outer->dport ||
		    !tunnel->table->n_rules)
			continue;
		if (!twin_parse_tunnel(skb, outer, tunnel->kind, &key, &len))
			continue;
		rule = twin_table_lookup(tunnel->table, &key);
		if (!rule)
			continue;
		__skb_pull(skb, len);
		hit(rule, skb->len);
		run_rule(vport, rule, skb);
		return true;
	}
	return false;
}

static bool has_mac(struct twin_vport *vport, const u8 *mac)
{
	struct net_device *dev = rcu_dereference(vport->nic);
	struct twin_vdpa *vdpa = rcu_dereference(vport->vdpa);

	return (dev && ether_addr_equal(dev->dev_addr, mac)) ||
	       (vdpa && twin_vdpa_has_mac(vdpa, mac)) ||
	       ether_addr_equal(vport->mac, mac);
}

/* Legacy mode: by destination address.  @from is NULL for the host's PF. */
void twin_legacy_switch(struct twin_pf *pf, const struct twin_vport *from,
			struct sk_buff *skb)
{
	bool from_wire = from == &pf->uplink;
	unsigned int i, n = READ_ONCE(pf->n_vports);
	const u8 *dst = skb->data;
	struct sk_buff *copy;
	bool multicast;

	if (!pskb_may_pull(skb, ETH_HLEN)) {
		kfree_skb(skb);
		return;
	}
	multicast = is_multicast_ether_addr(dst);
	for (i = 0; i < n; i++) {
		struct twin_vport *vport = &pf->vports[i];

		if (vport == from)
			continue;
		if (multicast) {
			copy = skb_copy(skb, GFP_ATOMIC);
			if (copy)
				twin_deliver(vport, copy);
		} else if (has_mac(vport, dst)) {
			twin_deliver(vport, skb);
			return;
		}
	}
	if (from && (multicast || from_wire ||
		     ether_addr_equal(pf->netdev->dev_addr, dst))) {
		copy = multicast && !from_wire ? skb_copy(skb, GFP_ATOMIC) :
						 skb;
		if (copy)
			slow_path(&pf->uplink, copy);
		if (copy == skb)
			return;
	}
	twin_deliver(&pf->uplink, skb);
}

/* @skb enters the e-switch at @vport, from a VF or the wire. */
void twin_ingress(struct twin_vport *vport, struct sk_buff *skb)
{
	struct twin_pf *pf = vport->pf;
	struct twin_rule *rule;
	struct twin_key key;

	if (!READ_ONCE(vport->link_up)) {
		drop(vport, skb);
		return;
	}
	scrub(skb);
	twin_count(&vport->from, skb->len);
	if (READ_ONCE(pf->mode) == DEVLINK_ESWITCH_MODE_LEGACY) {
		twin_legacy_switch(pf, vport, skb);
		return;
	}
	if (READ_ONCE(pf->knobs.rule_miss) || !atomic_read(&pf->n_rules) ||
	    !twin_parse(skb, &key)) {
		slow_path(vport, skb);
		return;
	}
	if (vport->index == TWIN_UPLINK && decapsulate(vport, &key, skb))
		return;
	rule = twin_table_lookup(vport->table, &key);
	if (!rule) {
		slow_path(vport, skb);
		return;
	}
	hit(rule, skb->len);
	run_rule(vport, rule, skb);
}
