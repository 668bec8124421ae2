/* SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

#include <string.h>

#include "plan-internal.h"
#include "util.h"

/* Whether any device that we have to do with is under 'policy'. */
static bool
has_devices(const struct vdpad_record *r, const char *policy)
{
    for (size_t i = 0; i < r->n_devs; i++) {
        if (!strcmp(r->devs[i].policy, policy)) {
            return true;
        }
    }
    return false;
}

/* Whether 'seen' has been withdrawn here: the PFs and VFs that it shares with
 * others are no longer its.  One of another database may still need them. */
static bool
is_withdrawn(const struct vdpad_world *w,
             const struct vdpad_record_policy *seen)
{
    return !strcmp(seen->db, w->db->uuid)
           || vdpad_config_is_suspended(w->config, seen->name);
}

/* Records which policies are applied and from which database, and forgets
 * those of which nothing is left. */
static void
plan_policies(struct vdpad_planner *p)
{
    const struct vdpad_world *w = p->world;

    if (!w->db || !w->db_connected) {
        return;
    }

    const char *uuid = w->db->uuid;

    for (size_t i = 0; i < w->config->n_policies; i++) {
        const char *name = w->config->policies[i].name;
        const struct vdpad_record_policy *seen = vdpad_record_find_policy(
            w->record, name);

        if (!seen || strcmp(seen->db, uuid) != 0) {
            vdpad_ask_rec(p, VDPAD_REC_POLICY, name, uuid, "", 0);
        }
    }
    for (size_t i = 0; i < w->record->n_policies; i++) {
        const struct vdpad_record_policy *seen = &w->record->policies[i];
        char key[VDPAD_NAME_SIZE + sizeof VDPAD_KEY_POLICY];
        bool used = has_devices(w->record, seen->name)
                    || (!is_withdrawn(w, seen)
                        && (w->record->n_pfs || w->record->n_vfs));

        vdpad_text(key, sizeof key, VDPAD_KEY_POLICY "%s", seen->name);
        if (!used && !vdpad_map_get(&w->db->external_ids, key)) {
            vdpad_ask_rec(p, VDPAD_REC_POLICY_DEL, seen->name, "", "", 0);
        }
    }
}

/* Whether the port that 'dev' was given to is not its any more. */
static bool
is_choice_over(const struct vdpad_world *w, const struct vdpad_dev *dev)
{
    const struct vdpad_port_spec *spec = vdpad_config_port(w->config,
                                                           dev->record->port);

    if (!spec) {
        return dev->intent == VDPAD_INTENT_APPLY
               && !vdpad_config_refuses_port(w->config, dev->record->port);
    }
    for (size_t i = 0; i < w->n_devs; i++) {
        if (w->devs[i].port_spec == spec) {
            return true;
        }
    }
    return !spec->policy;
}

/* Records which devices were chosen for ports that may have any of a policy.
 * The Interface tells that, too, but is there for anybody to remove. */
static void
plan_choices(struct vdpad_planner *p)
{
    const struct vdpad_world *w = p->world;

    for (size_t i = 0; w->db && w->db_connected && i < w->n_devs; i++) {
        const struct vdpad_dev *dev = &w->devs[i];
        const struct vdpad_port_spec *spec = dev->port_spec;
        const char *port = spec && spec->policy ? spec->iface_id : "";

        if (dev->record && strcmp(dev->record->port, port) != 0
            && (port[0] || is_choice_over(w, dev))) {
            vdpad_ask_rec(p, VDPAD_REC_PORT, dev->record->vf, port, "", 0);
        }
    }
}

struct vdpad_plan *
vdpad_plan_new(struct vdpad_world *world, const struct vdpad_memory *memory,
               int64_t now_ns)
{
    struct vdpad_plan *plan = vdpad_xcalloc(1, sizeof *plan);
    struct vdpad_planner p = {
        .world = world,
        .memory = memory,
        .now_ns = now_ns,
        .plan = plan,
    };

    plan->next_ns = INT64_MAX;
    vdpad_plan_index(&p);
    plan_policies(&p);
    plan_choices(&p);

    /* Removals first: what they free may be needed by additions. */
    for (size_t i = 0; i < world->n_devs; i++) {
        if (world->devs[i].intent == VDPAD_INTENT_REMOVE) {
            vdpad_plan_removal(&p, &world->devs[i]);
        }
    }
    for (size_t i = 0; i < world->n_pfs; i++) {
        vdpad_plan_pf(&p, &world->pfs[i]);
    }
    for (size_t i = 0; i < world->n_devs; i++) {
        if (world->devs[i].intent != VDPAD_INTENT_REMOVE) {
            vdpad_plan_dev(&p, &world->devs[i]);
        }
    }
    for (size_t i = 0; i < world->n_pfs; i++) {
        struct vdpad_pf *pf = &world->pfs[i];

        vdpad_fold_state(&pf->state, pf->reason, pf->vf_state, "%s",
                         pf->vf_reason);
    }
    vdpad_plan_db(&p);
    return plan;
}
