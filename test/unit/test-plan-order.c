/* SPDX-License-Identifier: Apache-2.0 */

/* The order of steps: each in the right round, nothing early. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "world-builder.h"

#define PF "0000:65:00.0"
#define VF0 "0000:65:00.2"
#define VF1 "0000:65:00.3"

static void
bare_card_to_ready(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF "\n"
             "policy a pf=" PF " num-vfs=2 vdpa-type=vhost");
    b->is_late = true;
    expect_plan(b, "autoprobe " PF " 0\n"
                   "numvfs " PF " 2\n");
    expect_state(b, PF, "applying", "after the e-switch");
    expect_state(b, PF "#1", "applying", PF ": VFs are bound");
    wb_apply_plan(b);

    /* Nothing until all VFs are there. */
    expect_plan(b, "");
    expect_state(b, PF, "waiting", "0 of 2 VFs have appeared");
    wb_appear(b, 1);
    expect_plan(b, "");
    expect_state(b, PF, "waiting", "1 of 2 VFs have appeared");
    expect_state(b, PF "#1", "waiting", "1 of 2 VFs");
    wb_appear(b, 1);

    expect_plan(b, "eswitch-mode " PF " switchdev\n");
    wb_apply_plan(b);
    expect_plan(b, "autoprobe " PF " 1\n"
                   "feature up65 on\n");
    wb_apply_plan(b);
    expect_plan(b, "vf-probe " VF0 "\n"
                   "vf-probe " VF1 "\n");
    expect_state(b, VF0, "applying", "VF has driver (none)");
    wb_apply_plan(b);

    expect_plan(b, "vdpa-add vdpa:" VF0 " pci/" VF0 "\n"
                   "vdpa-bind vdpa:" VF0 " vhost_vdpa\n"
                   "link-up r65v0 up\n"
                   "vdpa-add vdpa:" VF1 " pci/" VF1 "\n"
                   "vdpa-bind vdpa:" VF1 " vhost_vdpa\n"
                   "link-up r65v1 up\n");
    expect_state(b, VF0, "applying", "policy a wants a vDPA device");
    wb_apply_plan(b);
    expect_plan(b, "port-add r65v0 br-int\n"
                   "port-add r65v1 br-int\n");
    expect_state(b, VF0, "applying", "in no bridge");
    wb_apply_plan(b);

    expect_plan(b, "");
    expect_state(b, PF, "ready", "");
    expect_state(b, VF0, "ready", "");
    expect_state(b, VF1, "ready", "");
    expect_no_problems(b);
}

/* Whatever is changed is recorded in the same round. */
static void
changes_are_recorded(void **state)
{
    struct wb *b = *state;

    b->show_records = true;
    given(b, "pf " PF "\n"
             "policy a pf=" PF " num-vfs=1 vdpa-type=vhost mtu=9000");
    expect_plan(b, "record policy a\n"
                   "autoprobe " PF " 0\n"
                   "record autoprobe " PF " 1\n"
                   "numvfs " PF " 1\n"
                   "record numvfs " PF " 0\n"
                   "record vfs-asked " PF " 1\n");
    wb_apply_plan(b);
    expect_plan(b, "eswitch-mode " PF " switchdev\n"
                   "record mode " PF " 0\n"
                   "record vfs-made " PF " 1\n");
    wb_apply_plan(b);
    expect_plan(b, "autoprobe " PF " 1\n"
                   "feature up65 on\n"
                   "record tc " PF " 0\n"
                   "link-mtu up65 9000\n"
                   "record mtu " PF " 1500\n");
    wb_apply_plan(b);
    wb_plan(b);
    wb_apply_plan(b);
    expect_plan(b, "vdpa-add vdpa:" VF0 " pci/" VF0 " mtu=9000\n"
                   "record dev " VF0 " a vdpa:" VF0 "\n"
                   "vdpa-bind vdpa:" VF0 " vhost_vdpa\n"
                   "link-mtu r65v0 9000\n"
                   "link-up r65v0 up\n");
    wb_apply_plan(b);
    expect_plan(b, "port-add r65v0 br-int\n");
    wb_apply_plan(b);
    expect_plan(b, "");
}

static void
modules_before_devices(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "vf " VF0 " up\n"
             "vf " VF1 " up\n"
             "module vdpa loadable\n"
             "module vhost_vdpa loadable\n"
             "module mlx5_vdpa loadable\n"
             "policy a pf=" PF " num-vfs=2 vdpa-type=vhost");
    expect_plan(b, "module-load vdpa\n"
                   "module-load vhost_vdpa\n"
                   "module-load mlx5_vdpa\n");
    expect_state(b, VF0, "applying", "module vdpa is not loaded");
    expect_state(b, VF1, "applying", "module vdpa is not loaded");
    wb_apply_plan(b);
    expect_plan(b, "vdpa-add vdpa:" VF0 " pci/" VF0 "\n"
                   "vdpa-bind vdpa:" VF0 " vhost_vdpa\n"
                   "vdpa-add vdpa:" VF1 " pci/" VF1 "\n"
                   "vdpa-bind vdpa:" VF1 " vhost_vdpa\n");
}

static void
virtio_needs_its_own_module(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on driver=vdpacard\n"
             "vf " VF0 " up\n"
             "module vhost_vdpa missing\n"
             "module mlx5_vdpa missing\n"
             "module virtio_vdpa loadable\n"
             "policy a pf=" PF " num-vfs=1 vdpa-type=virtio");
    expect_plan(b, "module-load virtio_vdpa\n");
}

static void
missing_module_is_named(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "vf " VF0 " up\n"
             "module mlx5_vdpa missing\n"
             "policy a pf=" PF " num-vfs=1 vdpa-type=vhost");
    expect_plan(b, "");
    expect_state(b, VF0, "blocked",
                 "no module mlx5_vdpa: Debian's kernels are built without it");
}

/* Debian's kernels have those of the bus. */
static void
missing_package_is_named(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "vf " VF0 " up\n"
             "module vhost_vdpa missing\n"
             "policy a pf=" PF " num-vfs=1 vdpa-type=vhost");
    expect_plan(b, "");
    expect_state(b, VF0, "blocked",
                 "no module vhost_vdpa: it was built without it, or the "
                 "package");
}

static void
module_that_does_not_load(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "vf " VF0 " up\n"
             "vf " VF1 " up\n"
             "module vhost_vdpa loadable\n"
             "failed module-load vhost_vdpa 3 8 4\n"
             "policy a pf=" PF " num-vfs=2 vdpa-type=vhost");
    expect_plan(b, "module-load vhost_vdpa (deferred)\n");
    expect_state(b, VF0, "failed", "Exec format error (attempt 3");
    expect_state(b, VF1, "failed", "Exec format error");
}

static void
bridge_before_ports(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "vf " VF0 " up\n"
             "vdpa " VF0 "\n"
             "record dev " VF0 " a vdpa:" VF0 "\n"
             "no-bridge br-int\n"
             "policy a pf=" PF " num-vfs=1 vdpa-type=vhost");
    expect_plan(b, "bridge-add br-int\n");
    expect_state(b, VF0, "applying", "bridge br-int is being made");
    wb_apply_plan(b);
    expect_plan(b, "port-add r65v0 br-int\n");
}

static void
each_bridge_once(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "vf " VF0 " up\n"
             "vf " VF1 " up\n"
             "vdpa " VF0 "\n"
             "vdpa " VF1 "\n"
             "no-bridge br-int\n"
             "want lsp1 vf=" VF1 " bridge=br-x\n"
             "policy a pf=" PF " num-vfs=2 vdpa-type=vhost");
    expect_plan(b, "bridge-add br-int\n"
                   "bridge-add br-x\n");
}

/* A VF without a device is not attached. */
static void
no_port_without_device(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "vf " VF0 " up mgmtdev=-\n"
             "policy a pf=" PF " num-vfs=1 vdpa-type=vhost");
    expect_plan(b, "");
    expect_state(b, VF0, "waiting", "has not registered");
}

static void
second_run_does_nothing(void **state)
{
    struct wb *b = *state;
    char *before, *after;

    given(b, "pf " PF "\n"
             "pf 0000:66:00.0 totalvfs=4\n"
             "policy a pf=" PF " num-vfs=5 vdpa-type=vhost mtu=9000 "
             "max-vqp=max mac=stable\n"
             "policy b pf=0000:66:00.0 num-vfs=3 vdpa-type=virtio "
             "mac=02:00:00:00:00:10\n"
             "want lsp1 policy=b tag=7");
    wb_converge(b, 12);
    before = wb_dump(b);
    b->show_records = true;
    expect_plan(b, "");
    wb_apply_plan(b);
    after = wb_dump(b);
    assert_string_equal(before, after);
    free(before);
    free(after);
}

/* After a restart without the record everything is adopted as it is. */
static void
adopted_whole(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF "\n"
             "policy a pf=" PF " num-vfs=3 vdpa-type=vhost");
    wb_converge(b, 12);
    vdpad_record_free(b->record);
    b->record = calloc(1, sizeof *b->record);
    expect_plan(b, "");
    expect_state(b, VF0, "ready", "");
    wb_apply_plan(b);
    wb_plan(b);
    assert_int_equal(wb_dev(b, VF0)->owner, VDPAD_OWNER_FOREIGN);
}

int
main(void)
{
#define TEST(FUNCTION) \
    cmocka_unit_test_setup_teardown(FUNCTION, wb_set_up, wb_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(bare_card_to_ready),        TEST(changes_are_recorded),
        TEST(modules_before_devices),    TEST(virtio_needs_its_own_module),
        TEST(missing_module_is_named),   TEST(missing_package_is_named),
        TEST(module_that_does_not_load), TEST(bridge_before_ports),
        TEST(each_bridge_once),          TEST(no_port_without_device),
        TEST(second_run_does_nothing),   TEST(adopted_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
