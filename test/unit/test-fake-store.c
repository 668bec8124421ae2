/* SPDX-License-Identifier: Apache-2.0 */
/* The database in memory that the campaign uses answers as a real ovsdb-server
 * does: the same operations, one transaction after the other, are done on
 * both, and errors and contents compared. */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "fake-db.h"
#include "store-fixture.h"

static struct fake_db *db;
static struct vdpad_store *fake;
static int64_t clock_ns_;

static int64_t
clock_ns(void)
{
    return clock_ns_;
}

static int
setup(void **state)
{
    int error = store_setup(state);

    clock_ns_ = 1;
    db = fake_db_new();
    fake = fake_store_new(db, clock_ns);
    return error;
}

static int
teardown(void **state)
{
    fake->ops->destroy(fake);
    fake_db_free(db);
    return store_teardown(state);
}

/* The newest snapshot of the fake. */
static const struct vdpad_snapshot *
fake_sync(void)
{
    for (int i = 0; i < 10; i++) {
        clock_ns_ += 1000000;
        fake->ops->run(fake);
    }
    return fake->ops->snapshot(fake);
}

static int
fake_commit(const struct vdpad_dbop *ops, size_t n)
{
    struct store_result result = { .done = false };
    int error;

    (void) fake_sync();
    error = fake->ops->commit(fake, ops, n, store_on_committed, &result);
    for (int i = 0; !error && !result.done && i < 1000; i++) {
        clock_ns_ += 100000000;
        fake->ops->run(fake);
    }
    assert_true(error || result.done);
    return error ? error : result.error;
}

static void
put_map(FILE *out, const struct vdpad_map *map)
{
    for (size_t i = 0; i < map->n; i++) {
        /* One that store_sync() writes. */
        if (strcmp(map->kv[i].key, "sync") != 0) {
            fprintf(out, " %s=%s", map->kv[i].key, map->kv[i].value);
        }
    }
}

static const char *
bridge_name(const struct vdpad_snapshot *s, size_t i)
{
    return s->bridges[i].name;
}

/* All of 's' that both have, but for what each database chooses itself.  A
 * bridge's own port is ovs-vsctl's business. */
static char *
text_of(const struct vdpad_snapshot *s)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(s);
    assert_non_null(out);
    fputs("row", out);
    put_map(out, &s->external_ids);
    put_map(out, &s->other_config);
    for (size_t i = 0; i < s->n_bridges; i++) {
        fprintf(out, "\nbridge %s", s->bridges[i].name);
    }
    for (size_t i = 0; i < s->n_ifaces; i++) {
        const struct vdpad_db_iface *iface = &s->ifaces[i];
        const struct vdpad_db_port *port = &s->ports[iface->port];

        if (!strcmp(port->name, bridge_name(s, port->bridge))) {
            continue;
        }
        fprintf(out, "\nport %s of %s tag %" PRId64 " trunks", port->name,
                bridge_name(s, port->bridge), port->tag);
        for (size_t j = 0; j < port->n_trunks; j++) {
            fprintf(out, " %" PRId64, port->trunks[j]);
        }
        put_map(out, &port->external_ids);
        fprintf(out, "; interface %s mtu %" PRId64, iface->name,
                iface->mtu_request);
        put_map(out, &iface->external_ids);
    }
    assert_int_equal(fclose(out), 0);
    return text;
}

static void
assert_same(void)
{
    char *real = text_of(store_sync()), *ours = text_of(fake_sync());

    assert_string_equal(ours, real);
    free(real);
    free(ours);
}

/* Does 'ops' on both. */
static void
both(int expected, const struct vdpad_dbop *ops, size_t n)
{
    struct store_result result = { .done = false };

    (void) store_sync();
    assert_int_equal(store_commit(ops, n, &result), expected);
    assert_int_equal(fake_commit(ops, n), expected);
    assert_same();
}
#define BOTH(EXPECTED, ...)                              \
    both(EXPECTED, (struct vdpad_dbop[]){ __VA_ARGS__ }, \
         sizeof(struct vdpad_dbop[]){ __VA_ARGS__ }      \
             / sizeof(struct vdpad_dbop))
#define OP(KIND, ...) STORE_OP(KIND, __VA_ARGS__)
#define VLAN(PORT)                                             \
    {                                                          \
        .kind = VDPAD_DBOP_PORT_VLAN, .port = (PORT), .tag = 7 \
    }

static const struct vdpad_kv ours_kv[] = {
    { "iface-id", "lsp1" },
    { VDPAD_OWNER_KEY, VDPAD_OWNER_VALUE },
};
#define OURS       \
    {              \
        2, ours_kv \
    }

static void
operations(void **state)
{
    static const int64_t trunks[] = { 10, 20 };

    (void) state;
    assert_same();
    BOTH(0, OP(OVS_OTHER_CONFIG, .key = "hw-offload", .value = "true"),
         OP(OVS_EXTERNAL_ID, .key = "vdpa-suspended", .value = "*"));
    BOTH(0, OP(OVS_EXTERNAL_ID, .key = "vdpa-suspended", .value = NULL));
    BOTH(0, OP(BRIDGE_ADD, .bridge = "br0"),
         OP(PORT_ADD, .bridge = "br0", .port = "p0", .ids = OURS));
    BOTH(0, OP(PORT_ADD, .bridge = "br0", .port = "p1", .ids = OURS,
               .trunks = trunks, .n_trunks = 2, .mtu_request = 1400));
    BOTH(0, VLAN("p1"), OP(IFACE_MTU, .port = "p1", .mtu_request = 1500),
         OP(IFACE_EXTERNAL_ID, .port = "p1", .key = "vdpa-device",
            .value = "d"));
    BOTH(0, OP(IFACE_EXTERNAL_ID, .port = "p1", .key = "vdpa-device",
               .value = NULL));
    /* As asked already. */
    BOTH(0, VLAN("p1"));
}

/* A port in place of another takes over what is on that one. */
static void
replacement(void **state)
{
    struct vdpad_dbop ops[] = {
        OP(PORT_DEL, .port = "p0"),
        OP(PORT_ADD, .bridge = "br1", .port = "p0", .ids = OURS),
        OP(PORT_DEL, .port = "p1"),
        OP(PORT_ADD, .bridge = "br0", .port = "q1", .mtu_request = 1500),
        OP(PORT_ADD, .bridge = "br0", .port = "q2", .uuid = "gone"),
    };
    struct store_result result = { .done = false };
    const char *const names[] = { "p0", "p1" };

    (void) state;
    BOTH(0, OP(BRIDGE_ADD, .bridge = "br0"), OP(BRIDGE_ADD, .bridge = "br1"),
         OP(PORT_ADD, .bridge = "br0", .port = "p0", .ids = OURS),
         OP(PORT_ADD, .bridge = "br0", .port = "p1", .ids = OURS));
    for (size_t i = 0; i < 2; i++) {
        ovsdb_fixture_vsctl(&store_server,
                            "set Port %s external_ids:a=b "
                            "-- set Interface %s mtu_request=1442",
                            names[i], names[i]);
        fdb_set(&fake_db_find_port(db, names[i])->port_ids, "a", "b");
        fake_db_find_port(db, names[i])->mtu_request = 1442;
    }
    db->version++;
    assert_same();
    const struct vdpad_snapshot *real = store_sync();
    for (size_t i = 0; i < 2; i++) {
        ops[2 * i].uuid = store_find_port(real, names[i])->uuid;
        ops[2 * i + 1].uuid = ops[2 * i].uuid;
    }
    assert_int_equal(store_commit(ops, 5, &result), 0);
    for (size_t i = 0; i < 2; i++) {
        ops[2 * i].uuid = fake_db_find_port(db, names[i])->uuid;
        ops[2 * i + 1].uuid = ops[2 * i].uuid;
    }
    assert_int_equal(fake_commit(ops, 5), 0);
    assert_same();
    assert_int_equal(fake_db_find_port(db, "p0")->mtu_request, 1442);
    assert_int_equal(fake_db_find_port(db, "q1")->mtu_request, 1500);
    assert_string_equal(fdb_get(&fake_db_find_port(db, "q1")->port_ids, "a"),
                        "b");
}

static void
del(int expected, const char *name)
{
    const struct vdpad_db_port *real = store_find_port(store_sync(), name);
    const struct fdb_port *ours = fake_db_find_port(db, name);
    struct store_result result = { .done = false };
    struct vdpad_dbop op = OP(PORT_DEL, .port = name, .uuid = real->uuid);

    assert_int_equal(store_commit(&op, 1, &result), expected);
    op.uuid = ours->uuid;
    assert_int_equal(fake_commit(&op, 1), expected);
    assert_same();
}

/* What is not ours is refused, without harm to the rest. */
static void
refusals(void **state)
{
    (void) state;
    BOTH(-ENOENT, OP(PORT_ADD, .bridge = "br9", .port = "p0", .ids = OURS));
    BOTH(0, OP(BRIDGE_ADD, .bridge = "br0"),
         OP(PORT_ADD, .bridge = "br0", .port = "mine", .ids = OURS));
    ovsdb_fixture_vsctl(&store_server, "add-port br0 theirs");
    assert_non_null(fake_db_add_port(db, "br0", "theirs"));
    assert_same();
    BOTH(-EEXIST, OP(PORT_ADD, .bridge = "br0", .port = "theirs", .ids = OURS),
         OP(PORT_ADD, .bridge = "br0", .port = "another", .ids = OURS));
    BOTH(-EPERM, VLAN("theirs"));
    BOTH(-EPERM, OP(IFACE_MTU, .port = "theirs", .mtu_request = 1400));
    BOTH(-EPERM, OP(IFACE_EXTERNAL_ID, .port = "theirs", .key = "iface-id",
                    .value = "x"));
    /* Everybody's row may have that key. */
    BOTH(0, OP(IFACE_EXTERNAL_ID, .port = "theirs", .key = "vdpa-offload",
               .value = "idle"));
    del(-EPERM, "theirs");
    del(0, "mine");
}

/* Without a connection nothing is taken, and what was under way is not known
 * to be done. */
static void
disconnected(void **state)
{
    const struct vdpad_dbop op = OP(OVS_OTHER_CONFIG, .key = "a",
                                    .value = "b");
    struct store_result result = { .done = false };

    (void) state;
    (void) fake_sync();
    fake_store_knobs(fake)->is_down = true;
    (void) fake_sync();
    assert_false(fake->ops->is_connected(fake));
    assert_non_null(fake->ops->snapshot(fake));
    assert_int_equal(fake->ops->commit(fake, &op, 1, NULL, NULL), -ENOTCONN);
    (void) store_sync();
    ovsdb_fixture_stop(&store_server);
    while (the_store->ops->is_connected(the_store)) {
        (void) store_until(store_has_snapshot, NULL);
    }
    assert_non_null(the_store->ops->snapshot(the_store));
    assert_int_equal(the_store->ops->commit(the_store, &op, 1,
                                            store_on_committed, &result),
                     -ENOTCONN);
    ovsdb_fixture_start(&store_server);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(operations, setup, teardown),
        cmocka_unit_test_setup_teardown(replacement, setup, teardown),
        cmocka_unit_test_setup_teardown(refusals, setup, teardown),
        cmocka_unit_test_setup_teardown(disconnected, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
