/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that sleep in the kernel past their deadline, those of earlier
 * daemons included: when they end, and what is in doubt until then. */
#ifndef VDPAD_SLEEPERS_H
#define VDPAD_SLEEPERS_H 1

#include <vdpad/kernel.h>

#include "memory.h"
#include "record.h"

struct vdpad_sleepers {
    size_t n;
    struct vdpad_stuck *stuck; /* In the last turn. */
    bool in_doubt;             /* Some of the record is, … */
    bool had_former;           /* … since helpers of an earlier daemon were
                                * there. */
};

void vdpad_sleepers_init(struct vdpad_sleepers *);
void vdpad_sleepers_destroy(struct vdpad_sleepers *);

/* Looks what is stuck in 'kernel', each turn, and lets 'memory' know what is
 * not any more.  Returns true when something has come back: then everything is
 * to be observed anew. */
bool vdpad_sleepers_run(struct vdpad_sleepers *,
                        const struct vdpad_kernel *kernel,
                        struct vdpad_memory *memory);

/* Ends the doubts about 'record' when nothing that an earlier daemon began is
 * in the kernel any more, and of what was tried beside it all ends are known:
 * no steps 'are_under_way'.  To be called after run(), so that what is seen
 * from then on was observed after the last such step.  Returns true when they
 * have ended by that. */
bool vdpad_sleepers_settle(struct vdpad_sleepers *,
                           struct vdpad_record *record,
                           struct vdpad_memory *memory, bool are_under_way);

#endif
