/* SPDX-License-Identifier: Apache-2.0 */

/* libopenvswitch inside the loop. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <openvswitch/poll-loop.h>
#include <ovs/seq.h>
#include <ovs/unixctl.h>

#include <vdpad/loop.h>
#include <vdpad/poll-bridge.h>

#include "loop-fixture.h"

static void
only_one_bridge(void **state)
{
    struct vdpad_poll_bridge *second;

    (void) state;
    assert_int_equal(vdpad_poll_bridge_new(&second), -EBUSY);
}

struct server {
    struct unixctl_server *unixctl;
    char directory[32];
    char path[64];
};

static void
server_run(void *server_)
{
    unixctl_server_run(((struct server *) server_)->unixctl);
}

static void
server_wait(void *server_)
{
    unixctl_server_wait(((struct server *) server_)->unixctl);
}

static void
start_server(struct fixture *f, struct server *server)
{
    memset(server, 0, sizeof *server);
    snprintf(server->directory, sizeof server->directory, "%s",
             "/tmp/vdpad-loop-XXXXXX");
    assert_non_null(mkdtemp(server->directory));
    snprintf(server->path, sizeof server->path, "%s/ctl", server->directory);
    assert_int_equal(unixctl_server_create(server->path, &server->unixctl), 0);
    assert_int_equal(
        vdpad_poll_bridge_add(f->bridge, server_run, server_wait, server), 0);
}

static void
stop_server(struct fixture *f, struct server *server)
{
    vdpad_poll_bridge_remove(f->bridge, server);
    unixctl_server_destroy(server->unixctl);
    assert_int_equal(rmdir(server->directory), 0);
}

/* Idle means idle.  Two turns are the least: the first, and the one at the
 * end of the two seconds. */
static void
idle_takes_no_turns(void **state)
{
    struct fixture *f = *state;
    struct server server;

    start_server(f, &server);
    f->wake_after_ns = 2 * SEC;
    f->stop_after = 2;
    fixture_run(f);
    assert_true(vdpad_loop_clock_ns() - f->start_ns >= 2 * SEC);
    stop_server(f, &server);
}

/* A client in a thread of its own, as ovs-appctl is in a process of its own:
 * calls 'list-commands' as often as it is told to, on a new connection each
 * time, and then lets the loop stop. */
struct client {
    const char *path;
    unsigned int calls;
    unsigned int answered;
    int done_fd; /* Closed at the end. */
};

static bool
call_server(const char *path)
{
    static const char request[] =
        "{\"id\":7,\"method\":\"list-commands\",\"params\":[]}";
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char reply[8192] = "";
    size_t n = 0;

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (fd >= 0 && !connect(fd, (struct sockaddr *) &address, sizeof address)
        && write(fd, request, strlen(request)) > 0) {
        while (n < sizeof reply - 1 && !strstr(reply, "\"id\":7")) {
            ssize_t got = read(fd, reply + n, sizeof reply - 1 - n);

            if (got <= 0) {
                break;
            }
            n += (size_t) got;
        }
    }
    close(fd);
    return strstr(reply, "\"id\":7") && strstr(reply, "version");
}

static void *
client_main(void *client_)
{
    struct client *client = client_;

    for (unsigned int i = 0; i < client->calls; i++) {
        client->answered += call_server(client->path);
    }
    close(client->done_fd);
    return NULL;
}

static void
unixctl_commands_are_answered(void **state)
{
    struct fixture *f = *state;
    struct client client = { .calls = 20 };
    struct pipe_user done;
    struct server server;
    pthread_t thread;

    start_server(f, &server);
    pipe_user_open(f, &done);
    client.path = server.path;
    client.done_fd = done.fds[1];
    done.fds[1] = -1;
    assert_int_equal(pthread_create(&thread, NULL, client_main, &client), 0);
    fixture_run(f);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(client.answered, client.calls);
    /* Connection, request and hang-up may be a wake-up each. */
    assert_true(f->turns <= 4 * client.calls + 2);
    /* The origin of a wake-up inside libopenvswitch is known. */
    assert_true(fixture_was_woken_by(f, "lib/"));
    pipe_user_close(&done);
    stop_server(f, &server);
}

struct seq_user {
    struct fixture *fixture;
    struct seq *seq;
    struct seq *answer;
    uint64_t last;
    unsigned int seen;
    unsigned int want;
};

static void
seq_user_run(void *user_)
{
    struct seq_user *user = user_;
    uint64_t value = seq_read(user->seq);

    if (value != user->last) {
        user->last = value;
        if (++user->seen == user->want) {
            vdpad_loop_stop(user->fixture->loop);
        }
        seq_change(user->answer);
    }
}

static void
seq_user_wait(void *user_)
{
    struct seq_user *user = user_;

    seq_wait(user->seq, user->last);
}

/* Changes the sequence number, waits until the loop has seen it, and again.
 * This thread sleeps in poll_block(), so it also proves that the replacement
 * leaves other threads alone. */
static void *
seq_changer(void *user_)
{
    struct seq_user *user = user_;

    for (unsigned int i = 0; i < user->want; i++) {
        uint64_t answer = seq_read(user->answer);

        seq_change(user->seq);
        while (seq_read(user->answer) == answer) {
            seq_wait(user->answer, answer);
            poll_block();
        }
    }
    return NULL;
}

static void
sequence_number_wakes(void **state)
{
    struct fixture *f = *state;
    struct seq_user user = { .fixture = f, .want = 50 };
    pthread_t thread;

    user.seq = seq_create();
    user.answer = seq_create();
    user.last = seq_read(user.seq);
    assert_int_equal(vdpad_poll_bridge_add(f->bridge, seq_user_run,
                                           seq_user_wait, &user),
                     0);
    assert_int_equal(pthread_create(&thread, NULL, seq_changer, &user), 0);
    fixture_run(f);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(user.seen, 50);
    /* Each change costs one turn, and perhaps one more for its latch. */
    assert_true(f->turns <= 2 * user.want + 2);
    vdpad_poll_bridge_remove(f->bridge, &user);
    seq_destroy(user.seq);
    seq_destroy(user.answer);
}

static void
wake_in_run(void *f_)
{
    struct fixture *f = f_;

    if (f->turns < 5) {
        poll_immediate_wake();
    }
}

static void
wake_asked_for_in_run_is_kept(void **state)
{
    struct fixture *f = *state;

    f->stop_after = 6;
    assert_int_equal(vdpad_poll_bridge_add(f->bridge, wake_in_run, NULL, f),
                     0);
    fixture_run(f);
    vdpad_poll_bridge_remove(f->bridge, f);
}

static void
timer_wait(void *f_)
{
    (void) f_;
    poll_timer_wait(20);
}

static void
timer_of_a_member_wakes(void **state)
{
    struct fixture *f = *state;

    f->stop_after = 3;
    assert_int_equal(vdpad_poll_bridge_add(f->bridge, NULL, timer_wait, f), 0);
    fixture_run(f);
    /* Twice 20 ms, each counted from the millisecond that has begun. */
    assert_true(vdpad_loop_clock_ns() - f->start_ns >= 38 * MSEC);
    assert_true(fixture_was_woken_by(f, "test-poll-bridge.c"));
    vdpad_poll_bridge_remove(f->bridge, f);
}

/* A member that sleeps by itself. */
static void
block_in_run(void *n_)
{
    int *n = n_;
    int64_t start = vdpad_loop_clock_ns();

    poll_timer_wait(20);
    poll_block();
    assert_true(vdpad_loop_clock_ns() - start >= 19 * MSEC);
    (*n)++;
}

static void
blocking_inside_a_turn_works(void **state)
{
    struct fixture *f = *state;
    int n = 0;

    f->stop_after = 2;
    f->wake_after_ns = 60 * MSEC;
    assert_int_equal(vdpad_poll_bridge_add(f->bridge, block_in_run, NULL, &n),
                     0);
    fixture_run(f);
    assert_int_equal(n, 2);
    vdpad_poll_bridge_remove(f->bridge, &n);
}

/* A member whose socket pair is closed and opened anew in every turn, so that
 * the same numbers mean other files each time. */
struct reopener {
    struct fixture *fixture;
    int fds[2];
    unsigned int rounds;
};

static void
reopener_run(void *r_)
{
    struct reopener *r = r_;
    char byte;

    if (r->fds[0] >= 0) {
        if (read(r->fds[0], &byte, 1) != 1) {
            return;
        }
        close(r->fds[0]);
        close(r->fds[1]);
    }
    assert_int_equal(
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, r->fds), 0);
    if (++r->rounds == 100) {
        vdpad_loop_stop(r->fixture->loop);
    }
    assert_int_equal(write(r->fds[1], "x", 1), 1);
}

static void
reopener_wait(void *r_)
{
    struct reopener *r = r_;

    poll_fd_wait(r->fds[0], POLLIN);
}

static void
reused_descriptor_number_wakes(void **state)
{
    struct fixture *f = *state;
    struct reopener r = { .fixture = f, .fds = { -1, -1 } };

    assert_int_equal(
        vdpad_poll_bridge_add(f->bridge, reopener_run, reopener_wait, &r), 0);
    fixture_run(f);
    assert_int_equal(r.rounds, 100);
    assert_true(f->turns <= 101);
    vdpad_poll_bridge_remove(f->bridge, &r);
    close(r.fds[0]);
    close(r.fds[1]);
}

static void
too_many_members_are_refused(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 8; i++) {
        assert_int_equal(vdpad_poll_bridge_add(f->bridge, NULL, NULL, f), 0);
    }
    assert_int_equal(vdpad_poll_bridge_add(f->bridge, NULL, NULL, f), -ENOSPC);
    vdpad_poll_bridge_remove(f->bridge, f);
    assert_int_equal(vdpad_poll_bridge_add(f->bridge, NULL, NULL, f), 0);
}

#define CASE(NAME)                                               \
    cmocka_unit_test_setup_teardown(NAME, fixture_set_up_bridge, \
                                    fixture_tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(only_one_bridge),
        CASE(idle_takes_no_turns),
        CASE(unixctl_commands_are_answered),
        CASE(sequence_number_wakes),
        CASE(wake_asked_for_in_run_is_kept),
        CASE(timer_of_a_member_wakes),
        CASE(blocking_inside_a_turn_works),
        CASE(reused_descriptor_number_wakes),
        CASE(too_many_members_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
