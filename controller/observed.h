/* SPDX-License-Identifier: Apache-2.0 */
/* The newest pictures of all classes, and how far each may be trusted. */
#ifndef VDPAD_OBSERVED_H
#define VDPAD_OBSERVED_H 1

#include <vdpad/error.h>
#include <vdpad/model.h>

/* 'known': there is a picture, perhaps an old one.  'fresh': nothing has
 * invalidated it since it was asked for.  Whoever only shows may use a known
 * picture; whoever acts needs a fresh one. */
struct vdpad_observed_class {
    bool known, fresh;
    int64_t at_ns;          /* Monotonic, when it was taken. */
    int error;              /* Of the last attempt; 0: fine. */
    struct vdpad_error why; /* Valid when 'error' is not 0. */
    struct vdpad_picture picture;
};

struct vdpad_observed {
    struct vdpad_observed_class class_[VDPAD_N_CLASSES];
};

#define VDPAD_OBSERVED_ROWS(OBSERVED, CLASS, TYPE) \
    ((const struct TYPE *) (OBSERVED)->class_[CLASS].picture.rows)
#define VDPAD_OBSERVED_N(OBSERVED, CLASS) ((OBSERVED)->class_[CLASS].picture.n)

#endif
