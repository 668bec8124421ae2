/* SPDX-License-Identifier: Apache-2.0 */
#include "sleepers.h"

#include <stdlib.h>
#include <string.h>

#include "util.h"

void
vdpad_sleepers_init(struct vdpad_sleepers *s)
{
    memset(s, 0, sizeof *s);
    s->in_doubt = true;
}

void
vdpad_sleepers_destroy(struct vdpad_sleepers *s)
{
    free(s->stuck);
}

/* Whether one of the requests that were in the kernel is not among the 'n'
 * that are there 'now'. */
static bool
has_ended(const struct vdpad_sleepers *s, const struct vdpad_stuck *now,
          size_t n)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct vdpad_stuck *before = &s->stuck[i];
        bool is_there = false;

        for (size_t j = 0; j < n && !is_there; j++) {
            is_there = before->pid == now[j].pid
                       && before->since_ns == now[j].since_ns
                       && !strcmp(before->what, now[j].what);
        }
        if (!is_there) {
            return true;
        }
    }
    return false;
}

/* A request that had been given up has come back, perhaps at once.  Others may
 * still be in the kernel: what they do comes later, and must not be asked for
 * once more meanwhile. */
bool
vdpad_sleepers_run(struct vdpad_sleepers *s, const struct vdpad_kernel *kernel,
                   struct vdpad_memory *memory)
{
    size_t n = kernel->ops->stuck(kernel, NULL, 0);
    struct vdpad_stuck *now = NULL;
    bool ended;

    if (n) {
        now = vdpad_xcalloc(n, sizeof *now);
        (void) kernel->ops->stuck(kernel, now, n);
    }
    ended = has_ended(s, now, n) || (!n && vdpad_memory_any_stuck(memory));
    if (ended) {
        vdpad_memory_unstick(memory, now, n);
    }
    free(s->stuck);
    s->stuck = now;
    s->n = n;
    return ended;
}

bool
vdpad_sleepers_settle(struct vdpad_sleepers *s, struct vdpad_record *record,
                      struct vdpad_memory *memory, bool are_under_way)
{
    bool is_there = false;

    for (size_t i = 0; i < s->n; i++) {
        is_there |= s->stuck[i].is_former;
    }
    s->had_former |= is_there;
    if (!s->in_doubt || is_there || are_under_way) {
        return false;
    }
    s->in_doubt = false;
    vdpad_record_settle(record);
    if (s->had_former) {
        vdpad_memory_former_ended(memory);
    }
    return true;
}
