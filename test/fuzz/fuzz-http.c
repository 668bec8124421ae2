/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP requests, of clients that do not play by the rules.  The input is a
 * sequence of records, one in each turn: a byte that says what happens (low
 * bits) to which client (the rest), a byte with its length, and that many
 * bytes.
 *
 *   0 a client connects     1 it sends the bytes     2 it reads so many
 *   3 it sends no more      4 it goes away           5 as many seconds pass
 *   6 the oldest request is answered with the bytes  7 or cannot be
 *
 * wrap: socket setsockopt bind listen accept4 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vdpad/loop.h>

#include "controller/http.h"
#include "fuzz.h"

#define SEC_NS INT64_C(1000000000)
#define N_CLIENTS 24 /* More than the server takes. */

static struct {
    const uint8_t *data;
    size_t size;
    struct vdpad_http *http;
    int64_t now_ns;
    int clients[N_CLIENTS];    /* 0: none. */
    size_t n_heads[N_CLIENTS]; /* Bytes of its answer seen so far. */
    int waiting;               /* The server's end of the newest; 0: none. */
    struct vdpad_http_request *requests[VDPAD_HTTP_REQUESTS];
    size_t n_requests;
} f;

/* The listener, at which always somebody is at the door: accept4() then says
 * who. */
int __wrap_socket(int domain, int type, int protocol);
int
__wrap_socket(int domain, int type, int protocol)
{
    (void) domain;
    (void) type;
    (void) protocol;
    return eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
}

int __wrap_setsockopt(int fd, int level, int name, const void *value,
                      socklen_t len);
int
__wrap_setsockopt(int fd, int level, int name, const void *value,
                  socklen_t len)
{
    (void) fd;
    (void) level;
    (void) name;
    (void) value;
    (void) len;
    return 0;
}

int __wrap_bind(int fd, const struct sockaddr *address, socklen_t len);
int
__wrap_bind(int fd, const struct sockaddr *address, socklen_t len)
{
    (void) fd;
    (void) address;
    (void) len;
    return 0;
}

int __wrap_listen(int fd, int backlog);
int
__wrap_listen(int fd, int backlog)
{
    (void) fd;
    (void) backlog;
    return 0;
}

int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *len,
                   int flags);
int
__wrap_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
    int accepted = f.waiting;

    (void) fd;
    (void) address;
    (void) len;
    (void) flags;
    f.waiting = 0;
    if (!accepted) {
        errno = EAGAIN;
        return -1;
    }
    return accepted;
}

static void
on_request(struct vdpad_http_request *request, void *aux)
{
    (void) aux;
    CHECK(f.n_requests < VDPAD_HTTP_REQUESTS);
    f.requests[f.n_requests++] = request;
}

static void
answer(const char *text)
{
    if (f.n_requests) {
        struct vdpad_http_request *request = f.requests[0];

        memmove(&f.requests[0], &f.requests[1],
                --f.n_requests * sizeof f.requests[0]);
        vdpad_http_reply(request, text);
    }
}

/* What comes first is an HTTP answer's head, or nothing. */
static void
read_answer(size_t client, size_t max)
{
    static const char head[] = "HTTP/1.1 ";
    char bytes[256];
    ssize_t n = recv(f.clients[client], bytes, max, MSG_DONTWAIT);

    for (ssize_t i = 0; i < n; i++) {
        size_t at = f.n_heads[client]++;

        CHECK(at >= sizeof head - 1 || bytes[i] == head[at]);
    }
}

static void
connect_client(size_t client)
{
    int fds[2];

    if (f.clients[client] || f.waiting) {
        return;
    }
    CHECK(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
                      fds));
    f.clients[client] = fds[0];
    f.n_heads[client] = 0;
    f.waiting = fds[1];
}

static void
act(unsigned int what, size_t client, const uint8_t *data, size_t len)
{
    char text[256];

    if (what < 5 && what && !f.clients[client]) {
        return;
    }
    switch (what) {
    case 0:
        connect_client(client);
        break;
    case 1:
        (void) send(f.clients[client], data, len, MSG_NOSIGNAL);
        break;
    case 2:
        read_answer(client, len);
        break;
    case 3:
        (void) shutdown(f.clients[client], SHUT_WR);
        break;
    case 4:
        (void) close(f.clients[client]);
        f.clients[client] = 0;
        break;
    case 5:
        f.now_ns += (int64_t) len * SEC_NS;
        break;
    case 6:
        memcpy(text, data, len);
        text[len] = '\0';
        answer(text);
        break;
    default:
        answer(NULL);
        break;
    }
}

static void
on_turn(struct vdpad_loop *loop, void *aux)
{
    (void) aux;
    vdpad_http_run(f.http, f.now_ns);
    if (f.size < 2) {
        vdpad_loop_stop(loop);
        return;
    }

    size_t len = f.data[1] < f.size - 2 ? f.data[1] : f.size - 2;

    act(f.data[0] & 7, (f.data[0] >> 3) % N_CLIENTS, f.data + 2, len);
    f.data += 2 + len;
    f.size -= 2 + len;
    vdpad_loop_wake_now(loop);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct vdpad_loop *loop;
    struct vdpad_error why;

    memset(&f, 0, sizeof f);
    f.data = data;
    f.size = size;
    f.now_ns = 1000 * SEC_NS;
    CHECK(loop || !vdpad_loop_new(&loop));
    f.http = vdpad_http_new(loop, on_request, NULL);
    CHECK(!vdpad_http_listen(f.http, "127.0.0.1:9999", &why));
    vdpad_loop_set_turn(loop, on_turn, NULL);
    vdpad_loop_run(loop);
    vdpad_http_free(f.http);
    while (f.n_requests) {
        answer("late");
    }
    for (size_t i = 0; i < N_CLIENTS; i++) {
        if (f.clients[i]) {
            (void) close(f.clients[i]);
        }
    }
    if (f.waiting) {
        (void) close(f.waiting);
    }
    return 0;
}
