/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting has a limit.  What the kernel or another program should have
 * brought about long ago will most likely not come by itself: past the limit
 * a device or PF is "blocked" instead of "waiting", so that a person looks. */
#ifndef VDPAD_PATIENCE_H
#define VDPAD_PATIENCE_H 1

#include "world.h"

/* Representors and drivers of 127 VFs take mlx5 some 30 s, a restart of Open
 * vSwitch less. */
#define VDPAD_PATIENCE_S 60

struct vdpad_patience;

struct vdpad_patience *vdpad_patience_new(void);
void vdpad_patience_free(struct vdpad_patience *);

/* Looks at the states of 'world', just planned, and changes those that have
 * been waiting for the same thing for too long at 'now_ns'.  Each step ahead,
 * told by another reason, starts the time anew.  Returns when to look again;
 * INT64_MAX: nothing waits. */
int64_t vdpad_patience_run(struct vdpad_patience *, struct vdpad_world *world,
                           int64_t now_ns);

#endif /* VDPAD_PATIENCE_H */
