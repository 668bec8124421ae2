/* SPDX-License-Identifier: Apache-2.0 */
#include "http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vdpad/loop.h>

#include "util.h"

#define SEC_NS INT64_C(1000000000)
#define REQUEST_NS (10 * SEC_NS)
#define ANSWER_NS (30 * SEC_NS)

/* So long nobody is accepted after that has failed, for want of descriptors or
 * memory: those who wait would have the loop turn for ever. */
#define PAUSE_NS (SEC_NS / 10)

enum {
    MAX_CONNECTIONS = 16,
    MAX_REQUEST = 4096,
    BACKLOG = 16,
    MAX_ACCEPTS = 32, /* In one go. */
};

struct vdpad_http_request {
    struct vdpad_http *http;       /* NULL: gone. */
    struct connection *connection; /* NULL: gone. */
};

struct connection {
    struct vdpad_http *http;
    int fd;
    struct vdpad_loop_fd *watch;
    char request[MAX_REQUEST + 1];
    size_t n_request;
    bool is_complete;                   /* The request is. */
    bool is_gone;                       /* To be closed. */
    bool is_head;                       /* Only the head is wanted. */
    struct vdpad_http_request *pending; /* Handed out. */
    char *answer;                       /* NULL: none yet. */
    size_t n_answer, sent;
    int64_t deadline_ns; /* 0: to be set. */
};

struct vdpad_http {
    struct vdpad_loop *loop;
    vdpad_http_cb *cb;
    void *aux;
    int fd; /* -1: it does not listen. */
    struct vdpad_loop_fd *watch;
    bool is_paused;
    int64_t resume_ns; /* When paused; 0: to be set. */
    struct connection *connections[MAX_CONNECTIONS];
    size_t n;
    struct vdpad_http_request *requests[VDPAD_HTTP_REQUESTS]; /* Handed out. */
    size_t n_requests;
};

struct vdpad_http *
vdpad_http_new(struct vdpad_loop *loop, vdpad_http_cb *cb, void *aux)
{
    struct vdpad_http *http = vdpad_xcalloc(1, sizeof *http);

    http->loop = loop;
    http->cb = cb;
    http->aux = aux;
    http->fd = -1;
    return http;
}

static void
close_listener(struct vdpad_http *http)
{
    vdpad_loop_del_fd(http->watch);
    http->watch = NULL;
    if (http->fd >= 0) {
        close(http->fd);
        http->fd = -1;
    }
    http->is_paused = false;
}

static void
close_connection(struct connection *c)
{
    if (c->pending) {
        c->pending->connection = NULL;
    }
    vdpad_loop_del_fd(c->watch);
    close(c->fd);
    free(c->answer);
    free(c);
}

void
vdpad_http_free(struct vdpad_http *http)
{
    if (!http) {
        return;
    }
    for (size_t i = 0; i < http->n; i++) {
        close_connection(http->connections[i]);
    }
    for (size_t i = 0; i < http->n_requests; i++) {
        http->requests[i]->http = NULL;
    }
    close_listener(http);
    free(http);
}

/* Takes the request in. */
static void
read_request(struct connection *c)
{
    while (!c->is_complete && !c->is_gone) {
        ssize_t n = recv(c->fd, c->request + c->n_request,
                         MAX_REQUEST - c->n_request, 0);

        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        if (n <= 0) {
            c->is_gone = true;
            return;
        }
        c->n_request += (size_t) n;
        c->request[c->n_request] = '\0';
        c->is_complete = c->n_request == MAX_REQUEST
                         || memmem(c->request, c->n_request, "\r\n\r\n", 4)
                         || memmem(c->request, c->n_request, "\n\n", 2);
    }
}

static void
send_answer(struct connection *c)
{
    while (c->answer && c->sent < c->n_answer && !c->is_gone) {
        ssize_t n = send(c->fd, c->answer + c->sent, c->n_answer - c->sent,
                         MSG_NOSIGNAL);

        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        if (n <= 0) {
            c->is_gone = true;
            return;
        }
        c->sent += (size_t) n;
    }
}

static void
on_connection(struct vdpad_loop *loop, int fd, unsigned int events,
              void *connection)
{
    struct connection *c = connection;
    char rest[512];

    (void) loop;
    (void) fd;
    if (!c->is_complete) {
        read_request(c);
    } else if (events & VDPAD_LOOP_READ) {
        /* A body, or the end; a connection that is closed while there is
         * something to read would be reset before the answer is read. */
        ssize_t n = recv(c->fd, rest, sizeof rest, 0);

        if (!n || (n < 0 && errno != EAGAIN && errno != EINTR)) {
            c->is_gone = true;
        }
    }
    if (events & VDPAD_LOOP_WRITE) {
        send_answer(c);
    }
}

static void
on_listener(struct vdpad_loop *loop, int listener, unsigned int events,
            void *http_)
{
    static const char busy[] = "HTTP/1.1 503 Service Unavailable\r\n"
                               "Content-Length: 0\r\n"
                               "Connection: close\r\n\r\n";
    struct vdpad_http *http = http_;

    (void) events;
    for (int i = 0; i < MAX_ACCEPTS; i++) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS
                || errno == ENOMEM) {
                http->is_paused = true;
                http->resume_ns = 0;
                vdpad_loop_mod_fd(http->watch, 0);
            }
            return;
        }
        if (http->n == MAX_CONNECTIONS) {
            (void) !send(fd, busy, sizeof busy - 1, MSG_NOSIGNAL);
            close(fd);
            continue;
        }

        struct connection *c = vdpad_xcalloc(1, sizeof *c);

        c->http = http;
        c->fd = fd;
        c->watch = vdpad_loop_add_fd(loop, fd, VDPAD_LOOP_READ, on_connection,
                                     c);
        http->connections[http->n++] = c;
    }
}

static bool
parse_endpoint(const char *endpoint, struct sockaddr_storage *ss,
               socklen_t *len)
{
    struct sockaddr_in *in4 = (void *) ss;
    struct sockaddr_in6 *in6 = (void *) ss;
    const char *colon = strrchr(endpoint, ':');
    char address[INET6_ADDRSTRLEN + 2];
    size_t n = colon ? (size_t) (colon - endpoint) : 0;
    uint32_t number = 0;
    in_port_t port;

    memset(ss, 0, sizeof *ss);
    if (!n || n >= sizeof address) {
        return false;
    }
    memcpy(address, endpoint, n);
    address[n] = '\0';
    for (const char *p = colon + 1; *p; p++) {
        number = number * 10 + (uint32_t) (*p - '0');
        if (*p < '0' || *p > '9' || number > UINT16_MAX) {
            return false;
        }
    }
    port = htons((uint16_t) number);
    if (address[0] == '[' && address[n - 1] == ']') {
        address[n - 1] = '\0';
        in6->sin6_family = AF_INET6;
        in6->sin6_port = port;
        *len = sizeof *in6;
        return inet_pton(AF_INET6, address + 1, &in6->sin6_addr) == 1;
    }
    in4->sin_family = AF_INET;
    in4->sin_port = port;
    *len = sizeof *in4;
    return inet_pton(AF_INET, address, &in4->sin_addr) == 1;
}

int
vdpad_http_listen(struct vdpad_http *http, const char *endpoint,
                  struct vdpad_error *why)
{
    struct sockaddr_storage ss;
    socklen_t len = 0;
    int yes = 1;

    close_listener(http);
    if (!endpoint) {
        return 0;
    }
    if (!parse_endpoint(endpoint, &ss, &len)) {
        return vdpad_error_set(why, -EINVAL, "%.60s: no ADDRESS:PORT",
                               endpoint);
    }
    http->fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
                      0);
    if (http->fd < 0
        || setsockopt(http->fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes)
        || (ss.ss_family == AF_INET6
            && setsockopt(http->fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes,
                          sizeof yes))
        || bind(http->fd, (void *) &ss, len) || listen(http->fd, BACKLOG)) {
        int error = errno;

        close_listener(http);
        return vdpad_error_set(why, -error, "%s", strerror(error));
    }
    http->watch = vdpad_loop_add_fd(http->loop, http->fd, VDPAD_LOOP_READ,
                                    on_listener, http);
    return 0;
}

/* Puts the answer together; 'text' NULL: none. */
static void
set_answer(struct connection *c, const char *status, const char *text)
{
    size_t n = text ? strlen(text) : 0;
    char head[256];

    vdpad_copy(head, sizeof head, "");

    int n_head = snprintf(head, sizeof head,
                          "HTTP/1.1 %s\r\n"
                          "Content-Type: text/plain; version=0.0.4; "
                          "charset=utf-8\r\n"
                          "Content-Length: %zu\r\n"
                          "%sConnection: close\r\n\r\n",
                          status, n,
                          !strncmp(status, "405", 3) ? "Allow: GET, HEAD\r\n"
                                                     : "");

    if (c->is_head) {
        n = 0;
    }
    c->n_answer = (size_t) n_head + n;
    c->answer = vdpad_xcalloc(1, c->n_answer + 1);
    memcpy(c->answer, head, (size_t) n_head);
    if (n) {
        memcpy(c->answer + n_head, text, n);
    }
    c->deadline_ns = 0;
    send_answer(c);
    vdpad_loop_mod_fd(c->watch, VDPAD_LOOP_READ | VDPAD_LOOP_WRITE);
}

bool
vdpad_http_is_gone(const struct vdpad_http_request *request)
{
    return !request->connection || request->connection->is_gone;
}

/* Hands the request of 'c' out; not if too many are already, which may be
 * those of clients that have gone. */
static void
hand_out(struct connection *c)
{
    struct vdpad_http *http = c->http;

    if (http->n_requests == VDPAD_HTTP_REQUESTS) {
        set_answer(c, "503 Service Unavailable", NULL);
        return;
    }
    c->pending = vdpad_xcalloc(1, sizeof *c->pending);
    c->pending->http = http;
    c->pending->connection = c;
    http->requests[http->n_requests++] = c->pending;
    http->cb(c->pending, http->aux);
}

static void
take_back(struct vdpad_http *http, const struct vdpad_http_request *request)
{
    for (size_t i = 0; http && i < http->n_requests; i++) {
        if (http->requests[i] == request) {
            http->requests[i] = http->requests[--http->n_requests];
            return;
        }
    }
}

void
vdpad_http_reply(struct vdpad_http_request *request, const char *text)
{
    struct connection *c = request->connection;

    take_back(request->http, request);
    if (c) {
        c->pending = NULL;
        set_answer(c, text ? "200 OK" : "503 Service Unavailable", text);
    }
    free(request);
}

/* Whether 'request' begins with 'method' and then has the path. */
static bool
is_for_page(const char *request, const char *method)
{
    static const char path[] = "/metrics";
    size_t n = strlen(method);

    if (strncmp(request, method, n)
        || strncmp(request + n, path, sizeof path - 1)) {
        return false;
    }
    request += n + sizeof path - 1;
    return *request == ' ' || *request == '?';
}

static void
handle(struct connection *c)
{
    const char *r = c->request;
    const char *line_end = strpbrk(r, "\r\n");
    const char *version = strstr(r, " HTTP/1.");

    c->is_head = !strncmp(r, "HEAD ", 5);
    if (!line_end || !version || version > line_end) {
        set_answer(c,
                   c->n_request == MAX_REQUEST && !line_end
                       ? "414 URI Too Long"
                       : "400 Bad Request",
                   NULL);
    } else if (c->n_request == MAX_REQUEST) {
        set_answer(c, "431 Request Header Fields Too Large", NULL);
    } else if (strncmp(r, "GET ", 4) && !c->is_head) {
        set_answer(c, "405 Method Not Allowed", NULL);
    } else if (!is_for_page(r, "GET ") && !is_for_page(r, "HEAD ")) {
        set_answer(c, "404 Not Found", "see /metrics\n");
    } else {
        hand_out(c);
    }
}

/* Goes on with 'c'; returns whether it stays. */
static bool
run_connection(struct connection *c, int64_t now_ns)
{
    if (c->is_complete && !c->answer && !c->pending && !c->is_gone) {
        handle(c);
    }
    if (c->is_gone || (c->answer && c->sent == c->n_answer)) {
        return false;
    }
    if (!c->deadline_ns) {
        c->deadline_ns = now_ns + (c->answer ? ANSWER_NS : REQUEST_NS);
    }
    return now_ns < c->deadline_ns;
}

/* Accepts again after a pause. */
static void
run_listener(struct vdpad_http *http, int64_t now_ns)
{
    if (!http->is_paused) {
        return;
    }
    if (!http->resume_ns) {
        http->resume_ns = now_ns + PAUSE_NS;
    } else if (now_ns >= http->resume_ns) {
        http->is_paused = false;
        vdpad_loop_mod_fd(http->watch, VDPAD_LOOP_READ);
    }
}

void
vdpad_http_run(struct vdpad_http *http, int64_t now_ns)
{
    size_t kept = 0;

    run_listener(http, now_ns);

    for (size_t i = 0; i < http->n; i++) {
        if (run_connection(http->connections[i], now_ns)) {
            http->connections[kept++] = http->connections[i];
        } else {
            (void) shutdown(http->connections[i]->fd, SHUT_WR);
            close_connection(http->connections[i]);
        }
    }
    http->n = kept;
}

int64_t
vdpad_http_next_ns(const struct vdpad_http *http)
{
    int64_t next = http->is_paused ? http->resume_ns : INT64_MAX;

    for (size_t i = 0; i < http->n; i++) {
        const struct connection *c = http->connections[i];

        if (c->is_gone || !c->deadline_ns
            || (c->answer && c->sent == c->n_answer)) {
            return INT64_MIN;
        }
        if (c->deadline_ns < next) {
            next = c->deadline_ns;
        }
    }
    return next;
}
