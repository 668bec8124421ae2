/* SPDX-License-Identifier: Apache-2.0 */

/* Tear-down of what somebody uses: refused, forced, waited for. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world-builder.h"

#define PF "0000:65:00.0"
#define VF0 "0000:65:00.2"
#define VF1 "0000:65:00.3"
/* A device of ours that is held, and that no policy wants. */
#define HELD                          \
    "pf " PF " mode=switchdev\n"      \
    "vf " VF0 "\n"                    \
    "vdpa " VF0 "\n"                  \
    "holder vdpa:" VF0 " 4242 qemu\n" \
    "record policy a\n"               \
    "record dev " VF0 " a vdpa:" VF0 "\n"
#define POLICY "policy a pf=" PF " num-vfs=2 vdpa-type=vhost "

static void
in_use_is_refused(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF "\n" POLICY);
    wb_converge(b, 10);
    given(b, "holder vdpa:" VF0 " 4242 qemu-system-x86\n"
             "policy a");
    expect_plan(b, "port-del r65v1 br-int\n");
    expect_state(b, VF0, "blocked", "in use by pid 4242 (qemu-system-x86)");
    expect_state(b, VF0, "blocked", "teardown --force a");

    /* Not only as long as the picture is fresh: it would go to and fro. */
    b->observed.class_[VDPAD_HOLDER].fresh = false;
    expect_plan(b, "");
    expect_state(b, VF0, "blocked", "in use by pid 4242 (qemu-system-x86)");
    b->observed.class_[VDPAD_HOLDER].fresh = true;
    expect_plan(b, "port-del r65v1 br-int\n");
    wb_apply_plan(b);
    expect_plan(b, "vdpa-del vdpa:" VF1 " pci/" VF1 "\n");
    wb_apply_plan(b);
    wb_converge(b, 3);

    /* Nothing of the PF goes while it is there. */
    expect_plan(b, "");
    expect_state(b, PF, "removing", "waits for the removal of vdpa:" VF0);
    assert_int_equal(wb_pf(b, PF)->pci->numvfs, 2);
}

static void
netdev_that_is_away_is_refused(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev\n"
             "vf " VF0 "\n"
             "vdpa " VF0 " driver=virtio_vdpa away\n"
             "record policy a\n"
             "record dev " VF0 " a vdpa:" VF0);
    expect_plan(b, "");
    expect_state(b, VF0, "blocked", "in another network namespace");
}

/* Somebody has the device: what sleeps in the kernel does so alone. */
static void
force_takes_what_is_in_use(void **state)
{
    struct wb *b = *state;
    const struct vdpad_step *first;

    given(b, "pf " PF "\n" POLICY);
    wb_converge(b, 10);
    given(b, "holder vdpa:" VF0 " 4242 qemu\n"
             "holder vdpa:" VF1 " 4243 qemu\n"
             "key vdpa-suspended a\n"
             "force a");
    expect_plan(b, "port-del r65v0 br-int\n"
                   "port-del r65v1 br-int\n");
    wb_apply_plan(b);
    expect_plan(b, "vdpa-del vdpa:" VF0 " pci/" VF0 " force\n"
                   "vdpa-del vdpa:" VF1 " pci/" VF1 " force\n");
    first = &b->plan->steps[0];
    assert_int_not_equal(first->lane, b->plan->steps[1].lane);
    wb_apply_plan(b);
    wb_converge(b, 10);
    assert_int_equal(wb_pf(b, PF)->pci->numvfs, 0);
}

/* Its driver has gone and its char device with it, its user has not. */
static void
user_of_what_is_being_removed(void **state)
{
    struct wb *b = *state;
    struct vdpad_vbus *vbus;

    given(b, "pf " PF "\n" POLICY);
    wb_converge(b, 10);
    given(b, "holder vdpa:" VF0 " 4242 qemu\n"
             "key vdpa-suspended a\n"
             "force a");
    vbus = b->observed.class_[VDPAD_VBUS].picture.rows;
    assert_string_equal(vbus->name, "vdpa:" VF0);
    vbus->driver[0] = vbus->chardev[0] = '\0';
    wb_plan(b);
    assert_int_equal(wb_dev(b, VF0)->holders[0].pid, 4242);
    assert_int_equal(wb_dev(b, VF1)->n_holders, 0);
    wb_apply_plan(b);
    expect_plan(b, "vdpa-del vdpa:" VF0 " pci/" VF0 " force\n"
                   "vdpa-del vdpa:" VF1 " pci/" VF1 " force\n");
    expect_state(b, VF0, "blocked",
                 "its removal waits in the kernel until it is let go of: "
                 "in use by pid 4242 (qemu)");
}

static void
force_of_another_policy_does_not_count(void **state)
{
    struct wb *b = *state;

    given(b, HELD "force b");
    expect_plan(b, "");
    given(b, "force *");
    expect_plan(b, "vdpa-del vdpa:" VF0 " pci/" VF0 " force\n");
}

static void
forced_deletion_that_sleeps(void **state)
{
    struct wb *b = *state;

    given(b, HELD "force a\n"
                  "stuck vdpa-del vdpa:" VF0 " pid 4242 holds it");
    expect_plan(b, "vdpa-del vdpa:" VF0 " pci/" VF0 " force (in flight)\n");
    expect_state(b, VF0, "blocked", "pid 4242 holds it");
}

/* Nothing is done then: that must not look as if it were. */
static void
users_cannot_be_seen(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF "\n" POLICY);
    wb_converge(b, 10);
    given(b, "fails holder no capability\n"
             "policy a");
    expect_plan(b, "");
    expect_state(b, VF0, "waiting",
                 "to be removed, but holder cannot be observed: "
                 "no capability");
    given(b, "policy a pf=" PF " num-vfs=2 vdpa-type=virtio");
    expect_plan(b, "");
    expect_state(b, VF0, "waiting", "holder cannot be observed");
    given(b, "policy a pf=" PF " num-vfs=3 vdpa-type=vhost");
    expect_plan(b, "");
    expect_state(b, PF, "waiting", "holder cannot be observed");

    /* While it is looked at, it is on its way. */
    b->observed.class_[VDPAD_HOLDER].error = 0;
    expect_plan(b, "");
    expect_state(b, PF, "applying", "is looked at first");
    given(b, "policy a");
    expect_plan(b, "");
    expect_state(b, VF0, "removing", "no policy wants it");
}

/* The uplink carries the packets of a device whose policy has gone for as long
 * as somebody uses it, and stays as it is with it. */
static void
uplink_of_what_is_in_use(void **state)
{
    static const char *const others[] = {
        "policy b pf=" PF "#1 num-vfs=2 vdpa-type=vhost",
        "policy b pf=" PF "#1 num-vfs=2",
    };

    for (size_t i = 0; i < 2; i++) {
        struct wb *b = *state;

        given(b, "pf " PF "\n"
                 "policy a pf=" PF "#0 num-vfs=2 vdpa-type=vhost mtu=9000");
        given(b, others[i]);
        wb_converge(b, 10);
        given(b, "holder vdpa:" VF0 " 4242 qemu\n"
                 "policy a");
        expect_plan(b, "");
        expect_state(b, VF0, "blocked", "in use by pid 4242 (qemu)");

        b->observed.class_[VDPAD_HOLDER].picture.n = 0;
        wb_converge(b, 10);
        assert_int_equal(wb_find_link(b, "up65")->mtu, 1500);
        assert_int_equal(wb_find_feature(b, "up65")->active, !i);
        wb_tear_down(state);
        wb_set_up(state);
    }
}

/* A device keeps the MTU that it has when no word asks for it any more, and
 * with it the uplink. */
static void
uplink_of_larger_devices(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF "\n" POLICY "mtu=9000");
    wb_converge(b, 10);
    given(b, POLICY);
    expect_plan(b, "");
    assert_int_equal(wb_find_link(b, "up65")->mtu, 9000);
    given(b, "policy a");
    wb_converge(b, 10);
    assert_int_equal(wb_find_link(b, "up65")->mtu, 1500);
}

int
main(void)
{
#define TEST(FUNCTION) \
    cmocka_unit_test_setup_teardown(FUNCTION, wb_set_up, wb_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(in_use_is_refused),
        TEST(netdev_that_is_away_is_refused),
        TEST(force_takes_what_is_in_use),
        TEST(user_of_what_is_being_removed),
        TEST(force_of_another_policy_does_not_count),
        TEST(forced_deletion_that_sleeps),
        TEST(users_cannot_be_seen),
        TEST(uplink_of_what_is_in_use),
        TEST(uplink_of_larger_devices),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
