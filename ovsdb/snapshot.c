/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshot.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openvswitch/util.h>
#include <ovs/smap.h>
#include <ovs/util.h>
#include <ovs/uuid.h>
#include <ovs/vswitch-idl.h>

#include "port-copy.h"

/* All that a snapshot points to is cut from few blocks, so that building and
 * freeing one costs a handful of allocations whatever its size. */
struct block {
    struct block *next;
    size_t used, size;
    max_align_t bytes[];
};

struct snapshot {
    struct vdpad_snapshot pub;
    struct block *blocks;
};

#define BLOCK_SIZE 32768

static void *
cut(struct snapshot *s, size_t size, size_t align)
{
    struct block *b = s->blocks;
    size_t start = b ? ROUND_UP(b->used, align) : 0;

    if (!b || start > b->size || size > b->size - start) {
        size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;
        b = xmalloc(sizeof *b + room);
        b->size = room;
        b->next = s->blocks;
        s->blocks = b;
        start = 0;
    }
    b->used = start + size;
    return (char *) b->bytes + start;
}

#define CUT_ARRAY(S, TYPE, N) \
    ((TYPE *) cut(S, (N) * sizeof(TYPE), _Alignof(TYPE)))

/* NULL becomes "". */
static const char *
copy_string(struct snapshot *s, const char *string)
{
    if (!string || !*string) {
        return "";
    }
    size_t size = strlen(string) + 1;
    return memcpy(cut(s, size, 1), string, size);
}

static int
compare_kv(const void *a_, const void *b_)
{
    const struct vdpad_kv *a = a_, *b = b_;
    return strcmp(a->key, b->key);
}

static struct vdpad_map
copy_map(struct snapshot *s, const struct smap *smap)
{
    struct vdpad_map map = { .n = smap_count(smap) };

    if (map.n) {
        struct vdpad_kv *kv = CUT_ARRAY(s, struct vdpad_kv, map.n);
        const struct smap_node *node;
        size_t n = 0;

        SMAP_FOR_EACH(node, smap) {
            kv[n].key = copy_string(s, node->key);
            kv[n++].value = copy_string(s, node->value);
        }
        qsort(kv, n, sizeof *kv, compare_kv);
        map.kv = kv;
    }
    return map;
}

static void
copy_uuid(char text[VDPAD_UUID_SIZE], const struct uuid *uuid)
{
    BUILD_ASSERT_DECL(VDPAD_UUID_SIZE == UUID_LEN + 1);
    snprintf(text, VDPAD_UUID_SIZE, UUID_FMT, UUID_ARGS(uuid));
}

static int64_t
optional(const int64_t *value, size_t n, int64_t otherwise)
{
    return n ? *value : otherwise;
}

static void
copy_iface(struct snapshot *s, const struct ovsrec_interface *row,
           struct vdpad_db_iface *iface)
{
    *iface = (struct vdpad_db_iface){
        .name = copy_string(s, row->name),
        .type = copy_string(s, row->type),
        .error = copy_string(s, row->error),
        .admin_state = copy_string(s, row->admin_state),
        .link_state = copy_string(s, row->link_state),
        .ofport = optional(row->ofport, row->n_ofport, VDPAD_OFPORT_NONE),
        .ifindex = optional(row->ifindex, row->n_ifindex, 0),
        .mtu = optional(row->mtu, row->n_mtu, 0),
        .mtu_request = optional(row->mtu_request, row->n_mtu_request, 0),
        .external_ids = copy_map(s, &row->external_ids),
        .other_config = copy_map(s, &row->other_config),
    };
    copy_uuid(iface->uuid, &row->header_.uuid);
}

static void
copy_port(struct snapshot *s, const struct ovsrec_port *row, size_t bridge,
          struct vdpad_db_port *port)
{
    *port = (struct vdpad_db_port){
        .name = copy_string(s, row->name),
        .bridge = bridge,
        .tag = optional(row->tag, row->n_tag, -1),
        .n_trunks = row->n_trunks,
        .vlan_mode = copy_string(s, row->vlan_mode),
        .external_ids = copy_map(s, &row->external_ids),
        .other_config = copy_map(s, &row->other_config),
        .n_ifaces = row->n_interfaces,
    };
    copy_uuid(port->uuid, &row->header_.uuid);
    if (row->n_trunks) {
        int64_t *trunks = CUT_ARRAY(s, int64_t, row->n_trunks);
        memcpy(trunks, row->trunks, row->n_trunks * sizeof *trunks);
        port->trunks = trunks;
    }
}

/* A row on its way into the snapshot, to be sorted by name. */
struct entry {
    const char *name;
    const void *row;
    size_t parent;
};

static int
compare_entries(const void *a_, const void *b_)
{
    const struct entry *a = a_, *b = b_;
    int cmp = strcmp(a->name, b->name);

    return cmp ? cmp : a->parent < b->parent ? -1 : a->parent > b->parent;
}

/* Sorts by name and drops what comes twice: names are unique in the database,
 * so that is one row in two parents, which the schema does not forbid. */
static size_t
sort_entries(struct entry *entries, size_t n)
{
    size_t kept = 0;

    if (n) {
        qsort(entries, n, sizeof *entries, compare_entries);
    }
    for (size_t i = 0; i < n; i++) {
        if (!kept || entries[kept - 1].row != entries[i].row) {
            entries[kept++] = entries[i];
        }
    }
    return kept;
}

/* The bridges, sorted, that Open_vSwitch.bridges references. */
static const struct ovsrec_bridge **
sorted_bridges(const struct ovsrec_open_vswitch *ovs, size_t *ret_n)
{
    const struct ovsrec_bridge **rows = xcalloc(ovs->n_bridges + 1,
                                                sizeof *rows);
    struct entry *entries = xcalloc(ovs->n_bridges + 1, sizeof *entries);

    for (size_t i = 0; i < ovs->n_bridges; i++) {
        entries[i] = (struct entry){ ovs->bridges[i]->name, ovs->bridges[i],
                                     0 };
    }
    *ret_n = sort_entries(entries, ovs->n_bridges);
    for (size_t i = 0; i < *ret_n; i++) {
        rows[i] = entries[i].row;
    }
    free(entries);
    return rows;
}

static void
copy_ports(struct snapshot *s, const struct ovsrec_bridge *const *bridges,
           size_t n_bridges)
{
    size_t n = 0, n_ifaces = 0;

    for (size_t i = 0; i < n_bridges; i++) {
        n += bridges[i]->n_ports;
    }
    struct entry *entries = xcalloc(n + 1, sizeof *entries);
    n = 0;
    for (size_t i = 0; i < n_bridges; i++) {
        for (size_t j = 0; j < bridges[i]->n_ports; j++) {
            const struct ovsrec_port *port = bridges[i]->ports[j];
            entries[n++] = (struct entry){ port->name, port, i };
        }
    }
    n = sort_entries(entries, n);

    struct vdpad_db_port *ports = CUT_ARRAY(s, struct vdpad_db_port, n);
    for (size_t i = 0; i < n; i++) {
        const struct ovsrec_port *port = entries[i].row;
        copy_port(s, port, entries[i].parent, &ports[i]);
        n_ifaces += port->n_interfaces;
    }
    s->pub.ports = ports;
    s->pub.n_ports = n;

    struct entry *ifaces = xcalloc(n_ifaces + 1, sizeof *ifaces);
    n_ifaces = 0;
    for (size_t i = 0; i < n; i++) {
        const struct ovsrec_port *port = entries[i].row;
        for (size_t j = 0; j < port->n_interfaces; j++) {
            ifaces[n_ifaces++] = (struct entry){ port->interfaces[j]->name,
                                                 port->interfaces[j], i };
        }
    }
    n_ifaces = sort_entries(ifaces, n_ifaces);
    struct vdpad_db_iface *out = CUT_ARRAY(s, struct vdpad_db_iface, n_ifaces);
    for (size_t i = 0; i < n_ifaces; i++) {
        copy_iface(s, ifaces[i].row, &out[i]);
        out[i].port = ifaces[i].parent;
    }
    s->pub.ifaces = out;
    s->pub.n_ifaces = n_ifaces;
    free(ifaces);
    free(entries);
}

struct vdpad_snapshot *
vdpad_snapshot_new(const struct ovsdb_idl *idl, uint64_t serial)
{
    const struct ovsrec_open_vswitch *ovs = ovsrec_open_vswitch_first(idl);
    struct snapshot *s = xzalloc(sizeof *s);

    s->pub.serial = serial;
    s->pub.ovs_version = "";
    if (!ovs) {
        return &s->pub;
    }

    copy_uuid(s->pub.uuid, &ovs->header_.uuid);
    s->pub.ovs_version = copy_string(s, ovs->ovs_version);
    s->pub.external_ids = copy_map(s, &ovs->external_ids);
    s->pub.other_config = copy_map(s, &ovs->other_config);

    size_t n;
    const struct ovsrec_bridge **rows = sorted_bridges(ovs, &n);
    struct vdpad_db_bridge *bridges = CUT_ARRAY(s, struct vdpad_db_bridge, n);
    for (size_t i = 0; i < n; i++) {
        bridges[i] = (struct vdpad_db_bridge){
            .name = copy_string(s, rows[i]->name),
            .datapath_type = copy_string(s, rows[i]->datapath_type),
            .fail_mode = copy_string(s, rows[i]->fail_mode),
            .external_ids = copy_map(s, &rows[i]->external_ids),
        };
        copy_uuid(bridges[i].uuid, &rows[i]->header_.uuid);
    }
    s->pub.bridges = bridges;
    s->pub.n_bridges = n;
    copy_ports(s, rows, n);
    free(rows);
    return &s->pub;
}

void
vdpad_snapshot_free(struct vdpad_snapshot *snapshot)
{
    if (snapshot) {
        struct snapshot *s = CONTAINER_OF(snapshot, struct snapshot, pub);
        struct block *next;

        for (struct block *b = s->blocks; b; b = next) {
            next = b->next;
            free(b);
        }
        free(s);
    }
}

void
vdpad_snapshot_monitor(struct ovsdb_idl *idl)
{
    static const struct ovsdb_idl_column *const columns[] = {
        &ovsrec_open_vswitch_col_bridges,
        &ovsrec_open_vswitch_col_external_ids,
        &ovsrec_open_vswitch_col_other_config,
        &ovsrec_open_vswitch_col_ovs_version,
        &ovsrec_bridge_col_name,
        &ovsrec_bridge_col_ports,
        &ovsrec_bridge_col_datapath_type,
        &ovsrec_bridge_col_fail_mode,
        &ovsrec_bridge_col_external_ids,
        &ovsrec_port_col_name,
        &ovsrec_port_col_interfaces,
        &ovsrec_port_col_tag,
        &ovsrec_port_col_trunks,
        &ovsrec_port_col_vlan_mode,
        &ovsrec_port_col_external_ids,
        &ovsrec_port_col_other_config,
        &ovsrec_interface_col_name,
        &ovsrec_interface_col_type,
        &ovsrec_interface_col_error,
        &ovsrec_interface_col_admin_state,
        &ovsrec_interface_col_link_state,
        &ovsrec_interface_col_ofport,
        &ovsrec_interface_col_ifindex,
        &ovsrec_interface_col_mtu,
        &ovsrec_interface_col_mtu_request,
        &ovsrec_interface_col_external_ids,
        &ovsrec_interface_col_other_config,
    };

    vdpad_port_copy_monitor(idl);
    ovsdb_idl_add_table(idl, &ovsrec_table_open_vswitch);
    ovsdb_idl_add_table(idl, &ovsrec_table_bridge);
    ovsdb_idl_add_table(idl, &ovsrec_table_port);
    ovsdb_idl_add_table(idl, &ovsrec_table_interface);
    for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
        ovsdb_idl_add_column(idl, columns[i]);
    }
}

/* The element of the sorted 'base' (of 'n', each 'size' bytes long) whose
 * name, the member at 'offset', is 'name'. */
static const void *
find_name(const void *base, size_t n, size_t size, size_t offset,
          const char *name)
{
    size_t low = 0;

    while (low < n) {
        size_t mid = low + (n - low) / 2;
        const char *element = (const char *) base + mid * size;
        const char *candidate;

        memcpy(&candidate, element + offset, sizeof candidate);
        int cmp = strcmp(name, candidate);
        if (!cmp) {
            return element;
        } else if (cmp < 0) {
            n = mid;
        } else {
            low = mid + 1;
        }
    }
    return NULL;
}

const struct vdpad_db_bridge *
vdpad_snapshot_bridge(const struct vdpad_snapshot *s, const char *name)
{
    return find_name(s->bridges, s->n_bridges, sizeof *s->bridges,
                     offsetof(struct vdpad_db_bridge, name), name);
}

const struct vdpad_db_port *
vdpad_snapshot_port(const struct vdpad_snapshot *s, const char *name)
{
    return find_name(s->ports, s->n_ports, sizeof *s->ports,
                     offsetof(struct vdpad_db_port, name), name);
}

const struct vdpad_db_iface *
vdpad_snapshot_iface(const struct vdpad_snapshot *s, const char *name)
{
    return find_name(s->ifaces, s->n_ifaces, sizeof *s->ifaces,
                     offsetof(struct vdpad_db_iface, name), name);
}
