/* SPDX-License-Identifier: Apache-2.0 */
/* The ports as the daemon has them.  All that it asks for passes here and is
 * held against the truth, which the daemon does not know: only what it has
 * had the time to see counts. */
#include "campaign.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "controller/lookup.h"

#define BIT(CLASS) (1u << (CLASS))

/* Between a look at the holders and the step that rests on it. */
#define HOLDERS_LAG_NS (3 * SEC)

static struct campaign *
of_kernel(const struct vdpad_kernel *k)
{
    return (struct campaign *) ((char *) (uintptr_t) k
                                - offsetof(struct campaign, guard_kernel));
}

static struct campaign *
of_store(const struct vdpad_store *s)
{
    return (struct campaign *) ((char *) (uintptr_t) s
                                - offsetof(struct campaign, guard_store));
}

/* Steps of the kernel. */

static unsigned int
needed(enum vdpad_act_kind kind)
{
    switch ((int) kind) {
    case VDPAD_ACT_NUMVFS:
    case VDPAD_ACT_ESWITCH_MODE:
    case VDPAD_ACT_VF_UNBIND:
        return BIT(VDPAD_PCI) | BIT(VDPAD_VDPA) | BIT(VDPAD_VBUS)
               | BIT(VDPAD_HOLDER);
    case VDPAD_ACT_VDPA_DEL:
    case VDPAD_ACT_VDPA_BIND:
    case VDPAD_ACT_VDPA_UNBIND:
    case VDPAD_ACT_VDPA_SET_MAC:
        return BIT(VDPAD_VDPA) | BIT(VDPAD_VBUS) | BIT(VDPAD_HOLDER);
    case VDPAD_ACT_VF_PROBE:
        return BIT(VDPAD_PCI);
    case VDPAD_ACT_VDPA_ADD:
        return BIT(VDPAD_VDPA) | BIT(VDPAD_VBUS) | BIT(VDPAD_MGMTDEV);
    case VDPAD_ACT_LINK_UP:
    case VDPAD_ACT_LINK_MTU:
    case VDPAD_ACT_FEATURE:
        return BIT(VDPAD_LINK);
    case VDPAD_ACT_QDISC_DEL:
        return BIT(VDPAD_QDISC) | BIT(VDPAD_LINK);
    default:
        break;
    }
    return 0;
}

/* Whether 'act' takes the device 'v' away. */
static bool
takes(struct campaign *c, const struct vdpad_act *act, struct sim_vdpa *v)
{
    struct sim_pf *pf = NULL;

    switch (act->kind) {
    case VDPAD_ACT_VDPA_DEL:
    case VDPAD_ACT_VDPA_UNBIND:
        return !strcmp(act->object, v->name);
    case VDPAD_ACT_VDPA_BIND:
        return !strcmp(act->object, v->name) && v->driver[0]
               && strcmp(act->word, v->driver) != 0;
    case VDPAD_ACT_VF_UNBIND:
        return !strcmp(act->object, v->dev);
    case VDPAD_ACT_VF_PROBE: {
        const struct sim_vf *vf = sim_find_vf(c->sim, act->object, &pf);

        return vf && !strcmp(act->object, v->dev) && vf->driver[0]
               && strcmp(act->word[0] ? act->word : pf->vf_driver, vf->driver)
                      != 0;
    }
    case VDPAD_ACT_NUMVFS:
    case VDPAD_ACT_ESWITCH_MODE:
        if (!sim_find_vf(c->sim, v->dev, &pf)
            || strcmp(pf->bdf, act->object) != 0) {
            return false;
        }
        return act->kind == VDPAD_ACT_NUMVFS ? !act->number
                                             : act->number != pf->mode;
    default:
        break;
    }
    return false;
}

/* The policy that the device on 'vf' is, or was, under; NULL: none. */
static const char *
policy_name_of(const struct campaign *c, const char *vf)
{
    const struct vdpad_world *w = vdpad_ctl_world(c->ctl);

    for (size_t i = 0; i < w->n_devs; i++) {
        if (w->devs[i].vf && !strcmp(w->devs[i].vf->bdf, vf)) {
            return w->devs[i].policy_name;
        }
    }
    return NULL;
}

/* VFs may carry what nobody sees here: a VM's driver, a container's netdev. */
static void
check_taking_vfs(struct campaign *c, const struct vdpad_act *act)
{
    const char *name = vdpad_act_name((enum vdpad_act_kind) act->kind);

    for (int i = 0; i < N_PFS; i++) {
        const struct sim_pf *pf = &c->sim->pfs[i];
        /* Another number than 0 is refused while there are VFs. */
        bool takes_vfs = act->kind == VDPAD_ACT_NUMVFS && !act->number
                         && pf->numvfs > 0
                         && (act->seen <= 0 || act->seen == pf->numvfs);
        bool changes_mode = act->kind == VDPAD_ACT_ESWITCH_MODE
                            && act->number != pf->mode && pf->numvfs > 0;
        struct pf_wish wish;

        if (!pf->used || strcmp(pf->bdf, act->object) != 0) {
            continue;
        }
        if (act->kind == VDPAD_ACT_NUMVFS) {
            c->asked_vfs[i] |= 1u << act->number;
        }
        if (takes_vfs && c->has_others_vfs[i] && !c->is_reconciled[i]) {
            campaign_fail(c, "%s %s takes VFs, which are not ours", name,
                          act->object);
        }
        /* A mode that nobody asks for any more is given back when that can
         * be: each daemon learns by one refusal that it cannot. */
        wish_for_pf(c, i, &wish);
        if ((takes_vfs || (changes_mode && wish.has_mode))
            && c->is_pf_ready[i]) {
            campaign_fail(c,
                          "%s %s takes what was ready, and nothing has "
                          "changed since",
                          name, act->object);
        }
    }
}

static void
check_taking(struct campaign *c, const struct vdpad_act *act,
             struct sim_vdpa *v)
{
    const char *name = vdpad_act_name((enum vdpad_act_kind) act->kind);
    struct vf_truth *t = host_vf_truth(c, v->dev);

    /* What others have made may be given another driver. */
    if (v->foreign_ns && c->now_ns - v->foreign_ns > c->lag_ns
        && act->kind != VDPAD_ACT_VDPA_BIND) {
        campaign_fail(c, "%s %s takes %s, which is not ours", name,
                      act->object, v->name);
    }
    if (!t) {
        return;
    }
    if (act->force
            ? !changes_is_forced(c, policy_name_of(c, v->dev))
            : t->held_ns
                  && c->now_ns - t->held_ns > HOLDERS_LAG_NS + c->lag_ns) {
        campaign_fail(c, "%s %s takes %s, which is in use%s", name,
                      act->object, v->name,
                      act->force ? ", by force that nobody asked for" : "");
    }
    if (t->is_ready) {
        campaign_fail(c,
                      "%s %s takes %s, which was ready, and nothing has "
                      "changed since",
                      name, act->object, v->name);
    }
}

static void
check_act(struct campaign *c, const struct vdpad_act *act)
{
    const struct vdpad_observed *o = vdpad_ctl_world(c->ctl)->observed;
    const char *name = vdpad_act_name((enum vdpad_act_kind) act->kind);

    campaign_trace(c, "  step %s %s %s %lld%s", name, act->object, act->word,
                   (long long) act->number, act->force ? " force" : "");
    for (int i = 0; i < VDPAD_N_CLASSES; i++) {
        if (needed((enum vdpad_act_kind) act->kind) & BIT(i)
            && !o->class_[i].fresh) {
            campaign_fail(c, "%s %s although %s is not fresh", name,
                          act->object, vdpad_class_name((enum vdpad_class) i));
        }
    }
    tries_count(c, name, act->object);
    check_taking_vfs(c, act);
    for (int i = 0; i < SIM_VDPAS && i < 64; i++) {
        struct sim_vdpa *v = &c->sim->vdpas[i];

        if (v->used && takes(c, act, v)) {
            check_taking(c, act, v);
        }
    }
}

/* True when the daemon has died before this. */
static bool
dies(struct campaign *c)
{
    if (c->dying == DYING_AFTER_RECORD && c->dying_after) {
        c->dying_after--;
        return false;
    }
    return c->dying == DYING_BEFORE_RECORD || c->dying == DYING_AFTER_RECORD;
}

static int
guard_observe(struct vdpad_kernel *k, enum vdpad_class class_,
              vdpad_observed_cb *cb, void *aux)
{
    struct campaign *c = of_kernel(k);

    return c->fake->ops->observe(c->fake, class_, cb, aux);
}

/* What must be answered: each step once. */
struct asked {
    struct asked *next;
    struct campaign *c;
    vdpad_done_cb *cb;
    void *aux;
    size_t left;
};

static void
on_done(void *aux, const struct vdpad_act *act, int error,
        const struct vdpad_error *why)
{
    struct asked *a = aux;
    vdpad_done_cb *cb = a->cb;
    void *cb_aux = a->aux;

    if (error) {
        tally.failures++;
        campaign_trace(a->c, "  failed %s %s: %s",
                       vdpad_act_name((enum vdpad_act_kind) act->kind),
                       act->object, why ? why->text : "?");
    }
    tally.stuck += error == -ETIMEDOUT;
    tries_note_end(a->c, act, error);
    if (!--a->left) {
        struct asked **at = &a->c->asked;

        while (*at != a) {
            at = &(*at)->next;
        }
        *at = a->next;
        free(a);
    }
    cb(cb_aux, act, error, why);
}

void
guard_forget_asked(struct campaign *c)
{
    while (c->asked) {
        struct asked *a = c->asked;

        c->asked = a->next;
        free(a);
    }
}

static int
guard_submit(struct vdpad_kernel *k, const struct vdpad_act *acts, size_t n,
             vdpad_done_cb *cb, void *aux)
{
    struct campaign *c = of_kernel(k);
    struct asked *a;

    if (dies(c)) {
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        check_act(c, &acts[i]);
    }
    c->last_step_ns = c->now_ns;
    tally.steps += n;
    a = calloc(1, sizeof *a);
    *a = (struct asked){ c->asked, c, cb, aux, n };
    c->asked = a;
    return c->fake->ops->submit(c->fake, acts, n, on_done, a);
}

static int
guard_query(struct vdpad_kernel *k, const struct vdpad_flow_query *query,
            vdpad_flow_query_cb *cb, void *aux)
{
    struct campaign *c = of_kernel(k);

    return c->fake->ops->query(c->fake, query, cb, aux);
}

static void
guard_subscribe(struct vdpad_kernel *k, vdpad_invalidated_cb *cb, void *aux)
{
    struct campaign *c = of_kernel(k);

    c->fake->ops->subscribe(c->fake, cb, aux);
}

static void
guard_run(struct vdpad_kernel *k)
{
    struct campaign *c = of_kernel(k);

    c->fake->ops->run(c->fake);
}

static void
guard_wait(struct vdpad_kernel *k)
{
    (void) k;
}

static size_t
guard_stuck(const struct vdpad_kernel *k, struct vdpad_stuck *stuck,
            size_t max)
{
    const struct campaign *c = of_kernel(k);

    return c->fake->ops->stuck(c->fake, stuck, max);
}

static void
guard_stats(const struct vdpad_kernel *k, struct vdpad_kernel_stats *stats)
{
    const struct campaign *c = of_kernel(k);

    c->fake->ops->stats(c->fake, stats);
}

static void
guard_destroy(struct vdpad_kernel *k)
{
    (void) k;
}

/* The database. */

static bool
is_marked(const struct vdpad_map *ids)
{
    const char *owner = vdpad_map_get(ids, VDPAD_OWNER_KEY);

    return owner && !strcmp(owner, VDPAD_OWNER_VALUE);
}

/* Whether 'ops' have a new port for the VF 'vf'. */
static bool
adds_for(const struct vdpad_dbop *ops, size_t n, const char *vf)
{
    for (size_t i = 0; i < n; i++) {
        /* These maps are not sorted. */
        for (size_t j = 0; j < ops[i].ids.n; j++) {
            if (!strcmp(ops[i].ids.kv[j].key, "vdpa-vf")
                && !strcmp(ops[i].ids.kv[j].value, vf)) {
                return true;
            }
        }
    }
    return false;
}

/* Whether the representor of 'vf' was renamed from 'former', and others have a
 * port of its new name: then there can be none of ours. */
static bool
is_name_taken(const struct campaign *c, const struct vdpad_snapshot *s,
              const char *vf, const char *former)
{
    for (int i = 0; i < N_PFS; i++) {
        for (int j = 0; j < N_VFS; j++) {
            const struct sim_vf *sim_vf = &c->sim->pfs[i].vfs[j];
            const struct vdpad_db_iface *iface;

            if (strcmp(sim_vf->bdf, vf) != 0 || sim_vf->rep < 0) {
                continue;
            }
            iface = vdpad_find_iface(s,
                                     c->sim->netdevs[sim_vf->rep].link.name);
            return iface && strcmp(iface->name, former) != 0
                   && !vdpad_iface_is_ours(iface);
        }
    }
    return false;
}

static void
check_port_del(struct campaign *c, const struct vdpad_snapshot *s,
               const struct vdpad_db_iface *iface,
               const struct vdpad_dbop *ops, size_t n)
{
    const char *vf = vdpad_map_get(&iface->external_ids, "vdpa-vf");
    const struct vf_truth *t = vf ? host_vf_truth(c, vf) : NULL;
    const struct vdpad_world *w = vdpad_ctl_world(c->ctl);
    bool wanted = true;

    for (size_t i = 0; i < w->n_devs; i++) {
        if (vf && w->devs[i].vf && !strcmp(w->devs[i].vf->bdf, vf)) {
            wanted = w->devs[i].want_attach;
        }
    }
    if (!t || adds_for(ops, n, vf) || !host_vdpa_of(c, vf)) {
        return;
    }
    if (t->held_ns && c->now_ns - t->held_ns > HOLDERS_LAG_NS + c->lag_ns
        && !changes_is_forced(c, policy_name_of(c, vf))
        && !vdpad_map_get(&iface->external_ids, "vdpa-iface-id")) {
        campaign_fail(c, "port %s of %s is removed, which is in use",
                      iface->name, vf);
    }
    /* One of a former name may have been there without a trace. */
    if (t->is_ready && wanted && !is_name_taken(c, s, vf, iface->name)) {
        campaign_fail(c,
                      "port %s of %s is removed, which was ready, and "
                      "nothing has changed since",
                      iface->name, vf);
    }
}

static void
check_op(struct campaign *c, const struct vdpad_snapshot *s,
         const struct vdpad_dbop *op, const struct vdpad_dbop *ops, size_t n)
{
    static const char *const keys[] = {
        "attached-mac", "iface-id",      "iface-id-ver",
        "vm-uuid",      "vdpa-iface-id", "vdpa-vlan",
        "vdpa-device",  "vdpa-vf",       "vdpa-offload",
    };
    const struct vdpad_db_iface *iface = op->port
                                             ? vdpad_find_iface(s, op->port)
                                             : NULL;
    const char *key = op->key ? op->key : "";
    bool known = false;

    switch (op->kind) {
    case VDPAD_DBOP_OVS_OTHER_CONFIG:
        if (strcmp(key, "hw-offload") != 0) {
            campaign_fail(c, "other_config:%s is none of ours", key);
        }
        break;
    case VDPAD_DBOP_OVS_EXTERNAL_ID:
        if (strcmp(key, VDPAD_KEY_SUSPENDED) != 0 || !c->n_suspends) {
            campaign_fail(c, "nobody asked for external_ids:%s", key);
        }
        return;
    case VDPAD_DBOP_IFACE_EXTERNAL_ID:
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
            known |= !strcmp(keys[i], key);
        }
        if (!known) {
            campaign_fail(c, "external_ids:%s of %s is none of ours", key,
                          op->port);
        }
        break;
    case VDPAD_DBOP_BRIDGE_ADD:
    case VDPAD_DBOP_PORT_ADD:
    case VDPAD_DBOP_PORT_DEL:
    case VDPAD_DBOP_PORT_VLAN:
    case VDPAD_DBOP_IFACE_MTU:
        break;
    }
    if (op->kind != VDPAD_DBOP_PORT_ADD && iface
        && !is_marked(&iface->external_ids)
        && (!op->key || strcmp(op->key, "vdpa-offload") != 0)) {
        campaign_fail(c, "port %s is changed and does not carry our mark",
                      op->port);
    }
    if (op->kind == VDPAD_DBOP_PORT_DEL && iface) {
        check_port_del(c, s, iface, ops, n);
    }
}

static const struct vdpad_snapshot *
guard_snapshot(struct vdpad_store *s)
{
    struct campaign *c = of_store(s);

    return c->client->ops->snapshot(c->client);
}

static int
guard_commit(struct vdpad_store *up, const struct vdpad_dbop *ops, size_t n,
             vdpad_committed_cb *cb, void *aux)
{
    struct campaign *c = of_store(up);
    const struct vdpad_snapshot *s = c->client->ops->snapshot(c->client);
    int error;

    if (dies(c)) {
        return 0;
    }
    error = c->client->ops->commit(c->client, ops, n, cb, aux);
    campaign_trace(c, "  commit of %zu: %d", n, error);
    if (error) {
        return error;
    }
    for (size_t i = 0; i < n; i++) {
        const struct vdpad_dbop *op = &ops[i];

        campaign_trace(c, "  op %d %s %s %s=%s", op->kind,
                       op->bridge ? op->bridge : "", op->port ? op->port : "",
                       op->key ? op->key : "", op->value ? op->value : "");
    }
    for (size_t i = 0; i < n; i++) {
        const struct vdpad_dbop *op = &ops[i];
        char action[32];

        (void) snprintf(action, sizeof action, "db-%d", op->kind);
        check_op(c, s, op, ops, n);
        /* Several keys of one row are one step. */
        if (!i || op->kind != ops[i - 1].kind
            || op->kind != VDPAD_DBOP_IFACE_EXTERNAL_ID) {
            tries_count(c, action,
                        op->port     ? op->port
                        : op->bridge ? op->bridge
                                     : op->key);
        }
    }
    c->last_step_ns = c->now_ns;
    tally.commits++;
    return 0;
}

static bool
guard_is_connected(const struct vdpad_store *s)
{
    const struct campaign *c = of_store(s);

    return c->client->ops->is_connected(c->client);
}

static const char *
guard_remote(const struct vdpad_store *s)
{
    const struct campaign *c = of_store(s);

    return c->client->ops->remote(c->client);
}

static void
guard_store_run(struct vdpad_store *s)
{
    struct campaign *c = of_store(s);

    c->client->ops->run(c->client);
}

static void
guard_store_wait(struct vdpad_store *s)
{
    (void) s;
}

static void
guard_store_destroy(struct vdpad_store *s)
{
    (void) s;
}

void
guard_set_up(struct campaign *c)
{
    static const struct vdpad_kernel_ops kernel_ops = {
        .observe = guard_observe,
        .submit = guard_submit,
        .query = guard_query,
        .subscribe = guard_subscribe,
        .run = guard_run,
        .wait = guard_wait,
        .stuck = guard_stuck,
        .stats = guard_stats,
        .destroy = guard_destroy,
    };
    static const struct vdpad_store_ops store_ops = {
        .snapshot = guard_snapshot,
        .commit = guard_commit,
        .is_connected = guard_is_connected,
        .remote = guard_remote,
        .run = guard_store_run,
        .wait = guard_store_wait,
        .destroy = guard_store_destroy,
    };

    c->guard_kernel.ops = &kernel_ops;
    c->guard_store.ops = &store_ops;
}
