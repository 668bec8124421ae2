/* SPDX-License-Identifier: Apache-2.0 */
#include "ready.h"

#include <stdlib.h>
#include <string.h>

#include "util.h"

struct waiter {
    struct waiter *next;
    vdpad_ready_cb *cb;
    void *aux;
};

struct vdpad_ready {
    struct waiter *waiters, **tail; /* The first one waits longest. */
    size_t n;
};

struct vdpad_ready *
vdpad_ready_new(void)
{
    struct vdpad_ready *ready = vdpad_xcalloc(1, sizeof *ready);

    ready->tail = &ready->waiters;
    return ready;
}

/* Takes the first one out of the list. */
static struct waiter *
pop(struct vdpad_ready *ready)
{
    struct waiter *waiter = ready->waiters;

    if (waiter) {
        ready->waiters = waiter->next;
        ready->n--;
        if (!ready->waiters) {
            ready->tail = &ready->waiters;
        }
    }
    return waiter;
}

void
vdpad_ready_free(struct vdpad_ready *ready)
{
    struct waiter *waiter;

    while ((waiter = pop(ready)) != NULL) {
        waiter->cb(waiter->aux, "not ready yet, and ovs-vdpad ends");
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
    *ready->tail = waiter;
    ready->tail = &waiter->next;
    if (++ready->n > VDPAD_READY_MAX) {
        char why_not[160];

        vdpad_text(why_not, sizeof why_not,
                   "not ready yet (status tells why), and %d others have "
                   "begun to wait since: call again",
                   VDPAD_READY_MAX);
        waiter = pop(ready);
        waiter->cb(waiter->aux, why_not);
        free(waiter);
    }
}

void
vdpad_ready_answer(struct vdpad_ready *ready)
{
    struct waiter *waiter;

    while ((waiter = pop(ready)) != NULL) {
        waiter->cb(waiter->aux, NULL);
        free(waiter);
    }
}

bool
vdpad_world_is_ready(const struct vdpad_world *world)
{
    const struct vdpad_config *config = world->config;

    /* A name that is suspended for no policy holds nothing up. */
    for (size_t i = 0; i < config->n_errors; i++) {
        if (strcmp(config->errors[i].key, VDPAD_KEY_SUSPENDED) != 0) {
            return false;
        }
    }
    if (world->n_problems) {
        return false;
    }
    /* Which PFs there are has never been seen, so that what is wanted of them
     * is not known either. */
    if ((config->n_policies || config->n_ports)
        && !world->observed->class_[VDPAD_PCI].known) {
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
