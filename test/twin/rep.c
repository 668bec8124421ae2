// SPDX-License-Identifier: GPL-2.0
/*
 * Representors: the host's end of each VF's port, as plain netdevs.
 */
#include <linux/ethtool.h>

#include "twin.h"

static const struct net_device_ops rep_ops;

static struct twin_vport *rep_vport(const struct net_device *dev)
{
	struct twin_rep *rep = netdev_priv(dev);

	return rep->vport;
}

bool twin_netdev_is_rep(const struct net_device *dev)
{
	return dev->netdev_ops == &rep_ops;
}

/* The e-switch port that @dev stands for, or NULL. */
struct twin_vport *twin_netdev_vport(const struct net_device *dev)
{
	if (twin_netdev_is_rep(dev))
		return rep_vport(dev);
	if (twin_netdev_is_uplink(dev)) {
		struct twin_nic *nic = netdev_priv(dev);

		return nic->vport;
	}
	return NULL;
}

static void fill(struct rtnl_link_stats64 *stats,
		 const struct twin_counter *rx, const struct twin_counter *tx)
{
	stats->rx_packets = atomic64_read(&rx->packets);
	stats->rx_bytes = atomic64_read(&rx->bytes);
	stats->tx_packets = atomic64_read(&tx->packets);
	stats->tx_bytes = atomic64_read(&tx->bytes);
}

/* Everything that crossed the port, in hardware or not (as mlx5). */
void twin_vport_stats(struct twin_vport *vport,
		      struct rtnl_link_stats64 *stats)
{
	fill(stats, &vport->from, &vport->to);
	stats->tx_dropped = atomic64_read(&vport->dropped);
}

/* What the host's CPU saw of it: IFLA_OFFLOAD_XSTATS_CPU_HIT. */
void twin_vport_slow_stats(struct twin_vport *vport,
			   struct rtnl_link_stats64 *stats)
{
	memset(stats, 0, sizeof(*stats));
	fill(stats, &vport->slow_from, &vport->slow_to);
}

static int rep_open(struct net_device *dev)
{
	netif_carrier_on(dev);
	twin_update_link(rep_vport(dev));
	return 0;
}

static int rep_stop(struct net_device *dev)
{
	netif_carrier_off(dev);
	twin_update_link(rep_vport(dev));
	return 0;
}

/* What the host sends on a representor comes out at the VF. */
static netdev_tx_t rep_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct twin_vport *vport = rep_vport(dev);

	twin_count(&vport->slow_to, skb->len);
	rcu_read_lock();
	twin_deliver(vport, skb);
	rcu_read_unlock();
	return NETDEV_TX_OK;
}

static void rep_stats(struct net_device *dev, struct rtnl_link_stats64 *stats)
{
	struct twin_vport *vport = rep_vport(dev);

	if (READ_ONCE(vport->pf->knobs.rep_counts_all))
		twin_vport_stats(vport, stats);
	else
		twin_vport_slow_stats(vport, stats);
}

static bool rep_has_xstats(const struct net_device *dev, int attr)
{
	return attr == IFLA_OFFLOAD_XSTATS_CPU_HIT &&
	       READ_ONCE(rep_vport(dev)->pf->knobs.cpu_hit);
}

static int rep_xstats(int attr, const struct net_device *dev, void *out)
{
	if (attr != IFLA_OFFLOAD_XSTATS_CPU_HIT)
		return -EINVAL;
	twin_vport_slow_stats(rep_vport(dev), out);
	return 0;
}

/*
 * No ndo_get_vf_config here: representors share the PF's device, and
 * iproute2 would look for a list of VFs in each of them.
 */
static const struct net_device_ops rep_ops = {
	.ndo_open = rep_open,
	.ndo_stop = rep_stop,
	.ndo_start_xmit = rep_xmit,
	.ndo_get_stats64 = rep_stats,
	.ndo_set_mac_address = eth_mac_addr,
	.ndo_validate_addr = eth_validate_addr,
	.ndo_set_features = twin_set_features,
	.ndo_setup_tc = twin_setup_tc,
	.ndo_has_offload_stats = rep_has_xstats,
	.ndo_get_offload_stats = rep_xstats,
};

static void drvinfo(struct net_device *dev, struct ethtool_drvinfo *info)
{
	strscpy(info->driver, "twin_rep", sizeof(info->driver));
	strscpy(info->fw_version, TWIN_FW_VERSION " (" TWIN_PSID ")",
		sizeof(info->fw_version));
}

static const struct ethtool_ops ethtool_ops = {
	.get_drvinfo = drvinfo,
	.get_link = ethtool_op_get_link,
};

/* Devlink instance lock. */
int twin_rep_create(struct twin_vport *vport)
{
	struct twin_pf *pf = vport->pf;
	struct net_device *dev;
	struct twin_rep *rep;
	char name[IFNAMSIZ];
	int err;

	dev = alloc_netdev(sizeof(*rep),
			   twin_ifname(name, sizeof(name), "pf%uvf%u",
				       pf->index, vport->index),
			   NET_NAME_ENUM, ether_setup);
	if (!dev)
		return -ENOMEM;
	rep = netdev_priv(dev);
	rep->vport = vport;
	rep->dev = dev;
	dev->netdev_ops = &rep_ops;
	dev->ethtool_ops = &ethtool_ops;
	dev->min_mtu = TWIN_MIN_MTU;
	dev->max_mtu = TWIN_MAX_MTU;
	dev->lltx = true;
	dev->priv_flags |= IFF_LIVE_ADDR_CHANGE;
	dev->hw_features |= NETIF_F_HW_TC;
	dev->features |= NETIF_F_HW_TC;
	eth_hw_addr_random(dev);
	SET_NETDEV_DEV(dev, &pf->pdev->dev);
	SET_NETDEV_DEVLINK_PORT(dev, &vport->dl_port);
	netif_carrier_off(dev);
	err = register_netdev(dev);
	if (err) {
		free_netdev(dev);
		return err;
	}
	rcu_assign_pointer(vport->rep, dev);
	return 0;
}

/*
 * Removes the representors of @n vports, those that have one, in one go: each
 * by itself would wait for a grace period of its own.  Devlink instance lock.
 */
void twin_reps_destroy(struct twin_vport *vports, unsigned int n)
{
	struct net_device *dev;
	LIST_HEAD(gone);
	LIST_HEAD(free);
	unsigned int i;

	rtnl_lock();
	for (i = 0; i < n; i++) {
		dev = rcu_dereference_protected(vports[i].rep, true);
		if (!dev)
			continue;
		RCU_INIT_POINTER(vports[i].rep, NULL);
		twin_update_link(&vports[i]);
		unregister_netdevice_queue(dev, &gone);
		list_add(&((struct twin_rep *)netdev_priv(dev))->free, &free);
	}
	unregister_netdevice_many(&gone);
	rtnl_unlock();
	while (!list_empty(&free)) {
		struct twin_rep *rep = list_first_entry(&free, struct twin_rep,
							free);

		list_del(&rep->free);
		free_netdev(rep->dev);
	}
}
