// SPDX-License-Identifier: GPL-2.0
/*
 * Netdevs other than representors: the uplink p<N>, its far end wire<N>, and
 * the VFs' own.
 */
#include <linux/ethtool.h>

#include "twin.h"

static const struct net_device_ops uplink_ops;
static const struct net_device_ops wire_ops;
static const struct net_device_ops nic_ops;

static void drvinfo(struct net_device *dev, struct ethtool_drvinfo *info)
{
	strscpy(info->driver, TWIN_NAME, sizeof(info->driver));
	strscpy(info->fw_version, TWIN_FW_VERSION " (" TWIN_PSID ")",
		sizeof(info->fw_version));
	if (dev->dev.parent)
		strscpy(info->bus_info, dev_name(dev->dev.parent),
			sizeof(info->bus_info));
}

static int link_ksettings(struct net_device *dev,
			  struct ethtool_link_ksettings *settings)
{
	settings->base.speed = netif_carrier_ok(dev) ? SPEED_100000 :
						       SPEED_UNKNOWN;
	settings->base.duplex = netif_carrier_ok(dev) ? DUPLEX_FULL :
							DUPLEX_UNKNOWN;
	settings->base.port = PORT_FIBRE;
	return 0;
}

static const struct ethtool_ops ethtool_ops = {
	.get_drvinfo = drvinfo,
	.get_link = ethtool_op_get_link,
	.get_link_ksettings = link_ksettings,
};

bool twin_netdev_is_uplink(const struct net_device *dev)
{
	return dev->netdev_ops == &uplink_ops;
}

static struct twin_nic *nic_priv(const struct net_device *dev)
{
	return netdev_priv(dev);
}

/*
 * Links follow what they hang on: the uplink and its wire each other, a VF
 * its representor (which is how mlx5 sets the vport's state).
 */
void twin_update_link(struct twin_vport *vport)
{
	struct twin_pf *pf = vport->pf;
	struct twin_vdpa *vdpa;
	struct net_device *dev;

	if (vport->index == TWIN_UPLINK) {
		bool wire = netif_running(pf->wire);
		bool near = netif_running(pf->netdev);

		WRITE_ONCE(vport->link_up, wire && near);
		if (wire)
			netif_carrier_on(pf->netdev);
		else
			netif_carrier_off(pf->netdev);
		if (near)
			netif_carrier_on(pf->wire);
		else
			netif_carrier_off(pf->wire);
		return;
	}
	rcu_read_lock();
	dev = rcu_dereference(vport->rep);
	WRITE_ONCE(vport->link_up,
		   pf->mode == DEVLINK_ESWITCH_MODE_LEGACY ||
		   (dev && netif_running(dev)));
	dev = rcu_dereference(vport->nic);
	if (dev) {
		if (vport->link_up)
			netif_carrier_on(dev);
		else
			netif_carrier_off(dev);
	}
	vdpa = rcu_dereference(vport->vdpa);
	if (vdpa)
		twin_vdpa_link_changed(vdpa);
	rcu_read_unlock();
}

static int nic_open(struct net_device *dev)
{
	twin_update_link(nic_priv(dev)->vport);
	return 0;
}

static int nic_stop(struct net_device *dev)
{
	twin_update_link(nic_priv(dev)->vport);
	return 0;
}

/* The wire and a VF's netdev send into the e-switch. */
static netdev_tx_t nic_xmit(struct sk_buff *skb, struct net_device *dev)
{
	dev_sw_netstats_tx_add(dev, 1, skb->len);
	rcu_read_lock();
	twin_ingress(nic_priv(dev)->vport, skb);
	rcu_read_unlock();
	return NETDEV_TX_OK;
}

/* The uplink's netdev sends out of the port. */
static netdev_tx_t uplink_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct twin_vport *vport = nic_priv(dev)->vport;

	twin_count(&vport->slow_to, skb->len);
	rcu_read_lock();
	if (READ_ONCE(vport->pf->mode) == DEVLINK_ESWITCH_MODE_LEGACY)
		twin_legacy_switch(vport->pf, NULL, skb);
	else
		twin_deliver(vport, skb);
	rcu_read_unlock();
	return NETDEV_TX_OK;
}

static void uplink_stats(struct net_device *dev,
			 struct rtnl_link_stats64 *stats)
{
	twin_vport_stats(nic_priv(dev)->vport, stats);
}

static bool uplink_has_xstats(const struct net_device *dev, int attr)
{
	return attr == IFLA_OFFLOAD_XSTATS_CPU_HIT;
}

static int uplink_xstats(int attr, const struct net_device *dev, void *out)
{
	if (attr != IFLA_OFFLOAD_XSTATS_CPU_HIT)
		return -EINVAL;
	twin_vport_slow_stats(nic_priv(dev)->vport, out);
	return 0;
}

static int set_vf_mac(struct net_device *dev, int vf, u8 *mac)
{
	struct twin_pf *pf = nic_priv(dev)->pf;
	struct twin_vport *vport;

	if (vf < 0 || vf >= pci_num_vf(pf->pdev))
		return -EINVAL;
	if (!is_zero_ether_addr(mac) && !is_valid_ether_addr(mac))
		return -EINVAL;
	vport = &pf->vports[vf];
	spin_lock(&vport->mac_lock);
	ether_addr_copy(vport->mac, mac);
	spin_unlock(&vport->mac_lock);
	return 0;
}

static int get_vf_config(struct net_device *dev, int vf,
			 struct ifla_vf_info *info)
{
	struct twin_pf *pf = nic_priv(dev)->pf;
	struct twin_vport *vport;

	if (vf < 0 || vf >= pci_num_vf(pf->pdev))
		return -EINVAL;
	vport = &pf->vports[vf];
	memset(info, 0, sizeof(*info));
	info->vf = vf;
	info->linkstate = vport->link_up ? IFLA_VF_LINK_STATE_ENABLE :
					   IFLA_VF_LINK_STATE_DISABLE;
	info->vlan_proto = htons(ETH_P_8021Q);
	spin_lock(&vport->mac_lock);
	ether_addr_copy(info->mac, vport->mac);
	spin_unlock(&vport->mac_lock);
	return 0;
}

static const struct net_device_ops uplink_ops = {
	.ndo_open = nic_open,
	.ndo_stop = nic_stop,
	.ndo_start_xmit = uplink_xmit,
	.ndo_get_stats64 = uplink_stats,
	.ndo_set_mac_address = eth_mac_addr,
	.ndo_validate_addr = eth_validate_addr,
	.ndo_set_features = twin_set_features,
	.ndo_setup_tc = twin_setup_tc,
	.ndo_has_offload_stats = uplink_has_xstats,
	.ndo_get_offload_stats = uplink_xstats,
	.ndo_set_vf_mac = set_vf_mac,
	.ndo_get_vf_config = get_vf_config,
};

static const struct net_device_ops wire_ops = {
	.ndo_open = nic_open,
	.ndo_stop = nic_stop,
	.ndo_start_xmit = nic_xmit,
	.ndo_set_mac_address = eth_mac_addr,
	.ndo_validate_addr = eth_validate_addr,
};

static const struct net_device_ops nic_ops = {
	.ndo_open = nic_open,
	.ndo_stop = nic_stop,
	.ndo_start_xmit = nic_xmit,
	.ndo_set_mac_address = eth_mac_addr,
	.ndo_validate_addr = eth_validate_addr,
};

static struct net_device *make(const struct net_device_ops *ops,
			       struct twin_pf *pf, struct twin_vport *vport,
			       const char *name)
{
	struct net_device *dev = alloc_netdev(sizeof(struct twin_nic), name,
					      NET_NAME_ENUM, ether_setup);

	if (!dev)
		return NULL;
	dev->netdev_ops = ops;
	dev->ethtool_ops = &ethtool_ops;
	dev->min_mtu = TWIN_MIN_MTU;
	dev->max_mtu = TWIN_MAX_MTU;
	dev->needs_free_netdev = false;
	if (ops != &uplink_ops)
		dev->pcpu_stat_type = NETDEV_PCPU_STAT_TSTATS;
	/* Many senders, no queue of its own. */
	dev->lltx = true;
	dev->priv_flags |= IFF_LIVE_ADDR_CHANGE;
	nic_priv(dev)->pf = pf;
	nic_priv(dev)->vport = vport;
	return dev;
}

int twin_uplink_create(struct twin_pf *pf)
{
	u8 mac[ETH_ALEN] = { 0xb8, 0x59, 0x9f, 0x03, 0x7e, 0xf0 + pf->index };
	char name[IFNAMSIZ];
	int err = -ENOMEM;

	/* Never eth<N>: on a real host this end is another machine's. */
	snprintf(name, sizeof(name), "wire%u", pf->index);
	pf->wire = make(&wire_ops, pf, &pf->uplink, name);
	pf->netdev = make(&uplink_ops, pf, &pf->uplink,
			  twin_ifname(name, sizeof(name), "p%u", pf->index));
	if (!pf->wire || !pf->netdev)
		goto no_memory;
	eth_hw_addr_random(pf->wire);
	eth_hw_addr_set(pf->netdev, mac);
	pf->netdev->hw_features |= NETIF_F_HW_TC;
	SET_NETDEV_DEV(pf->netdev, &pf->pdev->dev);
	SET_NETDEV_DEVLINK_PORT(pf->netdev, &pf->uplink.dl_port);
	netif_carrier_off(pf->netdev);
	netif_carrier_off(pf->wire);

	err = register_netdev(pf->wire);
	if (err)
		goto no_memory;
	err = register_netdev(pf->netdev);
	if (err)
		goto no_uplink;
	rcu_assign_pointer(pf->uplink.nic, pf->wire);
	rcu_assign_pointer(pf->uplink.rep, pf->netdev);
	return 0;

no_uplink:
	unregister_netdev(pf->wire);
no_memory:
	if (pf->wire)
		free_netdev(pf->wire);
	if (pf->netdev)
		free_netdev(pf->netdev);
	pf->wire = NULL;
	pf->netdev = NULL;
	return err;
}

void twin_uplink_destroy(struct twin_pf *pf)
{
	RCU_INIT_POINTER(pf->uplink.rep, NULL);
	RCU_INIT_POINTER(pf->uplink.nic, NULL);
	synchronize_net();
	unregister_netdev(pf->netdev);
	unregister_netdev(pf->wire);
	free_netdev(pf->netdev);
	free_netdev(pf->wire);
}

struct net_device *twin_nic_create(struct twin_vf *vf)
{
	struct twin_vport *vport = vf->vport;
	struct twin_pf *pf = vport->pf;
	struct net_device *dev;
	char name[IFNAMSIZ];
	u8 mac[ETH_ALEN];
	int err;

	dev = make(&nic_ops, pf, vport,
		   twin_ifname(name, sizeof(name), "p%uv%u", pf->index,
			       vport->index));
	if (!dev)
		return ERR_PTR(-ENOMEM);
	spin_lock(&vport->mac_lock);
	ether_addr_copy(mac, vport->mac);
	spin_unlock(&vport->mac_lock);
	if (is_valid_ether_addr(mac))
		eth_hw_addr_set(dev, mac);
	else
		eth_hw_addr_random(dev);
	SET_NETDEV_DEV(dev, &vf->pdev->dev);
	SET_NETDEV_DEVLINK_PORT(dev, &vf->dl_port);
	netif_carrier_off(dev);
	err = register_netdev(dev);
	if (err) {
		free_netdev(dev);
		return ERR_PTR(err);
	}
	rcu_assign_pointer(vport->nic, dev);
	twin_update_link(vport);
	return dev;
}

void twin_nic_destroy(struct twin_vf *vf)
{
	RCU_INIT_POINTER(vf->vport->nic, NULL);
	unregister_netdev(vf->netdev);
	free_netdev(vf->netdev);
	vf->netdev = NULL;
}
