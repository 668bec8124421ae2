/* SPDX-License-Identifier: Apache-2.0 */

/* Steps that come back from the kernel late, one after the other, or after
 * the daemon that had asked for them was killed: the controller over the fake
 * kernel and database, with a clock that jumps. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "controller/lookup.h"
#include "ctl-fixture.h"

static void
slow_add(const char *name, int64_t delay_ns)
{
    assert_int_equal(fake_kernel_fault(t.kernel, FAKE_DELAY,
                                       VDPAD_ACT_VDPA_ADD, name, 1, 1, 0, NULL,
                                       delay_ns),
                     0);
}

/* All devices are there, ours, and go with their policy. */
static void
expect_ours(void)
{
    const struct vdpad_world *w = vdpad_ctl_world(t.ctl);

    assert_true(w->n_devs >= 2);
    assert_string_equal(w->devs[0].name, NAME0);
    for (size_t i = 0; i < w->n_devs; i++) {
        assert_int_equal(w->devs[i].state, VDPAD_STATE_READY);
        assert_int_equal(w->devs[i].owner, VDPAD_OWNER_US);
    }
    fake_db_set_key(t.db, VDPAD_KEY_POLICY "a", NULL);
    pass(300 * SEC);
    assert_int_equal(vdpad_ctl_world(t.ctl)->n_devs, 0);
    assert_int_equal(vdpad_ctl_world(t.ctl)->pfs[0].pci->numvfs, 0);
}

/* The first device is another program's, and outlives its policy. */
static void
expect_foreign(void)
{
    assert_int_equal(dev_of(NAME0)->owner, VDPAD_OWNER_FOREIGN);
    fake_db_set_key(t.db, VDPAD_KEY_POLICY "a", NULL);
    pass(300 * SEC);
    assert_non_null(dev_of(NAME0)->vdpa);
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

/* Whoever it is does this to the host. */
static int
apply(enum vdpad_act_kind kind, const char *object, const char *word,
      int64_t number)
{
    struct vdpad_act act = { .kind = (int32_t) kind, .number = number };
    struct vdpad_error why;
    int block, error;

    (void) snprintf(act.object, sizeof act.object, "%s", object);
    (void) snprintf(act.word, sizeof act.word, "%s", word);
    error = sim_apply(fake_kernel_sim(t.kernel), &act, true, &block, &why);
    sim_settle(fake_kernel_sim(t.kernel));
    fake_kernel_poke(t.kernel);
    return error;
}

static int
make(const char *name, const char *vf)
{
    return apply(VDPAD_ACT_VDPA_ADD, name, vf, 0);
}

/* The daemon is killed, and another one started, while a helper process is
 * about to make the first device. */
static void
die_while_it_is_made(void)
{
    slow_add(NAME0, 20 * SEC);
    set_policy();
    pass(10 * SEC);
    assert_null(dev_of(NAME0)->vdpa);
    stop();
    start();
    fake_kernel_sim(t.kernel)->n_former = 1;
}

/* That helper has ended. */
static void
former_ends(void)
{
    fake_kernel_sim(t.kernel)->n_former = 0;
    fake_kernel_poke(t.kernel);
}

static void
expect_nothing_left(void)
{
    pass(300 * SEC);
    assert_int_equal(vdpad_ctl_world(t.ctl)->n_devs, 0);
    assert_int_equal(vdpad_ctl_world(t.ctl)->pfs[0].pci->numvfs, 0);
    assert_null(vdpad_ctl_world(t.ctl)->pfs[0].record);
    assert_int_equal(vdpad_ctl_world(t.ctl)->record->n_devs, 0);
}

/* The daemon dies, and what its helper process was at comes about when its
 * successor tries the same. */
static void
the_former_daemon_was_faster(void **state)
{
    (void) state;
    pass(2 * SEC);
    die_while_it_is_made();
    slow_add(NAME0, 5 * SEC);
    pass(2 * SEC);
    assert_int_equal(fake_kernel_n_steps(t.kernel, VDPAD_ACT_VDPA_ADD), 1);
    assert_int_equal(make(NAME0, VF0), 0);
    /* Before it is known how our own one ended. */
    former_ends();
    pass(60 * SEC);
    expect_ours();
}

/* … or after that has failed for another reason. */
static void
the_former_daemon_was_slower(void **state)
{
    (void) state;
    pass(2 * SEC);
    die_while_it_is_made();
    assert_int_equal(fake_kernel_fault(t.kernel, FAKE_FAIL, VDPAD_ACT_VDPA_ADD,
                                       NAME0, 1, 9, -ENODEV, "not now", 0),
                     0);
    pass(2 * SEC);
    assert_int_equal(dev_of(NAME0)->state, VDPAD_STATE_FAILED);
    assert_int_equal(make(NAME0, VF0), 0);
    former_ends();
    pass(60 * SEC);
    expect_ours();
}

/* … or when nobody wants it any more. */
static void
withdrawn_before_the_former_daemon_is_done(void **state)
{
    (void) state;
    pass(2 * SEC);
    die_while_it_is_made();
    fake_db_set_key(t.db, VDPAD_KEY_POLICY "a", NULL);
    pass(200 * SEC);
    assert_int_equal(dev_of(NAME0)->state, VDPAD_STATE_REMOVING);
    assert_non_null(strstr(dev_of(NAME0)->reason, "earlier daemon"));
    assert_int_equal(make(NAME0, VF0), 0);
    former_ends();
    expect_nothing_left();
}

/* … and the successor dies as well. */
static void
two_daemons_were_killed(void **state)
{
    (void) state;
    pass(2 * SEC);
    die_while_it_is_made();
    fake_db_set_key(t.db, VDPAD_KEY_POLICY "a", NULL);
    pass(100 * SEC);
    stop();
    start();
    pass(100 * SEC);
    assert_int_equal(make(NAME0, VF0), 0);
    former_ends();
    expect_nothing_left();
}

/* … or after it has been made, and deleted by us. */
static void
made_and_deleted_before_the_former_daemon_is_done(void **state)
{
    (void) state;
    pass(2 * SEC);
    die_while_it_is_made();
    pass(5 * SEC);
    assert_int_equal(dev_of(NAME0)->state, VDPAD_STATE_READY);
    fake_db_set_key(t.db, VDPAD_KEY_POLICY "a", NULL);
    pass(100 * SEC);
    assert_null(dev_of(NAME0)->vdpa);
    assert_int_equal(make(NAME0, VF0), 0);
    former_ends();
    expect_nothing_left();
}

/* … or when its VF has gone, and come back. */
static void
vfs_came_back_before_the_former_daemon_is_done(void **state)
{
    (void) state;
    pass(2 * SEC);
    die_while_it_is_made();
    assert_int_equal(fake_kernel_fault(t.kernel, FAKE_FAIL, VDPAD_ACT_VDPA_ADD,
                                       NAME0, 1, 9, -ENODEV, "not now", 0),
                     0);
    pass(2 * SEC);
    assert_int_equal(apply(VDPAD_ACT_NUMVFS, PF, "", 0), 0);
    pass(10 * SEC);
    assert_int_equal(make(NAME0, VF0), 0);
    former_ends();
    pass(100 * SEC);
    expect_ours();
}

/* … or when it should have another name. */
static void
renamed_before_the_former_daemon_is_done(void **state)
{
    (void) state;
    pass(2 * SEC);
    die_while_it_is_made();
    fake_db_set_key(t.db, VDPAD_KEY_POLICY "a",
                    "pf=" PF " num-vfs=2 vdpa-type=vhost name=dev%v");
    pass(60 * SEC);
    assert_int_equal(fake_kernel_n_steps(t.kernel, VDPAD_ACT_VDPA_ADD), 0);
    assert_int_equal(dev_of("dev0")->state, VDPAD_STATE_APPLYING);
    assert_int_equal(make(NAME0, VF0), 0);
    former_ends();
    pass(60 * SEC);
    expect_ours();
}

/* It has not been made in the end, by nobody's fault. */
static void
the_former_daemon_does_nothing(void **state)
{
    (void) state;
    pass(2 * SEC);
    die_while_it_is_made();
    fake_db_set_key(t.db, VDPAD_KEY_POLICY "a",
                    "pf=" PF " num-vfs=2 vdpa-type=vhost name=dev%v");
    pass(60 * SEC);
    former_ends();
    pass(10 * SEC);
    assert_int_equal(dev_of("dev0")->state, VDPAD_STATE_READY);
    fake_db_set_key(t.db, VDPAD_KEY_POLICY "a", NULL);
    expect_nothing_left();
}

/* What comes after the last helper has ended is another program's, by whatever
 * name. */
static void
another_program_comes_after_the_former_daemon(void **state)
{
    (void) state;
    pass(2 * SEC);
    die_while_it_is_made();
    assert_int_equal(fake_kernel_fault(t.kernel, FAKE_FAIL, VDPAD_ACT_VDPA_ADD,
                                       NAME0, 1, 99, -ENODEV, "not now", 0),
                     0);
    pass(20 * SEC);
    former_ends();
    pass(SEC);
    assert_int_equal(dev_of(NAME0)->state, VDPAD_STATE_FAILED);
    assert_int_equal(make(NAME0, VF0), 0);
    pass(60 * SEC);
    expect_foreign();
}

/* … also when the successor is just at it. */
static void
another_program_is_faster_after_the_former_daemon(void **state)
{
    (void) state;
    pass(2 * SEC);
    die_while_it_is_made();
    former_ends();
    slow_add(NAME0, 5 * SEC);
    pass(2 * SEC);
    assert_int_equal(make(NAME0, VF0), 0);
    pass(60 * SEC);
    expect_foreign();
}

/* The same, of a step on the PF, after which its policy is withdrawn. */
static void
die_during(enum vdpad_act_kind kind)
{
    fake_kernel_knobs(t.kernel)->step_delay_ns[kind] = 100 * SEC;
    set_policy();
    pass(10 * SEC);
    assert_int_equal(fake_kernel_n_steps(t.kernel, (int32_t) kind), 1);
    stop();
    start();
    fake_kernel_sim(t.kernel)->n_former = 1;
    fake_db_set_key(t.db, VDPAD_KEY_POLICY "a", NULL);
    pass(100 * SEC);
    assert_int_equal(vdpad_ctl_world(t.ctl)->pfs[0].state,
                     VDPAD_STATE_REMOVING);
}

static void
vfs_of_the_former_daemon(void **state)
{
    (void) state;
    pass(2 * SEC);
    die_during(VDPAD_ACT_NUMVFS);
    assert_int_equal(apply(VDPAD_ACT_NUMVFS, PF, "", 2), 0);
    former_ends();
    expect_nothing_left();
}

static void
mode_of_the_former_daemon(void **state)
{
    (void) state;
    pass(2 * SEC);
    die_during(VDPAD_ACT_ESWITCH_MODE);
    assert_int_equal(
        apply(VDPAD_ACT_ESWITCH_MODE, PF, "", VDPAD_ESWITCH_SWITCHDEV), 0);
    former_ends();
    expect_nothing_left();
    assert_int_equal(vdpad_ctl_world(t.ctl)->pfs[0].eswitch->mode,
                     VDPAD_ESWITCH_LEGACY);
}

/* Another number of VFs than is wanted by now is waited for. */
static void
other_number_by_the_former_daemon(void **state)
{
    (void) state;
    pass(2 * SEC);
    fake_kernel_knobs(t.kernel)->step_delay_ns[VDPAD_ACT_NUMVFS] = 100 * SEC;
    set_policy();
    pass(10 * SEC);
    stop();
    start();
    fake_kernel_sim(t.kernel)->n_former = 1;
    fake_kernel_knobs(t.kernel)->step_delay_ns[VDPAD_ACT_NUMVFS] = 5 * SEC;
    fake_db_set_key(t.db, VDPAD_KEY_POLICY "a",
                    "pf=" PF " num-vfs=4 vdpa-type=vhost");
    pass(2 * SEC);
    assert_int_equal(fake_kernel_n_steps(t.kernel, VDPAD_ACT_NUMVFS), 0);
    assert_int_equal(apply(VDPAD_ACT_NUMVFS, PF, "", 2), 0);
    former_ends();
    pass(60 * SEC);
    assert_int_equal(vdpad_ctl_world(t.ctl)->pfs[0].pci->numvfs, 4);
    expect_ours();
}

/* Nothing was under way: who was faster is another program. */
static void
another_program_was_faster(void **state)
{
    (void) state;
    pass(2 * SEC);
    slow_add(NAME0, 20 * SEC);
    set_policy();
    pass(10 * SEC);
    assert_int_equal(make(NAME0, VF0), 0);
    pass(60 * SEC);
    assert_int_equal(dev_of(NAME1)->owner, VDPAD_OWNER_US);
    expect_foreign();
    assert_null(find_dev(NAME1));
}

#define TEST(FUNCTION) \
    cmocka_unit_test_setup_teardown(FUNCTION, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_other_one_is_still_there),
        TEST(vfs_came_back_meanwhile),
        TEST(the_former_daemon_was_faster),
        TEST(the_former_daemon_was_slower),
        TEST(withdrawn_before_the_former_daemon_is_done),
        TEST(two_daemons_were_killed),
        TEST(made_and_deleted_before_the_former_daemon_is_done),
        TEST(vfs_came_back_before_the_former_daemon_is_done),
        TEST(renamed_before_the_former_daemon_is_done),
        TEST(the_former_daemon_does_nothing),
        TEST(another_program_comes_after_the_former_daemon),
        TEST(another_program_is_faster_after_the_former_daemon),
        TEST(vfs_of_the_former_daemon),
        TEST(mode_of_the_former_daemon),
        TEST(other_number_by_the_former_daemon),
        TEST(another_program_was_faster),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
