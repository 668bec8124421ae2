/* SPDX-License-Identifier: Apache-2.0 */

/* What policies mean for the functions of this host: which they select, which
 * of them win, which are refused. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "world-builder.h"

#define PF "0000:65:00.0"
#define PF2 "0000:66:00.0"
#define VF0 "0000:65:00.2"
#define VF1 "0000:65:00.3"
#define VF2 "0000:65:00.4"

static void
too_many_vfs(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " totalvfs=4\n"
             "pf " PF2 " mode=switchdev tc=on\n"
             "policy a pf=" PF " num-vfs=5 vdpa-type=vhost\n"
             "policy b pf=" PF2 " num-vfs=1 eswitch-mode=switchdev");
    expect_plan(b, "numvfs " PF2 " 1\n");
    expect_problem(b, "vdpa-policy-a", "at most 4 VFs");
    expect_state(b, PF, "foreign", "");
}

/* What runs stays when its policy becomes impossible. */
static void
too_many_vfs_freeze_what_runs(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " totalvfs=4\n"
             "policy a pf=" PF " num-vfs=2 vdpa-type=vhost");
    wb_converge(b, 10);
    given(b, "policy a pf=" PF " num-vfs=5 vdpa-type=vhost");
    expect_plan(b, "");
    expect_problem(b, "vdpa-policy-a", "at most 4 VFs");
    expect_state(b, VF0, "blocked", "policy a is refused (config/show)");
    expect_state(b, PF, "blocked", "kept as it is");
}

/* A policy that is refused does not hold up others elsewhere. */
static void
refused_policy_freezes_its_own_pf_only(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " totalvfs=4\n"
             "pf " PF2 "\n"
             "policy a pf=" PF2 " num-vfs=2 vdpa-type=vhost\n"
             "policy b pf=" PF " num-vfs=5 vdpa-type=vhost");
    wb_converge(b, 10);
    given(b, "policy a");
    wb_converge(b, 10);
    assert_int_equal(wb_pf(b, PF2)->pci->numvfs, 0);
    assert_int_equal(b->record->n_pfs, 0);
}

/* Another policy that has the same VFs does not take them over. */
static void
refused_policy_keeps_its_devices(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF "\n"
             "policy a pf=" PF " num-vfs=2 vdpa-type=vhost priority=10\n"
             "policy b pf=" PF " num-vfs=1 vdpa-type=virtio priority=20");
    wb_converge(b, 10);
    given(b, "policy a pf=" PF " num-vfs=9 vdpa-type=vhost priority=10");
    expect_plan(b, "");
    expect_state(b, VF0, "blocked", "kept as it is");
    expect_state(b, VF1, "blocked", "kept as it is");
    expect_state(b, PF, "blocked", "is kept for policy a");

    /* The new database of another host's twin: now b is all there is. */
    given(b, "policy a\n"
             "db other");
    expect_plan(b, "vdpa-bind vdpa:" VF0 " virtio_vdpa\n");
}

static void
missing_pf(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "policy a pf=" PF " pf=" PF2 " num-vfs=1 "
             "eswitch-mode=switchdev");
    expect_plan(b, "numvfs " PF " 1\n");
    expect_problem(b, "vdpa-policy-a", "no SR-IOV physical function " PF2);
}

static void
no_pf_of_that_vendor(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF "\n"
             "policy a vendor=15b3 device-id=1021 num-vfs=1");
    expect_plan(b, "");
    expect_problem(b, "vdpa-policy-a", "vendor 15b3, device 1021");
    given(b, "policy a vendor=15b3 device-id=101d num-vfs=1 ");
    expect_plan(b, "numvfs " PF " 1\n");
    expect_no_problems(b);
}

static void
pf_by_netdev(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " uplink=ens1f0np0\n"
             "policy a pf=ens1f0np0#1 num-vfs=2 vdpa-type=vhost");
    wb_converge(b, 10);
    assert_int_equal(b->world->n_devs, 1);
    expect_state(b, VF1, "ready", "");
}

/* A netdev that is renamed or away is no change of intent. */
static void
renamed_netdev_of_pf_freezes(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " uplink=ens1f0np0\n"
             "policy a pf=ens1f0np0 num-vfs=2 vdpa-type=vhost");
    wb_converge(b, 10);
    memcpy(wb_find_link(b, "ens1f0np0")->name, "eth0\0", 5);
    expect_plan(b, "");
    expect_problem(b, "vdpa-policy-a", "no SR-IOV physical function ens1f0");
    expect_state(b, VF0, "blocked",
                 "policy a names a network device that no PF has");
    expect_state(b, PF, "blocked", "kept as it is");
}

static void
first_priority_wins(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF "\n"
             "policy a pf=" PF "#0-1 num-vfs=2 vdpa-type=vhost "
             "priority=20\n"
             "policy b pf=" PF "#1-2 num-vfs=3 vdpa-type=virtio "
             "priority=10");
    wb_converge(b, 10);
    expect_no_problems(b);
    assert_int_equal(wb_pf(b, PF)->pci->numvfs, 3);
    assert_string_equal(wb_dev(b, VF0)->policy_name, "a");
    assert_string_equal(wb_dev(b, VF1)->policy_name, "b");
    assert_string_equal(wb_dev(b, VF1)->vbus->driver, "virtio_vdpa");
    assert_string_equal(wb_dev(b, VF2)->policy_name, "b");
}

/* Each policy is named for what it has asked for, not for what others have. */
static void
reason_names_who_asks(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " autoprobe=0\n"
             "policy a pf=" PF "#0 priority=1\n"
             "policy b pf=" PF "#1 priority=2 num-vfs=2\n"
             "policy c pf=" PF "#2 priority=3 eswitch-mode=switchdev");
    wb_plan(b);
    expect_state(b, PF, "applying", "policy b wants 2 VFs");
    wb_apply_plan(b);
    wb_plan(b);
    expect_state(b, PF, "applying", "policy c wants e-switch mode switchdev");
}

/* The parser cannot see that a name and an address are one PF. */
static void
overlap_under_two_names(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " uplink=ens1\n"
             "policy a pf=" PF "#0-1 num-vfs=2 vdpa-type=vhost\n"
             "policy b pf=ens1#1 num-vfs=2 vdpa-type=virtio");
    wb_converge(b, 10);
    expect_problem(b, "vdpa-policy-b", "VF 1 of " PF " is also in policy a");
    expect_state(b, VF1, "ready", "");
    assert_string_equal(wb_dev(b, VF1)->vbus->driver, "vhost_vdpa");
}

static void
counts_that_contradict_under_two_names(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on uplink=ens1\n"
             "policy a pf=" PF "#0 num-vfs=2 eswitch-mode=switchdev\n"
             "policy b pf=ens1#1 num-vfs=4 eswitch-mode=switchdev");
    expect_plan(b, "numvfs " PF " 2\n");
    expect_problem(b, "vdpa-policy-b", "wants num-vfs=2");
}

static void
modes_that_contradict_under_two_names(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " uplink=ens1\n"
             "policy a pf=" PF "#0 num-vfs=2 eswitch-mode=legacy\n"
             "policy b pf=ens1#1 num-vfs=2 vdpa-type=vhost");
    expect_plan(b, "numvfs " PF " 2\n");
    expect_problem(b, "vdpa-policy-b", "e-switch mode legacy");
}

/* One base address for two PFs gives it twice, if the indexes meet. */
static void
base_mac_on_two_pfs(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "pf " PF2 " mode=switchdev tc=on\n"
             "vf " VF0 " up\n"
             "vf 0000:66:00.2 up\n"
             "vf 0000:66:00.3 up\n"
             "policy a pf=" PF "#0 pf=" PF2 "#0-1 vdpa-type=vhost "
             "mac=02:00:00:00:00:01");
    expect_plan(b, "");
    expect_problem(b, "vdpa-policy-a", "VF 0 of " PF2);
    given(b, "policy a pf=" PF "#0 pf=" PF2 "#1 vdpa-type=vhost "
             "mac=02:00:00:00:00:01\n"
             "key vdpa-attach none");
    expect_plan(b, "vdpa-add vdpa:" VF0 " pci/" VF0 " mac=02:00:00:00:00:01\n"
                   "vdpa-bind vdpa:" VF0 " vhost_vdpa\n"
                   "vdpa-add vdpa:0000:66:00.3 pci/0000:66:00.3"
                   " mac=02:00:00:00:00:02\n"
                   "vdpa-bind vdpa:0000:66:00.3 vhost_vdpa\n");
    expect_no_problems(b);
}

static void
policy_without_count(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF "\n"
             "policy a pf=" PF " vdpa-type=vhost");
    expect_plan(b, "");
    expect_state(b, PF, "blocked", "num-vfs=N");
}

int
main(void)
{
#define TEST(FUNCTION) \
    cmocka_unit_test_setup_teardown(FUNCTION, wb_set_up, wb_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(too_many_vfs),
        TEST(too_many_vfs_freeze_what_runs),
        TEST(refused_policy_freezes_its_own_pf_only),
        TEST(refused_policy_keeps_its_devices),
        TEST(missing_pf),
        TEST(no_pf_of_that_vendor),
        TEST(pf_by_netdev),
        TEST(renamed_netdev_of_pf_freezes),
        TEST(first_priority_wins),
        TEST(reason_names_who_asks),
        TEST(overlap_under_two_names),
        TEST(counts_that_contradict_under_two_names),
        TEST(modes_that_contradict_under_two_names),
        TEST(policy_without_count),
        TEST(base_mac_on_two_pfs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
