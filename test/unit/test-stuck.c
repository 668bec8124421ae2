/* SPDX-License-Identifier: Apache-2.0 */

/* Steps that come back from the kernel late, one after the other: the
 * controller over the fake kernel and database, with a clock that jumps. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "controller/ctl.h"
#include "controller/lookup.h"
#include "test/fake/fake-db.h"
#include "test/fake/fake-kernel.h"

#define MS INT64_C(1000000)
#define SEC (1000 * MS)
#define PF "0000:65:00.0"
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
    strcpy(t.folder, "/tmp/test-stuck.XXXXXX");
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
dev_of(const char *name)
{
    return vdpad_world_find(vdpad_ctl_world(t.ctl), name);
}

static void
slow_add(const char *name, int64_t delay_ns)
{
    assert_int_equal(fake_kernel_fault(t.kernel, FAKE_DELAY,
                                       VDPAD_ACT_VDPA_ADD, name, 1, 1, 0, NULL,
                                       delay_ns),
                     0);
}

static void
set_policy(void)
{
    fake_db_set_key(t.db, VDPAD_KEY_POLICY "a",
                    "pf=" PF " num-vfs=2 vdpa-type=vhost");
}

/* Both devices are there, ours, and go with their policy. */
static void
expect_ours(void)
{
    for (int i = 0; i < 2; i++) {
        const struct vdpad_dev *dev = dev_of(i ? NAME1 : NAME0);

        assert_non_null(dev);
        assert_int_equal(dev->state, VDPAD_STATE_READY);
        assert_int_equal(dev->owner, VDPAD_OWNER_US);
    }
    fake_db_set_key(t.db, VDPAD_KEY_POLICY "a", NULL);
    pass(300 * SEC);
    assert_int_equal(vdpad_ctl_world(t.ctl)->n_devs, 0);
    assert_int_equal(vdpad_ctl_world(t.ctl)->pfs[0].pci->numvfs, 0);
}

/* The first of two steps has come back: the second is not asked for again,
 * since it is still in the kernel. */
static void
the_other_one_is_still_there(void **state)
{
    (void) state;
    pass(2 * SEC);
    slow_add(NAME0, 40 * SEC);
    slow_add(NAME1, 60 * SEC);
    set_policy();
    /* A second attempt would take so long. */
    pass(10 * SEC);
    fake_kernel_knobs(t.kernel)->step_delay_ns[VDPAD_ACT_VDPA_ADD] = 25 * SEC;
    pass(25 * SEC);
    assert_int_equal(t.kernel->ops->stuck(t.kernel, NULL, 0), 2);
    pass(15 * SEC);
    assert_int_equal(t.kernel->ops->stuck(t.kernel, NULL, 0), 1);
    assert_int_equal(dev_of(NAME0)->owner, VDPAD_OWNER_US);
    pass(60 * SEC);
    assert_int_equal(fake_kernel_n_steps(t.kernel, VDPAD_ACT_VDPA_ADD), 2);
    expect_ours();
}

/* The VFs go and come back while devices are being made on them: they are made
 * on the new ones. */
static void
vfs_came_back_meanwhile(void **state)
{
    struct vdpad_act act = { .kind = VDPAD_ACT_NUMVFS, .object = PF };
    struct vdpad_error why;
    int block;

    (void) state;
    pass(2 * SEC);
    slow_add(NAME0, 20 * SEC);
    slow_add(NAME1, 60 * SEC);
    set_policy();
    pass(10 * SEC);
    assert_int_equal(
        sim_apply(fake_kernel_sim(t.kernel), &act, true, &block, &why), 0);
    fake_kernel_poke(t.kernel);
    pass(100 * SEC);
    expect_ours();
}

/* The daemon dies, and what its helper process was at comes about when its
 * successor tries the same. */
static void
the_former_daemon_was_faster(void **state)
{
    struct vdpad_act act = { .kind = VDPAD_ACT_VDPA_ADD,
                             .object = NAME0,
                             .word = "pci/0000:65:00.2" };
    struct vdpad_error why;
    int block;

    (void) state;
    pass(2 * SEC);
    slow_add(NAME0, 20 * SEC);
    set_policy();
    pass(10 * SEC);
    assert_null(dev_of(NAME0)->vdpa);
    stop();
    start();
    slow_add(NAME0, 5 * SEC);
    pass(2 * SEC);
    assert_int_equal(fake_kernel_n_steps(t.kernel, VDPAD_ACT_VDPA_ADD), 1);
    assert_int_equal(
        sim_apply(fake_kernel_sim(t.kernel), &act, true, &block, &why), 0);
    fake_kernel_poke(t.kernel);
    pass(60 * SEC);
    expect_ours();
}

/* Nothing was under way: who was faster is another program. */
static void
another_program_was_faster(void **state)
{
    struct vdpad_act act = { .kind = VDPAD_ACT_VDPA_ADD,
                             .object = NAME0,
                             .word = "pci/0000:65:00.2" };
    struct vdpad_error why;
    int block;

    (void) state;
    pass(2 * SEC);
    slow_add(NAME0, 20 * SEC);
    set_policy();
    pass(10 * SEC);
    assert_int_equal(
        sim_apply(fake_kernel_sim(t.kernel), &act, true, &block, &why), 0);
    fake_kernel_poke(t.kernel);
    pass(60 * SEC);
    assert_int_equal(dev_of(NAME0)->owner, VDPAD_OWNER_FOREIGN);
    assert_int_equal(dev_of(NAME1)->owner, VDPAD_OWNER_US);
    fake_db_set_key(t.db, VDPAD_KEY_POLICY "a", NULL);
    pass(300 * SEC);
    assert_non_null(dev_of(NAME0)->vdpa);
    assert_null(dev_of(NAME1));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_other_one_is_still_there, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(vfs_came_back_meanwhile, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_former_daemon_was_faster, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(another_program_was_faster, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
