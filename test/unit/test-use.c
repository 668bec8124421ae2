/* SPDX-License-Identifier: Apache-2.0 */

/* Who uses a device is looked at before it is removed, from two classes of
 * which either may take long. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ctl-fixture.h"

static void
expect_removal(void)
{
    pass(40 * SEC);
    assert_int_equal(vdpad_ctl_world(t.ctl)->n_devs, 0);
    assert_int_equal(vdpad_ctl_world(t.ctl)->pfs[0].pci->numvfs, 0);
}

static void
set_up_devices(enum vdpad_class slow)
{
    set_policy();
    pass(20 * SEC);
    assert_int_equal(dev_of(NAME0)->state, VDPAD_STATE_READY);
    assert_int_equal(dev_of(NAME1)->state, VDPAD_STATE_READY);
    fake_kernel_knobs(t.kernel)->observe_delay_ns[slow] = 3 * SEC;
}

static void
one_class_takes_long(void **state)
{
    static const enum vdpad_class slow[] = { VDPAD_HOLDER, VDPAD_VDPA };

    (void) state;
    for (size_t i = 0; i < 2; i++) {
        set_up_devices(slow[i]);
        fake_db_set_key(t.db, VDPAD_KEY_POLICY "a", NULL);
        expect_removal();
        fake_kernel_knobs(t.kernel)->observe_delay_ns[slow[i]] = 0;
    }
}

/* A guest whose process is not seen keeps its device until it ends. */
static void
unseen_guest(void **state)
{
    struct sim *sim = fake_kernel_sim(t.kernel);

    (void) state;
    set_up_devices(VDPAD_VDPA);
    assert_int_equal(sim_hold(sim, NAME0, 4711, NULL), 0);
    fake_db_set_key(t.db, VDPAD_KEY_POLICY "a", NULL);
    pass(60 * SEC);
    assert_null(find_dev(NAME1));
    assert_int_equal(dev_of(NAME0)->state, VDPAD_STATE_BLOCKED);
    assert_non_null(strstr(dev_of(NAME0)->reason, "are negotiated"));
    assert_int_equal(sim_release(sim, NAME0), 0);
    expect_removal();
}

static void
ignore(void *aux, const struct vdpad_observed *fresh)
{
    (void) aux;
    (void) fresh;
}

/* Features that were seen while somebody was seen to hold the device are no
 * sign of another guest when he has gone. */
static void
features_of_a_guest_that_has_gone(void **state)
{
    struct sim *sim = fake_kernel_sim(t.kernel);

    (void) state;
    set_up_devices(VDPAD_VDPA);
    assert_int_equal(sim_hold(sim, NAME0, 4711, "qemu"), 0);
    vdpad_ctl_resync(t.ctl);
    pass(5 * SEC);
    assert_true(vdpad_dev_is_driven(dev_of(NAME0)));
    assert_int_equal(sim_release(sim, NAME0), 0);
    vdpad_ctl_refresh(t.ctl, 1u << VDPAD_HOLDER, false, ignore, NULL);
    pass(SEC);
    assert_int_equal(dev_of(NAME0)->n_holders, 0);
    pass(5 * SEC);
    assert_false(vdpad_dev_is_driven(dev_of(NAME0)));
}

/* Nor does a VM lose a VF: that comes when it has ended, whatever the attempts
 * before it. */
static void
vm_with_a_vf(void **state)
{
    struct sim *sim = fake_kernel_sim(t.kernel);
    struct sim_vf *vf;

    (void) state;
    fake_db_set_key(t.db, VDPAD_KEY_POLICY "a",
                    "pf=" PF " num-vfs=2 eswitch-mode=switchdev "
                    "device-type=vfio-pci");
    pass(20 * SEC);
    vf = sim_find_vf(sim, &VF0[strlen("pci/")], NULL);
    assert_non_null(vf);
    assert_string_equal(vf->driver, "vfio-pci");
    vf->vfio_pid = 4711;
    set_policy();
    pass(100 * SEC);
    assert_string_equal(vf->driver, "vfio-pci");
    assert_int_equal(dev_of(NAME0)->state, VDPAD_STATE_FAILED);
    assert_non_null(strstr(dev_of(NAME0)->reason, "in use by pid 4711"));
    assert_int_equal(dev_of(NAME1)->state, VDPAD_STATE_READY);
    vf->vfio_pid = 0;
    pass(300 * SEC);
    assert_string_equal(vf->driver, "mlx5_core");
    assert_int_equal(dev_of(NAME0)->state, VDPAD_STATE_READY);
}

#define TEST(FUNCTION) \
    cmocka_unit_test_setup_teardown(FUNCTION, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_class_takes_long),
        TEST(unseen_guest),
        TEST(features_of_a_guest_that_has_gone),
        TEST(vm_with_a_vf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
