/* SPDX-License-Identifier: Apache-2.0 */
/* The chain PF -> VF -> vDPA -> bus driver -> char device or netdev ->
 * representor -> OVS port, joined from the pictures of the kernel, one
 * snapshot of the database, the configuration and the record of what is ours.
 *
 * A world borrows from all of these but the record, which may change under it,
 * and must not outlive them.  Building it is pure: no I/O, no clock, no
 * log. */
#ifndef VDPAD_WORLD_H
#define VDPAD_WORLD_H 1

#include <vdpad/config.h>
#include <vdpad/store.h>

#include "observed.h"
#include "record.h"

enum vdpad_state {
    VDPAD_STATE_READY,
    VDPAD_STATE_APPLYING, /* Steps are planned or under way. */
    VDPAD_STATE_WAITING,  /* For the kernel or somebody else to act. */
    VDPAD_STATE_BLOCKED,  /* A person must act (in use, not ours, …). */
    VDPAD_STATE_FAILED,   /* A step failed; it is tried again later. */
    VDPAD_STATE_REMOVING, /* Being taken down. */
    VDPAD_STATE_FOREIGN,  /* Not ours and nobody asked us to manage it. */
    VDPAD_N_STATES
};
const char *vdpad_state_name(enum vdpad_state state);

/* What the configuration wants of a device. */
enum vdpad_intent {
    VDPAD_INTENT_NONE,   /* Nothing: it is shown only. */
    VDPAD_INTENT_APPLY,  /* A policy covers it. */
    VDPAD_INTENT_FREEZE, /* What its policy wants is not known (refused, a
                             * netdev that no PF has, database lost): what
                             * runs stays as it is. */
    VDPAD_INTENT_REMOVE, /* It is ours and nobody wants it any more. */
};

enum vdpad_owner { VDPAD_OWNER_NONE, VDPAD_OWNER_US, VDPAD_OWNER_FOREIGN };

#define VDPAD_REASON_SIZE 320
#define VDPAD_KEY_SIZE 272 /* "vdpa-port-" and an iface-id of 255 bytes. */

struct vdpad_pf {
    const struct vdpad_pci *pci;
    const struct vdpad_eswitch *eswitch;        /* NULL: none seen. */
    const struct vdpad_link *uplink;            /* NULL: none seen. */
    const struct vdpad_feature *uplink_feature; /* NULL: none. */
    size_t n_vfs;                         /* VFs that the PCI bus shows. */
    const struct vdpad_record_pf *record; /* NULL: never changed. */

    bool managed;        /* Some policy that applies selects it. */
    bool frozen;         /* See VDPAD_INTENT_FREEZE. */
    bool external;       /* All those are externally-managed. */
    int32_t want_numvfs; /* -1: leave. */
    int32_t want_mode;   /* VDPAD_ESWITCH_NONE: leave. */
    int32_t want_mtu;    /* At least; 0: leave. */
    /* The first that it is under, of those that leave it not to others if
     * there is such. */
    const struct vdpad_policy *policy;
    const struct vdpad_policy *numvfs_policy; /* Who wants 'want_numvfs', … */
    const struct vdpad_policy *mode_policy;   /* … and 'want_mode'. */
    int32_t n_vf_policies;
    const struct vdpad_policy **vf_policies; /* By VF index; NULL: none. */

    enum vdpad_state state;         /* Set by the planner; FOREIGN: not
                                     * managed. */
    char reason[VDPAD_REASON_SIZE]; /* "" when ready. */
    bool is_usable;                 /* Set by the planner: its VFs can carry
                                     * devices. */
    enum vdpad_state vf_state; /* Of its VFs that no device is to be on: the
                                * planner folds it into 'state' when that of
                                * its devices is known. */
    char vf_reason[VDPAD_REASON_SIZE];
};

struct vdpad_dev {
    /* Existing name, or the one it will get, or "PF#INDEX" while its VF does
     * not exist. */
    char name[VDPAD_NAME_SIZE];
    struct vdpad_pf *pf;        /* NULL: no PCI parent. */
    int32_t vf_index;           /* -1 likewise. */
    const struct vdpad_pci *vf; /* NULL: not (yet) there. */
    const struct vdpad_mgmtdev *mgmtdev;
    const struct vdpad_vdpa *vdpa;
    const struct vdpad_vbus *vbus;
    const struct vdpad_dlport *dlport;
    const struct vdpad_link *rep; /* Representor. */
    const struct vdpad_feature *rep_feature;
    const struct vdpad_flow *flow;      /* NULL: none counted. */
    const struct vdpad_qdisc *qdisc;    /* Of the representor. */
    const struct vdpad_db_iface *iface; /* Of the representor. */
    const struct vdpad_holder *holders; /* Of its char device; */
    size_t n_holders;                   /* consecutive rows. */

    enum vdpad_intent intent;
    enum vdpad_owner owner;            /* Of the vDPA device. */
    const struct vdpad_policy *policy; /* APPLY: which; else NULL. */
    const char *policy_name; /* Also of a policy that is gone; NULL. */
    const char *frozen_by;   /* FREEZE: what about that policy does it. */
    const struct vdpad_record_dev *record;   /* NULL: not ours. */
    const struct vdpad_port_spec *port_spec; /* NULL: none assigned. */

    /* What 'policy' and 'port_spec' ask for. */
    bool want_mac;
    uint8_t mac[6];
    int32_t mtu;     /* 0: leave. */
    int32_t max_vqp; /* 0: leave; "max" is resolved. */
    bool want_attach;
    const char *bridge;  /* Where to; NULL without want_attach. */
    bool attach_refused; /* The key that says so cannot be read: as it is. */

    enum vdpad_state state; /* Set by the planner. */
    char reason[VDPAD_REASON_SIZE];
};

/* Something wrong that is no single device's: shown by status, config/show
 * and the log. */
struct vdpad_problem {
    char key[VDPAD_KEY_SIZE]; /* The database key, or "" . */
    char word[64];            /* "" : the whole. */
    char text[VDPAD_REASON_SIZE];
    bool is_refusal; /* Of the key as a whole. */
};

struct vdpad_world {
    const struct vdpad_observed *observed;
    const struct vdpad_snapshot *db; /* NULL: none yet. */
    const struct vdpad_config *config;
    struct vdpad_record *record; /* A copy. */
    bool db_connected;
    size_t n_pfs;
    struct vdpad_pf *pfs; /* Sorted by BDF. */
    size_t n_devs;
    struct vdpad_dev *devs; /* Sorted by PF, VF index; those without
                                     * a PF last, by name. */
    size_t n_problems, allocated_problems;
    struct vdpad_problem *problems;
};

/* Joins.  'db' may be NULL (nothing is wanted then, everything frozen).
 * 'seed' makes the MAC addresses of mac=stable differ from other hosts'.
 * Returns a world owned by the caller. */
struct vdpad_world *vdpad_world_new(const struct vdpad_observed *observed,
                                    const struct vdpad_snapshot *db,
                                    bool db_connected,
                                    const struct vdpad_config *config,
                                    const struct vdpad_record *record,
                                    const char *seed);
void vdpad_world_free(struct vdpad_world *world);

/* Finds a device by its vDPA name, its VF's BDF, its representor's name, its
 * char device ("vhost-vdpa-0"), its netdev or its iface-id, also one that a
 * key asks for and that it has not got yet; NULL: none. */
const struct vdpad_dev *vdpad_world_find(const struct vdpad_world *world,
                                         const char *name);

/* Whether a guest has negotiated features on 'dev' by way of vhost_vdpa; what
 * virtio_vdpa negotiates is the host's own. */
bool vdpad_dev_is_driven(const struct vdpad_dev *dev);

/* Whether somebody uses the device; then 'text' says who, for people. */
bool vdpad_dev_in_use(const struct vdpad_dev *dev,
                      char text[VDPAD_REASON_SIZE]);

#endif
