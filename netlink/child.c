/* SPDX-License-Identifier: Apache-2.0 */
#include "child.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "protocol.h"

/* Signals as at the start of any program, and a process group of its own, so
 * that Ctrl-C in a terminal ends the daemon only. */
static int
set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none, all;
    int error;

    sigemptyset(&none);
    sigfillset(&all);
    error = posix_spawnattr_setsigmask(attributes, &none);
    if (!error) {
        error = posix_spawnattr_setsigdefault(attributes, &all);
    }
    if (!error) {
        error = posix_spawnattr_setpgroup(attributes, 0);
    }
    if (!error) {
        error = posix_spawnattr_setflags(attributes,
                                         POSIX_SPAWN_SETSIGMASK
                                             | POSIX_SPAWN_SETSIGDEF
                                             | POSIX_SPAWN_SETPGROUP);
    }
    return error;
}

/* Runs the program with 'fd' as VDPAD_WORKER_FD and 'lock_fd' (-1: none; above
 * both numbers) as VDPAD_WORKER_LOCK_FD.  Returns 0 or a positive errno. */
static int
spawn(pid_t *pid, const char *role, int fd, int lock_fd)
{
    char *argv[] = {
        (char *) (uintptr_t) "ovs-vdpad",
        (char *) (uintptr_t) VDPAD_WORKER_OPTION,
        (char *) (uintptr_t) role,
        NULL,
    };
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int error = posix_spawn_file_actions_init(&actions);

    if (error) {
        return error;
    }
    error = posix_spawnattr_init(&attributes);
    if (!error) {
        /* Also clears FD_CLOEXEC if the number is the right one already. */
        error = posix_spawn_file_actions_adddup2(&actions, fd,
                                                 VDPAD_WORKER_FD);
        if (!error && lock_fd >= 0) {
            error = posix_spawn_file_actions_adddup2(&actions, lock_fd,
                                                     VDPAD_WORKER_LOCK_FD);
        }
        if (!error) {
            error = set_attributes(&attributes);
        }
        if (!error) {
            error = posix_spawn(pid, "/proc/self/exe", &actions, &attributes,
                                argv, environ);
        }
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

int
vdpad_child_start(struct vdpad_child *child, const char *role, int lock_fd,
                  struct vdpad_error *why)
{
    int fds[2], error;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds)) {
        return vdpad_error_set(why, -errno,
                               "helper process %s: socketpair: "
                               "%s",
                               role, strerror(errno));
    }
    error = spawn(&child->pid, role, fds[1], lock_fd);
    (void) close(fds[1]);
    if (error) {
        (void) close(fds[0]);
        return vdpad_error_set(why, -error,
                               "helper process %s: cannot run "
                               "/proc/self/exe: %s",
                               role, strerror(error));
    }
    child->fd = fds[0];
    /* Not reaped yet, so the number is still this process's.  (glibc has
     * functions for both calls only since 2.36.) */
    child->pid_fd = (int) syscall(SYS_pidfd_open, child->pid, 0);
    if (child->pid_fd < 0) {
        error = errno;
        (void) close(child->fd);
        (void) kill(child->pid, SIGKILL);
        (void) waitpid(child->pid, NULL, 0);
        return vdpad_error_set(why, -error, "helper process %s: pidfd: %s",
                               role, strerror(error));
    }
    return 0;
}

void
vdpad_child_leave(struct vdpad_child *child, bool is_stuck)
{
    if (child->fd >= 0) {
        (void) close(child->fd);
        child->fd = -1;
    }
    if (is_stuck) {
        (void) syscall(SYS_pidfd_send_signal, child->pid_fd, SIGKILL, NULL, 0);
    }
}

bool
vdpad_child_reap(struct vdpad_child *child)
{
    pid_t pid;

    do {
        pid = waitpid(child->pid, NULL, WNOHANG);
    } while (pid < 0 && errno == EINTR);
    /* An error: someone else has reaped it. */
    if (!pid) {
        return false;
    }
    vdpad_child_forget(child);
    return true;
}

void
vdpad_child_forget(struct vdpad_child *child)
{
    if (child->fd >= 0) {
        (void) close(child->fd);
        child->fd = -1;
    }
    if (child->pid_fd >= 0) {
        (void) close(child->pid_fd);
        child->pid_fd = -1;
    }
}
