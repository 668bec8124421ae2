// SPDX-License-Identifier: GPL-2.0
/*
 * The e-switch's vports and modes.
 */
#include "eswitch.h"

static void vports_off(struct twin_pf *pf, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		pf->vports[i].rep_wanted = false;
		cancel_delayed_work(&pf->vports[i].rep_work);
	}
	twin_reps_destroy(pf->vports, n);
	for (i = n; i--; ) {
		twin_table_flush(pf->vports[i].table);
		twin_devlink_port_unregister(&pf->vports[i]);
	}
}

static int vport_on(struct twin_vport *vport)
{
	u32 delay = READ_ONCE(vport->pf->knobs.rep_delay_ms);
	int err;

	err = twin_devlink_port_register(vport);
	if (err)
		return err;
	if (delay) {
		vport->rep_wanted = true;
		mod_delayed_work(twin_wq, &vport->rep_work,
				 msecs_to_jiffies(delay));
		return 0;
	}
	err = twin_rep_create(vport);
	if (err)
		twin_devlink_port_unregister(vport);
	return err;
}

/* A representor that appears late. */
static void rep_work(struct work_struct *work)
{
	struct twin_vport *vport = container_of(to_delayed_work(work),
						struct twin_vport, rep_work);

	devl_lock(vport->pf->devlink);
	if (vport->rep_wanted) {
		vport->rep_wanted = false;
		if (twin_rep_create(vport))
			pci_err(vport->pf->pdev, "no representor for VF %u\n",
				vport->index);
	}
	devl_unlock(vport->pf->devlink);
}

static int vports_on(struct twin_pf *pf)
{
	unsigned int i;
	int err;

	for (i = 0; i < pf->n_vports; i++) {
		err = vport_on(&pf->vports[i]);
		if (err) {
			vports_off(pf, i);
			return err;
		}
	}
	return 0;
}

/* Serves the first @n VFs, none with 0.  Devlink instance lock. */
int twin_eswitch_set_vfs(struct twin_pf *pf, unsigned int n)
{
	int err;

	devl_assert_locked(pf->devlink);
	if (pf->mode == DEVLINK_ESWITCH_MODE_SWITCHDEV)
		vports_off(pf, pf->n_vports);
	pf->n_vports = n;
	if (pf->mode != DEVLINK_ESWITCH_MODE_SWITCHDEV)
		return 0;
	err = vports_on(pf);
	if (err)
		pf->n_vports = 0;
	return err;
}

/* Devlink instance lock. */
int twin_eswitch_set_mode(struct twin_pf *pf, u16 mode,
			  struct netlink_ext_ack *extack)
{
	unsigned int i;
	int err = 0;

	devl_assert_locked(pf->devlink);
	if (mode == pf->mode)
		return 0;
	twin_vf_mgmt_pause(pf);
	if (mode == DEVLINK_ESWITCH_MODE_SWITCHDEV) {
		WRITE_ONCE(pf->mode, mode);
		twin_flower_indirect(pf, true);
		err = vports_on(pf);
		if (err) {
			NL_SET_ERR_MSG_MOD(extack, "no representors");
			twin_flower_indirect(pf, false);
			WRITE_ONCE(pf->mode, DEVLINK_ESWITCH_MODE_LEGACY);
		}
	} else {
		vports_off(pf, pf->n_vports);
		twin_flower_indirect(pf, false);
		twin_table_flush(pf->uplink.table);
		WRITE_ONCE(pf->mode, mode);
	}
	for (i = 0; i < pf->n_vports; i++)
		twin_update_link(&pf->vports[i]);
	twin_vf_mgmt_resume(pf);
	return err;
}

/* Addresses and counters of VFs do not outlive them, as with mlx5. */
void twin_eswitch_forget(struct twin_pf *pf)
{
	unsigned int i;

	for (i = 0; i < TWIN_MAX_VFS; i++) {
		struct twin_vport *vport = &pf->vports[i];

		spin_lock(&vport->mac_lock);
		eth_zero_addr(vport->mac);
		spin_unlock(&vport->mac_lock);
		memset(&vport->from, 0, sizeof(vport->from));
		memset(&vport->to, 0, sizeof(vport->to));
		memset(&vport->slow_from, 0, sizeof(vport->slow_from));
		memset(&vport->slow_to, 0, sizeof(vport->slow_to));
		atomic64_set(&vport->dropped, 0);
	}
}

/* Waits for late representors; they must not be wanted any more. */
void twin_eswitch_flush_work(struct twin_pf *pf)
{
	unsigned int i;

	for (i = 0; i < TWIN_MAX_VFS; i++)
		cancel_delayed_work_sync(&pf->vports[i].rep_work);
}

static int vport_init(struct twin_pf *pf, struct twin_vport *vport, u16 index)
{
	vport->pf = pf;
	vport->index = index;
	vport->link_up = index != TWIN_UPLINK;
	spin_lock_init(&vport->mac_lock);
	INIT_DELAYED_WORK(&vport->rep_work, rep_work);
	vport->table = twin_table_new(pf);
	return vport->table ? 0 : -ENOMEM;
}

int twin_eswitch_init(struct twin_pf *pf)
{
	unsigned int i;

	pf->mode = DEVLINK_ESWITCH_MODE_LEGACY;
	pf->inline_mode = DEVLINK_ESWITCH_INLINE_MODE_NONE;
	pf->encap_mode = DEVLINK_ESWITCH_ENCAP_MODE_BASIC;
	pf->vports = kvcalloc(TWIN_MAX_VFS, sizeof(*pf->vports), GFP_KERNEL);
	if (!pf->vports)
		return -ENOMEM;
	if (vport_init(pf, &pf->uplink, TWIN_UPLINK))
		goto no_memory;
	for (i = 0; i < TWIN_MAX_VFS; i++)
		if (vport_init(pf, &pf->vports[i], i))
			goto no_memory;
	return 0;

no_memory:
	twin_eswitch_fini(pf);
	return -ENOMEM;
}

void twin_eswitch_fini(struct twin_pf *pf)
{
	unsigned int i;

	/* The data path looks rules up in these. */
	synchronize_net();
	if (pf->uplink.table)
		twin_table_free(pf->uplink.table);
	for (i = 0; i < TWIN_MAX_VFS; i++)
		if (pf->vports[i].table)
			twin_table_free(pf->vports[i].table);
	kvfree(pf->vports);
	pf->vports = NULL;
}
