/* SPDX-License-Identifier: Apache-2.0 */
#include "puppets.h"

#include <assert.h>
#include <errno.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

struct puppets puppets;

void
puppets_init(int64_t now_ns)
{
    memset(&puppets, 0, sizeof puppets);
    puppets.now_ns = now_ns;
}

int64_t __wrap_vdpad_loop_clock_ns(void);
int64_t
__wrap_vdpad_loop_clock_ns(void)
{
    return puppets.now_ns;
}

/* Event sockets: readable at all times. */

int __wrap_socket(int domain, int type, int protocol);
int
__wrap_socket(int domain, int type, int protocol)
{
    int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);

    (void) domain;
    (void) type;
    assert(fd >= 0 && puppets.n_sockets < PUPPET_N_EVENTS);
    puppets.n_sockets++;
    puppets.event_fds[protocol == NETLINK_KOBJECT_UEVENT] = fd;
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
    int i = fd == puppets.event_fds[PUPPET_UEVENT];
    size_t n = puppets.event_len[i];

    (void) flags;
    assert(fd == puppets.event_fds[i]);
    if (puppets.event_error[i]) {
        errno = puppets.event_error[i];
        puppets.event_error[i] = 0;
        return -1;
    }
    if (!puppets.event[i]) {
        errno = EAGAIN;
        return -1;
    }
    assert(n <= msg->msg_iov[0].iov_len);
    memset(msg->msg_name, 0, sizeof(struct sockaddr_nl));
    memcpy(msg->msg_iov[0].iov_base, puppets.event[i], n);
    msg->msg_flags = puppets.event_flags[i];
    puppets.event[i] = NULL;
    puppets.event_flags[i] = 0;
    return (ssize_t) n;
}

/* Helper processes. */

int __wrap_vdpad_child_start(struct vdpad_child *child, const char *role,
                             int lock_fd, struct vdpad_error *why);
int
__wrap_vdpad_child_start(struct vdpad_child *child, const char *role,
                         int lock_fd, struct vdpad_error *why)
{
    int fds[2];

    (void) lock_fd;
    for (size_t i = 0; i < MAX_PUPPETS; i++) {
        struct puppet *p = &puppets.all[i];

        if (p->pid) {
            continue;
        }
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                       fds)) {
            abort();
        }
        p->pid = ++puppets.n_pids;
        strncpy(p->role, role, sizeof p->role - 1);
        p->fd = fds[1];
        p->pid_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        p->is_left = p->is_stuck = false;
        child->pid = p->pid;
        child->fd = fds[0];
        child->pid_fd = p->pid_fd;
        return 0;
    }
    return vdpad_error_set(why, -EAGAIN, "helper process %s: no more", role);
}

static struct puppet *
puppet_of(const struct vdpad_child *child)
{
    for (size_t i = 0; i < MAX_PUPPETS; i++) {
        if (puppets.all[i].pid == child->pid) {
            return &puppets.all[i];
        }
    }
    abort();
}

struct puppet *
puppets_find(const char *role, size_t from, bool is_left)
{
    for (size_t i = 0; i < MAX_PUPPETS; i++) {
        struct puppet *p = &puppets.all[(from + i) % MAX_PUPPETS];

        if (p->pid && p->fd >= 0 && p->is_left == is_left
            && (!role || !strcmp(p->role, role))) {
            return p;
        }
    }
    return NULL;
}

void
puppet_end(struct puppet *p)
{
    if (p->fd >= 0) {
        (void) close(p->fd);
        p->fd = -1;
        if (eventfd_write(p->pid_fd, 1)) {
            abort();
        }
    }
}

void
puppet_reply(const struct puppet *p, const struct vdpad_wire_reply *reply,
             const void *rows)
{
    (void) send(p->fd, reply, sizeof *reply, MSG_NOSIGNAL);
    if (reply->size) {
        (void) send(p->fd, rows, reply->size, MSG_NOSIGNAL);
    }
}

void __wrap_vdpad_child_leave(struct vdpad_child *child, bool is_stuck);
void
__wrap_vdpad_child_leave(struct vdpad_child *child, bool is_stuck)
{
    struct puppet *p = puppet_of(child);

    (void) close(child->fd);
    child->fd = -1;
    p->is_left = true;
    p->is_stuck = is_stuck;
    /* It has nothing more to do, unless it hangs. */
    if (!is_stuck) {
        puppet_end(p);
    }
}

void __wrap_vdpad_child_forget(struct vdpad_child *child);
void
__wrap_vdpad_child_forget(struct vdpad_child *child)
{
    struct puppet *p = puppet_of(child);

    if (child->fd >= 0) {
        (void) close(child->fd);
    }
    if (p->fd >= 0) {
        (void) close(p->fd);
    }
    (void) close(child->pid_fd);
    child->fd = child->pid_fd = -1;
    p->pid = 0;
}

bool __wrap_vdpad_child_reap(struct vdpad_child *child);
bool
__wrap_vdpad_child_reap(struct vdpad_child *child)
{
    if (puppet_of(child)->fd >= 0) {
        return false;
    }
    __wrap_vdpad_child_forget(child);
    return true;
}
