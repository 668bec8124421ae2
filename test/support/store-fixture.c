/* SPDX-License-Identifier: Apache-2.0 */
#include "store-fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include <openvswitch/util.h>
#include <openvswitch/poll-loop.h>
#include <vdpad/ovsdb-store.h>

/* Of every wait; emulated machines are slow. */
#define LIMIT_MS 60000

struct ovsdb_fixture store_server;
struct vdpad_store *the_store;

long long
store_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

const struct vdpad_snapshot *
store_until(store_condition *is_met, const void *aux)
{
    long long deadline = store_now_ms() + LIMIT_MS;

    for (;;) {
        the_store->ops->run(the_store);
        const struct vdpad_snapshot *s = the_store->ops->snapshot(the_store);
        if (is_met(s, aux)) {
            return s;
        }
        if (store_now_ms() > deadline) {
            fail_msg("waited for too long");
        }
        the_store->ops->wait(the_store);
        poll_timer_wait(1000);
        poll_block();
    }
}

bool
store_has_snapshot(const struct vdpad_snapshot *s, const void *aux)
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

const struct vdpad_snapshot *
store_sync(void)
{
    static unsigned int n;
    char text[16];

    snprintf(text, sizeof text, "s%u", ++n);
    ovsdb_fixture_vsctl(&store_server,
                        "set Open_vSwitch . external_ids:sync=%s", text);
    return store_until(is_synced, text);
}

void
store_on_committed(void *result_, int error, const struct vdpad_error *why)
{
    struct store_result *result = result_;

    assert_false(result->done);
    assert_null(strchr(why->text, '\n'));
    result->done = true;
    result->error = error;
    result->why = *why;
    result->serial = the_store->ops->snapshot(the_store)->serial;
}

bool
store_is_done(const struct vdpad_snapshot *s, const void *result)
{
    (void) s;
    return ((const struct store_result *) result)->done;
}

int
store_commit(const struct vdpad_dbop *ops, size_t n,
             struct store_result *result)
{
    *result = (struct store_result){ .done = false };
    assert_int_equal(the_store->ops->commit(the_store, ops, n,
                                            store_on_committed, result),
                     0);
    assert_false(result->done);
    store_until(store_is_done, result);
    return result->error;
}

void
store_assert_vsctl(const char *expected, const char *arguments)
{
    assert_string_equal(ovsdb_fixture_vsctl(&store_server, "%s", arguments),
                        expected);
}

bool
store_has_port(const struct vdpad_snapshot *s, const char *name)
{
    for (size_t i = 0; i < s->n_ports; i++) {
        if (!strcmp(s->ports[i].name, name)) {
            return true;
        }
    }
    return false;
}

const struct vdpad_db_port *
store_find_port(const struct vdpad_snapshot *s, const char *name)
{
    size_t i = 0;

    assert_true(store_has_port(s, name));
    while (strcmp(s->ports[i].name, name)) {
        i++;
    }
    return &s->ports[i];
}

const struct vdpad_db_iface *
store_find_iface(const struct vdpad_snapshot *s, const char *name)
{
    size_t i = 0;

    while (i < s->n_ifaces && strcmp(s->ifaces[i].name, name)) {
        i++;
    }
    assert_true(i < s->n_ifaces);
    return &s->ifaces[i];
}

int
store_setup(void **state)
{
    (void) state;
    ovsdb_fixture_init(&store_server);
    ovsdb_fixture_vsctl(&store_server, "init");
    the_store = vdpad_ovsdb_store_new(store_server.remote, false);
    return 0;
}

int
store_teardown(void **state)
{
    (void) state;
    the_store->ops->destroy(the_store);
    ovsdb_fixture_done(&store_server);
    return 0;
}
