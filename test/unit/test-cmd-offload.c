/* SPDX-License-Identifier: Apache-2.0 */
/* What is counted of each device, and how it is shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "controller/offload.h"

#define SEC VDPAD_LOOK_NS

/* One device with a representor and its filters. */
static struct vdpad_pci vf;
static struct vdpad_link rep;
static struct vdpad_flow flow;
static struct vdpad_kflow kflow;
static struct vdpad_dev dev;
static struct vdpad_observed observed;
static struct vdpad_world world;
static struct vdpad_looks *looks;
static int64_t now;
static int changes;
static char told[256];

static void
on_verdict(void *aux, const char *device, enum vdpad_verdict old,
           enum vdpad_verdict new_, const char *reason)
{
    (void) aux;
    (void) old;
    (void) new_;
    changes++;
    snprintf(told, sizeof told, "%s: %s", device, reason);
}

static int
set_up(void **state)
{
    (void) state;
    now = 1000 * SEC;
    changes = 0;
    vf = (struct vdpad_pci){ .bdf = "0000:65:00.2" };
    rep = (struct vdpad_link){ .ifindex = 3 };
    flow = (struct vdpad_flow){ .ifindex = 3, .epoch = 1 };
    kflow = (struct vdpad_kflow){ .ifindex = 3, .flows = 7 };
    dev = (struct vdpad_dev){ .name = "vdpa0",
                              .vf = &vf,
                              .rep = &rep,
                              .flow = &flow,
                              .state = VDPAD_STATE_READY };
    memset(&observed, 0, sizeof observed);
    observed.class_[VDPAD_FLOW].known = true;
    world = (struct vdpad_world){ .observed = &observed,
                                  .n_devs = 1,
                                  .devs = &dev };
    looks = vdpad_looks_new();
    return 0;
}

static int
tear_down(void **state)
{
    (void) state;
    vdpad_looks_free(looks);
    return 0;
}

/* A look at a new picture, a second later. */
static struct vdpad_offload
look(void)
{
    struct vdpad_offload o;

    now += SEC;
    observed.class_[VDPAD_FLOW].at_ns = now;
    vdpad_looks_take(looks, &world, now, on_verdict, NULL);
    vdpad_looks_get(looks, &world, &dev, &o);
    return o;
}

static void
assert_packets(uint64_t hw, uint64_t sw, uint64_t slow)
{
    struct vdpad_offload o;

    vdpad_looks_get(looks, &world, &dev, &o);
    assert_int_equal(o.hw_packets, hw);
    assert_int_equal(o.hw_bytes, 100 * hw);
    assert_int_equal(o.sw_packets, sw);
    assert_int_equal(o.sw_bytes, 100 * sw);
    assert_int_equal(o.slow_path_packets, slow);
}

static void
count(uint64_t hw, uint64_t sw, uint64_t slow)
{
    flow.hw_packets = hw;
    flow.hw_bytes = 100 * hw;
    flow.sw_packets = sw;
    flow.sw_bytes = 100 * sw;
    flow.cpu_hit_packets = slow;
    flow.has_cpu_hit = true;
    flow.rx_packets = rep.rx_packets = hw + slow;
}

/* The same of a driver that has no CPU_HIT. */
static void
count_without_hit(uint64_t hw, uint64_t sw, uint64_t rx)
{
    count(hw, sw, 0);
    flow.has_cpu_hit = false;
    flow.rx_packets = rep.rx_packets = rx;
}

static void
test_counters_never_go_down(void **state)
{
    (void) state;
    count(50, 5, 20);
    look();
    assert_packets(50, 5, 20);
    count(60, 6, 25);
    look();
    assert_packets(60, 6, 25);

    /* Counting began anew: what was counted before is not counted twice. */
    flow.epoch = 2;
    count(58, 1, 26);
    look();
    assert_packets(60, 6, 26);
    count(60, 3, 27);
    look();
    assert_packets(62, 8, 27);

    /* Less than before, though it did not begin anew. */
    count(10, 0, 1);
    look();
    assert_packets(62, 8, 27);
    count(11, 1, 2);
    look();
    assert_packets(63, 9, 28);

    /* A reset: another netdev, which begins at 0. */
    flow.ifindex = rep.ifindex = 9;
    count(4, 2, 3);
    look();
    assert_packets(67, 11, 31);

    /* Away for a while, then back. */
    dev.flow = NULL;
    dev.rep = NULL;
    look();
    assert_packets(67, 11, 31);
    world.n_devs = 0;
    look();
    world.n_devs = 1;
    dev.flow = &flow;
    dev.rep = &rep;
    count(5, 2, 3);
    look();
    assert_packets(68, 11, 31);

    /* The same VF with a device of another name. */
    snprintf(dev.name, sizeof dev.name, "vdpa1");
    look();
    assert_packets(68, 11, 31);
}

static void
test_gone_for_long(void **state)
{
    (void) state;
    count(50, 5, 20);
    look();
    world.n_devs = 0;
    now += VDPAD_FORGET_NS;
    look();
    world.n_devs = 1;
    assert_packets(0, 0, 0);
}

/* What hardware passed on is what its driver counts, and not what the
 * representor received: packets in hardware are among that. */
static void
test_slow_path(void **state)
{
    (void) state;
    flow.hw_flows = 1;
    count(1000, 0, 3);
    look();
    assert_packets(1000, 0, 3);
    for (uint64_t i = 2; i < 6; i++) {
        count(i * 1000, 0, 3);
        assert_true(look().slow_path_known);
    }
    assert_int_equal(look().verdict, VDPAD_VERDICT_OFFLOADED);
    assert_packets(5000, 0, 3);
}

/* A driver without CPU_HIT whose representor counts only what came to the
 * host. */
static void
test_rx_without_hardware(void **state)
{
    struct vdpad_offload o;

    (void) state;
    flow.hw_flows = 1;
    count_without_hit(0, 0, 50);
    look();
    for (uint64_t i = 1; i < 6; i++) {
        count_without_hit(1000 * i, 0, 50 + i);
        o = look();
    }
    assert_int_equal(o.verdict, VDPAD_VERDICT_OFFLOADED);
    assert_false(o.slow_path_known);

    /* Nothing in hardware any more: no doubt whose packets these are. */
    flow.hw_flows = 0;
    for (uint64_t i = 1; i < 6; i++) {
        count_without_hit(5000, 90 * i, 55 + 100 * i);
        o = look();
    }
    assert_int_equal(o.verdict, VDPAD_VERDICT_SOFTWARE);
    assert_string_equal(o.reason,
                        "hardware carries nothing: of 100 packets 90 were in "
                        "TC software, 10 in neither");
}

/* One whose representor counts all packets, or seems to: it may as well be
 * that half of them take the slow path. */
static void
test_rx_with_hardware(void **state)
{
    struct vdpad_offload o;

    (void) state;
    flow.hw_flows = 1;
    count_without_hit(0, 0, 0);
    look();
    for (uint64_t i = 1; i < 6; i++) {
        count_without_hit(1000 * i, 0, 1000 * i);
        o = look();
    }
    assert_int_equal(o.verdict, VDPAD_VERDICT_PARTIAL);
    assert_string_equal(o.reason,
                        "50 % to 100 % of the packets in hardware: it counted "
                        "1000, the representor received 1000, and its driver "
                        "does not tell (CPU_HIT) whether those are among "
                        "these");
    assert_false(o.slow_path_known);
    assert_int_equal(o.slow_path_packets, 0);

    /* Flows that count nothing are no matter of doubt. */
    for (uint64_t i = 1; i < 6; i++) {
        count_without_hit(5000, 0, 5000 + 1000 * i);
        o = look();
    }
    assert_string_equal(o.reason,
                        "flows are in hardware but count no packets, while "
                        "1000 took the slow path");
}

/* What the representor received means nothing while it is not known what
 * hardware counted. */
static void
test_filters_not_observed(void **state)
{
    struct vdpad_offload o;

    (void) state;
    count_without_hit(0, 0, 0);
    look();
    observed.class_[VDPAD_FLOW].error = -EAGAIN;
    for (uint64_t i = 1; i < 6; i++) {
        rep.rx_packets = 1000 * i;
        o = look();
    }
    assert_int_equal(o.verdict, VDPAD_VERDICT_IDLE);
    observed.class_[VDPAD_FLOW].error = 0;
    for (uint64_t i = 1; i < 6; i++) {
        o = look();
    }
    assert_int_equal(o.verdict, VDPAD_VERDICT_KERNEL);
}

/* What was counted before the daemon began is no evidence alone. */
static void
test_first_look(void **state)
{
    (void) state;
    flow.hw_flows = 2;
    count(500, 0, 1000000);
    assert_int_equal(look().verdict, VDPAD_VERDICT_IDLE);
    assert_false(look().verdict == VDPAD_VERDICT_IDLE);
    assert_int_equal(changes, 1);
    assert_string_equal(told, "vdpa0: 100 % of 500 packets in hardware, 0 in "
                              "TC software, 0 in neither");

    tear_down(state);
    set_up(state);
    flow.hw_flows = 2;
    count(500, 0, 1000000);
    look();
    count(500, 0, 1000100); /* Contradicted. */
    look();
    assert_int_equal(look().verdict, VDPAD_VERDICT_PARTIAL);
}

static void
test_next_look(void **state)
{
    (void) state;
    count(0, 0, 0);
    look();
    assert_int_equal(vdpad_looks_next_ns(looks),
                     now - SEC + SEC + VDPAD_IDLE_NS);
    now += VDPAD_IDLE_NS;
    look();
    assert_int_equal(vdpad_looks_next_ns(looks), INT64_MAX);
    flow.hw_flows = 1;
    count(100, 0, 0);
    look();
    assert_int_equal(vdpad_looks_next_ns(looks), now + SEC);

    /* It does not bear on the verdict that no new picture comes. */
    now += SEC;
    vdpad_looks_take(looks, &world, now, on_verdict, NULL);
    struct vdpad_offload o;
    vdpad_looks_get(looks, &world, &dev, &o);
    assert_int_equal(o.verdict, VDPAD_VERDICT_IDLE);

    world.n_devs = 0;
    look();
    assert_int_equal(vdpad_looks_next_ns(looks), INT64_MAX);
}

/* The last verdict stands, and says since when it is not known to hold. */
static void
test_not_observed_any_more(void **state)
{
    struct vdpad_observed_class *flows = &observed.class_[VDPAD_FLOW];
    struct vdpad_offload o;

    (void) state;
    look();
    (void) vdpad_error_set(&flows->why, -EIO, "the helper died");
    flows->error = -EIO;
    now += 7 * SEC;
    vdpad_looks_take(looks, &world, now, on_verdict, NULL);
    vdpad_looks_get(looks, &world, &dev, &o);
    assert_int_equal(o.verdict, VDPAD_VERDICT_IDLE);
    assert_string_equal(o.reason,
                        "filters cannot be observed (the helper died), this "
                        "is of 7 s ago: no packets were seen yet");
    flows->known = false;
    vdpad_looks_get(looks, &world, &dev, &o);
    assert_string_equal(o.reason,
                        "filters cannot be observed: the helper died");
    dev.state = VDPAD_STATE_WAITING;
    vdpad_looks_take(looks, &world, now, on_verdict, NULL);
    vdpad_looks_get(looks, &world, &dev, &o);
    assert_string_equal(o.reason, "the device is waiting");
}

static void
test_states(void **state)
{
    (void) state;
    dev.state = VDPAD_STATE_WAITING;
    snprintf(dev.reason, sizeof dev.reason, "for a netdev");
    assert_string_equal(look().reason, "the device is waiting: for a netdev");
    assert_int_equal(look().verdict, VDPAD_VERDICT_BLOCKED);
    assert_true(look().settled);
    dev.state = VDPAD_STATE_FOREIGN;
    assert_int_equal(look().verdict, VDPAD_VERDICT_IDLE);
}

static void
test_many(void **state)
{
    enum { N = 300 };
    static struct vdpad_dev devs[N];
    static struct vdpad_flow flows[N];
    struct vdpad_offload o;

    (void) state;
    for (int i = 0; i < N; i++) {
        flows[i] = (struct vdpad_flow){ .ifindex = i + 1,
                                        .hw_packets = (uint64_t) i };
        devs[i] = (struct vdpad_dev){ .flow = &flows[i] };
        snprintf(devs[i].name, sizeof devs[i].name, "v%d", i * 7 % N);
    }
    world.devs = devs;
    world.n_devs = N;
    look();
    look();
    for (int i = 0; i < N; i++) {
        vdpad_looks_get(looks, &world, &devs[i], &o);
        assert_int_equal(o.hw_packets, i);
    }
}

static void
test_json(void **state)
{
    struct vdpad_offload o;
    json_t *json;

    (void) state;
    observed.class_[VDPAD_FLOW].known = false;
    dev.rep = NULL;
    vdpad_looks_get(looks, &world, &dev, &o);
    json = vdpad_offload_json(&o);
    assert_string_equal(json_string_value(json_object_get(json, "verdict")),
                        "idle");
    assert_string_equal(json_string_value(
                            json_object_get(json, "verdict_reason")),
                        "no packets were seen yet");
    assert_true(json_is_null(json_object_get(json, "hw_flows")));
    assert_true(json_is_null(json_object_get(json, "kernel_flows")));
    assert_true(json_is_null(json_object_get(json, "slow_path_packets")));
    json_decref(json);

    dev.rep = &rep;
    observed.class_[VDPAD_FLOW].known = true;
    observed.class_[VDPAD_KFLOW].known = true;
    observed.class_[VDPAD_KFLOW].picture = (struct vdpad_picture){
        .n = 1, .row_size = sizeof kflow, .rows = &kflow
    };
    flow.hw_flows = 2;
    vdpad_looks_get(looks, &world, &dev, &o);
    json = vdpad_offload_json(&o);
    assert_int_equal(json_integer_value(json_object_get(json, "hw_flows")), 2);
    assert_int_equal(json_integer_value(json_object_get(json, "kernel_flows")),
                     7);
    json_decref(json);
}

int
main(void)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_counters_never_go_down),
        TEST(test_gone_for_long),
        TEST(test_slow_path),
        TEST(test_rx_without_hardware),
        TEST(test_rx_with_hardware),
        TEST(test_filters_not_observed),
        TEST(test_first_look),
        TEST(test_next_look),
        TEST(test_not_observed_any_more),
        TEST(test_states),
        TEST(test_many),
        TEST(test_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
