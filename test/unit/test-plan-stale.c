/* SPDX-License-Identifier: Apache-2.0 */

/* Ports whose network device has gone. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "world-builder.h"

#define PF "0000:65:00.0"
#define VF0 "0000:65:00.2"
#define VF1 "0000:65:00.3"

static void
stale_row_goes(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "port old br-int ours " VF1 "\n"
             "port other br-int ours -\n"
             "port foreign br-int vdpa-vf=" VF1);
    expect_plan(b, "port-del old br-int\n"
                   "port-del other br-int\n");
    given(b, "grace 30");
    expect_plan(b, "");
    assert_true(b->plan->next_ns == b->now_ns + 30 * WB_SEC);
    b->now_ns = b->plan->next_ns;
    expect_plan(b, "port-del old br-int\n"
                   "port-del other br-int\n");
}

static void
stale_row_of_a_vf_that_nobody_wants(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "vf " VF0 " up\n"
             "vf " VF1 " up\n"
             "vdpa " VF1 " name=theirs\n"
             "port r65v0 br-int ours " VF0 "\n"
             "port r65v1 br-int ours " VF1);
    expect_plan(b, "port-del r65v0 br-int\n"
                   "port-del r65v1 br-int\n");
}

/* A PF that is away may come back, also where no key says its address. */
static void
ports_of_a_pf_that_is_away(void **state)
{
    struct wb *b = *state;

    given(b, "policy a vendor=15b3 vdpa-type=vhost\n"
             "record policy a\n"
             "record pf 0000:66:00.0 numvfs=0\n"
             "port old br-int ours 0000:66:00.2");
    wb_converge(b, 8);
    assert_non_null(wb_find_port(b, "old"));
    expect_problem(b, "vdpa-policy-a",
                   "0000:66:00.0, which was set up, is not there; its ports "
                   "are kept for it.  If it has gone for good: `teardown a`, "
                   "then `resume a`");
    /* As the text says. */
    given(b, "key vdpa-suspended a");
    wb_converge(b, 8);
    assert_null(vdpad_record_find_pf(b->record, "0000:66:00.0"));
    assert_null(wb_find_port(b, "old"));
    given(b, "key vdpa-suspended");
    wb_plan(b);
    assert_int_equal(b->world->n_problems, 1);
    expect_problem(b, "vdpa-policy-a", "no physical function here has");
}

/* Then a tear-down would take the devices of the others. */
static void
ports_of_one_of_several_pfs(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "vf " VF0 " up\n"
             "vdpa " VF0 "\n"
             "policy a vendor=15b3 vdpa-type=vhost\n"
             "record policy a\n"
             "record pf 0000:66:00.0 numvfs=0\n"
             "port r65v0 br-int ours " VF0 "\n"
             "port old br-int ours 0000:66:00.2");
    wb_converge(b, 8);
    assert_non_null(wb_find_port(b, "old"));
    expect_problem(b, "vdpa-policy-a",
                   "are kept for it.  If it has gone for good: name those "
                   "that are left in the policy, such as pf=" PF);
    /* As the text says. */
    given(b, "policy a pf=" PF " vendor=15b3 vdpa-type=vhost");
    expect_plan(b, "port-del old br-int\n");
    wb_converge(b, 8);
    assert_null(vdpad_record_find_pf(b->record, "0000:66:00.0"));
    expect_no_problems(b);
}

/* Whose row it is is told by its name, too. */
static void
row_with_a_broken_mark(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "vf " VF0 " up\n"
             "vdpa " VF0 "\n"
             "policy a pf=" PF " vdpa-type=vhost\n"
             "port r65v0 br-int ours - vdpa-device=vdpa:" VF0);
    expect_plan(b, "interface-external-id r65v0 vdpa-vf=" VF0 "\n");
    wb_apply_plan(b);
    expect_plan(b, "");
}

/* Errors that have nothing to do with policies leave no doubt. */
static void
stale_row_goes_despite_other_errors(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "port old br-int ours " VF1 "\n"
             "key vdpa-suspended nosuch\n"
             "key vdpa-nosuch x");
    wb_plan(b);
    assert_int_not_equal(b->config->n_errors, 0);
    expect_plan(b, "port-del old br-int\n");
}

static void
stale_row_stays_while_in_doubt(void **state)
{
    struct wb *b = *state;
    static const struct {
        const char *doubt, *relief;
    } cases[] = {
        { "stale pci", NULL },
        { "fails vbus no answer", NULL },
        { "policy b pf=" PF " mtu=1", "policy b" },
        { "policy b pf=0000:99:00.0 vdpa-type=vhost", "policy b" },
        { "policy b pf=" PF " num-vfs=99", "policy b" },
        { "record policy lost 0000\nrecord dev 0000:01:00.2 lost", NULL },
        { "want x nonsense=1", "want x" },
        { "db disconnected", "db connected" },
        { "db none", "db connected" },
    };

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "port old br-int ours " VF1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text;

        given(b, cases[i].doubt);
        wb_plan(b);
        text = wb_plan_text(b);
        if (strstr(text, "port-del")) {
            fail_msg("%s: %s", cases[i].doubt, text);
        }
        free(text);
        if (cases[i].relief) {
            given(b, cases[i].relief);
        } else {
            b->observed.class_[VDPAD_PCI].fresh = true;
            b->observed.class_[VDPAD_VBUS].fresh = true;
            vdpad_record_del_policy(b->record, "lost");
        }
        expect_plan(b, "port-del old br-int\n");
    }
}

/* All VFs are away for a moment, by a reset or because there are to be more
 * of them. */
static void
rows_outlive_vfs_that_return(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF "\n"
             "policy a pf=" PF " num-vfs=2 vdpa-type=vhost\n"
             "want lsp1 policy=a");
    wb_converge(b, 10);
    wb_set(&wb_find_port(b, "r65v0")->ids, "ovn-installed", "1");
    b->is_late = true;
    given(b, "policy a pf=" PF " num-vfs=3 vdpa-type=vhost");
    expect_plan(b, "numvfs " PF " 0\n");
    wb_apply_plan(b);
    expect_plan(b, "numvfs " PF " 3\n");
    wb_apply_plan(b);
    expect_plan(b, "");
    wb_appear(b, 3);
    wb_converge(b, 10);
    assert_int_equal(b->n_ports, 3);
    assert_string_equal(
        wb_get(&wb_find_port(b, "r65v0")->ids, "ovn-installed"), "1");
    assert_string_equal(wb_dev(b, "lsp1")->vf->bdf, VF0);
}

int
main(void)
{
#define TEST(FUNCTION) \
    cmocka_unit_test_setup_teardown(FUNCTION, wb_set_up, wb_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(stale_row_goes),
        TEST(stale_row_of_a_vf_that_nobody_wants),
        TEST(ports_of_a_pf_that_is_away),
        TEST(ports_of_one_of_several_pfs),
        TEST(row_with_a_broken_mark),
        TEST(stale_row_stays_while_in_doubt),
        TEST(stale_row_goes_despite_other_errors),
        TEST(rows_outlive_vfs_that_return),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
