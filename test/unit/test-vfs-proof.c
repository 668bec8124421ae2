/* SPDX-License-Identifier: Apache-2.0 */

/* Whose VFs there are after the daemon was killed, or a reset: the controller
 * over the fake kernel and database, with a clock that jumps. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ctl-fixture.h"

/* Another program sets the number of VFs. */
static void
others_make(int64_t number)
{
    struct vdpad_act act = { .kind = VDPAD_ACT_NUMVFS,
                             .object = PF,
                             .number = number };
    struct vdpad_error why;
    int block;

    assert_int_equal(
        sim_apply(fake_kernel_sim(t.kernel), &act, false, &block, &why), 0);
    fake_kernel_poke(t.kernel);
}

static void
reset_for(int64_t ns)
{
    assert_int_equal(
        sim_reset_pf(fake_kernel_sim(t.kernel), PF, t.now_ns + ns), 0);
    fake_kernel_poke(t.kernel);
}

static void
former_is_there(bool is_there)
{
    fake_kernel_sim(t.kernel)->n_former = is_there;
    fake_kernel_poke(t.kernel);
}

static const struct vdpad_pf *
pf(void)
{
    return &vdpad_ctl_world(t.ctl)->pfs[0];
}

static void
withdraw(void)
{
    fake_db_set_key(t.db, VDPAD_KEY_POLICY "a", NULL);
    pass(300 * SEC);
}

/* The daemon is killed while a step is about to make two VFs, and its helper
 * process outlives it. */
static void
die_before_vfs(void)
{
    pass(2 * SEC);
    fake_kernel_knobs(t.kernel)->step_delay_ns[VDPAD_ACT_NUMVFS] = 100 * SEC;
    set_policy();
    pass(10 * SEC);
    assert_int_equal(fake_kernel_n_steps(t.kernel, VDPAD_ACT_NUMVFS), 1);
    stop();
    start();
    former_is_there(true);
}

static void
changed_while_no_daemon_ran(void **state)
{
    (void) state;
    pass(2 * SEC);
    set_policy();
    pass(60 * SEC);
    assert_int_equal(pf()->state, VDPAD_STATE_READY);
    stop();
    start();
    others_make(0);
    others_make(3);
    pass(60 * SEC);
    assert_int_equal(pf()->state, VDPAD_STATE_BLOCKED);
    assert_non_null(strstr(pf()->reason, "another program has changed it"));
    withdraw();
    assert_int_equal(pf()->state, VDPAD_STATE_BLOCKED);
    assert_non_null(strstr(pf()->reason, "another program has set"));
    assert_int_equal(pf()->pci->numvfs, 3);
    assert_int_equal(fake_kernel_n_steps(t.kernel, VDPAD_ACT_NUMVFS), 0);
}

/* `reconcile` is about what there is by then, not about what comes. */
static void
changed_after_reconcile(void **state)
{
    (void) state;
    pass(2 * SEC);
    set_policy();
    pass(60 * SEC);
    fake_db_set_key(t.db, VDPAD_KEY_POLICY "a", "pf=" PF " vdpa-type=vhost");
    pass(5 * SEC);
    vdpad_ctl_reconcile(t.ctl);
    pass(5 * SEC);
    others_make(0);
    others_make(3);
    pass(5 * SEC);
    withdraw();
    assert_int_equal(pf()->pci->numvfs, 3);
    vdpad_ctl_reconcile(t.ctl);
    pass(60 * SEC);
    assert_int_equal(pf()->pci->numvfs, 0);
}

/* VFs whose number another program had changed come back as its own. */
static void
changed_before_a_reset(void **state)
{
    (void) state;
    pass(2 * SEC);
    set_policy();
    pass(60 * SEC);
    others_make(0);
    others_make(3);
    pass(5 * SEC);
    assert_int_equal(pf()->state, VDPAD_STATE_BLOCKED);
    reset_for(20 * SEC);
    pass(5 * SEC);
    assert_int_equal(pf()->pci->numvfs, 0);
    withdraw();
    assert_int_equal(pf()->pci->numvfs, 3);
}

/* Another program is faster than the step that removes ours, and than the
 * events that tell of it. */
static void
changed_while_ours_are_to_go(void **state)
{
    (void) state;
    pass(2 * SEC);
    set_policy();
    pass(60 * SEC);
    fake_kernel_knobs(t.kernel)->step_delay_ns[VDPAD_ACT_NUMVFS] = 10 * SEC;
    fake_db_set_key(t.db, VDPAD_KEY_POLICY "a", NULL);
    pass(5 * SEC);
    assert_int_equal(pf()->pci->numvfs, 2);
    assert_int_equal(fake_kernel_n_steps(t.kernel, VDPAD_ACT_NUMVFS), 2);
    others_make(0);
    others_make(3);
    pass(300 * SEC);
    assert_int_equal(pf()->pci->numvfs, 3);
    assert_non_null(strstr(pf()->reason, "another program has set"));
}

static void
another_was_faster_than_a_dead_daemon(void **state)
{
    (void) state;
    die_before_vfs();
    others_make(3);
    pass(10 * SEC);
    assert_int_equal(pf()->state, VDPAD_STATE_WAITING);
    assert_non_null(strstr(pf()->reason, "helper process"));
    former_is_there(false);
    pass(10 * SEC);
    assert_int_equal(pf()->record->numvfs, -1);
    withdraw();
    assert_int_equal(pf()->pci->numvfs, 3);
    assert_int_equal(fake_kernel_n_steps(t.kernel, VDPAD_ACT_NUMVFS), 0);
}

/* Fewer than the policy wants. */
static void
another_made_fewer_than_a_dead_daemon(void **state)
{
    (void) state;
    die_before_vfs();
    others_make(1);
    pass(10 * SEC);
    assert_int_equal(pf()->state, VDPAD_STATE_WAITING);
    assert_non_null(strstr(pf()->reason, "helper process"));
    former_is_there(false);
    pass(10 * SEC);
    assert_int_equal(pf()->state, VDPAD_STATE_BLOCKED);
    assert_non_null(strstr(pf()->reason, "another program made them"));
    withdraw();
    assert_int_equal(pf()->pci->numvfs, 1);
}

/* Seen without its VFs, a PF in a reset is no bare one. */
static void
vfs_of_another_in_a_reset(void **state)
{
    (void) state;
    others_make(1);
    pass(2 * SEC);
    reset_for(20 * SEC);
    set_policy();
    pass(5 * SEC);
    assert_int_equal(pf()->pci->numvfs, 0);
    pass(60 * SEC);
    assert_int_equal(pf()->pci->numvfs, 1);
    assert_non_null(strstr(pf()->reason, "another program made them"));
    assert_string_equal(
        sim_find_pf(fake_kernel_sim(t.kernel), PF)->vfs[0].driver,
        "mlx5_core");
    withdraw();
    assert_int_equal(pf()->pci->numvfs, 1);
}

/* Nor when the daemon is killed and started in the middle of it. */
static void
killed_in_a_reset_of_another(void **state)
{
    (void) state;
    others_make(1);
    pass(2 * SEC);
    reset_for(20 * SEC);
    set_policy();
    pass(5 * SEC);
    stop();
    start();
    former_is_there(true);
    pass(60 * SEC);
    former_is_there(false);
    pass(60 * SEC);
    assert_non_null(strstr(pf()->reason, "another program made them"));
    withdraw();
    assert_int_equal(pf()->pci->numvfs, 1);
}

static void
killed_in_a_reset_of_ours(void **state)
{
    (void) state;
    pass(2 * SEC);
    set_policy();
    pass(60 * SEC);
    reset_for(20 * SEC);
    pass(5 * SEC);
    stop();
    start();
    pass(60 * SEC);
    assert_int_equal(pf()->pci->numvfs, 2);
    assert_int_equal(dev_of(NAME0)->state, VDPAD_STATE_READY);
    assert_int_equal(dev_of(NAME0)->owner, VDPAD_OWNER_US);
    withdraw();
    assert_int_equal(pf()->pci->numvfs, 0);
}

#define TEST(FUNCTION) \
    cmocka_unit_test_setup_teardown(FUNCTION, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(changed_while_no_daemon_ran),
        TEST(changed_before_a_reset),
        TEST(changed_after_reconcile),
        TEST(changed_while_ours_are_to_go),
        TEST(another_was_faster_than_a_dead_daemon),
        TEST(another_made_fewer_than_a_dead_daemon),
        TEST(vfs_of_another_in_a_reset),
        TEST(killed_in_a_reset_of_another),
        TEST(killed_in_a_reset_of_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
