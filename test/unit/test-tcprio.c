/* SPDX-License-Identifier: Apache-2.0 */
/* TC filters by chain and priority, from dumps of any order and size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "netlink/observe.h"
#include "netlink/tc-scope.h"

/* The kernel's answers. */
static int fake_filters(struct vdpad_nl *nl, const struct vdpad_scope *scope,
                        vdpad_filter_cb *cb, void *aux,
                        struct vdpad_error *reason);
static int fake_chains(struct vdpad_nl *nl, const struct vdpad_scope *scope,
                       vdpad_filter_cb *cb, void *aux,
                       struct vdpad_error *reason);
static int fake_qdiscs(struct vdpad_observer *observer,
                       struct vdpad_rows *qdiscs, struct vdpad_error *reason);
static int fake_route(struct vdpad_observer *observer, struct vdpad_nl **nl,
                      struct vdpad_error *reason);

#define vdpad_scope_filters fake_filters
#define vdpad_scope_chains fake_chains
#define vdpad_observe_qdisc fake_qdiscs
#define vdpad_observer_route fake_route
#include "netlink/observe-tcprio.c"

static struct vdpad_filter filters[16], chains[16];
static size_t n_filters, n_chains;
static uint32_t n_flood; /* Filters, each in a chain of its own. */
static struct vdpad_rows rows;
static struct vdpad_error why;

static int
fake_filters(struct vdpad_nl *nl, const struct vdpad_scope *scope,
             vdpad_filter_cb *cb, void *aux, struct vdpad_error *reason)
{
    (void) nl;
    (void) reason;
    for (size_t i = 0; i < n_filters && scope->ifindex == 3; i++) {
        cb(aux, &filters[i]);
    }
    for (uint32_t i = 0; i < n_flood && scope->ifindex == 4; i++) {
        struct vdpad_filter filter = { .chain = n_flood - i, .prio = 1 };

        cb(aux, &filter);
    }
    return 0;
}

static int
fake_chains(struct vdpad_nl *nl, const struct vdpad_scope *scope,
            vdpad_filter_cb *cb, void *aux, struct vdpad_error *reason)
{
    (void) nl;
    (void) reason;
    for (size_t i = 0; i < n_chains && scope->ifindex == 3; i++) {
        cb(aux, &chains[i]);
    }
    return 0;
}

static int
fake_qdiscs(struct vdpad_observer *observer, struct vdpad_rows *qdiscs,
            struct vdpad_error *reason)
{
    (void) observer;
    (void) reason;
    for (int32_t ifindex = 3; ifindex <= 4; ifindex++) {
        struct vdpad_qdisc *qdisc = vdpad_rows_add(qdiscs);

        qdisc->ifindex = ifindex;
    }
    return 0;
}

static int
fake_route(struct vdpad_observer *observer, struct vdpad_nl **nl,
           struct vdpad_error *reason)
{
    (void) observer;
    (void) reason;
    *nl = NULL;
    return 0;
}

static int
set_up(void **state)
{
    (void) state;
    n_filters = n_chains = 0;
    n_flood = 0;
    vdpad_rows_init(&rows, VDPAD_TCPRIO);
    return 0;
}

static int
tear_down(void **state)
{
    (void) state;
    vdpad_rows_clear(&rows);
    return 0;
}

static void
add_filter(uint32_t chain, uint16_t prio, bool is_ovs)
{
    filters[n_filters++] = (struct vdpad_filter){
        .chain = chain,
        .prio = prio,
        .handle = 1,
        .is_flower = true,
        .has_cookie = is_ovs,
        .in_hw = is_ovs,
    };
}

static void
assert_row(size_t i, uint32_t chain, uint32_t prio, uint32_t n, uint32_t n_ovs)
{
    const struct vdpad_tcprio *row;

    assert_true(i < rows.picture.n);
    row = &VDPAD_ROWS(&rows.picture, vdpad_tcprio)[i];
    assert_int_equal(row->ifindex, 3);
    assert_int_equal(row->chain, chain);
    assert_int_equal(row->prio, prio);
    assert_int_equal(row->filters, n);
    assert_int_equal(row->ovs_filters, n_ovs);
    assert_int_equal(row->hw_filters, n_ovs);
}

static void
test_counts(void **state)
{
    (void) state;
    add_filter(0, 2, true);
    add_filter(0, 2, false);
    add_filter(0, 3, true);
    add_filter(7, 2, false);
    add_filter(0, 2, true); /* Out of order. */
    chains[n_chains++].chain = 0;
    chains[n_chains++].chain = 9;
    chains[n_chains++].chain = 7;
    chains[n_chains++].chain = 5;
    assert_int_equal(vdpad_observe_tcprio(NULL, &rows, &why), 0);
    assert_int_equal(rows.picture.n, 5);
    assert_row(0, 0, 2, 3, 2);
    assert_row(1, 0, 3, 1, 1);
    assert_row(2, 5, 0, 0, 0);
    assert_row(3, 7, 2, 1, 0);
    assert_row(4, 9, 0, 0, 0);
    assert_int_equal(vdpad_picture_sort(&rows.picture), 0);
}

/* A chain for each filter: in no time that grows with the square, and past
 * the limit in no memory. */
static void
test_flood(void **state)
{
    (void) state;
    add_filter(0, 2, true);
    n_flood = 65535;
    assert_int_equal(vdpad_observe_tcprio(NULL, &rows, &why), 0);
    assert_int_equal(rows.picture.n, 65536);
    assert_int_equal(vdpad_picture_sort(&rows.picture), 0);

    tear_down(state);
    vdpad_rows_init(&rows, VDPAD_TCPRIO);
    n_flood = 3000000;
    assert_int_equal(vdpad_observe_tcprio(NULL, &rows, &why), -E2BIG);
    assert_true(rows.picture.n <= 65536);
    assert_non_null(strstr(why.text, "more than 65536 chains"));
}

int
main(void)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)
    const struct CMUnitTest tests[] = { TEST(test_counts), TEST(test_flood) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
