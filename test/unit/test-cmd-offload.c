/* SPDX-License-Identifier: Apache-2.0 */
/* The verdict on a device's offload. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "controller/offload.h"

static const char *
judge(enum vdpad_state device_state, const struct vdpad_flow *flow,
      const struct vdpad_gain *gain)
{
    struct vdpad_link rep = { .ifindex = 3, .rx_packets = 5 };
    struct vdpad_dev dev = { .state = device_state,
                             .flow = flow,
                             .rep = &rep };
    struct vdpad_offload offload;

    vdpad_offload_judge(&dev, true, gain, &offload);
    assert_int_equal(offload.slow_path_packets, 5);
    return vdpad_verdict_name(offload.verdict);
}

/* By the totals, while the representor is quiet and while it receives. */
static void
verdicts(void **state)
{
    static const struct vdpad_gain none = { .rx_packets = 0 },
                                   some = { .rx_packets = 1 };
    static const struct {
        struct vdpad_flow flow;
        const char *quiet, *moving;
    } cases[] = {
        { { .hw_flows = 2, .hw_packets = 9 }, "offloaded", "offloaded" },
        { { .hw_flows = 2 }, "idle", "partial" },
        { { .hw_flows = 2, .hw_packets = 9, .sw_flows = 1, .sw_packets = 1 },
          "offloaded",
          "offloaded" },
        { { .hw_flows = 2, .hw_packets = 89, .sw_flows = 1, .sw_packets = 10 },
          "partial",
          "partial" },
        { { .hw_flows = 2, .hw_packets = 90, .sw_flows = 1, .sw_packets = 10 },
          "offloaded",
          "offloaded" },
        { { .hw_flows = 2, .hw_packets = 8, .sw_flows = 1, .sw_packets = 1 },
          "partial",
          "partial" },
        { { .hw_flows = 2, .sw_flows = 1 }, "idle", "partial" },
        { { .hw_flows = 2, .sw_flows = 1, .sw_packets = 1 },
          "partial",
          "partial" },
        { { .sw_flows = 1 }, "idle", "kernel" },
        { { .sw_flows = 1, .sw_packets = 3 }, "software", "software" },
        { { .ifindex = 3 }, "idle", "kernel" },
        { { .hw_packets = UINT64_MAX, .sw_packets = UINT64_MAX },
          "partial",
          "partial" },
    };

    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct vdpad_flow *flow = &cases[i].flow;

        assert_string_equal(judge(VDPAD_STATE_READY, flow, &none),
                            cases[i].quiet);
        assert_string_equal(judge(VDPAD_STATE_READY, flow, &some),
                            cases[i].moving);
        assert_string_equal(judge(VDPAD_STATE_FOREIGN, flow, &some),
                            cases[i].moving);
        assert_string_equal(judge(VDPAD_STATE_APPLYING, flow, &some),
                            "blocked");
        assert_string_equal(judge(VDPAD_STATE_FAILED, flow, &none), "blocked");
    }
    assert_string_equal(judge(VDPAD_STATE_READY, NULL, &none), "idle");
    assert_string_equal(judge(VDPAD_STATE_READY, NULL, &some), "kernel");
}

/* By what passes now, once that is enough. */
static void
verdicts_of_now(void **state)
{
    static const struct vdpad_flow was_hw = {
        .hw_flows = 2, .hw_packets = 1000, .sw_flows = 1, .sw_packets = 12
    };
    static const struct vdpad_flow was_sw = {
        .hw_flows = 2, .hw_packets = 30, .sw_flows = 1, .sw_packets = 1000
    };
    static const struct {
        const struct vdpad_flow *flow;
        struct vdpad_gain gain;
        const char *verdict;
    } cases[] = {
        { &was_hw, { 9, 0, 9 }, "offloaded" },
        { &was_hw, { 10, 0, 10 }, "partial" },
        { &was_hw, { 5, 5, 5 }, "partial" },
        { &was_sw, { 0, 9, 0 }, "partial" },
        { &was_sw, { 1, 9, 1 }, "offloaded" },
        { &was_sw, { 0, 10, 0 }, "offloaded" },
    };

    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_string_equal(judge(VDPAD_STATE_READY, cases[i].flow,
                                  &cases[i].gain),
                            cases[i].verdict);
    }
}

static void
unknown_is_null(void **state)
{
    struct vdpad_flow flow = { .hw_flows = 2 };
    struct vdpad_dev dev = { .flow = &flow };
    const struct vdpad_gain gain = { .rx_packets = 0 };
    struct vdpad_offload offload;

    (void) state;
    vdpad_offload_judge(&dev, false, &gain, &offload);
    json_t *o = vdpad_offload_json(&offload);
    assert_string_equal(json_string_value(json_object_get(o, "verdict")),
                        "idle");
    assert_true(json_is_null(json_object_get(o, "hw_flows")));
    assert_true(json_is_null(json_object_get(o, "kernel_flows")));
    assert_true(json_is_null(json_object_get(o, "slow_path_packets")));
    json_decref(o);
}

static uint64_t
received(const struct vdpad_looks *looks, int32_t ifindex)
{
    return vdpad_looks_gain(looks, ifindex).rx_packets;
}

static void
looks(void **state)
{
    struct vdpad_link rows[] = { { .ifindex = 3, .rx_packets = 5 },
                                 { .ifindex = 8, .rx_packets = 1 } };
    struct vdpad_observed observed;
    struct vdpad_observed_class *links = &observed.class_[VDPAD_LINK];
    struct vdpad_looks taken = { .links = { .n = 0 } };

    (void) state;
    memset(&observed, 0, sizeof observed);
    vdpad_looks_take(&taken, &observed);
    assert_int_equal(taken.links.n, 0);
    assert_int_equal(received(&taken, 3), 0);

    links->known = true;
    links->at_ns = 100;
    links->picture.rows = rows;
    links->picture.row_size = sizeof rows[0];
    links->picture.n = 2;
    vdpad_looks_take(&taken, &observed);
    assert_int_equal(received(&taken, 3), 0);

    /* The same picture is no second look. */
    rows[0].rx_packets = 6;
    vdpad_looks_take(&taken, &observed);
    assert_int_equal(received(&taken, 3), 0);
    links->at_ns = 200;
    vdpad_looks_take(&taken, &observed);
    assert_int_equal(received(&taken, 3), 1);
    assert_int_equal(received(&taken, 8), 0);
    assert_int_equal(received(&taken, 4), 0);
    vdpad_looks_take(&taken, &observed);
    assert_int_equal(received(&taken, 3), 1);

    links->at_ns = 300;
    links->picture.n = 0;
    vdpad_looks_take(&taken, &observed);
    assert_int_equal(received(&taken, 3), 0);
    vdpad_looks_clear(&taken);
}

static void
looks_at_filters(void **state)
{
    struct vdpad_flow row = { .ifindex = 3, .hw_packets = 5, .sw_packets = 2 };
    struct vdpad_observed observed;
    struct vdpad_observed_class *flows = &observed.class_[VDPAD_FLOW];
    struct vdpad_looks taken = { .links = { .n = 0 } };

    (void) state;
    memset(&observed, 0, sizeof observed);
    flows->known = true;
    flows->at_ns = 100;
    flows->picture.rows = &row;
    flows->picture.row_size = sizeof row;
    flows->picture.n = 1;
    vdpad_looks_take(&taken, &observed);
    flows->at_ns = 200;
    row.hw_packets = 15;
    row.sw_packets = 3;
    vdpad_looks_take(&taken, &observed);
    assert_int_equal(vdpad_looks_gain(&taken, 3).hw_packets, 10);
    assert_int_equal(vdpad_looks_gain(&taken, 3).sw_packets, 1);

    /* A filter has left with its packets. */
    flows->at_ns = 300;
    row.hw_packets = 14;
    row.sw_packets = 90;
    vdpad_looks_take(&taken, &observed);
    assert_int_equal(vdpad_looks_gain(&taken, 3).hw_packets, 0);
    assert_int_equal(vdpad_looks_gain(&taken, 3).sw_packets, 0);
    vdpad_looks_clear(&taken);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts),         cmocka_unit_test(verdicts_of_now),
        cmocka_unit_test(unknown_is_null),  cmocka_unit_test(looks),
        cmocka_unit_test(looks_at_filters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
