/* SPDX-License-Identifier: Apache-2.0 */

/* A loop that ends, for tests: with cmocka's assertions inside. */

#ifndef TEST_LOOP_FIXTURE_H
#define TEST_LOOP_FIXTURE_H

#include <stdbool.h>
#include <stdint.h>

#include <vdpad/loop.h>
#include <vdpad/poll-bridge.h>

#define MSEC INT64_C(1000000)
#define SEC (1000 * MSEC)

struct fixture {
    struct vdpad_loop *loop;
    struct vdpad_poll_bridge *bridge; /* NULL: not asked for. */
    int64_t start_ns;
    unsigned int turns;
    unsigned int stop_after; /* Turns; 0: somebody else stops. */
    int64_t wake_after_ns;   /* Asked for in each turn; 0: not. */
    bool timed_out;
};

/* cmocka's set-up functions, without and with libopenvswitch in the loop, and
 * their tear-down; '*state' is a struct fixture. */
int fixture_set_up(void **state);
int fixture_set_up_bridge(void **state);
int fixture_tear_down(void **state);

/* Runs the loop until something stops it; fails after a minute, which means
 * that a wake-up was lost. */
void fixture_run(struct fixture *f);

/* Returns whether a reason for waking contains 'part'. */
bool fixture_was_woken_by(const struct fixture *f, const char *part);

/* A pipe whose reading end is watched; its callback stops the loop. */
struct pipe_user {
    int fds[2];
    struct vdpad_loop_fd *handle;
    struct pipe_user *victim; /* Its handle is deleted by the callback. */
    unsigned int calls;
    unsigned int events; /* All that were reported. */
};

void pipe_user_open(struct fixture *f, struct pipe_user *user);

/* Deletes the handle and closes what is still open: a descriptor of -1 is
 * not. */
void pipe_user_close(struct pipe_user *user);

/* The callback, for other descriptors of 'user_'. */
void pipe_user_on_event(struct vdpad_loop *loop, int fd, unsigned int events,
                        void *user_);

#endif /* TEST_LOOP_FIXTURE_H */
