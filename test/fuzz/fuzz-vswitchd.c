/* SPDX-License-Identifier: Apache-2.0 */
/* The port to ovs-vswitchd, and whoever asks whether hw-offload is in effect,
 * beside a process that answers whatever it likes.  The input is a sequence of
 * records: a byte that says what happens (enum what), a byte with the length,
 * and that many bytes.
 *
 * Calls end in the order in which they were made, each once, with an answer or
 * with one of the errors that <vdpad/vswitchd.h> has; behind the input, time
 * passes, and none is left.
 *
 * wrap: fcntl stream_open time_msec inotify_init1 inotify_add_watch */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openvswitch/poll-loop.h>
#include <openvswitch/util.h>
#include <vdpad/ovsdb-store.h>

#include "controller/effective.h"
#include "test/fake/fake-db.h"
#include "fuzz.h"

#define SEC_MS 1000
#define MAX_CALLS 64
#define MAX_PID (1 << 22)

enum what {
    CALL,    /* Of a command that nobody has. */
    EFFECT,  /* Is it in effect?  'len' odd: the database says that it is. */
    RESULT,  /* The answer is this text, … */
    FAILURE, /* … it failed with this text, … */
    VALUE,   /* … it is this JSON. */
    BYTES,   /* These come instead. */
    HANG_UP, /* The connection ends. */
    TIME,    /* As many tenths of a second pass. */
    PIDFILE, /* Another pid file; without a lock if it is empty. */
    REFUSE,  /* No connection can be made: see errors[]; 0: it can. */
    WATCH,   /* The watch of the pid file's directory tells this: see masks[];
              * an even 'len': and it cannot be watched again. */
    N_WHATS
};

/* Of connecting. */
static const int errors[] = { 0, EAGAIN, ECONNREFUSED, ENOENT, EACCES };

static const uint32_t masks[] = { IN_IGNORED, IN_MOVE_SELF, IN_DELETE_SELF,
                                  IN_MOVED_TO, IN_Q_OVERFLOW };

static struct {
    long long int now_ms;
    int events; /* Into the watch. */
    bool is_unwatchable;
    bool is_locked;   /* The pid file. */
    int connect;      /* Error of the next connection. */
    int fd;           /* The process's end; -1: there is none. */
    char request[24]; /* Its id, as JSON; "": none has come. */
    size_t n_calls, n_ended;
    struct vdpad_vswitchd *port;
} f;

long long int __wrap_time_msec(void);
long long int
__wrap_time_msec(void)
{
    return f.now_ms;
}

/* A real watch takes the kernel milliseconds to destroy. */
int __wrap_inotify_init1(int flags);
int
__wrap_inotify_init1(int flags)
{
    int fds[2];

    CHECK(flags == (IN_NONBLOCK | IN_CLOEXEC));
    CHECK(!pipe2(fds, O_NONBLOCK | O_CLOEXEC));
    f.events = fds[1];
    return fds[0];
}

int __wrap_inotify_add_watch(int fd, const char *name, uint32_t mask);
int
__wrap_inotify_add_watch(int fd, const char *name, uint32_t mask)
{
    (void) fd;
    (void) name;
    CHECK(mask & IN_CLOSE_WRITE && mask & IN_MOVED_TO && mask & IN_DELETE);
    errno = ENOSPC;
    return f.is_unwatchable ? -1 : 1;
}

static void
tell(uint32_t mask)
{
    const struct inotify_event event = { .wd = 1, .mask = mask, .len = 16 };
    uint8_t bytes[sizeof event + 16] = { 0 };

    /* So that none is read in part. */
    CHECK(sizeof bytes == 32);
    memcpy(bytes, &event, sizeof event);
    if (f.events >= 0 && write(f.events, bytes, sizeof bytes) < 0) {
        CHECK(errno == EAGAIN);
    }
}

/* Another process has the lock. */
int __real_fcntl(int fd, int cmd, ...);
int __wrap_fcntl(int fd, int cmd, ...);
int
__wrap_fcntl(int fd, int cmd, ...)
{
    va_list args;
    void *arg;

    va_start(args, cmd);
    arg = va_arg(args, void *);
    va_end(args);
    if (cmd == F_GETLK) {
        ((struct flock *) arg)->l_type = f.is_locked ? F_WRLCK : F_UNLCK;
        return 0;
    }
    return __real_fcntl(fd, cmd, arg);
}

/* Of Open vSwitch's lib/stream.h and stream-fd.h, which cannot be included
 * without its config.h. */
struct stream;
int new_fd_stream(char *name, int fd, int connect_status, int fd_type,
                  struct stream **);
int __wrap_stream_open(const char *name, struct stream **, uint8_t dscp);
int
__wrap_stream_open(const char *name, struct stream **streamp, uint8_t dscp)
{
    int fds[2];

    (void) dscp;
    if (f.connect) {
        return f.connect;
    }
    CHECK(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                      fds));
    if (f.fd >= 0) {
        (void) close(f.fd);
    }
    f.fd = fds[0];
    f.request[0] = '\0';
    return new_fd_stream(strdup(name), fds[1], 0, AF_UNIX, streamp);
}

static void
on_ended(void *number, int error, const char *reply,
         const struct vdpad_error *why)
{
    CHECK((size_t) (uintptr_t) number == f.n_ended);
    f.n_ended++;
    CHECK(!error == !!reply);
    if (error) {
        CHECK(error == -ENOENT || error == -EOPNOTSUPP || error == -ETIMEDOUT
              || error == -EMSGSIZE || error == -EIO);
        CHECK(why->text[0]
              && memchr(why->text, '\0', sizeof why->text) != NULL);
    } else {
        CHECK(strlen(reply) < SIZE_MAX);
    }
}

static void
call(void)
{
    static const char *const args[] = { "a \"b\"", "" };
    int error;

    if (f.n_calls - f.n_ended < MAX_CALLS) {
        error = f.port->ops->call(f.port, "fuzz/it", args, 2, on_ended,
                                  (void *) (uintptr_t) f.n_calls);
        CHECK(!error || error == -EBUSY);
        f.n_calls += !error;
    }
}

/* The process reads what it is asked. */
static void
read_request(void)
{
    char text[1024], *id;
    ssize_t n = f.fd >= 0 ? recv(f.fd, text, sizeof text - 1, 0) : -1;

    if (n > 0) {
        text[n] = '\0';
        id = strstr(text, "\"id\":");
        CHECK(id);
        id += strlen("\"id\":");
        CHECK(id[strspn(id, "0123456789")] == ','
              || id[strspn(id, "0123456789")] == '}');
        CHECK(snprintf(f.request, sizeof f.request, "%.*s",
                       (int) strspn(id, "0123456789"), id)
              < (int) sizeof f.request);
    }
}

static void
say(const char *bytes, size_t n)
{
    if (f.fd >= 0) {
        (void) send(f.fd, bytes, n, MSG_NOSIGNAL);
    }
}

/* Answers with the text, or the JSON, 'data'. */
static void
answer(enum what what, const uint8_t *data, size_t len)
{
    char text[6 * 256 + 128];
    size_t n;

    n = (size_t) snprintf(text, sizeof text,
                          "{\"id\":%s,\"%s\":", f.request[0] ? f.request : "0",
                          what == FAILURE ? "error" : "result");
    if (what == VALUE) {
        memcpy(text + n, data, len);
        n += len;
    } else {
        text[n++] = '"';
        for (size_t i = 0; i < len; i++) {
            bool is_plain = data[i] >= ' ' && data[i] < 0x7f && data[i] != '"'
                            && data[i] != '\\';

            n += (size_t) snprintf(text + n, sizeof text - n,
                                   is_plain ? "%c" : "\\u%04x",
                                   data[i] ? data[i] : '\n');
        }
        text[n++] = '"';
    }
    n += (size_t) snprintf(text + n, sizeof text - n, ",\"%s\":null}",
                           what == FAILURE ? "result" : "error");
    say(text, n);
}

/* Of ovs-vswitchd: "/…/ovs-vswitchd.pid". */
static void
write_pidfile(const char *name, const uint8_t *data, size_t len)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    CHECK(fd >= 0);
    CHECK(write(fd, data, len) == (ssize_t) len);
    CHECK(!close(fd));
    f.is_locked = len > 0;
    tell(IN_CLOSE_WRITE);
}

static void
check_effect(struct vdpad_effective *effective)
{
    const struct vdpad_effect_state *s = vdpad_effective_get(effective);

    CHECK(s->effect == VDPAD_EFFECT_UNKNOWN || s->effect == VDPAD_EFFECT_NO
          || s->effect == VDPAD_EFFECT_YES);
    CHECK(s->told_by[0]
          && memchr(s->told_by, '\0', sizeof s->told_by) != NULL);
    CHECK(memchr(s->remedy, '\0', sizeof s->remedy) != NULL);
    /* Only of a process that runs, or did when it was last looked at. */
    CHECK(s->effect == VDPAD_EFFECT_UNKNOWN || s->pid > 0);
    CHECK(s->pid >= 0 && s->pid <= MAX_PID);
}

/* Of a database with a port in the kernel's datapath. */
static const struct vdpad_snapshot *
snapshot_of(bool is_configured)
{
    static const struct vdpad_snapshot *snapshots[2];
    static struct fake_db *db;

    if (!db) {
        db = fake_db_new();
        fake_db_add_bridge(db, "br-int");
        (void) fake_db_add_port(db, "br-int", "pf0vf0");
        fake_db_set_ofport(db, "pf0vf0", 1, "");
        snapshots[0] = fake_db_snapshot(db, 1);
        fake_db_set_other(db, "hw-offload", "true");
        snapshots[1] = fake_db_snapshot(db, 2);
    }
    return snapshots[is_configured];
}

static void
act(enum what what, struct vdpad_effective *effective, const char *pidfile,
    const uint8_t *data, size_t len)
{
    switch (what) {
    case CALL:
        call();
        break;
    case EFFECT:
        vdpad_effective_run(effective, snapshot_of(len & 1),
                            f.now_ms * 1000000);
        break;
    case RESULT:
    case FAILURE:
    case VALUE:
        answer(what, data, len);
        break;
    case BYTES:
        say((const char *) data, len);
        break;
    case HANG_UP:
        if (f.fd >= 0) {
            (void) close(f.fd);
            f.fd = -1;
        }
        break;
    case TIME:
        f.now_ms += (long long int) len * (SEC_MS / 10);
        break;
    case PIDFILE:
        write_pidfile(pidfile, data, len);
        break;
    case WATCH:
        f.is_unwatchable = !(len & 1);
        tell(masks[len ? data[0] % (sizeof masks / sizeof masks[0]) : 0]);
        break;
    case REFUSE:
    case N_WHATS:
    default:
        f.connect = errors[len % (sizeof errors / sizeof errors[0])];
        break;
    }
}

static void
turn(void)
{
    f.port->ops->run(f.port);
    read_request();
    CHECK(f.port->ops->pid(f.port) >= 0
          && f.port->ops->pid(f.port) <= MAX_PID);
    f.port->ops->wait(f.port);
    poll_immediate_wake();
    poll_block();
}

static void
run(const char *pidfile, const uint8_t *data, size_t size)
{
    struct vdpad_history *history = vdpad_history_new();
    struct vdpad_effective *effective = vdpad_effective_new(f.port, history);

    while (size >= 2) {
        size_t len = data[1] < size - 2 ? data[1] : size - 2;

        act((enum what)(data[0] % N_WHATS), effective, pidfile, data + 2, len);
        turn();
        check_effect(effective);
        data += 2 + len;
        size -= 2 + len;
    }
    /* One call after the other at worst, where nobody listens; and those that
     * are made when one has ended. */
    for (size_t i = 2 * (f.n_calls - f.n_ended) + 8; i > 0; i--) {
        f.now_ms += 6 * SEC_MS;
        turn();
    }
    CHECK(f.n_ended == f.n_calls);
    check_effect(effective);
    vdpad_effective_free(effective);
    vdpad_history_free(history);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char folder[] = "/dev/shm/fuzz-vswitchd.XXXXXX";
    char pidfile[sizeof folder + 32];

    memset(&f, 0, sizeof f);
    f.now_ms = 1000 * SEC_MS;
    f.fd = f.events = -1;
    CHECK(mkdtemp(folder));
    (void) snprintf(pidfile, sizeof pidfile, "%s/ovs-vswitchd.pid", folder);
    write_pidfile(pidfile, (const uint8_t *) "4711\n", 5);
    f.port = vdpad_ovs_vswitchd_new(folder);
    CHECK(f.port->ops->pid(f.port) == 4711);
    run(pidfile, data, size);
    f.port->ops->destroy(f.port);
    (void) close(f.events);
    if (f.fd >= 0) {
        (void) close(f.fd);
    }
    CHECK(!unlink(pidfile) && !rmdir(folder));
    return 0;
}
