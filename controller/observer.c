/* SPDX-License-Identifier: Apache-2.0 */
#include "observer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

#define MS_NS INT64_C(1000000)
#define HOLD_NS (500 * MS_NS)
#define RETRY_MAX_S 30

/* Comparisons start over when the class changes under them, at most this
 * often: under steady churn there is no quiet moment. */
#define COMPARE_TRIES 5

struct slot {
    bool dirty;     /* To be asked for. */
    bool outdated;  /* It may have changed since the newest answer. */
    bool querying;  /* An answer is under way, */
    bool comparing; /* for a comparison, */
    bool stale;     /* and will be out of date. */
    bool compared;  /* The last one was. */
    bool tried;
    bool staged;
    int64_t dirty_ns; /* When it became dirty; 0: not seen yet. */
    int64_t retry_ns; /* Not before. */
    int64_t wait_ns;  /* After a failure, from the next run() on; 0:
                                 * none. */
    unsigned int failures;
    struct vdpad_picture next; /* Valid when 'staged'. */
};

struct refresh {
    struct refresh *next;
    unsigned int all;
    unsigned int mask;  /* Still to be answered. */
    unsigned int asked; /* Asked for since the request. */
    bool compare;
    unsigned char tries[VDPAD_N_CLASSES];
    struct vdpad_observed *fresh;
    vdpad_observer_cb *cb;
    void *aux;
};

struct vdpad_observer {
    struct vdpad_kernel *kernel;
    struct vdpad_observed view;
    struct slot slots[VDPAD_N_CLASSES];
    struct refresh *refreshes;
    int64_t now_ns, staged_ns;
    bool newly_failed;
};

struct vdpad_observer *
vdpad_observer_new(struct vdpad_kernel *kernel)
{
    struct vdpad_observer *o = vdpad_xcalloc(1, sizeof *o);

    o->kernel = kernel;
    for (int i = 0; i < VDPAD_N_CLASSES; i++) {
        o->view.class_[i].picture.class_ = (enum vdpad_class) i;
        o->view.class_[i].picture.row_size = vdpad_row_size(
            (enum vdpad_class) i);
    }
    vdpad_observer_invalidate(o, VDPAD_ALL_CLASSES);
    return o;
}

static void
free_refresh(struct refresh *r)
{
    for (int i = 0; r->fresh && i < VDPAD_N_CLASSES; i++) {
        vdpad_picture_clear(&r->fresh->class_[i].picture);
    }
    free(r->fresh);
    free(r);
}

void
vdpad_observer_free(struct vdpad_observer *o)
{
    if (!o) {
        return;
    }
    for (int i = 0; i < VDPAD_N_CLASSES; i++) {
        vdpad_picture_clear(&o->view.class_[i].picture);
        if (o->slots[i].staged) {
            vdpad_picture_clear(&o->slots[i].next);
        }
    }
    while (o->refreshes) {
        struct refresh *r = o->refreshes;

        o->refreshes = r->next;
        free_refresh(r);
    }
    free(o);
}

const struct vdpad_observed *
vdpad_observer_view(const struct vdpad_observer *o)
{
    return &o->view;
}

static struct vdpad_picture
take(struct vdpad_picture *p)
{
    struct vdpad_picture taken = *p;

    p->rows = NULL;
    p->n = 0;
    return taken;
}

/* Ends the comparison of class 'i' for 'r'; the picture is taken over. */
static void
end_comparison(struct refresh *r, int i, int error,
               struct vdpad_picture *picture, const struct vdpad_error *why)
{
    struct vdpad_observed_class *c = &r->fresh->class_[i];

    r->mask &= ~(1u << i);
    c->error = error;
    c->known = !error;
    if (!error && picture) {
        vdpad_picture_clear(&c->picture);
        c->picture = take(picture);
    } else if (why) {
        c->why = *why;
    } else {
        vdpad_error_set(&c->why, error, "%s: %s",
                        vdpad_class_name((enum vdpad_class) i),
                        strerror(-error));
    }
}

/* Class 'i' changed before it could be compared, or since. */
static void
compare_again(struct refresh *r, int i)
{
    struct vdpad_error why;

    if (++r->tries[i] < COMPARE_TRIES) {
        r->mask |= 1u << i;
        r->fresh->class_[i].known = false;
    } else {
        vdpad_error_set(&why, -EAGAIN,
                        "%s changes faster than it can be "
                        "compared",
                        vdpad_class_name((enum vdpad_class) i));
        end_comparison(r, i, -EAGAIN, NULL, &why);
    }
}

static void
make_dirty(struct slot *s)
{
    if (!s->dirty) {
        s->dirty = true;
        s->dirty_ns = 0;
    }
}

void
vdpad_observer_invalidate(struct vdpad_observer *o, unsigned int mask)
{
    for (struct refresh *r = o->refreshes; r; r = r->next) {
        for (int i = 0; r->compare && i < VDPAD_N_CLASSES; i++) {
            if (mask & r->all & ~r->mask & 1u << i
                && r->fresh->class_[i].known) {
                compare_again(r, i);
            }
        }
    }

    for (int i = 0; i < VDPAD_N_CLASSES; i++) {
        struct slot *s = &o->slots[i];

        if (!(mask & 1u << i)) {
            continue;
        }
        o->view.class_[i].fresh = false;
        s->outdated = true;
        s->stale |= s->querying;
        make_dirty(s);
    }
}

static void
succeeded(struct vdpad_observer *o, int i, struct vdpad_picture *picture)
{
    struct slot *s = &o->slots[i];

    s->failures = 0;
    s->retry_ns = 0;
    if (s->staged) {
        vdpad_picture_clear(&s->next);
    }
    s->wait_ns = 0;
    s->outdated &= s->stale;
    s->staged = true;
    s->next = take(picture);
}

static void
failed(struct vdpad_observer *o, int i, int error,
       const struct vdpad_error *why)
{
    struct slot *s = &o->slots[i];
    struct vdpad_observed_class *c = &o->view.class_[i];
    int64_t wait_s = INT64_C(1) << (s->failures < 5 ? s->failures : 5);

    o->newly_failed |= !s->failures++;
    s->dirty = s->outdated = true;
    s->wait_ns = (wait_s < RETRY_MAX_S ? wait_s : RETRY_MAX_S) * 1000 * MS_NS;
    c->error = error;
    c->fresh = false;
    if (why) {
        c->why = *why;
    } else {
        vdpad_error_set(&c->why, error, "%s: %s",
                        vdpad_class_name((enum vdpad_class) i),
                        strerror(-error));
    }
    for (struct refresh *r = o->refreshes; r; r = r->next) {
        if (r->compare && r->mask & 1u << i) {
            end_comparison(r, i, error, NULL, &c->why);
        }
    }
}

/* A picture for the first request that waits to compare class 'i'. */
static void
compared(struct vdpad_observer *o, int i, int error,
         struct vdpad_picture *picture, const struct vdpad_error *why)
{
    for (struct refresh *r = o->refreshes; r; r = r->next) {
        if (r->compare && r->mask & 1u << i) {
            if (o->slots[i].stale) {
                compare_again(r, i);
            } else {
                end_comparison(r, i, error, picture, why);
            }
            return;
        }
    }
}

/* An answer that was out of date before it came: good enough to show, not to
 * act on, and the class stays dirty. */
static void
came_late(struct vdpad_observer *o, int i, struct vdpad_picture *picture)
{
    succeeded(o, i, picture);
    for (struct refresh *r = o->refreshes; r; r = r->next) {
        if (r->compare && r->mask & 1u << i) {
            compare_again(r, i);
        }
    }
}

static void
on_observed(void *aux, enum vdpad_class class_, int error,
            struct vdpad_picture *picture, const struct vdpad_error *why)
{
    struct vdpad_observer *o = aux;
    struct slot *s = &o->slots[class_];
    bool comparing = s->comparing;
    bool stale = s->stale;

    s->querying = s->comparing = false;
    if (comparing) {
        compared(o, (int) class_, error, picture, why);
        s->stale = false;
        return;
    }
    s->tried = true;
    if (error) {
        failed(o, (int) class_, error, why);
    } else if (stale) {
        came_late(o, (int) class_, picture);
    } else {
        succeeded(o, (int) class_, picture);
    }
    s->stale = false;
    for (struct refresh *r = o->refreshes; r; r = r->next) {
        if (!r->compare) {
            r->mask &= ~(r->asked & 1u << class_);
        }
    }
}

static bool
wants_compare(const struct vdpad_observer *o, int i)
{
    for (const struct refresh *r = o->refreshes; r; r = r->next) {
        if (r->compare && r->mask & 1u << i) {
            return true;
        }
    }
    return false;
}

/* Whether class 'i' is to be asked for to compare it, as soon as its picture
 * is adopted.  In turn with those who want another one: either might go on
 * without end. */
static bool
is_compared_next(const struct vdpad_observer *o, int i)
{
    const struct slot *s = &o->slots[i];

    return !s->outdated && (!s->dirty || !s->compared) && wants_compare(o, i);
}

static void
ask(struct vdpad_observer *o, int i, bool compare)
{
    struct slot *s = &o->slots[i];
    int error = o->kernel->ops->observe(o->kernel, (enum vdpad_class) i,
                                        on_observed, o);

    for (struct refresh *r = o->refreshes; r; r = r->next) {
        r->asked |= 1u << i;
    }
    s->compared = compare;
    if (!error) {
        s->querying = true;
        s->comparing = compare;
        s->stale = false;
        if (!compare) {
            s->dirty = false;
        }
    } else if (!compare) {
        on_observed(o, (enum vdpad_class) i, error, NULL, NULL);
    } else {
        compared(o, i, error, NULL, NULL);
    }
}

void
vdpad_observer_run(struct vdpad_observer *o, int64_t now_ns, bool hold)
{
    o->now_ns = now_ns;
    for (int i = 0; i < VDPAD_N_CLASSES; i++) {
        struct slot *s = &o->slots[i];

        if (s->dirty && !s->dirty_ns) {
            s->dirty_ns = now_ns;
        }
        if (s->wait_ns) {
            s->retry_ns = now_ns + s->wait_ns;
            s->wait_ns = 0;
        }
        if (s->staged && !o->staged_ns) {
            o->staged_ns = now_ns;
        }
        if (s->querying) {
            continue;
        }
        if (is_compared_next(o, i)) {
            if (!s->staged) {
                ask(o, i, true);
            }
        } else if (s->dirty && now_ns >= s->retry_ns
                   && (!hold || now_ns - s->dirty_ns >= HOLD_NS)) {
            ask(o, i, false);
        }
    }
}

int64_t
vdpad_observer_next_ns(const struct vdpad_observer *o)
{
    int64_t next = INT64_MAX;

    for (int i = 0; i < VDPAD_N_CLASSES; i++) {
        const struct slot *s = &o->slots[i];

        if (s->querying) {
            continue;
        }
        if (is_compared_next(o, i)) {
            next = s->staged ? next : 0;
        } else if (s->dirty) {
            int64_t at = s->dirty_ns && !s->wait_ns ? s->dirty_ns + HOLD_NS
                                                    : 0;

            at = at > s->retry_ns ? at : s->retry_ns;
            next = at < next ? at : next;
        }
    }
    return next;
}

bool
vdpad_observer_is_settled(const struct vdpad_observer *o)
{
    for (int i = 0; i < VDPAD_N_CLASSES; i++) {
        const struct slot *s = &o->slots[i];

        if ((s->querying && !s->comparing) || (s->dirty && !s->failures)) {
            return false;
        }
    }
    return true;
}

bool
vdpad_observer_is_complete(const struct vdpad_observer *o)
{
    for (int i = 0; i < VDPAD_N_CLASSES; i++) {
        if (!o->slots[i].tried || o->slots[i].staged) {
            return false;
        }
    }
    return true;
}

bool
vdpad_observer_take_failed(struct vdpad_observer *o)
{
    bool failed_now = o->newly_failed;

    o->newly_failed = false;
    return failed_now;
}

bool
vdpad_observer_has_staged(const struct vdpad_observer *o,
                          int64_t *ret_since_ns)
{
    for (int i = 0; i < VDPAD_N_CLASSES; i++) {
        if (o->slots[i].staged) {
            if (ret_since_ns) {
                *ret_since_ns = o->staged_ns;
            }
            return true;
        }
    }
    return false;
}

void
vdpad_observer_adopt(struct vdpad_observer *o)
{
    for (int i = 0; i < VDPAD_N_CLASSES; i++) {
        struct slot *s = &o->slots[i];
        struct vdpad_observed_class *c = &o->view.class_[i];

        if (!s->staged) {
            continue;
        }
        vdpad_picture_clear(&c->picture);
        c->picture = s->next;
        c->known = true;
        if (!s->failures) {
            c->error = 0;
        }
        c->at_ns = o->now_ns;
        c->fresh = !s->outdated;
        s->staged = false;
    }
    o->staged_ns = 0;
}

void
vdpad_observer_refresh(struct vdpad_observer *o, unsigned int mask,
                       bool compare, vdpad_observer_cb *cb, void *aux)
{
    struct refresh *r = vdpad_xcalloc(1, sizeof *r);
    struct refresh **at = &o->refreshes;

    r->all = r->mask = mask;
    r->compare = compare;
    r->cb = cb;
    r->aux = aux;
    if (compare) {
        r->fresh = vdpad_xcalloc(1, sizeof *r->fresh);
    }
    for (int i = 0; i < VDPAD_N_CLASSES; i++) {
        if (mask & 1u << i) {
            o->slots[i].retry_ns = o->slots[i].wait_ns = 0;
            /* What is there, or on its way, becomes no worse by the question:
             * a flood of them must not keep anybody from acting. */
            if (!compare) {
                make_dirty(&o->slots[i]);
            }
        }
    }
    while (*at) {
        at = &(*at)->next;
    }
    *at = r;
}

static bool
is_any_staged(const struct vdpad_observer *o, unsigned int mask)
{
    for (int i = 0; i < VDPAD_N_CLASSES; i++) {
        if (mask & 1u << i && o->slots[i].staged) {
            return true;
        }
    }
    return false;
}

void
vdpad_observer_answer(struct vdpad_observer *o)
{
    struct refresh **at = &o->refreshes;

    while (*at) {
        struct refresh *r = *at;

        if (r->mask || (!r->compare && is_any_staged(o, r->all))) {
            at = &r->next;
            continue;
        }
        *at = r->next;
        r->cb(r->aux, r->fresh);
        free_refresh(r);
    }
}
