/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "script-kernel.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "controller/util.h"

static int
observe(struct vdpad_kernel *k_, enum vdpad_class class_,
        vdpad_observed_cb *cb, void *aux)
{
    struct script_kernel *k = (struct script_kernel *) k_;

    k->classes[class_].n_asked++;
    if (k->classes[class_].refusal) {
        return k->classes[class_].refusal;
    }
    if (k->classes[class_].cb) {
        fail_msg("class %s asked for twice", vdpad_class_name(class_));
    }
    k->classes[class_].cb = cb;
    k->classes[class_].aux = aux;
    return 0;
}

static int
submit(struct vdpad_kernel *k_, const struct vdpad_act *acts, size_t n,
       vdpad_done_cb *cb, void *aux)
{
    struct script_kernel *k = (struct script_kernel *) k_;

    k->n_batches++;
    if (k->refusal) {
        return k->refusal;
    }
    for (size_t i = 0; i < n; i++) {
        assert_true(k->n_steps < SCRIPT_MAX);
        k->steps[k->n_steps++] = (struct script_step){ acts[i], k->n_batches,
                                                       cb, aux };
    }
    return 0;
}

void
script_kernel_init(struct script_kernel *k)
{
    static const struct vdpad_kernel_ops ops = { .observe = observe,
                                                 .submit = submit };

    memset(k, 0, sizeof *k);
    k->up.ops = &ops;
}

static void
answer(struct script_kernel *k, enum vdpad_class class_, int error,
       struct vdpad_picture *picture, const struct vdpad_error *why)
{
    vdpad_observed_cb *cb = k->classes[class_].cb;

    if (!cb) {
        fail_msg("class %s was not asked for", vdpad_class_name(class_));
        return;
    }
    k->classes[class_].cb = NULL;
    cb(k->classes[class_].aux, class_, error, picture, why);
}

void
script_answer(struct script_kernel *k, enum vdpad_class class_, size_t n)
{
    struct vdpad_picture p = { .class_ = class_,
                               .n = n,
                               .row_size = vdpad_row_size(class_) };

    p.rows = n ? vdpad_xcalloc(n, p.row_size) : NULL;
    for (size_t i = 0; i < n; i++) {
        memset((char *) p.rows + i * p.row_size, 'a' + (int) i, 1);
    }
    answer(k, class_, 0, &p, NULL);
    vdpad_picture_clear(&p);
}

void
script_fail(struct script_kernel *k, enum vdpad_class class_, int error)
{
    struct vdpad_error why;

    vdpad_error_set(&why, error, "script: %s", strerror(-error));
    answer(k, class_, error, NULL, &why);
}

void
script_answer_all(struct script_kernel *k)
{
    for (int i = 0; i < VDPAD_N_CLASSES; i++) {
        if (k->classes[i].cb) {
            script_answer(k, (enum vdpad_class) i, 1);
        }
    }
}

void
script_end(struct script_kernel *k, size_t i, int error)
{
    struct script_step step = k->steps[i];
    struct vdpad_error why;

    assert_true(i < k->n_steps);
    k->n_steps--;
    memmove(&k->steps[i], &k->steps[i + 1],
            (k->n_steps - i) * sizeof *k->steps);
    vdpad_error_set(&why, error, "script: %s", strerror(-error));
    step.cb(step.aux, &step.act, error, error ? &why : NULL);
}

static int
commit(struct vdpad_store *s_, const struct vdpad_dbop *ops, size_t n,
       vdpad_committed_cb *cb, void *aux)
{
    struct script_store *s = (struct script_store *) s_;

    s->n_commits++;
    if (s->refusal) {
        return s->refusal;
    }
    if (s->cb) {
        return -EBUSY;
    }
    s->cb = cb;
    s->aux = aux;
    s->n_ops = n;
    for (size_t i = 0; i < n && i < SCRIPT_MAX; i++) {
        s->kinds[i] = ops[i].kind;
    }
    vdpad_text(s->key, sizeof s->key, "%s", n && ops->key ? ops->key : "");
    vdpad_text(s->value, sizeof s->value, "%s",
               n && ops->value ? ops->value : "(null)");
    return 0;
}

void
script_store_init(struct script_store *s)
{
    static const struct vdpad_store_ops ops = { .commit = commit };

    memset(s, 0, sizeof *s);
    s->up.ops = &ops;
}

void
script_commit_ends(struct script_store *s, int error)
{
    vdpad_committed_cb *cb = s->cb;
    struct vdpad_error why;

    assert_non_null(cb);
    s->cb = NULL;
    vdpad_error_set(&why, error, "script: %s", strerror(-error));
    cb(s->aux, error, error ? &why : NULL);
}
