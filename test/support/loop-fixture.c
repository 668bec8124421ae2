/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "loop-fixture.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* No test takes as long as this; one that does has lost a wake-up. */
#define LIMIT_NS (60 * SEC)

static void
on_turn(struct vdpad_loop *loop, void *f_)
{
    struct fixture *f = f_;
    int64_t now = vdpad_loop_clock_ns();

    f->turns++;
    if (f->stop_after && f->turns >= f->stop_after) {
        vdpad_loop_stop(loop);
    }
    if (now - f->start_ns > LIMIT_NS) {
        f->timed_out = true;
        vdpad_loop_stop(loop);
    }
    vdpad_loop_wake_at(loop, f->start_ns + LIMIT_NS + MSEC);
    if (f->wake_after_ns) {
        vdpad_loop_wake_at(loop, f->start_ns + f->wake_after_ns);
    }
}

void
fixture_run(struct fixture *f)
{
    f->start_ns = vdpad_loop_clock_ns();
    f->turns = 0;
    f->timed_out = false;
    vdpad_loop_run(f->loop);
    assert_false(f->timed_out);
}

int
fixture_set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    assert_int_equal(vdpad_loop_new(&f->loop), 0);
    vdpad_loop_set_turn(f->loop, on_turn, f);
    *state = f;
    return 0;
}

int
fixture_set_up_bridge(void **state)
{
    struct fixture *f;

    fixture_set_up(state);
    f = *state;
    assert_int_equal(vdpad_poll_bridge_new(&f->bridge), 0);
    vdpad_loop_set_source(f->loop, vdpad_poll_bridge_source(f->bridge));
    return 0;
}

int
fixture_tear_down(void **state)
{
    struct fixture *f = *state;

    vdpad_loop_free(f->loop);
    vdpad_poll_bridge_free(f->bridge);
    free(f);
    return 0;
}

bool
fixture_was_woken_by(const struct fixture *f, const char *part)
{
    struct vdpad_loop_wake wakes[65];
    size_t n = vdpad_loop_get_wakes(f->loop, wakes, 65);

    for (size_t i = 0; i < n; i++) {
        if (strstr(wakes[i].where, part)) {
            return wakes[i].count > 0;
        }
    }
    return false;
}

void
pipe_user_on_event(struct vdpad_loop *loop, int fd, unsigned int events,
                   void *user_)
{
    struct pipe_user *user = user_;
    char buffer[64];

    user->calls++;
    user->events |= events;
    if (events & VDPAD_LOOP_READ) {
        assert_true(read(fd, buffer, sizeof buffer) >= 0);
    }
    if (user->victim) {
        vdpad_loop_del_fd(user->victim->handle);
        user->victim->handle = NULL;
    }
    vdpad_loop_stop(loop);
}

void
pipe_user_open(struct fixture *f, struct pipe_user *user)
{
    memset(user, 0, sizeof *user);
    assert_int_equal(pipe2(user->fds, O_CLOEXEC | O_NONBLOCK), 0);
    user->handle = vdpad_loop_add_fd(f->loop, user->fds[0], VDPAD_LOOP_READ,
                                     pipe_user_on_event, user);
}

void
pipe_user_close(struct pipe_user *user)
{
    vdpad_loop_del_fd(user->handle);
    close(user->fds[0]);
    if (user->fds[1] >= 0) {
        close(user->fds[1]);
    }
}
