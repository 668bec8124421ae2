/* SPDX-License-Identifier: Apache-2.0 */
/* Whether helper processes of earlier daemons may still do a step.
 *
 * Each daemon has a read lock on one file, which belongs to the open file
 * (F_OFD_SETLK, fcntl(2)), and so do the helpers that inherit it: those that
 * do steps.  The kernel lets go of it when the last of them has ended, which
 * one that was killed within a system call does after that.  Another lock
 * than our own is an earlier daemon's, since there is one daemon at a time.
 * Neither numbers nor names of processes are needed, which could be others'
 * by now. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attrs.h"
#include "kernel-private.h"

/* Between two looks, while there are any. */
#define LOOK_NS INT64_C(500000000)

/* Not one of the numbers that a helper is given. */
#define LEAST_FD 16

/* Stores whether others have a lock in '*ret_is_held'. */
static int
look(int fd, bool *ret_is_held)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

    if (fcntl(fd, F_OFD_GETLK, &lock)) {
        return -errno;
    }
    *ret_is_held = lock.l_type != F_UNLCK;
    return 0;
}

int
vdpad_former_open(struct vdpad_netlink *netlink, struct vdpad_error *why)
{
    const char *path = netlink->options.lock_path;
    struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
    int fd, error = 0;

    netlink->lock_fd = -1;
    if (!path) {
        return 0;
    }
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0) {
        netlink->lock_fd = fcntl(fd, F_DUPFD_CLOEXEC, LEAST_FD);
    }
    if (netlink->lock_fd < 0 || fcntl(netlink->lock_fd, F_OFD_SETLK, &lock)) {
        error = -errno;
    } else {
        error = look(netlink->lock_fd, &netlink->has_former);
    }
    if (fd >= 0) {
        (void) close(fd);
    }
    if (error) {
        vdpad_former_close(netlink);
        return vdpad_error_set(why, error, "%s: lock: %s", path,
                               strerror(-error));
    }
    netlink->former_since_ns = vdpad_loop_clock_ns();
    netlink->former_ns = netlink->former_since_ns + LOOK_NS;
    return 0;
}

void
vdpad_former_run(struct vdpad_netlink *netlink)
{
    int64_t now = vdpad_loop_clock_ns();

    if (!netlink->has_former || now < netlink->former_ns) {
        return;
    }
    netlink->former_ns = now + LOOK_NS;
    /* When it cannot be told they are there. */
    if (!look(netlink->lock_fd, &netlink->has_former)
        && !netlink->has_former) {
        netlink->changed |= VDPAD_ALL_CLASSES;
    }
}

bool
vdpad_former_is_stuck(const struct vdpad_netlink *netlink,
                      struct vdpad_stuck *stuck)
{
    if (netlink->has_former) {
        memset(stuck, 0, sizeof *stuck);
        stuck->is_former = true;
        stuck->since_ns = netlink->former_since_ns;
        vdpad_text_copy(stuck->what, sizeof stuck->what,
                        "a step of an earlier daemon");
    }
    return netlink->has_former;
}

void
vdpad_former_close(struct vdpad_netlink *netlink)
{
    if (netlink->lock_fd >= 0) {
        (void) close(netlink->lock_fd);
        netlink->lock_fd = -1;
    }
}
