/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps the pictures of all classes current.  Events only invalidate; what is
 * believed is what was observed afterwards.
 *
 * A class is asked for again when it is invalidated; an invalidation that
 * comes while the answer is under way makes that answer worthless.  New
 * pictures are staged and adopted together, so that nobody plans on a
 * half-renewed view. */
#ifndef VDPAD_OBSERVER_H
#define VDPAD_OBSERVER_H 1

#include <vdpad/kernel.h>

#include "observed.h"

#define VDPAD_ALL_CLASSES ((1u << VDPAD_N_CLASSES) - 1)

struct vdpad_observer;

/* Everything starts as invalid.  'kernel' is borrowed. */
struct vdpad_observer *vdpad_observer_new(struct vdpad_kernel *kernel);
void vdpad_observer_free(struct vdpad_observer *);

/* What has been adopted.  Its 'fresh' marks are always current. */
const struct vdpad_observed *
vdpad_observer_view(const struct vdpad_observer *);

void vdpad_observer_invalidate(struct vdpad_observer *, unsigned int mask);

/* Asks for what is invalid.  With 'hold' (steps are under way that will
 * invalidate it again) it lets up to half a second pass first. */
void vdpad_observer_run(struct vdpad_observer *, int64_t now_ns, bool hold);

/* When run() has something to do again; INT64_MAX: when an answer comes. */
int64_t vdpad_observer_next_ns(const struct vdpad_observer *);

/* Nothing is invalid or under way (classes that cannot be observed aside). */
bool vdpad_observer_is_settled(const struct vdpad_observer *);

/* Every class has been tried at least once. */
bool vdpad_observer_is_complete(const struct vdpad_observer *);

/* True once after a class has become impossible to observe. */
bool vdpad_observer_take_failed(struct vdpad_observer *);

/* There are staged pictures; since when. */
bool vdpad_observer_has_staged(const struct vdpad_observer *,
                               int64_t *ret_since_ns);

/* Adopts the staged pictures: rows of the former ones are gone then. */
void vdpad_observer_adopt(struct vdpad_observer *);

/* Calls 'cb' once, from run(), after each class of 'mask' has been asked for
 * anew and answered (or failed).  With 'compare' the adopted pictures are left
 * alone and the second ones, borrowed for the call, passed to 'cb'. */
typedef void vdpad_observer_cb(void *aux, const struct vdpad_observed *fresh);
void vdpad_observer_refresh(struct vdpad_observer *, unsigned int mask,
                            bool compare, vdpad_observer_cb *cb, void *aux);

/* Calls back the refreshes that are complete.  To be called after adopt(). */
void vdpad_observer_answer(struct vdpad_observer *);

#endif
