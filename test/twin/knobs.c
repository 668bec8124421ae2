// SPDX-License-Identifier: GPL-2.0
/*
 * Fault knobs in /sys/kernel/debug/twin/<PF address>/; test/twin/README.md
 * says what each does.
 */
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>

#include "twin.h"

static struct dentry *root;

void twin_knobs_create(void)
{
	root = debugfs_create_dir(TWIN_NAME, NULL);
}

void twin_knobs_destroy(void)
{
	debugfs_remove_recursive(root);
}

void twin_delay(const u32 *ms)
{
	u32 delay = READ_ONCE(*ms);

	if (delay)
		msleep(delay);
}

/* 0, or the negative errno that this call shall fail with. */
int twin_fail_hit(struct twin_fail *fail, struct netlink_ext_ack *extack)
{
	int err = 0;

	spin_lock_bh(&fail->lock);
	if (fail->count) {
		if (fail->count > 0)
			fail->count--;
		err = -fail->error;
		if (extack && fail->text[0])
			NL_SET_ERR_MSG_FMT_MOD(extack, "%.60s", fail->text);
	}
	spin_unlock_bh(&fail->lock);
	return err;
}

static ssize_t fail_read(struct file *file, char __user *to, size_t size,
			 loff_t *at)
{
	struct twin_fail *fail = file->private_data;
	char buf[192];
	int len;

	spin_lock_bh(&fail->lock);
	len = scnprintf(buf, sizeof(buf), "%d %d %s\n", fail->count,
			fail->error, fail->text);
	spin_unlock_bh(&fail->lock);
	return simple_read_from_buffer(to, size, at, buf, len);
}

static ssize_t fail_write(struct file *file, const char __user *from,
			  size_t size, loff_t *at)
{
	struct twin_fail *fail = file->private_data;
	int count, error = EIO, used = 0;
	char buf[192];
	char *text;

	if (size >= sizeof(buf))
		return -EINVAL;
	if (copy_from_user(buf, from, size))
		return -EFAULT;
	buf[size] = '\0';
	if (sscanf(buf, "%d %d%n", &count, &error, &used) < 1)
		return -EINVAL;
	if (error < 1 || error > 133)
		return -EINVAL;
	text = strim(buf + used);
	if (!used)
		text = "";
	spin_lock_bh(&fail->lock);
	fail->count = count;
	fail->error = error;
	strscpy(fail->text, text, sizeof(fail->text));
	spin_unlock_bh(&fail->lock);
	return size;
}

static const struct file_operations fail_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.read = fail_read,
	.write = fail_write,
};

static const char *const order_names[] = {
	[TWIN_MODE_ANY] = "any",
	[TWIN_MODE_WITHOUT_VFS] = "without-vfs",
	[TWIN_MODE_WITH_VFS] = "with-vfs",
};

static ssize_t order_read(struct file *file, char __user *to, size_t size,
			  loff_t *at)
{
	struct twin_pf *pf = file->private_data;
	char buf[32];
	int len;

	len = scnprintf(buf, sizeof(buf), "%s\n",
			order_names[READ_ONCE(pf->knobs.mode_order)]);
	return simple_read_from_buffer(to, size, at, buf, len);
}

static ssize_t order_write(struct file *file, const char __user *from,
			   size_t size, loff_t *at)
{
	struct twin_pf *pf = file->private_data;
	char buf[32];
	int i;

	if (size >= sizeof(buf))
		return -EINVAL;
	if (copy_from_user(buf, from, size))
		return -EFAULT;
	buf[size] = '\0';
	i = sysfs_match_string(order_names, strim(buf));
	if (i < 0)
		return i;
	WRITE_ONCE(pf->knobs.mode_order, i);
	return size;
}

static const struct file_operations order_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.read = order_read,
	.write = order_write,
};

static int reset_get(void *data, u64 *value)
{
	struct twin_pf *pf = data;

	*value = READ_ONCE(pf->resetting);
	return 0;
}

static int reset_set(void *data, u64 value)
{
	if (value != 1)
		return -EINVAL;
	twin_pf_reset(data);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(reset_fops, reset_get, reset_set, "%llu\n");

static int block_get(void *data, u64 *value)
{
	struct twin_pf *pf = data;

	*value = READ_ONCE(pf->knobs.vdpa_del_block);
	return 0;
}

static int block_set(void *data, u64 value)
{
	struct twin_pf *pf = data;

	WRITE_ONCE(pf->knobs.vdpa_del_block, !!value);
	wake_up_all(&pf->knobs.wait);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(block_fops, block_get, block_set, "%llu\n");

static int state_show(struct seq_file *seq, void *unused)
{
	struct twin_pf *pf = seq->private;
	unsigned int i;

	seq_printf(seq, "mode %s\n",
		   READ_ONCE(pf->mode) == DEVLINK_ESWITCH_MODE_SWITCHDEV ?
		   "switchdev" : "legacy");
	seq_printf(seq, "vports %u\n", READ_ONCE(pf->n_vports));
	seq_printf(seq, "rules %d\n", atomic_read(&pf->n_rules));
	seq_printf(seq, "uplink %s\n", pf->uplink.link_up ? "up" : "down");
	rcu_read_lock();
	for (i = 0; i < READ_ONCE(pf->n_vports); i++) {
		struct twin_vport *vport = &pf->vports[i];

		seq_printf(seq,
			   "vf %u link %s rep %d nic %d vdpa %d dropped %lld\n",
			   i, vport->link_up ? "up" : "down",
			   !!rcu_access_pointer(vport->rep),
			   !!rcu_access_pointer(vport->nic),
			   !!rcu_access_pointer(vport->vdpa),
			   atomic64_read(&vport->dropped));
	}
	rcu_read_unlock();
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(state);

static void init_fail(struct twin_fail *fail)
{
	spin_lock_init(&fail->lock);
	fail->error = EIO;
}

void twin_knobs_init(struct twin_pf *pf)
{
	init_fail(&pf->knobs.rule_fail);
	init_fail(&pf->knobs.mode_fail);
	init_fail(&pf->knobs.numvfs_fail);
	init_fail(&pf->knobs.function_fail);
	init_fail(&pf->knobs.vdpa_add_fail);
	init_fail(&pf->knobs.vf_bind_fail);
	pf->knobs.reset_ms = 200;
	pf->knobs.cpu_hit = true;
	pf->knobs.vdpa_link = true;
	pf->knobs.rep_counts_all = true;
	init_waitqueue_head(&pf->knobs.wait);
}

void twin_knobs_add(struct twin_pf *pf)
{
	struct twin_knobs *k = &pf->knobs;
	struct dentry *dir = debugfs_create_dir(pci_name(pf->pdev), root);

	pf->debugfs = dir;
	debugfs_create_file("rule_fail", 0600, dir, &k->rule_fail, &fail_fops);
	debugfs_create_file("mode_fail", 0600, dir, &k->mode_fail, &fail_fops);
	debugfs_create_file("numvfs_fail", 0600, dir, &k->numvfs_fail,
			    &fail_fops);
	debugfs_create_file("function_fail", 0600, dir, &k->function_fail,
			    &fail_fops);
	debugfs_create_file("vdpa_add_fail", 0600, dir, &k->vdpa_add_fail,
			    &fail_fops);
	debugfs_create_file("vf_bind_fail", 0600, dir, &k->vf_bind_fail,
			    &fail_fops);
	debugfs_create_u32("rule_limit", 0600, dir, &k->rule_limit);
	debugfs_create_bool("rule_miss", 0600, dir, &k->rule_miss);
	debugfs_create_bool("cpu_hit", 0600, dir, &k->cpu_hit);
	debugfs_create_bool("rep_counts_all", 0600, dir, &k->rep_counts_all);
	debugfs_create_bool("vdpa_link", 0600, dir, &k->vdpa_link);
	debugfs_create_bool("no_vxlan", 0600, dir, &k->no_vxlan);
	debugfs_create_bool("no_geneve", 0600, dir, &k->no_geneve);
	debugfs_create_u32("mode_delay_ms", 0600, dir, &k->mode_delay_ms);
	debugfs_create_file("mode_order", 0600, dir, pf, &order_fops);
	debugfs_create_u32("numvfs_delay_ms", 0600, dir, &k->numvfs_delay_ms);
	debugfs_create_u32("vf_bind_delay_ms", 0600, dir,
			   &k->vf_bind_delay_ms);
	debugfs_create_u32("rep_delay_ms", 0600, dir, &k->rep_delay_ms);
	debugfs_create_u32("devlink_delay_ms", 0600, dir,
			   &k->devlink_delay_ms);
	debugfs_create_u32("vdpa_delay_ms", 0600, dir, &k->vdpa_delay_ms);
	debugfs_create_file_unsafe("vdpa_del_block", 0600, dir, pf,
				   &block_fops);
	debugfs_create_u32("reset_ms", 0600, dir, &k->reset_ms);
	debugfs_create_file_unsafe("reset", 0600, dir, pf, &reset_fops);
	debugfs_create_u32("resets", 0400, dir, &pf->n_resets);
	debugfs_create_file("state", 0400, dir, pf, &state_fops);
}

void twin_knobs_remove(struct twin_pf *pf)
{
	/* Nothing may wait for a file that is going away. */
	block_set(pf, 0);
	debugfs_remove_recursive(pf->debugfs);
	pf->debugfs = NULL;
}
