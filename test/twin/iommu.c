// SPDX-License-Identifier: GPL-2.0
/*
 * twin_iommu: an IOMMU that does nothing, for the simulated card.
 *
 * vfio-pci binds only devices that are in an IOMMU group, as on any host that
 * gives VFs to guests, and Debian's kernel has no VFIO_NOIOMMU.  Addresses are
 * passed through, so a VF can be bound but not opened by a guest.
 *
 * A module of its own, because each device in a group holds a reference on
 * the module of its IOMMU: the card's could never be unloaded.
 */
#include <linux/iommu.h>
#include <linux/module.h>
#include <linux/pci.h>

static struct iommu_device iommu;

static int attach(struct iommu_domain *domain, struct device *dev)
{
	return 0;
}

static const struct iommu_domain_ops domain_ops = {
	.attach_dev = attach,
};

static struct iommu_domain identity = {
	.type = IOMMU_DOMAIN_IDENTITY,
	.ops = &domain_ops,
};

static struct iommu_domain blocked = {
	.type = IOMMU_DOMAIN_BLOCKED,
	.ops = &domain_ops,
};

static bool iommu_can(struct device *dev, enum iommu_cap cap)
{
	return cap == IOMMU_CAP_CACHE_COHERENCY;
}

static struct iommu_device *probe_device(struct device *dev)
{
	struct pci_dev *pdev;

	if (!dev_is_pci(dev))
		return ERR_PTR(-ENODEV);
	pdev = to_pci_dev(dev);
	/* The card's ids are the real one's; its place is not. */
	if (pdev->vendor != 0x15b3 || !pci_is_root_bus(pdev->bus) ||
	    !pci_domain_nr(pdev->bus) ||
	    (pdev->device != 0x101d && pdev->device != 0x101e))
		return ERR_PTR(-ENODEV);
	return &iommu;
}

static const struct iommu_ops ops = {
	.capable = iommu_can,
	.probe_device = probe_device,
	.device_group = generic_device_group,
	.default_domain = &identity,
	.identity_domain = &identity,
	.blocked_domain = &blocked,
	.pgsize_bitmap = PAGE_SIZE,
	.owner = THIS_MODULE,
};

static int __init twin_iommu_init(void)
{
	int err = iommu_device_sysfs_add(&iommu, NULL, NULL, "twin_iommu");

	if (err)
		return err;
	err = iommu_device_register(&iommu, &ops, NULL);
	if (err)
		iommu_device_sysfs_remove(&iommu);
	return err;
}

static void __exit twin_iommu_exit(void)
{
	iommu_device_unregister(&iommu);
	iommu_device_sysfs_remove(&iommu);
}

module_init(twin_iommu_init);
module_exit(twin_iommu_exit);

MODULE_DESCRIPTION("IOMMU groups for the simulated card");
MODULE_LICENSE("GPL");
