/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The vDPA network device of a VF.
 */
#ifndef TWIN_VDPA_H
#define TWIN_VDPA_H

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/vringh.h>

#include "twin.h"

#define TWIN_VQ_MAX	256	/* entries */
#define TWIN_RXQ_MAX	1024	/* packets waiting for buffers, per queue */

#define TWIN_VDPA_FEATURES \
	(BIT_ULL(VIRTIO_NET_F_MTU) | BIT_ULL(VIRTIO_NET_F_MAC) | \
	 BIT_ULL(VIRTIO_NET_F_STATUS) | BIT_ULL(VIRTIO_NET_F_CTRL_VQ) | \
	 BIT_ULL(VIRTIO_NET_F_MQ) | BIT_ULL(VIRTIO_NET_F_CTRL_MAC_ADDR) | \
	 BIT_ULL(VIRTIO_F_ANY_LAYOUT) | BIT_ULL(VIRTIO_F_VERSION_1) | \
	 BIT_ULL(VIRTIO_F_ACCESS_PLATFORM))

struct twin_vq {
	struct vringh vring;
	struct vringh_kiov riov;	/* device reads: the driver's output */
	struct vringh_kiov wiov;
	u16 head;
	u16 num;
	bool ready;
	u64 desc;
	u64 driver;
	u64 device;
	struct vdpa_callback cb;
	struct sk_buff_head rxq;	/* receive queues only */
	u64 received;
	u64 completed;
};

struct twin_vdpa {
	struct vdpa_device vdpa;
	struct twin_vport *vport;

	struct mutex lock;		/* everything but the RX queues */
	struct work_struct work;
	bool running;
	u8 status;
	u32 generation;
	u64 features;			/* offered */
	u64 driver_features;
	struct vdpa_callback config_cb;
	spinlock_t config_lock;		/* config, config_cb */
	struct virtio_net_config config;

	u16 max_pairs;
	u16 cur_pairs;
	unsigned int n_vqs;
	struct twin_vq *vqs;

	spinlock_t iommu_lock;		/* iommu, iommu_identity */
	struct vhost_iotlb iommu;
	bool iommu_identity;
};

static inline struct twin_vdpa *to_twin_vdpa(struct vdpa_device *vdpa)
{
	return container_of(vdpa, struct twin_vdpa, vdpa);
}

/* The control queue's place depends on what the driver understands. */
static inline unsigned int twin_cvq_index(const struct twin_vdpa *vdpa)
{
	return vdpa->driver_features & BIT_ULL(VIRTIO_NET_F_MQ) ?
	       2 * vdpa->max_pairs : 2;
}

extern const struct vdpa_config_ops twin_vdpa_ops;

/* vdpa_ops.c */
int twin_vdpa_iommu_reset(struct twin_vdpa *vdpa);
void twin_vdpa_stop(struct twin_vdpa *vdpa);

/* vdpa_net.c */
void twin_vdpa_work(struct work_struct *work);

#endif
