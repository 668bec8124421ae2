/* SPDX-License-Identifier: Apache-2.0 */
/* The port through which controller/ sees and changes the Open_vSwitch
 * database.  ovsdb/ implements it over OVS's IDL.  No row of the IDL leaves
 * that folder: a snapshot is plain values. */
#ifndef VDPAD_STORE_H
#define VDPAD_STORE_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vdpad/error.h>

#define VDPAD_UUID_SIZE 37

/* A map column: sorted by key.  Values are valid UTF-8 without NUL (OVSDB
 * refuses others), otherwise untrusted and of any length. */
struct vdpad_kv {
    const char *key, *value;
};
struct vdpad_map {
    size_t n;
    const struct vdpad_kv *kv;
};

/* Value of 'key' in 'map', or NULL. */
const char *vdpad_map_get(const struct vdpad_map *map, const char *key);

#define VDPAD_OFPORT_NONE (-2) /* Not assigned yet; -1: failed. */

struct vdpad_db_iface {
    char uuid[VDPAD_UUID_SIZE];
    const char *name, *type, *error; /* "" when unset. */
    const char *admin_state, *link_state;
    int64_t ofport;           /* VDPAD_OFPORT_NONE, -1, number. */
    int64_t ifindex;          /* 0: unset. */
    int64_t mtu, mtu_request; /* 0: unset. */
    struct vdpad_map external_ids, other_config;
    size_t port; /* Index into ports[]. */
};
struct vdpad_db_port {
    char uuid[VDPAD_UUID_SIZE];
    const char *name;
    size_t bridge; /* Index into bridges[]. */
    int64_t tag;   /* -1: unset. */
    const int64_t *trunks;
    size_t n_trunks;
    const char *vlan_mode; /* "" when unset. */
    struct vdpad_map external_ids, other_config;
    size_t n_ifaces; /* More than 1: a bond. */
};
struct vdpad_db_bridge {
    char uuid[VDPAD_UUID_SIZE];
    const char *name, *datapath_type, *fail_mode;
    struct vdpad_map external_ids;
};

/* One consistent state of the database.  Ports and Interfaces that no bridge
 * references are left out (ovsdb-server collects them). */
struct vdpad_snapshot {
    uint64_t serial;            /* Changes with every new snapshot. */
    char uuid[VDPAD_UUID_SIZE]; /* Of the Open_vSwitch row; "" when
                                         * the table is empty. */
    const char *ovs_version;    /* "" when unset. */
    struct vdpad_map external_ids, other_config; /* Of that row. */
    size_t n_bridges, n_ports, n_ifaces;         /* Each sorted by name. */
    const struct vdpad_db_bridge *bridges;
    const struct vdpad_db_port *ports;
    const struct vdpad_db_iface *ifaces;
};

enum vdpad_dbop_kind {
    VDPAD_DBOP_OVS_OTHER_CONFIG,  /* Open_vSwitch.other_config:key=value */
    VDPAD_DBOP_OVS_EXTERNAL_ID,   /* Open_vSwitch.external_ids:key=value */
    VDPAD_DBOP_BRIDGE_ADD,        /* 'bridge', with its internal port. */
    VDPAD_DBOP_PORT_ADD,          /* 'port' with one Interface of the same
                                     * name to 'bridge'; the ownership mark
                                     * goes on both, 'ids' on the Interface;
                                     * tag, trunks, mtu_request when set.
                                     * 'uuid' is the row of the Port that it
                                     * replaces (NULL: none): whatever else is
                                     * configured on that one and its Interface
                                     * is on the new ones, but for the
                                     * Interface's external_ids. */
    VDPAD_DBOP_PORT_DEL,          /* 'port' from 'bridge', only if 'uuid' is
                                     * still its row. */
    VDPAD_DBOP_IFACE_EXTERNAL_ID, /* 'port' is the Interface's name, 'uuid'
                                     * its row; key=value, a NULL value
                                     * deletes the key. */
    VDPAD_DBOP_PORT_VLAN,         /* tag and trunks of 'port'. */
    VDPAD_DBOP_IFACE_MTU,         /* mtu_request; 0 clears it. */
};

/* Strings are borrowed until commit() returns. */
struct vdpad_dbop {
    enum vdpad_dbop_kind kind;
    const char *bridge, *port, *uuid;
    const char *key, *value;
    struct vdpad_map ids;
    int64_t tag; /* -1: none. */
    const int64_t *trunks;
    size_t n_trunks;
    int64_t mtu_request; /* 0: none. */
};

/* The mark on every Port and Interface that we made. */
#define VDPAD_OWNER_KEY "vdpa-owner"
#define VDPAD_OWNER_VALUE "ovs-vdpad"

/* OVN's mark on what its VIF plug providers made: such a row is OVN's,
 * whatever else it says. */
#define VDPAD_OVN_PLUGGED_KEY "ovn-plugged"

struct vdpad_store;

/* Ends a commit(): 0, -EAGAIN when the database changed meanwhile or the
 * connection was lost (plan anew), or another negative errno with 'why'.
 *
 * Operations that cannot be done or must not be are left out without harm to
 * the others; the first such one then gives the error: -ENOENT (no such bridge
 * or no Open_vSwitch row), -EEXIST (the name is taken by something not ours),
 * -EPERM (the row lacks the ownership mark, on the Port or on an Interface of
 * it), -EINVAL (a member is missing).  Nothing at all was done when the server
 * itself refused: -EEXIST (somebody added the name at the same moment),
 * -EINVAL (a value that the schema forbids), -EPERM, -EIO. */
typedef void vdpad_committed_cb(void *aux, int error,
                                const struct vdpad_error *why);

struct vdpad_store_ops {
    /* The newest snapshot, borrowed until the next run(); NULL before the
     * first one.  Kept (stale) while disconnected. */
    const struct vdpad_snapshot *(*snapshot)(struct vdpad_store *);

    /* Puts all 'n' operations in one transaction.  One may be under way: a
     * second is refused with -EBUSY; -ENOTCONN without a connection or
     * snapshot; -EROFS in a dry run.  An operation whose row is gone or
     * already as asked is left out.  'cb' (NULL is allowed) comes from run(),
     * after the change is in the snapshot; never when commit() failed or the
     * store is destroyed.  An answer that takes longer than 30 s ends the
     * connection and with it the transaction.
     *
     * On rows without the ownership mark nothing is changed but the Interface
     * key "vdpa-offload".  'uuid' may be NULL but for PORT_DEL; of a PORT_ADD
     * it may be gone already. */
    int (*commit)(struct vdpad_store *, const struct vdpad_dbop *ops, size_t n,
                  vdpad_committed_cb *cb, void *aux);

    /* Whether the server is there, and has told its contents since. */
    bool (*is_connected)(const struct vdpad_store *);

    /* While there is no connection: why not, for people, borrowed until the
     * next call; "" if that is not known (yet). */
    const char *(*why_disconnected)(const struct vdpad_store *);
    const char *(*remote)(const struct vdpad_store *);
    void (*run)(struct vdpad_store *);
    void (*wait)(struct vdpad_store *);
    void (*destroy)(struct vdpad_store *);
};

/* First member of every implementation. */
struct vdpad_store {
    const struct vdpad_store_ops *ops;
};

#endif
