/* SPDX-License-Identifier: Apache-2.0 */
/* The port through which controller/ sees and changes the kernel.  There are
 * two implementations: netlink/ (the kernel) and test/fake (a simulated one);
 * the same conformance tests pass on both.
 *
 * No call of this interface blocks: whatever could sleep in the kernel is done
 * by helper processes.  All callbacks come from ops->run() in the loop's
 * thread, never from within observe() or submit(). */
#ifndef VDPAD_KERNEL_H
#define VDPAD_KERNEL_H 1

#include <vdpad/action.h>
#include <vdpad/error.h>
#include <vdpad/flow-query.h>
#include <vdpad/model.h>

struct vdpad_kernel;

/* Ends an observe().  On success 'error' is 0 and 'picture' is valid; its
 * rows are the callee's to keep (it may move them out and set rows to NULL)
 * until it returns.  On failure 'error' is a negative errno, 'why' says more,
 * and there is no picture:
 *   -ETIMEDOUT   no answer in time: the class is unobservable for now;
 *   -EAGAIN      interrupted or lost messages, ask again;
 *   -ENOENT      the kernel lacks it (say, no genl family "vdpa": module not
 *                loaded) - the picture is then empty rather than unknown, so
 *                implementations deliver an empty picture instead where that
 *                is certain;
 *   others       as the kernel said. */
typedef void vdpad_observed_cb(void *aux, enum vdpad_class class_, int error,
                               struct vdpad_picture *picture,
                               const struct vdpad_error *why);

/* Ends one step.  'error' 0 or a negative errno, then 'why' says more:
 *   -ETIMEDOUT   still running in the kernel after its deadline; that it ends
 *                some day is told by an invalidation of all classes;
 *   -ECOMM       never started, because what it needs hangs in the kernel;
 *                the end of that is told in the same way;
 *   -ECANCELED   never started, because a step before it in its batch is still
 *                running;
 *   -EIO         done or not: the helper process died, or the kernel's answer
 *                was lost;
 *   -EAGAIN      never started: what it depends on could not be seen;
 *   others       not done, as the kernel said; where it says one of those
 *                above, -EREMOTEIO. */
typedef void vdpad_done_cb(void *aux, const struct vdpad_act *act, int error,
                           const struct vdpad_error *why);

/* Something of the classes in 'mask' (bits 1u << class) may have changed.
 * 'lost' when that is because events were lost. */
typedef void vdpad_invalidated_cb(void *aux, unsigned int mask, bool lost);

/* A request that has not come back from the kernel after its deadline. */
struct vdpad_stuck {
    int32_t pid;      /* Of the helper process; 0 in the fake. */
    bool is_former;   /* Helper processes of earlier daemons, all together:
                       * what they are at is not known, and 'pid' is 0. */
    int64_t since_ns; /* Monotonic. */
    char what[200];   /* "vdpa-del vdpa:0000:65:00.2" */
};

struct vdpad_kernel_stats {
    uint64_t overruns;    /* ENOBUFS on any event socket. */
    uint64_t interrupted; /* Dumps that were interrupted. */
    uint64_t malformed;   /* Messages that could not be understood. */
    uint64_t timeouts;    /* Requests past their deadline, and those
                                 * refused behind them. */
    uint64_t requests;    /* All requests. */
    size_t workers;       /* Helper processes alive, stuck included. */
    uint64_t flows;       /* Flower filters that are tracked one by one. */
    uint64_t untracked;   /* More than that, of which only sums are known. */
    uint64_t repaired;    /* Filters that had come or gone without an event,
                                 * as a dump showed. */
};

struct vdpad_kernel_ops {
    /* Asks for a fresh picture of 'class_'.  One such request per class may
     * be under way; a second is refused with -EBUSY.  Returns 0 or a negative
     * errno (then 'cb' is never called). */
    int (*observe)(struct vdpad_kernel *, enum vdpad_class class_,
                   vdpad_observed_cb *cb, void *aux);

    /* Submits a batch of 'n' steps that are done in this order; 'cb' is called
     * once for each.  A failed step does not stop those after it.  Batches
     * are independent of each other and may run side by side. */
    int (*submit)(struct vdpad_kernel *, const struct vdpad_act *acts,
                  size_t n, vdpad_done_cb *cb, void *aux);

    /* Asks for single flows, or about one: see <vdpad/flow-query.h>.  Any
     * number may be under way; they wait for each other.  Returns 0 or a
     * negative errno (then 'cb' is never called). */
    int (*query)(struct vdpad_kernel *, const struct vdpad_flow_query *query,
                 vdpad_flow_query_cb *cb, void *aux);

    /* Registers who is told of changes.  Called once, before the first
     * run(). */
    void (*subscribe)(struct vdpad_kernel *, vdpad_invalidated_cb *cb,
                      void *aux);

    /* Processes what has come in and what is past its deadline. */
    void (*run)(struct vdpad_kernel *);

    /* Arranges for the loop to wake up when run() has something to do. */
    void (*wait)(struct vdpad_kernel *);

    /* Copies up to 'max' stuck requests to 'stuck'; returns how many there
     * are.  One that 'is_former' is there from the first run() on or never. */
    size_t (*stuck)(const struct vdpad_kernel *, struct vdpad_stuck *stuck,
                    size_t max);
    void (*stats)(const struct vdpad_kernel *, struct vdpad_kernel_stats *);

    /* Frees everything.  Callbacks of pending requests are not called.
     * Helper processes that are stuck are left behind and end by
     * themselves. */
    void (*destroy)(struct vdpad_kernel *);
};

/* First member of every implementation. */
struct vdpad_kernel {
    const struct vdpad_kernel_ops *ops;
};

#endif
