/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the kernel adapter share.  It runs with real helper
 * processes, which are the test program run anew. */
#ifndef TEST_WORKER_H
#define TEST_WORKER_H 1

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <vdpad/loop.h>
#include <vdpad/netlink-kernel.h>

#define SECOND_NS INT64_C(1000000000)

/* Beyond this a test has failed. */
#define LIMIT_NS (60 * SECOND_NS)

/* Deadline of requests where a test runs into it. */
#define SHORT_NS (3 * SECOND_NS)

#define ALL_CLASSES ((1u << VDPAD_N_CLASSES) - 1)

struct fixture {
    struct vdpad_loop *loop;
    struct vdpad_kernel *kernel;
    bool (*is_done)(const struct fixture *);
    int64_t end_ns;
    bool is_late;

    size_t n_observed, n_wanted;
    int observed_error[VDPAD_N_CLASSES];
    struct vdpad_picture pictures[VDPAD_N_CLASSES];
    size_t n_done, n_done_wanted;
    int done_error[32];
    char why[VDPAD_ERROR_TEXT];
    unsigned int changed, lost, changed_wanted;
    bool observe_again;
};

static inline void
on_observed(void *fixture_, enum vdpad_class class_, int error,
            struct vdpad_picture *picture, const struct vdpad_error *why)
{
    struct fixture *f = fixture_;

    f->n_observed++;
    f->observed_error[class_] = error;
    vdpad_picture_clear(&f->pictures[class_]);
    if (error) {
        assert_null(picture);
        assert_true(why->text[0]);
        (void) snprintf(f->why, sizeof f->why, "%s", why->text);
    } else {
        /* Ours to keep. */
        f->pictures[class_] = *picture;
        picture->rows = NULL;
        picture->n = 0;
    }
    if (f->observe_again) {
        f->observe_again = false;
        assert_int_equal(
            f->kernel->ops->observe(f->kernel, class_, on_observed, f), 0);
    }
}

static inline void
on_done(void *fixture_, const struct vdpad_act *act, int error,
        const struct vdpad_error *why)
{
    struct fixture *f = fixture_;

    assert_true(f->n_done < 32);
    /* Steps of a batch end in order. */
    f->done_error[f->n_done++] = error;
    if (error) {
        assert_true(why->text[0]);
        (void) snprintf(f->why, sizeof f->why, "%s", why->text);
    }
    (void) act;
}

static inline void
on_invalidated(void *fixture_, unsigned int mask, bool lost)
{
    struct fixture *f = fixture_;

    if (lost) {
        f->lost |= mask;
    } else {
        f->changed |= mask;
    }
}

static inline void
on_turn(struct vdpad_loop *loop, void *fixture_)
{
    struct fixture *f = fixture_;

    f->kernel->ops->run(f->kernel);
    f->is_late = vdpad_loop_clock_ns() >= f->end_ns;
    if (f->is_done(f) || f->is_late) {
        vdpad_loop_stop(loop);
        return;
    }
    vdpad_loop_wake_at(loop, f->end_ns);
    f->kernel->ops->wait(f->kernel);
}

/* Takes turns until 'is_done' or, which fails the test, the limit. */
static inline void
run_until(struct fixture *f, bool (*is_done)(const struct fixture *))
{
    f->is_done = is_done;
    f->end_ns = vdpad_loop_clock_ns() + LIMIT_NS;
    vdpad_loop_run(f->loop);
    assert_false(f->is_late);
}

static inline bool
all_observed(const struct fixture *f)
{
    return f->n_observed >= f->n_wanted;
}

static inline bool
all_done(const struct fixture *f)
{
    return f->n_done >= f->n_done_wanted;
}

static inline bool
is_invalidated(const struct fixture *f)
{
    return (f->changed & f->changed_wanted) == f->changed_wanted;
}

static inline void
open_kernel_at(struct fixture *f, int64_t deadline_ns, const char *lock_path)
{
    const struct vdpad_netlink_options options = {
        .read_deadline_ns = deadline_ns,
        .step_deadline_ns = deadline_ns,
        .slow_deadline_ns = deadline_ns,
        .lock_path = lock_path,
    };
    struct vdpad_error why;

    memset(f, 0, sizeof *f);
    assert_int_equal(vdpad_loop_new(&f->loop), 0);
    assert_int_equal(
        vdpad_netlink_kernel_new(f->loop, &options, &f->kernel, &why), 0);
    f->kernel->ops->subscribe(f->kernel, on_invalidated, f);
    vdpad_loop_set_turn(f->loop, on_turn, f);
}

static inline void
open_kernel(struct fixture *f, int64_t deadline_ns)
{
    open_kernel_at(f, deadline_ns, NULL);
}

static inline void
close_kernel(struct fixture *f)
{
    f->kernel->ops->destroy(f->kernel);
    for (int i = 0; i < VDPAD_N_CLASSES; i++) {
        vdpad_picture_clear(&f->pictures[i]);
    }
    vdpad_loop_free(f->loop);
}

static inline void
observe(struct fixture *f, enum vdpad_class class_)
{
    f->n_wanted = f->n_observed + 1;
    assert_int_equal(
        f->kernel->ops->observe(f->kernel, class_, on_observed, f), 0);
    run_until(f, all_observed);
}

static inline void
submit(struct fixture *f, const struct vdpad_act *acts, size_t n)
{
    f->n_done_wanted += n;
    assert_int_equal(f->kernel->ops->submit(f->kernel, acts, n, on_done, f),
                     0);
}

/* A step that is refused at once: the name of a netdev that has another. */
static inline struct vdpad_act
stale_act(void)
{
    struct vdpad_act act;

    memset(&act, 0, sizeof act);
    act.kind = VDPAD_ACT_LINK_UP;
    act.ifindex = 1;
    (void) snprintf(act.object, sizeof act.object, "notlo");
    return act;
}

#endif
