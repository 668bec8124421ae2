/* SPDX-License-Identifier: Apache-2.0 */
#include "fake-kernel.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <vdpad/loop.h>

#include "fake-private.h"

/* Events. */

void
fake_schedule_event(struct fake_kernel *k, unsigned int mask, bool is_lost,
                    int64_t when_ns)
{
    for (struct fake_event *e = k->events; e < k->events + FAKE_EVENTS; e++) {
        if (!e->mask) {
            *e = (struct fake_event){ mask, is_lost, when_ns };
            return;
        }
        /* What lies close together is told together. */
        if (e->when_ns == when_ns && e->is_lost == is_lost) {
            e->mask |= mask;
            return;
        }
    }
    k->events[FAKE_EVENTS - 1].mask |= mask;
}

/* Makes events of what has changed. */
void
fake_collect_changes(struct fake_kernel *k)
{
    unsigned int mask = sim_take_dirty(k->sim);

    if (!mask) {
        return;
    }
    if (k->knobs.drop_events) {
        k->knobs.drop_events--;
        return;
    }
    fake_schedule_event(k, mask, false,
                        fake_now_ns(k) + k->knobs.event_delay_ns);
    if (k->knobs.repeat_delay_ns) {
        fake_schedule_event(k, mask, false,
                            fake_now_ns(k) + k->knobs.event_delay_ns
                                + k->knobs.repeat_delay_ns);
    }
}

static void
deliver_events(struct fake_kernel *k, int64_t now)
{
    for (struct fake_event *e = k->events; e < k->events + FAKE_EVENTS; e++) {
        if (e->mask && e->when_ns <= now) {
            struct fake_event event = *e;

            e->mask = 0;
            if (k->invalidated) {
                k->invalidated(k->invalidated_aux, event.mask, event.is_lost);
            }
        }
    }
}

/* Observations. */

static int
fake_observe(struct vdpad_kernel *kernel, enum vdpad_class class_,
             vdpad_observed_cb *cb, void *aux)
{
    struct fake_kernel *k = fake_kernel_cast(kernel);
    struct fake_observe *o;

    if ((unsigned int) class_ >= VDPAD_N_CLASSES) {
        return -EINVAL;
    }
    o = &k->observes[class_];
    if (o->cb) {
        return -EBUSY;
    }
    *o = (struct fake_observe){
        .cb = cb,
        .aux = aux,
        .begun_ns = fake_now_ns(k),
        .due_ns = fake_now_ns(k) + k->knobs.observe_delay_ns[class_],
    };
    k->stats.requests++;
    return 0;
}

/* Ends the observation of 'class_'. */
static void
end_observe(struct fake_kernel *k, enum vdpad_class class_, int error,
            struct vdpad_picture *picture)
{
    struct fake_observe o = k->observes[class_];
    struct vdpad_error why;

    memset(&k->observes[class_], 0, sizeof k->observes[class_]);
    vdpad_picture_clear(&o.picture);
    if (error == -EAGAIN) {
        k->stats.interrupted++;
    } else if (error == -ETIMEDOUT) {
        k->stats.timeouts++;
    }
    if (error) {
        (void) vdpad_error_set(&why, error, "%s: %s", vdpad_class_name(class_),
                               strerror(-error));
    }
    o.cb(o.aux, class_, error, error ? NULL : picture, error ? &why : NULL);
}

static void
run_observe(struct fake_kernel *k, enum vdpad_class class_, int64_t now)
{
    struct fake_observe *o = &k->observes[class_];
    bool is_frozen = SIM_GENL_CLASSES & 1u << class_ && sim_is_frozen(k->sim);

    /* The picture is taken at once and delivered late: what happens in
     * between must be known from events. */
    if (!o->has_picture && !is_frozen) {
        sim_picture(k->sim, class_, &o->picture);
        o->has_picture = true;
    }
    if (o->has_picture && now >= o->due_ns) {
        struct vdpad_picture picture = o->picture;
        int error = 0;

        if (k->observe_faults[class_].times) {
            k->observe_faults[class_].times--;
            error = k->observe_faults[class_].error;
        }
        memset(&o->picture, 0, sizeof o->picture);
        end_observe(k, class_, error, &picture);
        vdpad_picture_clear(&picture);
    } else if (now >= o->begun_ns + k->knobs.read_deadline_ns) {
        end_observe(k, class_, -ETIMEDOUT, NULL);
    }
}

/* Steps. */

static int64_t
deadline_of(const struct fake_kernel *k, int32_t kind)
{
    return kind == VDPAD_ACT_NUMVFS || kind == VDPAD_ACT_ESWITCH_MODE
               ? k->knobs.slow_deadline_ns
               : k->knobs.step_deadline_ns;
}

static int
fake_submit(struct vdpad_kernel *kernel, const struct vdpad_act *acts,
            size_t n, vdpad_done_cb *cb, void *aux)
{
    struct fake_kernel *k = fake_kernel_cast(kernel);
    struct fake_batch *batch, **end = &k->batches;

    if (!n) {
        return -EINVAL;
    }
    batch = calloc(1, sizeof *batch + n * sizeof batch->acts[0]);
    if (!batch) {
        return -ENOMEM;
    }
    batch->n = n;
    batch->cb = cb;
    batch->aux = aux;
    memcpy(batch->acts, acts, n * sizeof *acts);
    while (*end) {
        end = &(*end)->next;
    }
    *end = batch;
    k->stats.requests += n;
    return 0;
}

static void
report(struct fake_kernel *k, const struct fake_batch *batch, size_t i,
       int error, const struct vdpad_error *why)
{
    struct fake_completion *c, **end = &k->completions;

    c = calloc(1, sizeof *c);
    assert(c);
    c->cb = batch->cb;
    c->aux = batch->aux;
    c->act = batch->acts[i];
    c->error = error;
    if (error) {
        c->why = *why;
    }
    if (k->knobs.is_reversed) {
        c->next = k->completions;
        k->completions = c;
        return;
    }
    while (*end) {
        end = &(*end)->next;
    }
    *end = c;
}

static void
deliver_completions(struct fake_kernel *k)
{
    if (k->knobs.is_reversed) {
        for (const struct fake_batch *b = k->batches; b; b = b->next) {
            if (!b->is_stuck) {
                return;
            }
        }
    }
    while (k->completions) {
        struct fake_completion *c = k->completions;

        k->completions = c->next;
        c->cb(c->aux, &c->act, c->error, c->error ? &c->why : NULL);
        free(c);
    }
}

static void
begin_step(struct fake_kernel *k, struct fake_batch *b, int64_t now)
{
    const struct vdpad_act *act = &b->acts[b->i];

    b->begun_ns = now;
    b->due_ns = now + k->knobs.step_delay_ns[act->kind];
    b->is_begun = true;
    b->is_lost = b->is_failing = b->is_applied = false;
    b->block = -1;
    k->n_steps[act->kind]++;
    for (struct fake_fault_rule *f = k->faults; f < k->faults + FAKE_FAULTS;
         f++) {
        if (!f->times || f->kind != act->kind
            || (f->object[0] && strcmp(f->object, act->object))) {
            continue;
        }
        if (f->nth > 1) {
            f->nth--;
            continue;
        }
        f->times--;
        b->is_lost |= f->fault == FAKE_LOSE;
        if (f->fault == FAKE_DELAY) {
            b->due_ns = now + f->delay_ns;
        } else if (f->fault == FAKE_FAIL) {
            b->is_failing = true;
            b->error = f->error;
            (void) vdpad_error_set(&b->why, f->error, "%s: %s", act->object,
                                   f->text[0] ? f->text : strerror(-f->error));
        }
    }
}

/* Goes on with the current step of 'b'.  Returns true when it has ended. */
static bool
continue_step(struct fake_kernel *k, struct fake_batch *b, int64_t now)
{
    const struct vdpad_act *act = &b->acts[b->i];

    if (!b->is_applied) {
        if (now < b->due_ns || sim_must_wait(k->sim, act)) {
            return false;
        }
        if (!b->is_failing) {
            b->error = sim_apply(k->sim, act, true, &b->block, &b->why);
            fake_collect_changes(k);
        }
        b->is_applied = true;
    }
    if (b->block >= 0) {
        if (!sim_block_is_done(k->sim, b->block, &b->error, &b->why)) {
            return false;
        }
        b->block = -1;
    }
    return !b->is_lost || b->is_stuck;
}

/* Lets 'b' run.  Returns true when it is finished. */
static bool
run_batch(struct fake_kernel *k, struct fake_batch *b, int64_t now)
{
    while (b->i < b->n) {
        const struct vdpad_act *act = &b->acts[b->i];

        if (!b->is_begun) {
            begin_step(k, b, now);
        }
        if (continue_step(k, b, now)) {
            if (b->is_stuck) {
                /* Its end, and the others', were told at the deadline. */
                sim_touch(k->sim, FAKE_ALL_CLASSES);
                fake_collect_changes(k);
                return true;
            }
            report(k, b, b->i++, b->error, &b->why);
            b->is_begun = false;
        } else if (!b->is_stuck
                   && now >= b->begun_ns + deadline_of(k, act->kind)) {
            struct vdpad_error why;

            b->is_stuck = true;
            k->stats.timeouts++;
            (void) vdpad_error_set(&why, -ETIMEDOUT,
                                   "%s %s: still in the "
                                   "kernel",
                                   vdpad_act_name(act->kind), act->object);
            report(k, b, b->i, -ETIMEDOUT, &why);
            (void) vdpad_error_set(&why, -ECANCELED,
                                   "the step before it "
                                   "is still in the kernel");
            for (size_t i = b->i + 1; i < b->n; i++) {
                report(k, b, i, -ECANCELED, &why);
            }
        } else {
            return false;
        }
    }
    return true;
}

static void
fake_run(struct vdpad_kernel *kernel)
{
    struct fake_kernel *k = fake_kernel_cast(kernel);
    int64_t now = fake_now_ns(k);
    struct fake_batch **link = &k->batches;

    sim_advance(k->sim, now);
    fake_collect_changes(k);
    while (*link) {
        struct fake_batch *b = *link;

        if (run_batch(k, b, now)) {
            *link = b->next;
            free(b);
        } else {
            link = &b->next;
        }
    }
    for (int i = 0; i < VDPAD_N_CLASSES; i++) {
        if (k->observes[i].cb) {
            run_observe(k, i, now);
        }
    }
    fake_queries_run(k, now);
    deliver_completions(k);
    deliver_events(k, now);
}

static void
sooner(int64_t *next, int64_t when)
{
    *next = when < *next ? when : *next;
}

int64_t
fake_kernel_next_ns(struct vdpad_kernel *kernel)
{
    struct fake_kernel *k = fake_kernel_cast(kernel);
    bool is_frozen = sim_is_frozen(k->sim);
    int64_t next = sim_next_ns(k->sim);

    for (const struct fake_batch *b = k->batches; b; b = b->next) {
        if (!b->is_begun) {
            return INT64_MIN;
        }
        if (!b->is_applied && !sim_must_wait(k->sim, &b->acts[b->i])) {
            sooner(&next, b->due_ns);
        }
        if (b->block >= 0 && k->sim->blocks[b->block].done) {
            return INT64_MIN;
        }
        if (!b->is_stuck) {
            sooner(&next, b->begun_ns + deadline_of(k, b->acts[b->i].kind));
        } else if (b->is_applied && b->block < 0) {
            return INT64_MIN;
        }
    }
    for (int i = 0; i < VDPAD_N_CLASSES; i++) {
        const struct fake_observe *o = &k->observes[i];

        if (o->cb
            && (o->has_picture
                || !(is_frozen && SIM_GENL_CLASSES & 1u << i))) {
            sooner(&next, o->has_picture ? o->due_ns : INT64_MIN);
        }
        if (o->cb) {
            sooner(&next, o->begun_ns + k->knobs.read_deadline_ns);
        }
    }
    sooner(&next, fake_queries_next_ns(k));
    for (int i = 0; i < FAKE_EVENTS; i++) {
        if (k->events[i].mask) {
            sooner(&next, k->events[i].when_ns);
        }
    }
    return k->sim->dirty ? INT64_MIN : next;
}

static void
fake_wait(struct vdpad_kernel *kernel)
{
    struct fake_kernel *k = fake_kernel_cast(kernel);
    int64_t next = fake_kernel_next_ns(kernel);

    if (k->loop && next != INT64_MAX) {
        vdpad_loop_wake_at(k->loop, next);
    }
}

static size_t
fake_stuck(const struct vdpad_kernel *kernel, struct vdpad_stuck *stuck,
           size_t max)
{
    const struct fake_kernel *k = fake_kernel_cast(kernel);
    size_t n = 0;

    if (k->sim->n_former) {
        if (n < max) {
            stuck[n] = (struct vdpad_stuck){ .is_former = true };
        }
        n++;
    }
    for (const struct fake_batch *b = k->batches; b; b = b->next) {
        if (b->is_stuck) {
            if (n < max) {
                stuck[n] = (struct vdpad_stuck){ .since_ns = b->begun_ns };
                sim_text(stuck[n].what, sizeof stuck[n].what, "%s %s",
                         vdpad_act_name(b->acts[b->i].kind),
                         b->acts[b->i].object);
            }
            n++;
        }
    }
    return n;
}

static void
fake_stats(const struct vdpad_kernel *kernel, struct vdpad_kernel_stats *stats)
{
    *stats = fake_kernel_cast(kernel)->stats;
    stats->workers = 1 + fake_stuck(kernel, NULL, 0);
}

static void
fake_subscribe(struct vdpad_kernel *kernel, vdpad_invalidated_cb *cb,
               void *aux)
{
    struct fake_kernel *k = fake_kernel_cast(kernel);

    k->invalidated = cb;
    k->invalidated_aux = aux;
}

static void
fake_destroy(struct vdpad_kernel *kernel)
{
    struct fake_kernel *k = fake_kernel_cast(kernel);

    while (k->batches) {
        struct fake_batch *b = k->batches;

        k->batches = b->next;
        free(b);
    }
    while (k->completions) {
        struct fake_completion *c = k->completions;

        k->completions = c->next;
        free(c);
    }
    for (int i = 0; i < VDPAD_N_CLASSES; i++) {
        vdpad_picture_clear(&k->observes[i].picture);
    }
    fake_queries_clear(k);
    (void) munmap(k->sim, sizeof *k->sim);
    free(k);
}

const struct vdpad_kernel_ops fake_kernel_ops = {
    .observe = fake_observe,
    .submit = fake_submit,
    .query = fake_query,
    .subscribe = fake_subscribe,
    .run = fake_run,
    .wait = fake_wait,
    .stuck = fake_stuck,
    .stats = fake_stats,
    .destroy = fake_destroy,
};
