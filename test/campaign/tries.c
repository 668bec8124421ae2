/* SPDX-License-Identifier: Apache-2.0 */
/* How often the daemon tries the same step. */
#include "campaign.h"

#include <errno.h>
#include <string.h>

/* So often may one step be tried in a minute if nothing else happens: three
 * or eight times at once and then after 1, 2, 4, … s. */
#define MOST_TRIES 16
#define MOST_AT_ONCE 8

void
tries_forget(struct campaign *c)
{
    if (!c->is_calm) {
        c->n_tries = 0;
    }
    for (size_t i = 0; i < c->n_tries; i++) {
        c->tries[i].n = 0;
    }
}

static struct tries *
find_tries(const struct campaign *c, const char *key)
{
    for (size_t i = 0; i < c->n_tries; i++) {
        if (!strcmp(c->tries[i].key, key)) {
            return (struct tries *) &c->tries[i];
        }
    }
    return NULL;
}

int64_t
tries_last_gap_ns(const struct campaign *c, const char *action,
                  const char *object)
{
    char key[VDPAD_NAME_SIZE + 32];
    const struct tries *t;

    vdpad_memory_key(key, action, object);
    t = find_tries(c, key);
    return t && t->n_calm > 1 ? t->gap_ns : INT64_MAX;
}

/* After the faults: a step that has failed waits for 1, 2, 4 … 300 s while it
 * stays planned; any other may be repeated MOST_AT_ONCE times before it waits,
 * too. */
static void
check_gap(struct campaign *c, const struct tries *t)
{
    unsigned int extra = t->n_calm > MOST_AT_ONCE ? t->n_calm - MOST_AT_ONCE
                                                  : 0;
    unsigned int n = t->failures > extra / 2 ? t->failures : extra / 2;
    int64_t least = !n ? 0 : n < 10 ? SEC << (n - 1) : 300 * SEC;

    if (t->gap_ns < least) {
        campaign_fail(c,
                      "%s: tried for the %uth time since the faults have "
                      "ceased, and %u times in vain, only %.1f s after the "
                      "last time",
                      t->key, t->n_calm, t->failures,
                      (double) t->gap_ns / SEC);
    }
}

/* What is not planned any more, with all in view, is begun anew. */
void
tries_note_plan(struct campaign *c)
{
    const struct vdpad_plan *plan = vdpad_ctl_plan(c->ctl);
    const struct vdpad_observed *o = vdpad_ctl_world(c->ctl)->observed;

    for (int i = 0; i < VDPAD_N_CLASSES; i++) {
        if (!o->class_[i].fresh) {
            return;
        }
    }
    for (size_t i = 0; i < c->n_tries; i++) {
        bool is_planned = false;

        for (size_t j = 0; c->tries[i].failures && j < plan->n; j++) {
            char key[VDPAD_NAME_SIZE + 32];

            vdpad_memory_key(key, vdpad_step_action(&plan->steps[j]),
                             vdpad_step_object(&plan->steps[j]));
            is_planned |= !strcmp(key, c->tries[i].key);
        }
        c->tries[i].failures = is_planned ? c->tries[i].failures : 0;
    }
}

void
tries_note_end(struct campaign *c, const struct vdpad_act *act, int error)
{
    char key[VDPAD_NAME_SIZE + 32];
    struct tries *t;

    vdpad_memory_key(key, vdpad_act_name((enum vdpad_act_kind) act->kind),
                     act->object);
    t = find_tries(c, key);
    if (t && c->is_calm) {
        bool is_failure = error && error != -EAGAIN && error != -ESTALE
                          && error != -ECANCELED && error != -ETIMEDOUT;

        t->failures = is_failure ? t->failures + 1 : 0;
    }
}

void
tries_count(struct campaign *c, const char *action, const char *object)
{
    char key[VDPAD_NAME_SIZE + 32];
    struct tries *t;

    if (c->quiet && !calm_may_ask(c, action, object)) {
        campaign_fail(c, "%s does something: %s %s", c->quiet, action, object);
    }
    vdpad_memory_key(key, action, object);
    t = find_tries(c, key);
    if (!t) {
        if (c->n_tries == MAX_TRIES) {
            return;
        }
        t = &c->tries[c->n_tries++];
        memset(t, 0, sizeof *t);
        memcpy(t->key, key, sizeof key);
    }
    if (t->n >= MOST_TRIES
        && c->now_ns - t->at_ns[(t->n - MOST_TRIES) % 20] < 60 * SEC) {
        campaign_fail(c, "%s: tried %u times in %.1f s", key, MOST_TRIES + 1,
                      (double) (c->now_ns - t->at_ns[(t->n - MOST_TRIES) % 20])
                          / SEC);
    }
    t->at_ns[t->n++ % 20] = c->now_ns;
    t->gap_ns = c->now_ns - t->last_ns;
    t->last_ns = c->now_ns;
    if (c->is_calm) {
        t->n_calm++;
        check_gap(c, t);
    }
}
