/* SPDX-License-Identifier: Apache-2.0 */
#include "exec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <vdpad/log.h>

#include "util.h"

#define BIT(CLASS) (1u << (CLASS))

struct vdpad_exec {
    struct vdpad_kernel *kernel;
    struct vdpad_store *store;
    struct vdpad_observer *observer;
    struct vdpad_memory *memory;
    struct vdpad_record *record;
    char *path;
    struct vdpad_history *history;
    int64_t (*clock_ns)(void);
    struct vdpad_exec_figures figures;
    struct batch *batches; /* Under way. */
    bool ended, unsaved;
    bool busy; /* The database was, with what is not ours to
                                 * wait for. */

    size_t n_db_keys; /* Of the transaction under way. */
    char (*db_keys)[VDPAD_NAME_SIZE + 32];
    bool db_touches_ports;
};

/* Counts down the steps of a batch. */
struct batch {
    struct vdpad_exec *exec;
    struct batch *next; /* In exec->batches. */
    size_t left;
};

struct vdpad_exec *
vdpad_exec_new(struct vdpad_kernel *kernel, struct vdpad_store *store,
               struct vdpad_observer *observer, struct vdpad_memory *memory,
               struct vdpad_record *record, const char *path,
               struct vdpad_history *history, int64_t (*clock_ns)(void))
{
    struct vdpad_exec *x = vdpad_xcalloc(1, sizeof *x);

    x->kernel = kernel;
    x->store = store;
    x->observer = observer;
    x->memory = memory;
    x->record = record;
    x->path = vdpad_xstrdup(path);
    x->history = history;
    x->clock_ns = clock_ns;
    return x;
}

void
vdpad_exec_free(struct vdpad_exec *x)
{
    if (x) {
        /* The kernel port is not run again: no callback asks for them. */
        while (x->batches) {
            struct batch *batch = x->batches;

            x->batches = batch->next;
            free(batch);
        }
        free(x->path);
        free(x->db_keys);
        free(x);
    }
}

void
vdpad_exec_get_figures(const struct vdpad_exec *x,
                       struct vdpad_exec_figures *figures)
{
    *figures = x->figures;
}

bool
vdpad_exec_take_ended(struct vdpad_exec *x)
{
    bool ended = x->ended || x->busy;

    x->ended = x->busy = false;
    return ended;
}

bool
vdpad_exec_wants_turn(const struct vdpad_exec *x)
{
    return x->ended;
}

/* What a step may have changed.  The kernel's events tell most of it too, but
 * events can be lost. */
static unsigned int
touched_classes(enum vdpad_act_kind kind)
{
    switch (kind) {
    case VDPAD_ACT_MODULE_LOAD:
        return BIT(VDPAD_MODULE) | BIT(VDPAD_MGMTDEV) | BIT(VDPAD_VDPA)
               | BIT(VDPAD_VBUS);
    case VDPAD_ACT_AUTOPROBE:
        return BIT(VDPAD_PCI);
    case VDPAD_ACT_NUMVFS:
    case VDPAD_ACT_ESWITCH_MODE:
        return VDPAD_ALL_CLASSES
               & ~(BIT(VDPAD_MODULE) | BIT(VDPAD_HOLDER) | BIT(VDPAD_HOST)
                   | BIT(VDPAD_TCPRIO));
    case VDPAD_ACT_VF_PROBE:
    case VDPAD_ACT_VF_UNBIND:
        return BIT(VDPAD_PCI) | BIT(VDPAD_MGMTDEV) | BIT(VDPAD_VDPA)
               | BIT(VDPAD_VBUS) | BIT(VDPAD_LINK) | BIT(VDPAD_DLPORT);
    case VDPAD_ACT_FEATURE:
        return BIT(VDPAD_FEATURE);
    case VDPAD_ACT_VDPA_ADD:
    case VDPAD_ACT_VDPA_DEL:
    case VDPAD_ACT_VDPA_SET_MAC:
    case VDPAD_ACT_VDPA_BIND:
    case VDPAD_ACT_VDPA_UNBIND:
        return BIT(VDPAD_VDPA) | BIT(VDPAD_VBUS) | BIT(VDPAD_HOLDER);
    case VDPAD_ACT_LINK_UP:
    case VDPAD_ACT_LINK_MTU:
    case VDPAD_ACT_VPORT_DEL:
        return BIT(VDPAD_LINK);
    case VDPAD_ACT_QDISC_DEL:
        return BIT(VDPAD_QDISC) | BIT(VDPAD_FLOW) | BIT(VDPAD_TCPRIO);
    case VDPAD_ACT_FILTER_DEL:
        return BIT(VDPAD_FLOW) | BIT(VDPAD_TCPRIO);
    case VDPAD_ACT_PORT_HW_ADDR:
        return BIT(VDPAD_DLPORT);
    case VDPAD_ACT_N:
        break;
    }
    return 0;
}

/* Whether the bind that was sent along with a creation failed only because
 * that failed. */
static bool
is_aftermath(const struct vdpad_exec *x, const struct vdpad_act *act)
{
    char key[VDPAD_NAME_SIZE + 32];

    if (act->kind != VDPAD_ACT_VDPA_BIND) {
        return false;
    }
    vdpad_memory_key(key, vdpad_act_name(VDPAD_ACT_VDPA_ADD), act->object);

    const struct vdpad_memory_entry *e = vdpad_memory_find(x->memory, key);

    return e && e->failures;
}

/* Whether the step may have been done, or may still be: by a helper process
 * that died (-EIO), or one that sleeps (-ETIMEDOUT). */
static bool
may_be_done(int error)
{
    return error == -EIO || error == -ETIMEDOUT;
}

/* The device that 'act' creates was recorded before.  If it did not come about
 * by that, what is there later is somebody else's; unless a helper process of
 * an earlier daemon was faster, or may still make it. */
static void
creation_ended(struct vdpad_exec *x, const struct vdpad_act *act, int error)
{
    const char *vf = strchr(act->word, '/');
    struct vdpad_record_dev *dev = vf ? vdpad_record_find_dev(x->record,
                                                              vf + 1)
                                      : NULL;

    if (error && !may_be_done(error) && dev && !dev->in_doubt
        && !strcmp(dev->name, act->object)) {
        memset(dev->name, 0, sizeof dev->name);
        x->unsaved = true;
    }
}

/* The same for the number of VFs that was recorded; unless those that were
 * ours have come back by themselves. */
static void
count_ended(struct vdpad_exec *x, const struct vdpad_act *act, int error)
{
    struct vdpad_record_pf *pf = vdpad_record_find_pf(x->record, act->object);

    if (!error) {
        vdpad_memory_vfs_made(x->memory, act->object, (int32_t) act->number);
        if (pf && pf->numvfs == 0) {
            pf->vfs_made = (int32_t) act->number;
            if (!act->number && !pf->vfs_in_doubt) {
                pf->vfs_asked = 0;
            }
            x->unsaved = true;
        }
    } else if (!may_be_done(error) && act->number && pf && pf->numvfs == 0
               && !pf->vfs_in_doubt
               && !vdpad_memory_vfs_were_ours(x->memory, act->object)) {
        vdpad_record_forget_vfs(pf);
        x->unsaved = true;
    }
}

/* And for a VF that was to be given to vfio-pci.  One that this did not take
 * (-ENODEV) has lost its driver by that, which is to be made good. */
static void
giving_ended(struct vdpad_exec *x, const struct vdpad_act *act, int error)
{
    const struct vdpad_record_vf *vf = vdpad_record_find_vf(x->record,
                                                            act->object);

    if (error && !may_be_done(error) && error != -ENODEV && act->word[0] && vf
        && !vf->in_doubt) {
        vdpad_record_del_vf(x->record, act->object);
        x->unsaved = true;
    }
}

static void
on_done(void *aux, const struct vdpad_act *act, int error,
        const struct vdpad_error *why)
{
    struct batch *batch = aux;
    struct vdpad_exec *x = batch->exec;
    const char *name = vdpad_act_name((enum vdpad_act_kind) act->kind);
    char key[VDPAD_NAME_SIZE + 32];

    if (error && is_aftermath(x, act)) {
        error = -ECANCELED;
    }
    vdpad_memory_key(key, name, act->object);
    vdpad_memory_ended(x->memory, key, error, why, x->clock_ns());
    if (act->kind == VDPAD_ACT_VDPA_ADD) {
        creation_ended(x, act, error);
    } else if (act->kind == VDPAD_ACT_NUMVFS) {
        count_ended(x, act, error);
    } else if (act->kind == VDPAD_ACT_VF_PROBE) {
        giving_ended(x, act, error);
    }
    if (!error) {
        vdpad_memory_note(x->memory, act);
    }
    vdpad_observer_invalidate(
        x->observer, touched_classes((enum vdpad_act_kind) act->kind));
    if (error == -EBUSY) {
        vdpad_observer_invalidate(x->observer, BIT(VDPAD_HOLDER)
                                                   | BIT(VDPAD_VBUS)
                                                   | BIT(VDPAD_VDPA));
    }
    x->figures.steps++;
    if (!error) {
        vdpad_history_add(x->history, act->object, "step", "%s done", name);
        vdpad_log(VDPAD_LOG_DBG, "%s: %s done", act->object, name);
    } else if (error != -ECANCELED) {
        /* Success is seen when the classes it touched have been observed. */
        x->ended = true;

        const char *text = why && why->text[0] ? why->text : strerror(-error);

        x->figures.failures++;
        vdpad_history_add(x->history, act->object, "step", "%s: %s", name,
                          text);
        vdpad_log(VDPAD_LOG_WARN, "%s: %s: %s", act->object, name, text);
    }
    if (!--batch->left) {
        struct batch **at = &x->batches;

        while (*at != batch) {
            at = &(*at)->next;
        }
        *at = batch->next;
        x->figures.n_batches--;
        free(batch);
    }
}

static bool
is_due(const struct vdpad_step *step, enum vdpad_step_kind kind)
{
    return step->kind == kind && !step->deferred && !step->in_flight;
}

static void
submit_lane(struct vdpad_exec *x, struct vdpad_plan *plan, uint32_t lane,
            struct vdpad_act *acts)
{
    struct batch *batch = vdpad_xcalloc(1, sizeof *batch);
    size_t n = 0;

    for (size_t i = 0; i < plan->n; i++) {
        struct vdpad_step *s = &plan->steps[i];
        char key[VDPAD_NAME_SIZE + 32];

        if (is_due(s, VDPAD_STEP_KERNEL) && s->lane == lane) {
            s->in_flight = true;
            plan->n_due--;
            vdpad_memory_key(key, vdpad_step_action(s), s->act.object);
            vdpad_memory_started(x->memory, key);
            vdpad_log(VDPAD_LOG_DBG, "%s: %s: %s", s->act.object,
                      vdpad_step_action(s), s->reason);
            acts[n++] = s->act;
        }
    }
    batch->exec = x;
    batch->left = n;
    batch->next = x->batches;
    x->batches = batch;
    x->figures.n_batches++;

    int error = x->kernel->ops->submit(x->kernel, acts, n, on_done, batch);

    if (error) {
        struct vdpad_error why;

        vdpad_error_set(&why, error, "not started: %s", strerror(-error));
        for (size_t i = 0; i < n; i++) {
            on_done(batch, &acts[i], error, &why);
        }
    }
}

static void
submit_kernel(struct vdpad_exec *x, struct vdpad_plan *plan)
{
    struct vdpad_act *acts = vdpad_xcalloc(plan->n, sizeof *acts);
    uint32_t *lanes = vdpad_xcalloc(plan->n, sizeof *lanes);
    size_t n_lanes = 0;

    for (size_t i = 0; i < plan->n; i++) {
        const struct vdpad_step *s = &plan->steps[i];
        bool known = !is_due(s, VDPAD_STEP_KERNEL);

        for (size_t j = 0; j < n_lanes && !known; j++) {
            known = lanes[j] == s->lane;
        }
        if (!known) {
            lanes[n_lanes++] = s->lane;
            submit_lane(x, plan, s->lane, acts);
        }
    }
    free(lanes);
    free(acts);
}

static void
on_committed(void *aux, int error, const struct vdpad_error *why)
{
    struct vdpad_exec *x = aux;

    for (size_t i = 0; i < x->n_db_keys; i++) {
        vdpad_memory_ended(x->memory, x->db_keys[i], error, why,
                           x->clock_ns());
        if (!error) {
            vdpad_history_add(x->history, "database", "step", "%s done",
                              x->db_keys[i]);
        }
    }
    x->figures.steps += x->n_db_keys;
    if (error && error != -EAGAIN && error != -ENOTCONN) {
        x->figures.failures += x->n_db_keys;
        vdpad_history_add(x->history, "database", "step", "%s",
                          why && why->text[0] ? why->text : strerror(-error));
        vdpad_log(VDPAD_LOG_WARN, "database: transaction failed: %s",
                  why && why->text[0] ? why->text : strerror(-error));
    }
    x->n_db_keys = 0;
    x->ended = true;
    if (x->db_touches_ports) {
        vdpad_observer_invalidate(x->observer, BIT(VDPAD_QDISC));
    }
}

/* Adds 'key' to 'keys', of which there are 'n', unless it has just been added:
 * several steps on one row have one key, and fail as one. */
static size_t
add_key(char (*keys)[VDPAD_NAME_SIZE + 32], size_t n, const char *key)
{
    if (!n || strcmp(keys[n - 1], key) != 0) {
        vdpad_copy(keys[n++], sizeof *keys, key);
    }
    return n;
}

/* A transaction is at most about as large as this: a turn of the loop has to
 * write it, and another to read what it has changed. */
#define MOST_OPS 64

/* Whether steps that must go into one transaction can: none of them waits. */
static bool
may_join(const struct vdpad_plan *plan)
{
    for (size_t i = 0; i < plan->n; i++) {
        const struct vdpad_step *s = &plan->steps[i];

        if (s->is_joined && !is_due(s, VDPAD_STEP_DB)) {
            return false;
        }
    }
    return true;
}

/* What is due goes in one transaction, as far as there is room: the rest is
 * planned again when that has ended.  What must not be torn apart goes in
 * whole, whatever its size. */
static void
submit_db(struct vdpad_exec *x, struct vdpad_plan *plan)
{
    struct vdpad_dbop *ops = vdpad_xcalloc(plan->n, sizeof *ops);
    bool joins = may_join(plan);
    bool is_full = false;
    size_t n_keys = 0;
    size_t n = 0;

    free(x->db_keys);
    x->db_keys = vdpad_xcalloc(plan->n, sizeof *x->db_keys);
    x->db_touches_ports = false;
    for (size_t i = 0; i < plan->n; i++) {
        const struct vdpad_step *s = &plan->steps[i];
        char key[VDPAD_NAME_SIZE + 32];

        if (!is_due(s, VDPAD_STEP_DB) || (s->is_joined ? !joins : is_full)) {
            continue;
        }
        vdpad_memory_key(key, vdpad_step_action(s), vdpad_step_object(s));
        if (n >= MOST_OPS && !s->is_joined
            && strcmp(x->db_keys[n_keys - 1], key) != 0
            && !(s->op.kind == VDPAD_DBOP_PORT_ADD
                 && ops[n - 1].kind == VDPAD_DBOP_PORT_DEL)) {
            is_full = true;
            continue;
        }
        n_keys = add_key(x->db_keys, n_keys, key);
        x->db_touches_ports |= s->op.kind == VDPAD_DBOP_PORT_ADD
                               || s->op.kind == VDPAD_DBOP_PORT_DEL;
        ops[n++] = s->op;
    }
    if (n) {
        int error = x->store->ops->commit(x->store, ops, n, on_committed, x);

        /* Another transaction is under way, whose end is a turn of the loop:
         * to be planned again then. */
        x->busy = error == -EBUSY;
        x->n_db_keys = error ? 0 : n_keys;
        for (size_t i = 0; i < n_keys; i++) {
            if (!error) {
                vdpad_memory_started(x->memory, x->db_keys[i]);
                vdpad_log(VDPAD_LOG_DBG, "database: %s", x->db_keys[i]);
            } else if (error != -EBUSY && error != -ENOTCONN) {
                vdpad_memory_ended(x->memory, x->db_keys[i], error, NULL,
                                   x->clock_ns());
            }
        }
    }
    free(ops);
}

static void
remember(int32_t *value, int32_t number)
{
    if (*value < 0 || number < 0) {
        *value = number;
    }
}

void
vdpad_exec_remember(struct vdpad_record *r, const struct vdpad_rec *rec)
{
    struct vdpad_record_dev *dev;
    struct vdpad_record_pf *pf;

    switch (rec->kind) {
    case VDPAD_REC_PF_NUMVFS:
        pf = vdpad_record_add_pf(r, rec->object);
        if (rec->number < 0) {
            vdpad_record_forget_vfs(pf);
        } else {
            remember(&pf->numvfs, rec->number);
        }
        break;
    case VDPAD_REC_VFS_ASKED:
        vdpad_record_add_pf(r, rec->object)->vfs_asked = rec->number;
        break;
    case VDPAD_REC_VFS_MADE:
        vdpad_record_add_pf(r, rec->object)->vfs_made = rec->number;
        break;
    case VDPAD_REC_PF_MODE:
        remember(&vdpad_record_add_pf(r, rec->object)->mode, rec->number);
        break;
    case VDPAD_REC_PF_AUTOPROBE:
        remember(&vdpad_record_add_pf(r, rec->object)->autoprobe, rec->number);
        break;
    case VDPAD_REC_PF_MTU:
        remember(&vdpad_record_add_pf(r, rec->object)->mtu, rec->number);
        break;
    case VDPAD_REC_PF_TC:
        remember(&vdpad_record_add_pf(r, rec->object)->tc_offload,
                 rec->number);
        break;
    case VDPAD_REC_PF_DEL:
        vdpad_record_del_pf(r, rec->object);
        break;
    case VDPAD_REC_DEV:
        dev = vdpad_record_add_dev(r, rec->object);
        vdpad_copy(dev->policy, sizeof dev->policy, rec->word);
        dev->in_doubt &= !strcmp(dev->name, rec->name);
        vdpad_copy(dev->name, sizeof dev->name, rec->name);
        break;
    case VDPAD_REC_DEV_DEL:
        vdpad_record_del_dev(r, rec->object);
        break;
    case VDPAD_REC_PORT:
        dev = vdpad_record_add_dev(r, rec->object);
        vdpad_copy(dev->port, sizeof dev->port, rec->word);
        break;
    case VDPAD_REC_VF:
        vdpad_record_add_vf(r, rec->object);
        break;
    case VDPAD_REC_VF_DEL:
        vdpad_record_del_vf(r, rec->object);
        break;
    case VDPAD_REC_POLICY:
        vdpad_copy(vdpad_record_add_policy(r, rec->object)->db,
                   VDPAD_UUID_SIZE, rec->word);
        break;
    case VDPAD_REC_POLICY_DEL:
        vdpad_record_del_policy(r, rec->object);
        break;
    }
}

int
vdpad_exec_run(struct vdpad_exec *x, struct vdpad_plan *plan,
               struct vdpad_error *why)
{
    bool changed = x->unsaved;

    for (size_t i = 0; i < plan->n; i++) {
        if (plan->steps[i].kind == VDPAD_STEP_RECORD) {
            vdpad_exec_remember(x->record, &plan->steps[i].rec);
            changed = true;
        }
    }
    if (changed) {
        /* If this fails the entries stay in memory and the next plan does not
         * ask for them again: 'unsaved' makes up for that. */
        int error = vdpad_record_save(x->record, x->path, why);

        x->unsaved = error != 0;
        if (error) {
            return error;
        }
        x->ended = true;
    }
    submit_kernel(x, plan);
    if (!x->n_db_keys) {
        submit_db(x, plan);
    }
    return 0;
}
