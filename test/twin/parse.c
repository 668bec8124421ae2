// SPDX-License-Identifier: GPL-2.0
/*
 * From a packet to the header fields that rules match on.
 */
#include <linux/if_arp.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/geneve.h>
#include <net/vxlan.h>

#include "eswitch.h"

static const void *at(struct sk_buff *skb, unsigned int offset,
		      unsigned int size)
{
	if (!pskb_may_pull(skb, offset + size))
		return NULL;
	return skb->data + offset;
}

static void parse_l4(struct sk_buff *skb, unsigned int offset,
		     struct twin_key *key)
{
	const struct udphdr *ports;
	const struct tcphdr *tcp;
	const u8 *icmp;

	switch (key->ip_proto) {
	case IPPROTO_TCP:
		tcp = at(skb, offset, sizeof(*tcp));
		if (!tcp)
			return;
		key->sport = tcp->source;
		key->dport = tcp->dest;
		key->tcp_flags = *(const __be16 *)((const u8 *)tcp + 12) &
				 htons(0x0fff);
		break;
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
		ports = at(skb, offset, 4);
		if (!ports)
			return;
		key->sport = ports->source;
		key->dport = ports->dest;
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		icmp = at(skb, offset, 2);
		if (!icmp)
			return;
		key->icmp_type = icmp[0];
		key->icmp_code = icmp[1];
		break;
	}
}

static void parse_ip(struct sk_buff *skb, unsigned int offset,
		     struct twin_key *key)
{
	const struct iphdr *ip = at(skb, offset, sizeof(*ip));

	if (!ip || ip->version != 4 || ip->ihl < 5)
		return;
	key->src.s6_addr32[3] = ip->saddr;
	key->dst.s6_addr32[3] = ip->daddr;
	key->ip_proto = ip->protocol;
	key->tos = ip->tos;
	key->ttl = ip->ttl;
	if (ip->frag_off & htons(IP_MF | IP_OFFSET)) {
		key->frag = TWIN_FRAG_ANY;
		if (ip->frag_off & htons(IP_OFFSET))
			return;
		key->frag |= TWIN_FRAG_FIRST;
	}
	parse_l4(skb, offset + ip->ihl * 4, key);
}

static void parse_ipv6(struct sk_buff *skb, unsigned int offset,
		       struct twin_key *key)
{
	const struct ipv6hdr *ip = at(skb, offset, sizeof(*ip));
	const struct frag_hdr *frag;

	if (!ip || ip->version != 6)
		return;
	key->src = ip->saddr;
	key->dst = ip->daddr;
	key->ip_proto = ip->nexthdr;
	key->tos = ipv6_get_dsfield(ip);
	key->ttl = ip->hop_limit;
	offset += sizeof(*ip);
	if (key->ip_proto == NEXTHDR_FRAGMENT) {
		frag = at(skb, offset, sizeof(*frag));
		if (!frag)
			return;
		key->ip_proto = frag->nexthdr;
		key->frag = TWIN_FRAG_ANY;
		if (frag->frag_off & htons(IP6_OFFSET))
			return;
		key->frag |= TWIN_FRAG_FIRST;
		offset += sizeof(*frag);
	}
	parse_l4(skb, offset, key);
}

static void parse_arp(struct sk_buff *skb, unsigned int offset,
		      struct twin_key *key)
{
	const struct arphdr *arp = at(skb, offset, sizeof(*arp) + 20);
	const u8 *p;

	if (!arp || arp->ar_hln != ETH_ALEN || arp->ar_pln != 4)
		return;
	p = (const u8 *)(arp + 1);
	key->arp_op = ntohs(arp->ar_op) & 0xff;
	ether_addr_copy(key->arp_sha, p);
	memcpy(&key->src.s6_addr32[3], p + 6, 4);
	ether_addr_copy(key->arp_tha, p + 10);
	memcpy(&key->dst.s6_addr32[3], p + 16, 4);
}

static void parse_at(struct sk_buff *skb, unsigned int offset,
		     struct twin_key *key)
{
	const struct ethhdr *eth = at(skb, offset, ETH_HLEN);
	const __be16 *tag;
	__be16 proto;
	int depth;

	if (!eth)
		return;
	ether_addr_copy(key->eth_dst, eth->h_dest);
	ether_addr_copy(key->eth_src, eth->h_source);
	proto = eth->h_proto;
	key->wire_proto = proto;
	offset += ETH_HLEN;
	for (depth = 0; depth < 2 && eth_type_vlan(proto); depth++) {
		tag = at(skb, offset, VLAN_HLEN);
		if (!tag)
			return;
		if (!depth) {
			key->vlan_tpid = proto;
			key->vlan_tci = tag[0];
		} else {
			key->cvlan_tpid = proto;
			key->cvlan_tci = tag[0];
		}
		proto = tag[1];
		offset += VLAN_HLEN;
	}
	key->n_proto = proto;
	switch (proto) {
	case htons(ETH_P_IP):
		parse_ip(skb, offset, key);
		break;
	case htons(ETH_P_IPV6):
		parse_ipv6(skb, offset, key);
		break;
	case htons(ETH_P_ARP):
		parse_arp(skb, offset, key);
		break;
	}
}

/*
 * Fills @key from the frame at skb->data.  False: shorter than a header.
 * May move the packet's data.
 */
bool twin_parse(struct sk_buff *skb, struct twin_key *key)
{
	memset(key, 0, sizeof(*key));
	if (!pskb_may_pull(skb, ETH_HLEN))
		return false;
	parse_at(skb, 0, key);
	return true;
}

/*
 * Fills @key from a tunnelled packet whose outer headers are in @outer: inner
 * fields, and the outer ones as tunnel fields.  *@outer_len is what to strip.
 */
bool twin_parse_tunnel(struct sk_buff *skb, const struct twin_key *outer,
		       enum twin_tunnel_kind kind, struct twin_key *key,
		       unsigned int *outer_len)
{
	unsigned int offset = ETH_HLEN;
	const struct genevehdr *geneve;
	const struct vxlanhdr *vxlan;
	const struct iphdr *ip;

	memset(key, 0, sizeof(*key));
	if (outer->vlan_tpid)
		offset += VLAN_HLEN;
	if (outer->cvlan_tpid)
		offset += VLAN_HLEN;
	if (outer->n_proto == htons(ETH_P_IP)) {
		ip = at(skb, offset, sizeof(*ip));
		if (!ip)
			return false;
		offset += ip->ihl * 4;
	} else {
		offset += sizeof(struct ipv6hdr);
		key->tun_v6 = 1;
	}
	offset += sizeof(struct udphdr);

	if (kind == TWIN_VXLAN) {
		vxlan = at(skb, offset, sizeof(*vxlan));
		if (!vxlan || !(vxlan->vx_flags & VXLAN_HF_VNI))
			return false;
		key->tun_id = vxlan_vni(vxlan->vx_vni);
		offset += sizeof(*vxlan);
	} else {
		geneve = at(skb, offset, sizeof(*geneve));
		if (!geneve || geneve->ver ||
		    geneve->proto_type != htons(ETH_P_TEB))
			return false;
		key->tun_id = htonl(geneve->vni[0] << 16 |
				    geneve->vni[1] << 8 | geneve->vni[2]);
		key->tun_opts_len = geneve->opt_len * 4;
		offset += sizeof(*geneve);
		if (key->tun_opts_len) {
			unsigned int len = min_t(unsigned int,
						 key->tun_opts_len,
						 TWIN_TUNNEL_OPTS);
			const void *opts = at(skb, offset, key->tun_opts_len);

			if (!opts)
				return false;
			memcpy(key->tun_opts, opts, len);
		}
		offset += key->tun_opts_len;
	}
	if (!at(skb, offset, ETH_HLEN))
		return false;
	key->tun_src = outer->src;
	key->tun_dst = outer->dst;
	key->tun_sport = outer->sport;
	key->tun_dport = outer->dport;
	key->tun_tos = outer->tos;
	key->tun_ttl = outer->ttl;
	parse_at(skb, offset, key);
	*outer_len = offset;
	return true;
}
