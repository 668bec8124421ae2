/* SPDX-License-Identifier: Apache-2.0 */
/* plan, reconcile, resync, verify, event/list, metrics. */
#include "cmd-fixture.h"
#include "controller/cmd-call.h"

static void
plan(void **state)
{
    json_t *steps = RUN_JSON("plan"), *step = json_array_get(steps, 0);

    (void) state;
    assert_int_equal(json_array_size(steps), 2);
    assert_members(step, "action object reason when");
    json_decref(steps);
    char *text = RUN("plan");
    assert_string_equal(
        text, "ACTION    OBJECT             WHEN   REASON\n"
              "vdpa-add  vdpa:0000:65:00.3  later  policy gold wants it\n"
              "port-add  p0vf1              now    attach=auto");
    free(text);
    ctl.plan.n = 0;
    text = RUN("plan");
    assert_string_equal(text, "ACTION  OBJECT  WHEN  REASON\nnone");
    free(text);
}

static void
reconcile(void **state)
{
    char *text = RUN("reconcile");

    (void) state;
    assert_int_equal(ctl.reconciles, 1);
    assert_contains(text, "planning anew now");
    assert_contains(text, "2 steps so far");
    free(text);
    json_t *o = RUN_JSON("reconcile");
    assert_members(o, "text steps");
    json_decref(o);
}

static void
resync(void **state)
{
    struct vdpad_request request;

    (void) state;
    START(&request, "resync");
    assert_int_equal(ctl.resyncs, 1);
    assert_int_equal(ctl.refreshes[0].mask, (1u << VDPAD_N_CLASSES) - 1);
    fix.observed.class_[VDPAD_VDPA].error = -ETIMEDOUT;
    fix.observed.class_[VDPAD_VDPA].known = false;
    fixture_refreshed(NULL);
    assert_contains(request.text, "pci         3  -\n");
    assert_contains(request.text, "vdpa        -  Connection timed out\n");
    free(request.text);
}

/* A copy of what is cached, whose pictures can be changed. */
static struct vdpad_observed fresh;
static struct vdpad_link fresh_links[2];

static void
verify(void **state)
{
    struct vdpad_request request;

    (void) state;
    fresh = fix.observed;
    START(&request, "verify");
    assert_true(ctl.refreshes[0].compare);
    assert_false(ctl.refreshes[0].mask & 1u << VDPAD_HOLDER);
    fixture_refreshed(&fresh);
    assert_contains(request.text, "link     same       3            0  -\n");
    assert_contains(request.text,
                    "flow     polled     1            0  counters run; 0 "
                    "filters tracked");
    assert_contains(request.text, "IN CACHE  WHAT\nnone");
    free(request.text);
}

/* What could not be looked at is not known to be equal. */
static void
verify_without_a_view(void **state)
{
    struct vdpad_request request;

    (void) state;
    fresh = fix.observed;
    fresh.class_[VDPAD_VDPA].error = -ETIMEDOUT;
    START(&request, "verify", "--json");
    fixture_refreshed(&fresh);
    json_t *o = fixture_parse(request.text);

    assert_int_equal(json_array_size(json_object_get(o, "differences")), 0);
    assert_true(json_is_false(json_object_get(o, "equal")));
    json_decref(o);
}

static void
verify_finds_differences(void **state)
{
    struct vdpad_request request;

    (void) state;
    fresh = fix.observed;
    /* Without the uplink; the first representor is changed, the second has
     * only received more. */
    memcpy(fresh_links, &fix.links[1], sizeof fresh_links);
    fresh_links[0].mtu = 9000;
    fresh_links[1].rx_packets += 10;
    fresh.class_[VDPAD_LINK].picture.rows = fresh_links;
    fresh.class_[VDPAD_LINK].picture.n = 2;
    fresh.class_[VDPAD_VDPA].error = -ETIMEDOUT;
    fix.observed.class_[VDPAD_PCI].fresh = false;
    /* One more that the cache lacks. */
    fix.observed.class_[VDPAD_QDISC].picture.n = 0;
    START(&request, "verify", "--json");
    fixture_refreshed(&fresh);
    json_t *o = fixture_parse(request.text), *rows;
    assert_members(o, "equal classes differences");
    assert_true(json_is_false(json_object_get(o, "equal")));
    rows = json_object_get(o, "differences");
    assert_int_equal(json_array_size(rows), 3);
    static const char *const expected[][3] = {
        { "link", "extra", "10" },
        { "link", "differs", "11" },
        { "qdisc", "missing", "11/no" },
    };
    for (size_t i = 0; i < 3; i++) {
        json_t *row = json_array_get(rows, i);

        assert_members(row, "class key kind text");
        assert_string_equal(json_string_value(json_object_get(row, "class")),
                            expected[i][0]);
        assert_string_equal(json_string_value(json_object_get(row, "kind")),
                            expected[i][1]);
        assert_string_equal(json_string_value(json_object_get(row, "key")),
                            expected[i][2]);
    }
    assert_string_equal(json_string_value(
                            json_object_get(json_array_get(rows, 1), "text")),
                        "mtu 1500 -> 9000");
    rows = json_object_get(o, "classes");
    assert_members(json_array_get(rows, 0),
                   "class result rows differences why");
    assert_string_equal(json_string_value(json_object_get(
                            json_array_get(rows, VDPAD_PCI), "result")),
                        "unknown");
    assert_string_equal(json_string_value(json_object_get(
                            json_array_get(rows, VDPAD_VDPA), "result")),
                        "unknown");
    json_decref(o);
}

static void
verify_without_an_answer(void **state)
{
    struct vdpad_request request;

    (void) state;
    START(&request, "verify");
    fixture_refreshed(NULL);
    assert_true(request.is_error);
    free(request.text);
}

static void
events(void **state)
{
    (void) state;
    char *text = RUN("event/list");
    assert_string_equal(text, "SERIAL  TIME  OBJECT  WHAT  TEXT\nnone");
    free(text);
    for (int i = 0; i < VDPAD_HISTORY_SIZE + 6; i++) {
        vdpad_history_add(ctl.history, "dev\x1b", "state", "%d %s", i, "a\nb");
    }
    assert_int_equal(vdpad_history_n(ctl.history), VDPAD_HISTORY_SIZE);
    assert_int_equal(vdpad_history_get(ctl.history, 0)->serial, 7);
    assert_null(vdpad_history_get(ctl.history, VDPAD_HISTORY_SIZE));

    json_t *list = RUN_JSON("event/list", "-n", "2");
    assert_int_equal(json_array_size(list), 2);
    json_t *last = json_array_get(list, 1);
    assert_members(last, "serial time object what text");
    assert_int_equal(json_integer_value(json_object_get(last, "serial")),
                     VDPAD_HISTORY_SIZE + 6);
    assert_string_equal(json_string_value(json_object_get(last, "object")),
                        "dev?");
    const char *time = json_string_value(json_object_get(last, "time"));
    assert_int_equal(strlen(time), strlen("2025-11-21T01:50:00.123Z"));
    json_decref(list);
    list = RUN_JSON("event/list");
    assert_int_equal(json_array_size(list), 100);
    json_decref(list);
    list = RUN_JSON("event/list", "-n", "99999");
    assert_int_equal(json_array_size(list), VDPAD_HISTORY_SIZE);
    json_decref(list);
    text = RUN("event/list", "-n", "1");
    assert_contains(text, "  dev?    state  1029 a?b");
    free(text);
}

static void
events_refuse_nonsense(void **state)
{
    static const char *const wrong[] = {
        "0", "-1", "", "x", "5x", " 5", "99999999999999999999999"
    };

    (void) state;
    for (size_t i = 0; i < N_ELEMS(wrong); i++) {
        char *text = RUN_ERROR("event/list", "-n", wrong[i]);
        assert_contains(text, "usage: event/list [-n N]");
        free(text);
    }
    char *text = RUN_ERROR("event/list", "-n");
    assert_contains(text, "usage:");
    free(text);
}

static void
metrics(void **state)
{
    (void) state;
    strcpy(fix.devs[1].name, "a\"b\\c");
    char *text = RUN("metrics");
    assert_contains(text,
                    "# TYPE ovs_vdpad_build_info gauge\n"
                    "ovs_vdpad_build_info{version=\"" VDPAD_VERSION "\"} 1\n");
    assert_contains(text, "\novs_vdpad_healthy 0\n");
    assert_contains(text, "\novs_vdpad_database_connected 1\n");
    assert_contains(text, "\novs_vdpad_devices{state=\"ready\"} 1\n");
    assert_contains(text, "\novs_vdpad_device_state{device="
                          "\"vdpa:0000:65:00.2\",state=\"ready\"} 1\n");
    assert_contains(text, "\novs_vdpad_device_packets_total{device="
                          "\"vdpa:0000:65:00.2\",class=\"hw\"} 1000\n");
    assert_contains(text, "device_in_use{device=\"a\\\"b\\\\c\"} 0\n");
    assert_contains(text, "\novs_vdpad_class_observable{class=\"flow\"} 1\n");
    free(text);

    /* What is not known is left out rather than told wrong. */
    fix.observed.class_[VDPAD_FLOW].known = false;
    fix.observed.class_[VDPAD_FLOW].error = -ETIMEDOUT;
    text = RUN("metrics");
    assert_null(strstr(text, "ovs_vdpad_device_packets_total{"));
    assert_contains(text, "\novs_vdpad_class_observable{class=\"flow\"} 0\n");
    free(text);
    /* A key may be refused for what it says, or for what the host is. */
    static const bool refusals[] = { false, true };

    for (size_t i = 0; i < N_ELEMS(refusals); i++) {
        char line[64];

        fix.problems[0] = (struct vdpad_problem){ .key = "vdpa-policy-a",
                                                  .is_refusal = refusals[i] };
        fix.world.n_problems = 1;
        snprintf(line, sizeof line, "\novs_vdpad_config_errors %zu\n",
                 fix.config.n_errors + refusals[i]);
        text = RUN("metrics");
        assert_contains(text, line);
        free(text);
    }

    json_t *families = RUN_JSON("metrics");
    json_t *one = json_array_get(families, 0);
    assert_members(one, "name type help samples");
    assert_members(json_array_get(json_object_get(one, "samples"), 0),
                   "labels value");
    json_decref(families);
}

/* Two series with the same labels are no metrics: a device that is kept from
 * being made by another one of its name goes by its VF. */
static void
metrics_of_one_name(void **state)
{
    (void) state;
    strcpy(fix.devs[1].name, fix.devs[0].name);
    fix.devs[1].vdpa = NULL;
    fix.devs[1].vbus = NULL;
    fix.devs[1].state = VDPAD_STATE_BLOCKED;
    char *text = RUN("metrics");
    assert_contains(text, "\novs_vdpad_device_state{device="
                          "\"vdpa:0000:65:00.2\",state=\"ready\"} 1\n"
                          "ovs_vdpad_device_state{device="
                          "\"0000:65:00.3\",state=\"blocked\"} 1\n");
    assert_contains(text, "device_in_use{device=\"0000:65:00.3\"} 0\n");
    free(text);
}

static void
flow_stats(void **state)
{
    static const char members[] =
        "name representor verdict verdict_reason hw_flows "
        "sw_flows kernel_flows hw_packets hw_bytes sw_packets sw_bytes "
        "slow_path_packets";
    json_t *o = RUN_JSON("flow/stats");

    (void) state;
    assert_members(o, "devices total");
    assert_int_equal(json_array_size(json_object_get(o, "devices")), 2);
    assert_members(json_array_get(json_object_get(o, "devices"), 0), members);
    assert_members(json_object_get(o, "total"),
                   "hw_flows sw_flows "
                   "kernel_flows hw_packets hw_bytes sw_packets sw_bytes "
                   "slow_path_packets");
    assert_int_equal(json_integer_value(json_object_get(
                         json_object_get(o, "total"), "slow_path_packets")),
                     100); /* Of the one whose driver counts it. */
    json_decref(o);
    o = RUN_JSON("flow/stats", "lp1");
    assert_int_equal(json_array_size(json_object_get(o, "devices")), 1);
    json_decref(o);
    char *text = RUN("flow/stats", "p0vf0");
    assert_contains(text, "\ntotal              -");
    free(text);
    /* What was waited for in vain is not told as of the time before. */
    fix.observed.class_[VDPAD_KFLOW].error = -ETIMEDOUT;
    o = RUN_JSON("flow/stats", "lp1");
    assert_true(json_is_null(
        json_object_get(json_object_get(o, "total"), "kernel_flows")));
    assert_true(json_is_null(json_object_get(
        json_array_get(json_object_get(o, "devices"), 0), "kernel_flows")));
    json_decref(o);
}

/* Kernel flows are taken anew for who looks again, as generic netlink may not
 * answer; flow/stats waits for them. */
static void
kernel_flows_are_not_waited_for(void **state)
{
    struct vdpad_request first, second, third;

    (void) state;
    fix.observed.class_[VDPAD_KFLOW].at_ns -= VDPAD_KFLOW_AGE_NS + 1;
    START(&first, "device/list");
    START(&second, "metrics");
    assert_true(first.is_done && second.is_done);
    assert_int_equal(ctl.n_refreshes, 1);
    assert_int_equal(ctl.refreshes[0].mask, 1u << VDPAD_KFLOW);
    START(&third, "flow/stats");
    assert_false(third.is_done);
    assert_int_equal(ctl.n_refreshes, 2);
    fixture_refreshed(NULL);
    assert_false(third.is_done);
    fixture_refreshed(NULL);
    assert_true(third.is_done);
    free(first.text);
    free(second.text);
    free(third.text);

    /* Old again, and again once: by status too, which says how old. */
    json_t *status = RUN_JSON("status");
    json_t *age = json_object_get(json_object_get(status, "flows"),
                                  "kernel_age_ms");
    assert_true(json_integer_value(age) >= 5000);
    json_decref(status);
    assert_int_equal(ctl.n_refreshes, 1);
    fixture_refreshed(NULL);
    fix.observed.class_[VDPAD_KFLOW].at_ns += VDPAD_KFLOW_AGE_NS;
    free(RUN("device/list"));
    assert_int_equal(ctl.n_refreshes, 0);
    /* Nor is one asked for that failed lately. */
    fix.observed.class_[VDPAD_KFLOW].at_ns -= VDPAD_KFLOW_AGE_NS;
    fix.observed.class_[VDPAD_KFLOW].error = -ETIMEDOUT;
    free(RUN("device/list"));
    assert_int_equal(ctl.n_refreshes, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(plan),
        fixture_test(reconcile),
        fixture_test(resync),
        fixture_test(verify),
        fixture_test(verify_without_a_view),
        fixture_test(verify_finds_differences),
        fixture_test(verify_without_an_answer),
        fixture_test(events),
        fixture_test(events_refuse_nonsense),
        fixture_test(metrics),
        fixture_test(metrics_of_one_name),
        fixture_test(flow_stats),
        fixture_test(kernel_flows_are_not_waited_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
