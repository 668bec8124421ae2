/* SPDX-License-Identifier: Apache-2.0 */
/* The store over a real ovsdb-server: restarts, losses, other writers, many
 * ports, and nothing at all. */
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
#include <cmocka.h>

#include <openvswitch/util.h>
#include <openvswitch/poll-loop.h>
#include <openvswitch/vlog.h>
#include <vdpad/ovsdb-store.h>

#include "store-fixture.h"

static bool
is_disconnected(const struct vdpad_snapshot *s, const void *aux)
{
    (void) s;
    (void) aux;
    return !the_store->ops->is_connected(the_store);
}

static bool
is_connected(const struct vdpad_snapshot *s, const void *aux)
{
    return !is_disconnected(s, aux);
}

static bool
is_mute(const struct vdpad_snapshot *s, const void *aux)
{
    (void) s;
    (void) aux;
    return strstr(the_store->ops->why_disconnected(the_store),
                  "has not answered");
}

static bool
has_other_uuid(const struct vdpad_snapshot *s, const void *uuid)
{
    return s && strcmp(s->uuid, uuid);
}

static void
test_restart(void **state)
{
    struct store_result result = { .done = false };
    const struct vdpad_dbop op = STORE_OP(BRIDGE_ADD, .bridge = "br1");

    (void) state;
    store_sync();
    assert_int_equal(
        STORE_COMMIT(&result, STORE_OP(BRIDGE_ADD, .bridge = "br0")), 0);
    char uuid[VDPAD_UUID_SIZE];
    strcpy(uuid, the_store->ops->snapshot(the_store)->uuid);

    ovsdb_fixture_stop(&store_server);
    const struct vdpad_snapshot *s = store_until(is_disconnected, NULL);
    assert_int_equal(s->n_bridges, 1);
    assert_int_equal(the_store->ops->commit(the_store, &op, 1, NULL, NULL),
                     -ENOTCONN);
    ovsdb_fixture_start(&store_server);
    s = store_sync();
    assert_true(the_store->ops->is_connected(the_store));
    assert_string_equal(s->uuid, uuid);
    assert_int_equal(s->n_bridges, 1);
    assert_int_equal(STORE_COMMIT(&result, op), 0);
    store_assert_vsctl("br0\nbr1", "list-br");
}

/* The connection is lost while a transaction is under way. */
static void
test_lost_connection(void **state)
{
    struct store_result result = { .done = false };
    const struct vdpad_dbop op = STORE_OP(BRIDGE_ADD, .bridge = "br0");

    (void) state;
    store_sync();
    kill(store_server.pid, SIGSTOP);
    assert_int_equal(the_store->ops->commit(the_store, &op, 1,
                                            store_on_committed, &result),
                     0);
    the_store->ops->run(the_store);
    assert_false(result.done);
    kill(store_server.pid, SIGKILL);
    store_server.pid = 0;
    store_until(store_is_done, &result);
    assert_int_equal(result.error, -EAGAIN);

    /* A server that accepts connections and then says nothing. */
    ovsdb_fixture_start(&store_server);
    kill(store_server.pid, SIGSTOP);
    store_until(is_mute, NULL);
    assert_false(the_store->ops->is_connected(the_store));
    assert_int_equal(the_store->ops->commit(the_store, &op, 1, NULL, NULL),
                     -ENOTCONN);
    kill(store_server.pid, SIGCONT);
    store_until(is_connected, NULL);
    assert_string_equal(the_store->ops->why_disconnected(the_store), "");
    store_sync();
    assert_int_equal(STORE_COMMIT(&result, op), 0);
}

/* The database is lost, a new one is there. */
static void
test_lost_database(void **state)
{
    struct store_result result = { .done = false };
    char uuid[VDPAD_UUID_SIZE];

    (void) state;
    store_sync();
    assert_int_equal(
        STORE_COMMIT(&result, STORE_OP(BRIDGE_ADD, .bridge = "br0")), 0);
    strcpy(uuid, the_store->ops->snapshot(the_store)->uuid);

    ovsdb_fixture_stop(&store_server);
    ovsdb_fixture_renew(&store_server);
    ovsdb_fixture_start(&store_server);
    ovsdb_fixture_vsctl(&store_server, "init");
    store_until(has_other_uuid, uuid);
    const struct vdpad_snapshot *s = store_sync();
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
    struct store_result result = { .done = false };
    char command[512];

    (void) state;
    ovsdb_fixture_vsctl(&store_server, "add-br br0");
    store_sync();
    assert_int_equal(STORE_COMMIT(&result, STORE_OP(PORT_ADD, .bridge = "br0",
                                                    .port = "shared")),
                     0);
    for (int i = 0; i < WRITERS; i++) {
        snprintf(command, sizeof command,
                 "for i in $(seq %d); do $VSCTL add-port br0 w%d-$i "
                 "-- set Interface shared external_ids:w%d=$i "
                 "-- set Open_vSwitch . external_ids:w%d=$i || exit 1; done",
                 ROUNDS, i, i, i);
        pids[i] = ovsdb_fixture_spawn(&store_server, command);
    }
    for (int i = 0; i < ROUNDS * 4; i++) {
        char port[16], number[16];
        snprintf(port, sizeof port, "rep%d", i);
        snprintf(number, sizeof number, "%d", i);
        assert_int_equal(
            STORE_COMMIT(
                &result, STORE_OP(PORT_ADD, .bridge = "br0", .port = port),
                STORE_OP(IFACE_EXTERNAL_ID, .port = "shared",
                         .key = "iface-id", .value = number),
                STORE_OP(OVS_EXTERNAL_ID, .key = "vdpa-x", .value = number)),
            0);
    }
    for (int i = 0; i < WRITERS; i++) {
        assert_true(ovsdb_fixture_join(pids[i]));
    }
    const struct vdpad_snapshot *s = store_sync();
    assert_int_equal(s->n_ports, 2 + ROUNDS * (4 + WRITERS));
    const struct vdpad_db_iface *shared = store_find_iface(s, "shared");
    assert_int_equal(shared->external_ids.n, 2 + WRITERS);
}

static void
test_thousand_ports(void **state)
{
    enum { N = 1000 };
    static char names[N][16];
    static struct vdpad_dbop ops[N + 1];
    struct store_result result = { .done = false };

    (void) state;
    store_sync();
    ops[0] = (struct vdpad_dbop) STORE_OP(BRIDGE_ADD, .bridge = "br-int");
    for (size_t i = 0; i < N; i++) {
        snprintf(names[i], sizeof names[i], "rep%zu", i);
        ops[i + 1] = (struct vdpad_dbop) STORE_OP(PORT_ADD, .bridge = "br-int",
                                                  .port = names[i]);
    }
    assert_int_equal(store_commit(ops, N / 2 + 1, &result), 0);
    /* The second half goes to a bridge that is there. */
    assert_int_equal(store_commit(ops, N + 1, &result), 0);
    const struct vdpad_snapshot *s = the_store->ops->snapshot(the_store);
    assert_int_equal(s->n_ports, N + 1);
    for (size_t i = 1; i < s->n_ports; i++) {
        assert_true(strcmp(s->ports[i - 1].name, s->ports[i].name) < 0);
        assert_true(strcmp(s->ifaces[i - 1].name, s->ifaces[i].name) < 0);
    }

    static char uuids[N][VDPAD_UUID_SIZE];
    for (size_t i = 0; i < N; i++) {
        strcpy(uuids[i], store_find_port(s, names[i])->uuid);
        ops[i] = (struct vdpad_dbop) STORE_OP(PORT_DEL, .bridge = "br-int",
                                              .port = names[i],
                                              .uuid = uuids[i]);
    }
    assert_int_equal(store_commit(ops, N, &result), 0);
    store_assert_vsctl("", "list-ports br-int");
}

/* Nothing happens, so nothing wakes us up. */
static void
test_idle(void **state)
{
    (void) state;
    store_sync();
    long long end = store_now_ms() + 2000;
    int turns = 0;
    while (store_now_ms() < end) {
        the_store->ops->run(the_store);
        the_store->ops->wait(the_store);
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
        "",
        "nonsense",
        "unix:/nonexistent/db.sock",
        "tcp:999.1.1.1:6640",
        "tcp:127.0.0.1:1",
        "unix:",
        "ssl:127.0.0.1:1,unix:/x",
    };
    struct vdpad_store *normal = the_store;

    (void) state;
    for (size_t i = 0; i < sizeof remotes / sizeof *remotes; i++) {
        the_store = vdpad_ovsdb_store_new(remotes[i], false);
        for (int turn = 0; turn < 5; turn++) {
            the_store->ops->run(the_store);
            assert_null(the_store->ops->snapshot(the_store));
            assert_false(the_store->ops->is_connected(the_store));
            the_store->ops->wait(the_store);
            poll_timer_wait(10);
            poll_block();
        }
        the_store->ops->destroy(the_store);
    }
    the_store = normal;
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lost_connection, store_setup,
                                        store_teardown),
        cmocka_unit_test_setup_teardown(test_lost_database, store_setup,
                                        store_teardown),
        cmocka_unit_test_setup_teardown(test_restart, store_setup,
                                        store_teardown),
        cmocka_unit_test_setup_teardown(test_contention, store_setup,
                                        store_teardown),
        cmocka_unit_test_setup_teardown(test_thousand_ports, store_setup,
                                        store_teardown),
        cmocka_unit_test_setup_teardown(test_idle, store_setup,
                                        store_teardown),
        cmocka_unit_test_setup_teardown(test_bad_remotes, store_setup,
                                        store_teardown),
    };

    if (!ovsdb_fixture_is_possible()) {
        fprintf(stderr, "skipped: ovsdb-server or its schema is missing\n");
        return 77;
    }
    vlog_set_levels(NULL, VLF_CONSOLE, VLL_OFF);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
