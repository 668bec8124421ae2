/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps what is known of offload current: verdicts on devices, their copies in
 * the database, and whether hw-offload is in effect. */
#ifndef VDPAD_VERDICTS_H
#define VDPAD_VERDICTS_H 1

#include "effective.h"
#include "history.h"
#include "offload.h"

struct vdpad_verdicts {
    struct vdpad_looks *looks;
    struct vdpad_effective *effective;

    /* Private. */
    struct vdpad_publisher *publisher; /* NULL in a dry run. */
    struct vdpad_history *history;
    int64_t asked_ns; /* When filters were last asked for. */
};

/* All are borrowed; 'vswitchd' may be NULL. */
void vdpad_verdicts_init(struct vdpad_verdicts *, struct vdpad_store *store,
                         struct vdpad_vswitchd *vswitchd,
                         struct vdpad_history *history, bool dry_run);
void vdpad_verdicts_done(struct vdpad_verdicts *);

/* Takes a look at a new world, whose devices have their states. */
void vdpad_verdicts_look(struct vdpad_verdicts *, const struct vdpad_world *,
                         int64_t now_ns);

/* Asks and writes what is due, by the world that was looked at.  Returns the
 * classes (bits 1u << class) that should be observed anew. */
unsigned int vdpad_verdicts_run(struct vdpad_verdicts *,
                                const struct vdpad_world *, int64_t now_ns);

/* When to run next though nothing changes; INT64_MAX: need not. */
int64_t vdpad_verdicts_next_ns(const struct vdpad_verdicts *);

#endif
