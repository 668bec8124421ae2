/* SPDX-License-Identifier: Apache-2.0 */
/* The web server of one page, with clients that come and go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "controller/http.h"
#include "loop-fixture.h"

#define GET "GET /metrics HTTP/1.1\r\n\r\n"

static struct {
    struct vdpad_http *http;
    struct sockaddr_in address;
    struct vdpad_http_request *requests[64];
    size_t n_requests;
    bool (*is_done)(void);
} t;

static void
on_request(struct vdpad_http_request *request, void *aux)
{
    (void) aux;
    assert_true(t.n_requests < 64);
    t.requests[t.n_requests++] = request;
}

static void
on_turn(struct vdpad_loop *loop, void *aux)
{
    (void) aux;
    vdpad_http_run(t.http, vdpad_loop_clock_ns());
    if (t.is_done && t.is_done()) {
        vdpad_loop_stop(loop);
    }
    vdpad_loop_wake_at(loop, vdpad_http_next_ns(t.http));
    /* Nothing tells of what the client sees. */
    vdpad_loop_wake_at(loop, vdpad_loop_clock_ns() + MSEC);
}

/* Turns until 'is_done'. */
static void
turn_until(struct fixture *f, bool (*is_done)(void))
{
    t.is_done = is_done;
    vdpad_loop_set_turn(f->loop, on_turn, NULL);
    fixture_run(f);
}

static int
set_up(void **state)
{
    socklen_t len = sizeof t.address;
    struct vdpad_error why;
    char endpoint[32];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int error = fixture_set_up(state);
    struct fixture *f = *state;

    /* A free port. */
    memset(&t, 0, sizeof t);
    t.address.sin_family = AF_INET;
    t.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (void *) &t.address, len), 0);
    assert_int_equal(getsockname(fd, (void *) &t.address, &len), 0);
    close(fd);
    snprintf(endpoint, sizeof endpoint, "127.0.0.1:%u",
             ntohs(t.address.sin_port));
    t.http = vdpad_http_new(f->loop, on_request, NULL);
    assert_int_equal(vdpad_http_listen(t.http, endpoint, &why), 0);
    return error;
}

static int
tear_down(void **state)
{
    vdpad_http_free(t.http);
    for (size_t i = 0; i < t.n_requests; i++) {
        vdpad_http_reply(t.requests[i], "too late");
    }
    return fixture_tear_down(state);
}

/* A client that has asked. */
static int
ask(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(connect(fd, (void *) &t.address, sizeof t.address), 0);
    assert_int_equal(send(fd, GET, sizeof GET - 1, MSG_NOSIGNAL),
                     sizeof GET - 1);
    return fd;
}

static size_t n_expected;

static bool
are_asked(void)
{
    return t.n_requests == n_expected;
}

static bool
is_newest_gone(void)
{
    return t.n_requests == n_expected
           && vdpad_http_is_gone(t.requests[n_expected - 1]);
}

static int client;
static char answer[256];
static size_t n_answer;

static bool
is_answered(void)
{
    ssize_t n = recv(client, answer + n_answer, sizeof answer - 1 - n_answer,
                     MSG_DONTWAIT);

    n_answer += n > 0 ? (size_t) n : 0;
    answer[n_answer] = '\0';
    return !n;
}

/* The whole answer that comes on 'fd'. */
static const char *
read_answer(struct fixture *f, int fd)
{
    client = fd;
    n_answer = 0;
    turn_until(f, is_answered);
    close(fd);
    return answer;
}

/* Clients that ask and leave take their slots with them, not what has to be
 * done for them: so much of it, and no more. */
static void
clients_that_leave(void **state)
{
    struct fixture *f = *state;

    for (n_expected = 1; n_expected <= VDPAD_HTTP_REQUESTS; n_expected++) {
        int fd = ask();

        turn_until(f, are_asked);
        assert_false(vdpad_http_is_gone(t.requests[n_expected - 1]));
        close(fd);
        turn_until(f, is_newest_gone);
    }
    assert_memory_equal(read_answer(f, ask()), "HTTP/1.1 503 ", 13);
    assert_int_equal(t.n_requests, VDPAD_HTTP_REQUESTS);

    /* One that is answered makes room, though nobody reads the answer. */
    vdpad_http_reply(t.requests[3], "nobody");
    t.requests[3] = t.requests[--t.n_requests];
    n_expected = VDPAD_HTTP_REQUESTS;
    client = ask();
    turn_until(f, are_asked);
    vdpad_http_reply(t.requests[--t.n_requests], "figures\n");
    assert_memory_equal(read_answer(f, client), "HTTP/1.1 200 ", 13);
    assert_non_null(strstr(answer, "\r\n\r\nfigures\n"));
}

static void
on_quiet_turn(struct vdpad_loop *loop, void *aux)
{
    int64_t *end_ns = aux, now_ns = vdpad_loop_clock_ns();

    vdpad_http_run(t.http, now_ns);
    if (now_ns >= *end_ns) {
        vdpad_loop_stop(loop);
    }
    vdpad_loop_wake_at(loop, vdpad_http_next_ns(t.http));
    vdpad_loop_wake_at(loop, *end_ns);
}

/* A client for whom there is no descriptor waits, and nobody turns about
 * him. */
static void
no_descriptor(void **state)
{
    struct fixture *f = *state;
    struct vdpad_loop_stats before, after;
    struct rlimit limit, none;
    int fd = ask(), lowest = dup(fd);
    int64_t end_ns = vdpad_loop_clock_ns() + 500 * MSEC;

    close(lowest);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = limit;
    none.rlim_cur = (rlim_t) lowest;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    vdpad_loop_get_stats(f->loop, &before);
    vdpad_loop_set_turn(f->loop, on_quiet_turn, &end_ns);
    fixture_run(f);
    vdpad_loop_get_stats(f->loop, &after);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_in_range(after.turns - before.turns, 1, 50);
    assert_int_equal(t.n_requests, 0);

    n_expected = 1;
    turn_until(f, are_asked);
    vdpad_http_reply(t.requests[--t.n_requests], "figures\n");
    assert_memory_equal(read_answer(f, fd), "HTTP/1.1 200 ", 13);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(clients_that_leave, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_descriptor, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
