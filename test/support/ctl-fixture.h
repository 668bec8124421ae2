/* SPDX-License-Identifier: Apache-2.0 */
/* The controller over the fake kernel and database, with one PF and a clock
 * that jumps.  For one test program each; after cmocka.h. */
#ifndef VDPAD_TEST_CTL_FIXTURE_H
#define VDPAD_TEST_CTL_FIXTURE_H 1

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "controller/ctl.h"
#include "test/fake/fake-db.h"
#include "test/fake/fake-kernel.h"

#define MS INT64_C(1000000)
#define SEC (1000 * MS)
#define PF "0000:65:00.0"
#define VF0 "pci/0000:65:00.2"
#define NAME0 "vdpa:0000:65:00.2"
#define NAME1 "vdpa:0000:65:00.3"

static struct {
    int64_t now_ns;
    char folder[64], sim[96], record[96];
    struct vdpad_kernel *kernel;
    struct fake_db *db;
    struct vdpad_store *store;
    struct vdpad_ctl *ctl;
} t;

static int64_t
clock_ns(void)
{
    return t.now_ns;
}

static int64_t
kernel_clock_ns(void *aux)
{
    (void) aux;
    return t.now_ns;
}

static void
start(void)
{
    struct vdpad_ctl_options options = { .record_path = t.record,
                                         .clock_ns = clock_ns };

    t.kernel = fake_kernel_new(NULL, t.sim);
    assert_non_null(t.kernel);
    fake_kernel_set_clock(t.kernel, kernel_clock_ns, NULL);
    t.store = fake_store_new(t.db, clock_ns);
    t.ctl = vdpad_ctl_new(NULL, t.kernel, t.store, &options);
}

static void
stop(void)
{
    vdpad_ctl_free(t.ctl);
    t.kernel->ops->destroy(t.kernel);
    t.store->ops->destroy(t.store);
}

static int
set_up(void **state)
{
    (void) state;
    memset(&t, 0, sizeof t);
    t.now_ns = 1000 * SEC;
    strcpy(t.folder, "/tmp/test-ctl.XXXXXX");
    assert_non_null(mkdtemp(t.folder));
    (void) snprintf(t.sim, sizeof t.sim, "%s/sim", t.folder);
    (void) snprintf(t.record, sizeof t.record, "%s/record", t.folder);
    t.db = fake_db_new();
    fake_db_add_bridge(t.db, "br-int");
    fake_db_set_key(t.db, VDPAD_KEY_ATTACH, "none");
    start();
    assert_int_equal(sim_add_pf(fake_kernel_sim(t.kernel), PF, 8, "up0"), 0);
    for (int i = 0; vdpad_module_names[i]; i++) {
        (void) sim_set_module(fake_kernel_sim(t.kernel), vdpad_module_names[i],
                              VDPAD_MODULE_LOADED);
    }
    fake_kernel_poke(t.kernel);
    return 0;
}

static int
tear_down(void **state)
{
    (void) state;
    stop();
    fake_db_free(t.db);
    (void) unlink(t.sim);
    (void) unlink(t.record);
    (void) rmdir(t.folder);
    return 0;
}

/* Takes turns for so long. */
static void
pass(int64_t ns)
{
    int64_t end = t.now_ns + ns;

    while (t.now_ns < end) {
        int64_t next, other;

        t.store->ops->run(t.store);
        vdpad_ctl_run(t.ctl, t.now_ns);
        next = vdpad_ctl_next_ns(t.ctl);
        other = fake_kernel_next_ns(t.kernel);
        next = other < next ? other : next;
        other = fake_store_next_ns(t.store);
        next = other < next ? other : next;
        t.now_ns += 20000;
        t.now_ns = next < t.now_ns ? t.now_ns : next < end ? next : end;
    }
}

static const struct vdpad_dev *
find_dev(const char *name)
{
    return vdpad_world_find(vdpad_ctl_world(t.ctl), name);
}

static const struct vdpad_dev *
dev_of(const char *name)
{
    const struct vdpad_dev *dev = find_dev(name);

    assert_non_null(dev);
    return dev;
}

static void
set_policy(void)
{
    fake_db_set_key(t.db, VDPAD_KEY_POLICY "a",
                    "pf=" PF " num-vfs=2 vdpa-type=vhost");
}

#endif
