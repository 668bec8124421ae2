/* SPDX-License-Identifier: Apache-2.0 */

/* The database of the world builder, its life, and what tests expect. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world-builder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/util.h"

void
wb_set(struct wb_map *map, const char *key, const char *value)
{
    size_t i = 0;

    while (i < map->n && strcmp(map->kv[i].key, key)) {
        i++;
    }
    if (i < map->n) {
        free(map->kv[i].value);
        map->n--;
        memmove(&map->kv[i], &map->kv[i + 1],
                (map->n - i) * sizeof map->kv[0]);
    }
    if (value) {
        /* Sorted, as in a snapshot. */
        assert_true(map->n < WB_MAX_IDS);
        for (i = map->n++; i > 0 && strcmp(map->kv[i - 1].key, key) > 0; i--) {
            map->kv[i] = map->kv[i - 1];
        }
        vdpad_copy(map->kv[i].key, sizeof map->kv[i].key, key);
        map->kv[i].value = vdpad_xstrdup(value);
    }
}

const char *
wb_get(const struct wb_map *map, const char *key)
{
    for (size_t i = 0; i < map->n; i++) {
        if (!strcmp(map->kv[i].key, key)) {
            return map->kv[i].value;
        }
    }
    return NULL;
}

static void
clear_map(struct wb_map *map)
{
    for (size_t i = 0; i < map->n; i++) {
        free(map->kv[i].value);
    }
    map->n = 0;
}

static void
new_uuid(struct wb *b, char uuid[VDPAD_UUID_SIZE])
{
    vdpad_text(uuid, VDPAD_UUID_SIZE, "00000000-0000-0000-0000-%012u",
               ++b->last_row);
}

struct wb_port *
wb_find_port(const struct wb *b, const char *name)
{
    for (size_t i = 0; i < b->n_ports; i++) {
        if (!strcmp(b->ports[i].name, name)) {
            return &b->ports[i];
        }
    }
    return NULL;
}

struct wb_port *
wb_new_port(struct wb *b, const char *name, const char *bridge)
{
    b->ports = vdpad_grow(b->ports, b->n_ports, &b->allocated_ports,
                          sizeof *b->ports);

    size_t i = b->n_ports++;

    /* Sorted by name, as in a snapshot. */
    for (; i > 0 && strcmp(b->ports[i - 1].name, name) > 0; i--) {
        b->ports[i] = b->ports[i - 1];
    }
    memset(&b->ports[i], 0, sizeof b->ports[i]);
    vdpad_copy(b->ports[i].name, sizeof b->ports[i].name, name);
    vdpad_copy(b->ports[i].bridge, sizeof b->ports[i].bridge, bridge);
    new_uuid(b, b->ports[i].uuid);
    b->ports[i].ofport = 1;
    b->ports[i].tag = -1;
    return &b->ports[i];
}

void
wb_del_port(struct wb *b, const char *name)
{
    struct wb_port *port = wb_find_port(b, name);

    assert_non_null(port);
    clear_map(&port->ids);
    memmove(port, port + 1,
            (size_t) (b->ports + b->n_ports - port - 1) * sizeof *port);
    b->n_ports--;
}

void
wb_new_bridge(struct wb *b, const char *name)
{
    size_t i = b->n_bridges++;

    assert_true(i < sizeof b->bridges / sizeof *b->bridges);
    for (; i > 0 && strcmp(b->bridges[i - 1].name, name) > 0; i--) {
        b->bridges[i] = b->bridges[i - 1];
    }
    vdpad_copy(b->bridges[i].name, sizeof b->bridges[i].name, name);
    new_uuid(b, b->bridges[i].uuid);
}

int
wb_set_up(void **state)
{
    struct wb *b = vdpad_xcalloc(1, sizeof *b);

    for (int i = 0; i < VDPAD_N_CLASSES; i++) {
        struct vdpad_observed_class *c = &b->observed.class_[i];

        c->known = c->fresh = true;
        c->picture.class_ = (enum vdpad_class) i;
        c->picture.row_size = vdpad_row_size((enum vdpad_class) i);
    }
    for (size_t i = 0; vdpad_module_names[i]; i++) {
        struct vdpad_module *m = wb_add_row(b, VDPAD_MODULE);

        vdpad_copy(m->name, sizeof m->name, vdpad_module_names[i]);
        m->state = VDPAD_MODULE_LOADED;
    }
    b->has_db = b->db_connected = true;
    vdpad_copy(b->db_uuid, sizeof b->db_uuid,
               "11111111-0000-0000-0000-000000000000");
    b->record = vdpad_xcalloc(1, sizeof *b->record);
    b->memory = vdpad_memory_new();
    b->now_ns = 1000 * WB_SEC;
    wb_new_bridge(b, "br-int");
    wb_set(&b->other_config, "hw-offload", "true");
    *state = b;
    return 0;
}

static void
free_maps(struct vdpad_snapshot *db)
{
    for (size_t i = 0; i < db->n_ifaces; i++) {
        free((void *) db->ifaces[i].external_ids.kv);
    }
    free((void *) db->external_ids.kv);
    free((void *) db->other_config.kv);
}

static void
forget_plan(struct wb *b)
{
    vdpad_plan_free(b->plan);
    vdpad_world_free(b->world);
    vdpad_config_free(b->config);
    if (b->snapshot) {
        free_maps(b->snapshot);
        free((void *) b->snapshot->bridges);
        free((void *) b->snapshot->ports);
        free((void *) b->snapshot->ifaces);
        free(b->snapshot);
    }
    b->plan = NULL;
    b->world = NULL;
    b->config = NULL;
    b->snapshot = NULL;
}

int
wb_tear_down(void **state)
{
    struct wb *b = *state;

    forget_plan(b);
    for (int i = 0; i < VDPAD_N_CLASSES; i++) {
        vdpad_picture_clear(&b->observed.class_[i].picture);
    }
    for (size_t i = 0; i < b->n_ports; i++) {
        clear_map(&b->ports[i].ids);
    }
    clear_map(&b->keys);
    clear_map(&b->other_config);
    free(b->ports);
    vdpad_record_free(b->record);
    vdpad_memory_free(b->memory);
    free(b);
    return 0;
}

static struct vdpad_map
borrow_map(const struct wb_map *map)
{
    struct vdpad_kv *kv = vdpad_xcalloc(map->n, sizeof *kv);

    for (size_t i = 0; i < map->n; i++) {
        kv[i] = (struct vdpad_kv){ map->kv[i].key, map->kv[i].value };
    }
    return (struct vdpad_map){ map->n, kv };
}

static size_t
bridge_index(const struct wb *b, const char *name)
{
    for (size_t i = 0; i < b->n_bridges; i++) {
        if (!strcmp(b->bridges[i].name, name)) {
            return i;
        }
    }
    fail_msg("no bridge %s", name);
    return 0;
}

const struct vdpad_snapshot *
wb_snapshot(struct wb *b)
{
    struct vdpad_snapshot *db = vdpad_xcalloc(1, sizeof *db);
    struct vdpad_db_bridge *bridges = vdpad_xcalloc(b->n_bridges,
                                                    sizeof *bridges);
    struct vdpad_db_port *ports = vdpad_xcalloc(b->n_ports, sizeof *ports);
    struct vdpad_db_iface *ifaces = vdpad_xcalloc(b->n_ports, sizeof *ifaces);

    for (size_t i = 0; i < b->n_bridges; i++) {
        bridges[i].name = b->bridges[i].name;
        bridges[i].datapath_type = bridges[i].fail_mode = "";
        vdpad_copy(bridges[i].uuid, VDPAD_UUID_SIZE, b->bridges[i].uuid);
    }
    for (size_t i = 0; i < b->n_ports; i++) {
        const struct wb_port *from = &b->ports[i];
        struct vdpad_db_port *port = &ports[i];
        struct vdpad_db_iface *iface = &ifaces[i];

        vdpad_copy(port->uuid, VDPAD_UUID_SIZE, from->uuid);
        port->name = from->name;
        port->bridge = bridge_index(b, from->bridge);
        port->tag = from->tag;
        port->trunks = from->trunks;
        port->n_trunks = from->n_trunks;
        port->vlan_mode = "";
        port->n_ifaces = 1;

        vdpad_copy(iface->uuid, VDPAD_UUID_SIZE, from->uuid);
        iface->uuid[0] = 'f';
        iface->name = from->name;
        iface->admin_state = iface->link_state = "";
        iface->type = from->type;
        iface->error = from->error;
        iface->ofport = from->ofport;
        iface->external_ids = borrow_map(&from->ids);
        iface->port = i;
    }
    vdpad_copy(db->uuid, VDPAD_UUID_SIZE, b->db_uuid);
    db->serial = 1;
    db->ovs_version = "3.1.0";
    db->external_ids = borrow_map(&b->keys);
    db->other_config = borrow_map(&b->other_config);
    db->n_bridges = b->n_bridges;
    db->n_ports = db->n_ifaces = b->n_ports;
    db->bridges = bridges;
    db->ports = ports;
    db->ifaces = ifaces;
    return db;
}

void
wb_plan(struct wb *b)
{
    static const struct vdpad_map none;

    forget_plan(b);
    for (int i = 0; i < VDPAD_N_CLASSES; i++) {
        struct vdpad_picture *p = &b->observed.class_[i].picture;

        if (vdpad_picture_sort(p)) {
            fail_msg("two rows of class %s have one key",
                     vdpad_class_name((enum vdpad_class) i));
        }
        b->observed.class_[i].at_ns = b->now_ns;
    }
    if (b->has_db) {
        b->snapshot = (struct vdpad_snapshot *) wb_snapshot(b);
    }
    b->config = vdpad_config_parse(b->has_db ? &b->snapshot->external_ids
                                             : &none);
    b->world = vdpad_world_new(&b->observed, b->snapshot, b->db_connected,
                               b->config, b->record, "seed");
    b->plan = vdpad_plan_new(b->world, b->memory, b->now_ns);
}

static void
print_problems(const struct wb *b)
{
    for (size_t i = 0; i < b->world->n_problems; i++) {
        print_error("problem %s [%s] %s\n", b->world->problems[i].key,
                    b->world->problems[i].word, b->world->problems[i].text);
    }
}

void
expect_plan(struct wb *b, const char *lines)
{
    char *text;

    wb_plan(b);
    text = wb_plan_text(b);

    bool same = !strcmp(text, lines);

    if (!same) {
        print_error("--- expected\n%s--- planned\n%s", lines, text);
        print_problems(b);
        for (size_t i = 0; i < b->config->n_errors; i++) {
            print_error("error %s [%s] %s\n", b->config->errors[i].key,
                        b->config->errors[i].word,
                        b->config->errors[i].reason);
        }
        for (size_t i = 0; i < b->world->n_pfs; i++) {
            print_error("%s %s: %s\n", b->world->pfs[i].pci->bdf,
                        vdpad_state_name(b->world->pfs[i].state),
                        b->world->pfs[i].reason);
        }
        for (size_t i = 0; i < b->world->n_devs; i++) {
            print_error("%s %s: %s\n", b->world->devs[i].name,
                        vdpad_state_name(b->world->devs[i].state),
                        b->world->devs[i].reason);
        }
    }
    free(text);
    if (!same) {
        fail_msg("another plan");
    }
}

const struct vdpad_dev *
wb_dev(const struct wb *b, const char *name)
{
    const struct vdpad_dev *dev = vdpad_world_find(b->world, name);

    if (!dev) {
        fail_msg("no device %s", name);
    }
    return dev;
}

const struct vdpad_pf *
wb_pf(const struct wb *b, const char *bdf)
{
    for (size_t i = 0; i < b->world->n_pfs; i++) {
        if (!strcmp(b->world->pfs[i].pci->bdf, bdf)) {
            return &b->world->pfs[i];
        }
    }
    fail_msg("no PF %s", bdf);
    return NULL;
}

void
expect_state(const struct wb *b, const char *name, const char *state,
             const char *part)
{
    const struct vdpad_dev *dev = vdpad_world_find(b->world, name);
    const struct vdpad_pf *pf = dev ? NULL : wb_pf(b, name);
    const char *is = vdpad_state_name(dev ? dev->state : pf->state);
    const char *reason = dev ? dev->reason : pf->reason;

    if (strcmp(is, state) || !strstr(reason, part)
        || (!part[0] && reason[0])) {
        fail_msg("%s is %s (%s), expected %s (%s)", name, is, reason, state,
                 part);
    }
}

void
expect_problem(const struct wb *b, const char *key, const char *part)
{
    for (size_t i = 0; i < b->world->n_problems; i++) {
        const struct vdpad_problem *p = &b->world->problems[i];

        if (!strcmp(p->key, key) && strstr(p->text, part)) {
            return;
        }
    }
    print_problems(b);
    fail_msg("%s has no problem with '%s'", key, part);
}

void
expect_no_problems(const struct wb *b)
{
    for (size_t i = 0; i < b->world->n_problems; i++) {
        fail_msg("problem %s [%s] %s", b->world->problems[i].key,
                 b->world->problems[i].word, b->world->problems[i].text);
    }
}
