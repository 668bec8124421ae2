// SPDX-License-Identifier: GPL-2.0
/*
 * The vDPA management device of a VF: making and deleting its one device.
 * Errors are those of mlx5_vdpa.
 */
#include <uapi/linux/vdpa.h>

#include "vdpa.h"

static struct twin_vf *mgmt_vf(struct vdpa_mgmt_dev *mgmt)
{
	return container_of(mgmt, struct twin_vf, mgmt);
}

static int set_features(struct twin_vdpa *vdpa,
			const struct vdpa_dev_set_config *config)
{
	const u64 needed = BIT_ULL(VIRTIO_F_VERSION_1) |
			   BIT_ULL(VIRTIO_F_ACCESS_PLATFORM);

	vdpa->features = TWIN_VDPA_FEATURES;
	if (!(config->mask & BIT_ULL(VDPA_ATTR_DEV_FEATURES)))
		return 0;
	if (config->device_features & ~TWIN_VDPA_FEATURES)
		return -EINVAL;
	if ((config->device_features & needed) != needed)
		return -EOPNOTSUPP;
	vdpa->features = config->device_features;
	return 0;
}

static int set_config(struct twin_vdpa *vdpa,
		      const struct vdpa_dev_set_config *config)
{
	struct virtio_net_config *c = &vdpa->config;
	struct twin_vport *vport = vdpa->vport;
	u16 mtu = ETH_DATA_LEN;

	if (config->mask & BIT_ULL(VDPA_ATTR_DEV_NET_CFG_MTU)) {
		mtu = config->net.mtu;
		if (mtu < TWIN_MIN_MTU || mtu > TWIN_MAX_MTU)
			return -EINVAL;
	}
	c->mtu = cpu_to_le16(mtu);

	if (config->mask & BIT_ULL(VDPA_ATTR_DEV_NET_CFG_MACADDR)) {
		ether_addr_copy(c->mac, config->net.mac);
	} else {
		spin_lock(&vport->mac_lock);
		ether_addr_copy(c->mac, vport->mac);
		spin_unlock(&vport->mac_lock);
	}
	/* Without an address the driver shall choose one. */
	if (is_zero_ether_addr(c->mac)) {
		if (config->mask & BIT_ULL(VDPA_ATTR_DEV_FEATURES) &&
		    vdpa->features & BIT_ULL(VIRTIO_NET_F_MAC))
			return -EINVAL;
		vdpa->features &= ~BIT_ULL(VIRTIO_NET_F_MAC);
	}
	c->max_virtqueue_pairs = cpu_to_le16(vdpa->max_pairs);
	return 0;
}

static int dev_add(struct vdpa_mgmt_dev *mgmt, const char *name,
		   const struct vdpa_dev_set_config *config)
{
	struct twin_vf *vf = mgmt_vf(mgmt);
	struct twin_pf *pf = vf->vport->pf;
	struct twin_vdpa *vdpa;
	u16 pairs = 1;
	unsigned int i;
	int err;

	twin_delay(&pf->knobs.vdpa_delay_ms);
	err = twin_fail_hit(&pf->knobs.vdpa_add_fail, NULL);
	if (err)
		return err;
	if (vf->vdpa)
		return -ENOSPC;
	if (config->mask & BIT_ULL(VDPA_ATTR_DEV_NET_CFG_MAX_VQP)) {
		pairs = config->net.max_vq_pairs;
		if (!pairs || pairs > twin_vdpa_pairs)
			return -EINVAL;
	}
	vdpa = vdpa_alloc_device(struct twin_vdpa, vdpa, &vf->pdev->dev,
				 &twin_vdpa_ops, 1, 1, name, false);
	if (IS_ERR(vdpa))
		return PTR_ERR(vdpa);
	/* From here on the device's release callback cleans up. */
	mutex_init(&vdpa->lock);
	spin_lock_init(&vdpa->iommu_lock);
	spin_lock_init(&vdpa->config_lock);
	INIT_WORK(&vdpa->work, twin_vdpa_work);
	vhost_iotlb_init(&vdpa->iommu, 2048, 0);
	vdpa->vport = vf->vport;
	vdpa->max_pairs = pairs;
	vdpa->cur_pairs = 1;
	vdpa->vdpa.dma_dev = &vf->pdev->dev;
	vdpa->vdpa.mdev = mgmt;
	vdpa->vqs = kvcalloc(2 * pairs + 1, sizeof(*vdpa->vqs), GFP_KERNEL);
	if (!vdpa->vqs) {
		err = -ENOMEM;
		goto fail;
	}
	vdpa->n_vqs = 2 * pairs + 1;
	for (i = 0; i < vdpa->n_vqs; i++)
		skb_queue_head_init(&vdpa->vqs[i].rxq);
	err = twin_vdpa_iommu_reset(vdpa);
	if (!err)
		err = set_features(vdpa, config);
	if (!err)
		err = set_config(vdpa, config);
	if (err)
		goto fail;
	twin_vdpa_stop(vdpa);

	rcu_assign_pointer(vf->vport->vdpa, vdpa);
	vf->vdpa = vdpa;
	err = _vdpa_register_device(&vdpa->vdpa, vdpa->n_vqs);
	if (!err)
		return 0;
	vf->vdpa = NULL;
	RCU_INIT_POINTER(vf->vport->vdpa, NULL);
	synchronize_net();
fail:
	put_device(&vdpa->vdpa.dev);
	return err;
}

static void dev_del(struct vdpa_mgmt_dev *mgmt, struct vdpa_device *dev)
{
	struct twin_vdpa *vdpa = to_twin_vdpa(dev);
	struct twin_vf *vf = mgmt_vf(mgmt);
	struct twin_pf *pf = vf->vport->pf;

	twin_delay(&pf->knobs.vdpa_delay_ms);
	/* Uninterruptible, as waiting for a vhost-vdpa user is. */
	wait_event(pf->knobs.wait, !READ_ONCE(pf->knobs.vdpa_del_block));
	get_device(&dev->dev);
	_vdpa_unregister_device(dev);
	RCU_INIT_POINTER(vf->vport->vdpa, NULL);
	vf->vdpa = NULL;
	synchronize_rcu_expedited();
	cancel_work_sync(&vdpa->work);
	put_device(&dev->dev);
}

static int dev_set_attr(struct vdpa_mgmt_dev *mgmt, struct vdpa_device *dev,
			const struct vdpa_dev_set_config *config)
{
	struct twin_vdpa *vdpa = to_twin_vdpa(dev);

	if (!(config->mask & BIT_ULL(VDPA_ATTR_DEV_NET_CFG_MACADDR)))
		return -EOPNOTSUPP;
	spin_lock_bh(&vdpa->config_lock);
	ether_addr_copy(vdpa->config.mac, config->net.mac);
	spin_unlock_bh(&vdpa->config_lock);
	return 0;
}

static const struct vdpa_mgmtdev_ops mgmt_ops = {
	.dev_add = dev_add,
	.dev_del = dev_del,
	.dev_set_attr = dev_set_attr,
};

/* Under twin_vf.lock. */
int twin_vdpa_mgmt_register(struct twin_vf *vf)
{
	struct vdpa_mgmt_dev *mgmt = &vf->mgmt;
	int err;

	if (vf->mgmt_registered)
		return 0;
	memset(mgmt, 0, sizeof(*mgmt));
	vf->mgmt_ids[0].device = VIRTIO_ID_NET;
	vf->mgmt_ids[0].vendor = VIRTIO_DEV_ANY_ID;
	mgmt->device = &vf->pdev->dev;
	mgmt->ops = &mgmt_ops;
	mgmt->id_table = vf->mgmt_ids;
	mgmt->config_attr_mask = BIT_ULL(VDPA_ATTR_DEV_NET_CFG_MACADDR) |
				 BIT_ULL(VDPA_ATTR_DEV_NET_CFG_MAX_VQP) |
				 BIT_ULL(VDPA_ATTR_DEV_NET_CFG_MTU) |
				 BIT_ULL(VDPA_ATTR_DEV_FEATURES);
	mgmt->supported_features = TWIN_VDPA_FEATURES;
	/* The control queue is counted, too. */
	mgmt->max_supported_vqs = 2 * twin_vdpa_pairs + 1;
	err = vdpa_mgmtdev_register(mgmt);
	vf->mgmt_registered = !err;
	return err;
}

/* Under twin_vf.lock.  Deletes the VF's vDPA device. */
void twin_vdpa_mgmt_unregister(struct twin_vf *vf)
{
	if (!vf->mgmt_registered)
		return;
	vdpa_mgmtdev_unregister(&vf->mgmt);
	vf->mgmt_registered = false;
}
