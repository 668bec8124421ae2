// SPDX-License-Identifier: GPL-2.0
/*
 * Module parameters, start and end.
 */
#include <linux/module.h>

#include "twin.h"

unsigned int twin_pfs = TWIN_MAX_PFS;
module_param_named(pfs, twin_pfs, uint, 0444);
MODULE_PARM_DESC(pfs, "physical functions (1 or 2, default 2)");

unsigned int twin_vfs = TWIN_MAX_VFS;
module_param_named(vfs, twin_vfs, uint, 0444);
MODULE_PARM_DESC(vfs, "sriov_totalvfs of each (1 to 127, default 127)");

unsigned int twin_domain = 1;
module_param_named(domain, twin_domain, uint, 0444);
MODULE_PARM_DESC(domain, "PCI domain (default 1)");

unsigned int twin_bus = 8;
module_param_named(bus, twin_bus, uint, 0444);
MODULE_PARM_DESC(bus, "PCI bus (default 8)");

unsigned int twin_vdpa_pairs = 32;
module_param_named(vdpa_pairs, twin_vdpa_pairs, uint, 0444);
MODULE_PARM_DESC(vdpa_pairs, "queue pairs of a vDPA device (default 32)");

bool twin_eth_names;
module_param_named(eth_names, twin_eth_names, bool, 0444);
MODULE_PARM_DESC(eth_names, "name netdevs eth<N> as mlx5 does (default no)");

bool twin_separate_switch;
module_param_named(separate_switch, twin_separate_switch, bool, 0444);
MODULE_PARM_DESC(separate_switch,
		 "a switch id for each PF (default: one, as mlx5 has)");

struct workqueue_struct *twin_wq;

/* The name of a new netdev: eth%d if asked for, else what the caller says. */
const char *twin_ifname(char *buf, size_t size, const char *fmt, ...)
{
	va_list args;

	if (twin_eth_names)
		return "eth%d";
	va_start(args, fmt);
	vsnprintf(buf, size, fmt, args);
	va_end(args);
	return buf;
}

static int __init twin_init(void)
{
	int err;

	if (!twin_pfs || twin_pfs > TWIN_MAX_PFS || !twin_vfs ||
	    twin_vfs > TWIN_MAX_VFS || twin_domain > 0xffff ||
	    twin_bus > 0xff || !twin_vdpa_pairs || twin_vdpa_pairs > 128)
		return -EINVAL;

	/* Not WQ_MEM_RECLAIM: works here allocate memory and sleep. */
	twin_wq = alloc_workqueue(TWIN_NAME, WQ_UNBOUND, 0);
	if (!twin_wq)
		return -ENOMEM;
	twin_knobs_create();
	err = pci_register_driver(&twin_pci_driver);
	if (err)
		goto no_driver;
	err = twin_pci_create();
	if (err)
		goto no_bus;
	return 0;

no_bus:
	pci_unregister_driver(&twin_pci_driver);
no_driver:
	twin_knobs_destroy();
	destroy_workqueue(twin_wq);
	return err;
}

static void __exit twin_exit(void)
{
	twin_pf_quiesce();
	twin_pci_destroy();
	pci_unregister_driver(&twin_pci_driver);
	twin_knobs_destroy();
	destroy_workqueue(twin_wq);
	/* Rules and vports are freed by RCU callbacks in this module. */
	rcu_barrier();
}

module_init(twin_init);
module_exit(twin_exit);

MODULE_DESCRIPTION("simulated ConnectX-6 Dx with SR-IOV, switchdev and vDPA");
MODULE_SOFTDEP("pre: twin_iommu");
MODULE_LICENSE("GPL");
