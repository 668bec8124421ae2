/* SPDX-License-Identifier: Apache-2.0 */
/* When it is looked at who uses the devices, which no event tells. */
#ifndef VDPAD_USE_H
#define VDPAD_USE_H 1

#include <stdbool.h>
#include <stdint.h>

#include "plan.h"
#include "world.h"

/* What tells who uses a device. */
#define VDPAD_USE_CLASSES \
    (1u << VDPAD_HOLDER | 1u << VDPAD_VBUS | 1u << VDPAD_VDPA)

/* Whether something waits for a user of a device to let go of it, which the
 * kernel announces to nobody. */
bool vdpad_use_is_awaited(const struct vdpad_world *);

/* The classes (bits) to observe anew at 'now_ns': if the plan asks who uses
 * the devices, and where features are still negotiated that were before nobody
 * was seen to hold the device.  What is being looked at already is not asked
 * for once more: a plan at every turn would keep the answer from ever being
 * current.  Nor is what is young enough: else two classes of which one takes
 * long would never both be. */
unsigned int vdpad_use_to_look_at(const struct vdpad_world *,
                                  const struct vdpad_plan *, int64_t now_ns);

#endif
