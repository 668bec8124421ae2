/* SPDX-License-Identifier: Apache-2.0 */
/* Helper processes as the daemon sees them: starting one, the socket to it,
 * its end. */
#ifndef VDPAD_NETLINK_CHILD_H
#define VDPAD_NETLINK_CHILD_H 1

#include <stdbool.h>
#include <sys/types.h>

#include <vdpad/error.h>

struct vdpad_child {
    pid_t pid;
    int pid_fd; /* Readable when the process has ended. */
    int fd;     /* Our end of the socket; -1: closed. */
};

/* Starts this program anew (/proc/self/exe) as a helper with 'role', which
 * inherits 'lock_fd' (-1: none).  Returns 0 or a negative errno with 'why'. */
int vdpad_child_start(struct vdpad_child *child, const char *role, int lock_fd,
                      struct vdpad_error *why);

/* Closes our end of the socket, upon which the helper ends as soon as it can;
 * with 'is_stuck' it is also killed: it ends when the kernel lets go of it and
 * before it does anything else. */
void vdpad_child_leave(struct vdpad_child *child, bool is_stuck);

/* Reaps the process if it has ended; then closes its descriptors and returns
 * true. */
bool vdpad_child_reap(struct vdpad_child *child);

/* Forgets the process, which goes on by itself. */
void vdpad_child_forget(struct vdpad_child *child);

#endif
