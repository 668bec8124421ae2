/* SPDX-License-Identifier: Apache-2.0 */
/* The port through which controller/ asks the running ovs-vswitchd, over its
 * status socket.  ovsdb/ implements it.
 *
 * No call blocks: ovs-vswitchd may be busy, stopped or not there.  Callbacks
 * come from run() in the loop's thread, never from within call(). */
#ifndef VDPAD_VSWITCHD_H
#define VDPAD_VSWITCHD_H 1

#include <stddef.h>
#include <stdint.h>

#include <vdpad/error.h>

struct vdpad_vswitchd;

/* Ends a call.  'error' 0: 'reply' is the command's output, borrowed,
 * untrusted text of any length up to 16 MiB.  Otherwise 'reply' is NULL and
 * 'why' says more:
 *   -ENOENT      no ovs-vswitchd runs (no pid file, or nobody listens);
 *   -EOPNOTSUPP  this one has no such command;
 *   -ETIMEDOUT   no answer in 5 s; the calls that waited behind that one
 *                end likewise;
 *   -EMSGSIZE    the answer is too long;
 *   -EIO         the command itself failed, 'why' has its words. */
typedef void vdpad_vswitchd_cb(void *aux, int error, const char *reply,
                               const struct vdpad_error *why);

struct vdpad_vswitchd_ops {
    /* Calls 'command' with 'n' 'args'.  Calls are made one after the other;
     * -EBUSY when 16 wait. */
    int (*call)(struct vdpad_vswitchd *, const char *command,
                const char *const *args, size_t n, vdpad_vswitchd_cb *cb,
                void *aux);

    /* The process that runs, by its pid file; 0: none.  Does not change while
     * a process lives, and so tells when it was restarted. */
    int32_t (*pid)(const struct vdpad_vswitchd *);

    void (*run)(struct vdpad_vswitchd *);
    void (*wait)(struct vdpad_vswitchd *);

    /* Frees everything; pending callbacks are not called. */
    void (*destroy)(struct vdpad_vswitchd *);
};

/* First member of every implementation. */
struct vdpad_vswitchd {
    const struct vdpad_vswitchd_ops *ops;
};

#endif
