/* SPDX-License-Identifier: Apache-2.0 */
/* The running ovs-vswitchd, over its status socket.
 *
 * Which process runs is told by its pid file, on which it holds a lock for as
 * long as it lives.  The directory is watched: a new pid file is moved into
 * place, that of a process that ends is removed, and when a process is killed
 * the kernel closes the file, which is an event like the others.  So an idle
 * daemon needs no timer to know of a restart.
 *
 * Each call has a connection of its own: a process that has ended takes all
 * its connections with it, and an answer that comes too late has nowhere to
 * come to. */
#include <vdpad/ovsdb-store.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openvswitch/json.h>
#include <openvswitch/poll-loop.h>
#include <ovs/fatal-signal.h>
#include <ovs/jsonrpc.h>
#include <ovs/timeval.h>
#include <ovs/util.h>

#include "internal.h"

#define NAME "ovs-vswitchd"

/* How long a call may take.  ovs-vswitchd answers from its main thread, which
 * reconfiguring a large bridge keeps busy for seconds. */
#define CALL_TIMEOUT_MS 5000

/* Between two tries to connect: its queue of connections may be full, and a
 * process that starts has its pid file a moment before its socket. */
#define CONNECT_RETRY_MS 50
#define CONNECT_TIMEOUT_MS 2000

/* Between two looks at the pid file where its directory cannot be watched. */
#define LOOK_MS 5000

enum {
    MAX_WAITING = 16,
    MAX_REPLY = 16 << 20, /* Bytes, as they come over the socket. */
    /* /proc/sys/kernel/pid_max is 2^22 at most. */
    MAX_PID = 1 << 22,
};

/* What tells that the pid file is another one or has lost its lock. */
#define WATCH_EVENTS                                                      \
    ((uint32_t) (IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CLOSE_WRITE \
                 | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR))

struct call {
    struct call *next;
    char *command;
    struct json *params; /* NULL once sent. */
    vdpad_vswitchd_cb *cb;
    void *aux;
};

struct vswitchd {
    struct vdpad_vswitchd up;
    char *rundir, *pidfile;
    int inotify;                /* -1: no watch is possible. */
    bool watched;               /* The directory is being watched. */
    long long int look_ms;      /* Next look without a watch. */
    int32_t pid;                /* 0: none runs. */
    struct call *first, **last; /* Of all calls; the first is under way. */
    size_t n_calls;
    struct jsonrpc *rpc;      /* NULL: not connected. */
    char *id;                 /* Of the request under way, as JSON. */
    long long int begun_ms;   /* The call under way; 0: not begun. */
    long long int connect_ms; /* Next try to connect. */
};

static struct vswitchd *
vswitchd_cast(const struct vdpad_vswitchd *up)
{
    return CONTAINER_OF(up, struct vswitchd, up);
}

/* The number in the pid file 'fd', or 0. */
static int32_t
parse_pidfile(int fd)
{
    char text[32];
    ssize_t n = read(fd, text, sizeof text - 1);
    int32_t pid = 0;

    if (n <= 0) {
        return 0;
    }
    text[n] = '\0';
    for (const char *p = text; *p >= '0' && *p <= '9' && pid <= MAX_PID; p++) {
        pid = pid * 10 + (*p - '0');
    }
    return pid <= MAX_PID ? pid : 0;
}

/* The process that runs, or 0.  Its lock tells that it does, not the file: a
 * process that was killed leaves that behind.  Whose lock it is does not
 * matter, since another PID namespace numbers processes in its own way. */
static int32_t
read_pidfile(const char *name)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    struct stat s;
    int32_t pid = 0;
    /* Not to wait for the other end should somebody have put a fifo there. */
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0) {
        return 0;
    }
    if (!fstat(fd, &s) && S_ISREG(s.st_mode) && !fcntl(fd, F_GETLK, &lock)
        && lock.l_type != F_UNLCK) {
        pid = parse_pidfile(fd);
    }
    close(fd);
    return pid;
}

/* Takes all events out of the watch; returns whether there was any. */
static bool
drain_events(struct vswitchd *v)
{
    char buffer[4096]
        __attribute__((aligned(__alignof__(struct inotify_event))));
    bool any = false;

    for (;;) {
        ssize_t n = v->inotify >= 0 ? read(v->inotify, buffer, sizeof buffer)
                                    : 0;

        if (n <= 0) {
            return any;
        }
        any = true;
        for (ssize_t i = 0; i < n;) {
            const struct inotify_event *e = (void *) (buffer + i);

            if (e->mask & (IN_IGNORED | IN_MOVE_SELF)) {
                v->watched = false;
            }
            i += (ssize_t) (sizeof *e + e->len);
        }
    }
}

/* Keeps 'pid' current. */
static void
run_watch(struct vswitchd *v)
{
    bool look = drain_events(v);

    if (!v->watched && time_msec() >= v->look_ms) {
        /* The same directory again has the same watch. */
        v->watched = v->inotify >= 0
                     && inotify_add_watch(v->inotify, v->rundir, WATCH_EVENTS)
                            >= 0;
        v->look_ms = time_msec() + LOOK_MS;
        look = true;
    }
    if (look) {
        v->pid = read_pidfile(v->pidfile);
    }
}

/* Ends the call under way.  'reply' is not NULL exactly when 'error' is 0. */
static void
end_call(struct vswitchd *v, int error, const char *reply,
         const struct vdpad_error *why)
{
    struct call *call = v->first;

    v->first = call->next;
    if (!v->first) {
        v->last = &v->first;
    }
    v->n_calls--;
    v->begun_ms = 0;
    v->connect_ms = 0;
    jsonrpc_close(v->rpc);
    v->rpc = NULL;
    free(v->id);
    v->id = NULL;
    call->cb(call->aux, error, reply, why);
    json_destroy(call->params);
    free(call->command);
    free(call);
}

#define FAIL(V, CODE, ...)                                         \
    do {                                                           \
        struct vdpad_error fail_why;                               \
        int fail_code;                                             \
                                                                   \
        fail_code = vdpad_error_set(&fail_why, CODE, __VA_ARGS__); \
        end_call(V, fail_code, NULL, &fail_why);                   \
    } while (0)

/* Connects and sends the request.  Returns false when there is nothing to go
 * on with: it failed, or is to be tried again. */
static bool
start_call(struct vswitchd *v, struct call *call)
{
    struct jsonrpc_msg *request;
    struct stream *stream;
    char *name;
    int error;

    if (!v->pid) {
        FAIL(v, -ENOENT, NAME " does not run (%.80s)", v->pidfile);
        return false;
    }
    name = xasprintf("unix:%s/" NAME ".%" PRId32 ".ctl", v->rundir, v->pid);
    error = stream_open(name, &stream, 0);
    if (error
        && (error == EAGAIN
            || (time_msec() - v->begun_ms < CONNECT_TIMEOUT_MS
                && (error == ECONNREFUSED || error == ENOENT)))) {
        v->connect_ms = time_msec() + CONNECT_RETRY_MS;
    } else if (error) {
        FAIL(v, error == ECONNREFUSED || error == ENOENT ? -ENOENT : -EIO,
             NAME " (process %" PRId32 ") cannot be reached at %.100s: %s",
             v->pid, name + strlen("unix:"), ovs_strerror(error));
    } else {
        v->rpc = jsonrpc_open(stream);
        request = jsonrpc_create_request(call->command, call->params, NULL);
        call->params = NULL;
        v->id = json_to_string(request->id, 0);
        jsonrpc_send(v->rpc, request);
    }
    free(name);
    return v->rpc != NULL;
}

/* The text of 'json', owned by the caller; NULL if it is none. */
static char *
text_of(const struct json *json)
{
    char *quoted, *text = NULL;
    size_t n;

    if (!json || json->type != JSON_STRING) {
        return NULL;
    }
    /* The direct way has a name that another library has too, see
     * cmake/VdpadJansson.cmake. */
    quoted = json_to_string(json, 0);
    n = strlen(quoted);
    if (n < 2 || !json_string_unescape(quoted + 1, n - 2, &text)) {
        free(text);
        text = NULL;
    }
    free(quoted);
    return text;
}

static bool
is_answer(const struct vswitchd *v, const struct jsonrpc_msg *msg)
{
    bool is = false;

    if (msg->id
        && (msg->type == JSONRPC_REPLY || msg->type == JSONRPC_ERROR)) {
        char *id = json_to_string(msg->id, 0);

        is = !strcmp(id, v->id);
        free(id);
    }
    return is;
}

static void
take_answer(struct vswitchd *v, const struct jsonrpc_msg *msg)
{
    bool failed = msg->type == JSONRPC_ERROR;
    char *text = text_of(failed ? msg->error : msg->result);
    const char *s = text ? text : "";

    if (!is_answer(v, msg)) {
        FAIL(v, -EIO, NAME " sent something that is no answer");
    } else if (!failed) {
        end_call(v, 0, s, NULL);
    } else if (strstr(s, "is not a valid command")) {
        FAIL(v, -EOPNOTSUPP, "%s", s);
    } else if (!s[strspn(s, "\n")]) {
        FAIL(v, -EIO, "it failed without a word");
    } else {
        /* The first line that has any. */
        s += strspn(s, "\n");
        FAIL(v, -EIO, "%.*s", (int) strcspn(s, "\n"), s);
    }
    free(text);
}

/* The process does not answer: what waits behind this call would not be
 * answered either. */
static void
give_up(struct vswitchd *v)
{
    /* Not those that the callbacks make. */
    for (size_t n = v->n_calls; n > 0; n--) {
        FAIL(v, -ETIMEDOUT, NAME " (process %" PRId32 ") does not answer",
             v->pid);
    }
}

/* Goes on with the first call; returns whether it ended. */
static bool
run_call(struct vswitchd *v)
{
    struct call *call = v->first;
    size_t before = v->n_calls;
    struct jsonrpc_msg *msg = NULL;
    int error;

    if (!v->begun_ms) {
        v->begun_ms = time_msec();
    }
    if (!v->rpc && time_msec() >= v->connect_ms && !start_call(v, call)
        && v->n_calls < before) {
        return true;
    }
    if (v->rpc) {
        jsonrpc_run(v->rpc);
        error = jsonrpc_recv(v->rpc, &msg);
        if (!error) {
            take_answer(v, msg);
            jsonrpc_msg_destroy(msg);
            return true;
        }
        if (error != EAGAIN) {
            FAIL(v, error == EOF || error == ECONNRESET ? -ENOENT : -EIO,
                 NAME " closed the connection: %s",
                 error == EOF ? "it may have ended" : ovs_strerror(error));
            return true;
        }
        if (jsonrpc_get_received_bytes(v->rpc) > MAX_REPLY) {
            FAIL(v, -EMSGSIZE, "the answer of " NAME " is longer than %d MiB",
                 MAX_REPLY >> 20);
            return true;
        }
    }
    if (time_msec() - v->begun_ms >= CALL_TIMEOUT_MS) {
        give_up(v);
        return true;
    }
    return false;
}

static int
vswitchd_call(struct vdpad_vswitchd *up, const char *command,
              const char *const *args, size_t n, vdpad_vswitchd_cb *cb,
              void *aux)
{
    struct vswitchd *v = vswitchd_cast(up);
    struct call *call;

    if (v->n_calls > MAX_WAITING) {
        return -EBUSY;
    }
    call = xzalloc(sizeof *call);
    call->command = xstrdup(command);
    call->params = json_array_create_empty();
    for (size_t i = 0; i < n; i++) {
        json_array_add(call->params, json_string_create(args[i]));
    }
    call->cb = cb;
    call->aux = aux;
    *v->last = call;
    v->last = &call->next;
    v->n_calls++;
    return 0;
}

static int32_t
vswitchd_pid(const struct vdpad_vswitchd *up)
{
    return vswitchd_cast(up)->pid;
}

static void
vswitchd_run(struct vdpad_vswitchd *up)
{
    struct vswitchd *v = vswitchd_cast(up);

    run_watch(v);
    /* Callbacks may make further calls; these begin in the next turn. */
    for (size_t n = v->n_calls; n > 0 && v->n_calls; n--) {
        if (!run_call(v)) {
            break;
        }
    }
}

static void
vswitchd_wait(struct vdpad_vswitchd *up)
{
    struct vswitchd *v = vswitchd_cast(up);

    if (v->inotify >= 0) {
        poll_fd_wait(v->inotify, POLLIN);
    }
    if (!v->watched) {
        poll_timer_wait_until(v->look_ms);
    }
    if (!v->n_calls) {
        return;
    }
    if (!v->begun_ms) {
        poll_immediate_wake();
        return;
    }
    poll_timer_wait_until(v->begun_ms + CALL_TIMEOUT_MS);
    if (v->rpc) {
        jsonrpc_wait(v->rpc);
        jsonrpc_recv_wait(v->rpc);
    } else {
        poll_timer_wait_until(v->connect_ms);
    }
}

static void
vswitchd_destroy(struct vdpad_vswitchd *up)
{
    struct vswitchd *v = vswitchd_cast(up);
    struct call *call, *next;

    jsonrpc_close(v->rpc);
    free(v->id);
    for (call = v->first; call; call = next) {
        next = call->next;
        json_destroy(call->params);
        free(call->command);
        free(call);
    }
    if (v->inotify >= 0) {
        close(v->inotify);
    }
    free(v->pidfile);
    free(v->rundir);
    free(v);
}

struct vdpad_vswitchd *
vdpad_ovs_vswitchd_new(const char *rundir)
{
    static const struct vdpad_vswitchd_ops ops = {
        .call = vswitchd_call,
        .pid = vswitchd_pid,
        .run = vswitchd_run,
        .wait = vswitchd_wait,
        .destroy = vswitchd_destroy,
    };
    struct vswitchd *v = xzalloc(sizeof *v);

    /* It may be gone when we write. */
    fatal_ignore_sigpipe();
    v->up.ops = &ops;
    v->rundir = xstrdup(rundir);
    v->pidfile = xasprintf("%s/" NAME ".pid", rundir);
    v->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    v->last = &v->first;
    run_watch(v);
    return &v->up;
}
