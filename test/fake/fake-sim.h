/* SPDX-License-Identifier: Apache-2.0 */
/* A host as the kernel has it: PFs with their VFs and e-switches, netdevs,
 * modules, vDPA devices, and who holds them.  This layer knows state and the
 * kernel's rules, all at once and without delay; fake-kernel.c adds helper
 * processes, deadlines, events and faults.
 *
 * 'struct sim' is flat: no pointers.  It can lie in a file that is mapped by
 * one process after the other, so that "the kernel" outlives a killed
 * daemon. */
#ifndef TEST_FAKE_SIM_H
#define TEST_FAKE_SIM_H 1

#include <vdpad/action.h>
#include <vdpad/error.h>
#include <vdpad/flow-query.h>
#include <vdpad/model.h>

#define SIM_PFS 8
#define SIM_VFS 128 /* Of one PF. */
#define SIM_NETDEVS 4096
#define SIM_VDPAS 1040
#define SIM_HOLDERS 64
#define SIM_BLOCKS 8
#define SIM_MGMTDEVS 2
#define SIM_FLOWS 64   /* Added one by one. */
#define SIM_MODULES 16 /* At most. */

/* sim_apply(): the caller sleeps in the kernel. */
#define SIM_BLOCKED 1

/* Pictures that come over generic netlink. */
#define SIM_GENL_CLASSES                                            \
    (1u << VDPAD_ESWITCH | 1u << VDPAD_DLPORT | 1u << VDPAD_MGMTDEV \
     | 1u << VDPAD_VDPA | 1u << VDPAD_FEATURE | 1u << VDPAD_KFLOW)

enum sim_order { /* Of e-switch mode and numvfs. */
                 SIM_ORDER_ANY,
                 SIM_ORDER_VFS_FIRST,  /* switchdev needs VFs. */
                 SIM_ORDER_MODE_FIRST, /* The mode is fixed while VFs exist. */
};

struct sim_netdev {
    bool used;
    bool away;        /* In another network namespace. */
    bool has_feature; /* hw-tc-offload can be changed. */
    bool feature;
    bool carrier;
    bool has_qdisc; /* Ingress. */
    struct vdpad_link link;
    struct vdpad_flow flow; /* Under that qdisc. */
    struct vdpad_kflow kflow;
    int64_t rename_ns; /* 0: no rename to come. */
    char new_name[VDPAD_IFNAME_SIZE];
};

struct sim_vf {
    bool wanted;   /* Its index is below numvfs. */
    bool present;  /* On the bus. */
    bool has_port; /* devlink port registered. */
    char bdf[VDPAD_BDF_SIZE];
    char driver[VDPAD_WORD_SIZE];
    char driver_override[VDPAD_WORD_SIZE];
    uint8_t mac[6];      /* Of the function behind the port. */
    int64_t appears_ns;  /* 0: at once. */
    int64_t rep_ns;      /* Likewise, of the representor. */
    int32_t netdev, rep; /* Slots, -1: none. */
    int32_t vfio_pid;    /* Has its VFIO device open; 0: nobody. */
};

struct sim_pf {
    bool used;
    char bdf[VDPAD_BDF_SIZE];
    char driver[VDPAD_WORD_SIZE];    /* "" when unbound. */
    char vf_driver[VDPAD_WORD_SIZE]; /* That claims VFs by itself. */
    int32_t numvfs, totalvfs, autoprobe, mode;
    uint32_t first_rid; /* PCI routing id of VF 0. */
    int32_t uplink;     /* Slot. */
    int64_t reset_ns;   /* VFs return then; 0: no reset. */
    struct sim_vf vfs[SIM_VFS];
};

struct sim_vdpa {
    bool used;
    bool dying;       /* Unbinding waits for the holder, … */
    bool is_unlinked; /* … as the last part of its removal: it has
                                 * left its bus already. */
    bool has_mac;
    char name[VDPAD_NAME_SIZE];
    char bus[VDPAD_WORD_SIZE], dev[VDPAD_BDF_SIZE * 2];
    char driver[VDPAD_WORD_SIZE];
    uint8_t mac[6];
    uint16_t mtu, max_vqp;
    int32_t chardev, virtio; /* Numbers, -1: none. */
    int32_t netdev;          /* Slot, -1: none. */
    int64_t foreign_ns;      /* Somebody else's, whoever made it, since
                                 * then; 0: not.  For tests to keep. */
};

struct sim_holder {
    bool used;
    int32_t pid;
    int32_t chardev;
    char command[64]; /* "": no process is seen to hold it. */
};

struct sim_mgmtdev { /* One that is no VF's, as vdpa_sim's. */
    bool used;
    char dev[VDPAD_BDF_SIZE * 2];
};

struct sim_block {
    bool used, done;
    bool is_orphan; /* Nobody waits for its result. */
    bool freezes;   /* Holds the locks of generic netlink. */
    int error;
    struct vdpad_error why;
    struct vdpad_act act;
};

struct sim_flow {
    bool used;
    struct vdpad_flow_detail detail;
    int probe_error;                   /* What a probe of it ends with, */
    char probe_text[VDPAD_ERROR_TEXT]; /* and the driver's words. */
};

struct sim {
    uint32_t size;  /* sizeof *this; 0: never initialised. */
    uint32_t dirty; /* Classes changed, for sim_take_dirty(). */
    int64_t now_ns;
    int32_t last_ifindex, last_chardev, last_virtio;
    uint32_t load_count;
    /* Knobs. */
    int32_t order; /* enum sim_order. */
    int64_t vf_delay_ns, rep_delay_ns, rename_delay_ns;
    bool has_no_config;                 /* As kernels that do not tell it. */
    uint32_t max_vqs;                   /* Of a VF's management device. */
    char unset_config[VDPAD_WORD_SIZE]; /* An option of the kernel. */
    int32_t vswitchd;                   /* Its pid; 0: none runs. */
    int32_t n_former; /* Helpers of killed daemons with a step to do: who turns
                       * this does the step. */

    int32_t modules[SIM_MODULES]; /* enum vdpad_module_state. */
    uint32_t load_order[SIM_MODULES];
    struct sim_pf pfs[SIM_PFS];
    struct sim_netdev netdevs[SIM_NETDEVS];
    struct sim_vdpa vdpas[SIM_VDPAS];
    struct sim_holder holders[SIM_HOLDERS];
    struct sim_mgmtdev mgmtdevs[SIM_MGMTDEVS];
    struct sim_block blocks[SIM_BLOCKS];
    struct sim_flow flows[SIM_FLOWS];
};

/* Makes 'sim' a host without any PF, all modules loadable, mlx5_core
 * loaded. */
void sim_init(struct sim *sim);

/* Lets time pass up to 'now_ns': VFs, representors and names appear. */
void sim_advance(struct sim *sim, int64_t now_ns);

/* When sim_advance() has something to do next; INT64_MAX: never. */
int64_t sim_next_ns(const struct sim *sim);

/* Returns the classes changed since the last call, as bits. */
uint32_t sim_take_dirty(struct sim *sim);

/* Does one step as the kernel would; with 'guard' refuses, as helper
 * processes do, to disturb a device that is in use unless act->force.
 * Returns 0, a negative errno with 'why', or SIM_BLOCKED and in '*ret_block'
 * what to ask sim_block_is_done() for. */
int sim_apply(struct sim *sim, const struct vdpad_act *act, bool guard,
              int *ret_block, struct vdpad_error *why);

/* Whether the blocked step has ended; then frees 'block' and stores its
 * result. */
bool sim_block_is_done(struct sim *sim, int block, int *ret_error,
                       struct vdpad_error *why);

/* Whoever waited for blocked steps is gone; the steps are not. */
void sim_orphan_blocks(struct sim *sim);

/* Whether a caller sleeps with generic netlink's locks held. */
bool sim_is_frozen(const struct sim *sim);

/* Whether 'act' cannot begin: it goes over generic netlink while that is
 * frozen, or looks at the number of VFs while the PF is in a reset. */
bool sim_must_wait(struct sim *sim, const struct vdpad_act *act);

/* A complete picture of 'class_' in '*picture', owned by the caller. */
void sim_picture(struct sim *sim, enum vdpad_class class_,
                 struct vdpad_picture *picture);

/* What is done to the host by others than the daemon; 'name' is a vDPA
 * device's.  Each returns 0 or a negative errno. */
int sim_add_pf(struct sim *sim, const char *bdf, int32_t totalvfs,
               const char *uplink);
int sim_add_mgmtdev(struct sim *sim, const char *name);
/* A guest negotiates; 'command' NULL: its descriptor is on its way from one
 * process to another, in none of them. */
int sim_hold(struct sim *sim, const char *name, int32_t pid,
             const char *command);
int sim_release(struct sim *sim, const char *name);
int sim_rename(struct sim *sim, const char *ifname, const char *new_name);
int sim_reset_pf(struct sim *sim, const char *bdf, int64_t return_ns);
int sim_vanish(struct sim *sim, const char *object);
int sim_set_module(struct sim *sim, const char *name, int32_t state);
int sim_set_qdisc(struct sim *sim, const char *ifname, bool present);

/* Sums of filters, of which the tracker tells unasked.  "*": of all
 * representors of VFs. */
int sim_set_flow(struct sim *sim, const char *ifname,
                 const struct vdpad_flow *flow);
int sim_set_kflow(struct sim *sim, const char *ifname,
                  const struct vdpad_kflow *kflow);
/* One flow more than the sums tell of; where it is among the others, its
 * 'ifindex' and, if it has none, its ufid are filled in. */
int sim_add_flow(struct sim *sim, const char *ifname,
                 const struct vdpad_flow_detail *detail, int probe_error,
                 const char *probe_text);
int sim_set_away(struct sim *sim, const char *name, bool away);

/* Adds those that were added one by one to the sums of 'flow->ifindex'. */
void sim_count_flows(const struct sim *sim, struct vdpad_flow *flow);
void sim_count_kflows(const struct sim *sim, struct vdpad_kflow *kflow);

/* A page of flows (from malloc), as <vdpad/flow-query.h> has it, and what a
 * probe says. */
void sim_list_flows(struct sim *sim, const struct vdpad_flow_query *query,
                    struct vdpad_flow_detail **ret_flows, size_t *ret_n,
                    bool *ret_more);
int sim_probe(const struct sim *sim, const struct vdpad_flow_pos *at,
              struct vdpad_error *why);

/* Finders; NULL: none. */
struct sim_pf *sim_find_pf(struct sim *sim, const char *bdf);
struct sim_vf *sim_find_vf(struct sim *sim, const char *bdf,
                           struct sim_pf **ret_pf);
struct sim_vdpa *sim_find_vdpa(struct sim *sim, const char *name);
struct sim_netdev *sim_find_netdev(struct sim *sim, const char *name);
struct sim_netdev *sim_find_ifindex(struct sim *sim, int32_t ifindex);
const struct sim_holder *sim_find_holder(const struct sim *sim,
                                         const struct sim_vdpa *vdpa);

/* For the sim's own files. */
void sim_touch(struct sim *sim, uint32_t mask);
void sim_settle(struct sim *sim);
void sim_bind_vdpa(struct sim *sim, struct sim_vdpa *vdpa, const char *driver);
void sim_delete_vdpa(struct sim *sim, struct sim_vdpa *vdpa);
bool sim_is_loaded(const struct sim *sim, const char *module);
int sim_module_index(const char *name);
bool sim_has_mgmtdev(const struct sim *sim, const struct sim_vf *vf);
/* Finishes blocked steps whose holders have let go. */
void sim_run_blocks(struct sim *sim);
void sim_text(char *dst, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
