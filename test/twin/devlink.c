// SPDX-License-Identifier: GPL-2.0
/*
 * Devlink: device information, the e-switch's attributes and ports.
 */
#include "twin.h"

static int info_get(struct devlink *devlink, struct devlink_info_req *req,
		    struct netlink_ext_ack *extack)
{
	struct twin_pf *pf = devlink_priv(devlink);
	char serial[24];
	int err;

	twin_delay(&pf->knobs.devlink_delay_ms);
	snprintf(serial, sizeof(serial), "twin%04x%02x%u", twin_domain,
		 twin_bus, pf->index);
	err = devlink_info_serial_number_put(req, serial);
	if (!err)
		err = devlink_info_version_fixed_put(req, "fw.psid",
						     TWIN_PSID);
	if (!err)
		err = devlink_info_version_running_put(req, "fw.version",
						       TWIN_FW_VERSION);
	if (!err)
		err = devlink_info_version_running_put(
			req, DEVLINK_INFO_VERSION_GENERIC_FW, TWIN_FW_VERSION);
	return err;
}

static int mode_get(struct devlink *devlink, u16 *mode)
{
	struct twin_pf *pf = devlink_priv(devlink);

	twin_delay(&pf->knobs.devlink_delay_ms);
	*mode = pf->mode;
	return 0;
}

static int mode_set(struct devlink *devlink, u16 mode,
		    struct netlink_ext_ack *extack)
{
	struct twin_pf *pf = devlink_priv(devlink);
	int n = pci_num_vf(pf->pdev);
	int err;

	if (mode != DEVLINK_ESWITCH_MODE_LEGACY &&
	    mode != DEVLINK_ESWITCH_MODE_SWITCHDEV) {
		NL_SET_ERR_MSG_MOD(extack, "mode not supported");
		return -EINVAL;
	}
	twin_delay(&pf->knobs.mode_delay_ms);
	if (mode == pf->mode)
		return 0;
	if (READ_ONCE(pf->resetting)) {
		NL_SET_ERR_MSG_MOD(extack, "a firmware reset is in progress");
		return -EBUSY;
	}
	err = twin_fail_hit(&pf->knobs.mode_fail, extack);
	if (err)
		return err;
	if (pf->knobs.mode_order == TWIN_MODE_WITHOUT_VFS && n) {
		NL_SET_ERR_MSG_MOD(extack,
				   "mode cannot change while VFs exist");
		return -EOPNOTSUPP;
	}
	if (pf->knobs.mode_order == TWIN_MODE_WITH_VFS && !n &&
	    mode == DEVLINK_ESWITCH_MODE_SWITCHDEV) {
		NL_SET_ERR_MSG_MOD(extack, "switchdev mode needs VFs");
		return -EINVAL;
	}
	return twin_eswitch_set_mode(pf, mode, extack);
}

static int inline_get(struct devlink *devlink, u8 *mode)
{
	struct twin_pf *pf = devlink_priv(devlink);

	*mode = pf->inline_mode;
	return 0;
}

static int inline_set(struct devlink *devlink, u8 mode,
		      struct netlink_ext_ack *extack)
{
	struct twin_pf *pf = devlink_priv(devlink);

	if (pf->mode != DEVLINK_ESWITCH_MODE_SWITCHDEV)
		return -EOPNOTSUPP;
	if (atomic_read(&pf->n_rules)) {
		NL_SET_ERR_MSG_MOD(extack,
				   "cannot change while rules are offloaded");
		return -EOPNOTSUPP;
	}
	pf->inline_mode = mode;
	return 0;
}

static int encap_get(struct devlink *devlink,
		     enum devlink_eswitch_encap_mode *mode)
{
	struct twin_pf *pf = devlink_priv(devlink);

	*mode = pf->encap_mode;
	return 0;
}

static int encap_set(struct devlink *devlink,
		     enum devlink_eswitch_encap_mode mode,
		     struct netlink_ext_ack *extack)
{
	struct twin_pf *pf = devlink_priv(devlink);

	if (atomic_read(&pf->n_rules)) {
		NL_SET_ERR_MSG_MOD(extack,
				   "cannot change while rules are offloaded");
		return -EOPNOTSUPP;
	}
	pf->encap_mode = mode;
	return 0;
}

const struct devlink_ops twin_devlink_ops = {
	.info_get = info_get,
	.eswitch_mode_get = mode_get,
	.eswitch_mode_set = mode_set,
	.eswitch_inline_mode_get = inline_get,
	.eswitch_inline_mode_set = inline_set,
	.eswitch_encap_mode_get = encap_get,
	.eswitch_encap_mode_set = encap_set,
};

/* A VF's instance has nothing to set, and as with mlx5 nothing to tell but
 * its driver, which devlink does. */
static int vf_info_get(struct devlink *devlink, struct devlink_info_req *req,
		       struct netlink_ext_ack *extack)
{
	return 0;
}

const struct devlink_ops twin_vf_devlink_ops = {
	.info_get = vf_info_get,
};

static struct twin_vport *port_vport(struct devlink_port *port)
{
	return container_of(port, struct twin_vport, dl_port);
}

static int hw_addr_get(struct devlink_port *port, u8 *addr, int *len,
		       struct netlink_ext_ack *extack)
{
	struct twin_vport *vport = port_vport(port);

	twin_delay(&vport->pf->knobs.devlink_delay_ms);
	spin_lock(&vport->mac_lock);
	ether_addr_copy(addr, vport->mac);
	spin_unlock(&vport->mac_lock);
	*len = ETH_ALEN;
	return 0;
}

static int hw_addr_set(struct devlink_port *port, const u8 *addr, int len,
		       struct netlink_ext_ack *extack)
{
	struct twin_vport *vport = port_vport(port);
	int err;

	/* Length and kind of the address have been checked by the core. */
	twin_delay(&vport->pf->knobs.devlink_delay_ms);
	err = twin_fail_hit(&vport->pf->knobs.function_fail, extack);
	if (err)
		return err;
	spin_lock(&vport->mac_lock);
	ether_addr_copy(vport->mac, addr);
	spin_unlock(&vport->mac_lock);
	return 0;
}

static const struct devlink_port_ops vf_port_ops = {
	.port_fn_hw_addr_get = hw_addr_get,
	.port_fn_hw_addr_set = hw_addr_set,
};

/* Devlink instance lock. */
int twin_devlink_uplink_register(struct twin_pf *pf)
{
	struct twin_vport *vport = &pf->uplink;
	struct devlink_port_attrs attrs = {
		.flavour = DEVLINK_PORT_FLAVOUR_PHYSICAL,
		.phys.port_number = pf->index,
		.switch_id = pf->switch_id,
	};
	int err;

	devlink_port_attrs_set(&vport->dl_port, &attrs);
	err = devl_port_register(pf->devlink, &vport->dl_port,
				 (pf->index << 16) | TWIN_UPLINK);
	vport->dl_port_registered = !err;
	return err;
}

/* The pcivf port of a VF.  Devlink instance lock. */
int twin_devlink_port_register(struct twin_vport *vport)
{
	struct twin_pf *pf = vport->pf;
	int err;

	vport->dl_port.attrs.switch_id = pf->switch_id;
	devlink_port_attrs_pci_vf_set(&vport->dl_port, 0, pf->index,
				      vport->index, false);
	err = devl_port_register_with_ops(pf->devlink, &vport->dl_port,
					  (pf->index << 16) |
					  (vport->index + 1), &vf_port_ops);
	vport->dl_port_registered = !err;
	return err;
}

/* Devlink instance lock. */
void twin_devlink_port_unregister(struct twin_vport *vport)
{
	if (!vport->dl_port_registered)
		return;
	devl_port_unregister(&vport->dl_port);
	/* The core refuses to use a port structure twice otherwise. */
	memset(&vport->dl_port, 0, sizeof(vport->dl_port));
	vport->dl_port_registered = false;
}
