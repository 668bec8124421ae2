/* SPDX-License-Identifier: Apache-2.0 */
/* why asks for single flows page by page. */
#include "why-fixture.h"

#include <errno.h>

#define PAGE 1000

static struct vdpad_flow_detail page[PAGE];
static struct vdpad_flow flows[2];
static struct vdpad_kflow kflows[2];

/* Filters of netdev 'ifindex' from 'first' on in a page, all alike but for the
 * last one, which carries 'packets'. */
static void
fill(size_t first, size_t n, int32_t ifindex, uint64_t packets)
{
    for (size_t i = first; i < first + n; i++) {
        page[i] = (struct vdpad_flow_detail){
            .where = VDPAD_FLOW_IN_TC,
            .pos = { .ifindex = ifindex,
                     .prio = 2,
                     .handle = (uint32_t) i + 1 },
            .ifindex = ifindex,
            .sw_packets = i + 1 == first + n ? packets : 1,
            .match = "in_port(any)",
            .actions = "drop",
        };
    }
}

static void
tell(size_t n, bool more)
{
    ctl.query_cb(ctl.query_aux, 0, page, n, more, NULL);
}

/* Result and what was seen of 'check' of 'device'; "": it was not made. */
static void
find(json_t *rows, const char *device, const char *check, struct result *r)
{
    memset(r, 0, sizeof *r);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i);
        const char *name = json_string_value(json_object_get(row, "device"));

        if (name && !strcmp(name, device)
            && !strcmp(json_string_value(json_object_get(row, "check")),
                       check)) {
            copy(r->result, sizeof r->result, row, "result");
            copy(r->seen, sizeof r->seen, row, "seen");
            copy(r->remedy, sizeof r->remedy, row, "remedy");
        }
    }
}

/* Both devices have a representor (ifindex 11 and 12) with filters in
 * software, 1 and 3000 of them. */
static int
set_up_flows(void **state)
{
    set_up(state);
    flows[0] = flows[1] = fix.flows[0];
    flows[0].sw_flows = 1;
    flows[1].ifindex = 12;
    flows[1].sw_flows = 3000;
    fix.devs[0].flow = &flows[0];
    fix.devs[1].flow = &flows[1];
    fix.devs[1].rep = &fix.links[2];
    return 0;
}

#define flows_test(NAME) \
    cmocka_unit_test_setup_teardown(NAME, set_up_flows, fixture_tear_down)

/* A netdev with more filters than fit hides those of no other. */
static void
every_device_is_looked_at(void **state)
{
    struct vdpad_request request;
    struct result r;

    (void) state;
    START(&request, "why", "--json");
    assert_int_equal(ctl.query.kind, VDPAD_QUERY_TC);
    assert_int_equal(ctl.query.ifindex, 0);
    assert_int_equal(ctl.query.limit, PAGE);
    assert_false(ctl.query.has_at);

    /* Of one netdev alone: what else it has is left out. */
    fill(0, PAGE, 5, 9);
    tell(PAGE, true);
    assert_true(ctl.query.has_at);
    assert_int_equal(ctl.query.at.ifindex, 5);
    assert_int_equal(ctl.query.at.parent, UINT32_MAX);
    assert_int_equal(ctl.query.at.handle, UINT32_MAX);

    /* Of two: on from where it was. */
    fill(0, 1, 11, 500);
    fill(1, PAGE - 1, 12, 700);
    tell(PAGE, true);
    assert_memory_equal(&ctl.query.at, &page[PAGE - 1].pos,
                        sizeof ctl.query.at);
    fill(0, PAGE, 12, 600);
    tell(PAGE, true);
    assert_int_equal(ctl.query.at.ifindex, 12);
    assert_int_equal(ctl.query.at.handle, UINT32_MAX);
    assert_int_equal(ctl.n_queries, 4);
    tell(0, false);
    fixture_take_turns(&request);
    assert_int_equal(ctl.n_queries, 4);

    json_t *rows = fixture_parse(request.text);
    find(rows, "vdpa:0000:65:00.2", "rules", &r);
    assert_string_equal(r.result, "fail");
    assert_contains(r.seen, "1 filters on p0vf0 are in software; one with 500 "
                            "packets");
    find(rows, "vdpa:0000:65:00.3", "rules", &r);
    assert_string_equal(r.result, "fail");
    assert_contains(r.seen, "1999 or more filters on p0vf1 are in software; "
                            "one with 700 packets");
    json_decref(rows);
}

/* By name, the kernel is asked for that device's only. */
static void
one_device(void **state)
{
    struct vdpad_request request;
    struct result r;

    (void) state;
    START(&request, "why", "vdpa:0000:65:00.3", "--json");
    assert_int_equal(ctl.query.ifindex, 12);
    fill(0, PAGE, 12, 800);
    tell(PAGE, true);
    tell(0, false);
    fixture_take_turns(&request);
    json_t *rows = fixture_parse(request.text);
    find(rows, "vdpa:0000:65:00.3", "rules", &r);
    assert_string_equal(r.result, "fail");
    assert_contains(r.seen, "1000 or more filters on p0vf1");
    json_decref(rows);
}

/* Nothing that was not looked at is well. */
static void
too_many_are_unknown(void **state)
{
    struct vdpad_request request;
    struct result r;
    int32_t ifindex = 1000;

    (void) state;
    START(&request, "why", "--json");
    while (!request.is_done && ctl.n_queries < 1000) {
        int n = ctl.n_queries;

        fill(0, 2, ++ifindex, 9);
        tell(2, true);
        if (ctl.n_queries == n) {
            break;
        }
    }
    assert_int_equal(ctl.n_queries, 100);
    fixture_take_turns(&request);
    json_t *rows = fixture_parse(request.text);
    find(rows, "vdpa:0000:65:00.2", "rules", &r);
    assert_string_equal(r.result, "unknown");
    assert_contains(r.seen, "some that come in at p0vf0 are not in hardware, "
                            "but not among the first 200 that were looked "
                            "at");
    assert_contains(r.remedy, "why vdpa:0000:65:00.2");
    json_decref(rows);

    /* Not that it answers once more. */
    START(&request, "why", "--json");
    fill(0, 1, 11, 500);
    tell(1, true);
    ctl.query_cb(ctl.query_aux, -EIO, NULL, 0, false,
                 &(struct vdpad_error){ .code = -EIO });
    fixture_take_turns(&request);
    rows = fixture_parse(request.text);
    find(rows, "vdpa:0000:65:00.2", "rules", &r);
    assert_string_equal(r.result, "fail");
    find(rows, "vdpa:0000:65:00.3", "rules", &r);
    assert_string_equal(r.result, "unknown");
    json_decref(rows);
}

/* The kernel datapath's flows come in no order: a limited number is looked
 * at.  A device that has none is well all the same. */
static void
kernel_flows(void **state)
{
    struct vdpad_picture *p = &fix.observed.class_[VDPAD_KFLOW].picture;
    struct vdpad_request request;
    struct result r;

    (void) state;
    flows[0].sw_flows = flows[1].sw_flows = 0;
    kflows[0] = (struct vdpad_kflow){ .ifindex = 11, .flows = 7 };
    kflows[1] = (struct vdpad_kflow){ .ifindex = 12 };
    p->rows = kflows;
    p->n = 2;
    p->row_size = sizeof kflows[0];
    START(&request, "why", "--json");
    assert_int_equal(ctl.query.kind, VDPAD_QUERY_DATAPATH);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(ctl.n_queries, i + 1);
        fill(0, PAGE, 5, 9);
        tell(PAGE, true);
    }
    assert_int_equal(ctl.n_queries, 8);
    fixture_take_turns(&request);
    json_t *rows = fixture_parse(request.text);
    find(rows, "vdpa:0000:65:00.2", "kernel-flows", &r);
    assert_string_equal(r.result, "unknown");
    assert_contains(r.seen, "first 8000");
    find(rows, "vdpa:0000:65:00.3", "kernel-flows", &r);
    assert_string_equal(r.result, "ok");
    json_decref(rows);
}

/* What generic netlink does not tell is not left out. */
static void
kernel_flows_not_told(void **state)
{
    static const struct vdpad_error why = { .code = -ETIMEDOUT,
                                            .text = "it is stuck" };
    struct vdpad_observed_class *c = &fix.observed.class_[VDPAD_KFLOW];
    struct vdpad_request request;
    struct result r;
    json_t *rows;

    (void) state;
    flows[0].sw_flows = flows[1].sw_flows = 0;
    c->error = -ETIMEDOUT;
    rows = RUN_JSON("why");
    assert_int_equal(ctl.n_queries, 0);
    find(rows, "vdpa:0000:65:00.2", "kernel-flows", &r);
    assert_string_equal(r.result, "unknown");
    assert_contains(r.seen, "is not known: generic netlink does not answer");
    json_decref(rows);

    c->error = 0;
    kflows[0] = (struct vdpad_kflow){ .ifindex = 11, .flows = 7 };
    c->picture.rows = kflows;
    c->picture.n = 1;
    c->picture.row_size = sizeof kflows[0];
    START(&request, "why", "--json");
    ctl.query_cb(ctl.query_aux, -ETIMEDOUT, NULL, 0, false, &why);
    fixture_take_turns(&request);
    rows = fixture_parse(request.text);
    find(rows, "vdpa:0000:65:00.2", "kernel-flows", &r);
    assert_string_equal(r.result, "unknown");
    assert_contains(r.seen, "is not known: it is stuck");
    json_decref(rows);
}

/* Nor is what the tracker told once taken for what there is. */
static void
filters_not_told(void **state)
{
    static const char *const checks[] = { "rules", "foreign-filters",
                                          "traffic", "ingress-qdisc" };
    json_t *rows;

    (void) state;
    flows[0].sw_flows = flows[1].sw_flows = 0;
    fix.observed.class_[VDPAD_FLOW].error = -ETIMEDOUT;
    fix.observed.class_[VDPAD_QDISC].error = -ETIMEDOUT;
    rows = RUN_JSON("why");
    for (size_t i = 0; i < N_ELEMS(checks); i++) {
        struct result r;

        find(rows, "vdpa:0000:65:00.2", checks[i], &r);
        assert_string_equal(r.result, "unknown");
        assert_contains(r.seen, "cannot be observed: ");
    }
    json_decref(rows);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        flows_test(every_device_is_looked_at), flows_test(one_device),
        flows_test(too_many_are_unknown),      flows_test(kernel_flows),
        flows_test(kernel_flows_not_told),     flows_test(filters_not_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
