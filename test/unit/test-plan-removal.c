/* SPDX-License-Identifier: Apache-2.0 */

/* Tear-down: in exactly the reverse order, back to the initial values, only
 * what is ours, never what is in use. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "controller/util.h"
#include "world-builder.h"

#define PF "0000:65:00.0"
#define VF0 "0000:65:00.2"
#define VF1 "0000:65:00.3"
#define POLICY "policy a pf=" PF " num-vfs=2 vdpa-type=vhost "

static void
exact_reverse(void **state)
{
    struct wb *b = *state;
    char *before, *after;

    given(b, "pf " PF "\n"
             "key vdpa-hw-offload false");
    before = wb_dump(b);
    given(b, POLICY "mtu=9000");
    wb_converge(b, 10);
    given(b, "qdisc r65v0\n"
             "policy a");
    expect_plan(b, "port-del r65v0 br-int\n"
                   "port-del r65v1 br-int\n");
    expect_state(b, VF0, "removing", "no policy wants it");
    expect_state(b, PF, "removing", "waits for the removal of vdpa:" VF0);
    wb_apply_plan(b);
    expect_plan(b, "qdisc-del r65v0\n"
                   "vdpa-del vdpa:" VF0 " pci/" VF0 "\n"
                   "vdpa-del vdpa:" VF1 " pci/" VF1 "\n");
    wb_apply_plan(b);
    expect_plan(b, "");
    wb_apply_plan(b);
    expect_plan(b, "eswitch-mode " PF " legacy\n");
    expect_state(b, PF, "removing", "restored");
    wb_apply_plan(b);
    expect_plan(b, "numvfs " PF " 0\n");
    wb_apply_plan(b);
    expect_plan(b, "feature up65 off\n");
    wb_apply_plan(b);
    expect_plan(b, "link-mtu up65 1500\n");
    wb_apply_plan(b);
    wb_converge(b, 4);
    assert_int_equal(b->record->n_pfs, 0);
    assert_int_equal(b->record->n_devs, 0);
    assert_int_equal(b->record->n_policies, 0);
    after = wb_dump(b);
    assert_string_equal(before, after);
    free(before);
    free(after);
}

static void
suspended_is_torn_down_and_resumed(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF "\n" POLICY);
    wb_converge(b, 10);
    given(b, "key vdpa-suspended a");
    wb_converge(b, 10);
    assert_int_equal(wb_pf(b, PF)->pci->numvfs, 0);
    assert_int_equal(b->record->n_pfs + b->record->n_devs, 0);
    given(b, "key vdpa-suspended");
    wb_converge(b, 10);
    expect_state(b, VF1, "ready", "");
    given(b, "key vdpa-suspended *");
    wb_converge(b, 10);
    assert_int_equal(wb_pf(b, PF)->pci->numvfs, 0);
}

/* Only the other policy's part goes, and the VFs stay. */
static void
one_of_two_policies_goes(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF "\n"
             "policy a pf=" PF "#0 num-vfs=2 vdpa-type=vhost\n"
             "policy b pf=" PF "#1 num-vfs=2 vdpa-type=vhost");
    wb_converge(b, 10);
    given(b, "policy a");
    expect_plan(b, "port-del r65v0 br-int\n");
    wb_apply_plan(b);
    expect_plan(b, "vdpa-del vdpa:" VF0 " pci/" VF0 "\n");
    wb_apply_plan(b);
    wb_converge(b, 3);
    expect_state(b, PF, "ready", "");
    expect_state(b, VF1, "ready", "");
    assert_int_equal(b->world->n_devs, 1);
}

static void
vdpa_type_word_goes(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF "\n" POLICY);
    wb_converge(b, 10);
    given(b, "policy a pf=" PF " num-vfs=2 eswitch-mode=switchdev");
    wb_converge(b, 10);
    assert_int_equal(b->world->n_devs, 0);
    assert_int_equal(wb_pf(b, PF)->pci->numvfs, 2);
    assert_int_equal(b->n_ports, 0);
}

/* What only a word had asked for goes with the word. */
static void
words_of_the_pf_go(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF "\n"
             "policy a pf=" PF " num-vfs=2 eswitch-mode=switchdev mtu=9000");
    wb_converge(b, 10);
    assert_int_equal(wb_find_link(b, "up65")->mtu, 9000);
    given(b, "policy a pf=" PF " num-vfs=2 eswitch-mode=switchdev");
    expect_plan(b, "link-mtu up65 1500\n");
    expect_state(b, PF, "applying", "restored");
    wb_converge(b, 3);
    given(b, "policy a pf=" PF " num-vfs=2");
    expect_plan(b, "eswitch-mode " PF " legacy\n");
    wb_apply_plan(b);
    expect_plan(b, "feature up65 off\n");
    wb_converge(b, 5);
    expect_state(b, PF, "ready", "");
    assert_int_equal(wb_pf(b, PF)->pci->numvfs, 2);
}

/* What was given back is no longer ours to watch over. */
static void
given_back_is_let_go(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF "\n"
             "policy a pf=" PF " num-vfs=2 eswitch-mode=switchdev mtu=9000");
    wb_converge(b, 10);
    given(b, "policy a pf=" PF " num-vfs=2");
    wb_converge(b, 10);
    assert_int_equal(b->record->pfs[0].mtu, -1);
    assert_int_equal(b->record->pfs[0].mode, -1);
    assert_int_equal(b->record->pfs[0].tc_offload, -1);
    assert_int_equal(b->record->pfs[0].autoprobe, -1);
    assert_int_equal(b->record->pfs[0].numvfs, 0);
    wb_find_link(b, "up65")->mtu = 2000;
    wb_find_feature(b, "up65")->active = true;
    ((struct vdpad_pci *) wb_find_text(b, VDPAD_PCI, PF))->autoprobe = 0;
    expect_plan(b, "");
}

/* Devices of others need the mode that nobody asks for any more. */
static void
mode_word_goes_but_devices_stay(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF "\n"
             "policy a pf=" PF " num-vfs=2 eswitch-mode=switchdev");
    wb_converge(b, 10);
    given(b, "vdpa " VF0 " name=theirs\n"
             "policy a pf=" PF " num-vfs=2");
    expect_plan(b, "feature up65 off\n");
    wb_apply_plan(b);
    expect_plan(b, "");
    expect_state(b, PF, "ready", "");
}

/* An adopted device was there before us and stays. */
static void
adopted_device_stays(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "vf " VF0 " up\n"
             "vdpa " VF0 " name=theirs\n"
             "policy a pf=" PF " vdpa-type=vhost");
    wb_converge(b, 5);
    assert_int_equal(b->n_ports, 1);
    given(b, "policy a");
    expect_plan(b, "port-del r65v0 br-int\n");
    wb_converge(b, 5);
    expect_state(b, "theirs", "foreign", "");
    assert_int_equal(b->record->n_devs, 0);
}

/* A device of another program on a PF of ours keeps it as it is. */
static void
foreign_device_keeps_the_pf(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF "\n"
             "policy a pf=" PF "#0 num-vfs=2 vdpa-type=vhost");
    wb_converge(b, 10);
    given(b, "vdpa " VF1 " name=theirs\n"
             "policy a");
    wb_converge(b, 10);
    expect_state(b, PF, "blocked", "theirs was made by another program");
    assert_int_equal(wb_pf(b, PF)->pci->numvfs, 2);
    assert_int_equal(wb_pf(b, PF)->eswitch->mode, VDPAD_ESWITCH_SWITCHDEV);
    given(b, "gone vdpa theirs");
    wb_converge(b, 10);
    assert_int_equal(wb_pf(b, PF)->pci->numvfs, 0);
}

/* VFs, mode and features that were there before stay. */
static void
only_what_was_changed(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on mtu=9216\n"
             "vf " VF0 " up\n" POLICY "mtu=9000\n"
             "policy a pf=" PF " num-vfs=1 vdpa-type=vhost mtu=9000");
    wb_converge(b, 10);
    given(b, "policy a");
    wb_converge(b, 10);
    assert_int_equal(wb_pf(b, PF)->pci->numvfs, 1);
    assert_int_equal(wb_pf(b, PF)->eswitch->mode, VDPAD_ESWITCH_SWITCHDEV);
    assert_int_equal(wb_find_link(b, "up65")->mtu, 9216);
    assert_true(wb_find_feature(b, "up65")->active);
}

/* The kernel wants it the other way round here. */
static void
driver_restores_mode_without_vfs_only(void **state)
{
    struct wb *b = *state;

    b->order = WB_MODE_FIRST;
    given(b, "pf " PF " mode=switchdev\n"
             "vf " VF0 "\n"
             "record policy a\n"
             "record pf " PF " mode=0 numvfs=0");
    expect_plan(b, "eswitch-mode " PF " legacy\n");
    wb_apply_plan(b);
    expect_plan(b, "numvfs " PF " 0\n");
    wb_converge(b, 10);
    assert_int_equal(wb_pf(b, PF)->eswitch->mode, VDPAD_ESWITCH_LEGACY);
    assert_int_equal(b->record->n_pfs, 0);
}

/* The old VFs go only after what is removed from them. */
static void
count_waits_for_removals(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF "\n"
             "policy a pf=" PF "#0 num-vfs=1 vdpa-type=vhost priority=5\n"
             "policy b pf=" PF "#1 num-vfs=2 vdpa-type=vhost priority=3");
    wb_converge(b, 10);
    given(b, "policy b");
    expect_plan(b, "port-del r65v1 br-int\n");
    expect_state(b, PF, "applying", "waits for the removal of vdpa:" VF1);
    wb_apply_plan(b);
    expect_plan(b, "vdpa-del vdpa:" VF1 " pci/" VF1 "\n");
    wb_apply_plan(b);
    wb_plan(b);
    wb_apply_plan(b);
    expect_plan(b, "numvfs " PF " 0\n");
}

static void
qdisc_of_a_foreign_port_stays(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev\n"
             "vf " VF0 "\n"
             "vdpa " VF0 "\n"
             "qdisc r65v0\n"
             "port r65v0 br-int iface-id=x\n"
             "record policy a\n"
             "record dev " VF0 " a vdpa:" VF0);
    expect_plan(b, "vdpa-del vdpa:" VF0 " pci/" VF0 "\n");
}

/* Nor is a clsact qdisc Open vSwitch's, nor one with filters of others. */
static void
qdisc_of_others_stays(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev\n"
             "vf " VF0 "\n"
             "qdisc r65v0 clsact\n"
             "record policy a\n"
             "record dev " VF0 " a vdpa:" VF0);
    expect_plan(b, "");
    assert_int_equal(wb_dev(b, VF0)->intent, VDPAD_INTENT_REMOVE);
    wb_apply_plan(b);
    wb_converge(b, 4);
    assert_int_equal(b->record->n_devs, 0);
}

static void
qdisc_with_filters_of_others_stays(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev\n"
             "vf " VF0 "\n"
             "vdpa " VF0 "\n"
             "qdisc r65v0\n"
             "record policy a\n"
             "record dev " VF0 " a vdpa:" VF0);
    wb_plan(b);
    assert_int_equal(b->plan->steps[0].act.kind, VDPAD_ACT_QDISC_DEL);
    assert_int_equal(b->plan->steps[0].act.number, 1);
    given(b, "gone vdpa vdpa:" VF0 "\n"
             "failed qdisc-del r65v0 1 16 10");
    expect_plan(b, "qdisc-del r65v0 (deferred)\n");
    wb_apply_plan(b);
    assert_int_equal(b->record->n_devs, 0);
}

/* What is not seen yet may be about to be there: it is not forgotten. */
static void
steps_under_way_are_waited_for(void **state)
{
    struct wb *b = *state;

    b->show_records = true;
    given(b, "pf " PF " mode=legacy\n"
             "record pf " PF " numvfs=0 mode=0\n"
             "flying numvfs " PF);
    expect_plan(b, "");
    expect_state(b, PF, "removing", "still under way");
}

static void
mode_under_way_is_not_let_go(void **state)
{
    struct wb *b = *state;

    b->show_records = true;
    given(b, "pf " PF " mode=legacy\n"
             "vf " VF0 "\n"
             "record pf " PF " numvfs=0 mode=0\n"
             "record policy a\n"
             "flying eswitch-mode " PF "\n"
             "policy a pf=" PF " device-type=netdev");
    expect_plan(b, "");
}

static void
creation_under_way_is_waited_for(void **state)
{
    struct wb *b = *state;

    b->show_records = true;
    given(b, "pf " PF " mode=switchdev tc=on\n"
             "vf " VF0 " up\n"
             "record dev " VF0 " a vdpa:" VF0 "\n"
             "record policy a\n"
             "flying vdpa-add vdpa:" VF0);
    expect_plan(b, "");
    expect_state(b, VF0, "removing", "no policy");

    given(b, "stuck vdpa-add vdpa:" VF0 " no answer in 30 s");
    expect_plan(b, "");
    expect_state(b, VF0, "blocked",
                 "vdpa-add, begun before, has not ended yet: no answer");
}

static void
port_under_way_is_waited_for(void **state)
{
    struct wb *b = *state;

    b->show_records = true;
    given(b, "pf " PF " mode=switchdev tc=on\n"
             "vf " VF0 " up\n"
             "vdpa " VF0 "\n"
             "record dev " VF0 " a vdpa:" VF0 "\n"
             "record policy a\n"
             "flying port-add r65v0");
    expect_plan(b, "");
    expect_state(b, VF0, "removing", "no policy");
}

int
main(void)
{
#define TEST(FUNCTION) \
    cmocka_unit_test_setup_teardown(FUNCTION, wb_set_up, wb_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(exact_reverse),
        TEST(suspended_is_torn_down_and_resumed),
        TEST(one_of_two_policies_goes),
        TEST(vdpa_type_word_goes),
        TEST(words_of_the_pf_go),
        TEST(given_back_is_let_go),
        TEST(mode_word_goes_but_devices_stay),
        TEST(adopted_device_stays),
        TEST(foreign_device_keeps_the_pf),
        TEST(only_what_was_changed),
        TEST(driver_restores_mode_without_vfs_only),
        TEST(count_waits_for_removals),
        TEST(qdisc_of_a_foreign_port_stays),
        TEST(qdisc_of_others_stays),
        TEST(qdisc_with_filters_of_others_stays),
        TEST(steps_under_way_are_waited_for),
        TEST(mode_under_way_is_not_let_go),
        TEST(creation_under_way_is_waited_for),
        TEST(port_under_way_is_waited_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
