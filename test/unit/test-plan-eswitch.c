/* SPDX-License-Identifier: Apache-2.0 */

/* Planning of a PF that has an e-switch only while it has VFs, and of one
 * whose e-switch is busy. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "controller/lookup.h"
#include "world-builder.h"

#define PF "0000:65:00.0"
#define VF1 "0000:65:00.3"
#define POLICY "policy a pf=" PF " num-vfs=2 vdpa-type=vhost"

static int
set_up(void **state)
{
    struct wb *b;

    if (wb_set_up(state)) {
        return -1;
    }
    b = *state;
    b->order = WB_ONLY_WITH_VFS;
    given(b, "pf " PF " mode=none");
    return 0;
}

static void
expect_untouched(struct wb *b)
{
    assert_int_equal(b->record->n_pfs, 0);
    assert_int_equal(wb_pf(b, PF)->pci->numvfs, 0);
    assert_int_equal(wb_pf(b, PF)->pci->autoprobe, 1);
}

static void
set_up_and_torn_down(void **state)
{
    struct wb *b = *state;

    given(b, POLICY);
    wb_converge(b, 20);
    expect_plan(b, "");
    expect_state(b, VF1, "ready", "");
    given(b, "policy a");
    wb_converge(b, 20);
    expect_untouched(b);
}

/* The mode goes by itself with the VFs, whoever takes these away. */
static void
mode_went_with_the_vfs(void **state)
{
    struct wb *b = *state;

    given(b, "record policy a\n"
             "record pf " PF " mode=0 numvfs=0 autoprobe=1");
    wb_converge(b, 20);
    expect_untouched(b);
}

static void
mode_is_given_back_without_vfs(void **state)
{
    struct wb *b = *state;

    given(b, "record policy a\n"
             "record pf " PF " mode=0\n"
             "policy a pf=" PF " num-vfs=0 device-type=netdev");
    wb_converge(b, 20);
    expect_state(b, PF, "ready", "");
    assert_true(!wb_pf(b, PF)->record || wb_pf(b, PF)->record->mode < 0);
}

static void
legacy_is_what_it_is(void **state)
{
    struct wb *b = *state;

    given(b, "policy a pf=" PF " num-vfs=0 eswitch-mode=legacy");
    expect_plan(b, "");
    expect_state(b, PF, "ready", "");
}

/* mlx5 says EINVAL when something else has its e-switch locked. */
static unsigned int n_modes;

static int
first_mode_fails(const struct vdpad_step *step)
{
    return step->kind == VDPAD_STEP_KERNEL
                   && step->act.kind == VDPAD_ACT_ESWITCH_MODE && !n_modes++
               ? -EINVAL
               : 0;
}

static void
locked_for_a_moment(void **state)
{
    struct wb *b = *state;

    n_modes = 0;
    b->fault = first_mode_fails;
    given(b, POLICY);
    for (int i = 0; i < 40; i++) {
        wb_plan(b);
        if (!wb_apply_plan(b)) {
            if (b->plan->next_ns == INT64_MAX) {
                break;
            }
            b->now_ns = b->plan->next_ns;
        }
    }
    expect_plan(b, "");
    expect_state(b, VF1, "ready", "");
    assert_int_equal(wb_find_eswitch(b, PF)->mode, VDPAD_ESWITCH_SWITCHDEV);
    given(b, "policy a");
    wb_converge(b, 20);
    expect_untouched(b);
}

static int
mode_is_busy(const struct vdpad_step *step)
{
    return step->kind == VDPAD_STEP_KERNEL
                   && step->act.kind == VDPAD_ACT_ESWITCH_MODE
               ? -EBUSY
               : 0;
}

/* With rules, it is so with VFs and without: they stay. */
static void
busy_with_rules(void **state)
{
    struct wb *b = *state;
    unsigned int n_numvfs = 0;

    b->order = WB_ANY_ORDER;
    wb_find_eswitch(b, PF)->mode = VDPAD_ESWITCH_LEGACY;
    b->fault = mode_is_busy;
    given(b, POLICY);
    for (int i = 0; i < 40; i++) {
        wb_plan(b);
        for (size_t j = 0; j < b->plan->n; j++) {
            n_numvfs += b->plan->steps[j].act.kind == VDPAD_ACT_NUMVFS
                        && b->plan->steps[j].kind == VDPAD_STEP_KERNEL
                        && !b->plan->steps[j].deferred;
        }
        if (!wb_apply_plan(b) && b->plan->next_ns != INT64_MAX) {
            b->now_ns = b->plan->next_ns;
        }
    }
    assert_int_equal(n_numvfs, 1);
    assert_int_equal(wb_pf(b, PF)->pci->numvfs, 2);
    b->fault = NULL;
    b->now_ns += 600 * WB_SEC;
    wb_converge(b, 20);
    expect_state(b, VF1, "ready", "");
    /* The way back does not wait for it either. */
    b->fault = mode_is_busy;
    given(b, "policy a");
    for (int i = 0; i < 20; i++) {
        wb_plan(b);
        (void) wb_apply_plan(b);
    }
    assert_int_equal(wb_pf(b, PF)->pci->numvfs, 0);
    expect_state(b, PF, "failed", "busy");
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, wb_tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(set_up_and_torn_down),
        TEST(mode_went_with_the_vfs),
        TEST(mode_is_given_back_without_vfs),
        TEST(legacy_is_what_it_is),
        TEST(locked_for_a_moment),
        TEST(busy_with_rules),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
