/* SPDX-License-Identifier: Apache-2.0 */

/* What is on record as ours is forgotten when it is gone, and only then. */

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
database_disconnected(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF "\n" POLICY);
    wb_converge(b, 10);
    given(b, "policy a\n"
             "db disconnected");
    expect_plan(b, "");
    expect_state(b, VF0, "waiting", "when the database is connected again");
    given(b, "gone vf " VF0 "\n"
             "gone vf " VF1);
    expect_plan(b, "");
}

static void
database_gone(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF "\n" POLICY);
    wb_converge(b, 10);
    given(b, "db none");
    b->show_records = true;
    expect_plan(b, "");
    expect_state(b, VF0, "blocked", "until the database is read");
    expect_state(b, PF, "blocked", "kept as it is");
}

/* Another Open_vSwitch row without keys of ours is no change of intent. */
static void
database_is_another(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF "\n" POLICY);
    wb_converge(b, 10);
    given(b, "policy a\n"
             "db other");
    expect_plan(b, "");
    expect_state(b, VF0, "blocked",
                 "policy a is of another database (config/show)");
    expect_state(b, PF, "blocked", "kept as it is");
    expect_problem(b, "vdpa-policy-a", "applied from another database");

    /* Until somebody asks for teardown ... */
    given(b, "key vdpa-suspended a");
    expect_plan(b, "port-del r65v0 br-int\n"
                   "port-del r65v1 br-int\n");

    /* ... or configures it. */
    given(b, "key vdpa-suspended\n" POLICY);
    expect_plan(b, "");
    expect_state(b, VF0, "ready", "");
    wb_apply_plan(b);
    given(b, "policy a");
    expect_plan(b, "port-del r65v0 br-int\n"
                   "port-del r65v1 br-int\n");
}

/* VFs that are seen not to be there any more: who makes some later has made
 * them, however many they are. */
static void
count_of_ours_ends_with_the_vfs(void **state)
{
    struct wb *b = *state;

    for (int i = 0; i < 3; i++) {
        struct vdpad_pci *pf;

        given(b, "pf " PF "\n" POLICY);
        wb_converge(b, 10);
        assert_int_equal(vdpad_record_find_pf(b->record, PF)->numvfs, 0);
        pf = wb_find_text(b, VDPAD_PCI, PF);
        if (i) {
            pf->numvfs = 0;
            given(b, "gone vf " VF0 "\n"
                     "gone vf " VF1);
            pf = wb_find_text(b, VDPAD_PCI, PF);
        }
        if (i == 0) {
            given(b, "gone pf " PF);
        } else if (i == 1) {
            memset(pf->driver, 0, sizeof pf->driver);
        } else {
            given(b, "policy a pf=" PF " eswitch-mode=switchdev");
        }
        wb_converge(b, 10);

        /* Another program's. */
        if (i == 0) {
            given(b, "pf " PF " mode=switchdev tc=on");
        } else {
            pf = wb_find_text(b, VDPAD_PCI, PF);
            vdpad_copy(pf->driver, sizeof pf->driver, "mlx5_core");
        }
        given(b, "vf " VF0 "\n"
                 "vf " VF1 "\n"
                 "policy a");
        wb_converge(b, 10);
        assert_int_equal(wb_pf(b, PF)->pci->numvfs, 2);
        assert_int_equal(b->record->n_pfs, 0);
        given(b, "gone pf " PF);
    }
}

/* A policy that was withdrawn is not missed in another database. */
static void
withdrawn_policy_is_forgotten(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF "\n"
             "policy a pf=" PF "#0 num-vfs=2 vdpa-type=vhost\n"
             "policy b pf=" PF "#1 num-vfs=2 vdpa-type=vhost");
    wb_converge(b, 10);
    given(b, "policy b");
    wb_converge(b, 10);
    assert_non_null(vdpad_record_find_policy(b->record, "a"));
    assert_null(vdpad_record_find_policy(b->record, "b"));

    given(b, "db other");
    wb_converge(b, 10);
    expect_no_problems(b);
    expect_state(b, VF0, "ready", "");
}

/* One that is missed there is so no longer once it has been torn down. */
static void
missed_policy_is_forgotten_by_teardown(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF "\n"
             "policy a pf=" PF "#0 num-vfs=2 vdpa-type=vhost\n"
             "policy b pf=" PF "#1 num-vfs=2 vdpa-type=vhost");
    wb_converge(b, 10);
    given(b, "policy b\n"
             "db other");
    wb_converge(b, 10);
    expect_problem(b, "vdpa-policy-b", "another database");
    given(b, "key vdpa-suspended b");
    wb_converge(b, 10);
    given(b, "key vdpa-suspended");
    wb_plan(b);
    expect_no_problems(b);
    assert_false(wb_pf(b, PF)->frozen);
}

static void
policy_becomes_unreadable(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF "\n" POLICY);
    wb_converge(b, 10);
    given(b, "policy a pf=" PF " num-vfs=two");
    b->show_records = true;
    expect_plan(b, "");
    expect_state(b, VF0, "blocked", "kept as it is");
    expect_state(b, PF, "blocked", "kept as it is");
}

/* A VF that has gone took its device with it: one that comes later with that
 * name is not ours, whatever its policy says now. */
static void
ownership_ends_with_the_vf(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF "\n" POLICY);
    wb_converge(b, 10);
    given(b, "key vdpa-suspended a\n"
             "db disconnected\n"
             "gone vf " VF0 "\n"
             "gone vf " VF1);
    wb_plan(b);
    wb_apply_plan(b);

    /* Others may make the like there before the database is back. */
    assert_int_equal(b->record->n_devs, 0);
    given(b, "vf " VF0 "\n"
             "vdpa " VF0 "\n"
             "db connected");
    wb_plan(b);
    assert_int_equal(wb_dev(b, VF0)->intent, VDPAD_INTENT_NONE);
}

/* Nothing is forgotten because it could not be seen. */
static void
unseen_device_is_not_forgotten(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev\n"
             "vf " VF0 "\n"
             "vdpa " VF0 "\n"
             "record policy a\n"
             "record dev " VF0 " a vdpa:" VF0 "\n"
             "unseen vdpa generic netlink is stuck\n"
             "unseen vbus no permission");
    b->show_records = true;
    expect_plan(b, "");
    expect_state(b, VF0, "waiting", "generic netlink is stuck");
    given(b, "stale pci\n"
             "gone vf " VF0);
    expect_plan(b, "");
}

static void
unseen_pf_is_not_forgotten(void **state)
{
    struct wb *b = *state;

    b->show_records = true;
    given(b, "pf " PF " mode=switchdev\n"
             "record pf " PF " mode=0\n"
             "unseen eswitch generic netlink is stuck");
    expect_plan(b, "");
    expect_state(b, PF, "waiting", "generic netlink is stuck");
    given(b, "pf 0000:66:00.0 mtu=9000\n"
             "record pf 0000:66:00.0 mtu=1500\n"
             "unseen link no answer");
    expect_plan(b, "");
    expect_state(b, "0000:66:00.0", "waiting", "no answer");
}

int
main(void)
{
#define TEST(FUNCTION) \
    cmocka_unit_test_setup_teardown(FUNCTION, wb_set_up, wb_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(database_disconnected),
        TEST(database_gone),
        TEST(database_is_another),
        TEST(count_of_ours_ends_with_the_vfs),
        TEST(withdrawn_policy_is_forgotten),
        TEST(missed_policy_is_forgotten_by_teardown),
        TEST(policy_becomes_unreadable),
        TEST(ownership_ends_with_the_vf),
        TEST(unseen_device_is_not_forgotten),
        TEST(unseen_pf_is_not_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
