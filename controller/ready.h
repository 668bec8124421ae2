/* SPDX-License-Identifier: Apache-2.0 */
/* Who waits for everything to be ready. */
#ifndef VDPAD_READY_H
#define VDPAD_READY_H 1

#include "ctl.h"

struct vdpad_ready;

struct vdpad_ready *vdpad_ready_new(void);

/* Calls those that wait still: they cannot any more.  Frees it. */
void vdpad_ready_free(struct vdpad_ready *ready);

/* How many may wait. */
#define VDPAD_READY_MAX 64

/* Adds one who waits.  If there are too many then, the first of them is called
 * and forgotten: whoever does not wait any more cannot be told from others. */
void vdpad_ready_add(struct vdpad_ready *ready, vdpad_ready_cb *cb, void *aux);

/* Calls and forgets all that wait: all is ready. */
void vdpad_ready_answer(struct vdpad_ready *ready);

/* Whether all that 'world' wants is there, and nothing is wrong with what it
 * is told. */
bool vdpad_world_is_ready(const struct vdpad_world *world);

#endif
