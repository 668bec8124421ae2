// SPDX-License-Identifier: GPL-2.0
/*
 * The PCI driver, and what it does for physical functions: bring-up, SR-IOV
 * and the firmware reset.
 */
#include <linux/delay.h>
#include <linux/module.h>

#include "twin.h"

static struct twin_pf *pfs[TWIN_MAX_PFS];	/* those that are bound */

static void reset_work(struct work_struct *work)
{
	struct twin_pf *pf = container_of(work, struct twin_pf, reset_work);
	struct device *dev = &pf->pdev->dev;
	int n;

	/* twin_pf_remove() waits for this work with the device locked. */
	while (!device_trylock(dev)) {
		if (READ_ONCE(pf->removing))
			goto out;
		msleep(20);
	}
	n = pci_num_vf(pf->pdev);

	netif_carrier_off(pf->netdev);
	pci_disable_sriov(pf->pdev);
	devl_lock(pf->devlink);
	twin_eswitch_set_vfs(pf, 0);
	devl_unlock(pf->devlink);

	msleep(READ_ONCE(pf->knobs.reset_ms));

	devl_lock(pf->devlink);
	if (twin_eswitch_set_vfs(pf, n))
		n = 0;
	devl_unlock(pf->devlink);
	if (n && pci_enable_sriov(pf->pdev, n))
		pci_err(pf->pdev, "VFs did not come back after the reset\n");
	twin_update_link(&pf->uplink);
	device_unlock(dev);
	pf->n_resets++;
out:
	WRITE_ONCE(pf->resetting, false);
}

/*
 * Does what a firmware reset does to the host: VFs, their netdevs, vDPA
 * devices and representors vanish and come back, mode and hw_addr stay.
 */
void twin_pf_reset(struct twin_pf *pf)
{
	if (READ_ONCE(pf->removing))
		return;
	WRITE_ONCE(pf->resetting, true);
	if (!queue_work(twin_wq, &pf->reset_work))
		pci_info(pf->pdev, "a reset is under way already\n");
}

/*
 * Ends resets for good, before the module goes.  They must not run while the
 * bus is being removed, and its removal could not wait for them.
 */
void twin_pf_quiesce(void)
{
	unsigned int i;

	for (i = 0; i < TWIN_MAX_PFS; i++) {
		struct twin_pf *pf = pfs[i];

		if (!pf)
			continue;
		WRITE_ONCE(pf->removing, true);
		cancel_work_sync(&pf->reset_work);
	}
}

int twin_pf_sriov_configure(struct pci_dev *pdev, int num_vfs)
{
	struct twin_pf *pf = pci_get_drvdata(pdev);
	int err;

	twin_delay(&pf->knobs.numvfs_delay_ms);
	if (!num_vfs) {
		/* As mlx5: the VFs go first, then their representors. */
		pci_disable_sriov(pdev);
		devl_lock(pf->devlink);
		twin_eswitch_set_vfs(pf, 0);
		twin_eswitch_forget(pf);
		devl_unlock(pf->devlink);
		return 0;
	}

	err = twin_fail_hit(&pf->knobs.numvfs_fail, NULL);
	if (err)
		return err;
	devl_lock(pf->devlink);
	err = twin_eswitch_set_vfs(pf, num_vfs);
	devl_unlock(pf->devlink);
	if (err)
		return err;
	err = pci_enable_sriov(pdev, num_vfs);
	if (err) {
		devl_lock(pf->devlink);
		twin_eswitch_set_vfs(pf, 0);
		devl_unlock(pf->devlink);
		return err;
	}
	return num_vfs;
}

static void set_switch_id(struct twin_pf *pf)
{
	/* One card, one system image GUID: mlx5 gives both PFs the same. */
	static const u8 guid[8] = { 0xb8, 0x59, 0x9f, 0x03, 0, 0x7e, 0xf2, 0 };

	pf->switch_id.id_len = sizeof(guid);
	memcpy(pf->switch_id.id, guid, sizeof(guid));
	if (twin_separate_switch)
		pf->switch_id.id[7] = pf->index;
}

int twin_pf_probe(struct pci_dev *pdev)
{
	struct devlink *devlink;
	struct twin_pf *pf;
	int err;

	devlink = devlink_alloc(&twin_devlink_ops, sizeof(*pf), &pdev->dev);
	if (!devlink)
		return -ENOMEM;
	pf = devlink_priv(devlink);
	pf->pdev = pdev;
	pf->devlink = devlink;
	pf->index = PCI_FUNC(pdev->devfn);
	mutex_init(&pf->vf_lock);
	INIT_LIST_HEAD(&pf->tunnels);
	INIT_LIST_HEAD(&pf->bindings);
	INIT_WORK(&pf->reset_work, reset_work);
	set_switch_id(pf);
	twin_knobs_init(pf);
	pci_set_drvdata(pdev, pf);

	err = pci_enable_device(pdev);
	if (err)
		goto no_device;
	err = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (err)
		goto no_dma;
	pci_set_master(pdev);
	err = twin_eswitch_init(pf);
	if (err)
		goto no_dma;
	devl_lock(devlink);
	err = devl_register(devlink);
	if (!err) {
		err = twin_devlink_uplink_register(pf);
		if (err)
			devl_unregister(devlink);
	}
	devl_unlock(devlink);
	if (err)
		goto no_port;
	err = twin_uplink_create(pf);
	if (err)
		goto no_uplink;
	twin_knobs_add(pf);
	pfs[pf->index] = pf;
	return 0;

no_uplink:
	devl_lock(devlink);
	twin_devlink_port_unregister(&pf->uplink);
	devl_unregister(devlink);
	devl_unlock(devlink);
no_port:
	twin_eswitch_fini(pf);
no_dma:
	pci_disable_device(pdev);
no_device:
	devlink_free(devlink);
	return err;
}

void twin_pf_remove(struct pci_dev *pdev)
{
	struct twin_pf *pf = pci_get_drvdata(pdev);
	struct devlink *devlink = pf->devlink;

	pfs[pf->index] = NULL;
	WRITE_ONCE(pf->removing, true);
	/* Writers must not find the knobs of a PF that is half gone. */
	twin_knobs_remove(pf);
	cancel_work_sync(&pf->reset_work);
	pci_disable_sriov(pdev);

	devl_lock(devlink);
	twin_eswitch_set_vfs(pf, 0);
	twin_eswitch_set_mode(pf, DEVLINK_ESWITCH_MODE_LEGACY, NULL);
	devl_unlock(devlink);
	twin_uplink_destroy(pf);
	devl_lock(devlink);
	twin_devlink_port_unregister(&pf->uplink);
	devl_unregister(devlink);
	devl_unlock(devlink);
	twin_eswitch_flush_work(pf);
	twin_eswitch_fini(pf);
	pci_disable_device(pdev);
	/* The data path may still hold a vport that lies in here. */
	synchronize_net();
	devlink_free(devlink);
}

static int probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	/* The ids are the real card's: never touch a real one. */
	if (pci_domain_nr(pdev->bus) != twin_domain ||
	    pdev->bus->number != twin_bus)
		return -ENODEV;
	return pdev->is_virtfn ? twin_vf_probe(pdev) : twin_pf_probe(pdev);
}

static void remove(struct pci_dev *pdev)
{
	if (pdev->is_virtfn)
		twin_vf_remove(pdev);
	else
		twin_pf_remove(pdev);
}

static void reset_prepare(struct pci_dev *pdev)
{
	if (pdev->is_virtfn)
		twin_vf_reset_prepare(pdev);
}

static void reset_done(struct pci_dev *pdev)
{
	if (pdev->is_virtfn)
		twin_vf_reset_done(pdev);
}

static const struct pci_error_handlers err_handlers = {
	.reset_prepare = reset_prepare,
	.reset_done = reset_done,
};

static const struct pci_device_id ids[] = {
	{ PCI_DEVICE(TWIN_VENDOR, TWIN_PF_DEVICE) },
	{ PCI_DEVICE(TWIN_VENDOR, TWIN_VF_DEVICE) },
	{ }
};

struct pci_driver twin_pci_driver = {
	.name = TWIN_NAME,
	.id_table = ids,
	.probe = probe,
	.remove = remove,
	.sriov_configure = twin_pf_sriov_configure,
	.err_handler = &err_handlers,
};
