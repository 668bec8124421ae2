/* SPDX-License-Identifier: GPL-2.0 */
/*
 * twin: a ConnectX-6 Dx that exists only in memory.
 *
 * One card has up to TWIN_MAX_PFS physical functions.  Each is an e-switch:
 * an uplink vport (p0, whose far end is the netdev wire0) and one vport per
 * VF.  A vport joins what stands at either side of it: the representor on the
 * host's side; the VF's own netdev, its vDPA device or the wire on the other.
 *
 * Locks, outermost first:
 *   device_lock(PF)       PCI core: numvfs, probe, remove, firmware reset
 *   devlink instance lock e-switch mode, ports, representors
 *   twin_pf.vf_lock       which VFs are bound
 *   twin_vf.lock          what a bound VF has registered (netdev, mgmtdev)
 *   vdpa core's own lock  vDPA devices
 *   RTNL                  netdevs, flow rules
 * The data path takes none of them: it is RCU all the way.
 */
#ifndef TWIN_H
#define TWIN_H

#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/pci.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <net/devlink.h>
#include <linux/vdpa.h>

#define TWIN_NAME		"twin"
#define TWIN_VENDOR		0x15b3
#define TWIN_PF_DEVICE		0x101d
#define TWIN_VF_DEVICE		0x101e
#define TWIN_MAX_PFS		2
#define TWIN_MAX_VFS		127
#define TWIN_FW_VERSION		"22.38.1002"
#define TWIN_PSID		"MT_0000000359"
#define TWIN_MIN_MTU		68
#define TWIN_MAX_MTU		9978

struct twin_pf;
struct twin_vf;
struct twin_vdpa;
struct twin_table;

/* Packets and bytes of one direction, updated by any CPU. */
struct twin_counter {
	atomic64_t packets;
	atomic64_t bytes;
};

static inline void twin_count(struct twin_counter *c, unsigned int bytes)
{
	atomic64_inc(&c->packets);
	atomic64_add(bytes, &c->bytes);
}

/* One port of an e-switch; lives as long as its PF is bound. */
struct twin_vport {
	struct twin_pf *pf;
	u16 index;			/* VF number or TWIN_UPLINK */
	u8 mac[ETH_ALEN];		/* function hw_addr; zero: none */
	spinlock_t mac_lock;
	bool link_up;

	/* Read by the data path under RCU. */
	struct net_device __rcu *rep;	/* host's side */
	struct net_device __rcu *nic;	/* VF's netdev, or the wire */
	struct twin_vdpa __rcu *vdpa;	/* stronger than nic when it runs */
	struct twin_table *table;	/* rules for what enters here */

	struct twin_counter from;	/* entered the e-switch here */
	struct twin_counter to;		/* left the e-switch here */
	struct twin_counter slow_from;	/* of these, seen by the host's CPU */
	struct twin_counter slow_to;
	atomic64_t dropped;

	/* Devlink instance lock. */
	struct devlink_port dl_port;
	bool dl_port_registered;
	bool rep_wanted;
	struct delayed_work rep_work;

	struct twin_vf *vf;		/* vf_lock */
};

#define TWIN_UPLINK 0xffff

/*
 * "Fail the next COUNT calls with ERRNO and TEXT", written through debugfs.
 * A negative count never runs out.
 */
struct twin_fail {
	spinlock_t lock;		/* all of it */
	int count;
	int error;			/* positive */
	char text[128];
};

struct twin_knobs {
	struct twin_fail rule_fail;
	struct twin_fail mode_fail;
	struct twin_fail numvfs_fail;
	struct twin_fail function_fail;
	struct twin_fail vdpa_add_fail;
	struct twin_fail vf_bind_fail;
	u32 rule_limit;			/* 0: none */
	bool rule_miss;			/* rules are taken but never hit */
	bool vdpa_link;			/* vDPA devices may have a link */
	bool cpu_hit;			/* representors have CPU_HIT */
	bool rep_counts_all;		/* not only what the host's CPU saw */
	bool no_vxlan, no_geneve;	/* rules with such a tunnel: refused */
	u32 mode_delay_ms;
	u32 mode_order;			/* enum twin_mode_order */
	u32 numvfs_delay_ms;
	u32 vf_bind_delay_ms;
	u32 rep_delay_ms;
	u32 reset_ms;
	u32 devlink_delay_ms;
	u32 vdpa_delay_ms;
	bool vdpa_del_block;
	wait_queue_head_t wait;		/* for vdpa_del_block */
};

enum twin_mode_order {
	TWIN_MODE_ANY,
	TWIN_MODE_WITHOUT_VFS,		/* refused while VFs are present */
	TWIN_MODE_WITH_VFS,		/* refused while there are none */
};

struct twin_pf {
	struct pci_dev *pdev;
	struct devlink *devlink;
	unsigned int index;
	bool removing;

	struct twin_vport uplink;
	struct twin_vport *vports;	/* TWIN_MAX_VFS of them */
	struct net_device *netdev;	/* p<index> */
	struct net_device *wire;	/* wire<index> */
	struct netdev_phys_item_id switch_id;

	/* Devlink instance lock; mode is read without it. */
	u16 mode;
	u8 inline_mode;
	enum devlink_eswitch_encap_mode encap_mode;
	unsigned int n_vports;		/* VFs that the e-switch serves */
	bool indirect_registered;

	struct mutex vf_lock;		/* vports[].vf */

	struct list_head tunnels;	/* struct twin_tunnel, RTNL and RCU */
	struct list_head bindings;	/* struct twin_binding, RTNL */
	atomic_t n_rules;

	struct work_struct reset_work;
	bool resetting;
	u32 n_resets;

	struct twin_knobs knobs;
	struct dentry *debugfs;
};

/* A VF that is bound to this driver. */
struct twin_vf {
	struct pci_dev *pdev;
	struct devlink *devlink;
	struct twin_vport *vport;
	struct devlink_port dl_port;

	struct mutex lock;		/* up, mgmt_registered, netdev */
	struct delayed_work bind_work;
	bool up;			/* netdev and mgmtdev registered */
	bool mgmt_registered;
	struct net_device *netdev;
	struct vdpa_mgmt_dev mgmt;
	struct virtio_device_id mgmt_ids[2];
	struct twin_vdpa *vdpa;		/* vdpa core's lock */
};

/* main.c */
extern unsigned int twin_pfs;
extern unsigned int twin_vfs;
extern unsigned int twin_domain;
extern unsigned int twin_bus;
extern unsigned int twin_vdpa_pairs;
extern bool twin_eth_names;
extern bool twin_separate_switch;
extern struct workqueue_struct *twin_wq;
const char *twin_ifname(char *buf, size_t size, const char *fmt, ...)
	__printf(3, 4);

/* pci.c: the root bus and its configuration space */
int twin_pci_create(void);
void twin_pci_destroy(void);

/* pf.c, vf.c: the PCI drivers */
extern struct pci_driver twin_pci_driver;
int twin_pf_probe(struct pci_dev *pdev);
void twin_pf_remove(struct pci_dev *pdev);
int twin_pf_sriov_configure(struct pci_dev *pdev, int num_vfs);
void twin_pf_reset(struct twin_pf *pf);
void twin_pf_quiesce(void);
int twin_vf_probe(struct pci_dev *pdev);
void twin_vf_remove(struct pci_dev *pdev);
void twin_vf_mgmt_pause(struct twin_pf *pf);
void twin_vf_mgmt_resume(struct twin_pf *pf);
void twin_vf_reset_prepare(struct pci_dev *pdev);
void twin_vf_reset_done(struct pci_dev *pdev);

/* netdev.c: uplink, wire and the VFs' own netdevs */
struct twin_nic {
	struct twin_vport *vport;
	struct twin_pf *pf;
};

int twin_uplink_create(struct twin_pf *pf);
void twin_uplink_destroy(struct twin_pf *pf);
struct net_device *twin_nic_create(struct twin_vf *vf);
void twin_nic_destroy(struct twin_vf *vf);
bool twin_netdev_is_uplink(const struct net_device *dev);
void twin_update_link(struct twin_vport *vport);

/* rep.c: representors */
struct twin_rep {
	struct twin_vport *vport;
	struct net_device *dev;
	struct list_head free;
};

int twin_rep_create(struct twin_vport *vport);
void twin_reps_destroy(struct twin_vport *vports, unsigned int n);
bool twin_netdev_is_rep(const struct net_device *dev);
void twin_vport_stats(struct twin_vport *vport,
		      struct rtnl_link_stats64 *stats);
void twin_vport_slow_stats(struct twin_vport *vport,
			   struct rtnl_link_stats64 *stats);
struct twin_vport *twin_netdev_vport(const struct net_device *dev);
int twin_set_features(struct net_device *dev, netdev_features_t features);
int twin_setup_tc(struct net_device *dev, enum tc_setup_type type,
		  void *type_data);

/* devlink.c */
extern const struct devlink_ops twin_devlink_ops;
extern const struct devlink_ops twin_vf_devlink_ops;
int twin_devlink_uplink_register(struct twin_pf *pf);
int twin_devlink_port_register(struct twin_vport *vport);
void twin_devlink_port_unregister(struct twin_vport *vport);

/* eswitch.c: modes, vports (all under the devlink instance lock) */
int twin_eswitch_init(struct twin_pf *pf);
void twin_eswitch_fini(struct twin_pf *pf);
int twin_eswitch_set_vfs(struct twin_pf *pf, unsigned int n);
int twin_eswitch_set_mode(struct twin_pf *pf, u16 mode,
			  struct netlink_ext_ack *extack);
void twin_eswitch_forget(struct twin_pf *pf);
void twin_eswitch_flush_work(struct twin_pf *pf);

/* datapath.c */
void twin_ingress(struct twin_vport *vport, struct sk_buff *skb);
void twin_deliver(struct twin_vport *vport, struct sk_buff *skb);
void twin_legacy_switch(struct twin_pf *pf, const struct twin_vport *from,
			struct sk_buff *skb);

/* knobs.c */
void twin_knobs_create(void);
void twin_knobs_destroy(void);
void twin_knobs_init(struct twin_pf *pf);
void twin_knobs_add(struct twin_pf *pf);
void twin_knobs_remove(struct twin_pf *pf);
int twin_fail_hit(struct twin_fail *fail, struct netlink_ext_ack *extack);
void twin_delay(const u32 *ms);

/* vdpa_mgmt.c */
int twin_vdpa_mgmt_register(struct twin_vf *vf);
void twin_vdpa_mgmt_unregister(struct twin_vf *vf);
bool twin_vdpa_deliver(struct twin_vdpa *vdpa, struct sk_buff *skb);
bool twin_vdpa_has_mac(struct twin_vdpa *vdpa, const u8 *mac);
void twin_vdpa_link_changed(struct twin_vdpa *vdpa);

#endif
