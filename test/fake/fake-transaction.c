/* SPDX-License-Identifier: Apache-2.0 */
/* Transactions of the client of fake-db.h.  As with the real one, an operation
 * is judged by the client's snapshot when it is committed, and done by the
 * server on what is there then. */
#include "fake-store.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static char *
copy(const char *s)
{
    return s ? strdup(s) : NULL;
}

static void
add_change(struct fake_store *s, const struct vdpad_dbop *op, const char *uuid)
{
    struct change *c;
    struct vdpad_kv *kv;
    int64_t *trunks;

    s->changes = realloc(s->changes, (s->n_changes + 1) * sizeof *s->changes);
    kv = calloc(op->ids.n + 1, sizeof *kv);
    trunks = calloc(op->n_trunks + 1, sizeof *trunks);
    assert(s->changes && kv && trunks);
    c = &s->changes[s->n_changes++];
    memset(c, 0, sizeof *c);
    c->op = *op;
    c->op.bridge = copy(op->bridge);
    c->op.port = copy(op->port);
    c->op.key = copy(op->key);
    c->op.value = copy(op->value);
    c->op.uuid = NULL;
    for (size_t i = 0; i < op->ids.n; i++) {
        kv[i].key = copy(op->ids.kv[i].key);
        kv[i].value = copy(op->ids.kv[i].value);
    }
    c->op.ids.kv = kv;
    if (op->n_trunks) {
        memcpy(trunks, op->trunks, op->n_trunks * sizeof *trunks);
    }
    c->op.trunks = trunks;
    if (uuid) {
        memcpy(c->uuid, uuid, sizeof c->uuid);
    }
}

void
fake_store_clear_changes(struct fake_store *s)
{
    for (size_t i = 0; i < s->n_changes; i++) {
        struct vdpad_dbop *op = &s->changes[i].op;

        for (size_t j = 0; j < op->ids.n; j++) {
            free((char *) (uintptr_t) op->ids.kv[j].key);
            free((char *) (uintptr_t) op->ids.kv[j].value);
        }
        free((void *) (uintptr_t) op->ids.kv);
        free((void *) (uintptr_t) op->trunks);
        free((char *) (uintptr_t) op->bridge);
        free((char *) (uintptr_t) op->port);
        free((char *) (uintptr_t) op->key);
        free((char *) (uintptr_t) op->value);
        fdb_clear(&s->changes[i].port_ids);
    }
    free(s->changes);
    s->changes = NULL;
    s->n_changes = 0;
}

/* Judging, by the snapshot. */

static bool
is_ours(const struct vdpad_map *ids)
{
    const char *owner = vdpad_map_get(ids, VDPAD_OWNER_KEY);

    return owner && !strcmp(owner, VDPAD_OWNER_VALUE);
}

static const struct vdpad_db_port *
find_port(const struct fake_store *s, const char *name)
{
    for (size_t i = 0; i < s->snapshot->n_ports; i++) {
        if (!strcmp(s->snapshot->ports[i].name, name)) {
            return &s->snapshot->ports[i];
        }
    }
    return NULL;
}

static const char *
find_bridge(const struct fake_store *s, const char *name)
{
    for (size_t i = 0; i < s->snapshot->n_bridges; i++) {
        if (!strcmp(s->snapshot->bridges[i].name, name)) {
            return s->snapshot->bridges[i].uuid;
        }
    }
    return NULL;
}

/* Whether this very transaction has such a change of 'name'. */
static bool
has_change(const struct fake_store *s, enum vdpad_dbop_kind kind,
           const char *name)
{
    for (size_t i = 0; i < s->n_changes; i++) {
        const struct vdpad_dbop *op = &s->changes[i].op;

        if (op->kind == kind
            && !strcmp(kind == VDPAD_DBOP_BRIDGE_ADD ? op->bridge : op->port,
                       name)) {
            return true;
        }
    }
    return false;
}

static int
check_name(const struct fake_store *s, const char *name, const char *bridge,
           struct vdpad_error *why)
{
    const struct vdpad_db_port *port = find_port(s, name);

    if (has_change(s, VDPAD_DBOP_PORT_ADD, name)
        || has_change(s, VDPAD_DBOP_BRIDGE_ADD, name)) {
        return -EALREADY;
    }
    if (port && !has_change(s, VDPAD_DBOP_PORT_DEL, name)) {
        const char *in = s->snapshot->bridges[port->bridge].name;

        return bridge && is_ours(&port->external_ids) && !strcmp(in, bridge)
                   ? -EALREADY
                   : vdpad_error_set(why, -EEXIST, "port %s is in bridge %s",
                                     name, in);
    }
    return 0;
}

/* What the port that 'c' adds takes over of the row 'uuid', of which the
 * snapshot tells. */
static void
copy_replaced(const struct fake_store *s, const char *uuid, struct change *c)
{
    for (size_t i = 0; i < s->snapshot->n_ports; i++) {
        const struct vdpad_db_port *port = &s->snapshot->ports[i];

        if (strcmp(port->uuid, uuid) != 0) {
            continue;
        }
        for (size_t j = 0; j < port->external_ids.n; j++) {
            fdb_set(&c->port_ids, port->external_ids.kv[j].key,
                    port->external_ids.kv[j].value);
        }
        if (!c->op.mtu_request) {
            c->op.mtu_request = s->snapshot->ifaces[i].mtu_request;
        }
    }
}

static int
judge_add(struct fake_store *s, const struct vdpad_dbop *op,
          struct vdpad_error *why)
{
    bool is_bridge = op->kind == VDPAD_DBOP_BRIDGE_ADD;
    const char *uuid = op->bridge ? find_bridge(s, op->bridge) : NULL;
    bool is_new = op->bridge
                  && has_change(s, VDPAD_DBOP_BRIDGE_ADD, op->bridge);
    int error;

    if (!op->bridge || (!is_bridge && !op->port)) {
        return vdpad_error_set(why, -EINVAL, "bridge or port is missing");
    }
    if (is_bridge && (uuid || is_new)) {
        return 0;
    }
    if (!is_bridge && !uuid && !is_new) {
        return vdpad_error_set(why, -ENOENT, "no bridge %s", op->bridge);
    }
    if (is_bridge && !s->snapshot->uuid[0]) {
        return vdpad_error_set(why, -ENOENT, "no Open_vSwitch row");
    }
    error = check_name(s, is_bridge ? op->bridge : op->port,
                       is_bridge ? NULL : op->bridge, why);
    if (!error) {
        add_change(s, op, uuid);
        if (!is_bridge && op->uuid) {
            copy_replaced(s, op->uuid, &s->changes[s->n_changes - 1]);
        }
    } else if (error == -EALREADY && is_bridge) {
        return vdpad_error_set(why, -EEXIST, "%s is a port", op->bridge);
    }
    return error == -EALREADY ? 0 : error;
}

static bool
same_text(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : a == b;
}

/* Operations on the port, or Interface, 'op->port'. */
static int
judge_change(struct fake_store *s, const struct vdpad_dbop *op,
             struct vdpad_error *why)
{
    bool on_port = op->kind == VDPAD_DBOP_PORT_DEL
                   || op->kind == VDPAD_DBOP_PORT_VLAN;
    const struct vdpad_db_port *port;
    const struct vdpad_db_iface *iface;
    bool ours, same = false;

    if (!op->port || (op->kind == VDPAD_DBOP_PORT_DEL && !op->uuid)
        || (op->kind == VDPAD_DBOP_IFACE_EXTERNAL_ID && !op->key)) {
        return vdpad_error_set(why, -EINVAL, "a member is missing");
    }
    port = find_port(s, op->port);
    if (!port || has_change(s, VDPAD_DBOP_PORT_DEL, op->port)) {
        return 0;
    }
    iface = &s->snapshot->ifaces[port - s->snapshot->ports];
    if (op->uuid
        && strcmp(op->uuid, on_port ? port->uuid : iface->uuid) != 0) {
        return 0;
    }
    ours = is_ours(on_port ? &port->external_ids : &iface->external_ids);
    if (op->kind == VDPAD_DBOP_PORT_DEL) {
        ours = ours && is_ours(&iface->external_ids);
    } else if (op->kind == VDPAD_DBOP_PORT_VLAN) {
        same = port->tag == (op->tag < 0 ? -1 : op->tag)
               && port->n_trunks == op->n_trunks
               && (!op->n_trunks
                   || !memcmp(port->trunks, op->trunks,
                              op->n_trunks * sizeof *op->trunks));
    } else if (op->kind == VDPAD_DBOP_IFACE_MTU) {
        same = iface->mtu_request == op->mtu_request;
    } else {
        same = same_text(vdpad_map_get(&iface->external_ids, op->key),
                         op->value);
        ours |= !strcmp(op->key, "vdpa-offload");
    }
    if (same) {
        return 0;
    }
    if (!ours) {
        return vdpad_error_set(why, -EPERM, "%s does not carry our mark",
                               op->port);
    }
    add_change(s, op, on_port ? port->uuid : iface->uuid);
    return 0;
}

int
fake_store_judge(struct fake_store *s, const struct vdpad_dbop *op,
                 struct vdpad_error *why)
{
    switch (op->kind) {
    case VDPAD_DBOP_OVS_OTHER_CONFIG:
    case VDPAD_DBOP_OVS_EXTERNAL_ID:
        if (!op->key) {
            return vdpad_error_set(why, -EINVAL, "the key is missing");
        }
        if (!s->snapshot->uuid[0]) {
            return vdpad_error_set(why, -ENOENT, "no Open_vSwitch row");
        }
        add_change(s, op, s->snapshot->uuid);
        return 0;
    case VDPAD_DBOP_BRIDGE_ADD:
    case VDPAD_DBOP_PORT_ADD:
        return judge_add(s, op, why);
    case VDPAD_DBOP_PORT_DEL:
    case VDPAD_DBOP_IFACE_EXTERNAL_ID:
    case VDPAD_DBOP_PORT_VLAN:
    case VDPAD_DBOP_IFACE_MTU:
        return judge_change(s, op, why);
    default:
        return vdpad_error_set(why, -EINVAL, "no such operation");
    }
}

/* Doing, on the server. */

static struct fdb_port *
find_row(struct fake_db *db, const struct change *c)
{
    for (size_t i = 0; i < db->n_ports; i++) {
        if (!strcmp(db->ports[i].uuid, c->uuid)
            || !strcmp(db->ports[i].iface_uuid, c->uuid)) {
            return &db->ports[i];
        }
    }
    return NULL;
}

/* Whether the server would refuse 'c', or find that it rests on what is no
 * longer so. */
static int
check(struct fake_store *s, const struct change *c, struct vdpad_error *why)
{
    const struct fdb_port *row = find_row(s->db, c);
    const char *name = c->op.kind == VDPAD_DBOP_BRIDGE_ADD ? c->op.bridge
                                                           : c->op.port;

    if (c->op.kind == VDPAD_DBOP_PORT_DEL
        && (!row || row->ids_version > s->version)) {
        return vdpad_error_set(why, -EAGAIN, "the database changed meanwhile");
    }
    if ((c->op.kind == VDPAD_DBOP_BRIDGE_ADD
         || c->op.kind == VDPAD_DBOP_PORT_ADD)
        && fake_db_find_port(s->db, name)
        && !has_change(s, VDPAD_DBOP_PORT_DEL, name)) {
        return vdpad_error_set(why, -EEXIST, "%s: identical values", name);
    }
    return 0;
}

static void
do_add_port(struct fake_db *db, const struct change *c)
{
    const struct vdpad_dbop *op = &c->op;
    struct fdb_port *port = fake_db_add_port(db, op->bridge, op->port);

    if (!port) {
        return; /* Its bridge has gone: nothing refers to the row. */
    }
    for (size_t i = 0; i < c->port_ids.n; i++) {
        fdb_set(&port->port_ids, c->port_ids.kv[i].key,
                c->port_ids.kv[i].value);
    }
    fdb_set(&port->port_ids, VDPAD_OWNER_KEY, VDPAD_OWNER_VALUE);
    fdb_set(&port->iface_ids, VDPAD_OWNER_KEY, VDPAD_OWNER_VALUE);
    for (size_t i = 0; i < op->ids.n; i++) {
        fdb_set(&port->iface_ids, op->ids.kv[i].key, op->ids.kv[i].value);
    }
    port->tag = op->tag < 0 ? -1 : op->tag;
    port->mtu_request = op->mtu_request;
    port->trunks = calloc(op->n_trunks + 1, sizeof *port->trunks);
    assert(port->trunks);
    port->n_trunks = op->n_trunks;
    memcpy(port->trunks, op->trunks, op->n_trunks * sizeof *port->trunks);
}

static void
do_change(struct fake_db *db, const struct change *c)
{
    const struct vdpad_dbop *op = &c->op;
    struct fdb_port *row = find_row(db, c);

    switch (op->kind) {
    case VDPAD_DBOP_OVS_OTHER_CONFIG:
        if (!strcmp(c->uuid, db->uuid)) {
            fdb_set(&db->other_config, op->key, op->value);
        }
        break;
    case VDPAD_DBOP_OVS_EXTERNAL_ID:
        if (!strcmp(c->uuid, db->uuid)) {
            fdb_set(&db->external_ids, op->key, op->value);
        }
        break;
    case VDPAD_DBOP_BRIDGE_ADD:
        fake_db_add_bridge(db, op->bridge);
        break;
    case VDPAD_DBOP_PORT_ADD:
        do_add_port(db, c);
        break;
    case VDPAD_DBOP_PORT_DEL:
        fake_db_del_port(db, op->port);
        break;
    case VDPAD_DBOP_IFACE_EXTERNAL_ID:
        if (row) {
            fdb_set(&row->iface_ids, op->key, op->value);
            row->ids_version = db->version + 1;
        }
        break;
    case VDPAD_DBOP_PORT_VLAN:
        if (row) {
            row->tag = op->tag < 0 ? -1 : op->tag;
            row->trunks = realloc(row->trunks,
                                  (op->n_trunks + 1) * sizeof *row->trunks);
            assert(row->trunks);
            row->n_trunks = op->n_trunks;
            memcpy(row->trunks, op->trunks,
                   op->n_trunks * sizeof *row->trunks);
        }
        break;
    case VDPAD_DBOP_IFACE_MTU:
        if (row) {
            row->mtu_request = op->mtu_request;
        }
        break;
    }
}

int
fake_store_do_changes(struct fake_store *s, struct vdpad_error *why)
{
    for (size_t i = 0; i < s->n_changes; i++) {
        int error = check(s, &s->changes[i], why);

        if (error) {
            return error;
        }
    }
    for (size_t i = 0; i < s->n_changes; i++) {
        do_change(s->db, &s->changes[i]);
    }
    s->db->version += s->n_changes > 0;
    return 0;
}
