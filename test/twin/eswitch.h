/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Flow rules of the e-switch: how they are stored and looked up.
 */
#ifndef TWIN_ESWITCH_H
#define TWIN_ESWITCH_H

#include <linux/rhashtable.h>
#include <net/flow_offload.h>
#include <net/ip_tunnels.h>
#include <net/pkt_cls.h>

#include "twin.h"

#define TWIN_TUNNEL_OPTS 64	/* bytes of Geneve options in a match */

enum twin_tunnel_kind {
	TWIN_VXLAN,
	TWIN_GENEVE,
};

/*
 * All header fields that a rule may match on, in network byte order; fields
 * that a packet has not are 0.  Compared and hashed as an array of u64.
 */
struct twin_key {
	/* Outermost Ethernet type as on the wire: "protocol" of the filter. */
	__be16 wire_proto;
	__be16 n_proto;			/* Ethernet type after the VLAN tags */
	__be16 vlan_tpid;
	__be16 vlan_tci;
	__be16 cvlan_tpid;
	__be16 cvlan_tci;
	u8 eth_dst[ETH_ALEN];
	u8 eth_src[ETH_ALEN];
	u8 ip_proto;
	u8 tos;
	u8 ttl;
	u8 frag;			/* TWIN_FRAG_* */
	__be16 sport;
	__be16 dport;
	__be16 tcp_flags;
	u8 icmp_type;
	u8 icmp_code;
	struct in6_addr src;		/* IPv4: the last four bytes */
	struct in6_addr dst;
	u8 arp_op;
	u8 arp_sha[ETH_ALEN];
	u8 arp_tha[ETH_ALEN];
	u8 pad[3];
	/* Tunnel */
	struct in6_addr tun_src;
	struct in6_addr tun_dst;
	__be32 tun_id;
	__be16 tun_sport;
	__be16 tun_dport;
	u8 tun_tos;
	u8 tun_ttl;
	u8 tun_v6;			/* address family of the outer header */
	u8 tun_opts_len;
	u8 tun_opts[TWIN_TUNNEL_OPTS];
} __aligned(8);

#define TWIN_FRAG_ANY	1
#define TWIN_FRAG_FIRST	2

static_assert(sizeof(struct twin_key) % sizeof(u64) == 0);

enum twin_act_kind {
	TWIN_ACT_REDIRECT,
	TWIN_ACT_MIRROR,
	TWIN_ACT_DROP,
	TWIN_ACT_TRAP,
	TWIN_ACT_VLAN_PUSH,
	TWIN_ACT_VLAN_POP,
	TWIN_ACT_VLAN_MANGLE,
	TWIN_ACT_TUNNEL_SET,
	TWIN_ACT_TUNNEL_UNSET,
	TWIN_ACT_MANGLE,
};

struct twin_act {
	enum twin_act_kind kind;
	union {
		/* Never a reference: that would keep the netdev from going. */
		int ifindex;
		struct {
			__be16 tpid;
			u16 tci;
		} vlan;
		struct ip_tunnel_info *tunnel;
		struct {
			enum flow_action_mangle_base base;
			u32 offset;
			u32 mask;	/* bits to keep, as tc has it */
			u32 value;
		} mangle;
	};
};

/* Rules with one priority and one mask. */
struct twin_group {
	struct list_head list;
	struct rcu_head rcu;
	u32 prio;
	unsigned int n_rules;
	struct twin_key mask;
	struct rhltable rules;		/* by masked key */
};

struct twin_rule {
	struct rhash_head by_cookie;
	struct rhlist_head by_key;
	struct rcu_head rcu;
	unsigned long cookie;
	struct twin_group *group;
	struct twin_key key;
	struct twin_counter hits;
	u64 reported_packets;		/* RTNL */
	u64 reported_bytes;
	unsigned long lastused;
	unsigned int n_acts;
	struct twin_act acts[];
};

/* The rules for one way into the e-switch.  Changed under RTNL. */
struct twin_table {
	struct twin_pf *pf;
	struct list_head groups;	/* by priority; RCU */
	struct rhashtable by_cookie;
	unsigned int n_rules;
};

/* A tunnel netdev (not ours) whose filters this PF offloads. */
struct twin_tunnel {
	struct list_head list;
	struct rcu_head rcu;
	int ifindex;
	enum twin_tunnel_kind kind;
	__be16 dport;
	struct twin_table *table;
};

/* One (netdev, TC block) pair. */
struct twin_binding {
	struct list_head list;
	struct twin_pf *pf;
	struct net_device *dev;
	struct twin_table *table;
	struct twin_tunnel *tunnel;	/* NULL for our own netdevs */
};

/* table.c */
struct twin_table *twin_table_new(struct twin_pf *pf);
void twin_table_free(struct twin_table *table);
void twin_table_flush(struct twin_table *table);
int twin_table_insert(struct twin_table *table, struct twin_rule *rule,
		      u32 prio, const struct twin_key *mask);
struct twin_rule *twin_table_find(struct twin_table *table,
				  unsigned long cookie);
void twin_table_remove(struct twin_table *table, struct twin_rule *rule);
struct twin_rule *twin_table_lookup(struct twin_table *table,
				    const struct twin_key *key);
void twin_rule_free(struct twin_rule *rule);

/* parse.c: packets */
bool twin_parse(struct sk_buff *skb, struct twin_key *key);
bool twin_parse_tunnel(struct sk_buff *skb, const struct twin_key *outer,
		       enum twin_tunnel_kind kind, struct twin_key *key,
		       unsigned int *outer_len);

/* match.c, action.c: what TC asks for */
int twin_match_parse(struct net_device *dev, struct flow_cls_offload *flow,
		     bool tunnel, struct twin_key *key, struct twin_key *mask);
int twin_check_tunnel(struct twin_pf *pf, const struct net_device *dev,
		      struct netlink_ext_ack *extack);
int twin_actions_parse(struct twin_pf *pf, struct net_device *dev,
		       struct flow_cls_offload *flow, bool tunnel,
		       struct twin_rule **ret_rule);
void twin_mangle(struct sk_buff *skb, const struct twin_act *act);
struct twin_vport *twin_resolve(const struct net_device *dev);

/* flower.c */
void twin_flower_indirect(struct twin_pf *pf, bool on);

/* encap.c */
void twin_encap(struct twin_pf *pf, struct net_device *dev,
		const struct ip_tunnel_info *info, struct sk_buff *skb);

#endif
