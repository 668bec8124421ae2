/* SPDX-License-Identifier: Apache-2.0 */
/* The store over TCP and TLS, the latter set up by the command line as for a
 * real daemon. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include <openvswitch/util.h>
#include <openvswitch/poll-loop.h>
#include <openvswitch/vlog.h>
#include <vdpad/ovsdb-store.h>

#include "ovsdb-fixture.h"

/* Of every wait; emulated machines are slow. */
#define LIMIT_MS 60000

static struct ovsdb_fixture server;

static long long
now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void
turn(struct vdpad_store *store)
{
    store->ops->wait(store);
    poll_timer_wait(1000);
    poll_block();
    store->ops->run(store);
}

static void
on_committed(void *done, int error, const struct vdpad_error *why)
{
    if (error) {
        print_error("%s\n", why->text);
    }
    assert_int_equal(error, 0);
    *(bool *) done = true;
}

/* Connects to 'remote', writes through it, and sees that it is so. */
static void
check_remote(const char *remote, const char *bridge)
{
    const struct vdpad_dbop op = { .kind = VDPAD_DBOP_BRIDGE_ADD,
                                   .bridge = bridge };
    struct vdpad_store *store = vdpad_ovsdb_store_new(remote, false);
    long long deadline = now_ms() + LIMIT_MS;
    bool done = false;

    while (!store->ops->is_connected(store)) {
        assert_true(now_ms() < deadline);
        turn(store);
    }
    assert_int_equal(store->ops->commit(store, &op, 1, on_committed, &done),
                     0);
    while (!done) {
        assert_true(now_ms() < deadline);
        turn(store);
    }
    ovsdb_fixture_vsctl(&server, "br-exists %s", bridge);
    store->ops->destroy(store);
}

static void
test_tcp(void **state)
{
    char remote[64];

    (void) state;
    snprintf(remote, sizeof remote, "tcp:127.0.0.1:%d",
             ovsdb_fixture_listen(&server, "ptcp"));
    check_remote(remote, "br-tcp");
    /* The first of several that answers. */
    char list[128];
    snprintf(list, sizeof list, "tcp:127.0.0.1:1,%s", remote);
    check_remote(list, "br-list");
}

static void
test_tls(void **state)
{
    static char key[96], cert[96], ca[96];
    static char *argv[] = { (char *) "x",
                            (char *) "-vconsole:off",
                            (char *) "--pidfile=unused.pid",
                            key,
                            cert,
                            ca,
                            NULL };
    struct vdpad_options options;
    char remote[64];

    (void) state;
    snprintf(key, sizeof key, "--private-key=%s/key.pem", server.dir);
    snprintf(cert, sizeof cert, "--certificate=%s/cert.pem", server.dir);
    snprintf(ca, sizeof ca, "--ca-cert=%s/cert.pem", server.dir);
    assert_true(ovsdb_fixture_join(ovsdb_fixture_spawn(
        &server,
        "cd $DIR && for name in '' other-; do "
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 "
        "-nodes -days 2 -subj /CN=${name}test -keyout ${name}key.pem "
        "-out ${name}cert.pem 2>openssl.log || exit 1; done")));
    vdpad_options_parse(6, argv, &options);
    vdpad_options_free(&options);

    ovsdb_fixture_stop(&server);
    snprintf(server.options, sizeof server.options,
             "--private-key=%s/key.pem --certificate=%s/cert.pem "
             "--ca-cert=%s/cert.pem",
             server.dir, server.dir, server.dir);
    ovsdb_fixture_start(&server);
    snprintf(remote, sizeof remote, "ssl:127.0.0.1:%d",
             ovsdb_fixture_listen(&server, "pssl"));
    check_remote(remote, "br-tls");

    /* A server with a certificate of somebody else is not spoken to. */
    ovsdb_fixture_stop(&server);
    snprintf(server.options, sizeof server.options,
             "--private-key=%s/other-key.pem "
             "--certificate=%s/other-cert.pem --ca-cert=%s/cert.pem",
             server.dir, server.dir, server.dir);
    ovsdb_fixture_start(&server);
    snprintf(remote, sizeof remote, "ssl:127.0.0.1:%d",
             ovsdb_fixture_listen(&server, "pssl"));
    struct vdpad_store *store = vdpad_ovsdb_store_new(remote, false);
    for (long long end = now_ms() + 1500; now_ms() < end;) {
        turn(store);
        assert_false(store->ops->is_connected(store));
        assert_null(store->ops->snapshot(store));
    }
    store->ops->destroy(store);
}

static int
setup(void **state)
{
    (void) state;
    ovsdb_fixture_init(&server);
    ovsdb_fixture_vsctl(&server, "init");
    return 0;
}

static int
teardown(void **state)
{
    (void) state;
    ovsdb_fixture_done(&server);
    return 0;
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tcp),
        cmocka_unit_test(test_tls),
    };

    if (!ovsdb_fixture_is_possible()
        || system("command -v openssl >/dev/null")) {
        fprintf(stderr, "skipped: ovsdb-server or openssl is missing\n");
        return 77;
    }
    vlog_set_levels(NULL, VLF_CONSOLE, VLL_OFF);
    return cmocka_run_group_tests(tests, setup, teardown);
}
