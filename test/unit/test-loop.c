/* SPDX-License-Identifier: Apache-2.0 */

/* The loop without libopenvswitch. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include <vdpad/loop.h>

#include "loop-fixture.h"

static void
deadline_begins_a_turn(void **state)
{
    struct fixture *f = *state;

    f->stop_after = 2;
    f->wake_after_ns = 30 * MSEC;
    fixture_run(f);
    assert_true(vdpad_loop_clock_ns() - f->start_ns >= 30 * MSEC);
    assert_true(fixture_was_woken_by(f, "loop-fixture.c:"));
}

static void
past_deadline_does_not_wait(void **state)
{
    struct fixture *f = *state;
    struct vdpad_loop_stats stats;

    f->stop_after = 1000;
    f->wake_after_ns = -SEC;
    fixture_run(f);
    vdpad_loop_get_stats(f->loop, &stats);
    assert_int_equal(stats.turns, 1000);
    assert_true(stats.longest_turn_ns >= stats.last_turn_ns);
    assert_in_range(stats.longest_cpu_ns, 1, stats.longest_turn_ns);
}

static void
wake_now_turn(struct vdpad_loop *loop, void *n_)
{
    int *n = n_;

    if (++*n == 10) {
        vdpad_loop_stop(loop);
    } else {
        vdpad_loop_wake_now(loop);
    }
}

static void
wake_now_is_followed_by_a_turn(void **state)
{
    struct fixture *f = *state;
    int n = 0;

    vdpad_loop_set_turn(f->loop, wake_now_turn, &n);
    vdpad_loop_run(f->loop);
    assert_int_equal(n, 10);
}

static void
slow_turn(struct vdpad_loop *loop, void *n_)
{
    int *n = n_;

    if (!(*n)++) {
        int64_t until = vdpad_loop_clock_ns() + VDPAD_LOOP_SLOW_NS + MSEC;

        while (vdpad_loop_clock_ns() < until) {
            /* Busy on purpose. */
        }
        vdpad_loop_wake_now(loop);
    } else {
        vdpad_loop_stop(loop);
    }
}

static void
slow_turn_is_counted(void **state)
{
    struct fixture *f = *state;
    struct vdpad_loop_stats stats;
    int n = 0;

    vdpad_loop_set_turn(f->loop, slow_turn, &n);
    vdpad_loop_run(f->loop);
    vdpad_loop_get_stats(f->loop, &stats);
    assert_true(stats.slow_turns >= 1);
    assert_true(stats.longest_turn_ns >= VDPAD_LOOP_SLOW_NS);
    vdpad_loop_forget_longest(f->loop);
    vdpad_loop_get_stats(f->loop, &stats);
    assert_true(stats.slow_turns >= 1);
    assert_int_equal(stats.longest_turn_ns, 0);
    assert_int_equal(stats.longest_cpu_ns, 0);
}

static void
descriptor_wakes(void **state)
{
    struct fixture *f = *state;
    struct vdpad_loop_stats stats;
    struct pipe_user user;

    pipe_user_open(f, &user);
    vdpad_loop_get_stats(f->loop, &stats);
    assert_int_equal(stats.n_fds, 1);
    assert_int_equal(write(user.fds[1], "x", 1), 1);
    fixture_run(f);
    assert_int_equal(user.calls, 1);
    assert_int_equal(user.events, VDPAD_LOOP_READ);

    /* The far end's closing is reported as readable. */
    close(user.fds[1]);
    user.fds[1] = -1;
    fixture_run(f);
    assert_int_equal(user.calls, 2);

    pipe_user_close(&user);
    vdpad_loop_get_stats(f->loop, &stats);
    assert_int_equal(stats.n_fds, 0);
}

static void
modified_descriptor_waits_for_what_it_says(void **state)
{
    struct fixture *f = *state;
    struct pipe_user user;

    pipe_user_open(f, &user);
    assert_int_equal(write(user.fds[1], "x", 1), 1);
    vdpad_loop_mod_fd(user.handle, 0);
    f->stop_after = 2;
    f->wake_after_ns = 20 * MSEC;
    fixture_run(f);
    assert_int_equal(user.calls, 0);

    vdpad_loop_mod_fd(user.handle, VDPAD_LOOP_READ);
    f->stop_after = 0;
    f->wake_after_ns = 0;
    fixture_run(f);
    assert_int_equal(user.calls, 1);
    pipe_user_close(&user);
}

static void
writable_descriptor_wakes(void **state)
{
    struct fixture *f = *state;
    struct pipe_user user;
    struct vdpad_loop_fd *writer;

    pipe_user_open(f, &user);
    writer = vdpad_loop_add_fd(f->loop, user.fds[1], VDPAD_LOOP_WRITE,
                               pipe_user_on_event, &user);
    fixture_run(f);
    assert_int_equal(user.events, VDPAD_LOOP_WRITE);
    vdpad_loop_del_fd(writer);
    pipe_user_close(&user);
}

/* Both are ready; whichever comes first deletes the other, which then must
 * not be called any more. */
static void
deleted_descriptor_is_not_called(void **state)
{
    struct fixture *f = *state;
    struct pipe_user a;
    struct pipe_user b;

    pipe_user_open(f, &a);
    pipe_user_open(f, &b);
    a.victim = &b;
    b.victim = &a;
    assert_int_equal(write(a.fds[1], "x", 1), 1);
    assert_int_equal(write(b.fds[1], "x", 1), 1);
    fixture_run(f);
    assert_int_equal(a.calls + b.calls, 1);
    pipe_user_close(&a);
    pipe_user_close(&b);
}

/* A callback that deletes its own handle. */
static void
handle_can_delete_itself(void **state)
{
    struct fixture *f = *state;
    struct pipe_user user;

    pipe_user_open(f, &user);
    user.victim = &user;
    assert_int_equal(write(user.fds[1], "x", 1), 1);
    fixture_run(f);
    assert_int_equal(user.calls, 1);
    assert_null(user.handle);
    pipe_user_close(&user);
}

static void
on_signal(struct vdpad_loop *loop, int signo, void *seen_)
{
    int *seen = seen_;

    *seen = signo;
    vdpad_loop_stop(loop);
}

static void
signals_call_back(void **state)
{
    static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
    struct fixture *f = *state;
    struct sigaction action;
    int seen;

    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        assert_int_equal(
            vdpad_loop_on_signal(f->loop, signals[i], on_signal, &seen), 0);
    }
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        seen = 0;
        assert_int_equal(raise(signals[i]), 0);
        fixture_run(f);
        assert_int_equal(seen, signals[i]);
    }
    assert_true(fixture_was_woken_by(f, "signal"));

    assert_int_equal(vdpad_loop_on_signal(f->loop, SIGHUP, NULL, NULL), 0);
    assert_int_equal(sigaction(SIGHUP, NULL, &action), 0);
    assert_true(action.sa_handler == SIG_DFL);
}

static void
bad_signals_are_refused(void **state)
{
    static const int signals[] = { SIGHUP,  SIGINT,  SIGTERM,  SIGUSR1,
                                   SIGUSR2, SIGCHLD, SIGWINCH, SIGALRM };
    struct fixture *f = *state;
    int seen;

    assert_int_equal(vdpad_loop_on_signal(f->loop, 0, on_signal, &seen),
                     -EINVAL);
    assert_int_equal(vdpad_loop_on_signal(f->loop, NSIG, on_signal, &seen),
                     -EINVAL);
    assert_int_equal(vdpad_loop_on_signal(f->loop, SIGKILL, on_signal, &seen),
                     -EINVAL);
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        assert_int_equal(
            vdpad_loop_on_signal(f->loop, signals[i], on_signal, &seen), 0);
    }
    assert_int_equal(vdpad_loop_on_signal(f->loop, SIGURG, on_signal, &seen),
                     -ENOSPC);
    assert_int_equal(vdpad_loop_on_signal(f->loop, SIGURG, NULL, NULL), 0);
}

#define CASE(NAME) \
    cmocka_unit_test_setup_teardown(NAME, fixture_set_up, fixture_tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(deadline_begins_a_turn),
        CASE(past_deadline_does_not_wait),
        CASE(wake_now_is_followed_by_a_turn),
        CASE(slow_turn_is_counted),
        CASE(descriptor_wakes),
        CASE(modified_descriptor_waits_for_what_it_says),
        CASE(writable_descriptor_wakes),
        CASE(deleted_descriptor_is_not_called),
        CASE(handle_can_delete_itself),
        CASE(signals_call_back),
        CASE(bad_signals_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
