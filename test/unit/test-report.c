/* SPDX-License-Identifier: Apache-2.0 */

/* What is told of changes of state, once. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "controller/report.h"
#include "world-builder.h"

#define PF "0000:65:00.0"
#define VF0 "0000:65:00.2"
#define HOST                           \
    "pf " PF " mode=switchdev tc=on\n" \
    "vf " VF0 " up\n"                  \
    "key vdpa-attach none\n"

struct bench {
    struct wb *b;
    struct vdpad_history *history;
    struct vdpad_reporter *reporter;
    size_t n; /* Events that were expected so far. */
};

static int
set_up(void **state)
{
    struct bench *t = calloc(1, sizeof *t);

    wb_set_up((void **) &t->b);
    t->history = vdpad_history_new();
    t->reporter = vdpad_reporter_new(t->history);
    *state = t;
    return 0;
}

static int
tear_down(void **state)
{
    struct bench *t = *state;

    vdpad_reporter_free(t->reporter);
    vdpad_history_free(t->history);
    wb_tear_down((void **) &t->b);
    free(t);
    return 0;
}

static void
run(struct bench *t)
{
    wb_plan(t->b);
    vdpad_reporter_run(t->reporter, t->b->world);
}

/* The next event. */
static void
expect(struct bench *t, const char *object, const char *text)
{
    const struct vdpad_event *e;

    if (vdpad_history_n(t->history) <= t->n) {
        fail_msg("no event of %s: %s", object, text);
        return;
    }
    e = vdpad_history_get(t->history, t->n++);
    if (strcmp(e->object, object) != 0 || !strstr(e->text, text)) {
        fail_msg("%s: %s, expected %s: %s", e->object, e->text, object, text);
    }
}

static void
expect_no_more(const struct bench *t)
{
    assert_int_equal(vdpad_history_n(t->history), t->n);
}

static void
states_are_told_once(void **state)
{
    struct bench *t = *state;

    given(t->b, HOST "vdpa " VF0 " name=theirs");
    run(t);
    expect_no_more(t); /* Nothing of ours. */
    given(t->b, "policy a pf=" PF " vdpa-type=virtio");
    run(t);
    expect(t, PF, "ready");
    expect(t, "theirs", "applying: driver is vhost_vdpa");
    run(t);
    expect_no_more(t);
    wb_apply_plan(t->b);
    run(t);
    expect(t, "theirs", "ready");
    expect_no_more(t);
}

/* Its seconds count down: not news. */
static void
failures_are_told_once(void **state)
{
    struct bench *t = *state;

    given(t->b, HOST "policy a pf=" PF " vdpa-type=vhost\n"
                     "failed vdpa-add vdpa:" VF0 " 2 22 30");
    run(t);
    expect(t, PF, "ready");
    expect(t, "vdpa:" VF0, "failed: Invalid argument (attempt 2, next in 30");
    t->b->now_ns += 5 * WB_SEC;
    run(t);
    expect_no_more(t);
}

static void
reasons_to_act_are_news(void **state)
{
    struct bench *t = *state;

    given(t->b, HOST "policy a pf=" PF " vdpa-type=virtio\n"
                     "vdpa " VF0 " name=d\n"
                     "holder d 7 seven");
    run(t);
    expect(t, PF, "ready");
    expect(t, "d", "in use by pid 7 (seven)");
    run(t);
    expect_no_more(t);
    t->b->observed.class_[VDPAD_HOLDER].picture.n = 0;
    given(t->b, "holder d 8 eight");
    run(t);
    expect(t, "d", "in use by pid 8 (eight)");
    expect_no_more(t);
}

static void
what_goes_is_told(void **state)
{
    struct bench *t = *state;

    given(t->b, HOST "policy a pf=" PF " vdpa-type=vhost\n"
                     "vdpa " VF0 " name=d");
    run(t);
    expect(t, PF, "ready");
    expect(t, "d", "ready");
    given(t->b, "gone vdpa d\n"
                "policy a");
    t->b->record->n_devs = 0;
    run(t);
    expect(t, PF, "foreign");
    expect(t, "d", "gone");
    expect_no_more(t);
}

static void
problems_are_told_once(void **state)
{
    struct bench *t = *state;

    given(t->b, "policy a pf=" PF " num-vfs=1");
    run(t);
    expect(t, "vdpa-policy-a", PF ": there is no SR-IOV physical function");
    run(t);
    expect_no_more(t);
    given(t->b, "pf " PF);
    run(t);
    expect(t, PF, "applying");
    given(t->b, "gone pf " PF);
    run(t);
    expect(t, PF, "gone");
    expect(t, "vdpa-policy-a", "there is no SR-IOV");
    expect_no_more(t);
}

static struct vdpad_config *
parse(const char *value)
{
    struct vdpad_kv kv = { "vdpa-policy-a", value };
    struct vdpad_map map = { 1, &kv };

    return vdpad_config_parse(&map);
}

static void
errors_of_the_configuration(void **state)
{
    struct bench *t = *state;
    struct vdpad_config *good = parse("pf=" PF " num-vfs=1");
    struct vdpad_config *bad = parse("pf=" PF " num-vfs=x");

    vdpad_report_config(t->history, good, bad);
    expect(t, "vdpa-policy-a", "num-vfs=x");
    vdpad_report_config(t->history, bad, bad);
    vdpad_report_config(t->history, bad, good);
    expect_no_more(t);
    vdpad_report_config(t->history, good, bad);
    expect(t, "vdpa-policy-a", "num-vfs=x");
    vdpad_config_free(good);
    vdpad_config_free(bad);
}

int
main(void)
{
#define TEST(FUNCTION) \
    cmocka_unit_test_setup_teardown(FUNCTION, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(states_are_told_once),    TEST(failures_are_told_once),
        TEST(reasons_to_act_are_news), TEST(what_goes_is_told),
        TEST(problems_are_told_once),  TEST(errors_of_the_configuration),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
