/* SPDX-License-Identifier: Apache-2.0 */

/* Looking anew on request, and comparing, on a kernel that answers as the test
 * says. */

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

#define SEC INT64_C(1000000000)
#define LINK VDPAD_LINK
#define BIT(CLASS) (1u << (CLASS))

struct bench {
    struct script_kernel k;
    struct vdpad_observer *o;
    int64_t now_ns;
    unsigned int n_called;
    struct vdpad_observed_class seen; /* LINK in the last callback. */
    bool was_compared;
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
tear_down(void **state)
{
    struct bench *t = *state;

    vdpad_observer_free(t->o);
    free(t);
    return 0;
}

/* Everything seen, fresh and adopted. */
static int
set_up(void **state)
{
    struct bench *t = calloc(1, sizeof *t);

    script_kernel_init(&t->k);
    t->o = vdpad_observer_new(&t->k.up);
    t->now_ns = 1000 * SEC;
    *state = t;
    run(t);
    script_answer_all(&t->k);
    run(t);
    vdpad_observer_adopt(t->o);
    return 0;
}

static void
on_refreshed(void *t_, const struct vdpad_observed *fresh)
{
    struct bench *t = t_;

    t->n_called++;
    t->was_compared = fresh != NULL;
    t->seen = fresh ? fresh->class_[LINK] : *view(t, LINK);
}

static void
refresh(struct bench *t, bool compare)
{
    vdpad_observer_refresh(t->o, BIT(LINK) | BIT(VDPAD_PCI), compare,
                           on_refreshed, t);
}

static void
refresh_waits_for_adoption(void **state)
{
    struct bench *t = *state;

    refresh(t, false);
    vdpad_observer_answer(t->o);
    run(t);
    script_answer(&t->k, LINK, 7);
    run(t);
    vdpad_observer_answer(t->o);
    assert_int_equal(t->n_called, 0);
    script_answer(&t->k, VDPAD_PCI, 1);
    run(t);
    vdpad_observer_answer(t->o);
    assert_int_equal(t->n_called, 0);
    vdpad_observer_adopt(t->o);
    vdpad_observer_answer(t->o);
    assert_int_equal(t->n_called, 1);
    assert_false(t->was_compared);
    assert_int_equal(t->seen.picture.n, 7);
    vdpad_observer_answer(t->o);
    assert_int_equal(t->n_called, 1);
}

/* An answer that was on its way already does not count. */
static void
refresh_during_a_query(void **state)
{
    struct bench *t = *state;

    vdpad_observer_invalidate(t->o, BIT(LINK) | BIT(VDPAD_PCI));
    run(t);
    refresh(t, false);
    script_answer(&t->k, LINK, 2);
    script_answer(&t->k, VDPAD_PCI, 2);
    run(t);
    vdpad_observer_adopt(t->o);
    vdpad_observer_answer(t->o);
    assert_int_equal(t->n_called, 0);
    script_answer(&t->k, LINK, 3);
    script_answer(&t->k, VDPAD_PCI, 3);
    run(t);
    vdpad_observer_adopt(t->o);
    vdpad_observer_answer(t->o);
    assert_int_equal(t->n_called, 1);
    assert_int_equal(t->seen.picture.n, 3);
}

/* Those who ask without end, each before the other has his answer, take
 * nothing from what was seen; an event does. */
static void
refreshes_without_end(void **state)
{
    struct bench *t = *state;

    refresh(t, false);
    assert_true(view(t, LINK)->fresh);
    for (unsigned int i = 1; i < 20; i++) {
        run(t);
        refresh(t, false);
        script_answer(&t->k, LINK, i);
        script_answer(&t->k, VDPAD_PCI, i);
        run(t);
        vdpad_observer_adopt(t->o);
        vdpad_observer_answer(t->o);
        assert_int_equal(t->n_called, i);
        assert_int_equal(view(t, LINK)->picture.n, i);
        assert_true(view(t, LINK)->fresh);
        assert_true(is_asked(t, LINK));
    }
    vdpad_observer_invalidate(t->o, BIT(LINK));
    assert_false(view(t, LINK)->fresh);
    script_answer(&t->k, LINK, 30);
    run(t);
    refresh(t, false);
    vdpad_observer_adopt(t->o);
    assert_false(view(t, LINK)->fresh);
    script_answer(&t->k, LINK, 31);
    run(t);
    vdpad_observer_adopt(t->o);
    assert_true(view(t, LINK)->fresh);
}

/* Neither events nor errors keep anybody waiting. */
static void
refresh_under_constant_invalidation(void **state)
{
    struct bench *t = *state;

    refresh(t, false);
    run(t);
    vdpad_observer_invalidate(t->o, BIT(LINK) | BIT(VDPAD_PCI));
    script_answer(&t->k, LINK, 5);
    script_fail(&t->k, VDPAD_PCI, -EIO);
    run(t);
    vdpad_observer_adopt(t->o);
    vdpad_observer_answer(t->o);
    assert_int_equal(t->n_called, 1);
    assert_int_equal(t->seen.picture.n, 5);
}

/* ... nor a pause after an error. */
static void
refresh_asks_at_once(void **state)
{
    struct bench *t = *state;

    vdpad_observer_invalidate(t->o, BIT(LINK));
    run(t);
    script_fail(&t->k, LINK, -EIO);
    run(t);
    assert_false(is_asked(t, LINK));
    refresh(t, false);
    run(t);
    assert_true(is_asked(t, LINK));
}

static void
comparison_leaves_the_view_alone(void **state)
{
    struct bench *t = *state;

    refresh(t, true);
    assert_true(view(t, LINK)->fresh);
    run(t);
    assert_true(vdpad_observer_is_settled(t->o));
    script_answer(&t->k, LINK, 9);
    script_answer(&t->k, VDPAD_PCI, 9);
    run(t);
    assert_false(vdpad_observer_has_staged(t->o, NULL));
    vdpad_observer_answer(t->o);
    assert_int_equal(t->n_called, 1);
    assert_true(t->was_compared);
    assert_true(t->seen.known);
    assert_int_equal(t->seen.error, 0);
    assert_int_equal(view(t, LINK)->picture.n, 1);
    assert_true(view(t, LINK)->fresh);
    assert_int_equal(n_asked(t, VDPAD_MODULE), 1);
}

/* It changed meanwhile: compared again, once the cache is fresh. */
static void
comparison_starts_over(void **state)
{
    struct bench *t = *state;

    refresh(t, true);
    run(t);
    vdpad_observer_invalidate(t->o, BIT(LINK));
    script_answer(&t->k, LINK, 2);
    script_answer(&t->k, VDPAD_PCI, 2);
    run(t);
    vdpad_observer_answer(t->o);
    assert_int_equal(t->n_called, 0);

    /* First for the cache ... */
    assert_true(is_asked(t, LINK));
    script_answer(&t->k, LINK, 3);
    run(t);
    assert_false(is_asked(t, LINK));
    vdpad_observer_adopt(t->o);
    assert_true(vdpad_observer_next_ns(t->o) <= t->now_ns);
    run(t);

    /* ... then to compare; and this class changes after its comparison. */
    script_answer(&t->k, LINK, 3);
    vdpad_observer_invalidate(t->o, BIT(VDPAD_PCI));
    vdpad_observer_answer(t->o);
    assert_int_equal(t->n_called, 0);
    run(t);
    script_answer(&t->k, VDPAD_PCI, 4);
    run(t);
    vdpad_observer_adopt(t->o);
    run(t);
    script_answer(&t->k, VDPAD_PCI, 4);
    vdpad_observer_answer(t->o);
    assert_int_equal(t->n_called, 1);
    assert_int_equal(t->seen.error, 0);
}

static void
comparison_under_constant_invalidation(void **state)
{
    struct bench *t = *state;
    int rounds = 0;

    refresh(t, true);
    while (!t->n_called) {
        run(t);
        vdpad_observer_invalidate(t->o, BIT(LINK));
        script_answer_all(&t->k);
        run(t);
        vdpad_observer_adopt(t->o);
        vdpad_observer_answer(t->o);
        assert_true(++rounds < 50);
    }
    assert_int_equal(t->seen.error, -EAGAIN);
    assert_false(t->seen.known);
    assert_non_null(strstr(t->seen.why.text, "changes faster"));
}

static void
on_compared(void *n, const struct vdpad_observed *fresh)
{
    assert_true(fresh->class_[LINK].known);
    ++*(int *) n;
}

/* Nor do those keep it up who look anew all the time; and it keeps them up no
 * longer than it takes. */
static void
comparison_among_refreshes(void **state)
{
    struct bench *t = *state;
    int n_compared[1] = { 0 };
    int rounds = 0;

    vdpad_observer_refresh(t->o, BIT(LINK), true, on_compared, n_compared);
    while (!n_compared[0]) {
        assert_true(++rounds < 10);
        refresh(t, false);
        run(t);
        refresh(t, false);
        script_answer_all(&t->k);
        run(t);
        vdpad_observer_adopt(t->o);
        vdpad_observer_answer(t->o);
    }
    for (int i = 0; i < 3; i++) {
        run(t);
        script_answer_all(&t->k);
        run(t);
        vdpad_observer_adopt(t->o);
        vdpad_observer_answer(t->o);
    }
    assert_int_equal(t->n_called, 2 * rounds);
}

/* A class that cannot be seen is reported, not waited for. */
static void
comparison_of_what_cannot_be_seen(void **state)
{
    struct bench *t = *state;

    vdpad_observer_invalidate(t->o, BIT(LINK));
    run(t);
    script_fail(&t->k, LINK, -ETIMEDOUT);
    run(t);
    refresh(t, true);
    run(t);
    assert_true(is_asked(t, LINK));
    script_fail(&t->k, LINK, -ETIMEDOUT);
    script_answer(&t->k, VDPAD_PCI, 1);
    vdpad_observer_answer(t->o);
    assert_int_equal(t->n_called, 1);
    assert_int_equal(t->seen.error, -ETIMEDOUT);
    assert_string_equal(t->seen.why.text, "script: Connection timed out");
}

static void
comparison_that_is_refused(void **state)
{
    struct bench *t = *state;

    t->k.classes[LINK].refusal = -EMFILE;
    refresh(t, true);
    run(t);
    script_answer(&t->k, VDPAD_PCI, 1);
    vdpad_observer_answer(t->o);
    assert_int_equal(t->n_called, 1);
    assert_int_equal(t->seen.error, -EMFILE);
    assert_true(view(t, LINK)->fresh);
}

static void
several_at_once(void **state)
{
    struct bench *t = *state;

    refresh(t, false);
    refresh(t, true);
    refresh(t, true);
    for (int i = 0; i < 10 && t->n_called < 3; i++) {
        run(t);
        script_answer_all(&t->k);
        run(t);
        vdpad_observer_adopt(t->o);
        vdpad_observer_answer(t->o);
    }
    assert_int_equal(t->n_called, 3);
}

/* Freed while everything is under way. */
static void
freed_in_the_middle(void **state)
{
    struct bench *t = *state;

    refresh(t, true);
    refresh(t, false);
    run(t);
    script_answer(&t->k, LINK, 3);
    vdpad_observer_invalidate(t->o, BIT(LINK));
}

int
main(void)
{
#define TEST(FUNCTION) \
    cmocka_unit_test_setup_teardown(FUNCTION, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(refresh_waits_for_adoption),
        TEST(refresh_during_a_query),
        TEST(refreshes_without_end),
        TEST(refresh_under_constant_invalidation),
        TEST(refresh_asks_at_once),
        TEST(comparison_leaves_the_view_alone),
        TEST(comparison_starts_over),
        TEST(comparison_under_constant_invalidation),
        TEST(comparison_among_refreshes),
        TEST(comparison_of_what_cannot_be_seen),
        TEST(comparison_that_is_refused),
        TEST(several_at_once),
        TEST(freed_in_the_middle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
