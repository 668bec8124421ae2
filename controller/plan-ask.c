/* SPDX-License-Identifier: Apache-2.0 */
/* How the parts of the planner ask for steps, and what that makes of the state
 * of a device or PF. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "plan-internal.h"
#include "use.h"
#include "util.h"

#define BIT(CLASS) (1u << (CLASS))
#define SEC_NS 1000000000

/* The pictures that a step depends on must be fresh when it is decided on. */
static unsigned int
needed_classes(enum vdpad_act_kind kind)
{
    switch (kind) {
    case VDPAD_ACT_MODULE_LOAD:
        return BIT(VDPAD_MODULE);
    case VDPAD_ACT_AUTOPROBE:
    case VDPAD_ACT_VF_PROBE:
        return BIT(VDPAD_PCI);
    case VDPAD_ACT_NUMVFS:
    case VDPAD_ACT_ESWITCH_MODE:
    case VDPAD_ACT_VF_UNBIND:
        return BIT(VDPAD_PCI) | BIT(VDPAD_ESWITCH) | BIT(VDPAD_VDPA)
               | BIT(VDPAD_VBUS) | BIT(VDPAD_HOLDER);
    case VDPAD_ACT_FEATURE:
        return BIT(VDPAD_FEATURE) | BIT(VDPAD_LINK);
    case VDPAD_ACT_VDPA_ADD:
        return BIT(VDPAD_PCI) | BIT(VDPAD_MGMTDEV) | BIT(VDPAD_VDPA)
               | BIT(VDPAD_VBUS);
    case VDPAD_ACT_VDPA_DEL:
    case VDPAD_ACT_VDPA_SET_MAC:
    case VDPAD_ACT_VDPA_BIND:
    case VDPAD_ACT_VDPA_UNBIND:
        return BIT(VDPAD_VDPA) | BIT(VDPAD_VBUS) | BIT(VDPAD_HOLDER);
    case VDPAD_ACT_LINK_UP:
    case VDPAD_ACT_LINK_MTU:
        return BIT(VDPAD_LINK);
    case VDPAD_ACT_VPORT_DEL:
        return BIT(VDPAD_LINK) | BIT(VDPAD_DLPORT);
    case VDPAD_ACT_QDISC_DEL:
        return BIT(VDPAD_QDISC) | BIT(VDPAD_LINK);
    case VDPAD_ACT_FILTER_DEL: /* Not planned: see audit.h. */
        return BIT(VDPAD_TCPRIO) | BIT(VDPAD_LINK);
    case VDPAD_ACT_PORT_HW_ADDR:
        return BIT(VDPAD_DLPORT);
    case VDPAD_ACT_N:
        break;
    }
    return 0;
}

/* The first class of 'mask' that is not fresh, or VDPAD_N_CLASSES. */
static enum vdpad_class
first_stale(const struct vdpad_observed *o, unsigned int mask)
{
    for (int i = 0; i < VDPAD_N_CLASSES; i++) {
        if (mask & BIT(i) && !o->class_[i].fresh) {
            return (enum vdpad_class) i;
        }
    }
    return VDPAD_N_CLASSES;
}

static struct vdpad_step *
new_step(struct vdpad_planner *p, enum vdpad_step_kind kind)
{
    struct vdpad_plan *plan = p->plan;

    plan->steps = vdpad_grow(plan->steps, plan->n, &p->allocated,
                             sizeof *plan->steps);

    struct vdpad_step *step = &plan->steps[plan->n++];

    memset(step, 0, sizeof *step);
    step->kind = kind;
    return step;
}

/* Marks the newest step by what memory knows of it. */
static enum vdpad_ask
judge(struct vdpad_planner *p, struct vdpad_step *step,
      char text[VDPAD_REASON_SIZE])
{
    char key[VDPAD_NAME_SIZE + 32];

    vdpad_memory_key(key, vdpad_step_action(step), vdpad_step_object(step));

    const struct vdpad_memory_entry *e = vdpad_memory_find(p->memory, key);

    vdpad_text(text, VDPAD_REASON_SIZE, "%s", step->reason);
    if (e && e->in_flight) {
        step->in_flight = true;
        if (e->stuck) {
            vdpad_text(text, VDPAD_REASON_SIZE, "%s", e->error.text);
        }
        return e->stuck ? VDPAD_ASK_STUCK : VDPAD_ASK_IN_FLIGHT;
    }
    if (e && e->next_ns > p->now_ns) {
        step->deferred = true;
        if (e->next_ns < p->plan->next_ns) {
            p->plan->next_ns = e->next_ns;
        }
        vdpad_text(text, VDPAD_REASON_SIZE, "%s (attempt %u, next in %lld s)",
                   e->error.text, e->failures + e->repeats,
                   (long long) (e->next_ns - p->now_ns + SEC_NS - 1) / SEC_NS);
        return VDPAD_ASK_DEFERRED;
    }
    p->plan->n_due++;
    return VDPAD_ASK_DUE;
}

static void __attribute__((format(printf, 2, 0)))
format_reason(char text[VDPAD_REASON_SIZE], const char *format, va_list args)
{
    char raw[VDPAD_REASON_SIZE];

    (void) vsnprintf(raw, sizeof raw, format, args);
    vdpad_text(text, VDPAD_REASON_SIZE, "%s", raw);
}

#define FORMAT_REASON(STEP, FORMAT)                   \
    do {                                              \
        va_list args_;                                \
                                                      \
        va_start(args_, FORMAT);                      \
        format_reason((STEP)->reason, FORMAT, args_); \
        va_end(args_);                                \
    } while (0)

enum vdpad_ask
vdpad_ask_act(struct vdpad_planner *p, uint32_t lane,
              const struct vdpad_act *act, char text[VDPAD_REASON_SIZE],
              const char *reason, ...)
{
    const struct vdpad_observed *o = p->world->observed;
    const struct vdpad_memory_entry *e = vdpad_ask_memory(
        p, (enum vdpad_act_kind) act->kind, act->object);
    enum vdpad_class stale = first_stale(
        o, needed_classes((enum vdpad_act_kind) act->kind));

    if (stale != VDPAD_N_CLASSES && !(e && e->in_flight)) {
        const struct vdpad_observed_class *c = &o->class_[stale];

        if (c->error) {
            vdpad_text(text, VDPAD_REASON_SIZE, "%s cannot be observed: %s",
                       vdpad_class_name(stale), c->why.text);
            return VDPAD_ASK_UNSURE;
        }
        /* Most likely done already and about to be seen. */
        va_list args;

        va_start(args, reason);
        format_reason(text, reason, args);
        va_end(args);
        return VDPAD_ASK_OBSERVING;
    }

    struct vdpad_step *step = new_step(p, VDPAD_STEP_KERNEL);

    step->act = *act;
    step->lane = lane;
    FORMAT_REASON(step, reason);
    return judge(p, step, text);
}

enum vdpad_ask
vdpad_ask_db(struct vdpad_planner *p, const struct vdpad_dbop *op,
             char text[VDPAD_REASON_SIZE], const char *reason, ...)
{
    struct vdpad_step *step = new_step(p, VDPAD_STEP_DB);
    struct vdpad_dbop *copy = &step->op;

    step->is_joined = p->joins;
    *copy = *op;
    copy->bridge = vdpad_plan_strdup(p, op->bridge);
    copy->port = vdpad_plan_strdup(p, op->port);
    copy->uuid = vdpad_plan_strdup(p, op->uuid);
    copy->key = vdpad_plan_strdup(p, op->key);
    copy->value = vdpad_plan_strdup(p, op->value);
    if (op->ids.n) {
        struct vdpad_kv *kv = vdpad_plan_alloc(p, op->ids.n, sizeof *kv);

        for (size_t i = 0; i < op->ids.n; i++) {
            kv[i].key = vdpad_plan_strdup(p, op->ids.kv[i].key);
            kv[i].value = vdpad_plan_strdup(p, op->ids.kv[i].value);
        }
        copy->ids.kv = kv;
    }
    if (op->n_trunks) {
        copy->trunks = memcpy(vdpad_plan_alloc(p, op->n_trunks,
                                               sizeof *op->trunks),
                              op->trunks, op->n_trunks * sizeof *op->trunks);
    }
    FORMAT_REASON(step, reason);
    return judge(p, step, text);
}

bool
vdpad_ask_pictures(const struct vdpad_planner *p, unsigned int mask,
                   enum vdpad_ask *ret_outcome, char text[VDPAD_REASON_SIZE])
{
    const struct vdpad_observed *o = p->world->observed;
    enum vdpad_class stale = first_stale(o, mask);

    if (stale == VDPAD_N_CLASSES) {
        return true;
    }
    if (o->class_[stale].error) {
        *ret_outcome = VDPAD_ASK_UNSURE;
        vdpad_text(text, VDPAD_REASON_SIZE, "%s cannot be observed: %s",
                   vdpad_class_name(stale), o->class_[stale].why.text);
    } else {
        *ret_outcome = VDPAD_ASK_OBSERVING;
        vdpad_text(text, VDPAD_REASON_SIZE, "%s is being observed",
                   vdpad_class_name(stale));
    }
    return false;
}

bool
vdpad_ask_holders(struct vdpad_planner *p)
{
    const struct vdpad_observed *o = p->world->observed;
    const struct vdpad_observed_class *holder = &o->class_[VDPAD_HOLDER];
    const struct vdpad_observed_class *vdpa = &o->class_[VDPAD_VDPA];

    /* No event tells that a file is opened or features are negotiated. */
    if (holder->fresh && p->now_ns - holder->at_ns < VDPAD_USE_AGE_NS
        && vdpa->fresh && p->now_ns - vdpa->at_ns < VDPAD_USE_AGE_NS
        && o->class_[VDPAD_VBUS].fresh) {
        return true;
    }
    p->plan->wants_holders = true;
    return false;
}

bool
vdpad_are_holders_unseen(const struct vdpad_planner *p,
                         char text[VDPAD_REASON_SIZE])
{
    const struct vdpad_observed_class *classes = p->world->observed->class_;

    for (int i = 0; i < VDPAD_N_CLASSES; i++) {
        if (VDPAD_USE_CLASSES & BIT(i) && !classes[i].fresh
            && classes[i].error) {
            vdpad_text(text, VDPAD_REASON_SIZE, "%s cannot be observed: %s",
                       vdpad_class_name((enum vdpad_class) i),
                       classes[i].why.text);
            return true;
        }
    }
    return false;
}

void
vdpad_fold_holders(const struct vdpad_planner *p, enum vdpad_state *state,
                   char reason[VDPAD_REASON_SIZE], enum vdpad_state working,
                   const char *change)
{
    char text[VDPAD_REASON_SIZE];

    if (vdpad_are_holders_unseen(p, text)) {
        vdpad_fold_state(state, reason, VDPAD_STATE_WAITING,
                         "%.160s, but %.200s", change, text);
    } else {
        vdpad_fold_state(state, reason, working,
                         "%.200s; who uses it is looked at first", change);
    }
}

void
vdpad_ask_rec(struct vdpad_planner *p, enum vdpad_rec_kind kind,
              const char *object, const char *word, const char *name,
              int32_t number)
{
    struct vdpad_step *step = new_step(p, VDPAD_STEP_RECORD);

    step->rec.kind = kind;
    step->rec.number = number;
    vdpad_copy(step->rec.object, sizeof step->rec.object, object);
    vdpad_copy(step->rec.word, sizeof step->rec.word, word ? word : "");
    vdpad_copy(step->rec.name, sizeof step->rec.name, name ? name : "");
}

const struct vdpad_memory_entry *
vdpad_ask_memory(const struct vdpad_planner *p, enum vdpad_act_kind kind,
                 const char *object)
{
    char key[VDPAD_NAME_SIZE + 32];

    vdpad_memory_key(key, vdpad_act_name(kind), object);
    return vdpad_memory_find(p->memory, key);
}

/* Which of two states a person should see. */
static int
gravity(enum vdpad_state state)
{
    switch (state) {
    case VDPAD_STATE_READY:
    case VDPAD_STATE_FOREIGN:
        return 0;
    case VDPAD_STATE_WAITING:
        return 1;
    case VDPAD_STATE_APPLYING:
        return 2;
    case VDPAD_STATE_REMOVING:
        return 3;
    case VDPAD_STATE_FAILED:
        return 4;
    case VDPAD_STATE_BLOCKED:
        return 5;
    case VDPAD_N_STATES:
        break;
    }
    return 0;
}

void
vdpad_fold_state(enum vdpad_state *state, char reason[VDPAD_REASON_SIZE],
                 enum vdpad_state new_state, const char *format, ...)
{
    char text[VDPAD_REASON_SIZE];
    va_list args;

    if (gravity(new_state) <= gravity(*state)) {
        return;
    }
    *state = new_state;
    va_start(args, format);
    (void) vsnprintf(text, sizeof text, format, args);
    va_end(args);
    vdpad_text(reason, VDPAD_REASON_SIZE, "%s", text);
}

void
vdpad_fold(enum vdpad_state *state, char reason[VDPAD_REASON_SIZE],
           enum vdpad_ask ask, enum vdpad_state working, const char *text)
{
    switch (ask) {
    case VDPAD_ASK_DUE:
    case VDPAD_ASK_IN_FLIGHT:
    case VDPAD_ASK_OBSERVING:
        vdpad_fold_state(state, reason, working, "%s", text);
        break;
    case VDPAD_ASK_STUCK:
        vdpad_fold_state(state, reason, VDPAD_STATE_BLOCKED, "%s", text);
        break;
    case VDPAD_ASK_DEFERRED:
        vdpad_fold_state(state, reason, VDPAD_STATE_FAILED, "%s", text);
        break;
    case VDPAD_ASK_UNSURE:
        vdpad_fold_state(state, reason, VDPAD_STATE_WAITING, "%s", text);
        break;
    }
}

uint32_t
vdpad_dev_lane(const struct vdpad_dev *dev)
{
    return VDPAD_LANE_DEV
           + (uint32_t) (dev->vf_index > 0 ? dev->vf_index : 0) % 4;
}

enum vdpad_ask
vdpad_ask_dev(struct vdpad_planner *p, struct vdpad_dev *dev, uint32_t lane,
              const struct vdpad_act *act, const char *reason)
{
    char text[VDPAD_REASON_SIZE];
    enum vdpad_ask outcome = vdpad_ask_act(p, lane, act, text, "%s", reason);

    vdpad_fold(&dev->state, dev->reason, outcome,
               dev->intent == VDPAD_INTENT_REMOVE ? VDPAD_STATE_REMOVING
                                                  : VDPAD_STATE_APPLYING,
               text);
    return outcome;
}

void
vdpad_ask_port(struct vdpad_planner *p, struct vdpad_dev *dev,
               const struct vdpad_dbop *op, const char *reason)
{
    char text[VDPAD_REASON_SIZE];

    if (!p->world->db_connected && dev->intent != VDPAD_INTENT_REMOVE) {
        vdpad_fold_state(&dev->state, dev->reason, VDPAD_STATE_WAITING,
                         "%.200s; that is done when the database is connected "
                         "again",
                         reason);
        return;
    }
    vdpad_fold(&dev->state, dev->reason,
               vdpad_ask_db(p, op, text, "%s", reason),
               dev->intent == VDPAD_INTENT_REMOVE ? VDPAD_STATE_REMOVING
                                                  : VDPAD_STATE_APPLYING,
               text);
}

static uint32_t
lane_of(const struct vdpad_planner *p, const struct vdpad_pf *pf)
{
    return VDPAD_LANE_PF + (uint32_t) (pf - p->world->pfs);
}

bool
vdpad_pf_is_busy(const struct vdpad_planner *p, const struct vdpad_pf *pf,
                 enum vdpad_act_kind kind)
{
    static const enum vdpad_act_kind kinds[] = {
        VDPAD_ACT_AUTOPROBE,
        VDPAD_ACT_NUMVFS,
        VDPAD_ACT_ESWITCH_MODE,
    };

    bool busy = false;

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const struct vdpad_memory_entry *e = vdpad_ask_memory(p, kinds[i],
                                                              pf->pci->bdf);

        if (e && e->in_flight) {
            if (kinds[i] == kind) {
                return false;
            }
            busy = true;
        }
    }
    return busy;
}

enum vdpad_ask
vdpad_ask_pf(struct vdpad_planner *p, struct vdpad_pf *pf,
             enum vdpad_act_kind kind, int64_t number, const char *reason)
{
    struct vdpad_act act = { .kind = (int32_t) kind, .number = number };
    enum vdpad_ask outcome = VDPAD_ASK_OBSERVING;
    char text[VDPAD_REASON_SIZE];

    vdpad_copy(act.object, sizeof act.object, pf->pci->bdf);
    if (kind == VDPAD_ACT_NUMVFS && !number) {
        /* Of those that a reset may bring back, ours. */
        act.seen = pf->pci->numvfs      ? pf->pci->numvfs
                   : pf->record != NULL ? pf->record->vfs_made
                                        : 0;
    }
    if (vdpad_pf_is_busy(p, pf, kind)) {
        vdpad_text(text, sizeof text, "%s", reason);
    } else {
        outcome = vdpad_ask_act(p, lane_of(p, pf), &act, text, "%s", reason);
    }
    vdpad_fold(&pf->state, pf->reason, outcome, VDPAD_STATE_APPLYING, text);
    return outcome;
}

bool
vdpad_dev_is_late(const struct vdpad_dev *dev, char text[VDPAD_REASON_SIZE])
{
    return (!dev->vbus || !dev->vbus->driver[0])
           && vdpad_dev_in_use(dev, text);
}

const struct vdpad_step *
vdpad_find_planned(const struct vdpad_planner *p, enum vdpad_act_kind kind,
                   const char *object)
{
    for (size_t i = 0; i < p->plan->n; i++) {
        const struct vdpad_step *s = &p->plan->steps[i];

        if (s->kind == VDPAD_STEP_KERNEL && s->act.kind == (int32_t) kind
            && !strcmp(s->act.object, object)) {
            return s;
        }
    }
    return NULL;
}

bool
vdpad_fold_begun(const struct vdpad_planner *p, enum vdpad_state *state,
                 char reason[VDPAD_REASON_SIZE], enum vdpad_act_kind kind,
                 const char *object)
{
    const struct vdpad_memory_entry *e = vdpad_ask_memory(p, kind, object);

    if (!e || !e->in_flight || (e->stuck && e->error.code == -ECOMM)) {
        return false;
    }
    vdpad_fold_state(state, reason,
                     e->stuck ? VDPAD_STATE_BLOCKED : VDPAD_STATE_APPLYING,
                     "%s, begun before, has not ended yet%s%.200s",
                     vdpad_act_name(kind), e->stuck ? ": " : "",
                     e->stuck ? e->error.text : "");
    return true;
}

bool
vdpad_is_in_flight(const struct vdpad_planner *p, enum vdpad_act_kind kind,
                   const char *object)
{
    const struct vdpad_memory_entry *e = vdpad_ask_memory(p, kind, object);

    return e && e->in_flight;
}
