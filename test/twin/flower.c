// SPDX-License-Identifier: GPL-2.0
/*
 * TC's side of flow offload: binding blocks and adding, removing and
 * counting rules, on our own netdevs and (indirectly) on tunnel netdevs.
 */
#include <net/geneve.h>
#include <net/vxlan.h>

#include "eswitch.h"

static LIST_HEAD(block_cbs);	/* RTNL */

static int rule_add(struct twin_binding *binding,
		    struct flow_cls_offload *flow)
{
	struct netlink_ext_ack *extack = flow->common.extack;
	struct twin_pf *pf = binding->pf;
	struct twin_key key, mask;
	struct twin_rule *rule;
	u32 limit;
	int err;

	if (READ_ONCE(pf->mode) != DEVLINK_ESWITCH_MODE_SWITCHDEV) {
		NL_SET_ERR_MSG_MOD(extack, "e-switch is in legacy mode");
		return -EOPNOTSUPP;
	}
	if (!binding->tunnel && !tc_can_offload(binding->dev)) {
		NL_SET_ERR_MSG_FMT_MOD(extack, "hw-tc-offload is off on %s",
				       binding->dev->name);
		return -EOPNOTSUPP;
	}
	if (flow->common.chain_index) {
		NL_SET_ERR_MSG_MOD(extack, "only chain 0 can be offloaded");
		return -EOPNOTSUPP;
	}
	err = twin_fail_hit(&pf->knobs.rule_fail, extack);
	if (err)
		return err;
	limit = READ_ONCE(pf->knobs.rule_limit);
	if (limit && atomic_read(&pf->n_rules) >= limit) {
		NL_SET_ERR_MSG_MOD(extack, "flow table is full");
		return -ENOSPC;
	}
	if (binding->tunnel) {
		err = twin_check_tunnel(pf, binding->dev, extack);
		if (err)
			return err;
	}
	err = twin_match_parse(binding->dev, flow, binding->tunnel, &key,
			       &mask);
	if (err)
		return err;
	err = twin_actions_parse(pf, binding->dev, flow, binding->tunnel,
				 &rule);
	if (err)
		return err;
	rule->cookie = flow->cookie;
	rule->key = key;
	rule->lastused = jiffies;
	err = twin_table_insert(binding->table, rule, flow->common.prio,
				&mask);
	if (err) {
		NL_SET_ERR_MSG_MOD(extack, "rule cannot be stored");
		twin_rule_free(rule);
		return err;
	}
	/* Packets are looked up here only if their port is this one. */
	if (binding->tunnel && mask.tun_dport)
		WRITE_ONCE(binding->tunnel->dport, key.tun_dport);
	return 0;
}

static int rule_del(struct twin_binding *binding,
		    struct flow_cls_offload *flow)
{
	struct twin_rule *rule = twin_table_find(binding->table,
						 flow->cookie);

	if (!rule)
		return -ENOENT;
	twin_table_remove(binding->table, rule);
	return 0;
}

static int rule_stats(struct twin_binding *binding,
		      struct flow_cls_offload *flow)
{
	struct twin_rule *rule = twin_table_find(binding->table,
						 flow->cookie);
	u64 packets, bytes;

	if (!rule)
		return -ENOENT;
	packets = atomic64_read(&rule->hits.packets);
	bytes = atomic64_read(&rule->hits.bytes);
	flow_stats_update(&flow->stats, bytes - rule->reported_bytes,
			  packets - rule->reported_packets, 0,
			  READ_ONCE(rule->lastused),
			  FLOW_ACTION_HW_STATS_DELAYED);
	rule->reported_packets = packets;
	rule->reported_bytes = bytes;
	return 0;
}

static int block_cb(enum tc_setup_type type, void *type_data, void *priv)
{
	struct flow_cls_offload *flow = type_data;

	if (type != TC_SETUP_CLSFLOWER)
		return -EOPNOTSUPP;
	switch (flow->command) {
	case FLOW_CLS_REPLACE:
		return rule_add(priv, flow);
	case FLOW_CLS_DESTROY:
		return rule_del(priv, flow);
	case FLOW_CLS_STATS:
		return rule_stats(priv, flow);
	default:
		return -EOPNOTSUPP;
	}
}

static struct twin_tunnel *tunnel_new(struct twin_pf *pf,
				      struct net_device *dev)
{
	struct twin_tunnel *tunnel = kzalloc(sizeof(*tunnel), GFP_KERNEL);

	if (!tunnel)
		return NULL;
	tunnel->table = twin_table_new(pf);
	if (!tunnel->table) {
		kfree(tunnel);
		return NULL;
	}
	tunnel->ifindex = dev->ifindex;
	if (netif_is_vxlan(dev)) {
		struct vxlan_dev *vxlan = netdev_priv(dev);

		tunnel->kind = TWIN_VXLAN;
		tunnel->dport = vxlan->cfg.dst_port;
	} else {
		/* Its configuration is private to geneve; rules tell. */
		tunnel->kind = TWIN_GENEVE;
		tunnel->dport = htons(GENEVE_UDP_PORT);
	}
	list_add_rcu(&tunnel->list, &pf->tunnels);
	return tunnel;
}

static void tunnel_free(struct twin_tunnel *tunnel)
{
	list_del_rcu(&tunnel->list);
	synchronize_rcu_expedited();
	twin_table_free(tunnel->table);
	kfree(tunnel);
}

static struct twin_binding *binding_new(struct twin_pf *pf,
					struct net_device *dev,
					struct twin_table *table)
{
	struct twin_binding *binding = kzalloc(sizeof(*binding), GFP_KERNEL);

	if (!binding)
		return NULL;
	binding->pf = pf;
	binding->dev = dev;
	binding->table = table;
	if (!table) {
		binding->tunnel = tunnel_new(pf, dev);
		if (!binding->tunnel) {
			kfree(binding);
			return NULL;
		}
		binding->table = binding->tunnel->table;
	}
	list_add(&binding->list, &pf->bindings);
	return binding;
}

/* The core's release callback, after TC has removed all rules. */
static void binding_free(void *priv)
{
	struct twin_binding *binding = priv;

	list_del(&binding->list);
	if (binding->tunnel)
		tunnel_free(binding->tunnel);
	kfree(binding);
}

/* Each (netdev, block) pair is its own callback identity. */
static struct twin_binding *binding_find(struct twin_pf *pf,
					 struct net_device *dev)
{
	struct twin_binding *binding;

	list_for_each_entry(binding, &pf->bindings, list)
		if (binding->dev == dev)
			return binding;
	return NULL;
}

static int block_bind(struct twin_vport *vport, struct net_device *dev,
		      struct flow_block_offload *f)
{
	struct twin_binding *binding;
	struct flow_block_cb *cb;

	/* One block a port is all that OVS, or a script, ever makes. */
	if (binding_find(vport->pf, dev)) {
		NL_SET_ERR_MSG_MOD(f->extack, "the port has a block already");
		return -EBUSY;
	}
	binding = binding_new(vport->pf, dev, vport->table);
	if (!binding)
		return -ENOMEM;
	cb = flow_block_cb_alloc(block_cb, binding, binding, binding_free);
	if (IS_ERR(cb)) {
		binding_free(binding);
		return PTR_ERR(cb);
	}
	flow_block_cb_add(cb, f);
	list_add_tail(&cb->driver_list, &block_cbs);
	return 0;
}

static int block_unbind(struct twin_vport *vport, struct net_device *dev,
			struct flow_block_offload *f)
{
	struct twin_binding *binding = binding_find(vport->pf, dev);
	struct flow_block_cb *cb;

	if (!binding)
		return -ENOENT;
	cb = flow_block_cb_lookup(f->block, block_cb, binding);
	if (!cb)
		return -ENOENT;
	flow_block_cb_remove(cb, f);
	list_del(&cb->driver_list);
	return 0;
}

/* ndo_setup_tc of representors and uplinks. */
int twin_setup_tc(struct net_device *dev, enum tc_setup_type type,
		  void *type_data)
{
	struct twin_vport *vport = twin_netdev_vport(dev);
	struct flow_block_offload *f = type_data;

	if (type != TC_SETUP_BLOCK)
		return -EOPNOTSUPP;
	if (f->binder_type != FLOW_BLOCK_BINDER_TYPE_CLSACT_INGRESS)
		return -EOPNOTSUPP;
	f->unlocked_driver_cb = false;
	f->driver_block_list = &block_cbs;
	return f->command == FLOW_BLOCK_BIND ? block_bind(vport, dev, f) :
					       block_unbind(vport, dev, f);
}

/* As mlx5: the feature stays on while rules are in hardware. */
int twin_set_features(struct net_device *dev, netdev_features_t features)
{
	struct twin_vport *vport = twin_netdev_vport(dev);

	if ((dev->features & NETIF_F_HW_TC) && !(features & NETIF_F_HW_TC) &&
	    vport->table->n_rules) {
		netdev_info(dev, "rules are offloaded, hw-tc-offload stays\n");
		return -EINVAL;
	}
	return 0;
}

static int indirect_bind(struct net_device *dev, struct Qdisc *sch,
			 struct twin_pf *pf, struct flow_block_offload *f,
			 void *data, void (*cleanup)(struct flow_block_cb *))
{
	struct twin_binding *binding;
	struct flow_block_cb *cb;

	if (binding_find(pf, dev))
		return -EEXIST;
	binding = binding_new(pf, dev, NULL);
	if (!binding)
		return -ENOMEM;
	cb = flow_indr_block_cb_alloc(block_cb, binding, binding,
				      binding_free, f, dev, sch, data, pf,
				      cleanup);
	if (IS_ERR(cb)) {
		binding_free(binding);
		return PTR_ERR(cb);
	}
	flow_block_cb_add(cb, f);
	list_add_tail(&cb->driver_list, &block_cbs);
	return 0;
}

static int indirect_cb(struct net_device *dev, struct Qdisc *sch,
		       void *priv, enum tc_setup_type type, void *type_data,
		       void *data, void (*cleanup)(struct flow_block_cb *))
{
	struct flow_block_offload *f = type_data;
	struct twin_binding *binding;
	struct twin_pf *pf = priv;
	struct flow_block_cb *cb;

	if (!dev || type != TC_SETUP_BLOCK ||
	    (!netif_is_vxlan(dev) && !netif_is_geneve(dev)) ||
	    f->binder_type != FLOW_BLOCK_BINDER_TYPE_CLSACT_INGRESS)
		return -EOPNOTSUPP;
	f->unlocked_driver_cb = false;
	f->driver_block_list = &block_cbs;
	if (f->command == FLOW_BLOCK_BIND)
		return indirect_bind(dev, sch, pf, f, data, cleanup);
	binding = binding_find(pf, dev);
	cb = binding ? flow_block_cb_lookup(f->block, block_cb, binding) :
		       NULL;
	if (!cb)
		return -ENOENT;
	flow_indr_block_cb_remove(cb, f);
	list_del(&cb->driver_list);
	return 0;
}

/* Offers to offload tunnel netdevs' rules, or stops.  Devlink lock. */
void twin_flower_indirect(struct twin_pf *pf, bool on)
{
	if (on == pf->indirect_registered)
		return;
	if (!on)
		flow_indr_dev_unregister(indirect_cb, pf, binding_free);
	else if (flow_indr_dev_register(indirect_cb, pf))
		return;
	pf->indirect_registered = on;
}
