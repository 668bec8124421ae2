/* SPDX-License-Identifier: Apache-2.0 */
/* Planning of VFs: which driver they are to have. */
#include <string.h>

#include "lookup.h"
#include "plan-internal.h"
#include "util.h"

/* The vDPA device on 'vf'; NULL: none. */
static const struct vdpad_dev *
find_dev(const struct vdpad_planner *p, const struct vdpad_pci *vf)
{
    for (size_t i = 0; i < p->world->n_devs; i++) {
        const struct vdpad_dev *dev = &p->world->devs[i];

        if (dev->vf == vf && (dev->vbus || dev->vdpa)) {
            return dev;
        }
    }
    return NULL;
}

/* True when VFs can be given to vfio-pci; else has it loaded, or says of 'pf'
 * that there is none. */
static bool
have_vfio(struct vdpad_planner *p, struct vdpad_pf *pf)
{
    const struct vdpad_module *m = vdpad_find_module(p->world->observed,
                                                     "vfio_pci");
    struct vdpad_act act = { .kind = VDPAD_ACT_MODULE_LOAD };
    char text[VDPAD_REASON_SIZE];

    if (m && m->state == VDPAD_MODULE_MISSING) {
        vdpad_fold_state(&pf->vf_state, pf->vf_reason, VDPAD_STATE_BLOCKED,
                         "this kernel has no module vfio_pci, which "
                         "device-type=vfio-pci needs");
    }
    if (!m || m->state == VDPAD_MODULE_MISSING) {
        return false;
    }
    if (m->state == VDPAD_MODULE_LOADED) {
        return true;
    }
    vdpad_copy(act.object, sizeof act.object, m->name);
    if (!vdpad_find_planned(p, VDPAD_ACT_MODULE_LOAD, m->name)) {
        vdpad_fold(&pf->vf_state, pf->vf_reason,
                   vdpad_ask_act(p, VDPAD_LANE_MODULE, &act, text,
                                 "module %s is not loaded", m->name),
                   VDPAD_STATE_APPLYING, text);
    }
    return false;
}

/* What is to be decided of one VF. */
struct vf_case {
    const struct vdpad_pci *vf;
    const struct vdpad_policy *policy;   /* NULL: none covers it. */
    const struct vdpad_record_vf *given; /* To vfio-pci, for a policy. */
    bool ours;                           /* We made it. */
    bool frozen;                         /* Its PF is. */
    bool wants_vfio, wants_vdpa, is_vfio;
};

static void
look_at(const struct vdpad_planner *p, const struct vdpad_pf *pf,
        const struct vdpad_pci *vf, struct vf_case *c)
{
    c->vf = vf;
    c->policy = vf->vf_index < pf->n_vf_policies
                    ? pf->vf_policies[vf->vf_index]
                    : NULL;
    c->given = vdpad_record_find_vf(p->world->record, vf->bdf);
    c->ours = pf->record && pf->record->numvfs == 0;
    c->frozen = pf->frozen;
    c->wants_vfio = c->policy && c->policy->device_type == VDPAD_DEV_VFIO;
    c->wants_vdpa = c->policy && c->policy->type != VDPAD_TYPE_NONE;
    c->is_vfio = !strcmp(vf->driver, "vfio-pci");
}

/* Whether the VF is to get another driver, or one.  What no policy covers is
 * only bound if we made it, or took it from its driver; and what somebody else
 * gave to vfio-pci is left to him, unless we made it and it is to carry a vDPA
 * device. */
static bool
is_wrong(const struct vdpad_planner *p, const struct vf_case *c)
{
    bool given = c->given && p->world->db_connected && !c->frozen;

    if (c->wants_vfio) {
        return !c->is_vfio;
    }
    if (c->is_vfio) {
        return given || (c->ours && c->wants_vdpa);
    }
    return !c->vf->driver[0] && (c->policy || c->ours || given);
}

/* Asks for the driver that the VF is to have. */
static enum vdpad_ask
ask_probe(struct vdpad_planner *p, const struct vf_case *c,
          char text[VDPAD_REASON_SIZE])
{
    struct vdpad_act act = { .kind = VDPAD_ACT_VF_PROBE };
    uint32_t lane = VDPAD_LANE_DEV + (uint32_t) c->vf->vf_index % 4;

    vdpad_copy(act.object, sizeof act.object, c->vf->bdf);
    vdpad_copy(act.word, sizeof act.word, c->wants_vfio ? "vfio-pci" : "");
    vdpad_copy(act.from, sizeof act.from, c->wants_vfio ? "" : c->vf->driver);
    if (c->given && !c->policy) {
        return vdpad_ask_act(p, lane, &act, text,
                             c->is_vfio
                                 ? "VF has driver vfio-pci, which no policy "
                                   "asks for any more"
                                 : "VF was taken from its driver for "
                                   "vfio-pci, which no policy asks for any "
                                   "more");
    }
    return vdpad_ask_act(p, lane, &act, text,
                         "VF has driver %s, policy %.100s wants %s",
                         c->vf->driver[0] ? c->vf->driver : "(none)",
                         c->policy ? c->policy->name : "(none)",
                         c->wants_vfio ? "vfio-pci" : "its network driver");
}

/* What is to become of the VF, and 'text' about it, in one. */
static void
tell(const struct vf_case *c, const char *text, char reason[VDPAD_REASON_SIZE])
{
    vdpad_text(reason, VDPAD_REASON_SIZE, "VF %s is to %s: %.300s", c->vf->bdf,
               c->is_vfio      ? "leave vfio-pci"
               : c->wants_vfio ? "have vfio-pci"
                               : "have its network driver",
               text);
}

/* What is seen with another driver, and is not about to be with vfio-pci, was
 * taken from it: whoever gives it there again is another.  One that has none
 * is half-way there, or back. */
static void
forget_given(struct vdpad_planner *p, const struct vf_case *c)
{
    char text[VDPAD_REASON_SIZE];
    enum vdpad_ask outcome;

    if (c->given && !c->given->in_doubt && !c->is_vfio && c->vf->driver[0]
        && !vdpad_is_in_flight(p, VDPAD_ACT_VF_PROBE, c->vf->bdf)
        && vdpad_ask_pictures(p, 1u << VDPAD_PCI, &outcome, text)) {
        vdpad_ask_rec(p, VDPAD_REC_VF_DEL, c->vf->bdf, "", "", 0);
    }
}

static void
plan_vf(struct vdpad_planner *p, struct vdpad_pf *pf, const struct vf_case *c)
{
    const struct vdpad_dev *dev = c->wants_vfio && !c->is_vfio
                                      ? find_dev(p, c->vf)
                                      : NULL;
    const struct vdpad_memory_entry *e = vdpad_ask_memory(p,
                                                          VDPAD_ACT_VF_PROBE,
                                                          c->vf->bdf);
    /* Nor does another attempt hold up devices on other VFs. */
    bool shared = c->wants_vdpa && !(e && e->failures);
    char text[VDPAD_REASON_SIZE], reason[VDPAD_REASON_SIZE];
    enum vdpad_ask outcome;

    if (dev) {
        vdpad_fold_state(&pf->vf_state, pf->vf_reason, VDPAD_STATE_WAITING,
                         "VF %s goes to vfio-pci when vDPA device "
                         "%.100s on it is gone",
                         c->vf->bdf, dev->name);
    }
    if (!is_wrong(p, c) || dev || (c->wants_vfio && !have_vfio(p, pf))) {
        forget_given(p, c);
        return;
    }
    outcome = ask_probe(p, c, text);
    if (!c->wants_vfio || outcome != VDPAD_ASK_DUE) {
        forget_given(p, c);
    } else if (!c->given) {
        vdpad_ask_rec(p, VDPAD_REC_VF, c->vf->bdf, "", "", 0);
    }

    /* One VF that fails is its device's matter, not the PF's, if one is to be
     * on it. */
    if (outcome == VDPAD_ASK_DUE || outcome == VDPAD_ASK_IN_FLIGHT
        || outcome == VDPAD_ASK_OBSERVING) {
        vdpad_fold(shared ? &pf->state : &pf->vf_state,
                   shared ? pf->reason : pf->vf_reason, outcome,
                   VDPAD_STATE_APPLYING, text);
    } else if ((c->policy || c->given) && !c->wants_vdpa) {
        tell(c, text, reason);
        vdpad_fold(&pf->vf_state, pf->vf_reason, outcome, VDPAD_STATE_APPLYING,
                   reason);
    }
}

void
vdpad_plan_vfs(struct vdpad_planner *p, struct vdpad_pf *pf)
{
    const struct vdpad_observed *o = p->world->observed;
    const struct vdpad_pci *rows = VDPAD_OBSERVED_ROWS(o, VDPAD_PCI,
                                                       vdpad_pci);
    int64_t number = pf->record ? pf->record->autoprobe : -1;

    if (number >= 0 && pf->pci->autoprobe != number) {
        vdpad_ask_pf(p, pf, VDPAD_ACT_AUTOPROBE, number,
                     "the e-switch is as it should "
                     "be: restored");
        return;
    }
    if (number >= 0) {
        vdpad_pf_let_go(p, pf, VDPAD_REC_PF_AUTOPROBE);
    }
    for (size_t i = 0; i < VDPAD_OBSERVED_N(o, VDPAD_PCI); i++) {
        const struct vdpad_pci *vf = &rows[i];
        struct vf_case c;

        /* Whoever has it may be one whose policy cannot be read at present. */
        if (vf->vf_index < 0 || strcmp(vf->pf, pf->pci->bdf)
            || (pf->frozen && vf->driver[0])) {
            continue;
        }
        look_at(p, pf, vf, &c);
        plan_vf(p, pf, &c);
    }
}

/* The 'i'th VF on record if it is one of 'pf'. */
static const struct vdpad_pci *
find_given(const struct vdpad_planner *p, const struct vdpad_pf *pf, size_t i)
{
    const struct vdpad_pci *vf = vdpad_find_pci(p->world->observed,
                                                p->world->record->vfs[i].vf);

    return vf && vf->vf_index >= 0 && !strcmp(vf->pf, pf->pci->bdf) ? vf
                                                                    : NULL;
}

bool
vdpad_has_given_vfs(const struct vdpad_planner *p, const struct vdpad_pf *pf)
{
    for (size_t i = 0; i < p->world->record->n_vfs; i++) {
        if (find_given(p, pf, i)) {
            return true;
        }
    }
    return false;
}

bool
vdpad_restore_vfs(struct vdpad_planner *p, struct vdpad_pf *pf)
{
    bool is_done = true;

    for (size_t i = 0; i < p->world->record->n_vfs; i++) {
        const struct vdpad_pci *vf = find_given(p, pf, i);
        char text[VDPAD_REASON_SIZE], reason[VDPAD_REASON_SIZE];
        enum vdpad_ask outcome;
        struct vf_case c;

        if (!vf) {
            continue;
        }
        look_at(p, pf, vf, &c);
        if (c.is_vfio || !vf->driver[0]) {
            outcome = ask_probe(p, &c, text);
            tell(&c, text, reason);
            vdpad_fold(&pf->state, pf->reason, outcome, VDPAD_STATE_REMOVING,
                       reason);
            is_done = false;
        } else if (c.given->in_doubt
                   || vdpad_is_in_flight(p, VDPAD_ACT_VF_PROBE, vf->bdf)) {
            vdpad_fold_state(&pf->state, pf->reason, VDPAD_STATE_REMOVING,
                             "VF %s: %s", vf->bdf,
                             c.given->in_doubt
                                 ? VDPAD_FORMER_REASON
                                 : "a step from before is still under way");
            is_done = false;
        } else {
            forget_given(p, &c);
        }
    }
    return is_done;
}
