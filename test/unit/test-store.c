/* SPDX-License-Identifier: Apache-2.0 */
/* The store over a real ovsdb-server: its contents and its operations.  What
 * we read was written by ovs-vsctl, what we write is read by it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <openvswitch/vlog.h>
#include <vdpad/ovsdb-store.h>

#include "store-fixture.h"

static void
test_snapshot(void **state)
{
    (void) state;
    assert_null(the_store->ops->snapshot(the_store));
    assert_false(the_store->ops->is_connected(the_store));
    assert_string_equal(the_store->ops->remote(the_store),
                        store_server.remote);

    ovsdb_fixture_vsctl(
        &store_server,
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
    const struct vdpad_snapshot *s = store_sync();
    assert_true(the_store->ops->is_connected(the_store));

    assert_int_equal(strlen(s->uuid), VDPAD_UUID_SIZE - 1);
    assert_string_equal(s->ovs_version, "3.1.0");
    assert_int_equal(s->external_ids.n, 4);
    assert_string_equal(s->external_ids.kv[0].key, "a");
    assert_string_equal(s->external_ids.kv[3].key, "z");
    assert_string_equal(vdpad_map_get(&s->external_ids, "m"), "x y");
    assert_string_equal(vdpad_map_get(&s->other_config, "hw-offload"), "true");

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
    assert_string_equal(vdpad_map_get(&p1->other_config, "transient"), "true");
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
    ovsdb_fixture_vsctl(&store_server,
                        "set Interface p1 statistics:rx_packets=9 "
                        "ingress_policing_rate=7 -- set Port p1 lacp=active "
                        "-- set Bridge br0 other_config:x=y");
    /* Not in one turn with what the next line writes. */
    the_store->ops->run(the_store);
    s = store_sync();
    assert_int_equal(s->serial, serial + 1);
}

static void
test_no_row(void **state)
{
    struct store_result result = { .done = false };

    (void) state;
    ovsdb_fixture_stop(&store_server);
    ovsdb_fixture_renew(&store_server);
    ovsdb_fixture_start(&store_server);
    const struct vdpad_snapshot *s = store_until(store_has_snapshot, NULL);
    assert_string_equal(s->uuid, "");
    assert_string_equal(s->ovs_version, "");
    assert_int_equal(s->n_bridges + s->n_ports + s->n_ifaces, 0);
    assert_int_equal(STORE_COMMIT(&result,
                                  STORE_OP(BRIDGE_ADD, .bridge = "br-int")),
                     -ENOENT);
    assert_non_null(strstr(result.why.text, "ovs-vsctl init"));
}

static void
test_operations(void **state)
{
    static const struct vdpad_kv ids_kv[] = {
        { "attached-mac", "02:00:00:00:00:01" },
        { "iface-id", "lsp 1" },
    };
    static const int64_t trunks[] = { 10, 20 };
    struct store_result result = { .done = false };

    (void) state;
    store_sync();
    /* All at once, a port in the bridge that is being made included. */
    assert_int_equal(
        STORE_COMMIT(&result,
                     STORE_OP(OVS_OTHER_CONFIG, .key = "hw-offload",
                              .value = "true"),
                     STORE_OP(BRIDGE_ADD, .bridge = "br-int"),
                     STORE_OP(BRIDGE_ADD, .bridge = "br-int"),
                     STORE_OP(PORT_ADD, .bridge = "br-int", .port = "rep0",
                              .ids = { 2, ids_kv }, .mtu_request = 9000,
                              .n_trunks = 2, .trunks = trunks),
                     STORE_OP(PORT_ADD, .bridge = "br-int", .port = "rep1"),
                     STORE_OP(PORT_ADD, .bridge = "br-int", .port = "rep1")),
        0);

    /* The callback found it in the snapshot already. */
    const struct vdpad_snapshot *s = the_store->ops->snapshot(the_store);
    assert_int_equal(result.serial, s->serial);
    const struct vdpad_db_iface *rep0 = store_find_iface(s, "rep0");
    assert_string_equal(vdpad_map_get(&rep0->external_ids, "iface-id"),
                        "lsp 1");
    store_assert_vsctl("\"true\"",
                       "get Open_vSwitch . other_config:hw-offload");
    store_assert_vsctl("rep0\nrep1", "list-ports br-int");
    store_assert_vsctl("internal", "get Interface br-int type");
    store_assert_vsctl("{}", "get Port br-int external_ids");
    store_assert_vsctl("{vdpa-owner=ovs-vdpad}", "get Port rep0 external_ids");
    store_assert_vsctl(
        "{attached-mac=\"02:00:00:00:00:01\", iface-id=\"lsp 1\", "
        "vdpa-owner=ovs-vdpad}",
        "get Interface rep0 external_ids");
    store_assert_vsctl("[10, 20]", "get Port rep0 trunks");
    store_assert_vsctl("9000", "get Interface rep0 mtu_request");
    store_assert_vsctl("\"\"", "get Interface rep0 type");
    store_assert_vsctl("[]", "get Bridge br-int fail_mode");

    /* A port more, and changes of the first ones. */
    ovsdb_fixture_vsctl(&store_server,
                        "set Interface rep0 external_ids:other=1");
    s = store_sync();
    rep0 = store_find_iface(s, "rep0");
    char uuid[VDPAD_UUID_SIZE], port_uuid[VDPAD_UUID_SIZE];
    strcpy(uuid, rep0->uuid);
    strcpy(port_uuid, store_find_port(s, "rep1")->uuid);
    assert_int_equal(
        STORE_COMMIT(
            &result, STORE_OP(PORT_ADD, .bridge = "br-int", .port = "rep2"),
            STORE_OP(IFACE_EXTERNAL_ID, .port = "rep0", .uuid = uuid,
                     .key = "iface-id", .value = "lsp2"),
            STORE_OP(IFACE_EXTERNAL_ID, .port = "rep0", .uuid = uuid,
                     .key = "attached-mac"),
            STORE_OP(IFACE_EXTERNAL_ID, .port = "rep0", .uuid = uuid,
                     .key = "absent"),
            STORE_OP(IFACE_EXTERNAL_ID, .port = "rep0", .uuid = port_uuid,
                     .key = "iface-id", .value = "of another row"),
            STORE_OP(IFACE_EXTERNAL_ID, .port = "nosuch", .uuid = uuid,
                     .key = "k", .value = "v"),
            { .kind = VDPAD_DBOP_PORT_VLAN, .port = "rep0", .tag = 5 },
            STORE_OP(IFACE_MTU, .port = "rep0"),
            STORE_OP(IFACE_MTU, .port = "rep1", .mtu_request = 1442),
            STORE_OP(OVS_EXTERNAL_ID, .key = "vdpa-suspended", .value = "a b"),
            STORE_OP(OVS_OTHER_CONFIG, .key = "hw-offload")),
        0);
    store_assert_vsctl("rep0\nrep1\nrep2", "list-ports br-int");
    store_assert_vsctl("{iface-id=lsp2, other=\"1\", vdpa-owner=ovs-vdpad}",
                       "get Interface rep0 external_ids");
    store_assert_vsctl("5", "get Port rep0 tag");
    store_assert_vsctl("[]", "get Port rep0 trunks");
    store_assert_vsctl("[]", "get Interface rep0 mtu_request");
    store_assert_vsctl("1442", "get Interface rep1 mtu_request");
    store_assert_vsctl("\"a b\"",
                       "get Open_vSwitch . external_ids:vdpa-suspended");
    store_assert_vsctl("{}", "get Open_vSwitch . other_config");

    /* The same again changes nothing: there is not even a transaction. */
    uint64_t serial = the_store->ops->snapshot(the_store)->serial;
    assert_int_equal(
        STORE_COMMIT(
            &result, STORE_OP(BRIDGE_ADD, .bridge = "br-int"),
            STORE_OP(PORT_ADD, .bridge = "br-int", .port = "rep2"),
            STORE_OP(IFACE_EXTERNAL_ID, .port = "rep0", .uuid = uuid,
                     .key = "iface-id", .value = "lsp2"),
            { .kind = VDPAD_DBOP_PORT_VLAN, .port = "rep0", .tag = 5 },
            STORE_OP(IFACE_MTU, .port = "rep1", .mtu_request = 1442),
            STORE_OP(OVS_EXTERNAL_ID, .key = "vdpa-suspended", .value = "a b"),
            STORE_OP(OVS_EXTERNAL_ID, .key = "nosuch"),
            STORE_OP(PORT_DEL, .bridge = "br-int", .port = "rep1",
                     .uuid = uuid),
            STORE_OP(PORT_DEL, .bridge = "br-int", .port = "nosuch",
                     .uuid = uuid)),
        0);
    assert_int_equal(the_store->ops->snapshot(the_store)->serial, serial);

    /* Away, and back in another bridge in one go. */
    assert_int_equal(STORE_COMMIT(&result,
                                  STORE_OP(PORT_DEL, .bridge = "br-int",
                                           .port = "rep1", .uuid = port_uuid),
                                  STORE_OP(BRIDGE_ADD, .bridge = "br2"),
                                  STORE_OP(PORT_ADD, .bridge = "br2",
                                           .port = "rep1")),
                     0);
    store_assert_vsctl("rep0\nrep2", "list-ports br-int");
    store_assert_vsctl("rep1", "list-ports br2");
    assert_int_not_equal(
        strcmp(
            store_find_port(the_store->ops->snapshot(the_store), "rep1")->uuid,
            port_uuid),
        0);
}

/* What others can configure on a port; the rest is our own, or what
 * ovs-vswitchd tells. */
#define SETTINGS                                                         \
    "get Port %s cvlans lacp mac other_config protected qos vlan_mode "  \
    "-- get Interface %s bfd cfm_mpid ingress_policing_burst "           \
    "ingress_policing_kpkts_burst ingress_policing_kpkts_rate "          \
    "ingress_policing_rate lldp mac mtu_request ofport_request options " \
    "other_config"

/* A port in place of another, here with a new name, has all of that. */
static void
test_replacement(void **state)
{
    static const struct vdpad_kv ids_kv[] = { { "iface-id", "i1" } };
    struct store_result result = { .done = false };
    char uuid[VDPAD_UUID_SIZE], settings[2048];

    (void) state;
    store_sync();
    assert_int_equal(
        STORE_COMMIT(&result, STORE_OP(BRIDGE_ADD, .bridge = "br0"),
                     STORE_OP(PORT_ADD, .bridge = "br0", .port = "rep0")),
        0);
    ovsdb_fixture_vsctl(
        &store_server,
        "set Port rep0 tag=5 trunks=1,2 cvlans=7,8 lacp=active "
        "mac='\"02:00:00:00:00:01\"' other_config:priority-tags=true "
        "protected=true qos=@qos vlan_mode=native-tagged external_ids:a=b "
        "-- --id=@qos create QoS type=linux-htb "
        "-- set Interface rep0 bfd:enable=true cfm_mpid=9 "
        "ingress_policing_burst=80 ingress_policing_kpkts_burst=4 "
        "ingress_policing_kpkts_rate=3 ingress_policing_rate=1000 "
        "lldp:enable=true mac='\"02:00:00:00:00:02\"' mtu_request=1442 "
        "ofport_request=33 options:n_rxq=2 other_config:hw-offload-priority=1 "
        "external_ids:gone=1 ofport=44 error=no");
    snprintf(settings, sizeof settings, "%s",
             ovsdb_fixture_vsctl(&store_server, SETTINGS, "rep0", "rep0"));
    assert_null(strstr(settings, "[]"));
    assert_null(strstr(settings, "{}"));
    strcpy(uuid, store_find_port(store_sync(), "rep0")->uuid);

    /* What we have not read yet is not lost either: to be tried again. */
    ovsdb_fixture_vsctl(&store_server,
                        "set Interface rep0 ingress_policing_rate=2000");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(
            STORE_COMMIT(&result,
                         STORE_OP(PORT_DEL, .bridge = "br0", .port = "rep0",
                                  .uuid = uuid),
                         STORE_OP(PORT_ADD, .bridge = "br0", .port = "rep1",
                                  .uuid = uuid, .ids = { 1, ids_kv },
                                  .n_trunks = 1,
                                  .trunks = (const int64_t[]){ 3 })),
            i ? 0 : -EAGAIN);
    }
    char *rate = strstr(settings, "1000");
    assert_non_null(rate);
    memcpy(rate, "2000", 4);
    store_assert_vsctl("rep1", "list-ports br0");
    assert_string_equal(ovsdb_fixture_vsctl(&store_server, SETTINGS, "rep1",
                                            "rep1"),
                        settings);
    store_assert_vsctl("{a=b, vdpa-owner=ovs-vdpad}",
                       "get Port rep1 external_ids");
    store_assert_vsctl("{iface-id=i1, vdpa-owner=ovs-vdpad}",
                       "get Interface rep1 external_ids");
    store_assert_vsctl("[]\n[3]", "get Port rep1 tag trunks");
    store_assert_vsctl("[]\n[]", "get Interface rep1 ofport error");
}

/* What is not ours is not touched; all else in the transaction is done. */
static void
test_foreign(void **state)
{
    struct store_result result = { .done = false };
    char foreign[VDPAD_UUID_SIZE], iface[VDPAD_UUID_SIZE];
    char bond[VDPAD_UUID_SIZE];

    (void) state;
    ovsdb_fixture_vsctl(
        &store_server,
        "add-br br0 -- add-port br0 foreign -- add-port br0 ours "
        "-- set Port ours external_ids:vdpa-owner=ovs-vdpad "
        "-- set Interface ours external_ids:vdpa-owner=ovs-vdpad "
        "-- add-bond br0 bond b0 b1 "
        "-- set Port bond external_ids:vdpa-owner=ovs-vdpad "
        "-- set Interface b0 external_ids:vdpa-owner=ovs-vdpad "
        "-- add-br br1");
    const struct vdpad_snapshot *s = store_sync();
    strcpy(foreign, store_find_port(s, "foreign")->uuid);
    strcpy(iface, store_find_iface(s, "foreign")->uuid);
    strcpy(bond, store_find_port(s, "bond")->uuid);

    const struct {
        struct vdpad_dbop op;
        int error;
        const char *text;
    } cases[] = {
        { STORE_OP(PORT_DEL, .bridge = "br0", .port = "foreign",
                   .uuid = foreign),
          -EPERM, "port foreign is not removed" },
        { STORE_OP(PORT_DEL, .bridge = "br0", .port = "bond", .uuid = bond),
          -EPERM, "an interface of it" },
        { STORE_OP(IFACE_EXTERNAL_ID, .port = "foreign", .uuid = iface,
                   .key = "iface-id", .value = "x"),
          -EPERM, "iface-id" },
        { STORE_OP(IFACE_EXTERNAL_ID, .port = "foreign", .uuid = iface,
                   .key = VDPAD_OWNER_KEY, .value = VDPAD_OWNER_VALUE),
          -EPERM, "vdpa-owner" },
        { { .kind = VDPAD_DBOP_PORT_VLAN, .port = "foreign", .tag = 5 },
          -EPERM,
          "VLANs" },
        { STORE_OP(IFACE_MTU, .port = "foreign", .mtu_request = 1500), -EPERM,
          "MTU" },
        { STORE_OP(PORT_ADD, .bridge = "br0", .port = "foreign"), -EEXIST,
          "already in bridge br0 and was made by others" },
        { STORE_OP(PORT_ADD, .bridge = "br1", .port = "ours"), -EEXIST,
          "port ours is already in bridge br0" },
        { STORE_OP(PORT_ADD, .bridge = "br0", .port = "b1"), -EEXIST,
          "interface b1 already belongs to port bond" },
        { STORE_OP(PORT_ADD, .bridge = "nosuch", .port = "x"), -ENOENT,
          "there is no bridge nosuch for port x" },
        { STORE_OP(BRIDGE_ADD, .bridge = "ours"), -EEXIST,
          "already in bridge" },
        { STORE_OP(PORT_ADD, .port = "x"), -EINVAL, "lacks its bridge" },
        { STORE_OP(PORT_DEL, .port = "x"), -EINVAL, "lacks its port or uuid" },
        { STORE_OP(BRIDGE_ADD, .port = "x"), -EINVAL, "lacks its bridge" },
        { STORE_OP(OVS_OTHER_CONFIG, .value = "x"), -EINVAL, "lacks its key" },
        { STORE_OP(IFACE_EXTERNAL_ID, .port = "x"), -EINVAL,
          "lacks its port or" },
        { STORE_OP(IFACE_MTU, .bridge = "x"), -EINVAL, "lacks its port" },
        { STORE_OP(PORT_VLAN, .bridge = "x"), -EINVAL, "lacks its port" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char number[16];
        snprintf(number, sizeof number, "%zu", i);
        assert_int_equal(STORE_COMMIT(&result, cases[i].op,
                                      STORE_OP(OVS_EXTERNAL_ID, .key = "n",
                                               .value = number)),
                         cases[i].error);
        if (!strstr(result.why.text, cases[i].text)) {
            fail_msg("%s: %s", cases[i].text, result.why.text);
        }
        s = the_store->ops->snapshot(the_store);
        assert_string_equal(vdpad_map_get(&s->external_ids, "n"), number);
    }
    store_assert_vsctl("bond\nforeign\nours", "list-ports br0");
    store_assert_vsctl("{}", "get Interface foreign external_ids");

    /* The verdict is the one thing that goes on everybody's. */
    assert_int_equal(
        STORE_COMMIT(&result, STORE_OP(IFACE_EXTERNAL_ID, .port = "foreign",
                                       .uuid = iface, .key = "vdpa-offload",
                                       .value = "offloaded")),
        0);
    store_assert_vsctl("{vdpa-offload=offloaded}",
                       "get Interface foreign external_ids");
}

/* The database has changed, but we have not read it yet. */
static void
test_races(void **state)
{
    struct store_result result = { .done = false };
    char uuid[VDPAD_UUID_SIZE];

    (void) state;
    store_sync();
    assert_int_equal(
        STORE_COMMIT(&result, STORE_OP(BRIDGE_ADD, .bridge = "br0"),
                     STORE_OP(PORT_ADD, .bridge = "br0", .port = "rep0")),
        0);
    strcpy(uuid,
           store_find_port(the_store->ops->snapshot(the_store), "rep0")->uuid);

    ovsdb_fixture_vsctl(&store_server, "clear Interface rep0 external_ids");
    assert_int_equal(STORE_COMMIT(&result,
                                  STORE_OP(PORT_DEL, .bridge = "br0",
                                           .port = "rep0", .uuid = uuid)),
                     -EAGAIN);
    store_assert_vsctl("rep0", "list-ports br0");
    /* The newer state is known when the failure is. */
    assert_null(vdpad_map_get(
        &store_find_iface(the_store->ops->snapshot(the_store), "rep0")
             ->external_ids,
        VDPAD_OWNER_KEY));

    ovsdb_fixture_vsctl(&store_server, "add-port br0 rep1");
    assert_int_equal(STORE_COMMIT(&result, STORE_OP(PORT_ADD, .bridge = "br0",
                                                    .port = "rep1")),
                     -EEXIST);
    assert_non_null(strstr(result.why.text, "the database refused"));
    assert_non_null(strstr(result.why.text, "identical values"));

    /* Values that the schema does not allow. */
    assert_int_equal(STORE_COMMIT(&result, { .kind = VDPAD_DBOP_PORT_ADD,
                                             .bridge = "br0",
                                             .port = "rep2",
                                             .tag = 5000 }),
                     -EINVAL);
    assert_non_null(strstr(result.why.text, "constraint violation"));

    /* A bridge that is gone: nothing happens, and the next snapshot tells. */
    ovsdb_fixture_vsctl(&store_server, "del-br br0");
    assert_int_equal(STORE_COMMIT(&result, STORE_OP(PORT_ADD, .bridge = "br0",
                                                    .port = "rep2")),
                     0);
    assert_false(store_has_port(the_store->ops->snapshot(the_store), "rep2"));
}

static void
test_refusals(void **state)
{
    const struct vdpad_dbop op = STORE_OP(BRIDGE_ADD, .bridge = "br0");
    struct store_result first = { .done = false };

    (void) state;
    assert_int_equal(the_store->ops->commit(the_store, &op, 1, NULL, NULL),
                     -ENOTCONN);
    store_sync();
    assert_int_equal(the_store->ops->commit(the_store, &op, 1,
                                            store_on_committed, &first),
                     0);
    assert_int_equal(the_store->ops->commit(the_store, &op, 1, NULL, NULL),
                     -EBUSY);
    store_until(store_is_done, &first);
    assert_int_equal(first.error, 0);
    /* Without a callback, and destroyed while under way. */
    assert_int_equal(the_store->ops->commit(the_store, &op, 1, NULL, NULL), 0);
    store_sync();
    const struct vdpad_dbop again = STORE_OP(BRIDGE_ADD, .bridge = "br1");
    assert_int_equal(the_store->ops->commit(the_store, &again, 1,
                                            store_on_committed, &first),
                     0);

    struct vdpad_store *normal = the_store;
    the_store = vdpad_ovsdb_store_new(store_server.remote, true);
    store_until(store_has_snapshot, NULL);
    assert_int_equal(the_store->ops->commit(the_store, &op, 1, NULL, NULL),
                     -EROFS);
    the_store->ops->destroy(the_store);
    the_store = normal;
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_snapshot, store_setup,
                                        store_teardown),
        cmocka_unit_test_setup_teardown(test_no_row, store_setup,
                                        store_teardown),
        cmocka_unit_test_setup_teardown(test_operations, store_setup,
                                        store_teardown),
        cmocka_unit_test_setup_teardown(test_replacement, store_setup,
                                        store_teardown),
        cmocka_unit_test_setup_teardown(test_foreign, store_setup,
                                        store_teardown),
        cmocka_unit_test_setup_teardown(test_races, store_setup,
                                        store_teardown),
        cmocka_unit_test_setup_teardown(test_refusals, store_setup,
                                        store_teardown),
    };

    if (!ovsdb_fixture_is_possible()) {
        fprintf(stderr, "skipped: ovsdb-server or its schema is missing\n");
        return 77;
    }
    vlog_set_levels(NULL, VLF_CONSOLE, VLL_OFF);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
