// SPDX-License-Identifier: GPL-2.0
/*
 * Tunnel headers in "hardware".
 *
 * Where the route leads straight out of an uplink (or a bond of them) over
 * IPv4 and the neighbour is known, the card builds the outer headers itself
 * and the host sees nothing of the packet.  Anything else goes through the
 * tunnel's netdev, as the first packets do on the real card.
 */
#include <net/arp.h>
#include <net/dst_metadata.h>
#include <net/geneve.h>
#include <net/ip.h>
#include <net/route.h>
#include <net/udp.h>
#include <net/vxlan.h>

#include "eswitch.h"

static void software(struct net_device *dev, const struct ip_tunnel_info *info,
		     struct sk_buff *skb)
{
	struct metadata_dst *md;

	md = metadata_dst_alloc(info->options_len, METADATA_IP_TUNNEL,
				GFP_ATOMIC);
	if (!md) {
		kfree_skb(skb);
		return;
	}
	md->u.tun_info.key = info->key;
	md->u.tun_info.mode = info->mode;
	if (info->options_len)
		ip_tunnel_info_opts_set(&md->u.tun_info,
					ip_tunnel_info_opts(info),
					info->options_len,
					info->key.tun_flags);
	skb_dst_drop(skb);
	skb_dst_set(skb, &md->dst);
	skb->dev = dev;
	skb_reset_mac_header(skb);
	skb->protocol = eth_hdr(skb)->h_proto;
	dev_queue_xmit(skb);
}

static bool neighbour(struct rtable *rt, __be32 addr, u8 *mac,
		      struct net_device *dev)
{
	struct neighbour *neigh = dst_neigh_lookup(&rt->dst, &addr);
	bool valid;

	if (!neigh)
		return false;
	/* Also tells it that it is in use. */
	neigh_event_send(neigh, NULL);
	valid = READ_ONCE(neigh->nud_state) & NUD_VALID;
	if (valid)
		neigh_ha_snapshot(mac, neigh, dev);
	neigh_release(neigh);
	return valid;
}

static __be16 default_port(struct net_device *dev)
{
	struct vxlan_dev *vxlan;

	if (!netif_is_vxlan(dev))
		return htons(GENEVE_UDP_PORT);
	vxlan = netdev_priv(dev);
	return vxlan->cfg.dst_port;
}

static void push_tunnel(struct net_device *dev,
			const struct ip_tunnel_info *info, struct sk_buff *skb)
{
	u32 id = be64_to_cpu(info->key.tun_id);

	if (netif_is_vxlan(dev)) {
		struct vxlanhdr *vxlan = __skb_push(skb, sizeof(*vxlan));

		vxlan->vx_flags = VXLAN_HF_VNI;
		vxlan->vx_vni = vxlan_vni_field(htonl(id));
	} else {
		struct genevehdr *geneve;

		geneve = __skb_push(skb, sizeof(*geneve) + info->options_len);
		memset(geneve, 0, sizeof(*geneve));
		geneve->opt_len = info->options_len / 4;
		geneve->critical = test_bit(IP_TUNNEL_CRIT_OPT_BIT,
					    info->key.tun_flags);
		geneve->oam = test_bit(IP_TUNNEL_OAM_BIT, info->key.tun_flags);
		geneve->proto_type = htons(ETH_P_TEB);
		geneve->vni[0] = id >> 16;
		geneve->vni[1] = id >> 8;
		geneve->vni[2] = id;
		memcpy((u8 *)geneve + sizeof(*geneve),
		       (const u8 *)info + sizeof(*info), info->options_len);
	}
}

static void push_outer(struct net_device *dev,
		       const struct ip_tunnel_info *info,
		       const struct flowi4 *flow, __be16 sport,
		       struct sk_buff *skb)
{
	const struct ip_tunnel_key *key = &info->key;
	struct udphdr *udp;
	struct iphdr *ip;

	udp = __skb_push(skb, sizeof(*udp));
	udp->source = sport;
	udp->dest = key->tp_dst ? key->tp_dst : default_port(dev);
	udp->len = htons(skb->len);
	udp->check = 0;

	ip = __skb_push(skb, sizeof(*ip));
	memset(ip, 0, sizeof(*ip));
	ip->version = 4;
	ip->ihl = 5;
	ip->tos = key->tos;
	ip->tot_len = htons(skb->len);
	ip->frag_off = test_bit(IP_TUNNEL_DONT_FRAGMENT_BIT, key->tun_flags) ?
		       htons(IP_DF) : 0;
	ip->ttl = key->ttl ? key->ttl : 64;
	ip->protocol = IPPROTO_UDP;
	ip->saddr = flow->saddr;
	ip->daddr = flow->daddr;
	ip_send_check(ip);
}

/* Sends @skb through the tunnel @dev with the headers that @info asks for. */
void twin_encap(struct twin_pf *pf, struct net_device *dev,
		const struct ip_tunnel_info *info, struct sk_buff *skb)
{
	unsigned int room = ETH_HLEN + sizeof(struct iphdr) +
			    sizeof(struct udphdr) + sizeof(struct genevehdr) +
			    info->options_len;
	struct flowi4 flow = {
		.daddr = info->key.u.ipv4.dst,
		.saddr = info->key.u.ipv4.src,
		.flowi4_proto = IPPROTO_UDP,
	};
	struct net *net = dev_net(dev);
	struct net_device *port;
	struct twin_vport *to;
	struct ethhdr *eth;
	u8 mac[ETH_ALEN];
	struct rtable *rt;
	__be32 next_hop;
	__be16 sport;

	if (info->mode & IP_TUNNEL_INFO_IPV6) {
		software(dev, info, skb);
		return;
	}
	rt = ip_route_output_key(net, &flow);
	if (IS_ERR(rt)) {
		kfree_skb(skb);
		return;
	}
	port = rt->dst.dev;
	to = twin_resolve(port);
	next_hop = rt_nexthop(rt, flow.daddr);
	if (!to || to->index != TWIN_UPLINK ||
	    !neighbour(rt, next_hop, mac, port)) {
		ip_rt_put(rt);
		software(dev, info, skb);
		return;
	}
	skb_reset_mac_header(skb);
	skb_set_network_header(skb, ETH_HLEN);
	skb->protocol = eth_hdr(skb)->h_proto;
	sport = udp_flow_src_port(net, skb, 0, 0, true);
	ip_rt_put(rt);
	if (skb_cow_head(skb, room)) {
		kfree_skb(skb);
		return;
	}
	push_tunnel(dev, info, skb);
	push_outer(dev, info, &flow, sport, skb);
	eth = __skb_push(skb, ETH_HLEN);
	ether_addr_copy(eth->h_dest, mac);
	ether_addr_copy(eth->h_source, port->dev_addr);
	eth->h_proto = htons(ETH_P_IP);
	skb_clear_hash(skb);
	twin_deliver(to, skb);
}
