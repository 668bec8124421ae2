/* SPDX-License-Identifier: Apache-2.0 */
/* Rules kept here: sets and maps are changed by mutations of single elements,
 * which do not conflict with other writers (facts about that are in
 * README.md); a row of somebody else is never changed, whatever was asked. */
#include "store-ops.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openvswitch/shash.h>
#include <ovs/smap.h>
#include <ovs/sset.h>
#include <ovs/util.h>
#include <ovs/uuid.h>
#include <ovs/vswitch-idl.h>

#include "port-copy.h"
#include "snapshot.h"

/* A bridge that this transaction makes.  Its ports are set at the end: there
 * is no set yet of which an element could be changed. */
struct new_bridge {
    struct ovsrec_bridge *row;
    struct ovsrec_port **ports;
    size_t n_ports;
};

struct build {
    struct ovsdb_idl *idl;
    struct ovsdb_idl_txn *txn;
    const struct vdpad_snapshot *snapshot;
    const struct ovsrec_open_vswitch *ovs;
    struct shash new_bridges; /* struct new_bridge by name. */
    struct sset added;        /* Ports that this transaction adds, … */
    struct sset deleted;      /* … and those it deletes. */
    struct vdpad_error *why;
};

#define REFUSE(B, CODE, ...) vdpad_error_set((B)->why, CODE, __VA_ARGS__)

static bool
is_ours(const struct smap *external_ids)
{
    const char *owner = smap_get(external_ids, VDPAD_OWNER_KEY);
    return owner && !strcmp(owner, VDPAD_OWNER_VALUE)
           && !smap_get(external_ids, VDPAD_OVN_PLUGGED_KEY);
}

static bool
row_uuid(const char *text, struct uuid *uuid)
{
    return text && uuid_from_string(uuid, text);
}

static const struct ovsrec_bridge *
bridge_row(const struct build *b, size_t index)
{
    struct uuid uuid;

    return row_uuid(b->snapshot->bridges[index].uuid, &uuid)
               ? ovsrec_bridge_get_for_uuid(b->idl, &uuid)
               : NULL;
}

static const struct ovsrec_port *
port_row(const struct build *b, const struct vdpad_db_port *port)
{
    struct uuid uuid;

    return row_uuid(port->uuid, &uuid)
               ? ovsrec_port_get_for_uuid(b->idl, &uuid)
               : NULL;
}

static const struct ovsrec_interface *
iface_row(const struct build *b, const struct vdpad_db_iface *iface)
{
    struct uuid uuid;

    return row_uuid(iface->uuid, &uuid)
               ? ovsrec_interface_get_for_uuid(b->idl, &uuid)
               : NULL;
}

/* Refuses if a port or interface called 'name' will be there after the
 * transaction.  Returns 0, or -EALREADY if it is our port in 'bridge'. */
static int
check_name(const struct build *b, const char *name, const char *bridge)
{
    const struct vdpad_snapshot *s = b->snapshot;
    const struct vdpad_db_port *port = vdpad_snapshot_port(s, name);
    const struct vdpad_db_iface *iface = vdpad_snapshot_iface(s, name);

    if (sset_contains(&b->added, name)) {
        return -EALREADY;
    }
    if (port && !sset_contains(&b->deleted, name)) {
        const struct ovsrec_port *row = port_row(b, port);

        if (bridge && row && is_ours(&row->external_ids)
            && !strcmp(s->bridges[port->bridge].name, bridge)) {
            return -EALREADY;
        }
        return REFUSE(b, -EEXIST, "port %s is already in bridge %s%s", name,
                      s->bridges[port->bridge].name,
                      row && is_ours(&row->external_ids)
                          ? ""
                          : " and was made by others");
    }
    if (iface && !sset_contains(&b->deleted, s->ports[iface->port].name)) {
        return REFUSE(b, -EEXIST, "interface %s already belongs to port %s",
                      name, s->ports[iface->port].name);
    }
    return 0;
}

static int
set_ovs_key(struct build *b, const struct vdpad_dbop *op)
{
    bool other = op->kind == VDPAD_DBOP_OVS_OTHER_CONFIG;

    if (!op->key) {
        return REFUSE(b, -EINVAL, "an operation lacks its key");
    }
    if (!b->ovs) {
        return REFUSE(b, -ENOENT,
                      "the table Open_vSwitch is empty: start "
                      "Open vSwitch, or run \"ovs-vsctl init\"");
    }
    const char *old = smap_get(
        other ? &b->ovs->other_config : &b->ovs->external_ids, op->key);
    if (!op->value) {
        if (old && other) {
            ovsrec_open_vswitch_update_other_config_delkey(b->ovs, op->key);
        } else if (old) {
            ovsrec_open_vswitch_update_external_ids_delkey(b->ovs, op->key);
        }
    } else if (!old || strcmp(old, op->value)) {
        if (other) {
            ovsrec_open_vswitch_update_other_config_setkey(b->ovs, op->key,
                                                           op->value);
        } else {
            ovsrec_open_vswitch_update_external_ids_setkey(b->ovs, op->key,
                                                           op->value);
        }
    }
    return 0;
}

/* Inserts an Interface and its Port, both called 'name'. */
static struct ovsrec_port *
insert_port(struct build *b, const char *name, const char *type,
            struct ovsrec_interface **ret_iface)
{
    struct ovsrec_interface *iface = ovsrec_interface_insert(b->txn);
    struct ovsrec_port *port = ovsrec_port_insert(b->txn);

    ovsrec_interface_set_name(iface, name);
    ovsrec_interface_set_type(iface, type);
    ovsrec_port_set_name(port, name);
    ovsrec_port_set_interfaces(port, &iface, 1);
    sset_add(&b->added, name);
    *ret_iface = iface;
    return port;
}

static void
new_bridge_add(struct new_bridge *bridge, struct ovsrec_port *port)
{
    bridge->ports = xrealloc(bridge->ports,
                             (bridge->n_ports + 1) * sizeof *bridge->ports);
    bridge->ports[bridge->n_ports++] = port;
}

static int
add_bridge(struct build *b, const struct vdpad_dbop *op)
{
    struct ovsrec_interface *iface;

    if (!op->bridge) {
        return REFUSE(b, -EINVAL, "an operation lacks its bridge");
    }
    if (vdpad_snapshot_bridge(b->snapshot, op->bridge)
        || shash_find(&b->new_bridges, op->bridge)) {
        return 0;
    }
    if (!b->ovs) {
        return REFUSE(b, -ENOENT,
                      "cannot make bridge %s, the table "
                      "Open_vSwitch is empty: start Open vSwitch, or run "
                      "\"ovs-vsctl init\"",
                      op->bridge);
    }
    int error = check_name(b, op->bridge, NULL);
    if (error) {
        return error == -EALREADY
                   ? REFUSE(b, -EEXIST,
                            "%s cannot be both a bridge and a port",
                            op->bridge)
                   : error;
    }

    /* Neither the bridge nor its own port gets our mark: they are there for
     * everybody from now on, and stay when we go. */
    struct new_bridge *new = xzalloc(sizeof *new);
    new->row = ovsrec_bridge_insert(b->txn);
    ovsrec_bridge_set_name(new->row, op->bridge);
    new_bridge_add(new, insert_port(b, op->bridge, "internal", &iface));
    shash_add(&b->new_bridges, op->bridge, new);
    ovsrec_open_vswitch_update_bridges_addvalue(b->ovs, new->row);
    return 0;
}

static int
add_port(struct build *b, const struct vdpad_dbop *op)
{
    struct smap ids = SMAP_INITIALIZER(&ids);
    const struct ovsrec_port *replaced = NULL;
    struct ovsrec_interface *iface;
    struct uuid uuid;

    if (!op->bridge || !op->port) {
        return REFUSE(b, -EINVAL, "an operation lacks its bridge or port");
    }
    struct new_bridge *new = shash_find_data(&b->new_bridges, op->bridge);
    const struct vdpad_db_bridge *old = vdpad_snapshot_bridge(b->snapshot,
                                                              op->bridge);
    const struct ovsrec_bridge *bridge = NULL;
    if (old) {
        bridge = bridge_row(b, (size_t) (old - b->snapshot->bridges));
    }
    if (!new && !bridge) {
        return REFUSE(b, -ENOENT, "there is no bridge %s for port %s",
                      op->bridge, op->port);
    }
    int error = check_name(b, op->port, op->bridge);
    if (error) {
        return error == -EALREADY ? 0 : error;
    }

    struct ovsrec_port *port = insert_port(b, op->port, "", &iface);
    if (row_uuid(op->uuid, &uuid)) {
        replaced = ovsrec_port_get_for_uuid(b->idl, &uuid);
    }
    if (replaced) {
        vdpad_port_copy(b->idl, replaced, port, iface);
        smap_clone(&ids, &replaced->external_ids);
    }
    smap_replace(&ids, VDPAD_OWNER_KEY, VDPAD_OWNER_VALUE);
    ovsrec_port_set_external_ids(port, &ids);
    smap_clear(&ids);
    smap_add(&ids, VDPAD_OWNER_KEY, VDPAD_OWNER_VALUE);
    for (size_t i = 0; i < op->ids.n; i++) {
        smap_replace(&ids, op->ids.kv[i].key, op->ids.kv[i].value);
    }
    ovsrec_interface_set_external_ids(iface, &ids);
    smap_destroy(&ids);
    if (op->tag >= 0) {
        ovsrec_port_set_tag(port, &op->tag, 1);
    }
    if (op->n_trunks) {
        ovsrec_port_set_trunks(port, op->trunks, op->n_trunks);
    }
    if (op->mtu_request > 0) {
        ovsrec_interface_set_mtu_request(iface, &op->mtu_request, 1);
    }
    if (new) {
        new_bridge_add(new, port);
    } else {
        ovsrec_bridge_update_ports_addvalue(bridge, port);
    }
    return 0;
}

/* The port that 'op' names, or NULL if it is not there any more. */
static const struct ovsrec_port *
find_port(const struct build *b, const struct vdpad_dbop *op,
          const struct vdpad_db_port **ret_port)
{
    const struct vdpad_db_port *port = vdpad_snapshot_port(b->snapshot,
                                                           op->port);

    if (!port || (op->uuid && strcmp(op->uuid, port->uuid))
        || sset_contains(&b->deleted, op->port)) {
        return NULL;
    }
    *ret_port = port;
    return port_row(b, port);
}

static const struct ovsrec_interface *
find_iface(const struct build *b, const struct vdpad_dbop *op)
{
    const struct vdpad_snapshot *s = b->snapshot;
    const struct vdpad_db_iface *iface = vdpad_snapshot_iface(s, op->port);

    if (!iface || (op->uuid && strcmp(op->uuid, iface->uuid))
        || sset_contains(&b->deleted, s->ports[iface->port].name)) {
        return NULL;
    }
    return iface_row(b, iface);
}

static int
delete_port(struct build *b, const struct vdpad_dbop *op)
{
    const struct vdpad_db_port *port;

    if (!op->port || !op->uuid) {
        return REFUSE(b, -EINVAL, "an operation lacks its port or uuid");
    }
    const struct ovsrec_port *row = find_port(b, op, &port);
    if (!row) {
        return 0;
    }
    bool ours = is_ours(&row->external_ids);
    for (size_t i = 0; i < row->n_interfaces && ours; i++) {
        ours = is_ours(&row->interfaces[i]->external_ids);
    }
    if (!ours) {
        return REFUSE(b, -EPERM,
                      "port %s is not removed: it or an interface "
                      "of it does not carry our mark",
                      op->port);
    }
    const struct ovsrec_bridge *bridge = bridge_row(b, port->bridge);
    if (!bridge) {
        return 0;
    }

    /* Should somebody take the mark off or add an interface meanwhile, the
     * transaction must fail. */
    ovsrec_port_verify_external_ids(row);
    ovsrec_port_verify_interfaces(row);
    for (size_t i = 0; i < row->n_interfaces; i++) {
        ovsrec_interface_verify_external_ids(row->interfaces[i]);
    }
    ovsrec_bridge_update_ports_delvalue(bridge, row);
    sset_add(&b->deleted, op->port);
    return 0;
}

static int
set_iface_key(struct build *b, const struct vdpad_dbop *op)
{
    if (!op->port || !op->key) {
        return REFUSE(b, -EINVAL, "an operation lacks its port or key");
    }
    const struct ovsrec_interface *row = find_iface(b, op);
    if (!row) {
        return 0;
    }
    const char *old = smap_get(&row->external_ids, op->key);
    bool same = old && op->value ? !strcmp(old, op->value)
                                 : !old && !op->value;
    if (same) {
        return 0;
    }
    if (!is_ours(&row->external_ids) && strcmp(op->key, VDPAD_OFFLOAD_KEY)) {
        return REFUSE(b, -EPERM,
                      "interface %s keeps its external_ids:%s: it "
                      "does not carry our mark",
                      op->port, op->key);
    }
    if (op->value) {
        ovsrec_interface_update_external_ids_setkey(row, op->key, op->value);
    } else {
        ovsrec_interface_update_external_ids_delkey(row, op->key);
    }
    return 0;
}

static int
set_vlan(struct build *b, const struct vdpad_dbop *op)
{
    const struct vdpad_db_port *port;

    if (!op->port) {
        return REFUSE(b, -EINVAL, "an operation lacks its port");
    }
    const struct ovsrec_port *row = find_port(b, op, &port);
    if (!row) {
        return 0;
    }
    bool same_tag = port->tag == (op->tag < 0 ? -1 : op->tag);
    bool same_trunks = port->n_trunks == op->n_trunks
                       && (!op->n_trunks
                           || !memcmp(port->trunks, op->trunks,
                                      op->n_trunks * sizeof *op->trunks));
    if (same_tag && same_trunks) {
        return 0;
    }
    if (!is_ours(&row->external_ids)) {
        return REFUSE(b, -EPERM,
                      "port %s keeps its VLANs: it does not carry "
                      "our mark",
                      op->port);
    }
    if (!same_tag) {
        ovsrec_port_set_tag(row, &op->tag, op->tag >= 0);
    }
    if (!same_trunks) {
        ovsrec_port_set_trunks(row, op->trunks, op->n_trunks);
    }
    return 0;
}

static int
set_mtu(struct build *b, const struct vdpad_dbop *op)
{
    if (!op->port) {
        return REFUSE(b, -EINVAL, "an operation lacks its port");
    }
    const struct ovsrec_interface *row = find_iface(b, op);
    if (!row) {
        return 0;
    }
    int64_t old = row->n_mtu_request ? *row->mtu_request : 0;
    if (old == op->mtu_request) {
        return 0;
    }
    if (!is_ours(&row->external_ids)) {
        return REFUSE(b, -EPERM,
                      "interface %s keeps its MTU: it does not "
                      "carry our mark",
                      op->port);
    }
    ovsrec_interface_set_mtu_request(row, &op->mtu_request,
                                     op->mtu_request > 0);
    return 0;
}

static int
apply(struct build *b, const struct vdpad_dbop *op)
{
    switch (op->kind) {
    case VDPAD_DBOP_OVS_OTHER_CONFIG:
    case VDPAD_DBOP_OVS_EXTERNAL_ID:
        return set_ovs_key(b, op);
    case VDPAD_DBOP_BRIDGE_ADD:
        return add_bridge(b, op);
    case VDPAD_DBOP_PORT_ADD:
        return add_port(b, op);
    case VDPAD_DBOP_PORT_DEL:
        return delete_port(b, op);
    case VDPAD_DBOP_IFACE_EXTERNAL_ID:
        return set_iface_key(b, op);
    case VDPAD_DBOP_PORT_VLAN:
        return set_vlan(b, op);
    case VDPAD_DBOP_IFACE_MTU:
        return set_mtu(b, op);
    default:
        return REFUSE(b, -EINVAL, "there is no operation %d", op->kind);
    }
}

int
vdpad_ops_apply(struct ovsdb_idl *idl, struct ovsdb_idl_txn *txn,
                const struct vdpad_snapshot *snapshot,
                const struct vdpad_dbop *ops, size_t n,
                struct vdpad_error *why)
{
    struct vdpad_error ignored = { .code = 0 };
    struct build b = {
        .idl = idl,
        .txn = txn,
        .snapshot = snapshot,
        .ovs = ovsrec_open_vswitch_first(idl),
        .new_bridges = SHASH_INITIALIZER(&b.new_bridges),
        .added = SSET_INITIALIZER(&b.added),
        .deleted = SSET_INITIALIZER(&b.deleted),
    };
    struct shash_node *node;
    int first = 0;

    for (size_t i = 0; i < n; i++) {
        b.why = first ? &ignored : why;
        int error = apply(&b, &ops[i]);
        first = first ? first : error;
    }
    SHASH_FOR_EACH(node, &b.new_bridges) {
        struct new_bridge *bridge = node->data;
        ovsrec_bridge_set_ports(bridge->row, bridge->ports, bridge->n_ports);
        free(bridge->ports);
    }
    shash_destroy_free_data(&b.new_bridges);
    sset_destroy(&b.added);
    sset_destroy(&b.deleted);
    return first;
}
