/* SPDX-License-Identifier: Apache-2.0 */

/* Planning of physical functions: e-switch mode, uplink. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/lookup.h"
#include "world-builder.h"

#define PF "0000:65:00.0"
#define PF2 "0000:66:00.0"
#define VF0 "0000:65:00.2"
#define VF1 "0000:65:00.3"
#define VF2 "0000:65:00.4"
#define VF3 "0000:65:00.5"

static void
mode_stays_while_a_device_is_in_use(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " tc=on\n"
             "vf " VF0 "\n"
             "vdpa " VF0 "\n"
             "holder vdpa:" VF0 " 4242 qemu-system-x86\n"
             "record pf " PF " numvfs=0\n"
             "record dev " VF0 " a vdpa:" VF0 "\n"
             "policy a pf=" PF " num-vfs=1 vdpa-type=vhost");
    expect_plan(b, "");
    expect_state(b, PF, "blocked", "in use by pid 4242 (qemu-system-x86)");
}

/* A device on a subfunction goes with the mode, not with the number of VFs. */
static void
mode_stays_for_a_subfunction(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "vdpa " PF " name=sf0\n"
             "record pf " PF " mode=0\n"
             "policy a pf=" PF " num-vfs=0 eswitch-mode=legacy");
    expect_plan(b, "");
    expect_state(b, PF, "blocked", "sf0 was made by another program");
    given(b, "policy a");
    expect_plan(b, "");
    expect_state(b, PF, "blocked", "sf0 was made by another program");

    given(b, "vf " VF0 "\n"
             "record pf " PF " numvfs=0\n"
             "policy a pf=" PF " num-vfs=2");
    expect_plan(b, "numvfs " PF " 0\n");
}

static void
mode_of_vfs_of_others_changes(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF "\n"
             "vf " VF0 "\n"
             "policy a pf=" PF " num-vfs=1 vdpa-type=vhost");
    b->show_records = true;
    expect_plan(b, "record policy a\n"
                   "eswitch-mode " PF " switchdev\n"
                   "record mode " PF " 0\n");
}

static unsigned int
count_steps(const struct wb *b, const char *action)
{
    unsigned int n = 0;

    for (size_t i = 0; i < b->plan->n; i++) {
        const struct vdpad_step *s = &b->plan->steps[i];

        n += !strcmp(vdpad_step_action(s), action) && !s->deferred
             && !s->in_flight;
    }
    return n;
}

/* Plans and acts for a day; returns how often numvfs was changed. */
static unsigned int
run_a_day(struct wb *b)
{
    int64_t end_ns = b->now_ns + 86400 * WB_SEC;
    unsigned int n = 0;

    while (b->now_ns < end_ns) {
        wb_plan(b);
        n += count_steps(b, "numvfs");
        if (!wb_apply_plan(b)) {
            if (b->plan->next_ns == INT64_MAX) {
                break;
            }
            b->now_ns = b->plan->next_ns;
        }
        assert_true(n < 100);
    }
    return n;
}

static void
driver_wants_vfs_first(void **state)
{
    struct wb *b = *state;

    b->order = WB_VFS_FIRST;
    given(b, "pf " PF "\n"
             "policy a pf=" PF " num-vfs=2 vdpa-type=vhost");
    assert_int_equal(run_a_day(b), 1);
    expect_plan(b, "");
    expect_state(b, VF1, "ready", "");
}

static void
driver_wants_mode_first(void **state)
{
    struct wb *b = *state;

    b->order = WB_MODE_FIRST;
    given(b, "pf " PF "\n"
             "policy a pf=" PF " num-vfs=2 vdpa-type=vhost");
    assert_int_equal(run_a_day(b), 3);
    expect_plan(b, "");
    expect_state(b, VF1, "ready", "");
    wb_plan(b);
    given(b, "policy a");
    wb_converge(b, 20);
    assert_int_equal(b->record->n_pfs, 0);
}

/* Both orders are tried once; then the VFs are left alone. */
static void
driver_wants_neither(void **state)
{
    struct wb *b = *state;

    b->order = WB_NO_MODE;
    given(b, "pf " PF "\n"
             "policy a pf=" PF " num-vfs=2 vdpa-type=vhost");
    assert_int_equal(run_a_day(b), 9);
    b->now_ns -= 2 * WB_SEC;
    wb_plan(b);
    expect_state(b, PF, "failed", "not supported");
    assert_int_equal(wb_pf(b, PF)->pci->numvfs, 2);
}

/* An error that has nothing to do with it does not hide which order the driver
 * wants. */
static unsigned int n_modes;

static int
first_mode_fails(const struct vdpad_step *step)
{
    return step->kind == VDPAD_STEP_KERNEL
                   && step->act.kind == VDPAD_ACT_ESWITCH_MODE && !n_modes++
               ? -EIO
               : 0;
}

static void
order_is_found_after_another_error(void **state)
{
    struct wb *b = *state;

    n_modes = 0;
    b->order = WB_MODE_FIRST;
    b->fault = first_mode_fails;
    given(b, "pf " PF "\n"
             "policy a pf=" PF " num-vfs=2 vdpa-type=vhost");
    wb_converge(b, 20);
    expect_state(b, PF, "ready", "");
    assert_int_equal(wb_find_eswitch(b, PF)->mode, VDPAD_ESWITCH_SWITCHDEV);
}

/* A mode is given back for its own sake only: not at the cost of VFs that a
 * policy wants, nor of that policy. */
static void
mode_stays_while_vfs_are_wanted(void **state)
{
    struct wb *b = *state;

    b->order = WB_MODE_FIRST;
    given(b, "pf " PF "\n"
             "policy a pf=" PF " num-vfs=2 eswitch-mode=switchdev");
    wb_converge(b, 20);
    given(b, "policy a pf=" PF " num-vfs=2 device-type=netdev");
    wb_converge(b, 20);
    expect_state(b, PF, "ready", "");
    assert_int_equal(wb_pf(b, PF)->pci->numvfs, 2);
    given(b, "policy a");
    wb_converge(b, 20);
    assert_int_equal(wb_find_eswitch(b, PF)->mode, VDPAD_ESWITCH_LEGACY);
}

static void
vfs_of_others_survive_a_mode_that_fails(void **state)
{
    struct wb *b = *state;

    b->order = WB_MODE_FIRST;
    given(b, "pf " PF "\n"
             "vf " VF0 "\n"
             "policy a pf=" PF " num-vfs=1 vdpa-type=vhost");
    assert_int_equal(run_a_day(b), 0);
    b->now_ns -= 2 * WB_SEC;
    wb_plan(b);
    expect_state(b, PF, "failed", "not supported");
}

/* VFs of a policy that cannot be read are not taken for another's sake, be
 * there vDPA devices on them or not. */
static void
unreadable_policy_keeps_its_vfs(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "vf " VF0 " up\n"
             "vf " VF1 " driver=vfio-pci\n"
             "record policy a\n"
             "record policy b\n"
             "record pf " PF " numvfs=0\n"
             "policy a pf=" PF "#1 num-vfs=2 device-type=vfoi-pci\n"
             "policy b pf=" PF " num-vfs=1 priority=98");
    expect_plan(b, "");
    expect_state(b, PF, "blocked",
                 "wants 1 VFs, there are 2; the kernel "
                 "wants all VFs removed first, and a policy "
                 "that is refused");
    given(b, "policy b pf=" PF " num-vfs=2 eswitch-mode=legacy");
    expect_plan(b, "");
    expect_state(b, PF, "blocked", "wants legacy; the change would disturb");
    given(b, "policy b pf=" PF " num-vfs=2 vdpa-type=vhost");
    wb_converge(b, 8);
    assert_string_equal(vdpad_find_pci(b->world->observed, VF1)->driver,
                        "vfio-pci");
    given(b, "policy a");
    wb_converge(b, 8);
    expect_state(b, VF1, "ready", "");
}

/* The drivers of its VFs are nobody else's. */
static void
external_pf_gets_vfio(void **state)
{
    struct wb *b = *state;

    given(b,
          "pf " PF "\n"
          "vf " VF0 "\n"
          "policy a pf=" PF " externally-managed=true device-type=vfio-pci");
    expect_plan(b, "vf-probe " VF0 " vfio-pci\n");
    wb_converge(b, 4);
    expect_state(b, PF, "ready", "");
    assert_int_equal(wb_pf(b, PF)->eswitch->mode, VDPAD_ESWITCH_LEGACY);
}

static void
external_pf_is_left_alone(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF "\n"
             "policy a pf=" PF " externally-managed=true vdpa-type=vhost");
    expect_plan(b, "");
    expect_state(b, PF, "waiting", "has no VFs yet");
    given(b, "vf " VF0);
    expect_plan(b, "");
    expect_state(b, PF, "waiting", "whoever manages it must set switchdev");
    expect_state(b, VF0, "waiting", "switchdev");
}

static void
external_pf_gets_devices(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev\n"
             "vf " VF0 "\n"
             "policy a pf=" PF " externally-managed=true vdpa-type=vhost");
    wb_converge(b, 8);
    expect_state(b, VF0, "ready", "");
    given(b, "policy a");
    wb_converge(b, 8);
    assert_int_equal(wb_pf(b, PF)->pci->numvfs, 1);
    assert_int_equal(wb_pf(b, PF)->eswitch->mode, VDPAD_ESWITCH_SWITCHDEV);
    assert_int_equal(b->record->n_pfs + b->record->n_devs, 0);
}

static void
no_eswitch(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=-\n"
             "vf " VF0 "\n"
             "policy a pf=" PF " num-vfs=1 vdpa-type=vhost");
    expect_plan(b, "");
    expect_state(b, PF, "blocked", "offers no e-switch");
}

/* A class that cannot be observed proves nothing. */
static void
eswitch_cannot_be_seen(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF "\n"
             "vf " VF0 "\n"
             "unseen eswitch generic netlink is stuck\n"
             "policy a pf=" PF " num-vfs=1 vdpa-type=vhost");
    expect_plan(b, "");
    expect_state(b, PF, "waiting", "generic netlink is stuck");
}

static void
uplink_mtu_is_only_raised(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on mtu=9216\n"
             "pf " PF2 " mode=switchdev tc=on\n"
             "policy a pf=" PF " pf=" PF2 " num-vfs=1 vdpa-type=vhost "
             "mtu=9000");
    wb_converge(b, 10);
    assert_int_equal(wb_find_link(b, "up65")->mtu, 9216);
    assert_int_equal(wb_find_link(b, "up66")->mtu, 9000);
    assert_int_equal(wb_find_link(b, "r65v0")->mtu, 9000);
}

/* A port's word for the MTU stands in the place of its policy's. */
static void
uplink_mtu_is_raised_for_a_port(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF "\n"
             "policy a pf=" PF " num-vfs=1 vdpa-type=vhost mtu=2000\n"
             "want lsp1 vf=" VF0 " mtu=9000");
    wb_converge(b, 10);
    assert_int_equal(wb_find_link(b, "r65v0")->mtu, 9000);
    assert_int_equal(wb_find_link(b, "up65")->mtu, 9000);
}

/* An uplink that does not obey is told of, and devices are made all the
 * same. */
static void
uplink_that_fails_stops_nothing(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev\n"
             "vf " VF0 " up\n"
             "failed feature up65 2 95 4\n"
             "policy a pf=" PF " num-vfs=1 vdpa-type=vhost");
    expect_plan(b, "feature up65 on (deferred)\n"
                   "vdpa-add vdpa:" VF0 " pci/" VF0 "\n"
                   "vdpa-bind vdpa:" VF0 " vhost_vdpa\n");
    expect_state(b, PF, "failed", "not supported (attempt 2");
}

static void
in_flight_is_not_repeated(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF "\n"
             "flying numvfs " PF "\n"
             "flying autoprobe " PF "\n"
             "policy a pf=" PF " num-vfs=2 vdpa-type=vhost");
    expect_plan(b, "autoprobe " PF " 0 (in flight)\n"
                   "numvfs " PF " 2 (in flight)\n");
    assert_int_equal(b->plan->n_due, 0);
    expect_state(b, PF, "applying", "after the e-switch");
}

/* What others do while a step waits is not ours. */
static void
nothing_is_claimed_before_the_step(void **state)
{
    struct wb *b = *state;

    b->show_records = true;
    given(b, "pf " PF " mtu=1500\n"
             "record policy a\n"
             "failed numvfs " PF " 2 12 5\n"
             "failed autoprobe " PF " 2 12 5\n"
             "failed feature up65 2 95 5\n"
             "failed link-mtu up65 2 95 5\n"
             "policy a pf=" PF " num-vfs=2 "
             "eswitch-mode=switchdev mtu=9000");
    expect_plan(b, "autoprobe " PF " 0 (deferred)\n"
                   "numvfs " PF " 2 (deferred)\n");
    given(b, "vf " VF0 "\n"
             "vf " VF1 "\n"
             "failed eswitch-mode " PF " 2 95 5");
    expect_plan(b, "eswitch-mode " PF " switchdev (deferred)\n");
    wb_find_eswitch(b, PF)->mode = VDPAD_ESWITCH_SWITCHDEV;
    expect_plan(b, "feature up65 on (deferred)\n"
                   "link-mtu up65 9000 (deferred)\n");
    assert_int_equal(b->record->n_pfs, 0);
}

/* A change that was begun for another intent takes away what is built on the
 * PF meanwhile, though it is as wanted for now. */
static void
nothing_is_built_on_what_changes(void **state)
{
    static const char *const steps[] = { "eswitch-mode", "numvfs" };
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "vf " VF0 " up\n"
             "record pf " PF " numvfs=0 mode=0");
    for (size_t i = 0; i < 4; i++) {
        char text[128];

        snprintf(text, sizeof text,
                 "policy a pf=" PF " vdpa-type=vhost %s\nflying %s " PF,
                 i & 1 ? "externally-managed=true" : "num-vfs=1",
                 steps[i / 2]);
        b->memory->n = 0;
        given(b, text);
        wb_plan(b);
        assert_int_equal(b->plan->n_due, 0);
        snprintf(text, sizeof text, "%s",
                 i == 2 ? "number is being changed" : "begun before");
        expect_state(b, PF, "applying", text);
        expect_state(b, VF0, "applying", text);
    }
}

static void
stuck_step_blocks(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "stuck numvfs " PF " pid 99 does not let go\n"
             "policy a pf=" PF " num-vfs=2");
    expect_plan(b, "numvfs " PF " 2 (in flight)\n");
    expect_state(b, PF, "blocked", "pid 99 does not let go");
}

static void
failed_step_is_due_later(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "failed numvfs " PF " 1 12 1\n"
             "policy a pf=" PF " num-vfs=2");
    expect_plan(b, "numvfs " PF " 2 (deferred)\n");
    expect_state(b, PF, "failed", "Cannot allocate memory (attempt 1");
    assert_true(b->plan->next_ns == b->now_ns + WB_SEC);
    b->now_ns = b->plan->next_ns;
    expect_plan(b, "numvfs " PF " 2\n");
    assert_true(b->plan->next_ns == INT64_MAX);
}

/* Nothing is asked of a PF without a driver: it would fail and then be tried
 * again minutes after the driver has come back. */
static void
pf_without_driver_waits(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " driver= mode=- uplink=-\n"
             "record pf " PF " numvfs=0 mode=0 autoprobe=1\n"
             "policy a pf=" PF " num-vfs=2 vdpa-type=vhost");
    expect_plan(b, "");
    expect_state(b, PF, "waiting", "no driver is bound to it");
    expect_state(b, PF "#0", "waiting", "drivers_probe");
}

int
main(void)
{
#define TEST(FUNCTION) \
    cmocka_unit_test_setup_teardown(FUNCTION, wb_set_up, wb_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(mode_stays_while_a_device_is_in_use),
        TEST(mode_stays_for_a_subfunction),
        TEST(mode_of_vfs_of_others_changes),
        TEST(driver_wants_vfs_first),
        TEST(driver_wants_mode_first),
        TEST(driver_wants_neither),
        TEST(order_is_found_after_another_error),
        TEST(mode_stays_while_vfs_are_wanted),
        TEST(vfs_of_others_survive_a_mode_that_fails),
        TEST(unreadable_policy_keeps_its_vfs),
        TEST(external_pf_gets_vfio),
        TEST(external_pf_is_left_alone),
        TEST(external_pf_gets_devices),
        TEST(no_eswitch),
        TEST(eswitch_cannot_be_seen),
        TEST(uplink_mtu_is_only_raised),
        TEST(uplink_mtu_is_raised_for_a_port),
        TEST(uplink_that_fails_stops_nothing),
        TEST(in_flight_is_not_repeated),
        TEST(nothing_is_claimed_before_the_step),
        TEST(nothing_is_built_on_what_changes),
        TEST(stuck_step_blocks),
        TEST(failed_step_is_due_later),
        TEST(pf_without_driver_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
