/* SPDX-License-Identifier: Apache-2.0 */

/* Which ports there are to be: keys and vdpa-attach that change. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "port-host.h"
#include "world-builder.h"


static void
attach_changes(void **state)
{
    struct wb *b = *state;

    given(b, HOST POLICY "want lsp1 vf=" VF0 "\n" PORT0
                         "iface-id=lsp1 vdpa-iface-id=lsp1\n" PORT1);
    expect_plan(b, "");
    given(b, "key vdpa-attach declared");
    expect_plan(b, "port-del r65v1 br-int\n");
    given(b, "key vdpa-attach none");
    expect_plan(b, "port-del r65v0 br-int\n"
                   "port-del r65v1 br-int\n");
    wb_apply_plan(b);
    expect_plan(b, "");
    expect_state(b, VF1, "ready", "");
    given(b, "key vdpa-attach auto");
    expect_plan(b, "port-add r65v0 br-int\n"
                   "port-add r65v1 br-int\n");
}

/* A change of the mode cuts off nobody; the end of a key does. */
static void
attach_changes_while_in_use(void **state)
{
    struct wb *b = *state;

    given(b, HOST POLICY PORT0 "iface-id=lsp1 vdpa-iface-id=lsp1\n" PORT1 "\n"
                               "holder vdpa:" VF0 " 7 qemu\n"
                               "holder vdpa:" VF1 " 8 qemu\n"
                               "key vdpa-attach declared");
    expect_plan(b, "port-del r65v0 br-int\n");
    expect_state(b, VF1, "blocked", "in use by pid 8 (qemu)");
    given(b, "want lsp1 vf=" VF0 "\n"
             "key vdpa-attach none");
    expect_plan(b, "");
    expect_state(b, VF0, "blocked", "in use by pid 7 (qemu)");
    given(b, "want lsp1 vf=" VF1);
    expect_plan(b, "port-del r65v0 br-int\n");
}

/* Renamed at the very moment in which its port is no longer wanted. */
static void
attach_changes_and_name(void **state)
{
    struct wb *b = *state;

    given(b, HOST POLICY PORT0 "\n" PORT1 "\nkey vdpa-attach declared");
    strcpy(wb_find_link(b, "r65v0")->name, "enp0v0");
    expect_plan(b, "port-del r65v0 br-int\n"
                   "port-del r65v1 br-int\n");
    wb_apply_plan(b);
    expect_plan(b, "");
    expect_state(b, VF0, "ready", "");
}

static void
foreign_port_survives_attach_none(void **state)
{
    struct wb *b = *state;

    given(b, HOST POLICY "key vdpa-attach none\n"
                         "port r65v0 br-int iface-id=os-vif");
    expect_plan(b, "");
    expect_state(b, VF0, "ready", "");
}

/* Its wishes are unknown, not withdrawn. */
static void
key_of_a_port_is_refused(void **state)
{
    struct wb *b = *state;

    given(b, HOST1 ONE "want lsp1 vf=" VF0 " tag=4096\n" PORT0 "iface-id=lsp1 "
                       "vdpa-iface-id=lsp1 vm-uuid=u tag=5");
    expect_plan(b, "");
    given(b, "key vdpa-attach declared");
    expect_plan(b, "");
    expect_state(b, VF0, "ready", "");
}

/* A word that nobody understands moves no port, removes none and adds none. */
static void
general_key_is_refused(void **state)
{
    struct wb *b = *state;

    given(b, HOST1 ONE "port r65v0 br-x ours " VF0 " " IDS0 "\n"
                       "bridge br-x\n"
                       "key vdpa-bridge br/x");
    expect_plan(b, "");
    expect_state(b, VF0, "ready", "");
    given(b, "key vdpa-bridge br-x\n"
             "key vdpa-attach None");
    expect_plan(b, "");
    expect_state(b, VF0, "ready", "");
    given(b, "no-port r65v0");
    expect_plan(b, "");
    expect_state(b, VF0, "blocked", "not attached while key vdpa-attach is");
    given(b, "key vdpa-attach auto\n"
             "key vdpa-bridge br/x");
    expect_plan(b, "");
    expect_state(b, VF0, "blocked", "not attached while key vdpa-bridge is");
    given(b, "want lsp1 vf=" VF0 " bridge=br-x");
    expect_plan(b, "port-add r65v0 br-x\n");
}

/* hw-offload cannot be taken back without a restart. */
static void
hw_offload_is_refused(void **state)
{
    struct wb *b = *state;

    given(b, HOST1 ONE PORT0 "\n"
                             "other-config hw-offload\n"
                             "key vdpa-hw-offload False");
    expect_plan(b, "");
}

int
main(void)
{
#define TEST(FUNCTION) \
    cmocka_unit_test_setup_teardown(FUNCTION, wb_set_up, wb_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(attach_changes),
        TEST(attach_changes_while_in_use),
        TEST(attach_changes_and_name),
        TEST(foreign_port_survives_attach_none),
        TEST(key_of_a_port_is_refused),
        TEST(general_key_is_refused),
        TEST(hw_offload_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
