/* SPDX-License-Identifier: Apache-2.0 */
/* Keys that are where no verdict belongs. */
#include "cmd-fixture.h"

#include "controller/consumer.h"
#include "controller/publish.h"

#define SEC INT64_C(1000000000)

static struct vdpad_db_iface ifaces[2];
static struct vdpad_db_port ports[2];
static struct vdpad_kv ids[1] = { { "vdpa-offload", "offloaded" } };
static int n_commits;
static char written[64];

static int
commit(struct vdpad_store *store, const struct vdpad_dbop *ops, size_t n,
       vdpad_committed_cb *cb, void *aux)
{
    (void) store;
    assert_int_equal(n, 1);
    snprintf(written, sizeof written, "%s %s", ops->port,
             ops->value ? ops->value : "none");
    n_commits++;
    cb(aux, 0, NULL);
    return 0;
}

/* Runs a publisher for a minute; returns what it wrote ("" nothing). */
static const char *
publish(void)
{
    static const struct vdpad_store_ops ops = { .commit = commit };
    struct vdpad_store store = { .ops = &ops };
    struct vdpad_publisher *p = vdpad_publisher_new(&store);

    n_commits = 0;
    written[0] = '\0';
    for (int64_t now = 1000; now < 1060 && !n_commits; now++) {
        vdpad_publisher_run(p, &fix.world, ctl.looks, now * SEC);
    }
    vdpad_publisher_free(p);
    return written;
}

static int
set_up(void **state)
{
    fixture_set_up(state);
    ports[0] = ports[1] = fix.ports[0];
    ifaces[0] = ifaces[1] = fix.ifaces[0];
    ifaces[1].port = 1;
    ifaces[1].name = "gone";
    ifaces[1].ifindex = 0;
    ifaces[1].ofport = -1;
    ifaces[1].external_ids = (struct vdpad_map){ 1, ids };
    fix.db.n_ports = fix.db.n_ifaces = 2;
    fix.db.ports = ports;
    fix.db.ifaces = ifaces;
    fix.devs[0].iface = &ifaces[0];
    return 0;
}

/* What tells that a port is dead is not taken from it. */
static void
proof_stays(void **state)
{
    (void) state;
    assert_string_equal(publish(), "");
    assert_int_equal(vdpad_iface_life(&fix.world, &ifaces[1]),
                     VDPAD_IFACE_DEAD);
    /* The same of a port that is just none of a device. */
    ifaces[1].name = "p0";
    assert_string_equal(publish(), "p0 none");
    ifaces[1].name = "internal";
    ifaces[1].type = "internal";
    assert_string_equal(publish(), "internal none");
    /* It may be a representor's still. */
    fix.observed.class_[VDPAD_DLPORT].fresh = false;
    assert_string_equal(publish(), "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(proof_stays, set_up,
                                        fixture_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
