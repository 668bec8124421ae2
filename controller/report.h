/* SPDX-License-Identifier: Apache-2.0 */
/* Tells the log and the history what has changed between two worlds. */
#ifndef VDPAD_REPORT_H
#define VDPAD_REPORT_H 1

#include "history.h"
#include "world.h"

/* Remembers what has been told. */
struct vdpad_reporter;
struct vdpad_reporter *vdpad_reporter_new(struct vdpad_history *);
void vdpad_reporter_free(struct vdpad_reporter *);

/* Tells of states of devices and PFs that differ from the last time, and of
 * problems that are new. */
void vdpad_reporter_run(struct vdpad_reporter *, const struct vdpad_world *);

/* Errors of the configuration that are new. */
void vdpad_report_config(struct vdpad_history *,
                         const struct vdpad_config *old,
                         const struct vdpad_config *new_);

#endif
