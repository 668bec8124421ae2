/* SPDX-License-Identifier: Apache-2.0 */

/* Planning of physical functions: the number of their VFs, and whose these
 * are. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "controller/lookup.h"
#include "world-builder.h"

#define PF "0000:65:00.0"
#define VF0 "0000:65:00.2"
#define VF1 "0000:65:00.3"
#define VF2 "0000:65:00.4"

static void
count_of_ours_changes(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "vf " VF0 "\n"
             "record pf " PF " numvfs=0 autoprobe=1\n"
             "policy a pf=" PF " num-vfs=3");
    expect_plan(b, "numvfs " PF " 0\n");
    expect_state(b, PF, "applying", "wants 3 VFs, there are 1");
    wb_apply_plan(b);
    expect_plan(b, "numvfs " PF " 3\n");
    wb_apply_plan(b);
    expect_plan(b, "");
    expect_state(b, PF, "ready", "");
}

static void
count_of_others_is_not_raised(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF "\n"
             "vf " VF0 "\n"
             "policy a pf=" PF " num-vfs=3 vdpa-type=vhost");
    expect_plan(b, "");
    expect_state(b, PF, "blocked", "another program made them");
    expect_state(b, VF0, "blocked", "externally-managed=true");
}

static void
more_vfs_of_others_are_accepted(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "vf " VF0 "\n"
             "vf " VF1 "\n"
             "vf " VF2 "\n"
             "policy a pf=" PF "#0 num-vfs=1 eswitch-mode=switchdev");
    expect_plan(b, "");
    expect_state(b, PF, "ready", "");
}

static void
count_stays_while_a_device_is_in_use(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "vf " VF0 "\n"
             "vdpa " VF0 "\n"
             "holder vdpa:" VF0 " 4242 qemu-system-x86\n"
             "record pf " PF " numvfs=0\n"
             "record dev " VF0 " a vdpa:" VF0 "\n"
             "policy a pf=" PF " num-vfs=2 vdpa-type=vhost\n"
             "key vdpa-attach none");
    expect_plan(b, "");
    expect_state(b, PF, "blocked", "in use by pid 4242 (qemu-system-x86)");
}

/* Two that set the number in turn would never end. */
static void
count_of_another_program_stays(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "vf " VF0 " up\n"
             "record pf " PF " numvfs=0\n"
             "vfs " PF " 3\n"
             "policy a pf=" PF " num-vfs=3");
    expect_plan(b, "");
    expect_state(b, PF, "blocked",
                 "wants 3 VFs, there are 1; another program has changed it: "
                 "set num-vfs=1 or externally-managed=true, or have it "
                 "undone: ovs-appctl -t ovs-vdpad reconcile");
    /* Asked for by us: a change that has not come to its end. */
    vdpad_memory_vfs_made(b->memory, PF, 1);
    expect_plan(b, "numvfs " PF " 0\n");
    vdpad_memory_vfs_made(b->memory, PF, 3);
    expect_plan(b, "");
    expect_state(b, PF, "blocked", "another program");
    vdpad_memory_retry_all(b->memory);
    expect_plan(b, "numvfs " PF " 0\n");
}

/* None is no number that anybody wants to have. */
static void
count_of_none_is_mended(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "record pf " PF " numvfs=0\n"
             "vfs " PF " 3\n"
             "policy a pf=" PF " num-vfs=3");
    expect_plan(b, "numvfs " PF " 3\n");
}

static void
count_stays_without_database(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "vf " VF0 "\n"
             "record pf " PF " numvfs=0\n"
             "policy a pf=" PF " num-vfs=3\n"
             "db disconnected");
    expect_plan(b, "");
    expect_state(b, PF, "waiting", "database is connected again");
}

static void
count_stays_while_a_netdev_is_away(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "vf " VF0 "\n"
             "vdpa " VF0 " driver=virtio_vdpa away\n"
             "record pf " PF " numvfs=0\n"
             "record dev " VF0 " a vdpa:" VF0 "\n"
             "policy a pf=" PF " num-vfs=2 vdpa-type=virtio\n"
             "key vdpa-attach none");
    expect_plan(b, "");
    expect_state(b, PF, "blocked", "in another network namespace");
}

static void
count_stays_while_another_program_has_a_device(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "vf " VF0 "\n"
             "vdpa " VF0 " name=theirs\n"
             "record pf " PF " numvfs=0\n"
             "policy a pf=" PF " num-vfs=2\n");
    expect_plan(b, "");
    expect_state(b, PF, "blocked", "theirs was made by another program");
}

/* VFs come one by one: nobody else has set their number for that. */
static void
count_in_the_making(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "vf " VF0 " up\n"
             "record pf " PF " numvfs=0\n"
             "vfs " PF " 2\n"
             "flying numvfs " PF "\n"
             "policy a pf=" PF " num-vfs=3");
    expect_plan(b, "numvfs " PF " 3 (in flight)\n");
    expect_state(b, PF, "applying", "their number is being changed");
    given(b, "policy a pf=" PF " num-vfs=1");
    expect_plan(b, "numvfs " PF " 1 (in flight)\n");
    expect_state(b, PF, "applying", "their number is being changed");
}

/* What others set while we were there is theirs when our policy goes. */
static void
count_of_others_outlives_the_policy(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "vf " VF0 " up\n"
             "vf " VF1 " up\n"
             "record policy a\n"
             "record pf " PF " numvfs=0 mode=0\n"
             "vfs " PF " 4");
    expect_plan(b, "");
    expect_state(b, PF, "blocked",
                 "another program has set the number of its VFs to 2");
    vdpad_memory_retry_all(b->memory);
    expect_plan(b, "eswitch-mode " PF " legacy\n");
}

/* It was claimed, its helper process died, and there are none: who makes them
 * now is another.  Not so while a helper of an earlier daemon may. */
static void
count_that_failed_is_not_claimed(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "record pf " PF " numvfs=0\n"
             "failed numvfs " PF " 2 5 5\n"
             "policy a pf=" PF " num-vfs=2");
    b->record->pfs[0].in_doubt = true;
    expect_plan(b, "numvfs " PF " 2 (deferred)\n");
    wb_apply_plan(b);
    assert_int_equal(b->record->pfs[0].numvfs, 0);
    b->record->pfs[0].in_doubt = false;
    expect_plan(b, "numvfs " PF " 2 (deferred)\n");
    wb_apply_plan(b);
    assert_int_equal(b->record->pfs[0].numvfs, -1);
}

/* A PF with two VFs, which are ours, that a reset has taken away for a
 * while. */
static void
reset_takes_vfs(struct wb *b, const char *intent)
{
    given(b, "pf " PF " mode=switchdev tc=on\n"
             "record pf " PF " numvfs=0");
    vdpad_memory_vfs_made(b->memory, PF, 2);
    given(b, intent);
}

/* Who wants them gets them back, whatever became of making them anew. */
static void
vfs_that_went_stay_ours(void **state)
{
    struct wb *b = *state;

    reset_takes_vfs(b, "failed numvfs " PF " 2 16 5\n"
                       "policy a pf=" PF " num-vfs=2");
    expect_plan(b, "numvfs " PF " 2 (deferred)\n");
    wb_apply_plan(b);
    assert_int_equal(b->record->pfs[0].numvfs, 0);
    given(b, "vf " VF0 "\n"
             "vf " VF1 "\n"
             "policy a pf=" PF " num-vfs=1");
    expect_plan(b, "numvfs " PF " 0 (deferred)\n");
}

static void
vfs_that_went_are_not_to_return(void **state)
{
    static const char *const intents[] = {
        "policy a pf=" PF " num-vfs=0",
        "policy a pf=" PF " eswitch-mode=switchdev",
        "policy a",
    };
    struct wb *b = *state;

    for (size_t i = 0; i < sizeof intents / sizeof *intents; i++) {
        reset_takes_vfs(b, intents[i]);
        expect_plan(b, "numvfs " PF " 0\n");

        /* The kernel has answered: the reset is over. */
        vdpad_memory_vfs_made(b->memory, PF, 0);
        wb_plan(b);
        wb_apply_plan(b);
        assert_true(!b->record->n_pfs || b->record->pfs[0].numvfs == -1);
        given(b, "gone pf " PF);
    }
}

/* They are those of who manages the PF now; likewise without a driver. */
static void
vfs_that_went_are_let_go(void **state)
{
    struct wb *b = *state;

    reset_takes_vfs(b, "policy a pf=" PF
                       " externally-managed=true vdpa-type=vhost");
    wb_plan(b);
    wb_apply_plan(b);
    assert_int_equal(b->record->pfs[0].numvfs, -1);
    given(b, "gone pf " PF);

    reset_takes_vfs(b, "policy a pf=" PF " num-vfs=2");
    struct vdpad_pci *pf = wb_find_text(b, VDPAD_PCI, PF);
    memset(pf->driver, 0, sizeof pf->driver);
    wb_plan(b);
    wb_apply_plan(b);
    assert_int_equal(b->record->pfs[0].numvfs, -1);
}

int
main(void)
{
#define TEST(FUNCTION) \
    cmocka_unit_test_setup_teardown(FUNCTION, wb_set_up, wb_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(count_of_ours_changes),
        TEST(count_of_others_is_not_raised),
        TEST(more_vfs_of_others_are_accepted),
        TEST(count_stays_while_a_device_is_in_use),
        TEST(count_of_another_program_stays),
        TEST(count_of_none_is_mended),
        TEST(count_stays_without_database),
        TEST(count_stays_while_a_netdev_is_away),
        TEST(count_stays_while_another_program_has_a_device),
        TEST(count_in_the_making),
        TEST(count_of_others_outlives_the_policy),
        TEST(count_that_failed_is_not_claimed),
        TEST(vfs_that_went_stay_ours),
        TEST(vfs_that_went_are_not_to_return),
        TEST(vfs_that_went_are_let_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
