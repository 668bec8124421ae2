/* SPDX-License-Identifier: Apache-2.0 */

/* Planning of ports whose representors get other names, or each other's. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "port-host.h"
#include "world-builder.h"


/* The datapath that 'names' are ports of. */
static void
put_in_datapath(struct wb *b, const char *const names[], size_t n)
{
    struct vdpad_link *datapath = wb_add_row(b, VDPAD_LINK);
    int32_t ifindex = 999;

    datapath->ifindex = ifindex;
    strcpy(datapath->name, "ovs-system");
    strcpy(datapath->kind, "openvswitch");
    for (size_t i = 0; i < n; i++) {
        wb_find_link(b, names[i])->master = ifindex;
    }
}

/* The kernel's datapath keeps it under its old name and does not let Open
 * vSwitch have it under the new one. */
static void
renamed_port_of_a_datapath(void **state)
{
    struct wb *b = *state;

    given(b, HOST1 ONE PORT0 "tag=7");
    put_in_datapath(b, (const char *const[]){ "r65v0" }, 1);
    expect_plan(b, "");
    wb_rename(b, "r65v0", "enp0v0");
    expect_plan(b, "vport-del enp0v0\n"
                   "port-del r65v0 br-int\n"
                   "port-add enp0v0 br-int tag=7\n");
    wb_apply_plan(b);
    expect_plan(b, "");

    /* It was replaced, but is not taken out yet. */
    wb_find_link(b, "enp0v0")->master = 999;
    expect_plan(b, "");
    wb_find_port(b, "enp0v0")->ofport = -1;
    expect_plan(b, "vport-del enp0v0\n");
    expect_state(b, VF0, "applying", "renamed");
    wb_find_link(b, "ovs-system")->kind[0] = 'x'; /* Some other master. */
    expect_plan(b, "");
    expect_state(b, VF0, "waiting", "could not take port enp0v0");
}

/* After a reset the kernel may give the same names the other way round. */
static void
representors_that_exchange_names(void **state)
{
    struct wb *b = *state;

    b->show_ids = true;
    given(b, HOST POLICY "want lsp0 vf=" VF0 " tag=4\n" PORT0
                         "tag=4 vdpa-vlan=tag iface-id=lsp0 "
                         "vdpa-iface-id=lsp0 one=1 other=a\n" PORT1
                         "tag=5 iface-id=theirs other=b");
    expect_plan(b, "");
    wb_rename(b, "r65v0", "tmp");
    wb_rename(b, "r65v1", "r65v0");
    wb_rename(b, "tmp", "r65v1");
    wb_plan(b);
    wb_apply_plan(b);
    expect_plan(b, "");

    const struct wb_map *ids = &wb_find_port(b, "r65v1")->ids;

    assert_string_equal(wb_get(ids, "vdpa-vf"), VF0);
    assert_string_equal(wb_get(ids, "vdpa-device"), "vdpa:" VF0);
    assert_string_equal(wb_get(ids, "attached-mac"), MAC0);
    assert_string_equal(wb_get(ids, "iface-id"), "lsp0");
    assert_string_equal(wb_get(ids, "vdpa-iface-id"), "lsp0");
    assert_string_equal(wb_get(ids, "one"), "1");
    assert_string_equal(wb_get(ids, "other"), "a");
    assert_int_equal(wb_find_port(b, "r65v1")->tag, 4);
    ids = &wb_find_port(b, "r65v0")->ids;
    assert_string_equal(wb_get(ids, "vdpa-vf"), VF1);
    assert_null(wb_get(ids, "attached-mac"));
    assert_string_equal(wb_get(ids, "iface-id"), "theirs");
    assert_null(wb_get(ids, "vdpa-iface-id"));
    assert_null(wb_get(ids, "one"));
    assert_string_equal(wb_get(ids, "other"), "b");
    assert_int_equal(wb_find_port(b, "r65v0")->tag, 5);
}

/* Nor need it be an exchange: each gets the name that another had. */
static void
names_that_shift(void **state)
{
    struct wb *b = *state;

    b->show_ids = true;
    given(b, HOST POLICY PORT0 "tag=4 iface-id=a one=1\n" PORT1
                               "tag=5 iface-id=b other=b");
    expect_plan(b, "");
    wb_rename(b, "r65v1", "r65v2");
    wb_rename(b, "r65v0", "r65v1");
    wb_plan(b);
    for (size_t i = 0; i < b->plan->n; i++) {
        /* Half of it would leave neither of the two with its own. */
        assert_true(b->plan->steps[i].is_joined);
    }
    wb_apply_plan(b);
    expect_plan(b, "");
    assert_null(wb_find_port(b, "r65v0"));

    const struct wb_map *ids = &wb_find_port(b, "r65v1")->ids;

    assert_string_equal(wb_get(ids, "vdpa-vf"), VF0);
    assert_string_equal(wb_get(ids, "iface-id"), "a");
    assert_string_equal(wb_get(ids, "one"), "1");
    assert_null(wb_get(ids, "other"));
    assert_int_equal(wb_find_port(b, "r65v1")->tag, 4);
    ids = &wb_find_port(b, "r65v2")->ids;
    assert_string_equal(wb_get(ids, "vdpa-vf"), VF1);
    assert_string_equal(wb_get(ids, "iface-id"), "b");
    assert_string_equal(wb_get(ids, "other"), "b");
    assert_int_equal(wb_find_port(b, "r65v2")->tag, 5);
}

/* A device that had no port gets the name of one that had: what others wrote
 * there is not for it. */
static void
name_of_another_without_an_own_row(void **state)
{
    struct wb *b = *state;

    given(b, HOST POLICY "want lsp1 vf=" VF1 "\n" PORT1
                         "tag=5 iface-id=lsp1 vdpa-iface-id=lsp1 other=b");
    wb_rename(b, "r65v1", "r65v2");
    wb_rename(b, "r65v0", "r65v1");
    wb_plan(b);
    wb_apply_plan(b);
    expect_plan(b, "");

    const struct wb_map *ids = &wb_find_port(b, "r65v1")->ids;

    assert_string_equal(wb_get(ids, "vdpa-vf"), VF0);
    assert_null(wb_get(ids, "iface-id"));
    assert_null(wb_get(ids, "other"));
    assert_int_equal(wb_find_port(b, "r65v1")->tag, -1);
    ids = &wb_find_port(b, "r65v2")->ids;
    assert_string_equal(wb_get(ids, "iface-id"), "lsp1");
    assert_string_equal(wb_get(ids, "other"), "b");
}

/* Somebody has attached it under its new name. */
static void
renamed_representor_that_others_attached(void **state)
{
    struct wb *b = *state;

    given(b, HOST1 ONE PORT0 "\n"
                             "port enp0v0 br-int iface-id=theirs");
    strcpy(wb_find_link(b, "r65v0")->name, "enp0v0");
    expect_plan(b, "port-del r65v0 br-int\n");
}

int
main(void)
{
#define TEST(FUNCTION) \
    cmocka_unit_test_setup_teardown(FUNCTION, wb_set_up, wb_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(renamed_port_of_a_datapath),
        TEST(representors_that_exchange_names),
        TEST(names_that_shift),
        TEST(name_of_another_without_an_own_row),
        TEST(renamed_representor_that_others_attached),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
