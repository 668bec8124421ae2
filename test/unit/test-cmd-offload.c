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
      bool rx_moved)
{
    struct vdpad_link rep = { .ifindex = 3, .rx_packets = 5 };
    struct vdpad_dev dev = { .state = device_state,
                             .flow = flow,
                             .rep = &rep };
    struct vdpad_offload offload;

    vdpad_offload_judge(&dev, true, rx_moved, &offload);
    assert_int_equal(offload.slow_path_packets, 5);
    return vdpad_verdict_name(offload.verdict);
}

static void
verdicts(void **state)
{
    static const struct {
        struct vdpad_flow flow;
        const char *quiet, *moving;
    } cases[] = {
        { { .hw_flows = 2, .hw_packets = 9 }, "offloaded", "offloaded" },
        { { .hw_flows = 2 }, "idle", "partial" },
        { { .hw_flows = 2, .hw_packets = 9, .sw_flows = 1 },
          "partial",
          "partial" },
        { { .hw_flows = 2, .sw_flows = 1 }, "partial", "partial" },
        { { .sw_flows = 1 }, "software", "software" },
        { { .sw_flows = 1, .sw_packets = 3 }, "software", "software" },
        { { .ifindex = 3 }, "idle", "kernel" },
    };

    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct vdpad_flow *flow = &cases[i].flow;

        assert_string_equal(judge(VDPAD_STATE_READY, flow, false),
                            cases[i].quiet);
        assert_string_equal(judge(VDPAD_STATE_READY, flow, true),
                            cases[i].moving);
        assert_string_equal(judge(VDPAD_STATE_FOREIGN, flow, true),
                            cases[i].moving);
        assert_string_equal(judge(VDPAD_STATE_APPLYING, flow, true),
                            "blocked");
        assert_string_equal(judge(VDPAD_STATE_FAILED, flow, false), "blocked");
    }
    assert_string_equal(judge(VDPAD_STATE_READY, NULL, false), "idle");
    assert_string_equal(judge(VDPAD_STATE_READY, NULL, true), "kernel");
}

static void
unknown_is_null(void **state)
{
    struct vdpad_flow flow = { .hw_flows = 2 };
    struct vdpad_dev dev = { .flow = &flow };
    struct vdpad_offload offload;

    (void) state;
    vdpad_offload_judge(&dev, false, false, &offload);
    json_t *o = vdpad_offload_json(&offload);
    assert_string_equal(json_string_value(json_object_get(o, "verdict")),
                        "idle");
    assert_true(json_is_null(json_object_get(o, "hw_flows")));
    assert_true(json_is_null(json_object_get(o, "kernel_flows")));
    assert_true(json_is_null(json_object_get(o, "slow_path_packets")));
    json_decref(o);
}

static void
looks(void **state)
{
    struct vdpad_link rows[] = { { .ifindex = 3, .rx_packets = 5 },
                                 { .ifindex = 8, .rx_packets = 1 } };
    struct vdpad_observed observed;
    struct vdpad_observed_class *links = &observed.class_[VDPAD_LINK];
    struct vdpad_looks taken = { .n = 0 };

    (void) state;
    memset(&observed, 0, sizeof observed);
    vdpad_looks_take(&taken, &observed);
    assert_int_equal(taken.n, 0);
    assert_false(vdpad_looks_moved(&taken, 3));

    links->known = true;
    links->at_ns = 100;
    links->picture.rows = rows;
    links->picture.n = 2;
    vdpad_looks_take(&taken, &observed);
    assert_false(vdpad_looks_moved(&taken, 3));

    /* The same picture is no second look. */
    rows[0].rx_packets = 6;
    vdpad_looks_take(&taken, &observed);
    assert_false(vdpad_looks_moved(&taken, 3));
    links->at_ns = 200;
    vdpad_looks_take(&taken, &observed);
    assert_true(vdpad_looks_moved(&taken, 3));
    assert_false(vdpad_looks_moved(&taken, 8));
    assert_false(vdpad_looks_moved(&taken, 4));
    vdpad_looks_take(&taken, &observed);
    assert_true(vdpad_looks_moved(&taken, 3));

    links->at_ns = 300;
    links->picture.n = 0;
    vdpad_looks_take(&taken, &observed);
    assert_false(vdpad_looks_moved(&taken, 3));
    vdpad_looks_clear(&taken);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts),
        cmocka_unit_test(unknown_is_null),
        cmocka_unit_test(looks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
