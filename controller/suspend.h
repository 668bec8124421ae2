/* SPDX-License-Identifier: Apache-2.0 */
/* Writes the key vdpa-suspended for `teardown` and `resume`. */
#ifndef VDPAD_SUSPEND_H
#define VDPAD_SUSPEND_H 1

#include <vdpad/config.h>
#include <vdpad/store.h>

#include "memory.h"

struct vdpad_suspender;

/* Both are borrowed. */
struct vdpad_suspender *vdpad_suspender_new(struct vdpad_store *,
                                            struct vdpad_memory *);

/* Frees it; requests that wait are not called back. */
void vdpad_suspender_free(struct vdpad_suspender *);

/* Queues a request; see vdpad_ctl_suspend(). */
void vdpad_suspender_add(struct vdpad_suspender *, const char *policy, bool on,
                         bool force,
                         void (*cb)(void *aux, int error,
                                    const struct vdpad_error *why),
                         void *aux);

/* Commits the first request that waits, if the database is free for it.
 * 'config' is that of snapshot 'serial'. */
void vdpad_suspender_run(struct vdpad_suspender *,
                         const struct vdpad_config *config, uint64_t serial);

/* True once after a request has been carried out: plan anew, since what is
 * forced is in no snapshot. */
bool vdpad_suspender_take_ended(struct vdpad_suspender *);

#endif
