/* SPDX-License-Identifier: Apache-2.0 */
/* The store over a real ovsdb-server.  What we read was written by ovs-vsctl,
 * what we write is read by it. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include <openvswitch/poll-loop.h>
#include <openvswitch/vlog.h>
#include <vdpad/ovsdb-store.h>

#include "ovsdb-fixture.h"

/* Of every wait; emulated machines are slow. */
#define LIMIT_MS 60000

static struct ovsdb_fixture server;
static struct vdpad_store *store;

static long long
now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

typedef bool condition(const struct vdpad_snapshot *, const void *aux);

/* Runs the store until 'is_met', which is first asked after a run(). */
static const struct vdpad_snapshot *
until(condition *is_met, const void *aux)
{
    long long deadline = now_ms() + LIMIT_MS;

    for (;;) {
        store->ops->run(store);
        const struct vdpad_snapshot *s = store->ops->snapshot(store);
        if (is_met(s, aux)) {
            return s;
        }
        if (now_ms() > deadline) {
            fail_msg("waited for too long");
        }
        store->ops->wait(store);
        poll_timer_wait(1000);
        poll_block();
    }
}

static bool
has_snapshot(const struct vdpad_snapshot *s, const void *aux)
{
    (void) aux;
    return s != NULL;
}

/* 'aux' is the value of external_ids:sync. */
static bool
is_synced(const struct vdpad_snapshot *s, const void *aux)
{
    const char *v = s ? vdpad_map_get(&s->external_ids, "sync") : NULL;
    return v && !strcmp(v, aux);
}

/* Returns a snapshot that has all that was written by now. */
static const struct vdpad_snapshot *
sync_up(void)
{
    static unsigned int n;
    char text[16];

    snprintf(text, sizeof text, "s%u", ++n);
    ovsdb_fixture_vsctl(&server, "set Open_vSwitch . external_ids:sync=%s",
                        text);
    return until(is_synced, text);
}

struct result {
    bool done;
    int error;
    struct vdpad_error why;
    uint64_t serial;
};

static void
on_committed(void *result_, int error, const struct vdpad_error *why)
{
    struct result *result = result_;

    assert_false(result->done);
    assert_null(strchr(why->text, '\n'));
    result->done = true;
    result->error = error;
    result->why = *why;
    result->serial = store->ops->snapshot(store)->serial;
}

static bool
is_done(const struct vdpad_snapshot *s, const void *result)
{
    (void) s;
    return ((const struct result *) result)->done;
}

static int
commit(const struct vdpad_dbop *ops, size_t n, struct result *result)
{
    *result = (struct result) { .done = false };
    assert_int_equal(store->ops->commit(store, ops, n, on_committed, result),
                     0);
    assert_false(result->done);
    until(is_done, result);
    return result->error;
}

#define COMMIT(RESULT, ...) \
    commit((struct vdpad_dbop[]) { __VA_ARGS__ }, \
           sizeof (struct vdpad_dbop[]) { __VA_ARGS__ } \
           / sizeof (struct vdpad_dbop), RESULT)
#define OP(KIND, ...) { .kind = VDPAD_DBOP_##KIND, .tag = -1, __VA_ARGS__ }

static void
assert_vsctl(const char *expected, const char *arguments)
{
    assert_string_equal(ovsdb_fixture_vsctl(&server, "%s", arguments),
                        expected);
}

static const struct vdpad_db_port *
find_port(const struct vdpad_snapshot *s, const char *name)
{
    for (size_t i = 0; i < s->n_ports; i++) {
        if (!strcmp(s->ports[i].name, name)) {
            return &s->ports[i];
        }
    }
    return NULL;
}

static const struct vdpad_db_iface *
find_iface(const struct vdpad_snapshot *s, const char *name)
{
    for (size_t i = 0; i < s->n_ifaces; i++) {
        if (!strcmp(s->ifaces[i].name, name)) {
            return &s->ifaces[i];
        }
    }
    return NULL;
}

static int
setup(void **state)
{
    (void) state;
    ovsdb_fixture_init(&server);
    ovsdb_fixture_vsctl(&server, "init");
    store = vdpad_ovsdb_store_new(server.remote, false);
    return 0;
}

static int
teardown(void **state)
{
    (void) state;
    store->ops->destroy(store);
    ovsdb_fixture_done(&server);
    return 0;
}

static void
test_snapshot(void **state)
{
    (void) state;
    assert_null(store->ops->snapshot(store));
    assert_false(store->ops->is_connected(store));
    assert_string_equal(store->ops->remote(store), server.remote);

    ovsdb_fixture_vsctl(
        &server,
        "set Open_vSwitch . ovs_version=3.1.0 external_ids:z=1 "
        "external_ids:a=2 external_ids:m='x y' other_config:hw-offload=true "
        "-- add-br br1 -- add-br br0 "
        "-- set Bridge br0 datapath_type=netdev fail_mode=secure "
        "external_ids:k=v "
        "-- add-port br0 p2 tag=7 "
        "-- add-port br0 p1 trunks=30,10,20 vlan_mode=trunk "
        "-- set Interface p1 external_ids:iface-id=i1 mtu_request=1442 "
        "type=patch other_config:c=d ofport=5 ifindex=9 mtu=1500 "
        "link_state=up admin_state=down error='\"no way\"' "
        "-- set Port p1 external_ids:e=f other_config:transient=true "
        "-- set Interface p2 ofport=-1 "
        "-- add-bond br1 bond0 b1 b0");
    const struct vdpad_snapshot *s = sync_up();
    assert_true(store->ops->is_connected(store));

    assert_int_equal(strlen(s->uuid), VDPAD_UUID_SIZE - 1);
    assert_string_equal(s->ovs_version, "3.1.0");
    assert_int_equal(s->external_ids.n, 4);
    assert_string_equal(s->external_ids.kv[0].key, "a");
    assert_string_equal(s->external_ids.kv[3].key, "z");
    assert_string_equal(vdpad_map_get(&s->external_ids, "m"), "x y");
    assert_string_equal(vdpad_map_get(&s->other_config, "hw-offload"),
                        "true");

    assert_int_equal(s->n_bridges, 2);
    assert_string_equal(s->bridges[0].name, "br0");
    assert_string_equal(s->bridges[0].datapath_type, "netdev");
    assert_string_equal(s->bridges[0].fail_mode, "secure");
    assert_string_equal(vdpad_map_get(&s->bridges[0].external_ids, "k"), "v");
    assert_string_equal(s->bridges[1].name, "br1");
    assert_string_equal(s->bridges[1].fail_mode, "");

    static const char *const ports[] = { "bond0", "br0", "br1", "p1", "p2" };
    assert_int_equal(s->n_ports, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_string_equal(s->ports[i].name, ports[i]);
    }
    assert_int_equal(s->ports[0].n_ifaces, 2);
    assert_int_equal(s->ports[0].bridge, 1);
    const struct vdpad_db_port *p1 = &s->ports[3], *p2 = &s->ports[4];
    static const int64_t trunks[] = { 10, 20, 30 };
    assert_int_equal(p1->tag, -1);
    assert_int_equal(p1->n_trunks, 3);
    assert_memory_equal(p1->trunks, trunks, sizeof trunks);
    assert_string_equal(p1->vlan_mode, "trunk");
    assert_string_equal(vdpad_map_get(&p1->external_ids, "e"), "f");
    assert_string_equal(vdpad_map_get(&p1->other_config, "transient"),
                        "true");
    assert_int_equal(p1->bridge, 0);
    assert_int_equal(p1->n_ifaces, 1);
    assert_int_equal(p2->tag, 7);
    assert_string_equal(p2->vlan_mode, "");

    assert_int_equal(s->n_ifaces, 6);
    assert_string_equal(s->ifaces[0].name, "b0");
    assert_int_equal(s->ifaces[0].port, 0);
    assert_int_equal(s->ifaces[0].ofport, VDPAD_OFPORT_NONE);
    assert_string_equal(s->ifaces[0].error, "");
    const struct vdpad_db_iface *i1 = &s->ifaces[4];
    assert_string_equal(i1->name, "p1");
    assert_int_equal(i1->port, 3);
    assert_string_equal(i1->type, "patch");
    assert_string_equal(i1->error, "no way");
    assert_string_equal(i1->admin_state, "down");
    assert_string_equal(i1->link_state, "up");
    assert_int_equal(i1->ofport, 5);
    assert_int_equal(i1->ifindex, 9);
    assert_int_equal(i1->mtu, 1500);
    assert_int_equal(i1->mtu_request, 1442);
    assert_string_equal(vdpad_map_get(&i1->external_ids, "iface-id"), "i1");
    assert_string_equal(vdpad_map_get(&i1->other_config, "c"), "d");
    assert_int_equal(s->ifaces[5].ofport, -1);
    assert_string_equal(s->ifaces[2].type, "internal");

    /* What we do not read makes no new snapshot. */
    uint64_t serial = s->serial;
    ovsdb_fixture_vsctl(&server, "set Interface p1 statistics:rx_packets=9 "
                        "-- set Bridge br0 other_config:x=y");
    s = sync_up();
    assert_int_equal(s->serial, serial + 1);
}

static void
test_no_row(void **state)
{
    struct result result;

    (void) state;
    ovsdb_fixture_stop(&server);
    ovsdb_fixture_renew(&server);
    ovsdb_fixture_start(&server);
    const struct vdpad_snapshot *s = until(has_snapshot, NULL);
    assert_string_equal(s->uuid, "");
    assert_string_equal(s->ovs_version, "");
    assert_int_equal(s->n_bridges + s->n_ports + s->n_ifaces, 0);
    assert_int_equal(COMMIT(&result, OP(BRIDGE_ADD, .bridge = "br-int")),
                     -ENOENT);
    assert_non_null(strstr(result.why.text, "ovs-vsctl init"));
}

static void
test_operations(void **state)
{
    static const struct vdpad_kv ids_kv[] = {
        { "attached-mac", "02:00:00:00:00:01" }, { "iface-id", "lsp 1" },
    };
    static const int64_t trunks[] = { 10, 20 };
    struct result result;

    (void) state;
    sync_up();
    /* All at once, a port in the bridge that is being made included. */
    assert_int_equal(COMMIT(
        &result,
        OP(OVS_OTHER_CONFIG, .key = "hw-offload", .value = "true"),
        OP(BRIDGE_ADD, .bridge = "br-int"),
        OP(BRIDGE_ADD, .bridge = "br-int"),
        OP(PORT_ADD, .bridge = "br-int", .port = "rep0",
           .ids = { 2, ids_kv }, .mtu_request = 9000, .n_trunks = 2,
           .trunks = trunks),
        OP(PORT_ADD, .bridge = "br-int", .port = "rep1"),
        OP(PORT_ADD, .bridge = "br-int", .port = "rep1")), 0);

    /* The callback found it in the snapshot already. */
    const struct vdpad_snapshot *s = store->ops->snapshot(store);
    assert_int_equal(result.serial, s->serial);
    const struct vdpad_db_iface *rep0 = find_iface(s, "rep0");
    assert_non_null(rep0);
    assert_string_equal(vdpad_map_get(&rep0->external_ids, "iface-id"),
                        "lsp 1");
    assert_vsctl("\"true\"", "get Open_vSwitch . other_config:hw-offload");
    assert_vsctl("rep0\nrep1", "list-ports br-int");
    assert_vsctl("internal", "get Interface br-int type");
    assert_vsctl("{}", "get Port br-int external_ids");
    assert_vsctl("{vdpa-owner=ovs-vdpad}", "get Port rep0 external_ids");
    assert_vsctl("{attached-mac=\"02:00:00:00:00:01\", iface-id=\"lsp 1\", "
                 "vdpa-owner=ovs-vdpad}", "get Interface rep0 external_ids");
    assert_vsctl("[10, 20]", "get Port rep0 trunks");
    assert_vsctl("9000", "get Interface rep0 mtu_request");
    assert_vsctl("\"\"", "get Interface rep0 type");
    assert_vsctl("[]", "get Bridge br-int fail_mode");

    /* A port more, and changes of the first ones. */
    ovsdb_fixture_vsctl(&server, "set Interface rep0 external_ids:other=1");
    s = sync_up();
    rep0 = find_iface(s, "rep0");
    char uuid[VDPAD_UUID_SIZE], port_uuid[VDPAD_UUID_SIZE];
    strcpy(uuid, rep0->uuid);
    strcpy(port_uuid, find_port(s, "rep1")->uuid);
    assert_int_equal(COMMIT(
        &result,
        OP(PORT_ADD, .bridge = "br-int", .port = "rep2"),
        OP(IFACE_EXTERNAL_ID, .port = "rep0", .uuid = uuid,
           .key = "iface-id", .value = "lsp2"),
        OP(IFACE_EXTERNAL_ID, .port = "rep0", .uuid = uuid,
           .key = "attached-mac"),
        OP(IFACE_EXTERNAL_ID, .port = "rep0", .uuid = uuid, .key = "absent"),
        OP(IFACE_EXTERNAL_ID, .port = "rep0", .uuid = port_uuid,
           .key = "iface-id", .value = "of another row"),
        OP(IFACE_EXTERNAL_ID, .port = "nosuch", .uuid = uuid, .key = "k",
           .value = "v"),
        { .kind = VDPAD_DBOP_PORT_VLAN, .port = "rep0", .tag = 5 },
        OP(IFACE_MTU, .port = "rep0"),
        OP(IFACE_MTU, .port = "rep1", .mtu_request = 1442),
        OP(OVS_EXTERNAL_ID, .key = "vdpa-suspended", .value = "a b"),
        OP(OVS_OTHER_CONFIG, .key = "hw-offload")), 0);
    assert_vsctl("rep0\nrep1\nrep2", "list-ports br-int");
    assert_vsctl("{iface-id=lsp2, other=\"1\", vdpa-owner=ovs-vdpad}",
                 "get Interface rep0 external_ids");
    assert_vsctl("5", "get Port rep0 tag");
    assert_vsctl("[]", "get Port rep0 trunks");
    assert_vsctl("[]", "get Interface rep0 mtu_request");
    assert_vsctl("1442", "get Interface rep1 mtu_request");
    assert_vsctl("\"a b\"", "get Open_vSwitch . external_ids:vdpa-suspended");
    assert_vsctl("{}", "get Open_vSwitch . other_config");

    /* The same again changes nothing: there is not even a transaction. */
    uint64_t serial = store->ops->snapshot(store)->serial;
    assert_int_equal(COMMIT(
        &result,
        OP(BRIDGE_ADD, .bridge = "br-int"),
        OP(PORT_ADD, .bridge = "br-int", .port = "rep2"),
        OP(IFACE_EXTERNAL_ID, .port = "rep0", .uuid = uuid,
           .key = "iface-id", .value = "lsp2"),
        { .kind = VDPAD_DBOP_PORT_VLAN, .port = "rep0", .tag = 5 },
        OP(IFACE_MTU, .port = "rep1", .mtu_request = 1442),
        OP(OVS_EXTERNAL_ID, .key = "vdpa-suspended", .value = "a b"),
        OP(OVS_EXTERNAL_ID, .key = "nosuch"),
        OP(PORT_DEL, .bridge = "br-int", .port = "rep1", .uuid = uuid),
        OP(PORT_DEL, .bridge = "br-int", .port = "nosuch", .uuid = uuid)),
        0);
    assert_int_equal(store->ops->snapshot(store)->serial, serial);

    /* Away, and back in another bridge in one go. */
    assert_int_equal(COMMIT(
        &result,
        OP(PORT_DEL, .bridge = "br-int", .port = "rep1", .uuid = port_uuid),
        OP(BRIDGE_ADD, .bridge = "br2"),
        OP(PORT_ADD, .bridge = "br2", .port = "rep1")), 0);
    assert_vsctl("rep0\nrep2", "list-ports br-int");
    assert_vsctl("rep1", "list-ports br2");
    assert_int_not_equal(strcmp(find_port(store->ops->snapshot(store),
                                          "rep1")->uuid, port_uuid), 0);
}

/* What is not ours is not touched; all else in the transaction is done. */
static void
test_foreign(void **state)
{
    struct result result;
    char foreign[VDPAD_UUID_SIZE], iface[VDPAD_UUID_SIZE];
    char bond[VDPAD_UUID_SIZE];

    (void) state;
    ovsdb_fixture_vsctl(
        &server, "add-br br0 -- add-port br0 foreign -- add-port br0 ours "
        "-- set Port ours external_ids:vdpa-owner=ovs-vdpad "
        "-- set Interface ours external_ids:vdpa-owner=ovs-vdpad "
        "-- add-bond br0 bond b0 b1 "
        "-- set Port bond external_ids:vdpa-owner=ovs-vdpad "
        "-- set Interface b0 external_ids:vdpa-owner=ovs-vdpad "
        "-- add-br br1");
    const struct vdpad_snapshot *s = sync_up();
    strcpy(foreign, find_port(s, "foreign")->uuid);
    strcpy(iface, find_iface(s, "foreign")->uuid);
    strcpy(bond, find_port(s, "bond")->uuid);

    const struct {
        struct vdpad_dbop op;
        int error;
        const char *text;
    } cases[] = {
        { OP(PORT_DEL, .bridge = "br0", .port = "foreign", .uuid = foreign),
          -EPERM, "port foreign is not removed" },
        { OP(PORT_DEL, .bridge = "br0", .port = "bond", .uuid = bond),
          -EPERM, "an interface of it" },
        { OP(IFACE_EXTERNAL_ID, .port = "foreign", .uuid = iface,
             .key = "iface-id", .value = "x"), -EPERM, "iface-id" },
        { OP(IFACE_EXTERNAL_ID, .port = "foreign", .uuid = iface,
             .key = VDPAD_OWNER_KEY, .value = VDPAD_OWNER_VALUE), -EPERM,
          "vdpa-owner" },
        { { .kind = VDPAD_DBOP_PORT_VLAN, .port = "foreign", .tag = 5 },
          -EPERM, "VLANs" },
        { OP(IFACE_MTU, .port = "foreign", .mtu_request = 1500), -EPERM,
          "MTU" },
        { OP(PORT_ADD, .bridge = "br0", .port = "foreign"), -EEXIST,
          "already in bridge br0 and was made by others" },
        { OP(PORT_ADD, .bridge = "br1", .port = "ours"), -EEXIST,
          "port ours is already in bridge br0" },
        { OP(PORT_ADD, .bridge = "br0", .port = "b1"), -EEXIST,
          "interface b1 already belongs to port bond" },
        { OP(PORT_ADD, .bridge = "nosuch", .port = "x"), -ENOENT,
          "there is no bridge nosuch for port x" },
        { OP(BRIDGE_ADD, .bridge = "ours"), -EEXIST, "already in bridge" },
        { OP(PORT_ADD, .port = "x"), -EINVAL, "lacks its bridge" },
        { OP(PORT_DEL, .port = "x"), -EINVAL, "lacks its port or uuid" },
        { OP(BRIDGE_ADD, .port = "x"), -EINVAL, "lacks its bridge" },
        { OP(OVS_OTHER_CONFIG, .value = "x"), -EINVAL, "lacks its key" },
        { OP(IFACE_EXTERNAL_ID, .port = "x"), -EINVAL, "lacks its port or" },
        { OP(IFACE_MTU, .bridge = "x"), -EINVAL, "lacks its port" },
        { OP(PORT_VLAN, .bridge = "x"), -EINVAL, "lacks its port" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char number[16];
        snprintf(number, sizeof number, "%zu", i);
        assert_int_equal(COMMIT(&result, cases[i].op,
                                OP(OVS_EXTERNAL_ID, .key = "n",
                                   .value = number)), cases[i].error);
        if (!strstr(result.why.text, cases[i].text)) {
            fail_msg("%s: %s", cases[i].text, result.why.text);
        }
        s = store->ops->snapshot(store);
        assert_string_equal(vdpad_map_get(&s->external_ids, "n"), number);
    }
    assert_vsctl("bond\nforeign\nours", "list-ports br0");
    assert_vsctl("{}", "get Interface foreign external_ids");

    /* The verdict is the one thing that goes on everybody's. */
    assert_int_equal(COMMIT(&result, OP(IFACE_EXTERNAL_ID, .port = "foreign",
                                        .uuid = iface, .key = "vdpa-offload",
                                        .value = "offloaded")), 0);
    assert_vsctl("{vdpa-offload=offloaded}",
                 "get Interface foreign external_ids");
}

/* The database has changed, but we have not read it yet. */
static void
test_races(void **state)
{
    struct result result;
    char uuid[VDPAD_UUID_SIZE];

    (void) state;
    sync_up();
    assert_int_equal(COMMIT(&result, OP(BRIDGE_ADD, .bridge = "br0"),
                            OP(PORT_ADD, .bridge = "br0", .port = "rep0")),
                     0);
    strcpy(uuid, find_port(store->ops->snapshot(store), "rep0")->uuid);

    ovsdb_fixture_vsctl(&server, "clear Interface rep0 external_ids");
    assert_int_equal(COMMIT(&result, OP(PORT_DEL, .bridge = "br0",
                                        .port = "rep0", .uuid = uuid)),
                     -EAGAIN);
    assert_vsctl("rep0", "list-ports br0");
    /* The newer state is known when the failure is. */
    assert_null(vdpad_map_get(&find_iface(store->ops->snapshot(store),
                                          "rep0")->external_ids,
                              VDPAD_OWNER_KEY));

    ovsdb_fixture_vsctl(&server, "add-port br0 rep1");
    assert_int_equal(COMMIT(&result, OP(PORT_ADD, .bridge = "br0",
                                        .port = "rep1")), -EEXIST);
    assert_non_null(strstr(result.why.text, "the database refused"));
    assert_non_null(strstr(result.why.text, "identical values"));

    /* Values that the schema does not allow. */
    assert_int_equal(COMMIT(&result,
                            { .kind = VDPAD_DBOP_PORT_ADD, .bridge = "br0",
                              .port = "rep2", .tag = 5000 }), -EINVAL);
    assert_non_null(strstr(result.why.text, "constraint violation"));

    /* A bridge that is gone: nothing happens, and the next snapshot tells. */
    ovsdb_fixture_vsctl(&server, "del-br br0");
    assert_int_equal(COMMIT(&result, OP(PORT_ADD, .bridge = "br0",
                                        .port = "rep2")), 0);
    assert_null(find_port(store->ops->snapshot(store), "rep2"));
}

static void
test_refusals(void **state)
{
    const struct vdpad_dbop op = OP(BRIDGE_ADD, .bridge = "br0");
    struct result first = { .done = false };

    (void) state;
    assert_int_equal(store->ops->commit(store, &op, 1, NULL, NULL),
                     -ENOTCONN);
    sync_up();
    assert_int_equal(store->ops->commit(store, &op, 1, on_committed, &first),
                     0);
    assert_int_equal(store->ops->commit(store, &op, 1, NULL, NULL), -EBUSY);
    until(is_done, &first);
    assert_int_equal(first.error, 0);
    /* Without a callback, and destroyed while under way. */
    assert_int_equal(store->ops->commit(store, &op, 1, NULL, NULL), 0);
    sync_up();
    const struct vdpad_dbop again = OP(BRIDGE_ADD, .bridge = "br1");
    assert_int_equal(store->ops->commit(store, &again, 1, on_committed,
                                        &first), 0);

    struct vdpad_store *normal = store;
    store = vdpad_ovsdb_store_new(server.remote, true);
    until(has_snapshot, NULL);
    assert_int_equal(store->ops->commit(store, &op, 1, NULL, NULL), -EROFS);
    store->ops->destroy(store);
    store = normal;
}

static bool
is_disconnected(const struct vdpad_snapshot *s, const void *aux)
{
    (void) s;
    (void) aux;
    return !store->ops->is_connected(store);
}

static bool
has_other_uuid(const struct vdpad_snapshot *s, const void *uuid)
{
    return s && strcmp(s->uuid, uuid);
}

static void
test_restart(void **state)
{
    struct result result = { .done = false };
    const struct vdpad_dbop op = OP(BRIDGE_ADD, .bridge = "br1");

    (void) state;
    sync_up();
    assert_int_equal(COMMIT(&result, OP(BRIDGE_ADD, .bridge = "br0")), 0);
    char uuid[VDPAD_UUID_SIZE];
    strcpy(uuid, store->ops->snapshot(store)->uuid);

    ovsdb_fixture_stop(&server);
    const struct vdpad_snapshot *s = until(is_disconnected, NULL);
    assert_int_equal(s->n_bridges, 1);
    assert_int_equal(store->ops->commit(store, &op, 1, NULL, NULL),
                     -ENOTCONN);
    ovsdb_fixture_start(&server);
    s = sync_up();
    assert_true(store->ops->is_connected(store));
    assert_string_equal(s->uuid, uuid);
    assert_int_equal(s->n_bridges, 1);
    assert_int_equal(COMMIT(&result, op), 0);
    assert_vsctl("br0\nbr1", "list-br");

    /* The connection is lost while a transaction is under way. */
    const struct vdpad_dbop op2 = OP(BRIDGE_ADD, .bridge = "br2");
    kill(server.pid, SIGSTOP);
    result = (struct result) { .done = false };
    assert_int_equal(store->ops->commit(store, &op2, 1, on_committed,
                                        &result), 0);
    store->ops->run(store);
    assert_false(result.done);
    kill(server.pid, SIGKILL);
    server.pid = 0;
    until(is_done, &result);
    assert_int_equal(result.error, -EAGAIN);
    ovsdb_fixture_start(&server);
    sync_up();

    /* The database is lost, a new one is there. */
    ovsdb_fixture_stop(&server);
    ovsdb_fixture_renew(&server);
    ovsdb_fixture_start(&server);
    ovsdb_fixture_vsctl(&server, "init");
    s = until(has_other_uuid, uuid);
    s = sync_up();
    assert_int_not_equal(strcmp(s->uuid, uuid), 0);
    assert_int_equal(strlen(s->uuid), VDPAD_UUID_SIZE - 1);
    assert_int_equal(s->n_bridges, 0);
}

/* Others write to the same rows all the time: that costs no retry. */
static void
test_contention(void **state)
{
    enum { WRITERS = 3, ROUNDS = 15 };
    pid_t pids[WRITERS];
    struct result result;
    char command[512];

    (void) state;
    ovsdb_fixture_vsctl(&server, "add-br br0");
    sync_up();
    assert_int_equal(COMMIT(&result, OP(PORT_ADD, .bridge = "br0",
                                        .port = "shared")), 0);
    for (int i = 0; i < WRITERS; i++) {
        snprintf(command, sizeof command,
                 "for i in $(seq %d); do $VSCTL add-port br0 w%d-$i "
                 "-- set Interface shared external_ids:w%d=$i "
                 "-- set Open_vSwitch . external_ids:w%d=$i || exit 1; done",
                 ROUNDS, i, i, i);
        pids[i] = ovsdb_fixture_spawn(&server, command);
    }
    for (int i = 0; i < ROUNDS * 4; i++) {
        char port[16], number[16];
        snprintf(port, sizeof port, "rep%d", i);
        snprintf(number, sizeof number, "%d", i);
        assert_int_equal(COMMIT(
            &result,
            OP(PORT_ADD, .bridge = "br0", .port = port),
            OP(IFACE_EXTERNAL_ID, .port = "shared", .key = "iface-id",
               .value = number),
            OP(OVS_EXTERNAL_ID, .key = "vdpa-x", .value = number)), 0);
    }
    for (int i = 0; i < WRITERS; i++) {
        assert_true(ovsdb_fixture_join(pids[i]));
    }
    const struct vdpad_snapshot *s = sync_up();
    assert_int_equal(s->n_ports, 2 + ROUNDS * (4 + WRITERS));
    const struct vdpad_db_iface *shared = find_iface(s, "shared");
    assert_int_equal(shared->external_ids.n, 2 + WRITERS);
}

static void
test_thousand_ports(void **state)
{
    enum { N = 1000 };
    static char names[N][16];
    static struct vdpad_dbop ops[N + 1];
    struct result result;

    (void) state;
    sync_up();
    ops[0] = (struct vdpad_dbop) OP(BRIDGE_ADD, .bridge = "br-int");
    for (size_t i = 0; i < N; i++) {
        snprintf(names[i], sizeof names[i], "rep%zu", i);
        ops[i + 1] = (struct vdpad_dbop) OP(PORT_ADD, .bridge = "br-int",
                                            .port = names[i]);
    }
    assert_int_equal(commit(ops, N / 2 + 1, &result), 0);
    /* The second half goes to a bridge that is there. */
    assert_int_equal(commit(ops, N + 1, &result), 0);
    const struct vdpad_snapshot *s = store->ops->snapshot(store);
    assert_int_equal(s->n_ports, N + 1);
    for (size_t i = 1; i < s->n_ports; i++) {
        assert_true(strcmp(s->ports[i - 1].name, s->ports[i].name) < 0);
        assert_true(strcmp(s->ifaces[i - 1].name, s->ifaces[i].name) < 0);
    }

    static char uuids[N][VDPAD_UUID_SIZE];
    for (size_t i = 0; i < N; i++) {
        strcpy(uuids[i], find_port(s, names[i])->uuid);
        ops[i] = (struct vdpad_dbop) OP(PORT_DEL, .bridge = "br-int",
                                        .port = names[i], .uuid = uuids[i]);
    }
    assert_int_equal(commit(ops, N, &result), 0);
    assert_vsctl("", "list-ports br-int");
}

/* Nothing happens, so nothing wakes us up. */
static void
test_idle(void **state)
{
    (void) state;
    sync_up();
    long long end = now_ms() + 2000;
    int turns = 0;
    while (now_ms() < end) {
        store->ops->run(store);
        store->ops->wait(store);
        poll_timer_wait(2000);
        poll_block();
        turns++;
    }
    assert_in_range(turns, 1, 3);
}

static void
test_bad_remotes(void **state)
{
    static const char *const remotes[] = {
        "", "nonsense", "unix:/nonexistent/db.sock", "tcp:999.1.1.1:6640",
        "tcp:127.0.0.1:1", "unix:", "ssl:127.0.0.1:1,unix:/x",
    };
    struct vdpad_store *normal = store;

    (void) state;
    for (size_t i = 0; i < sizeof remotes / sizeof *remotes; i++) {
        store = vdpad_ovsdb_store_new(remotes[i], false);
        for (int turn = 0; turn < 5; turn++) {
            store->ops->run(store);
            assert_null(store->ops->snapshot(store));
            assert_false(store->ops->is_connected(store));
            store->ops->wait(store);
            poll_timer_wait(10);
            poll_block();
        }
        store->ops->destroy(store);
    }
    store = normal;
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_snapshot, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_row, setup, teardown),
        cmocka_unit_test_setup_teardown(test_operations, setup, teardown),
        cmocka_unit_test_setup_teardown(test_foreign, setup, teardown),
        cmocka_unit_test_setup_teardown(test_races, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(test_contention, setup, teardown),
        cmocka_unit_test_setup_teardown(test_thousand_ports, setup, teardown),
        cmocka_unit_test_setup_teardown(test_idle, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_remotes, setup, teardown),
    };

    if (!ovsdb_fixture_is_possible()) {
        fprintf(stderr, "skipped: ovsdb-server or its schema is missing\n");
        return 77;
    }
    vlog_set_levels(NULL, VLF_CONSOLE, VLL_OFF);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
