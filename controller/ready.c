/* SPDX-License-Identifier: Apache-2.0 */
#include "ready.h"

#include <stdlib.h>

#include "util.h"

struct waiter {
    struct waiter *next;
    vdpad_ready_cb *cb;
    void *aux;
};

struct vdpad_ready {
    struct waiter *waiters;
};

struct vdpad_ready *
vdpad_ready_new(void)
{
    return vdpad_xcalloc(1, sizeof(struct vdpad_ready));
}

/* Takes the newest one out of the list. */
static struct waiter *
pop(struct vdpad_ready *ready)
{
    struct waiter *waiter = ready->waiters;

    if (waiter) {
        ready->waiters = waiter->next;
    }
    return waiter;
}

void
vdpad_ready_free(struct vdpad_ready *ready)
{
    struct waiter *waiter;

    while ((waiter = pop(ready)) != NULL) {
        free(waiter);
    }
    free(ready);
}

void
vdpad_ready_add(struct vdpad_ready *ready, vdpad_ready_cb *cb, void *aux)
{
    struct waiter *waiter = vdpad_xcalloc(1, sizeof *waiter);

    waiter->cb = cb;
    waiter->aux = aux;
    waiter->next = ready->waiters;
    ready->waiters = waiter;
}

void
vdpad_ready_answer(struct vdpad_ready *ready)
{
    struct waiter *waiter;

    while ((waiter = pop(ready)) != NULL) {
        waiter->cb(waiter->aux);
        free(waiter);
    }
}

bool
vdpad_world_is_ready(const struct vdpad_world *world)
{
    if (world->config->n_errors || world->n_problems) {
        return false;
    }
    for (size_t i = 0; i < world->n_devs; i++) {
        if (world->devs[i].intent != VDPAD_INTENT_NONE
            && world->devs[i].state != VDPAD_STATE_READY) {
            return false;
        }
    }
    for (size_t i = 0; i < world->n_pfs; i++) {
        if (world->pfs[i].managed
            && world->pfs[i].state != VDPAD_STATE_READY) {
            return false;
        }
    }
    return true;
}
