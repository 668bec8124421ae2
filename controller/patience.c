/* SPDX-License-Identifier: Apache-2.0 */
#include "patience.h"

#include <stdlib.h>
#include <string.h>

#include "util.h"

#define LIMIT_NS (VDPAD_PATIENCE_S * INT64_C(1000000000))

/* Somebody who waits. */
struct waiter {
    char name[VDPAD_NAME_SIZE];
    uint64_t reason; /* Its hash. */
    int64_t since_ns;
};

/* Two lists in the same order, that of the world: of the last run and of this
 * one. */
struct vdpad_patience {
    size_t n_old, n_new, allocated_old, allocated_new;
    struct waiter *old, *new;
    size_t next; /* Where in 'old' the next one most likely is. */
};

struct vdpad_patience *
vdpad_patience_new(void)
{
    return vdpad_xcalloc(1, sizeof(struct vdpad_patience));
}

void
vdpad_patience_free(struct vdpad_patience *p)
{
    if (p) {
        free(p->old);
        free(p->new);
        free(p);
    }
}

static uint64_t
hash(const char *s)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a. */

    for (; *s; s++) {
        h = (h ^ (uint8_t) *s) * UINT64_C(0x100000001b3);
    }
    return h;
}

/* Since when 'name' waits for this very reason. */
static int64_t
find_since(struct vdpad_patience *p, const char *name, uint64_t reason,
           int64_t now_ns)
{
    for (size_t i = 0; i < p->n_old; i++) {
        size_t at = (p->next + i) % p->n_old;
        const struct waiter *w = &p->old[at];

        if (!strcmp(w->name, name)) {
            p->next = at + 1;
            return w->reason == reason ? w->since_ns : now_ns;
        }
    }
    return now_ns;
}

static void
look(struct vdpad_patience *p, const char *name, enum vdpad_state *state,
     char reason[VDPAD_REASON_SIZE], int64_t now_ns, int64_t *next_ns)
{
    char text[VDPAD_REASON_SIZE];

    if (*state != VDPAD_STATE_WAITING) {
        return;
    }
    p->new = vdpad_grow(p->new, p->n_new, &p->allocated_new, sizeof *p->new);

    struct waiter *w = &p->new[p->n_new++];

    memset(w, 0, sizeof *w);
    vdpad_copy(w->name, sizeof w->name, name);
    w->reason = hash(reason);
    w->since_ns = find_since(p, name, w->reason, now_ns);
    if (now_ns - w->since_ns < LIMIT_NS) {
        if (w->since_ns + LIMIT_NS < *next_ns) {
            *next_ns = w->since_ns + LIMIT_NS;
        }
        return;
    }
    *state = VDPAD_STATE_BLOCKED;
    vdpad_text(text, sizeof text, "waited for more than %d s in vain: %.260s",
               VDPAD_PATIENCE_S, reason);
    vdpad_copy(reason, VDPAD_REASON_SIZE, text);
}

int64_t
vdpad_patience_run(struct vdpad_patience *p, struct vdpad_world *world,
                   int64_t now_ns)
{
    int64_t next_ns = INT64_MAX;

    p->next = p->n_new = 0;
    for (size_t i = 0; i < world->n_pfs; i++) {
        struct vdpad_pf *pf = &world->pfs[i];

        look(p, pf->pci->bdf, &pf->state, pf->reason, now_ns, &next_ns);
    }
    for (size_t i = 0; i < world->n_devs; i++) {
        struct vdpad_dev *dev = &world->devs[i];

        look(p, dev->name, &dev->state, dev->reason, now_ns, &next_ns);
    }

    struct waiter *old = p->old;
    size_t allocated_old = p->allocated_old;

    p->old = p->new;
    p->n_old = p->n_new;
    p->allocated_old = p->allocated_new;
    p->new = old;
    p->allocated_new = allocated_old;
    return next_ns;
}
