/* SPDX-License-Identifier: Apache-2.0 */
/* What the cases share. */
#include "kernel-cases.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct kc_env *kc_env;
unsigned int kc_invalidated;
bool kc_lost;

static void
on_invalidated(void *aux, unsigned int mask, bool lost)
{
    (void) aux;
    kc_invalidated |= mask;
    kc_lost |= lost;
}

int
kc_setup(void **state)
{
    (void) state;
    kc_env->ops->begin(kc_env);
    kc_env->kernel->ops->subscribe(kc_env->kernel, on_invalidated, NULL);
    kc_forget();
    return 0;
}

int
kc_teardown(void **state)
{
    (void) state;
    kc_env->ops->end(kc_env);
    return 0;
}

void
kc_forget(void)
{
    kc_invalidated = 0;
    kc_lost = false;
}

static bool
are_invalidated(void *mask)
{
    return (kc_invalidated & *(unsigned int *) mask) == *(unsigned int *) mask;
}

void
kc_wait_invalidated(unsigned int mask)
{
    if (!kc_env->ops->pump(kc_env, are_invalidated, &mask)) {
        fail_msg("classes %#x invalidated, expected %#x", kc_invalidated,
                 mask);
    }
}

/* Observing. */

struct observing {
    bool done;
    int error;
    struct vdpad_picture picture;
};

static void
on_observed(void *aux, enum vdpad_class class_, int error,
            struct vdpad_picture *picture, const struct vdpad_error *why)
{
    struct observing *o = aux;

    assert_false(o->done);
    o->done = true;
    o->error = error;
    if (error) {
        assert_null(picture);
        assert_non_null(why);
        return;
    }
    assert_int_equal(picture->class_, class_);
    assert_int_equal(picture->row_size, vdpad_row_size(class_));
    o->picture = *picture;
    picture->rows = NULL;
    picture->n = 0;
    assert_int_equal(vdpad_picture_sort(&o->picture), 0);
}

static bool
is_observed(void *aux)
{
    return ((struct observing *) aux)->done;
}

int
kc_observe(enum vdpad_class class_, struct vdpad_picture *picture)
{
    struct observing o = { .done = false };

    assert_int_equal(kc_env->kernel->ops->observe(kc_env->kernel, class_,
                                                  on_observed, &o),
                     0);
    assert_false(o.done);
    if (!kc_env->ops->pump(kc_env, is_observed, &o)) {
        fail_msg("observation of %s does not end", vdpad_class_name(class_));
    }
    if (!o.error) {
        *picture = o.picture;
    }
    return o.error;
}

void
kc_picture(enum vdpad_class class_, struct vdpad_picture *picture)
{
    int error;

    memset(picture, 0, sizeof *picture);
    do {
        error = kc_observe(class_, picture);
    } while (error == -EAGAIN);
    if (error) {
        fail_msg("observation of %s: %s", vdpad_class_name(class_),
                 strerror(-error));
    }
}

static bool
is_anything_invalidated(void *aux)
{
    (void) aux;
    return kc_invalidated;
}

void
kc_until(enum vdpad_class class_,
         bool (*accept)(const struct vdpad_picture *, void *aux), void *aux)
{
    for (;;) {
        struct vdpad_picture picture;
        bool is_accepted;

        kc_forget();
        kc_picture(class_, &picture);
        is_accepted = accept(&picture, aux);
        vdpad_picture_clear(&picture);
        if (is_accepted) {
            return;
        }
        if (!kc_env->ops->pump(kc_env, is_anything_invalidated, NULL)) {
            fail_msg("%s does not become as expected, and no event came",
                     vdpad_class_name(class_));
        }
    }
}

const void *
kc_find_row(const struct vdpad_picture *p, size_t offset, const char *text)
{
    for (size_t i = 0; i < p->n; i++) {
        const char *row = (const char *) p->rows + i * p->row_size;

        if (!strcmp(row + offset, text)) {
            return row;
        }
    }
    return NULL;
}

/* Steps. */

static void
on_done(void *aux, const struct vdpad_act *act, int error,
        const struct vdpad_error *why)
{
    struct kc_done *d = aux;

    assert_true(d->n < sizeof d->ends / sizeof d->ends[0]);
    d->ends[d->n].act = *act;
    d->ends[d->n].error = error;
    d->ends[d->n].text[0] = '\0';
    if (error) {
        assert_non_null(why);
        memcpy(d->ends[d->n].text, why->text, sizeof why->text);
    }
    d->n++;
}

struct kc_waiting {
    const struct kc_done *done;
    size_t n;
};

static bool
are_done(void *aux)
{
    const struct kc_waiting *w = aux;

    return w->done->n >= w->n;
}

void
kc_wait_done(struct kc_done *done, size_t n)
{
    struct kc_waiting w = { done, n };

    if (!kc_env->ops->pump(kc_env, are_done, &w)) {
        fail_msg("%zu of %zu steps ended", done->n, n);
    }
}

void
kc_submit(const struct vdpad_act *acts, size_t n, struct kc_done *done)
{
    memset(done, 0, sizeof *done);
    assert_int_equal(kc_env->kernel->ops->submit(kc_env->kernel, acts, n,
                                                 on_done, done),
                     0);
    assert_int_equal(done->n, 0);
}

struct vdpad_act
kc_act(int32_t kind, const char *object, const char *word, int64_t number)
{
    struct vdpad_act act;

    memset(&act, 0, sizeof act);
    act.kind = kind;
    act.number = number;
    (void) snprintf(act.object, sizeof act.object, "%s", object);
    (void) snprintf(act.word, sizeof act.word, "%s", word ? word : "");
    return act;
}

int
kc_step(struct vdpad_act act, char text[VDPAD_ERROR_TEXT])
{
    struct kc_done done;

    kc_submit(&act, 1, &done);
    kc_wait_done(&done, 1);
    assert_int_equal(done.n, 1);
    assert_int_equal(done.ends[0].act.kind, act.kind);
    if (text) {
        memcpy(text, done.ends[0].text, VDPAD_ERROR_TEXT);
    }
    if (done.ends[0].error && !done.ends[0].text[0]) {
        fail_msg("%s %s failed without a text",
                 vdpad_act_name((enum vdpad_act_kind) act.kind), act.object);
    }
    return done.ends[0].error;
}

int
kc_do(int32_t kind, const char *object, const char *word, int64_t number)
{
    return kc_step(kc_act(kind, object, word, number), NULL);
}

/* Hosts. */

struct counting {
    int wanted;
};

/* All representors of the PF's VFs have netdevs. */
static bool
has_representors(const struct vdpad_picture *p, void *aux)
{
    int n = 0;

    for (size_t i = 0; i < p->n; i++) {
        const struct vdpad_dlport *port = &VDPAD_ROWS(p, vdpad_dlport)[i];

        n += !strcmp(port->dev, kc_env->pf) && port->vf >= 0 && port->ifindex;
    }
    return n == ((struct counting *) aux)->wanted;
}

static bool
has_mgmtdevs(const struct vdpad_picture *p, void *aux)
{
    int n = 0;

    for (size_t i = 0; i < p->n; i++) {
        n += !strcmp(VDPAD_ROWS(p, vdpad_mgmtdev)[i].bus, "pci");
    }
    return n == ((struct counting *) aux)->wanted;
}

void
kc_make_vfs(int n)
{
    struct counting counting = { n };

    kc_env->ops->set_numvfs(kc_env, n);
    kc_env->ops->set_switchdev(kc_env, true);
    kc_until(VDPAD_DLPORT, has_representors, &counting);
    kc_until(VDPAD_MGMTDEV, has_mgmtdevs, &counting);
}

void
kc_representor(int index, struct vdpad_dlport *port)
{
    struct vdpad_picture p;
    bool found = false;

    kc_picture(VDPAD_DLPORT, &p);
    for (size_t i = 0; i < p.n; i++) {
        const struct vdpad_dlport *row = &VDPAD_ROWS(&p, vdpad_dlport)[i];

        if (!strcmp(row->dev, kc_env->pf) && row->vf == index) {
            *port = *row;
            found = true;
        }
    }
    vdpad_picture_clear(&p);
    assert_true(found);
    assert_int_not_equal(port->ifindex, 0);
    assert_int_not_equal(port->ifname[0], '\0');
}

void
kc_make_vdpa(const char *name, int index, const char *driver)
{
    char bdf[VDPAD_BDF_SIZE], handle[VDPAD_BDF_SIZE + 4];

    kc_env->ops->vf_bdf(kc_env, index, bdf);
    (void) snprintf(handle, sizeof handle, "pci/%s", bdf);
    assert_int_equal(kc_do(VDPAD_ACT_VDPA_ADD, name, handle, 0), 0);
    assert_int_equal(kc_do(VDPAD_ACT_VDPA_BIND, name, driver, 0), 0);
}

int
kc_run(struct kc_env *env, int n, char *filters[])
{
    const struct {
        const char *name;
        const struct CMUnitTest *cases;
        size_t n;
    } groups[] = {
        { "general", kc_general_cases, kc_n_general_cases },
        { "pf", kc_pf_cases, kc_n_pf_cases },
        { "netdev", kc_netdev_cases, kc_n_netdev_cases },
        { "vdpa", kc_vdpa_cases, kc_n_vdpa_cases },
        { "use", kc_use_cases, kc_n_use_cases },
        { "flow", kc_flow_cases, kc_n_flow_cases },
    };
    int failed = 0;

    kc_env = env;
    for (size_t g = 0; g < sizeof groups / sizeof groups[0]; g++) {
        struct CMUnitTest *chosen = calloc(groups[g].n, sizeof *chosen);
        size_t n_chosen = 0;

        for (size_t i = 0; chosen && i < groups[g].n; i++) {
            bool is_chosen = !n;

            for (int f = 0; f < n; f++) {
                is_chosen |= strstr(groups[g].cases[i].name, filters[f])
                             != NULL;
            }
            if (is_chosen) {
                chosen[n_chosen++] = groups[g].cases[i];
            }
        }
        if (n_chosen) {
            failed += _cmocka_run_group_tests(groups[g].name, chosen, n_chosen,
                                              NULL, NULL);
        }
        free(chosen);
    }
    return failed;
}
