// SPDX-License-Identifier: GPL-2.0
/*
 * A PCI root bus whose configuration space is an array in memory.
 *
 * The PCI core finds the PFs by scanning it and makes the VFs itself, from
 * the SR-IOV capability, when someone writes sriov_numvfs.
 */
#include <linux/pci_regs.h>
#include <linux/vmalloc.h>

#include "twin.h"

#define CFG_SIZE	1024	/* of each function; what is beyond reads 0 */
#define PM_CAP		0x40
#define EXP_CAP		0x60
#define SRIOV_CAP	0x100

static u8 (*cfg_space)[CFG_SIZE];	/* by devfn */
static struct pci_bus *root_bus;
static struct pci_sysdata sysdata;
static struct resource bus_range = {
	.name = "twin bus",
	.flags = IORESOURCE_BUS,
};

static void put16(u8 *cfg, unsigned int at, u16 value)
{
	put_unaligned_le16(value, cfg + at);
}

static void put32(u8 *cfg, unsigned int at, u32 value)
{
	put_unaligned_le32(value, cfg + at);
}

/* VFs follow the PFs on the same bus: all of them fit without ARI. */
static unsigned int vf_offset(unsigned int pf)
{
	return TWIN_MAX_PFS + pf * twin_vfs - pf;
}

static void fill_common(u8 *cfg)
{
	put16(cfg, PCI_STATUS, PCI_STATUS_CAP_LIST);
	put16(cfg, PCI_CLASS_DEVICE, PCI_CLASS_NETWORK_ETHERNET);
	put16(cfg, PCI_SUBSYSTEM_VENDOR_ID, TWIN_VENDOR);
	put16(cfg, PCI_SUBSYSTEM_ID, 0x0083);
	cfg[PCI_CAPABILITY_LIST] = PM_CAP;

	cfg[PM_CAP] = PCI_CAP_ID_PM;
	cfg[PM_CAP + PCI_CAP_LIST_NEXT] = EXP_CAP;
	put16(cfg, PM_CAP + PCI_PM_PMC, 3);	/* version 1.2, D0 and D3 */
	put16(cfg, PM_CAP + PCI_PM_CTRL, PCI_PM_CTRL_NO_SOFT_RESET);

	cfg[EXP_CAP] = PCI_CAP_ID_EXP;
	put16(cfg, EXP_CAP + PCI_EXP_FLAGS, 2 | (PCI_EXP_TYPE_ENDPOINT << 4));
	put32(cfg, EXP_CAP + PCI_EXP_DEVCAP,
	      PCI_EXP_DEVCAP_FLR | PCI_EXP_DEVCAP_RBER | 2);
	put32(cfg, EXP_CAP + PCI_EXP_LNKCAP,
	      PCI_EXP_LNKCAP_SLS_16_0GB | (16 << 4));
	put16(cfg, EXP_CAP + PCI_EXP_LNKSTA,
	      PCI_EXP_LNKSTA_CLS_16_0GB | (16 << 4));
}

static void fill_pf(unsigned int pf)
{
	u8 *cfg = cfg_space[pf];

	fill_common(cfg);
	put16(cfg, PCI_VENDOR_ID, TWIN_VENDOR);
	put16(cfg, PCI_DEVICE_ID, TWIN_PF_DEVICE);
	cfg[PCI_HEADER_TYPE] = twin_pfs > 1 ? PCI_HEADER_TYPE_MFD : 0;

	put32(cfg, SRIOV_CAP, PCI_EXT_CAP_ID_SRIOV | (1 << 16));
	put16(cfg, SRIOV_CAP + PCI_SRIOV_INITIAL_VF, twin_vfs);
	put16(cfg, SRIOV_CAP + PCI_SRIOV_TOTAL_VF, twin_vfs);
	cfg[SRIOV_CAP + PCI_SRIOV_FUNC_LINK] = pf;
	put16(cfg, SRIOV_CAP + PCI_SRIOV_VF_OFFSET, vf_offset(pf));
	put16(cfg, SRIOV_CAP + PCI_SRIOV_VF_STRIDE, 1);
	put16(cfg, SRIOV_CAP + PCI_SRIOV_VF_DID, TWIN_VF_DEVICE);
	put32(cfg, SRIOV_CAP + PCI_SRIOV_SUP_PGSIZE, 0x553);
	put32(cfg, SRIOV_CAP + PCI_SRIOV_SYS_PGSIZE, 1);
}

/* A VF's vendor and device id read as ones, as the SR-IOV standard says. */
static void fill_vf(unsigned int devfn)
{
	u8 *cfg = cfg_space[devfn];

	fill_common(cfg);
	put32(cfg, PCI_VENDOR_ID, ~0u);
}

static bool function_present(unsigned int devfn)
{
	unsigned int pf;

	if (devfn < twin_pfs)
		return true;
	for (pf = 0; pf < twin_pfs; pf++) {
		const u8 *iov = cfg_space[pf] + SRIOV_CAP;
		unsigned int first = pf + vf_offset(pf);

		if (devfn >= first && devfn < first + twin_vfs)
			return (iov[PCI_SRIOV_CTRL] & PCI_SRIOV_CTRL_VFE) &&
			       devfn - first <
			       get_unaligned_le16(iov + PCI_SRIOV_NUM_VF);
	}
	return false;
}

static int cfg_read(struct pci_bus *bus, unsigned int devfn, int where,
		    int size, u32 *value)
{
	const u8 *at;

	if (bus->number != twin_bus || !function_present(devfn)) {
		*value = ~0u;
		return PCIBIOS_DEVICE_NOT_FOUND;
	}
	*value = 0;
	if (where + size > CFG_SIZE)
		return PCIBIOS_SUCCESSFUL;
	at = cfg_space[devfn] + where;
	switch (size) {
	case 1:
		*value = *at;
		break;
	case 2:
		*value = get_unaligned_le16(at);
		break;
	case 4:
		*value = get_unaligned_le32(at);
		break;
	}
	return PCIBIOS_SUCCESSFUL;
}

/* Bits of the byte at @where that software may change. */
static u8 writable(unsigned int devfn, int where)
{
	bool pf = devfn < twin_pfs;

	switch (where) {
	case PCI_COMMAND:
		return PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY;
	case PCI_COMMAND + 1:
		return PCI_COMMAND_INTX_DISABLE >> 8;
	case PCI_CACHE_LINE_SIZE:
	case PCI_INTERRUPT_LINE:
		return 0xff;
	case PM_CAP + PCI_PM_CTRL:
		return PCI_PM_CTRL_STATE_MASK;
	case EXP_CAP + PCI_EXP_DEVCTL:
		return 0xff;
	case EXP_CAP + PCI_EXP_DEVCTL + 1:
		/* A function-level reset is over at once. */
		return 0x7f;
	case SRIOV_CAP + PCI_SRIOV_CTRL:
		return pf ? PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE : 0;
	case SRIOV_CAP + PCI_SRIOV_NUM_VF:
	case SRIOV_CAP + PCI_SRIOV_NUM_VF + 1:
	case SRIOV_CAP + PCI_SRIOV_SYS_PGSIZE:
		return pf ? 0xff : 0;
	default:
		return 0;
	}
}

static int cfg_write(struct pci_bus *bus, unsigned int devfn, int where,
		     int size, u32 value)
{
	int i;

	if (bus->number != twin_bus || !function_present(devfn))
		return PCIBIOS_DEVICE_NOT_FOUND;
	if (where + size > CFG_SIZE)
		return PCIBIOS_SUCCESSFUL;
	for (i = 0; i < size; i++) {
		u8 *at = cfg_space[devfn] + where + i;
		u8 mask = writable(devfn, where + i);

		*at = (*at & ~mask) | ((value >> (8 * i)) & mask);
	}
	return PCIBIOS_SUCCESSFUL;
}

static struct pci_ops cfg_ops = {
	.read = cfg_read,
	.write = cfg_write,
};

/* Makes the bus and, by scanning it, the PFs. */
int twin_pci_create(void)
{
	LIST_HEAD(resources);
	unsigned int pf, i;

	cfg_space = vzalloc(array_size(256, CFG_SIZE));
	if (!cfg_space)
		return -ENOMEM;
	for (pf = 0; pf < twin_pfs; pf++) {
		fill_pf(pf);
		for (i = 0; i < twin_vfs; i++)
			fill_vf(pf + vf_offset(pf) + i);
	}

	sysdata.domain = twin_domain;
	sysdata.node = NUMA_NO_NODE;
	bus_range.start = twin_bus;
	bus_range.end = twin_bus;
	pci_add_resource(&resources, &bus_range);

	pci_lock_rescan_remove();
	root_bus = pci_create_root_bus(NULL, twin_bus, &cfg_ops, &sysdata,
				       &resources);
	if (root_bus) {
		pci_scan_child_bus(root_bus);
		pci_bus_add_devices(root_bus);
	}
	pci_unlock_rescan_remove();
	if (!root_bus) {
		pci_free_resource_list(&resources);
		vfree(cfg_space);
		return -ENODEV;
	}
	return 0;
}

void twin_pci_destroy(void)
{
	pci_lock_rescan_remove();
	pci_stop_root_bus(root_bus);
	pci_remove_root_bus(root_bus);
	pci_unlock_rescan_remove();
	vfree(cfg_space);
}
