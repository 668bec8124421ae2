/* SPDX-License-Identifier: Apache-2.0 */

/* The loop alone, and the loop with libopenvswitch inside. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
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

#define MSEC INT64_C(1000000)
#define SEC  (1000 * MSEC)

/* No test takes as long as this; one that does has lost a wake-up. */
#define LIMIT_NS (60 * SEC)

struct fixture {
    struct vdpad_loop *loop;
    struct vdpad_poll_bridge *bridge;
    int64_t start_ns;
    unsigned int turns;
    unsigned int stop_after;    /* Turns; 0: somebody else stops. */
    int64_t wake_after_ns;      /* Asked for in each turn; 0: not. */
    bool timed_out;
};

static void
on_turn(struct vdpad_loop *loop, void *f_)
{
    struct fixture *f = (struct fixture *) f_;
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

static void
run(struct fixture *f)
{
    f->start_ns = vdpad_loop_clock_ns();
    f->turns = 0;
    f->timed_out = false;
    vdpad_loop_run(f->loop);
    assert_false(f->timed_out);
}

static int
set_up(void **state)
{
    struct fixture *f = (struct fixture *) calloc(1, sizeof *f);

    assert_non_null(f);
    assert_int_equal(vdpad_loop_new(&f->loop), 0);
    vdpad_loop_set_turn(f->loop, on_turn, f);
    *state = f;
    return 0;
}

static int
set_up_bridge(void **state)
{
    struct fixture *f;

    set_up(state);
    f = (struct fixture *) *state;
    assert_int_equal(vdpad_poll_bridge_new(&f->bridge), 0);
    vdpad_loop_set_source(f->loop, vdpad_poll_bridge_source(f->bridge));
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = (struct fixture *) *state;

    vdpad_loop_free(f->loop);
    vdpad_poll_bridge_free(f->bridge);
    free(f);
    return 0;
}

static bool
was_woken_by(const struct fixture *f, const char *part)
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

/* The loop alone. */

static void
deadline_begins_a_turn(void **state)
{
    struct fixture *f = (struct fixture *) *state;

    f->stop_after = 2;
    f->wake_after_ns = 30 * MSEC;
    run(f);
    assert_true(vdpad_loop_clock_ns() - f->start_ns >= 30 * MSEC);
    assert_true(was_woken_by(f, "test-loop.c:"));
}

static void
past_deadline_does_not_wait(void **state)
{
    struct fixture *f = (struct fixture *) *state;
    struct vdpad_loop_stats stats;

    f->stop_after = 1000;
    f->wake_after_ns = -SEC;
    run(f);
    vdpad_loop_get_stats(f->loop, &stats);
    assert_int_equal(stats.turns, 1000);
    assert_true(stats.longest_turn_ns >= stats.last_turn_ns);
}

static void
wake_now_turn(struct vdpad_loop *loop, void *n_)
{
    int *n = (int *) n_;

    if (++*n == 10) {
        vdpad_loop_stop(loop);
    } else {
        vdpad_loop_wake_now(loop);
    }
}

static void
wake_now_is_followed_by_a_turn(void **state)
{
    struct fixture *f = (struct fixture *) *state;
    int n = 0;

    vdpad_loop_set_turn(f->loop, wake_now_turn, &n);
    vdpad_loop_run(f->loop);
    assert_int_equal(n, 10);
}

static void
slow_turn(struct vdpad_loop *loop, void *n_)
{
    int *n = (int *) n_;

    if (!(*n)++) {
        int64_t until = vdpad_loop_clock_ns() + VDPAD_LOOP_SLOW_NS + MSEC;

        while (vdpad_loop_clock_ns() < until) {
            continue;
        }
        vdpad_loop_wake_now(loop);
    } else {
        vdpad_loop_stop(loop);
    }
}

static void
slow_turn_is_counted(void **state)
{
    struct fixture *f = (struct fixture *) *state;
    struct vdpad_loop_stats stats;
    int n = 0;

    vdpad_loop_set_turn(f->loop, slow_turn, &n);
    vdpad_loop_run(f->loop);
    vdpad_loop_get_stats(f->loop, &stats);
    assert_true(stats.slow_turns >= 1);
    assert_true(stats.longest_turn_ns >= VDPAD_LOOP_SLOW_NS);
}

struct pipe_user {
    int fds[2];
    struct vdpad_loop_fd *handle;
    struct pipe_user *victim;       /* Deleted by the callback. */
    unsigned int calls;
    unsigned int events;
};

static void
on_pipe(struct vdpad_loop *loop, int fd, unsigned int events, void *user_)
{
    struct pipe_user *user = (struct pipe_user *) user_;
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

static void
open_pipe(struct fixture *f, struct pipe_user *user)
{
    memset(user, 0, sizeof *user);
    assert_int_equal(pipe2(user->fds, O_CLOEXEC | O_NONBLOCK), 0);
    user->handle = vdpad_loop_add_fd(f->loop, user->fds[0], VDPAD_LOOP_READ,
                                     on_pipe, user);
}

static void
close_pipe(struct pipe_user *user)
{
    vdpad_loop_del_fd(user->handle);
    close(user->fds[0]);
    if (user->fds[1] >= 0) {
        close(user->fds[1]);
    }
}

static void
descriptor_wakes(void **state)
{
    struct fixture *f = (struct fixture *) *state;
    struct vdpad_loop_stats stats;
    struct pipe_user user;

    open_pipe(f, &user);
    vdpad_loop_get_stats(f->loop, &stats);
    assert_int_equal(stats.n_fds, 1);
    assert_int_equal(write(user.fds[1], "x", 1), 1);
    run(f);
    assert_int_equal(user.calls, 1);
    assert_int_equal(user.events, VDPAD_LOOP_READ);

    /* The far end's closing is reported as readable. */
    close(user.fds[1]);
    user.fds[1] = -1;
    run(f);
    assert_int_equal(user.calls, 2);

    close_pipe(&user);
    vdpad_loop_get_stats(f->loop, &stats);
    assert_int_equal(stats.n_fds, 0);
}

static void
modified_descriptor_waits_for_what_it_says(void **state)
{
    struct fixture *f = (struct fixture *) *state;
    struct pipe_user user;

    open_pipe(f, &user);
    assert_int_equal(write(user.fds[1], "x", 1), 1);
    vdpad_loop_mod_fd(user.handle, 0);
    f->stop_after = 2;
    f->wake_after_ns = 20 * MSEC;
    run(f);
    assert_int_equal(user.calls, 0);

    vdpad_loop_mod_fd(user.handle, VDPAD_LOOP_READ);
    f->stop_after = 0;
    f->wake_after_ns = 0;
    run(f);
    assert_int_equal(user.calls, 1);
    close_pipe(&user);
}

static void
writable_descriptor_wakes(void **state)
{
    struct fixture *f = (struct fixture *) *state;
    struct pipe_user user;
    struct vdpad_loop_fd *writer;

    open_pipe(f, &user);
    writer = vdpad_loop_add_fd(f->loop, user.fds[1], VDPAD_LOOP_WRITE,
                               on_pipe, &user);
    run(f);
    assert_int_equal(user.events, VDPAD_LOOP_WRITE);
    vdpad_loop_del_fd(writer);
    close_pipe(&user);
}

/* Both are ready; whichever comes first deletes the other, which then must
 * not be called any more. */
static void
deleted_descriptor_is_not_called(void **state)
{
    struct fixture *f = (struct fixture *) *state;
    struct pipe_user a;
    struct pipe_user b;

    open_pipe(f, &a);
    open_pipe(f, &b);
    a.victim = &b;
    b.victim = &a;
    assert_int_equal(write(a.fds[1], "x", 1), 1);
    assert_int_equal(write(b.fds[1], "x", 1), 1);
    run(f);
    assert_int_equal(a.calls + b.calls, 1);
    close_pipe(&a);
    close_pipe(&b);
}

/* A callback that deletes its own handle. */
static void
handle_can_delete_itself(void **state)
{
    struct fixture *f = (struct fixture *) *state;
    struct pipe_user user;

    open_pipe(f, &user);
    user.victim = &user;
    assert_int_equal(write(user.fds[1], "x", 1), 1);
    run(f);
    assert_int_equal(user.calls, 1);
    assert_null(user.handle);
    close_pipe(&user);
}

static void
on_signal(struct vdpad_loop *loop, int signo, void *seen_)
{
    int *seen = (int *) seen_;

    *seen = signo;
    vdpad_loop_stop(loop);
}

static void
signals_call_back(void **state)
{
    static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
    struct fixture *f = (struct fixture *) *state;
    struct sigaction action;
    int seen;

    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        assert_int_equal(
            vdpad_loop_on_signal(f->loop, signals[i], on_signal, &seen), 0);
    }
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        seen = 0;
        assert_int_equal(raise(signals[i]), 0);
        run(f);
        assert_int_equal(seen, signals[i]);
    }
    assert_true(was_woken_by(f, "signal"));

    assert_int_equal(vdpad_loop_on_signal(f->loop, SIGHUP, NULL, NULL), 0);
    assert_int_equal(sigaction(SIGHUP, NULL, &action), 0);
    assert_true(action.sa_handler == SIG_DFL);
}

static void
bad_signals_are_refused(void **state)
{
    static const int signals[] = { SIGHUP,  SIGINT,  SIGTERM,   SIGUSR1,
                                   SIGUSR2, SIGCHLD, SIGWINCH, SIGALRM };
    struct fixture *f = (struct fixture *) *state;
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

/* The loop with libopenvswitch inside. */

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
    strcpy(server->directory, "/tmp/vdpad-loop-XXXXXX");
    assert_non_null(mkdtemp(server->directory));
    snprintf(server->path, sizeof server->path, "%s/ctl", server->directory);
    assert_int_equal(unixctl_server_create(server->path, &server->unixctl),
                     0);
    assert_int_equal(vdpad_poll_bridge_add(f->bridge, server_run, server_wait,
                                           server), 0);
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
    struct fixture *f = (struct fixture *) *state;
    struct server server;

    start_server(f, &server);
    f->wake_after_ns = 2 * SEC;
    f->stop_after = 2;
    run(f);
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
    int done_fd;                /* Closed at the end. */
};

static bool
call_server(const char *path)
{
    static const char request[]
        = "{\"id\":7,\"method\":\"list-commands\",\"params\":[]}";
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char reply[8192] = "";
    size_t n = 0;

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (fd >= 0
        && !connect(fd, (struct sockaddr *) &address, sizeof address)
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
    struct client *client = (struct client *) client_;

    for (unsigned int i = 0; i < client->calls; i++) {
        client->answered += call_server(client->path);
    }
    close(client->done_fd);
    return NULL;
}

static void
unixctl_commands_are_answered(void **state)
{
    struct fixture *f = (struct fixture *) *state;
    struct client client = { .calls = 20 };
    struct pipe_user done;
    struct server server;
    pthread_t thread;

    start_server(f, &server);
    open_pipe(f, &done);
    client.path = server.path;
    client.done_fd = done.fds[1];
    done.fds[1] = -1;
    assert_int_equal(pthread_create(&thread, NULL, client_main, &client), 0);
    run(f);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(client.answered, client.calls);
    /* Connection, request and hang-up may be a wake-up each. */
    assert_true(f->turns <= 4 * client.calls + 2);
    /* The origin of a wake-up inside libopenvswitch is known. */
    assert_true(was_woken_by(f, "lib/"));
    close_pipe(&done);
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
    struct seq_user *user = (struct seq_user *) user_;
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
    struct seq_user *user = (struct seq_user *) user_;

    seq_wait(user->seq, user->last);
}

/* Changes the sequence number, waits until the loop has seen it, and again.
 * This thread sleeps in poll_block(), so it also proves that the replacement
 * leaves other threads alone. */
static void *
seq_changer(void *user_)
{
    struct seq_user *user = (struct seq_user *) user_;

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
    struct fixture *f = (struct fixture *) *state;
    struct seq_user user = { .fixture = f, .want = 50 };
    pthread_t thread;

    user.seq = seq_create();
    user.answer = seq_create();
    user.last = seq_read(user.seq);
    assert_int_equal(vdpad_poll_bridge_add(f->bridge, seq_user_run,
                                           seq_user_wait, &user), 0);
    assert_int_equal(pthread_create(&thread, NULL, seq_changer, &user), 0);
    run(f);
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
    struct fixture *f = (struct fixture *) f_;

    if (f->turns < 5) {
        poll_immediate_wake();
    }
}

static void
wake_asked_for_in_run_is_kept(void **state)
{
    struct fixture *f = (struct fixture *) *state;

    f->stop_after = 6;
    assert_int_equal(vdpad_poll_bridge_add(f->bridge, wake_in_run, NULL, f),
                     0);
    run(f);
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
    struct fixture *f = (struct fixture *) *state;

    f->stop_after = 3;
    assert_int_equal(vdpad_poll_bridge_add(f->bridge, NULL, timer_wait, f),
                     0);
    run(f);
    assert_true(vdpad_loop_clock_ns() - f->start_ns >= 40 * MSEC);
    assert_true(was_woken_by(f, "test-loop.c"));
    vdpad_poll_bridge_remove(f->bridge, f);
}

/* A member that sleeps by itself. */
static void
block_in_run(void *n_)
{
    int *n = (int *) n_;
    int64_t start = vdpad_loop_clock_ns();

    poll_timer_wait(20);
    poll_block();
    assert_true(vdpad_loop_clock_ns() - start >= 19 * MSEC);
    (*n)++;
}

static void
blocking_inside_a_turn_works(void **state)
{
    struct fixture *f = (struct fixture *) *state;
    int n = 0;

    f->stop_after = 2;
    f->wake_after_ns = 60 * MSEC;
    assert_int_equal(vdpad_poll_bridge_add(f->bridge, block_in_run, NULL, &n),
                     0);
    run(f);
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
    struct reopener *r = (struct reopener *) r_;
    char byte;

    if (r->fds[0] >= 0) {
        if (read(r->fds[0], &byte, 1) != 1) {
            return;
        }
        close(r->fds[0]);
        close(r->fds[1]);
    }
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0,
                                r->fds), 0);
    if (++r->rounds == 100) {
        vdpad_loop_stop(r->fixture->loop);
    }
    assert_int_equal(write(r->fds[1], "x", 1), 1);
}

static void
reopener_wait(void *r_)
{
    struct reopener *r = (struct reopener *) r_;

    poll_fd_wait(r->fds[0], POLLIN);
}

static void
reused_descriptor_number_wakes(void **state)
{
    struct fixture *f = (struct fixture *) *state;
    struct reopener r = { .fixture = f, .fds = { -1, -1 } };

    assert_int_equal(vdpad_poll_bridge_add(f->bridge, reopener_run,
                                           reopener_wait, &r), 0);
    run(f);
    assert_int_equal(r.rounds, 100);
    assert_true(f->turns <= 101);
    vdpad_poll_bridge_remove(f->bridge, &r);
    close(r.fds[0]);
    close(r.fds[1]);
}

static void
too_many_members_are_refused(void **state)
{
    struct fixture *f = (struct fixture *) *state;

    for (int i = 0; i < 8; i++) {
        assert_int_equal(vdpad_poll_bridge_add(f->bridge, NULL, NULL, f), 0);
    }
    assert_int_equal(vdpad_poll_bridge_add(f->bridge, NULL, NULL, f),
                     -ENOSPC);
    vdpad_poll_bridge_remove(f->bridge, f);
    assert_int_equal(vdpad_poll_bridge_add(f->bridge, NULL, NULL, f), 0);
}

#define ALONE(NAME)  cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)
#define BRIDGE(NAME) \
    cmocka_unit_test_setup_teardown(NAME, set_up_bridge, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        ALONE(deadline_begins_a_turn),
        ALONE(past_deadline_does_not_wait),
        ALONE(wake_now_is_followed_by_a_turn),
        ALONE(slow_turn_is_counted),
        ALONE(descriptor_wakes),
        ALONE(modified_descriptor_waits_for_what_it_says),
        ALONE(writable_descriptor_wakes),
        ALONE(deleted_descriptor_is_not_called),
        ALONE(handle_can_delete_itself),
        ALONE(signals_call_back),
        ALONE(bad_signals_are_refused),
        BRIDGE(only_one_bridge),
        BRIDGE(idle_takes_no_turns),
        BRIDGE(unixctl_commands_are_answered),
        BRIDGE(sequence_number_wakes),
        BRIDGE(wake_asked_for_in_run_is_kept),
        BRIDGE(timer_of_a_member_wakes),
        BRIDGE(blocking_inside_a_turn_works),
        BRIDGE(reused_descriptor_number_wakes),
        BRIDGE(too_many_members_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
