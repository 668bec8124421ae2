/* SPDX-License-Identifier: Apache-2.0 */
/* Carries out the due steps of a plan: record first, then kernel and database
 * side by side.  An ended step is only remembered; that it had its effect is
 * believed when it has been observed. */
#ifndef VDPAD_EXEC_H
#define VDPAD_EXEC_H 1

#include <vdpad/kernel.h>
#include <vdpad/store.h>

#include "history.h"
#include "memory.h"
#include "observer.h"
#include "plan.h"
#include "record.h"

struct vdpad_exec_figures {
    uint64_t steps, failures;
    size_t n_batches; /* Kernel batches under way. */
};

struct vdpad_exec;

/* All are borrowed.  'clock_ns' tells monotonic time. */
struct vdpad_exec *vdpad_exec_new(struct vdpad_kernel *, struct vdpad_store *,
                                  struct vdpad_observer *,
                                  struct vdpad_memory *, struct vdpad_record *,
                                  const char *path, struct vdpad_history *,
                                  int64_t (*clock_ns)(void));
void vdpad_exec_free(struct vdpad_exec *);

/* Starts what is due in 'plan'.  Returns 0, or the error with which the
 * record could not be written: then nothing was started. */
int vdpad_exec_run(struct vdpad_exec *, struct vdpad_plan *plan,
                   struct vdpad_error *why);

/* Makes one of the changes of the record that a plan asks for. */
void vdpad_exec_remember(struct vdpad_record *, const struct vdpad_rec *);

void vdpad_exec_get_figures(const struct vdpad_exec *,
                            struct vdpad_exec_figures *);

/* True once after any step has ended: plan anew. */
bool vdpad_exec_take_ended(struct vdpad_exec *);

/* It has come true in run() itself: no event will make the loop turn. */
bool vdpad_exec_wants_turn(const struct vdpad_exec *);

#endif
