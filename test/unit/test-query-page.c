/* SPDX-License-Identifier: Apache-2.0 */
/* A page of flows: the smallest behind a position, in order, whatever order
 * they come in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "netlink/query.h"

#define N_FLOWS 2000

/* xorshift32: the same in every run. */
static uint32_t
draw(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

static struct vdpad_flow_pos
make_pos(uint32_t number)
{
    struct vdpad_flow_pos pos;

    /* Each member decides in some cases. */
    memset(&pos, 0, sizeof pos);
    pos.ifindex = (int32_t) (number >> 10 & 3);
    pos.block = number >> 9 & 1;
    pos.chain = number >> 8 & 1;
    pos.prio = (uint16_t) (number >> 6 & 3);
    pos.protocol = (uint16_t) (number >> 5 & 1);
    pos.handle = number >> 2 & 7;
    pos.ufid[15] = (uint8_t) (number & 3);
    return pos;
}

static void
offer(struct vdpad_page *page, uint32_t number)
{
    struct vdpad_flow_pos pos = make_pos(number);

    if (vdpad_page_wants(page, &pos)) {
        struct vdpad_flow_detail *row = vdpad_page_row(page);

        memset(row, 0, sizeof *row);
        row->pos = pos;
        row->hw_packets = number;
        vdpad_page_keep(page);
    }
}

/* The numbers 0 to 'n' - 1 (make_pos() keeps their order) in one of several
 * orders. */
static void
fill(struct vdpad_page *page, uint32_t n, int order)
{
    uint32_t numbers[N_FLOWS], seed = 1 + (uint32_t) order;

    for (uint32_t i = 0; i < n; i++) {
        numbers[i] = order == 1 ? n - 1 - i : i;
    }
    for (uint32_t i = n; order > 1 && i > 1; i--) {
        uint32_t j = draw(&seed) % i, number = numbers[i - 1];

        numbers[i - 1] = numbers[j];
        numbers[j] = number;
    }
    for (uint32_t i = 0; i < n; i++) {
        offer(page, numbers[i]);
    }
}

static void
test_pages(void **state)
{
    static const uint32_t limits[] = { 1,  2,   3,    7,    63,  64,
                                       65, 500, 1999, 2000, 2001 };

    (void) state;
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        for (int order = 0; order < 5; order++) {
            struct vdpad_flow_query query = { .limit = limits[i] };
            struct vdpad_page page;
            uint32_t next = 0;
            uint32_t steps = limits[i] < 60 ? 20 : UINT32_MAX;
            bool more = true;

            while (more && steps--) {
                vdpad_page_init(&page, &query);
                fill(&page, N_FLOWS, order);
                vdpad_page_finish(&page);
                more = page.more;
                assert_int_equal(page.n, limits[i] < N_FLOWS - next
                                             ? limits[i]
                                             : N_FLOWS - next);
                assert_int_equal(more, next + page.n < N_FLOWS);
                for (size_t j = 0; j < page.n; j++) {
                    assert_int_equal(page.flows[j].hw_packets, next++);
                }
                query.at = page.flows[page.n - 1].pos;
                query.has_at = true;
                vdpad_page_clear(&page);
            }
        }
    }
}

/* A dump may show a filter twice: a page does not, and nothing is lost. */
static void
test_duplicates(void **state)
{
    for (uint32_t limit = 1; limit < 50; limit += 6) {
        struct vdpad_flow_query query = { .limit = limit };
        uint32_t next = 0;
        bool more = true;

        (void) state;
        while (more) {
            struct vdpad_page page;
            uint32_t seed = 7;

            vdpad_page_init(&page, &query);
            for (int i = 0; i < 1000; i++) {
                offer(&page, draw(&seed) % 100);
            }
            fill(&page, 100, 0);
            vdpad_page_finish(&page);
            more = page.more;
            assert_true(page.n > 0 && page.n <= limit);
            for (size_t j = 0; j < page.n; j++) {
                assert_int_equal(page.flows[j].hw_packets, next++);
            }
            query.at = page.flows[page.n - 1].pos;
            query.has_at = true;
            vdpad_page_clear(&page);
        }
        assert_int_equal(next, 100);
    }
}

static void
test_limits(void **state)
{
    struct vdpad_flow_query query = { .limit = 0 };
    struct vdpad_page page;

    (void) state;
    vdpad_page_init(&page, &query);
    assert_int_equal(page.limit, 1000);
    fill(&page, N_FLOWS, 2);
    vdpad_page_finish(&page);
    assert_int_equal(page.n, 1000);
    assert_true(page.more);
    vdpad_page_clear(&page);
    query.limit = UINT32_MAX;
    vdpad_page_init(&page, &query);
    assert_int_equal(page.limit, VDPAD_QUERY_MAX);
    vdpad_page_finish(&page);
    assert_int_equal(page.n, 0);
    assert_false(page.more);
    vdpad_page_clear(&page);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_duplicates),
        cmocka_unit_test(test_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
