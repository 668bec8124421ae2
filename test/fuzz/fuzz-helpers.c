/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's side of the kernel adapter, beside helper processes that say
 * whatever they like, and die or hang, and a kernel that announces whatever it
 * likes, and loses it.  The input is a sequence of records, one in each turn:
 * a byte that says what happens (enum what), a byte that says to whom, a byte
 * with the length, and that many bytes.
 *
 * Each request ends once or is still under way; what came of it is whole.
 *
 * wrap: vdpad_child_start vdpad_child_leave vdpad_child_reap
 * wrap: vdpad_child_forget vdpad_loop_clock_ns
 * wrap: socket setsockopt bind recvmsg */
#include <errno.h>
#include <linux/netlink.h>
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
#include <vdpad/netlink-kernel.h>

#include "netlink/kernel-private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(CONDITION)                                       \
    do {                                                       \
        if (!(CONDITION)) {                                    \
            fprintf(stderr, "%d: %s\n", __LINE__, #CONDITION); \
            abort();                                           \
        }                                                      \
    } while (0)

#define SEC_NS INT64_C(1000000000)
#define MAX_HELPERS 128

enum what {
    OBSERVE, /* Of the class 'whom'. */
    STEPS,   /* As many as there are bytes, which are their kinds. */
    QUERY,   /* Of the kind 'whom'. */
    REPLY,   /* Of the helper 'whom': see make_reply(). */
    BYTES,   /* Of the helper 'whom'. */
    DIE,     /* The helper 'whom' does. */
    END,     /* One that was given up does. */
    TIME,    /* As many seconds pass as there are bytes. */
    ROUTE,   /* An announcement, of links, … */
    UEVENT,  /* … of devices. */
    LOSE,    /* Announcements are lost; 'whom': of which. */
    N_WHATS
};

struct helper {
    int pid;    /* 0: none. */
    int fd;     /* Its end; -1: it has ended. */
    int pid_fd; /* The daemon's. */
    bool is_left, is_stuck;
};

static struct {
    const uint8_t *data;
    size_t size;
    struct vdpad_loop *loop;
    struct vdpad_kernel *kernel;
    int64_t now_ns;
    struct helper helpers[MAX_HELPERS];
    int n_pids;
    int n_sockets; /* rtnetlink is the first, uevents the second. */
    int event_fds[2];
    const uint8_t *event[2]; /* What comes next; NULL: nothing. */
    size_t event_len[2];
    bool is_lost[2];
    unsigned int observing;
    size_t n_steps, n_queries;
} f;

int64_t __wrap_vdpad_loop_clock_ns(void);
int64_t
__wrap_vdpad_loop_clock_ns(void)
{
    return f.now_ns;
}

/* Event sockets. */

int __wrap_socket(int domain, int type, int protocol);
int
__wrap_socket(int domain, int type, int protocol)
{
    int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);

    (void) domain;
    (void) type;
    (void) protocol;
    CHECK(fd >= 0 && f.n_sockets < 2);
    f.event_fds[f.n_sockets++] = fd;
    return fd;
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

ssize_t __wrap_recvmsg(int fd, struct msghdr *msg, int flags);
ssize_t
__wrap_recvmsg(int fd, struct msghdr *msg, int flags)
{
    int i = fd == f.event_fds[1];
    size_t n = f.event_len[i];

    (void) flags;
    CHECK(fd == f.event_fds[i]);
    if (f.is_lost[i]) {
        f.is_lost[i] = false;
        errno = ENOBUFS;
        return -1;
    }
    if (!f.event[i]) {
        errno = EAGAIN;
        return -1;
    }
    CHECK(n <= msg->msg_iov[0].iov_len);
    memset(msg->msg_name, 0, sizeof(struct sockaddr_nl));
    memcpy(msg->msg_iov[0].iov_base, f.event[i], n);
    msg->msg_flags = 0;
    f.event[i] = NULL;
    return (ssize_t) n;
}

/* Helper processes. */

int __wrap_vdpad_child_start(struct vdpad_child *child, const char *role,
                             struct vdpad_error *why);
int
__wrap_vdpad_child_start(struct vdpad_child *child, const char *role,
                         struct vdpad_error *why)
{
    int fds[2];

    for (size_t i = 0; i < MAX_HELPERS; i++) {
        struct helper *h = &f.helpers[i];

        if (!h->pid) {
            CHECK(!socketpair(
                AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds));
            h->pid = ++f.n_pids;
            h->fd = fds[1];
            h->pid_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
            h->is_left = h->is_stuck = false;
            child->pid = h->pid;
            child->fd = fds[0];
            child->pid_fd = h->pid_fd;
            return 0;
        }
    }
    return vdpad_error_set(why, -EAGAIN, "helper process %s: no more", role);
}

static struct helper *
helper_of(const struct vdpad_child *child)
{
    for (size_t i = 0; i < MAX_HELPERS; i++) {
        if (f.helpers[i].pid == child->pid) {
            return &f.helpers[i];
        }
    }
    abort();
}

static void
helper_end(struct helper *h)
{
    if (h->fd >= 0) {
        (void) close(h->fd);
        h->fd = -1;
        CHECK(!eventfd_write(h->pid_fd, 1));
    }
}

void __wrap_vdpad_child_leave(struct vdpad_child *child, bool is_stuck);
void
__wrap_vdpad_child_leave(struct vdpad_child *child, bool is_stuck)
{
    struct helper *h = helper_of(child);

    (void) close(child->fd);
    child->fd = -1;
    h->is_left = true;
    h->is_stuck = is_stuck;
    /* It has nothing more to do, unless it hangs. */
    if (!is_stuck) {
        helper_end(h);
    }
}

void __wrap_vdpad_child_forget(struct vdpad_child *child);
void
__wrap_vdpad_child_forget(struct vdpad_child *child)
{
    struct helper *h = helper_of(child);

    if (child->fd >= 0) {
        (void) close(child->fd);
    }
    if (h->fd >= 0) {
        (void) close(h->fd);
    }
    (void) close(child->pid_fd);
    child->fd = child->pid_fd = -1;
    h->pid = 0;
}

bool __wrap_vdpad_child_reap(struct vdpad_child *child);
bool
__wrap_vdpad_child_reap(struct vdpad_child *child)
{
    if (helper_of(child)->fd >= 0) {
        return false;
    }
    __wrap_vdpad_child_forget(child);
    return true;
}

/* Requests. */

static void
check_why(int error, const struct vdpad_error *why)
{
    CHECK(!error || memchr(why->text, '\0', sizeof why->text));
}

static void
on_observed(void *aux, enum vdpad_class class_, int error,
            struct vdpad_picture *picture, const struct vdpad_error *why)
{
    unsigned int sum = 0;

    (void) aux;
    CHECK(f.observing & 1u << class_);
    f.observing &= ~(1u << class_);
    check_why(error, why);
    CHECK(!error == !!picture);
    if (picture) {
        CHECK(picture->class_ == class_);
        CHECK(picture->row_size == vdpad_row_size(class_));
        for (size_t i = 0; i < picture->n * picture->row_size; i++) {
            sum += ((const uint8_t *) picture->rows)[i];
        }
        CHECK(sum != UINT32_MAX);
    }
}

static void
on_done(void *aux, const struct vdpad_act *act, int error,
        const struct vdpad_error *why)
{
    (void) aux;
    CHECK(f.n_steps > 0);
    f.n_steps--;
    CHECK(act->kind >= 0 && act->kind < VDPAD_ACT_N);
    check_why(error, why);
}

static void
on_queried(void *aux, int error, const struct vdpad_flow_detail *flows,
           size_t n, bool more, const struct vdpad_error *why)
{
    unsigned int sum = 0;

    (void) aux;
    CHECK(f.n_queries > 0);
    f.n_queries--;
    check_why(error, why);
    CHECK(!error || !n);
    for (size_t i = 0; i < n * sizeof *flows; i++) {
        sum += ((const uint8_t *) flows)[i];
    }
    CHECK(sum != UINT32_MAX && (more || !more));
}

static void
on_invalidated(void *aux, unsigned int mask, bool lost)
{
    (void) aux;
    (void) lost;
    CHECK(mask && !(mask & ~VDPAD_ALL_CLASSES));
}

static void
observe(enum vdpad_class class_)
{
    bool was_asked = f.observing & 1u << class_;
    int error = f.kernel->ops->observe(f.kernel, class_, on_observed, NULL);

    CHECK(error == (was_asked ? -EBUSY : 0));
    f.observing |= 1u << class_;
}

static void
submit(const uint8_t *data, size_t len)
{
    struct vdpad_act acts[8];

    len = len < 8 ? len : 8;
    memset(acts, 0, sizeof acts);
    for (size_t i = 0; i < len; i++) {
        acts[i].kind = data[i] % VDPAD_ACT_N;
        strcpy(acts[i].object, "vdpa:0000:65:00.2");
    }
    f.n_steps += len;
    CHECK(!f.kernel->ops->submit(f.kernel, acts, len, on_done, NULL));
}

static void
query(uint8_t kind)
{
    struct vdpad_flow_query q = { .kind = kind % 3, .has_at = true };

    f.n_queries++;
    CHECK(!f.kernel->ops->query(f.kernel, &q, on_queried, NULL));
}

/* Sends a reply whose head is in the bytes: error, whether there is more,
 * whether it is unasked, its classes, those lost, how many rows, how many
 * bytes beside, the class of the rows, a character of the text, whether it is
 * cut short; the rest, over and over, is in the rows. */
static void
make_reply(struct helper *h, const uint8_t *data, size_t len)
{
    uint8_t head[12] = { 0 };
    struct vdpad_wire_reply reply;
    size_t row_size;
    uint8_t *rows;

    memcpy(head, data, len < sizeof head ? len : sizeof head);
    memset(&reply, 0, sizeof reply);
    reply.error = -head[0];
    reply.more = head[1] & 1;
    reply.is_unasked = head[2] & 1;
    reply.overruns = head[2] >> 4;
    reply.malformed = head[1] >> 4;
    reply.classes = head[3] | (uint32_t) head[4] << 8;
    reply.lost = head[5] | (uint32_t) head[6] << 8;
    row_size = head[9] % (VDPAD_N_CLASSES + 1) == VDPAD_N_CLASSES
                   ? sizeof(struct vdpad_flow_detail)
                   : vdpad_row_size(
                       (enum vdpad_class)(head[9] % VDPAD_N_CLASSES));
    reply.size = head[7] * row_size + head[8];
    memset(reply.text, head[10], sizeof reply.text);
    (void) send(h->fd, &reply, sizeof reply, MSG_NOSIGNAL);
    rows = calloc(1, reply.size + 1);
    CHECK(rows);
    for (size_t i = 0; len > sizeof head && i < reply.size; i++) {
        rows[i] = data[sizeof head + i % (len - sizeof head)];
    }
    /* Perhaps not all of it. */
    (void) send(h->fd, rows, head[11] & 1 ? reply.size / 2 : reply.size,
                MSG_NOSIGNAL);
    free(rows);
}

/* A helper process that the daemon speaks with; 'is_left': that it has given
 * up.  NULL: there is none. */
static struct helper *
pick_helper(uint8_t whom, bool is_left)
{
    for (size_t i = 0; i < MAX_HELPERS; i++) {
        struct helper *h = &f.helpers[(whom + i) % MAX_HELPERS];

        if (h->pid && h->fd >= 0 && h->is_left == is_left) {
            return h;
        }
    }
    return NULL;
}

static void
act(enum what what, uint8_t whom, const uint8_t *data, size_t len)
{
    struct helper *h = pick_helper(whom, what == END);

    switch (what) {
    case OBSERVE:
        observe((enum vdpad_class)(whom % VDPAD_N_CLASSES));
        break;
    case STEPS:
        submit(data, len);
        break;
    case QUERY:
        query(whom);
        break;
    case REPLY:
        if (h) {
            make_reply(h, data, len);
        }
        break;
    case BYTES:
        if (h) {
            (void) send(h->fd, data, len, MSG_NOSIGNAL);
        }
        break;
    case DIE:
    case END:
        if (h) {
            helper_end(h);
        }
        break;
    case TIME:
        f.now_ns += (int64_t) len * SEC_NS;
        break;
    case ROUTE:
    case UEVENT:
        f.event[what == UEVENT] = data;
        f.event_len[what == UEVENT] = len;
        break;
    case LOSE:
    case N_WHATS:
    default:
        f.is_lost[whom & 1] = true;
        break;
    }
}

static void
on_turn(struct vdpad_loop *loop, void *aux)
{
    struct vdpad_kernel_stats stats;

    (void) aux;
    f.kernel->ops->run(f.kernel);
    f.kernel->ops->wait(f.kernel);
    f.kernel->ops->stats(f.kernel, &stats);
    CHECK(f.kernel->ops->stuck(f.kernel, NULL, 0) <= VDPAD_MAX_STUCK);
    CHECK(stats.workers <= VDPAD_MAX_STUCK * 2 + VDPAD_POOL_SIZE + 8);
    if (f.size < 3) {
        vdpad_loop_stop(loop);
        return;
    }

    size_t len = f.data[2] < f.size - 3 ? f.data[2] : f.size - 3;

    act((enum what)(f.data[0] % N_WHATS), f.data[1], f.data + 3, len);
    f.data += 3 + len;
    f.size -= 3 + len;
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
    CHECK(!vdpad_netlink_kernel_new(loop, NULL, &f.kernel, &why));
    f.kernel->ops->subscribe(f.kernel, on_invalidated, NULL);
    vdpad_loop_set_turn(loop, on_turn, NULL);
    vdpad_loop_run(loop);
    for (size_t i = 0; i < MAX_HELPERS; i++) {
        if (f.helpers[i].pid) {
            helper_end(&f.helpers[i]);
        }
    }
    f.kernel->ops->destroy(f.kernel);
    for (size_t i = 0; i < MAX_HELPERS; i++) {
        CHECK(!f.helpers[i].pid);
    }
    return 0;
}
