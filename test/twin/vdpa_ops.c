// SPDX-License-Identifier: GPL-2.0
/*
 * What the vDPA bus asks of the device: queues, features, status, memory.
 */
#include <net/netlink.h>
#include <uapi/linux/vdpa.h>
#include <uapi/linux/vhost_types.h>

#include "vdpa.h"

static void vq_notify(struct vringh *vring)
{
	struct twin_vq *vq = container_of(vring, struct twin_vq, vring);

	if (vq->cb.callback)
		vq->cb.callback(vq->cb.private);
}

/* Everything is one to one until a driver maps memory. */
int twin_vdpa_iommu_reset(struct twin_vdpa *vdpa)
{
	int err = 0;

	spin_lock(&vdpa->iommu_lock);
	if (!vdpa->iommu_identity) {
		vhost_iotlb_reset(&vdpa->iommu);
		err = vhost_iotlb_add_range(&vdpa->iommu, 0, ULONG_MAX, 0,
					    VHOST_MAP_RW);
		vdpa->iommu_identity = !err;
	}
	spin_unlock(&vdpa->iommu_lock);
	return err;
}

/* Back to the state after creation; memory maps stay. */
void twin_vdpa_stop(struct twin_vdpa *vdpa)
{
	unsigned int i;

	mutex_lock(&vdpa->lock);
	WRITE_ONCE(vdpa->running, false);
	vdpa->status = 0;
	vdpa->driver_features = 0;
	vdpa->cur_pairs = 1;
	vdpa->generation++;
	for (i = 0; i < vdpa->n_vqs; i++) {
		struct twin_vq *vq = &vdpa->vqs[i];

		vq->ready = false;
		vq->desc = 0;
		vq->driver = 0;
		vq->device = 0;
		vq->num = TWIN_VQ_MAX;
		memset(&vq->cb, 0, sizeof(vq->cb));
		vringh_init_iotlb(&vq->vring, vdpa->features, TWIN_VQ_MAX,
				  false, NULL, NULL, NULL);
		vringh_set_iotlb(&vq->vring, &vdpa->iommu, &vdpa->iommu_lock);
		vq->vring.notify = NULL;
		skb_queue_purge(&vq->rxq);
	}
	mutex_unlock(&vdpa->lock);
	spin_lock_bh(&vdpa->config_lock);
	memset(&vdpa->config_cb, 0, sizeof(vdpa->config_cb));
	spin_unlock_bh(&vdpa->config_lock);
}

static int set_vq_address(struct vdpa_device *dev, u16 idx, u64 desc,
			  u64 driver, u64 device)
{
	struct twin_vq *vq = &to_twin_vdpa(dev)->vqs[idx];

	vq->desc = desc;
	vq->driver = driver;
	vq->device = device;
	return 0;
}

static void set_vq_num(struct vdpa_device *dev, u16 idx, u32 num)
{
	to_twin_vdpa(dev)->vqs[idx].num = min_t(u32, num, TWIN_VQ_MAX);
}

static void kick_vq(struct vdpa_device *dev, u16 idx)
{
	struct twin_vdpa *vdpa = to_twin_vdpa(dev);

	if (READ_ONCE(vdpa->vqs[idx].ready))
		queue_work(twin_wq, &vdpa->work);
}

static void set_vq_cb(struct vdpa_device *dev, u16 idx,
		      struct vdpa_callback *cb)
{
	struct twin_vdpa *vdpa = to_twin_vdpa(dev);

	mutex_lock(&vdpa->lock);
	vdpa->vqs[idx].cb = *cb;
	mutex_unlock(&vdpa->lock);
}

static void set_vq_ready(struct vdpa_device *dev, u16 idx, bool ready)
{
	struct twin_vdpa *vdpa = to_twin_vdpa(dev);
	struct twin_vq *vq = &vdpa->vqs[idx];
	u16 last = vq->vring.last_avail_idx;

	mutex_lock(&vdpa->lock);
	if (ready && !vq->ready) {
		vringh_init_iotlb(&vq->vring, vdpa->driver_features, vq->num,
				  true, (void *)(uintptr_t)vq->desc,
				  (void *)(uintptr_t)vq->driver,
				  (void *)(uintptr_t)vq->device);
		vq->vring.last_avail_idx = last;
		vq->vring.last_used_idx = last;
		vq->vring.notify = vq_notify;
	}
	WRITE_ONCE(vq->ready, ready);
	mutex_unlock(&vdpa->lock);
	if (ready)
		queue_work(twin_wq, &vdpa->work);
}

static bool get_vq_ready(struct vdpa_device *dev, u16 idx)
{
	return to_twin_vdpa(dev)->vqs[idx].ready;
}

static int set_vq_state(struct vdpa_device *dev, u16 idx,
			const struct vdpa_vq_state *state)
{
	struct twin_vdpa *vdpa = to_twin_vdpa(dev);

	mutex_lock(&vdpa->lock);
	vdpa->vqs[idx].vring.last_avail_idx = state->split.avail_index;
	mutex_unlock(&vdpa->lock);
	return 0;
}

static int get_vq_state(struct vdpa_device *dev, u16 idx,
			struct vdpa_vq_state *state)
{
	struct twin_vdpa *vdpa = to_twin_vdpa(dev);

	mutex_lock(&vdpa->lock);
	state->split.avail_index = vdpa->vqs[idx].vring.last_avail_idx;
	mutex_unlock(&vdpa->lock);
	return 0;
}

static int put_stat(struct sk_buff *msg, const char *name, u64 value)
{
	if (nla_put_string(msg, VDPA_ATTR_DEV_VENDOR_ATTR_NAME, name) ||
	    nla_put_u64_64bit(msg, VDPA_ATTR_DEV_VENDOR_ATTR_VALUE, value,
			      VDPA_ATTR_PAD))
		return -EMSGSIZE;
	return 0;
}

static int get_vendor_vq_stats(struct vdpa_device *dev, u16 idx,
			       struct sk_buff *msg,
			       struct netlink_ext_ack *extack)
{
	struct twin_vdpa *vdpa = to_twin_vdpa(dev);
	int err = -EINVAL;

	mutex_lock(&vdpa->lock);
	if (idx >= vdpa->n_vqs) {
		NL_SET_ERR_MSG_MOD(extack, "virtqueue index is not valid");
		goto out;
	}
	err = put_stat(msg, "received_desc", vdpa->vqs[idx].received);
	if (!err)
		err = put_stat(msg, "completed_desc",
			       vdpa->vqs[idx].completed);
out:
	mutex_unlock(&vdpa->lock);
	return err;
}

static u16 get_vq_size(struct vdpa_device *dev, u16 idx)
{
	return to_twin_vdpa(dev)->vqs[idx].num;
}

static u32 get_vq_align(struct vdpa_device *dev)
{
	return PAGE_SIZE;
}

static u64 get_device_features(struct vdpa_device *dev)
{
	return to_twin_vdpa(dev)->features;
}

static u64 get_backend_features(const struct vdpa_device *dev)
{
	return BIT_ULL(VHOST_BACKEND_F_ENABLE_AFTER_DRIVER_OK);
}

static int set_driver_features(struct vdpa_device *dev, u64 features)
{
	struct twin_vdpa *vdpa = to_twin_vdpa(dev);

	if (!(features & BIT_ULL(VIRTIO_F_ACCESS_PLATFORM)))
		return -EINVAL;
	mutex_lock(&vdpa->lock);
	vdpa->driver_features = features & vdpa->features;
	mutex_unlock(&vdpa->lock);
	return 0;
}

static u64 get_driver_features(struct vdpa_device *dev)
{
	return to_twin_vdpa(dev)->driver_features;
}

static void set_config_cb(struct vdpa_device *dev, struct vdpa_callback *cb)
{
	struct twin_vdpa *vdpa = to_twin_vdpa(dev);

	spin_lock_bh(&vdpa->config_lock);
	vdpa->config_cb = *cb;
	spin_unlock_bh(&vdpa->config_lock);
}

static u16 get_vq_num_max(struct vdpa_device *dev)
{
	return TWIN_VQ_MAX;
}

static u32 get_device_id(struct vdpa_device *dev)
{
	return VIRTIO_ID_NET;
}

static u32 get_vendor_id(struct vdpa_device *dev)
{
	/* "vdpa dev show" comes by here with the vdpa core's lock held. */
	twin_delay(&to_twin_vdpa(dev)->vport->pf->knobs.vdpa_delay_ms);
	return TWIN_VENDOR;
}

static u8 get_status(struct vdpa_device *dev)
{
	return READ_ONCE(to_twin_vdpa(dev)->status);
}

static void set_status(struct vdpa_device *dev, u8 status)
{
	struct twin_vdpa *vdpa = to_twin_vdpa(dev);

	mutex_lock(&vdpa->lock);
	WRITE_ONCE(vdpa->status, status);
	WRITE_ONCE(vdpa->running, status & VIRTIO_CONFIG_S_DRIVER_OK);
	mutex_unlock(&vdpa->lock);
	if (status & VIRTIO_CONFIG_S_DRIVER_OK)
		queue_work(twin_wq, &vdpa->work);
}

static int reset(struct vdpa_device *dev)
{
	twin_vdpa_stop(to_twin_vdpa(dev));
	return 0;
}

static int compat_reset(struct vdpa_device *dev, u32 flags)
{
	struct twin_vdpa *vdpa = to_twin_vdpa(dev);

	twin_vdpa_stop(vdpa);
	return flags & VDPA_RESET_F_CLEAN_MAP ? twin_vdpa_iommu_reset(vdpa) :
						0;
}

static int suspend(struct vdpa_device *dev)
{
	struct twin_vdpa *vdpa = to_twin_vdpa(dev);

	mutex_lock(&vdpa->lock);
	WRITE_ONCE(vdpa->running, false);
	mutex_unlock(&vdpa->lock);
	return 0;
}

static int resume(struct vdpa_device *dev)
{
	struct twin_vdpa *vdpa = to_twin_vdpa(dev);

	set_status(dev, vdpa->status);
	return 0;
}

static size_t get_config_size(struct vdpa_device *dev)
{
	return sizeof(struct virtio_net_config);
}

static void get_config(struct vdpa_device *dev, unsigned int offset,
		       void *buf, unsigned int len)
{
	struct twin_vdpa *vdpa = to_twin_vdpa(dev);

	if (offset + len > sizeof(vdpa->config))
		return;
	spin_lock_bh(&vdpa->config_lock);
	vdpa->config.status =
		cpu_to_le16(READ_ONCE(vdpa->vport->link_up) &&
			    READ_ONCE(vdpa->vport->pf->knobs.vdpa_link) ?
			    VIRTIO_NET_S_LINK_UP : 0);
	memcpy(buf, (u8 *)&vdpa->config + offset, len);
	spin_unlock_bh(&vdpa->config_lock);
}

static void set_config(struct vdpa_device *dev, unsigned int offset,
		       const void *buf, unsigned int len)
{
	/* As mlx5: the driver changes nothing this way. */
}

static u32 get_generation(struct vdpa_device *dev)
{
	return to_twin_vdpa(dev)->generation;
}

static int set_map(struct vdpa_device *dev, unsigned int asid,
		   struct vhost_iotlb *iotlb)
{
	struct twin_vdpa *vdpa = to_twin_vdpa(dev);
	struct vhost_iotlb_map *map;
	int err = 0;

	if (asid)
		return -EINVAL;
	spin_lock(&vdpa->iommu_lock);
	vhost_iotlb_reset(&vdpa->iommu);
	vdpa->iommu_identity = false;
	for (map = vhost_iotlb_itree_first(iotlb, 0, ULLONG_MAX); map && !err;
	     map = vhost_iotlb_itree_next(map, 0, ULLONG_MAX))
		err = vhost_iotlb_add_range(&vdpa->iommu, map->start,
					    map->last, map->addr, map->perm);
	if (err)
		vhost_iotlb_reset(&vdpa->iommu);
	spin_unlock(&vdpa->iommu_lock);
	return err;
}

static int reset_map(struct vdpa_device *dev, unsigned int asid)
{
	return asid ? -EINVAL : twin_vdpa_iommu_reset(to_twin_vdpa(dev));
}

/* The last reference is gone; also ends a device that was never registered. */
static void free_device(struct vdpa_device *dev)
{
	struct twin_vdpa *vdpa = to_twin_vdpa(dev);
	unsigned int i;

	cancel_work_sync(&vdpa->work);
	for (i = 0; i < vdpa->n_vqs; i++) {
		skb_queue_purge(&vdpa->vqs[i].rxq);
		vringh_kiov_cleanup(&vdpa->vqs[i].riov);
		vringh_kiov_cleanup(&vdpa->vqs[i].wiov);
	}
	vhost_iotlb_reset(&vdpa->iommu);
	kvfree(vdpa->vqs);
}

const struct vdpa_config_ops twin_vdpa_ops = {
	.set_vq_address = set_vq_address,
	.set_vq_num = set_vq_num,
	.kick_vq = kick_vq,
	.set_vq_cb = set_vq_cb,
	.set_vq_ready = set_vq_ready,
	.get_vq_ready = get_vq_ready,
	.set_vq_state = set_vq_state,
	.get_vq_state = get_vq_state,
	.get_vendor_vq_stats = get_vendor_vq_stats,
	.get_vq_size = get_vq_size,
	.get_vq_align = get_vq_align,
	.get_device_features = get_device_features,
	.get_backend_features = get_backend_features,
	.set_driver_features = set_driver_features,
	.get_driver_features = get_driver_features,
	.set_config_cb = set_config_cb,
	.get_vq_num_max = get_vq_num_max,
	.get_device_id = get_device_id,
	.get_vendor_id = get_vendor_id,
	.get_status = get_status,
	.set_status = set_status,
	.reset = reset,
	.compat_reset = compat_reset,
	.suspend = suspend,
	.resume = resume,
	.get_config_size = get_config_size,
	.get_config = get_config,
	.set_config = set_config,
	.get_generation = get_generation,
	.set_map = set_map,
	.reset_map = reset_map,
	.free = free_device,
};
