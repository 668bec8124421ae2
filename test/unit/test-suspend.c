/* SPDX-License-Identifier: Apache-2.0 */

/* The suspension of policies, on a database that answers as the test says. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "controller/suspend.h"
#include "script-kernel.h"
#include "world-builder.h"

#define PF "0000:65:00.0"

struct bench {
    struct wb *b;
    struct script_store s;
    struct vdpad_suspender *suspender;
    int answer; /* Of the last suspension; 1: none yet. */
};

static int
set_up(void **state)
{
    struct bench *t = calloc(1, sizeof *t);

    wb_set_up((void **) &t->b);
    script_store_init(&t->s);
    t->suspender = vdpad_suspender_new(&t->s.up, t->b->memory);
    *state = t;
    return 0;
}

static int
tear_down(void **state)
{
    struct bench *t = *state;

    vdpad_suspender_free(t->suspender);
    wb_tear_down((void **) &t->b);
    free(t);
    return 0;
}

static void
on_suspended(void *t_, int error, const struct vdpad_error *why)
{
    struct bench *t = t_;

    assert_true(!error || why->text[0]);
    t->answer = error;
}

static void
suspend(struct bench *t, const char *policy, bool on, bool with_force)
{
    t->answer = 1;
    vdpad_suspender_add(t->suspender, policy, on, with_force, on_suspended, t);
    wb_plan(t->b);
    vdpad_suspender_run(t->suspender, t->b->config, 1);
}

static void
values_of_the_key(void **state)
{
    struct bench *t = *state;
    static const struct {
        const char *old, *policy;
        bool on;
        const char *value;
    } cases[] = {
        { "", "a", true, "a" },          { "b", "a", true, "b a" },
        { "a b", "a", true, "a b" },     { "a b", "a", false, "b" },
        { "a", "a", false, "(null)" },   { "b", "a", false, "b" },
        { "", "a", false, "(null)" },    { "a b", "*", true, "*" },
        { "a b", "*", false, "(null)" }, { "*", "*", false, "(null)" },
        { "*", "a", true, "*" },         { "*", "a", false, "b bad" },
        { "*", "bad", false, "a b" },
    };

    given(t->b, "policy a pf=" PF " num-vfs=1\n"
                "policy b pf=0000:66:00.0 num-vfs=1\n"
                "policy bad pf=0000:67:00.0 num-vfs=x");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[64];

        snprintf(text, sizeof text, "key vdpa-suspended %s", cases[i].old);
        given(t->b, text);
        suspend(t, cases[i].policy, cases[i].on, false);
        assert_int_equal(t->s.kinds[0], VDPAD_DBOP_OVS_EXTERNAL_ID);
        assert_string_equal(t->s.key, "vdpa-suspended");
        assert_string_equal(t->s.value, cases[i].value);
        assert_int_equal(t->answer, 1);
        script_commit_ends(&t->s, 0);
        assert_int_equal(t->answer, 0);
    }
}

static void
suspensions_one_after_the_other(void **state)
{
    struct bench *t = *state;

    suspend(t, "a", true, false);
    suspend(t, "b", true, false);
    assert_int_equal(t->s.n_commits, 1);

    /* The database changed meanwhile: the same once more. */
    script_commit_ends(&t->s, -EAGAIN);
    assert_int_equal(t->answer, 1);
    wb_plan(t->b);
    vdpad_suspender_run(t->suspender, t->b->config, 1);
    assert_int_equal(t->s.n_commits, 2);
    assert_string_equal(t->s.value, "a");
    given(t->b, "key vdpa-suspended a");
    script_commit_ends(&t->s, 0);
    t->answer = 1;
    wb_plan(t->b);
    vdpad_suspender_run(t->suspender, t->b->config, 1);
    assert_string_equal(t->s.value, "a b");
    script_commit_ends(&t->s, -EINVAL);
    assert_int_equal(t->answer, -EINVAL);
    vdpad_suspender_run(t->suspender, t->b->config, 1);
    assert_int_equal(t->s.n_commits, 3);
}

static void
suspension_without_database(void **state)
{
    struct bench *t = *state;

    t->s.refusal = -EBUSY;
    suspend(t, "a", true, false);
    assert_int_equal(t->answer, 1);
    t->s.refusal = -ENOTCONN;
    vdpad_suspender_run(t->suspender, t->b->config, 1);
    assert_int_equal(t->answer, -ENOTCONN);
    t->s.refusal = 0;
    t->answer = 1;
    vdpad_suspender_add(t->suspender, "a", true, false, on_suspended, t);
    vdpad_suspender_run(t->suspender, t->b->config, 0);
    assert_int_equal(t->answer, -ENOTCONN);

    /* One that waits is dropped with the suspender. */
    vdpad_suspender_add(t->suspender, "b", true, false, on_suspended, t);
}

/* Force ends with the suspension, however that ends. */
static void
forced_suspension(void **state)
{
    struct bench *t = *state;

    suspend(t, "a", true, true);
    assert_false(vdpad_memory_is_forced(t->b->memory, "a"));
    given(t->b, "key vdpa-suspended a");
    script_commit_ends(&t->s, 0);
    wb_plan(t->b);
    vdpad_suspender_run(t->suspender, t->b->config, 1);
    assert_true(vdpad_memory_is_forced(t->b->memory, "a"));
    given(t->b, "key vdpa-suspended");
    wb_plan(t->b);
    vdpad_suspender_run(t->suspender, t->b->config, 1);
    assert_false(vdpad_memory_is_forced(t->b->memory, "a"));

    suspend(t, "*", true, true);
    given(t->b, "key vdpa-suspended *");
    script_commit_ends(&t->s, 0);
    wb_plan(t->b);
    vdpad_suspender_run(t->suspender, t->b->config, 1);
    assert_true(vdpad_memory_is_forced(t->b->memory, "b"));
    suspend(t, "a", false, false);
    given(t->b, "key vdpa-suspended b");
    script_commit_ends(&t->s, 0);
    assert_false(vdpad_memory_is_forced(t->b->memory, "a"));
}

/* A database that does not answer keeps what is forced. */
static void
force_without_database(void **state)
{
    struct bench *t = *state;

    given(t->b, "force a\n"
                "db none");
    wb_plan(t->b);
    vdpad_suspender_run(t->suspender, t->b->config, 0);
    assert_true(vdpad_memory_is_forced(t->b->memory, "a"));
}

int
main(void)
{
#define TEST(FUNCTION) \
    cmocka_unit_test_setup_teardown(FUNCTION, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(values_of_the_key),
        TEST(suspensions_one_after_the_other),
        TEST(suspension_without_database),
        TEST(forced_suspension),
        TEST(force_without_database),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
