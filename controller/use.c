/* SPDX-License-Identifier: Apache-2.0 */
#include "use.h"

bool
vdpad_use_is_awaited(const struct vdpad_world *w)
{
    char text[VDPAD_REASON_SIZE];

    for (size_t i = 0; i < w->n_devs; i++) {
        const struct vdpad_dev *dev = &w->devs[i];

        if ((dev->state == VDPAD_STATE_BLOCKED
             || dev->state == VDPAD_STATE_REMOVING
             || (dev->pf && dev->pf->state == VDPAD_STATE_BLOCKED))
            && vdpad_dev_in_use(dev, text)) {
            return true;
        }
    }
    return false;
}

/* Whether a guest drives a device that nobody is seen to hold. */
static bool
has_unseen_guest(const struct vdpad_world *w)
{
    for (size_t i = 0; i < w->n_devs; i++) {
        if (!w->devs[i].n_holders && vdpad_dev_is_driven(&w->devs[i])) {
            return true;
        }
    }
    return false;
}

unsigned int
vdpad_use_to_look_at(const struct vdpad_world *w,
                     const struct vdpad_plan *plan, int64_t now_ns)
{
    const struct vdpad_observed *o = w->observed;
    const struct vdpad_observed_class *holder = &o->class_[VDPAD_HOLDER];
    const struct vdpad_observed_class *vdpa = &o->class_[VDPAD_VDPA];
    unsigned int mask = 0;

    if (!holder->fresh || !vdpa->fresh || !o->class_[VDPAD_VBUS].fresh) {
        return 0;
    }
    if (vdpa->at_ns < holder->at_ns && has_unseen_guest(w)) {
        mask = 1u << VDPAD_VDPA;
    }
    if (plan->wants_holders) {
        if (now_ns - holder->at_ns >= VDPAD_USE_AGE_NS) {
            mask |= 1u << VDPAD_HOLDER | 1u << VDPAD_VBUS;
        }
        if (now_ns - vdpa->at_ns >= VDPAD_USE_AGE_NS) {
            mask |= 1u << VDPAD_VDPA;
        }
    }
    return mask;
}
