/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics over HTTP: many ask at once, and some do not wait for the answer. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cmd-fixture.h"

#define GET "GET /metrics HTTP/1.1\r\n\r\n"

static struct sockaddr_in address;
static char endpoint[32];
static int n_looks, per_page;

/* Each page has the kernel's figures. */
static void
count_looks(const struct vdpad_kernel *kernel,
            struct vdpad_kernel_stats *stats)
{
    n_looks++;
    fixture_stats(kernel, stats);
}

static int
set_up(void **state)
{
    static struct vdpad_kernel_ops ops;
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    fixture_set_up(state);
    ops = *ctl.kernel.kernel.ops;
    ops.stats = count_looks;
    ctl.kernel.kernel.ops = &ops;
    n_looks = 0;
    free(RUN("metrics"));
    per_page = n_looks;
    n_looks = 0;
    address = (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    assert_int_equal(bind(fd, (void *) &address, len), 0);
    assert_int_equal(getsockname(fd, (void *) &address, &len), 0);
    close(fd);
    snprintf(endpoint, sizeof endpoint, "127.0.0.1:%u",
             ntohs(address.sin_port));
    fix.config.metrics = endpoint;
    /* What makes a call wait. */
    fix.observed.class_[VDPAD_LINK].fresh = false;
    return 0;
}

static int
tear_down(void **state)
{
    vdpad_commands_done();
    return fixture_tear_down(state);
}

static bool (*is_done)(void);
static void
on_turn(struct vdpad_loop *loop_, void *aux)
{
    (void) aux;
    vdpad_commands_run(vdpad_loop_clock_ns());
    if (is_done()) {
        vdpad_loop_stop(loop_);
    }
    vdpad_commands_wait();
    /* Nothing tells of what the client sees. */
    vdpad_loop_wake_at(loop_, vdpad_loop_clock_ns() + 1000000);
}

static void
turn_until(bool (*is_done_)(void))
{
    is_done = is_done_;
    vdpad_loop_set_turn(loop, on_turn, NULL);
    vdpad_loop_run(loop);
}

static bool
in_any_case(void)
{
    return true;
}

static int clients[3];

static void
ask(int i)
{
    clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(clients[i], (void *) &address, sizeof address),
                     0);
    assert_int_equal(send(clients[i], GET, sizeof GET - 1, MSG_NOSIGNAL),
                     sizeof GET - 1);
}

static bool
is_refresh_asked_for(void)
{
    return ctl.n_refreshes > 0;
}

static char answer[64 * 1024];
static size_t n_answer;

static bool
is_answered(void)
{
    ssize_t n = recv(clients[2], answer + n_answer,
                     sizeof answer - 1 - n_answer, MSG_DONTWAIT);

    n_answer += n > 0 ? (size_t) n : 0;
    answer[n_answer] = '\0';
    return !n;
}

/* No page is made while the answer that they waited for is taken, and none for
 * who has left. */
static void
many_at_once(void **state)
{
    (void) state;
    turn_until(in_any_case); /* From now on it listens. */
    ask(0);
    turn_until(is_refresh_asked_for);
    ask(1);
    close(clients[0]);
    ask(2);
    /* It has the others' requests once it answers one that comes later. */
    int last = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int saved = clients[2];
    assert_int_equal(connect(last, (void *) &address, sizeof address), 0);
    assert_int_equal(send(last, "X\r\n\r\n", 5, MSG_NOSIGNAL), 5);
    clients[2] = last;
    turn_until(is_answered);
    assert_memory_equal(answer, "HTTP/1.1 400 ", 13);
    close(last);
    clients[2] = saved;
    assert_int_equal(ctl.n_refreshes, 1);

    fixture_refreshed(&fix.observed);
    assert_int_equal(n_looks, 0);
    n_answer = 0;
    turn_until(is_answered);
    assert_memory_equal(answer, "HTTP/1.1 200 ", 13);
    assert_non_null(strstr(answer, "\novs_vdpad_"));
    assert_int_equal(n_looks, 2 * per_page);
    close(clients[1]);
    close(clients[2]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(many_at_once, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
