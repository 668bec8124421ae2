/* SPDX-License-Identifier: Apache-2.0 */

/* Planning of VFs: which driver they are to have. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world-builder.h"

#define PF "0000:65:00.0"
#define VF0 "0000:65:00.2"
#define VF1 "0000:65:00.3"

static void
vfio_policy(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF "\n"
             "policy a pf=" PF "#0 num-vfs=2 device-type=vfio-pci");
    expect_plan(b, "numvfs " PF " 2\n");
    wb_apply_plan(b);
    expect_plan(b, "vf-probe " VF0 " vfio-pci\n");
    wb_apply_plan(b);
    expect_plan(b, "");
    expect_state(b, PF, "ready", "");
    assert_int_equal(b->world->n_devs, 0);
}

static void
vfio_needs_its_module(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF "\n"
             "module vfio_pci loadable\n"
             "policy a pf=" PF "#0 num-vfs=2 device-type=vfio-pci");
    wb_plan(b);
    wb_apply_plan(b);
    expect_plan(b, "module-load vfio_pci\n");
    expect_state(b, PF, "applying", "vfio_pci is not loaded");
    wb_apply_plan(b);
    expect_plan(b, "vf-probe " VF0 " vfio-pci\n");
    given(b, "module vfio_pci missing");
    expect_plan(b, "");
    expect_state(b, PF, "blocked", "no module vfio_pci");
}

/* Whoever gave a VF to vfio-pci has a guest in mind. */
static void
vfio_of_others_is_left_alone(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "vf " VF0 " driver=vfio-pci\n"
             "vf " VF1 " driver=vfio-pci\n"
             "record pf " PF " numvfs=0\n"
             "policy a pf=" PF "#0 num-vfs=2 eswitch-mode=switchdev");
    expect_plan(b, "");
    expect_state(b, PF, "ready", "");
}

/* ... but a policy that wants a vDPA device on it has the last word. */
static void
vfio_under_a_vdpa_policy(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "vf " VF0 " driver=vfio-pci\n"
             "record pf " PF " numvfs=0\n"
             "policy a pf=" PF " num-vfs=1 vdpa-type=vhost");
    expect_plan(b, "vf-probe " VF0 " from vfio-pci\n");

    /* Somebody has it. */
    given(b, "failed vf-probe " VF0 " 3 16 10");
    expect_plan(b, "vf-probe " VF0 " from vfio-pci (deferred)\n"
                   "link-up r65v0 up\n");
    expect_state(b, VF0, "failed", "vfio-pci: Device or resource busy");
}

/* What a policy gave to vfio-pci is taken back when it asks for that no more,
 * or covers the VF no more: on VFs of others, too. */
static void
vfio_goes_with_its_word(void **state)
{
    static const char *const policies[] = {
        "policy a pf=" PF " eswitch-mode=switchdev",
        "policy a pf=" PF "#1 eswitch-mode=switchdev",
    };
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "vf " VF0 "\n"
             "vf " VF1);
    for (size_t i = 0; i < 2; i++) {
        given(b, "policy a pf=" PF "#0 device-type=vfio-pci");
        expect_plan(b, "vf-probe " VF0 " vfio-pci\n");
        wb_converge(b, 4);
        expect_state(b, PF, "ready", "");
        assert_string_equal(b->record->vfs[0].vf, VF0);
        given(b, policies[i]);
        expect_plan(b, "vf-probe " VF0 " from vfio-pci\n");
        wb_converge(b, 4);
        expect_state(b, PF, "ready", "");
        assert_int_equal(b->record->n_vfs, 0);
    }
}

/* ... and when there is none at all. */
static void
vfio_goes_with_its_policy(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "vf " VF0 " driver=vfio-pci\n"
             "vf " VF1 " driver=vfio-pci\n"
             "record vf " VF0);
    expect_plan(b, "vf-probe " VF0 " from vfio-pci\n");
    expect_state(b, PF, "removing", "no policy asks for any more");

    given(b, "db disconnected");
    expect_plan(b, "");
    given(b, "db connected");
    wb_converge(b, 4);
    assert_int_equal(b->record->n_vfs, 0);
    expect_plan(b, "");
}

/* A VM that keeps a VF is no reason for the others to wait. */
static void
vfio_that_stays_is_alone(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "vf " VF0 " driver=vfio-pci\n"
             "vf " VF1 " up\n"
             "record vf " VF0 "\n"
             "failed vf-probe " VF0 " 3 16 10\n"
             "policy a pf=" PF "#1 vdpa-type=vhost");
    expect_plan(b, "vf-probe " VF0 " from vfio-pci (deferred)\n"
                   "vdpa-add vdpa:" VF1 " pci/" VF1 "\n"
                   "vdpa-bind vdpa:" VF1 " vhost_vdpa\n");
    expect_state(b, PF, "failed",
                 "VF " VF0 " is to leave vfio-pci: Device or");
}

/* The record holds for what was done by it. */
static void
vfio_record_ends(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "vf " VF0 "\n"
             "record vf " VF0 "\n"
             "record vf " VF1 "\n"
             "record policy a\n"
             "policy a pf=" PF " eswitch-mode=switchdev");
    b->show_records = true;
    expect_plan(b, "record forget-vf " VF0 "\n"
                   "record forget-vf " VF1 "\n");
    for (size_t i = 0; i < 2; i++) {
        b->record->vfs[i].in_doubt = true;
    }
    expect_plan(b, "");
}

/* Without an IOMMU, say, vfio-pci does not take a VF, which has lost its own
 * driver by then; nor need a driver take one back at once. */
static void
vfio_half_way_is_undone(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "vf " VF0 " driver=-\n"
             "vf " VF1 " driver=-\n"
             "record vf " VF0 "\n"
             "policy a pf=" PF " num-vfs=99");
    expect_plan(b, "");
    given(b, "policy a pf=" PF "#1 eswitch-mode=switchdev");
    expect_plan(b, "vf-probe " VF0 "\n"
                   "vf-probe " VF1 "\n");
    given(b, "policy a");
    expect_plan(b, "vf-probe " VF0 "\n");
    expect_state(b, PF, "removing", VF0 " is to have its network driver");
    given(b, "failed vf-probe " VF0 " 1 19 1");
    expect_plan(b, "vf-probe " VF0 " (deferred)\n");
    expect_state(b, PF, "failed", VF0 " is to have its network driver");
    wb_converge(b, 6);
    assert_int_equal(b->record->n_vfs, 0);
}

/* What may come yet keeps a PF from being done with. */
static void
vfio_under_way_is_waited_for(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "vf " VF0 "\n"
             "record pf " PF " mode=0\n"
             "record vf " VF0 "\n"
             "flying vf-probe " VF0);
    b->show_records = true;
    expect_plan(b, "");
    expect_state(b, PF, "removing", VF0 ": a step from before");

    b->memory->n = 0;
    b->record->vfs[0].in_doubt = true;
    expect_plan(b, "");
    expect_state(b, PF, "removing", VF0 ": a helper process");
}

/* Nor is anything built on a VF that is about to get another driver. */
static void
vfio_under_way_lets_nothing_be_built(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "vf " VF0 " up\n"
             "record vf " VF0 "\n"
             "flying vf-probe " VF0 "\n"
             "policy a pf=" PF " vdpa-type=vhost");
    expect_plan(b, "");
    expect_state(b, VF0, "applying", "vf-probe, begun before");
}

/* A database that is lost, or another one, is no change of intent. */
static void
vfio_outlives_the_database(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "vf " VF0 "\n"
             "policy a pf=" PF " externally-managed=true "
             "device-type=vfio-pci");
    wb_converge(b, 4);
    given(b, "policy a\n"
             "db other");
    wb_converge(b, 4);
    expect_state(b, PF, "blocked", "kept as it is");
    expect_problem(b, "vdpa-policy-a", "another database");

    given(b, "key vdpa-suspended a");
    expect_plan(b, "vf-probe " VF0 " from vfio-pci\n");
    wb_converge(b, 4);
    assert_int_equal(b->record->n_vfs + b->record->n_policies, 0);
}

/* No device is on such a VF that could say so. */
static void
vfio_that_fails_is_told(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "vf " VF0 "\n"
             "vf " VF1 " up\n"
             "failed vf-probe " VF0 " 3 19 10\n"
             "policy a pf=" PF "#0 device-type=vfio-pci\n"
             "policy b pf=" PF "#1 vdpa-type=vhost");
    expect_plan(b, "vf-probe " VF0 " vfio-pci (deferred)\n"
                   "vdpa-add vdpa:" VF1 " pci/" VF1 "\n"
                   "vdpa-bind vdpa:" VF1 " vhost_vdpa\n");
    expect_state(b, PF, "failed", VF0 " is to have vfio-pci: No such device");

    /* Those on the others are none the worse for that. */
    wb_apply_plan(b);
    wb_plan(b);
    wb_apply_plan(b);
    wb_plan(b);
    expect_state(b, PF, "failed", VF0 " is to have vfio-pci: No such device");
    expect_state(b, VF1, "ready", "");
    b->now_ns += 11 * WB_SEC;
    expect_plan(b, "vf-probe " VF0 " vfio-pci\n");
    expect_state(b, PF, "applying", "policy a wants vfio-pci");
    expect_state(b, VF1, "ready", "");
    given(b, "module vfio_pci missing");
    expect_plan(b, "");
    expect_state(b, PF, "blocked", "no module vfio_pci");
    expect_state(b, VF1, "ready", "");
}

/* The driver would take the device with it: first that one goes, in order. */
static void
vfio_waits_for_the_device(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF "\n"
             "policy a pf=" PF "#0 num-vfs=2 vdpa-type=vhost\n"
             "policy b pf=" PF "#1 num-vfs=2 vdpa-type=vhost");
    wb_converge(b, 10);
    given(b, "policy a pf=" PF "#0 num-vfs=2 device-type=vfio-pci\n"
             "holder vdpa:" VF0 " 42 qemu");
    expect_plan(b, "");
    expect_state(b, VF0, "blocked", "in use by pid 42 (qemu)");
    expect_state(b, PF, "waiting", "when vDPA device vdpa:" VF0);

    /* Nobody else waits for it. */
    given(b, "gone vdpa vdpa:" VF1);
    expect_plan(b, "vdpa-add vdpa:" VF1 " pci/" VF1 "\n"
                   "vdpa-bind vdpa:" VF1 " vhost_vdpa\n");
    wb_apply_plan(b);
    b->observed.class_[VDPAD_HOLDER].picture.n = 0;
    expect_plan(b, "port-del r65v0 br-int\n");
    wb_apply_plan(b);
    expect_plan(b, "vdpa-del vdpa:" VF0 " pci/" VF0 "\n");
    wb_apply_plan(b);
    expect_plan(b, "vf-probe " VF0 " vfio-pci\n");
    wb_converge(b, 4);
    expect_state(b, VF1, "ready", "");
}

static void
unbound_vfs_of_others_are_left_alone(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "vf " VF0 " driver=-\n"
             "vf " VF1 " driver=-\n"
             "policy a pf=" PF "#0 eswitch-mode=switchdev");
    expect_plan(b, "vf-probe " VF0 "\n");
}

static void
one_vf_that_fails_is_alone(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "vf " VF0 " driver=-\n"
             "vf " VF1 " up\n"
             "failed vf-probe " VF0 " 3 5 10\n"
             "policy a pf=" PF " vdpa-type=vhost");
    expect_plan(b, "vf-probe " VF0 " (deferred)\n"
                   "vdpa-add vdpa:" VF1 " pci/" VF1 "\n"
                   "vdpa-bind vdpa:" VF1 " vhost_vdpa\n");
    expect_state(b, PF, "ready", "");
    expect_state(b, VF0, "failed", "Input/output error");

    /* Another attempt is no other device's matter either. */
    wb_apply_plan(b);
    wb_plan(b);
    wb_apply_plan(b);
    wb_plan(b);
    expect_state(b, VF1, "ready", "");
    b->now_ns += 11 * WB_SEC;
    expect_plan(b, "vf-probe " VF0 "\n");
    expect_state(b, PF, "applying", "wants its network driver");
    expect_state(b, VF0, "failed", "Input/output error");
    expect_state(b, VF1, "ready", "");
}

static void
autoprobe_that_was_off_stays_off(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " autoprobe=0\n"
             "policy a pf=" PF " num-vfs=1 vdpa-type=vhost");
    expect_plan(b, "numvfs " PF " 1\n");
    wb_converge(b, 10);
    assert_int_equal(wb_pf(b, PF)->pci->autoprobe, 0);
    expect_state(b, VF0, "ready", "");
}

int
main(void)
{
#define TEST(FUNCTION) \
    cmocka_unit_test_setup_teardown(FUNCTION, wb_set_up, wb_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(vfio_policy),
        TEST(vfio_needs_its_module),
        TEST(vfio_of_others_is_left_alone),
        TEST(vfio_under_a_vdpa_policy),
        TEST(vfio_goes_with_its_word),
        TEST(vfio_goes_with_its_policy),
        TEST(vfio_that_stays_is_alone),
        TEST(vfio_record_ends),
        TEST(vfio_half_way_is_undone),
        TEST(vfio_under_way_is_waited_for),
        TEST(vfio_under_way_lets_nothing_be_built),
        TEST(vfio_outlives_the_database),
        TEST(vfio_that_fails_is_told),
        TEST(vfio_waits_for_the_device),
        TEST(unbound_vfs_of_others_are_left_alone),
        TEST(one_vf_that_fails_is_alone),
        TEST(autoprobe_that_was_off_stays_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
