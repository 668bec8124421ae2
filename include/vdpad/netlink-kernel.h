/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel itself, as an implementation of <vdpad/kernel.h>. */
#ifndef VDPAD_NETLINK_KERNEL_H
#define VDPAD_NETLINK_KERNEL_H 1

#include <vdpad/kernel.h>

struct vdpad_loop;

struct vdpad_netlink_options {
    int64_t read_deadline_ns; /* Of an observe(); 0: 10 s. */
    int64_t step_deadline_ns; /* Of a quick step; 0: 30 s. */
    int64_t slow_deadline_ns; /* Of numvfs, e-switch mode; 0: 180 s. */
    /* A file, made if need be, by which it is known whether helper processes
     * of an earlier daemon may still do a step; borrowed for the call.  NULL:
     * that is neither looked at nor told. */
    const char *lock_path;
};

/* Opens the event sockets and gets ready to start helper processes, which are
 * this very program run anew (/proc/self/exe) in worker mode.  'loop' must
 * outlive the kernel.  Stores the new kernel in '*ret_kernel' (owned by the
 * caller, freed by its ops->destroy()).  Returns 0 or a negative errno with
 * 'why'. */
int vdpad_netlink_kernel_new(struct vdpad_loop *loop,
                             const struct vdpad_netlink_options *options,
                             struct vdpad_kernel **ret_kernel,
                             struct vdpad_error *why);

/* Whether this process was started as a helper process: to be asked first
 * thing in main(). */
bool vdpad_worker_is_wanted(int argc, char *argv[]);

/* Serves requests until the daemon closes its end; returns the exit
 * status. */
int vdpad_worker_main(int argc, char *argv[]);

#endif
