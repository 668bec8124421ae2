/* SPDX-License-Identifier: Apache-2.0 */
/* What can be observed of the host, as plain values.
 *
 * The host is seen as a number of classes, each a table of rows of one plain
 * structure.  Rows hold no pointers: they cross a process boundary as bytes
 * and are compared as bytes, so unused space in them is always zero.
 * A picture of a class is complete or does not exist: a dump that was
 * interrupted, cut short or misunderstood makes no picture.
 *
 * Absent text is "", absent numbers have a documented value. */
#ifndef VDPAD_MODEL_H
#define VDPAD_MODEL_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VDPAD_BDF_SIZE 20    /* "10000:65:00.0" and longer domains. */
#define VDPAD_IFNAME_SIZE 16 /* IFNAMSIZ. */
#define VDPAD_NAME_SIZE 128  /* Names of vDPA devices. */
#define VDPAD_IFACE_ID_SIZE 256
#define VDPAD_WORD_SIZE 32 /* Driver, module, port names and the like. */

enum vdpad_class {
    VDPAD_MODULE,  /* Kernel modules and bus drivers we need. */
    VDPAD_PCI,     /* PCI functions with SR-IOV, and their VFs. */
    VDPAD_LINK,    /* Network devices of the initial namespace. */
    VDPAD_ESWITCH, /* devlink instances. */
    VDPAD_DLPORT,  /* devlink ports. */
    VDPAD_MGMTDEV, /* vDPA management devices. */
    VDPAD_VDPA,    /* vDPA devices, as generic netlink tells. */
    VDPAD_VBUS,    /* vDPA devices, as sysfs tells. */
    VDPAD_FEATURE, /* ethtool's hw-tc-offload. */
    VDPAD_HOLDER,  /* Processes that hold vhost-vdpa char devices. */
    VDPAD_QDISC,   /* Ingress and clsact qdiscs. */
    VDPAD_FLOW,    /* Sums of flower filters per device. */
    VDPAD_KFLOW,   /* Sums of the OVS kernel datapath's flows. */
    VDPAD_HOST,    /* Facts about the host as a whole. */
    VDPAD_TCPRIO,  /* TC filters, counted by chain and priority. */
    VDPAD_N_CLASSES
};

enum vdpad_module_state {
    VDPAD_MODULE_MISSING,  /* Neither loaded, built in nor on disk. */
    VDPAD_MODULE_LOADABLE, /* On disk, not loaded. */
    VDPAD_MODULE_LOADED,   /* Loaded or built in. */
};

/* VDPAD_MODULE; key 'name'.  Always exactly the modules of
 * vdpad_module_names[]. */
struct vdpad_module {
    char name[VDPAD_WORD_SIZE];
    int32_t state; /* enum vdpad_module_state. */
};

/* vdpa, vhost_vdpa, virtio_vdpa, virtio_net, mlx5_core, mlx5_vdpa, vfio_pci,
 * cls_flower, act_mirred, sch_ingress; NULL at the end. */
extern const char *const vdpad_module_names[];

/* VDPAD_PCI; key 'bdf'.  PFs (functions with sriov_totalvfs) and VFs. */
struct vdpad_pci {
    char bdf[VDPAD_BDF_SIZE];
    char pf[VDPAD_BDF_SIZE];      /* Of a VF its PF; "" for a PF. */
    int32_t vf_index;             /* Of a VF; -1 for a PF. */
    uint32_t vendor, device;      /* PCI ids. */
    int32_t numvfs, totalvfs;     /* Of a PF; -1 for a VF. */
    int32_t autoprobe;            /* sriov_drivers_autoprobe; -1: no. */
    char driver[VDPAD_WORD_SIZE]; /* "" when unbound. */
    char driver_override[VDPAD_WORD_SIZE]; /* Of a VF with a driver: reading
                                         * it of others can hang. */
    int32_t iommu_group;                   /* -1: none. */
};

/* Of the BOND_MODE_* of linux/if_bonding.h, which are ABI. */
#define VDPAD_BOND_ACTIVE_BACKUP 1
#define VDPAD_BOND_BALANCE_XOR 2
#define VDPAD_BOND_8023AD 4

/* VDPAD_LINK; key 'ifindex'. */
struct vdpad_link {
    int32_t ifindex;
    char name[VDPAD_IFNAME_SIZE];
    char kind[VDPAD_WORD_SIZE]; /* IFLA_INFO_KIND; "" physical. */
    uint32_t mtu;
    uint32_t flags; /* IFF_*. */
    int32_t master; /* ifindex, 0: none. */
    int32_t lower;  /* ifindex of what it is made on, as a VLAN's device is;
                     * 0: none, or in another network namespace. */
    uint8_t mac[6];
    bool carrier;
    uint8_t switch_id_len;            /* 0: none. */
    uint8_t switch_id[32];            /* phys_switch_id. */
    char port_name[VDPAD_WORD_SIZE];  /* phys_port_name. */
    char parent_bus[VDPAD_WORD_SIZE]; /* "pci", … IFLA_PARENT_DEV_BUS_NAME */
    char parent_dev[VDPAD_BDF_SIZE * 2]; /* IFLA_PARENT_DEV_NAME. */
    uint64_t rx_packets, rx_bytes;       /* IFLA_STATS64; 0 in comparisons. */
    int32_t bond_mode;                   /* Of a kind "bond": BOND_MODE_* of
                                         * linux/if_bonding.h. */
};

enum vdpad_eswitch_mode {
    VDPAD_ESWITCH_NONE = -1, /* The device has no e-switch. */
    VDPAD_ESWITCH_LEGACY = 0,
    VDPAD_ESWITCH_SWITCHDEV = 1,
    VDPAD_ESWITCH_INACTIVE = 2, /* switchdev_inactive. */
};

/* vdpad_eswitch.encap_mode: tunnels are not offloaded. */
#define VDPAD_ENCAP_NONE 0

/* VDPAD_ESWITCH; key 'bus', 'dev'.  One devlink instance. */
struct vdpad_eswitch {
    char bus[VDPAD_WORD_SIZE];
    char dev[VDPAD_BDF_SIZE * 2];
    int32_t mode;                    /* enum vdpad_eswitch_mode. */
    int32_t inline_mode, encap_mode; /* As in linux/devlink.h; -1: none. */
    char driver[VDPAD_WORD_SIZE];
    char fw_version[VDPAD_WORD_SIZE * 2]; /* "" when not told. */
};

/* Of enum devlink_port_flavour (linux/devlink.h), which is ABI. */
#define VDPAD_FLAVOUR_PHYSICAL 0 /* The uplink. */
#define VDPAD_FLAVOUR_PCI_VF 4   /* A VF's representor. */

/* VDPAD_DLPORT; key 'bus', 'dev', 'index'. */
struct vdpad_dlport {
    char bus[VDPAD_WORD_SIZE];
    char dev[VDPAD_BDF_SIZE * 2]; /* The devlink instance (the PF). */
    uint32_t index;
    int32_t flavour;                /* enum devlink_port_flavour; -1: not
                                         * told. */
    int32_t controller, pf, vf, sf; /* -1: not told. */
    bool external;
    bool has_hw_addr;
    uint8_t hw_addr[6]; /* Of the function behind the port. */
    int32_t ifindex;    /* 0: no netdev (yet). */
    char ifname[VDPAD_IFNAME_SIZE];
};

/* VDPAD_MGMTDEV; key 'bus', 'dev'. */
struct vdpad_mgmtdev {
    char bus[VDPAD_WORD_SIZE]; /* "" for vdpa_sim's. */
    char dev[VDPAD_BDF_SIZE * 2];
    uint64_t classes; /* Bit per virtio id; net is bit 1. */
    uint64_t features;
    uint32_t max_vqs; /* Control queue included; 0: not
                                         * told. */
};

/* VDPAD_VDPA; key 'name'. */
struct vdpad_vdpa {
    char name[VDPAD_NAME_SIZE];
    char bus[VDPAD_WORD_SIZE]; /* Its management device. */
    char dev[VDPAD_BDF_SIZE * 2];
    uint32_t id; /* virtio id; net is 1. */
    uint32_t vendor;
    uint32_t max_vqs, max_vq_size;
    bool has_config; /* The members below were asked for
                                         * and answered. */
    bool has_mac, has_mtu, has_max_vqp, has_status, has_negotiated;
    uint8_t mac[6];
    uint16_t mtu, max_vqp, status;
    uint64_t negotiated;
};

/* VDPAD_VBUS; key 'name'.  /sys/bus/vdpa/devices. */
struct vdpad_vbus {
    char name[VDPAD_NAME_SIZE];
    char parent[VDPAD_BDF_SIZE];           /* PCI function that it is on: the
                                            * VF, or the PF of a subfunction;
                                            * "": none. */
    char driver[VDPAD_WORD_SIZE];          /* vhost_vdpa, virtio_vdpa, "". */
    char driver_override[VDPAD_WORD_SIZE]; /* Likewise. */
    char chardev[VDPAD_WORD_SIZE];         /* "vhost-vdpa-0"; node in /dev. */
    char virtio[VDPAD_WORD_SIZE];          /* "virtio3" under virtio_vdpa. */
    char netdev[VDPAD_IFNAME_SIZE];        /* Its netdev in our namespace. */
    bool netdev_away; /* virtio_net is bound, but its netdev
                                         * is in another namespace. */
};

/* VDPAD_FEATURE; key 'ifindex'.  hw-tc-offload of one netdev; devices that
 * have no such feature have no row. */
struct vdpad_feature {
    int32_t ifindex;
    char name[VDPAD_IFNAME_SIZE];
    bool supported; /* In the "hw" set: changeable. */
    bool active;
};

/* VDPAD_HOLDER; key 'chardev', 'pid'. */
struct vdpad_holder {
    char chardev[VDPAD_WORD_SIZE]; /* "vhost-vdpa-0". */
    int32_t pid;
    char command[64];  /* From /proc/PID/comm and cmdline,
                                         * control characters replaced. */
    uint64_t memlock;  /* Bytes that it may lock (guest memory
                                         * counts); UINT64_MAX: no limit; 0:
                                         * not told. */
    char macs[8 * 18]; /* MAC addresses in its command line,
                                         * each once, with blanks between:
                                         * what QEMU gives to its guest. */
};

/* VDPAD_QDISC; key 'ifindex', 'clsact'. */
struct vdpad_qdisc {
    int32_t ifindex;
    bool clsact;
    uint32_t ingress_block, egress_block; /* 0: none. */
};

/* VDPAD_FLOW; key 'ifindex'.  Flower filters at the ingress of a netdev that
 * has an ingress or clsact qdisc, or one with offload statistics; the tracker
 * keeps them.  Numbers of flows are those that are there now.  Packets and
 * bytes are all that filters of chain 0, which every packet meets first, have
 * counted since the tracker began, also those that are gone: they never go
 * down while 'epoch' stays. */
struct vdpad_flow {
    int32_t ifindex;
    uint32_t block; /* Shared block whose filters these are; 0: its own. */
    uint32_t epoch; /* Changes when counting began anew. */
    uint32_t hw_flows, sw_flows;
    uint32_t foreign_flows; /* Of these, without Open vSwitch's cookie. */
    uint64_t hw_packets, hw_bytes, sw_packets, sw_bytes;
    uint64_t rx_packets;      /* Received by the netdev. */
    uint64_t cpu_hit_packets; /* Of these, those that hardware passed on to
                                         * the CPU. */
    bool has_cpu_hit;         /* The driver tells (mlx5 does). */
};

/* VDPAD_KFLOW; key 'ifindex'.  Flows of Open vSwitch's kernel datapath by the
 * netdev on which their packets come in; those in TC are not among them.
 * Counters are those of the flows that are there now. */
struct vdpad_kflow {
    int32_t ifindex;
    uint32_t flows;
    uint64_t packets, bytes;
};

/* VDPAD_HOST; key 'name'.  Facts that no other class has; what cannot be
 * found out has no row:
 *   kernel          its release
 *   kernel-config   the file that the next ones were read from
 *   CONFIG_NAME     y, m or n, for each of vdpad_config_names[]
 *   lag/BDF         of a PF: what mlx5's debugfs says of its LAG
 *   address/NETDEV  one address of a netdev that has any but link-local ones
 *   pid-namespace   "initial": all processes of the host are seen; "other"
 *   libvirt         its release, "9.0.0"
 *   libvirt-source  the process, or file, that says so
 *   qemu/PATH       release of an emulator, as libvirt has noted it
 *   selinux         "enforcing" or "permissive", where it is on
 *   label/CHARDEV   SELinux context of a vhost-vdpa device, where it is on
 *   apparmor        where it is on: "allowed" or "not named": whether what all
 *                   of libvirt's guests may do names vhost-vdpa devices; "no
 *                   profile of guests"
 *   vswitchd/PID    a process named ovs-vswitchd: when it began, in ticks
 *                   since boot */
struct vdpad_host {
    char name[64];
    char value[96];
};

/* VDPAD_TCPRIO; key all but the numbers.  What is in one chain of a netdev's
 * ingress or egress, or of a shared block, under one priority.  An explicit
 * chain without filters is a row of priority 0. */
struct vdpad_tcprio {
    int32_t ifindex; /* 0: of a shared block. */
    uint32_t block;  /* 0: of a netdev. */
    bool egress;
    uint32_t chain;
    uint32_t prio;
    uint32_t filters;
    uint32_t ovs_filters; /* Flower with Open vSwitch's cookie. */
    uint32_t hw_filters;  /* Of these, in hardware. */
};

/* Options of the kernel's configuration; NULL at the end. */
extern const char *const vdpad_config_names[];

/* A picture of one class: 'n' rows of 'row_size' bytes, sorted by key, keys
 * unique. */
struct vdpad_picture {
    enum vdpad_class class_;
    size_t n;
    size_t row_size;
    void *rows; /* malloc'd; NULL when 'n' is 0. */
};

/* Size in bytes of a row of 'class_'. */
size_t vdpad_row_size(enum vdpad_class class_);

/* Name of 'class_' for people: "pci", "link", … */
const char *vdpad_class_name(enum vdpad_class class_);

/* Sorts the rows of 'p' by key.  Returns 0, or -EEXIST when two rows have one
 * key (then the picture is not to be trusted). */
int vdpad_picture_sort(struct vdpad_picture *p);

/* Frees the rows of 'p' (NULL is allowed), not 'p' itself. */
void vdpad_picture_clear(struct vdpad_picture *p);

/* Typed access: VDPAD_ROWS(picture, vdpad_pci)[i]. */
#define VDPAD_ROWS(PICTURE, TYPE) ((const struct TYPE *) (PICTURE)->rows)

#endif
