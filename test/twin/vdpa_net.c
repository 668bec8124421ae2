// SPDX-License-Identifier: GPL-2.0
/*
 * The data path of a vDPA device: its rings on one side, the e-switch on the
 * other.  Packets wait in a queue each way, because the rings are only
 * touched by one work item, in process context.
 */
#include "vdpa.h"

#define BUDGET 64	/* packets of a queue before the others have a turn */

static size_t header_size(void)
{
	return sizeof(struct virtio_net_hdr_v1);
}

static void complete_vq(struct twin_vq *vq, size_t len)
{
	/* The data before the used index. */
	smp_wmb();
	vringh_complete_iotlb(&vq->vring, vq->head, len);
	vq->completed++;
}

static void notify(struct twin_vq *vq)
{
	/* The used index before the interrupt. */
	smp_wmb();
	local_bh_disable();
	if (vringh_need_notify_iotlb(&vq->vring) > 0)
		vringh_notify(&vq->vring);
	local_bh_enable();
}

static u8 ctrl_mac(struct twin_vdpa *vdpa, struct twin_vq *vq, u8 cmd)
{
	u8 mac[ETH_ALEN];

	if (cmd != VIRTIO_NET_CTRL_MAC_ADDR_SET ||
	    vringh_iov_pull_iotlb(&vq->vring, &vq->riov, mac, ETH_ALEN) !=
	    ETH_ALEN)
		return VIRTIO_NET_ERR;
	spin_lock_bh(&vdpa->config_lock);
	ether_addr_copy(vdpa->config.mac, mac);
	spin_unlock_bh(&vdpa->config_lock);
	return VIRTIO_NET_OK;
}

static u8 ctrl_mq(struct twin_vdpa *vdpa, struct twin_vq *vq, u8 cmd)
{
	struct virtio_net_ctrl_mq mq;
	u16 pairs;

	if (cmd != VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET ||
	    !(vdpa->driver_features & BIT_ULL(VIRTIO_NET_F_MQ)) ||
	    vringh_iov_pull_iotlb(&vq->vring, &vq->riov, &mq, sizeof(mq)) !=
	    sizeof(mq))
		return VIRTIO_NET_ERR;
	pairs = le16_to_cpu((__force __le16)mq.virtqueue_pairs);
	if (!pairs || pairs > vdpa->max_pairs)
		return VIRTIO_NET_ERR;
	WRITE_ONCE(vdpa->cur_pairs, pairs);
	return VIRTIO_NET_OK;
}

static void control(struct twin_vdpa *vdpa)
{
	unsigned int index = twin_cvq_index(vdpa);
	struct virtio_net_ctrl_hdr hdr;
	struct twin_vq *vq;
	u8 status;

	if (!(vdpa->driver_features & BIT_ULL(VIRTIO_NET_F_CTRL_VQ)) ||
	    index >= vdpa->n_vqs)
		return;
	vq = &vdpa->vqs[index];
	while (vq->ready &&
	       vringh_getdesc_iotlb(&vq->vring, &vq->riov, &vq->wiov,
				    &vq->head, GFP_KERNEL) > 0) {
		vq->received++;
		status = VIRTIO_NET_ERR;
		if (vringh_iov_pull_iotlb(&vq->vring, &vq->riov, &hdr,
					  sizeof(hdr)) == sizeof(hdr)) {
			if (hdr.class == VIRTIO_NET_CTRL_MAC)
				status = ctrl_mac(vdpa, vq, hdr.cmd);
			else if (hdr.class == VIRTIO_NET_CTRL_MQ)
				status = ctrl_mq(vdpa, vq, hdr.cmd);
		}
		vringh_iov_push_iotlb(&vq->vring, &vq->wiov, &status,
				      sizeof(status));
		complete_vq(vq, sizeof(status));
		vringh_kiov_cleanup(&vq->riov);
		vringh_kiov_cleanup(&vq->wiov);
		notify(vq);
	}
}

/* One packet from the driver, or NULL if it is none. */
static struct sk_buff *pull_packet(struct twin_vq *vq)
{
	struct virtio_net_hdr_v1 hdr;
	struct sk_buff *skb;
	ssize_t size, got;

	size = vringh_kiov_length(&vq->riov);
	if (size < (ssize_t)(header_size() + ETH_HLEN) ||
	    size > (ssize_t)(header_size() + TWIN_MAX_MTU + VLAN_ETH_HLEN))
		return NULL;
	if (vringh_iov_pull_iotlb(&vq->vring, &vq->riov, &hdr,
				  header_size()) != header_size())
		return NULL;
	size -= header_size();
	skb = alloc_skb(NET_SKB_PAD + NET_IP_ALIGN + 64 + size, GFP_KERNEL);
	if (!skb)
		return NULL;
	/* Room for tags and tunnel headers. */
	skb_reserve(skb, NET_SKB_PAD + NET_IP_ALIGN + 64);
	got = vringh_iov_pull_iotlb(&vq->vring, &vq->riov, skb_put(skb, size),
				    size);
	if (got != size) {
		kfree_skb(skb);
		return NULL;
	}
	skb_reset_mac_header(skb);
	return skb;
}

/* From the driver into the e-switch; true: there is more. */
static bool transmit(struct twin_vdpa *vdpa, struct twin_vq *vq)
{
	int n = 0;

	while (n < BUDGET &&
	       vringh_getdesc_iotlb(&vq->vring, &vq->riov, NULL, &vq->head,
				    GFP_KERNEL) > 0) {
		struct sk_buff *skb = pull_packet(vq);

		vq->received++;
		n++;
		complete_vq(vq, 0);
		if (!skb)
			continue;
		local_bh_disable();
		rcu_read_lock();
		twin_ingress(vdpa->vport, skb);
		rcu_read_unlock();
		local_bh_enable();
	}
	if (n)
		notify(vq);
	return n == BUDGET;
}

/* From the e-switch to the driver; packets stay queued without buffers. */
static bool receive(struct twin_vq *vq)
{
	struct virtio_net_hdr_v1 hdr = {};
	struct sk_buff *skb;
	ssize_t written;
	int n = 0;

	hdr.num_buffers = (__force __virtio16)cpu_to_le16(1);
	while (n < BUDGET && !skb_queue_empty(&vq->rxq)) {
		if (vringh_getdesc_iotlb(&vq->vring, NULL, &vq->wiov,
					 &vq->head, GFP_KERNEL) <= 0)
			break;
		vq->received++;
		skb = skb_dequeue(&vq->rxq);
		if (!skb)
			break;
		written = vringh_iov_push_iotlb(&vq->vring, &vq->wiov, &hdr,
						header_size());
		if (written == header_size())
			written += vringh_iov_push_iotlb(&vq->vring, &vq->wiov,
							 skb->data, skb->len);
		/* A packet that does not fit is lost; its buffer is not. */
		if (written != header_size() + skb->len)
			written = 0;
		complete_vq(vq, written);
		consume_skb(skb);
		n++;
	}
	if (n)
		notify(vq);
	return n == BUDGET;
}

void twin_vdpa_work(struct work_struct *work)
{
	struct twin_vdpa *vdpa = container_of(work, struct twin_vdpa, work);
	bool more = false;
	unsigned int i;

	mutex_lock(&vdpa->lock);
	if (vdpa->running) {
		control(vdpa);
		for (i = 0; i < vdpa->max_pairs; i++) {
			struct twin_vq *rx = &vdpa->vqs[2 * i];
			struct twin_vq *tx = &vdpa->vqs[2 * i + 1];

			if (rx->ready)
				more |= receive(rx);
			if (tx->ready)
				more |= transmit(vdpa, tx);
		}
	}
	mutex_unlock(&vdpa->lock);
	if (more)
		queue_work(twin_wq, &vdpa->work);
}

static bool wants(struct twin_vdpa *vdpa, const u8 *dst)
{
	bool ok;

	if (is_multicast_ether_addr(dst))
		return true;
	spin_lock_bh(&vdpa->config_lock);
	ok = is_zero_ether_addr(vdpa->config.mac) ||
	     ether_addr_equal(vdpa->config.mac, dst);
	spin_unlock_bh(&vdpa->config_lock);
	return ok;
}

bool twin_vdpa_has_mac(struct twin_vdpa *vdpa, const u8 *mac)
{
	return ether_addr_equal(vdpa->config.mac, mac);
}

/*
 * Takes @skb, from the data path, if the device runs and it is for it.
 * False: the caller keeps it.
 */
bool twin_vdpa_deliver(struct twin_vdpa *vdpa, struct sk_buff *skb)
{
	unsigned int pairs = READ_ONCE(vdpa->cur_pairs);
	struct twin_vq *vq;

	if (!READ_ONCE(vdpa->running) || !pskb_may_pull(skb, ETH_HLEN) ||
	    !wants(vdpa, skb->data))
		return false;
	skb_reset_mac_header(skb);
	skb_set_network_header(skb, ETH_HLEN);
	skb->protocol = eth_hdr(skb)->h_proto;
	vq = &vdpa->vqs[2 * (pairs > 1 ? skb_get_hash(skb) % pairs : 0)];
	if (skb_linearize(skb) || skb_queue_len(&vq->rxq) >= TWIN_RXQ_MAX) {
		atomic64_inc(&vdpa->vport->dropped);
		kfree_skb(skb);
		return true;
	}
	skb_orphan(skb);
	skb_dst_drop(skb);
	skb_queue_tail(&vq->rxq, skb);
	queue_work(twin_wq, &vdpa->work);
	return true;
}

/* RCU. */
void twin_vdpa_link_changed(struct twin_vdpa *vdpa)
{
	spin_lock_bh(&vdpa->config_lock);
	if (vdpa->config_cb.callback)
		vdpa->config_cb.callback(vdpa->config_cb.private);
	spin_unlock_bh(&vdpa->config_lock);
}
