/* SPDX-License-Identifier: Apache-2.0 */
/* Planning of what in the database is no single device's: hw-offload, bridges,
 * and rows of ours that are left over.  Ports are planned in plan-db.c. */
#include <string.h>

#include "lookup.h"
#include "plan-internal.h"
#include "util.h"

static void
ask_plain(struct vdpad_planner *p, const struct vdpad_dbop *op,
          const char *reason)
{
    char text[VDPAD_REASON_SIZE];

    (void) vdpad_ask_db(p, op, text, "%s", reason);
}

/* Makes each bridge that a device waits for, once, if it can be made. */
static void
plan_bridges(struct vdpad_planner *p)
{
    const struct vdpad_world *w = p->world;

    for (size_t i = 0; i < w->n_devs; i++) {
        const char *bridge = w->devs[i].bridge;
        bool planned = !bridge || vdpad_find_bridge(w->db, bridge)
                       || vdpad_find_rival(w->observed, bridge);

        for (size_t j = 0; j < p->plan->n && !planned; j++) {
            const struct vdpad_step *s = &p->plan->steps[j];

            planned = s->kind == VDPAD_STEP_DB
                      && s->op.kind == VDPAD_DBOP_BRIDGE_ADD
                      && !strcmp(s->op.bridge, bridge);
        }
        if (!planned) {
            ask_plain(p,
                      &(struct vdpad_dbop){ .kind = VDPAD_DBOP_BRIDGE_ADD,
                                            .bridge = bridge,
                                            .tag = -1 },
                      "ports are to be attached to it and it does not exist");
        }
    }
}

/* A row with our mark that is no wanted device's, nor names its VF. */
static bool
is_stale(const struct vdpad_planner *p, const struct vdpad_db_iface *iface)
{
    const char *vf = vdpad_map_get(&iface->external_ids, "vdpa-vf");

    if (!vdpad_iface_is_ours(iface)) {
        return false;
    }
    for (size_t i = 0; i < p->world->n_devs; i++) {
        const struct vdpad_dev *dev = &p->world->devs[i];

        if (dev->iface == iface && dev->intent != VDPAD_INTENT_NONE) {
            return false;
        }
    }
    for (size_t i = 0; vf && i < p->world->n_devs; i++) {
        const struct vdpad_dev *dev = &p->world->devs[i];

        if ((dev->vf && !strcmp(dev->vf->bdf, vf))
            || (!dev->vf && dev->intent != VDPAD_INTENT_NONE)) {
            return dev->vf && dev->intent == VDPAD_INTENT_NONE;
        }
    }
    return true;
}

/* Removes rows of ours that a crash or a reboot has left.  Not while any
 * policy is in doubt: its VFs may only be away. */
static void
plan_stale(struct vdpad_planner *p)
{
    const struct vdpad_world *w = p->world;

    if (w->config->n_refused_policies || w->config->n_refused_ports
        || !w->observed->class_[VDPAD_PCI].fresh
        || !w->observed->class_[VDPAD_VBUS].fresh) {
        return;
    }
    for (size_t i = 0; i < w->n_pfs; i++) {
        if (w->pfs[i].frozen) {
            return;
        }
    }
    for (size_t i = 0; i < w->n_problems; i++) {
        if (!strncmp(w->problems[i].key, VDPAD_KEY_POLICY,
                     strlen(VDPAD_KEY_POLICY))) {
            return;
        }
    }
    for (size_t i = 0; i < w->db->n_ifaces; i++) {
        const struct vdpad_db_iface *iface = &w->db->ifaces[i];

        if (!is_stale(p, iface)) {
            continue;
        }
        if (p->now_ns < p->memory->grace_until_ns) {
            if (p->memory->grace_until_ns < p->plan->next_ns) {
                p->plan->next_ns = p->memory->grace_until_ns;
            }
        } else {
            const struct vdpad_db_port *port = &w->db->ports[iface->port];
            const char *bridge = w->db->bridges[port->bridge].name;

            ask_plain(p,
                      &(struct vdpad_dbop){ .kind = VDPAD_DBOP_PORT_DEL,
                                            .tag = -1,
                                            .bridge = bridge,
                                            .port = port->name,
                                            .uuid = port->uuid },
                      "we made it for a device that no policy wants");
        }
    }
}

/* Whether a policy may mean the PF 'bdf', which is not there. */
static bool
may_be_meant(const struct vdpad_world *w, const char *bdf)
{
    const struct vdpad_config *c = w->config;

    if (!w->db || !w->db_connected || c->n_refused_policies) {
        return true;
    }
    for (size_t i = 0; i < w->record->n_policies; i++) {
        if (strcmp(w->record->policies[i].db, w->db->uuid) != 0) {
            return true;
        }
    }
    for (size_t i = 0; i < c->n_policies; i++) {
        const struct vdpad_policy *policy = &c->policies[i];
        bool meant = !policy->n_pfs;

        for (size_t j = 0; j < policy->n_pfs && !meant; j++) {
            meant = !policy->pfs[j].is_bdf
                    || !strcmp(policy->pfs[j].name, bdf);
        }
        if (meant && !policy->suspended) {
            return true;
        }
    }
    return false;
}

/* Forgets what a PF that is gone was before us: it comes back bare, and what
 * it has then, VFs of the same number, say, is of others. */
static void
let_go(struct vdpad_planner *p, const struct vdpad_record_pf *r)
{
    const struct {
        enum vdpad_rec_kind kind;
        int32_t value;
    } values[] = {
        { VDPAD_REC_PF_NUMVFS, r->numvfs },
        { VDPAD_REC_PF_MODE, r->mode },
        { VDPAD_REC_PF_AUTOPROBE, r->autoprobe },
        { VDPAD_REC_PF_MTU, r->mtu },
        { VDPAD_REC_PF_TC, r->tc_offload },
    };

    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        if (values[i].value >= 0) {
            vdpad_ask_rec(p, values[i].kind, r->bdf, "", "", -1);
        }
    }
}

/* Whether a step on the PF 'bdf' is under way. */
static bool
is_changing(const struct vdpad_planner *p, const char *bdf)
{
    return vdpad_is_in_flight(p, VDPAD_ACT_NUMVFS, bdf)
           || vdpad_is_in_flight(p, VDPAD_ACT_ESWITCH_MODE, bdf)
           || vdpad_is_in_flight(p, VDPAD_ACT_AUTOPROBE, bdf);
}

/* Forgets PFs that are gone and that nobody wants any more.  And VFs that are
 * gone.  Their devices went with them: one that comes later may have the same
 * name and is not ours for that.  Unless it is still being made, or may be:
 * the kernel looks its VF up by address, and then takes the one that has come
 * instead. */
static void
plan_vanished(struct vdpad_planner *p)
{
    const struct vdpad_world *w = p->world;

    if (!w->observed->class_[VDPAD_PCI].fresh) {
        return;
    }
    for (size_t i = 0; i < w->record->n_pfs; i++) {
        const struct vdpad_record_pf *r = &w->record->pfs[i];

        if (r->in_doubt || vdpad_find_pci(w->observed, r->bdf)
            || is_changing(p, r->bdf)) {
            continue;
        }
        if (!may_be_meant(w, r->bdf)) {
            vdpad_ask_rec(p, VDPAD_REC_PF_DEL, r->bdf, "", "", 0);
        } else {
            let_go(p, r);
        }
    }
    for (size_t i = 0; i < w->record->n_devs; i++) {
        const struct vdpad_record_dev *r = &w->record->devs[i];

        if (!vdpad_find_pci(w->observed, r->vf) && !(r->in_doubt && r->name[0])
            && !vdpad_is_in_flight(p, VDPAD_ACT_VDPA_ADD, r->name)) {
            vdpad_ask_rec(p, VDPAD_REC_DEV_DEL, r->vf, "", "", 0);
        }
    }
    for (size_t i = 0; i < w->record->n_vfs; i++) {
        const struct vdpad_record_vf *r = &w->record->vfs[i];

        if (!vdpad_find_pci(w->observed, r->vf) && !r->in_doubt
            && !vdpad_is_in_flight(p, VDPAD_ACT_VF_PROBE, r->vf)) {
            vdpad_ask_rec(p, VDPAD_REC_VF_DEL, r->vf, "", "", 0);
        }
    }
}

void
vdpad_plan_db(struct vdpad_planner *p)
{
    const struct vdpad_world *w = p->world;

    plan_vanished(p);
    if (!w->db || !w->db_connected || !w->db->uuid[0]) {
        return;
    }

    const char *hw = vdpad_map_get(&w->db->other_config, "hw-offload");

    /* A daemon that nobody has configured changes nothing. */
    if (w->config->hw_offload
        && (w->config->n_policies || w->config->n_ports
            || vdpad_map_get(&w->db->external_ids, VDPAD_KEY_HW_OFFLOAD))
        && !vdpad_streq(hw, "true")) {
        ask_plain(p,
                  &(struct vdpad_dbop){ .kind = VDPAD_DBOP_OVS_OTHER_CONFIG,
                                        .tag = -1,
                                        .key = "hw-offload",
                                        .value = "true" },
                  "vdpa-hw-offload wants it; ovs-vswitchd takes it at once "
                  "the first time, later only after a restart");
    }
    plan_bridges(p);
    plan_stale(p);
}
