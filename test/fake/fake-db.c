/* SPDX-License-Identifier: Apache-2.0 */
#include "fake-db.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *
grow(void *array, size_t n, size_t size)
{
    array = realloc(array, (n + 1) * size);
    assert(array);
    memset((char *) array + n * size, 0, size);
    return array;
}

static char *
copy(const char *s)
{
    char *c = strdup(s);

    assert(c);
    return c;
}

static void
new_uuid(struct fake_db *db, char uuid[VDPAD_UUID_SIZE])
{
    (void) snprintf(uuid, VDPAD_UUID_SIZE, "%08x-0000-4000-8000-%012llx",
                    0xfdu, (unsigned long long) ++db->last_uuid);
}

/* Maps. */

const char *
fdb_get(const struct fdb_map *map, const char *key)
{
    for (size_t i = 0; i < map->n; i++) {
        if (!strcmp(map->kv[i].key, key)) {
            return map->kv[i].value;
        }
    }
    return NULL;
}

void
fdb_set(struct fdb_map *map, const char *key, const char *value)
{
    size_t i = 0;

    while (i < map->n && strcmp(map->kv[i].key, key) < 0) {
        i++;
    }
    if (i < map->n && !strcmp(map->kv[i].key, key)) {
        free(map->kv[i].value);
        if (value) {
            map->kv[i].value = copy(value);
            return;
        }
        free(map->kv[i].key);
        memmove(&map->kv[i], &map->kv[i + 1],
                (--map->n - i) * sizeof *map->kv);
    } else if (value) {
        map->kv = grow(map->kv, map->n, sizeof *map->kv);
        memmove(&map->kv[i + 1], &map->kv[i],
                (map->n++ - i) * sizeof *map->kv);
        map->kv[i] = (struct fdb_kv){ copy(key), copy(value) };
    }
}

void
fdb_clear(struct fdb_map *map)
{
    for (size_t i = 0; i < map->n; i++) {
        free(map->kv[i].key);
        free(map->kv[i].value);
    }
    free(map->kv);
    *map = (struct fdb_map){ 0 };
}

/* Rows. */

static void
clear_port(struct fdb_port *port)
{
    free(port->name);
    free(port->bridge);
    free(port->type);
    free(port->error);
    free(port->trunks);
    fdb_clear(&port->port_ids);
    fdb_clear(&port->iface_ids);
}

static void
clear(struct fake_db *db)
{
    for (size_t i = 0; i < db->n_ports; i++) {
        clear_port(&db->ports[i]);
    }
    for (size_t i = 0; i < db->n_bridges; i++) {
        free(db->bridges[i].name);
    }
    free(db->ports);
    free(db->bridges);
    fdb_clear(&db->external_ids);
    fdb_clear(&db->other_config);
    db->ports = NULL;
    db->bridges = NULL;
    db->n_ports = db->n_bridges = 0;
}

void
fake_db_renew(struct fake_db *db)
{
    clear(db);
    db->has_row = true;
    new_uuid(db, db->uuid);
    db->version++;
}

struct fake_db *
fake_db_new(void)
{
    struct fake_db *db = calloc(1, sizeof *db);

    assert(db);
    fake_db_renew(db);
    return db;
}

void
fake_db_free(struct fake_db *db)
{
    if (db) {
        clear(db);
        free(db);
    }
}

struct fdb_port *
fake_db_find_port(struct fake_db *db, const char *name)
{
    for (size_t i = 0; i < db->n_ports; i++) {
        if (!strcmp(db->ports[i].name, name)) {
            return &db->ports[i];
        }
    }
    return NULL;
}

const struct fdb_bridge *
fake_db_find_bridge(const struct fake_db *db, const char *name)
{
    for (size_t i = 0; i < db->n_bridges; i++) {
        if (!strcmp(db->bridges[i].name, name)) {
            return &db->bridges[i];
        }
    }
    return NULL;
}

void
fake_db_set_key(struct fake_db *db, const char *key, const char *value)
{
    fdb_set(&db->external_ids, key, value);
    db->version++;
}

void
fake_db_set_other(struct fake_db *db, const char *key, const char *value)
{
    fdb_set(&db->other_config, key, value);
    db->version++;
}

struct fdb_port *
fake_db_add_port(struct fake_db *db, const char *bridge, const char *name)
{
    struct fdb_port *port;

    if (fake_db_find_port(db, name) || !fake_db_find_bridge(db, bridge)) {
        return NULL;
    }
    db->ports = grow(db->ports, db->n_ports, sizeof *db->ports);
    port = &db->ports[db->n_ports++];
    new_uuid(db, port->uuid);
    new_uuid(db, port->iface_uuid);
    port->name = copy(name);
    port->bridge = copy(bridge);
    port->type = copy("");
    port->error = copy("");
    port->ofport = VDPAD_OFPORT_NONE;
    port->tag = -1;
    port->ids_version = ++db->version;
    return port;
}

void
fake_db_add_bridge(struct fake_db *db, const char *name)
{
    struct fdb_bridge *bridge;
    struct fdb_port *port;

    if (fake_db_find_port(db, name) || fake_db_find_bridge(db, name)) {
        return;
    }
    db->bridges = grow(db->bridges, db->n_bridges, sizeof *db->bridges);
    bridge = &db->bridges[db->n_bridges++];
    new_uuid(db, bridge->uuid);
    bridge->name = copy(name);
    port = fake_db_add_port(db, name, name);
    free(port->type);
    port->type = copy("internal");
}

void
fake_db_del_port(struct fake_db *db, const char *name)
{
    struct fdb_port *port = fake_db_find_port(db, name);

    if (port) {
        clear_port(port);
        *port = db->ports[--db->n_ports];
        db->version++;
    }
}

void
fake_db_set_iface_key(struct fake_db *db, const char *name, const char *key,
                      const char *value)
{
    struct fdb_port *port = fake_db_find_port(db, name);

    if (port) {
        fdb_set(&port->iface_ids, key, value);
        port->ids_version = ++db->version;
    }
}

void
fake_db_set_ofport(struct fake_db *db, const char *name, int64_t ofport,
                   const char *error)
{
    struct fdb_port *port = fake_db_find_port(db, name);

    if (port && (port->ofport != ofport || strcmp(port->error, error) != 0)) {
        port->ofport = ofport;
        free(port->error);
        port->error = copy(error);
        db->version++;
    }
}

/* Snapshots: one piece of memory for each, in which all lies. */

struct piece {
    struct vdpad_snapshot up;
    char *at, *end;
};

static void *
carve(struct piece *p, size_t size)
{
    char *at = p->at;

    size = (size + 15) & ~(size_t) 15;
    assert((size_t) (p->end - at) >= size);
    p->at += size;
    return at;
}

static const char *
put_text(struct piece *p, const char *s)
{
    return strcpy(carve(p, strlen(s) + 1), s);
}

static struct vdpad_map
put_map(struct piece *p, const struct fdb_map *map)
{
    struct vdpad_kv *kv = carve(p, map->n * sizeof *kv);

    for (size_t i = 0; i < map->n; i++) {
        kv[i].key = put_text(p, map->kv[i].key);
        kv[i].value = put_text(p, map->kv[i].value);
    }
    return (struct vdpad_map){ map->n, kv };
}

static size_t
text_size(const char *s)
{
    return strlen(s) + 17;
}

static size_t
map_size(const struct fdb_map *map)
{
    size_t size = map->n * sizeof(struct vdpad_kv) + 16;

    for (size_t i = 0; i < map->n; i++) {
        size += text_size(map->kv[i].key) + text_size(map->kv[i].value);
    }
    return size;
}

static size_t
snapshot_size(const struct fake_db *db)
{
    size_t size = sizeof(struct piece) + 64 + map_size(&db->external_ids)
                  + map_size(&db->other_config);

    for (size_t i = 0; i < db->n_bridges; i++) {
        size += sizeof(struct vdpad_db_bridge) + 16
                + text_size(db->bridges[i].name);
    }
    for (size_t i = 0; i < db->n_ports; i++) {
        const struct fdb_port *port = &db->ports[i];

        size += sizeof(struct vdpad_db_port) + sizeof(struct vdpad_db_iface)
                + 32 + 2 * text_size(port->name) + text_size(port->type)
                + text_size(port->error) + map_size(&port->port_ids)
                + map_size(&port->iface_ids) + 16
                + port->n_trunks * sizeof *port->trunks;
    }
    return size + 64;
}

static int
compare_ports(const void *a, const void *b)
{
    const struct fdb_port *const *pa = a;
    const struct fdb_port *const *pb = b;

    return strcmp((*pa)->name, (*pb)->name);
}

static int
compare_bridges(const void *a, const void *b)
{
    return strcmp(((const struct vdpad_db_bridge *) a)->name,
                  ((const struct vdpad_db_bridge *) b)->name);
}

static size_t
bridge_index(const struct vdpad_snapshot *s, const char *name)
{
    size_t i = 0;

    while (strcmp(s->bridges[i].name, name) != 0) {
        i++;
    }
    return i;
}

static void
put_port(struct piece *p, const struct fdb_port *from,
         struct vdpad_db_port *port, struct vdpad_db_iface *iface,
         size_t index)
{
    int64_t *trunks = carve(p, from->n_trunks * sizeof *trunks);

    memcpy(port->uuid, from->uuid, sizeof port->uuid);
    port->name = put_text(p, from->name);
    port->bridge = bridge_index(&p->up, from->bridge);
    port->tag = from->tag;
    if (from->n_trunks) {
        memcpy(trunks, from->trunks, from->n_trunks * sizeof *trunks);
    }
    port->trunks = trunks;
    port->n_trunks = from->n_trunks;
    port->vlan_mode = "";
    port->external_ids = put_map(p, &from->port_ids);
    port->n_ifaces = 1;
    memcpy(iface->uuid, from->iface_uuid, sizeof iface->uuid);
    iface->name = port->name;
    iface->type = put_text(p, from->type);
    iface->error = put_text(p, from->error);
    iface->admin_state = iface->link_state = "";
    iface->ofport = from->ofport;
    iface->mtu_request = from->mtu_request;
    iface->external_ids = put_map(p, &from->iface_ids);
    iface->port = index;
}

struct vdpad_snapshot *
fake_db_snapshot(const struct fake_db *db, uint64_t serial)
{
    size_t size = snapshot_size(db);
    struct piece *p = calloc(1, size);
    const struct fdb_port **order = calloc(db->n_ports + 1, sizeof *order);
    struct vdpad_snapshot *s;

    assert(p && order);
    p->at = (char *) p + ((sizeof *p + 15) & ~(size_t) 15);
    p->end = (char *) p + size;
    s = &p->up;
    s->serial = serial;
    s->ovs_version = "";
    memcpy(s->uuid, db->uuid, sizeof s->uuid);
    s->external_ids = put_map(p, &db->external_ids);
    s->other_config = put_map(p, &db->other_config);

    struct vdpad_db_bridge *bridges = carve(p,
                                            db->n_bridges * sizeof *bridges);
    struct vdpad_db_port *ports = carve(p, db->n_ports * sizeof *ports);
    struct vdpad_db_iface *ifaces = carve(p, db->n_ports * sizeof *ifaces);

    s->n_bridges = db->n_bridges;
    s->bridges = bridges;
    for (size_t i = 0; i < db->n_bridges; i++) {
        memcpy(bridges[i].uuid, db->bridges[i].uuid, sizeof bridges[i].uuid);
        bridges[i].name = put_text(p, db->bridges[i].name);
        bridges[i].datapath_type = bridges[i].fail_mode = "";
    }
    if (db->n_bridges) {
        qsort(bridges, db->n_bridges, sizeof *bridges, compare_bridges);
    }
    for (size_t i = 0; i < db->n_ports; i++) {
        order[i] = &db->ports[i];
    }
    qsort(order, db->n_ports, sizeof *order, compare_ports);
    s->n_ports = s->n_ifaces = db->n_ports;
    s->ports = ports;
    s->ifaces = ifaces;
    for (size_t i = 0; i < db->n_ports; i++) {
        put_port(p, order[i], &ports[i], &ifaces[i], i);
    }
    free(order);
    return s;
}

void
fake_db_snapshot_free(struct vdpad_snapshot *s)
{
    free(s);
}
