// SPDX-License-Identifier: GPL-2.0
/*
 * What the driver does for virtual functions: a devlink instance, a netdev
 * and a vDPA management device.
 */
#include "twin.h"

static int vf_up(struct twin_vf *vf)
{
	struct net_device *netdev;
	int err;

	lockdep_assert_held(&vf->lock);
	if (vf->up)
		return 0;
	netdev = twin_nic_create(vf);
	if (IS_ERR(netdev))
		return PTR_ERR(netdev);
	vf->netdev = netdev;
	err = twin_vdpa_mgmt_register(vf);
	if (err) {
		twin_nic_destroy(vf);
		return err;
	}
	vf->up = true;
	return 0;
}

static void vf_down(struct twin_vf *vf)
{
	lockdep_assert_held(&vf->lock);
	if (!vf->up)
		return;
	twin_vdpa_mgmt_unregister(vf);
	twin_nic_destroy(vf);
	vf->up = false;
}

static void bind_work(struct work_struct *work)
{
	struct twin_vf *vf = container_of(to_delayed_work(work),
					  struct twin_vf, bind_work);

	mutex_lock(&vf->lock);
	if (vf_up(vf))
		pci_err(vf->pdev, "late start failed\n");
	mutex_unlock(&vf->lock);
}

/*
 * While the e-switch changes its mode there are no management devices, and
 * so no vDPA devices: mlx5 takes its auxiliary devices away, too.
 */
void twin_vf_mgmt_pause(struct twin_pf *pf)
{
	unsigned int i;

	mutex_lock(&pf->vf_lock);
	for (i = 0; i < TWIN_MAX_VFS; i++) {
		struct twin_vf *vf = pf->vports[i].vf;

		if (!vf)
			continue;
		mutex_lock(&vf->lock);
		twin_vdpa_mgmt_unregister(vf);
		mutex_unlock(&vf->lock);
	}
	mutex_unlock(&pf->vf_lock);
}

void twin_vf_mgmt_resume(struct twin_pf *pf)
{
	unsigned int i;

	mutex_lock(&pf->vf_lock);
	for (i = 0; i < TWIN_MAX_VFS; i++) {
		struct twin_vf *vf = pf->vports[i].vf;

		if (!vf)
			continue;
		mutex_lock(&vf->lock);
		if (vf->up && twin_vdpa_mgmt_register(vf))
			pci_err(vf->pdev, "no vDPA management device\n");
		mutex_unlock(&vf->lock);
	}
	mutex_unlock(&pf->vf_lock);
}

int twin_vf_probe(struct pci_dev *pdev)
{
	struct twin_pf *pf = pci_get_drvdata(pci_physfn(pdev));
	int id = pci_iov_vf_id(pdev);
	struct devlink_port_attrs attrs = {
		.flavour = DEVLINK_PORT_FLAVOUR_VIRTUAL,
	};
	struct devlink *devlink;
	struct twin_vf *vf;
	u32 delay;
	int err;

	if (!pf || id < 0 || id >= TWIN_MAX_VFS)
		return -ENODEV;
	err = twin_fail_hit(&pf->knobs.vf_bind_fail, NULL);
	if (err)
		return err;
	devlink = devlink_alloc(&twin_vf_devlink_ops, sizeof(*vf), &pdev->dev);
	if (!devlink)
		return -ENOMEM;
	vf = devlink_priv(devlink);
	vf->pdev = pdev;
	vf->devlink = devlink;
	vf->vport = &pf->vports[id];
	mutex_init(&vf->lock);
	INIT_DELAYED_WORK(&vf->bind_work, bind_work);
	pci_set_drvdata(pdev, vf);

	err = pci_enable_device(pdev);
	if (err)
		goto no_device;
	err = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (err)
		goto no_dma;
	pci_set_master(pdev);
	devl_lock(devlink);
	err = devl_register(devlink);
	if (!err) {
		devlink_port_attrs_set(&vf->dl_port, &attrs);
		err = devl_port_register(devlink, &vf->dl_port, 1);
		if (err)
			devl_unregister(devlink);
	}
	devl_unlock(devlink);
	if (err)
		goto no_dma;

	delay = READ_ONCE(pf->knobs.vf_bind_delay_ms);
	if (delay) {
		queue_delayed_work(twin_wq, &vf->bind_work,
				   msecs_to_jiffies(delay));
	} else {
		mutex_lock(&vf->lock);
		err = vf_up(vf);
		mutex_unlock(&vf->lock);
		if (err)
			goto no_up;
	}
	mutex_lock(&pf->vf_lock);
	vf->vport->vf = vf;
	mutex_unlock(&pf->vf_lock);
	return 0;

no_up:
	devl_lock(devlink);
	devl_port_unregister(&vf->dl_port);
	devl_unregister(devlink);
	devl_unlock(devlink);
no_dma:
	pci_disable_device(pdev);
no_device:
	devlink_free(devlink);
	return err;
}

void twin_vf_remove(struct pci_dev *pdev)
{
	struct twin_vf *vf = pci_get_drvdata(pdev);
	struct twin_pf *pf = vf->vport->pf;
	struct devlink *devlink = vf->devlink;

	mutex_lock(&pf->vf_lock);
	vf->vport->vf = NULL;
	mutex_unlock(&pf->vf_lock);
	cancel_delayed_work_sync(&vf->bind_work);
	mutex_lock(&vf->lock);
	vf_down(vf);
	mutex_unlock(&vf->lock);
	devl_lock(devlink);
	devl_port_unregister(&vf->dl_port);
	devl_unregister(devlink);
	devl_unlock(devlink);
	pci_disable_device(pdev);
	devlink_free(devlink);
}

/* A function-level reset of a VF (sysfs "reset"): gone and back. */
void twin_vf_reset_prepare(struct pci_dev *pdev)
{
	struct twin_vf *vf = pci_get_drvdata(pdev);

	cancel_delayed_work_sync(&vf->bind_work);
	mutex_lock(&vf->lock);
	vf_down(vf);
	mutex_unlock(&vf->lock);
}

void twin_vf_reset_done(struct pci_dev *pdev)
{
	struct twin_vf *vf = pci_get_drvdata(pdev);

	mutex_lock(&vf->lock);
	if (vf_up(vf))
		pci_err(pdev, "no netdev after the reset\n");
	mutex_unlock(&vf->lock);
}
