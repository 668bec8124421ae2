/* SPDX-License-Identifier: Apache-2.0 */
/* Short words for what happens to a table of tracked filters. */
#ifndef TEST_TRACK_FIXTURE_H
#define TEST_TRACK_FIXTURE_H 1

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "netlink/track-private.h"
#include "netlink/uapi.h"

#define INGRESS TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)
#define EGRESS TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)

/* Made anew for each case. */
static struct vdpad_track *t;

static inline int
setup(void **state)
{
    (void) state;
    t = vdpad_track_new(1000, VDPAD_TRACK_MAX);
    return 0;
}

static inline int
teardown(void **state)
{
    (void) state;
    vdpad_track_free(t);
    return 0;
}

static inline struct vdpad_filter
filter(int32_t ifindex, uint16_t prio, uint32_t handle)
{
    return (struct vdpad_filter){
        .ifindex = ifindex,
        .parent = INGRESS,
        .handle = handle,
        .prio = prio,
        .protocol = 8,
        .is_flower = true,
        .in_hw = true,
        .has_cookie = true,
    };
}

static inline struct vdpad_filter
counted(int32_t ifindex, uint32_t handle, uint64_t packets, uint64_t hw)
{
    struct vdpad_filter f = filter(ifindex, 1, handle);

    f.packets = packets;
    f.bytes = packets * 100;
    f.hw_packets = hw;
    f.hw_bytes = hw * 100;
    return f;
}

static inline void
add_qdisc(int32_t ifindex, bool clsact, uint32_t block)
{
    struct vdpad_qdisc qdisc = {
        .ifindex = ifindex,
        .clsact = clsact,
        .ingress_block = block,
    };

    vdpad_track_event_qdisc(t, &qdisc, true);
}

static inline void
del_qdisc(int32_t ifindex)
{
    struct vdpad_qdisc qdisc = { .ifindex = ifindex };

    vdpad_track_event_qdisc(t, &qdisc, false);
}

static inline void
came(struct vdpad_filter f)
{
    vdpad_track_event_filter(t, &f, true);
}

static inline void
went(struct vdpad_filter f)
{
    vdpad_track_event_filter(t, &f, false);
}

static inline void
begin(int32_t ifindex, uint32_t block)
{
    struct vdpad_track_target target = { ifindex, block };

    vdpad_track_dump_begin(t, &target);
}

static inline void
row(struct vdpad_filter f)
{
    vdpad_track_dump_row(t, &f);
}

static inline void
end(bool complete)
{
    vdpad_track_dump_end(t, complete);
}

/* A dump that shows nothing. */
static inline void
empty_dump(int32_t ifindex)
{
    begin(ifindex, 0);
    end(true);
}

static inline struct vdpad_flow
flow_of(int32_t ifindex)
{
    struct vdpad_flow found = { .ifindex = 0 };
    struct vdpad_rows rows;

    vdpad_rows_init(&rows, VDPAD_FLOW);
    vdpad_track_rows(t, &rows);
    assert_int_equal(vdpad_picture_sort(&rows.picture), 0);
    for (size_t i = 0; i < rows.picture.n; i++) {
        const struct vdpad_flow *f = &VDPAD_ROWS(&rows.picture, vdpad_flow)[i];

        if (f->ifindex == ifindex) {
            found = *f;
        }
    }
    vdpad_rows_clear(&rows);
    return found;
}

static inline uint64_t
repaired(void)
{
    struct vdpad_track_totals totals;

    vdpad_track_totals(t, &totals);
    return totals.repaired;
}

static inline uint32_t
flows(void)
{
    struct vdpad_track_totals totals;

    vdpad_track_totals(t, &totals);
    return totals.flows;
}

#define TRACK_CASE(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)

#endif
