/* SPDX-License-Identifier: Apache-2.0 */
/* The controller: observes, joins, plans, acts; turn by turn.  It owns the
 * newest world and plan, which the commands show. */
#ifndef VDPAD_CTL_H
#define VDPAD_CTL_H 1

#include <vdpad/kernel.h>
#include <vdpad/store.h>
#include <vdpad/vswitchd.h>

#include "effective.h"
#include "history.h"
#include "offload.h"
#include "plan.h"
#include "world.h"

struct vdpad_loop;
struct vdpad_ctl;

struct vdpad_ctl_options {
    bool dry_run;
    const char *record_path;
    int64_t (*clock_ns)(void);       /* NULL: CLOCK_MONOTONIC. */
    struct vdpad_vswitchd *vswitchd; /* NULL: none, as in tests. */
};

/* Makes a controller over 'kernel', 'store' and the options' 'vswitchd', which
 * must outlive it.  'loop' is for vdpad_ctl_wait() alone. */
struct vdpad_ctl *vdpad_ctl_new(struct vdpad_loop *loop,
                                struct vdpad_kernel *kernel,
                                struct vdpad_store *store,
                                const struct vdpad_ctl_options *options);
void vdpad_ctl_free(struct vdpad_ctl *ctl);

/* One turn, and what to wait for after it. */
void vdpad_ctl_run(struct vdpad_ctl *ctl, int64_t now_ns);
void vdpad_ctl_wait(struct vdpad_ctl *ctl);

/* When run() has something to do although neither the kernel nor the store
 * tells anything: what vdpad_ctl_wait() asks the loop for, besides what the
 * kernel port asks for itself.  In the past: at once. */
int64_t vdpad_ctl_next_ns(const struct vdpad_ctl *ctl);

/* True once the first complete observation and the first database snapshot
 * are there: what READY=1 means. */
bool vdpad_ctl_is_up(const struct vdpad_ctl *ctl);

/* The newest joined world and plan; never NULL after the first run(); borrowed
 * until the next run(). */
const struct vdpad_world *vdpad_ctl_world(const struct vdpad_ctl *ctl);
const struct vdpad_plan *vdpad_ctl_plan(const struct vdpad_ctl *ctl);
struct vdpad_kernel *vdpad_ctl_kernel(struct vdpad_ctl *ctl);
bool vdpad_ctl_is_dry_run(const struct vdpad_ctl *ctl);
const struct vdpad_store *vdpad_ctl_store(const struct vdpad_ctl *ctl);
struct vdpad_vswitchd *
vdpad_ctl_vswitchd(struct vdpad_ctl *ctl); /* Or NULL. */
struct vdpad_history *vdpad_ctl_history(struct vdpad_ctl *ctl);

/* What is known of the offload of devices, borrowed. */
const struct vdpad_looks *vdpad_ctl_looks(const struct vdpad_ctl *ctl);

/* Whether hw-offload is in effect, see effective.h. */
const struct vdpad_effect_state *vdpad_ctl_effect(struct vdpad_ctl *ctl);

/* Why nothing is changed on this host, for people; NULL: no such thing. */
const char *vdpad_ctl_problem(const struct vdpad_ctl *ctl);

struct vdpad_ctl_figures {
    int64_t last_reconcile_ns; /* Monotonic; 0: never. */
    uint64_t reconciles;       /* Plans made. */
    uint64_t steps, failures;  /* Steps ended, and those that failed. */
    uint64_t resyncs;          /* Classes observed anew after loss. */
};
void vdpad_ctl_get_figures(const struct vdpad_ctl *,
                           struct vdpad_ctl_figures *);

/* Forgets all back-offs and plans at the next turn. */
void vdpad_ctl_reconcile(struct vdpad_ctl *ctl);

/* Drops every picture; all is observed anew. */
void vdpad_ctl_resync(struct vdpad_ctl *ctl);

/* Calls 'cb' from a later run(), when the classes in 'mask' have been observed
 * anew (or could not be: their error says so).  'fresh' are separate pictures
 * when 'compare' is set (for verify), else NULL and the world is up to date.
 * Always calls back, at the latest after the kernel port's deadline. */
typedef void vdpad_refreshed_cb(void *aux, const struct vdpad_observed *fresh);
void vdpad_ctl_refresh(struct vdpad_ctl *ctl, unsigned int mask, bool compare,
                       vdpad_refreshed_cb *cb, void *aux);

/* Asks the kernel for single flows, or about one: see <vdpad/flow-query.h>.
 * 'cb' is called from a later run().  Returns 0 or a negative errno (then 'cb'
 * is never called). */
int vdpad_ctl_query(struct vdpad_ctl *ctl,
                    const struct vdpad_flow_query *query,
                    vdpad_flow_query_cb *cb, void *aux);

/* Calls 'cb' once: with NULL from a run() in which every configured device is
 * ready and nothing is wrong with the configuration, at the next one or later;
 * with 'why_not' when too many others have begun to wait since, or when 'ctl'
 * is freed. */
typedef void vdpad_ready_cb(void *aux, const char *why_not);
void vdpad_ctl_when_ready(struct vdpad_ctl *ctl, vdpad_ready_cb *cb,
                          void *aux);

/* Writes the key vdpa-suspended: 'policy' (or "*") added or removed; with
 * 'force' devices in use are taken down as well.  'cb' tells when it is in the
 * database. */
typedef void vdpad_suspended_cb(void *aux, int error,
                                const struct vdpad_error *why);
void vdpad_ctl_suspend(struct vdpad_ctl *ctl, const char *policy, bool on,
                       bool force, vdpad_suspended_cb *cb, void *aux);

#endif
