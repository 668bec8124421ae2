/* SPDX-License-Identifier: Apache-2.0 */

/* The observer on a kernel that answers as the test says. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "controller/observer.h"
#include "script-kernel.h"

#define MS INT64_C(1000000)
#define SEC (1000 * MS)
#define LINK VDPAD_LINK
#define BIT(CLASS) (1u << (CLASS))

struct bench {
    struct script_kernel k;
    struct vdpad_observer *o;
    int64_t now_ns;
};

static void
run(struct bench *t)
{
    vdpad_observer_run(t->o, t->now_ns, false);
}

static const struct vdpad_observed_class *
view(const struct bench *t, enum vdpad_class class_)
{
    return &vdpad_observer_view(t->o)->class_[class_];
}

static unsigned int
n_asked(const struct bench *t, enum vdpad_class class_)
{
    return t->k.classes[class_].n_asked;
}

static bool
is_asked(const struct bench *t, enum vdpad_class class_)
{
    return t->k.classes[class_].cb != NULL;
}

static int
set_up(void **state)
{
    struct bench *t = calloc(1, sizeof *t);

    script_kernel_init(&t->k);
    t->o = vdpad_observer_new(&t->k.up);
    t->now_ns = 1000 * SEC;
    *state = t;
    return 0;
}

static int
tear_down(void **state)
{
    struct bench *t = *state;

    vdpad_observer_free(t->o);
    free(t);
    return 0;
}

/* Everything seen, fresh and adopted. */
static int
set_up_seen(void **state)
{
    struct bench *t;

    set_up(state);
    t = *state;
    run(t);
    script_answer_all(&t->k);
    run(t);
    vdpad_observer_adopt(t->o);
    return 0;
}

static void
everything_is_asked_for_at_first(void **state)
{
    struct bench *t = *state;

    assert_false(vdpad_observer_is_settled(t->o));
    assert_false(vdpad_observer_is_complete(t->o));
    assert_true(vdpad_observer_next_ns(t->o) <= t->now_ns);
    for (int i = 0; i < VDPAD_N_CLASSES; i++) {
        assert_false(view(t, (enum vdpad_class) i)->known);
        assert_false(view(t, (enum vdpad_class) i)->fresh);
    }
    run(t);
    for (int i = 0; i < VDPAD_N_CLASSES; i++) {
        assert_int_equal(n_asked(t, (enum vdpad_class) i), 1);
    }
    run(t);
    assert_int_equal(n_asked(t, LINK), 1);
    assert_true(vdpad_observer_next_ns(t->o) == INT64_MAX);
}

/* In any order; what has come waits for the others. */
static void
pictures_are_adopted_together(void **state)
{
    struct bench *t = *state;
    int64_t since;

    run(t);
    assert_false(vdpad_observer_has_staged(t->o, &since));
    t->now_ns += MS;
    for (int i = VDPAD_N_CLASSES - 1; i > 0; i--) {
        script_answer(&t->k, (enum vdpad_class) i, 2);
    }
    run(t);
    assert_true(vdpad_observer_has_staged(t->o, &since));
    assert_true(since == t->now_ns);
    assert_false(vdpad_observer_is_settled(t->o));
    assert_false(view(t, LINK)->known);
    t->now_ns += 5 * MS;
    script_answer(&t->k, (enum vdpad_class) 0, 2);
    run(t);
    assert_true(vdpad_observer_has_staged(t->o, &since));
    assert_true(since == t->now_ns - 5 * MS);
    assert_true(vdpad_observer_is_settled(t->o));
    assert_false(vdpad_observer_is_complete(t->o));
    vdpad_observer_adopt(t->o);
    assert_true(vdpad_observer_is_complete(t->o));
    assert_false(vdpad_observer_has_staged(t->o, &since));
    for (int i = 0; i < VDPAD_N_CLASSES; i++) {
        assert_true(view(t, (enum vdpad_class) i)->known);
        assert_true(view(t, (enum vdpad_class) i)->fresh);
        assert_int_equal(view(t, (enum vdpad_class) i)->picture.n, 2);
        assert_true(view(t, (enum vdpad_class) i)->at_ns == t->now_ns);
    }
}

static void
invalidation_asks_anew(void **state)
{
    struct bench *t = *state;

    vdpad_observer_invalidate(t->o, BIT(LINK));
    assert_false(view(t, LINK)->fresh);
    assert_true(view(t, LINK)->known);
    assert_true(view(t, VDPAD_PCI)->fresh);
    assert_false(vdpad_observer_is_settled(t->o));
    run(t);
    assert_int_equal(n_asked(t, LINK), 2);
    assert_int_equal(n_asked(t, VDPAD_PCI), 1);
    script_answer(&t->k, LINK, 3);
    run(t);
    assert_false(view(t, LINK)->fresh);
    vdpad_observer_adopt(t->o);
    assert_true(view(t, LINK)->fresh);
    assert_int_equal(view(t, LINK)->picture.n, 3);
}

/* The answer may be older than the change: shown, not acted on, asked anew. */
static void
invalidation_during_a_query(void **state)
{
    struct bench *t = *state;

    vdpad_observer_invalidate(t->o, BIT(LINK));
    run(t);
    vdpad_observer_invalidate(t->o, BIT(LINK));
    run(t);
    assert_int_equal(n_asked(t, LINK), 2);
    script_answer(&t->k, LINK, 3);
    run(t);
    assert_int_equal(n_asked(t, LINK), 3);
    vdpad_observer_adopt(t->o);
    assert_int_equal(view(t, LINK)->picture.n, 3);
    assert_false(view(t, LINK)->fresh);
    script_answer(&t->k, LINK, 4);
    run(t);
    vdpad_observer_adopt(t->o);
    assert_int_equal(view(t, LINK)->picture.n, 4);
    assert_true(view(t, LINK)->fresh);
}

/* Between answer and adoption. */
static void
invalidation_of_a_staged_picture(void **state)
{
    struct bench *t = *state;

    vdpad_observer_invalidate(t->o, BIT(LINK));
    run(t);
    script_answer(&t->k, LINK, 3);
    vdpad_observer_invalidate(t->o, BIT(LINK));
    vdpad_observer_adopt(t->o);
    assert_false(view(t, LINK)->fresh);
    run(t);
    script_answer(&t->k, LINK, 4);
    run(t);
    vdpad_observer_adopt(t->o);
    assert_true(view(t, LINK)->fresh);
}

/* It changes under every query: what is shown still follows, and other
 * classes do not suffer. */
static void
constant_invalidation(void **state)
{
    struct bench *t = *state;

    for (size_t i = 0; i < 50; i++) {
        vdpad_observer_invalidate(t->o, BIT(LINK));
        run(t);
        assert_true(is_asked(t, LINK));
        vdpad_observer_invalidate(t->o, BIT(LINK));
        script_answer(&t->k, LINK, 1 + i % 5);
        t->now_ns += 10 * MS;
        run(t);
        vdpad_observer_adopt(t->o);
        assert_int_equal(view(t, LINK)->picture.n, 1 + i % 5);
        assert_false(view(t, LINK)->fresh);
        assert_true(view(t, VDPAD_PCI)->fresh);
        script_answer(&t->k, LINK, 1);
    }
}

static void
errors_wait_longer_and_longer(void **state)
{
    struct bench *t = *state;
    static const int64_t waits[] = { 1, 2, 4, 8, 16, 30, 30 };

    vdpad_observer_invalidate(t->o, BIT(LINK));
    run(t);
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
        unsigned int n = n_asked(t, LINK);

        /* The answer took its time: the pause counts from its end. */
        t->now_ns += 100 * SEC;
        script_fail(&t->k, LINK, -ETIMEDOUT);
        assert_int_equal(vdpad_observer_take_failed(t->o), i == 0);
        assert_false(vdpad_observer_take_failed(t->o));
        assert_int_equal(view(t, LINK)->error, -ETIMEDOUT);
        assert_string_equal(view(t, LINK)->why.text,
                            "script: Connection timed out");
        assert_true(view(t, LINK)->known);
        assert_false(view(t, LINK)->fresh);
        run(t);
        assert_int_equal(n_asked(t, LINK), n);
        assert_true(vdpad_observer_is_settled(t->o));
        assert_true(vdpad_observer_next_ns(t->o)
                    == t->now_ns + waits[i] * SEC);
        t->now_ns += waits[i] * SEC - MS;
        run(t);
        assert_int_equal(n_asked(t, LINK), n);
        t->now_ns += MS;
        run(t);
        assert_int_equal(n_asked(t, LINK), n + 1);
    }
    script_answer(&t->k, LINK, 2);
    run(t);
    vdpad_observer_adopt(t->o);
    assert_int_equal(view(t, LINK)->error, 0);
    assert_true(view(t, LINK)->fresh);
}

/* Events while a query runs into its deadline do not make it hang in the
 * kernel again and again. */
static void
errors_of_queries_that_were_late_anyway(void **state)
{
    struct bench *t = *state;

    for (unsigned int i = 0; i < 3; i++) {
        vdpad_observer_invalidate(t->o, BIT(LINK));
        run(t);
        vdpad_observer_invalidate(t->o, BIT(LINK));
        script_fail(&t->k, LINK, -ETIMEDOUT);
        assert_int_equal(view(t, LINK)->error, -ETIMEDOUT);
        run(t);
        assert_false(is_asked(t, LINK));
        assert_true(vdpad_observer_is_settled(t->o));
        t->now_ns = vdpad_observer_next_ns(t->o);
    }
    assert_true(vdpad_observer_take_failed(t->o));
}

/* A picture from before the failure does not make it undone. */
static void
error_after_a_late_answer(void **state)
{
    struct bench *t = *state;

    vdpad_observer_invalidate(t->o, BIT(LINK));
    run(t);
    vdpad_observer_invalidate(t->o, BIT(LINK));
    script_answer(&t->k, LINK, 2);
    run(t);
    script_fail(&t->k, LINK, -EIO);
    run(t);
    vdpad_observer_adopt(t->o);
    assert_int_equal(view(t, LINK)->error, -EIO);
    assert_int_equal(view(t, LINK)->picture.n, 2);
    assert_false(view(t, LINK)->fresh);
}

static void
kernel_that_refuses_to_look(void **state)
{
    struct bench *t = *state;

    t->k.classes[LINK].refusal = -EMFILE;
    run(t);
    run(t);
    assert_int_equal(n_asked(t, LINK), 1);
    assert_int_equal(view(t, LINK)->error, -EMFILE);
    assert_non_null(strstr(view(t, LINK)->why.text, "link: "));
    assert_true(vdpad_observer_take_failed(t->o));

    /* What cannot be seen does not keep the daemon from starting. */
    script_answer_all(&t->k);
    run(t);
    vdpad_observer_adopt(t->o);
    assert_true(vdpad_observer_is_complete(t->o));
    assert_false(view(t, LINK)->known);
    t->k.classes[LINK].refusal = 0;
    t->now_ns = vdpad_observer_next_ns(t->o);
    run(t);
    script_answer(&t->k, LINK, 1);
    run(t);
    vdpad_observer_adopt(t->o);
    assert_true(view(t, LINK)->fresh);
}

/* While steps are under way that will change it again. */
static void
hold(void **state)
{
    struct bench *t = *state;

    vdpad_observer_invalidate(t->o, BIT(LINK));
    vdpad_observer_run(t->o, t->now_ns, true);
    assert_false(is_asked(t, LINK));
    assert_true(vdpad_observer_next_ns(t->o) == t->now_ns + 500 * MS);
    vdpad_observer_invalidate(t->o, BIT(LINK));
    t->now_ns += 499 * MS;
    vdpad_observer_run(t->o, t->now_ns, true);
    assert_false(is_asked(t, LINK));
    t->now_ns += MS;
    vdpad_observer_run(t->o, t->now_ns, true);
    assert_true(is_asked(t, LINK));
}

static void
hold_ends(void **state)
{
    struct bench *t = *state;

    vdpad_observer_invalidate(t->o, BIT(LINK));
    vdpad_observer_run(t->o, t->now_ns, true);
    assert_false(is_asked(t, LINK));
    run(t);
    assert_true(is_asked(t, LINK));
}

int
main(void)
{
#define TEST(FUNCTION, SET_UP) \
    cmocka_unit_test_setup_teardown(FUNCTION, SET_UP, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(everything_is_asked_for_at_first, set_up),
        TEST(pictures_are_adopted_together, set_up),
        TEST(invalidation_asks_anew, set_up_seen),
        TEST(invalidation_during_a_query, set_up_seen),
        TEST(invalidation_of_a_staged_picture, set_up_seen),
        TEST(constant_invalidation, set_up_seen),
        TEST(errors_wait_longer_and_longer, set_up_seen),
        TEST(errors_of_queries_that_were_late_anyway, set_up_seen),
        TEST(error_after_a_late_answer, set_up_seen),
        TEST(kernel_that_refuses_to_look, set_up),
        TEST(hold, set_up_seen),
        TEST(hold_ends, set_up_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
