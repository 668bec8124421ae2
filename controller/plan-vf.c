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

/* True when VFs can be given to vfio-pci; else has it loaded, or there is
 * none: '*ret_missing'. */
static bool
have_vfio(struct vdpad_planner *p, struct vdpad_pf *pf, bool *ret_missing)
{
    const struct vdpad_module *m = vdpad_find_module(p->world->observed,
                                                     "vfio_pci");
    struct vdpad_act act = { .kind = VDPAD_ACT_MODULE_LOAD };
    char text[VDPAD_REASON_SIZE];

    if (!m || m->state == VDPAD_MODULE_MISSING) {
        *ret_missing = m != NULL;
        return false;
    }
    if (m->state == VDPAD_MODULE_LOADED) {
        return true;
    }
    vdpad_copy(act.object, sizeof act.object, m->name);
    if (!vdpad_find_planned(p, VDPAD_ACT_MODULE_LOAD, m->name)) {
        vdpad_fold(&pf->state, pf->reason,
                   vdpad_ask_act(p, VDPAD_LANE_MODULE, &act, text,
                                 "module %s is not loaded", m->name),
                   VDPAD_STATE_APPLYING, text);
    }
    return false;
}

struct vdpad_hindrance
vdpad_plan_vfs(struct vdpad_planner *p, struct vdpad_pf *pf)
{
    struct vdpad_hindrance hindrance = { .dev = NULL };
    const struct vdpad_observed *o = p->world->observed;
    const struct vdpad_pci *rows = VDPAD_OBSERVED_ROWS(o, VDPAD_PCI,
                                                       vdpad_pci);
    int64_t number = pf->record ? pf->record->autoprobe : -1;
    bool ours = pf->record && pf->record->numvfs == 0;

    if (number >= 0 && pf->pci->autoprobe != number) {
        vdpad_ask_pf(p, pf, VDPAD_ACT_AUTOPROBE, number,
                     "the e-switch is as it should "
                     "be: restored");
        return hindrance;
    }
    if (number >= 0) {
        vdpad_pf_let_go(p, pf, VDPAD_REC_PF_AUTOPROBE);
    }
    for (size_t i = 0; i < VDPAD_OBSERVED_N(o, VDPAD_PCI); i++) {
        const struct vdpad_pci *vf = &rows[i];
        struct vdpad_act act = { .kind = VDPAD_ACT_VF_PROBE };
        char text[VDPAD_REASON_SIZE];

        if (vf->vf_index < 0 || strcmp(vf->pf, pf->pci->bdf)) {
            continue;
        }

        const struct vdpad_policy *policy = vf->vf_index < pf->n_vf_policies
                                                ? pf->vf_policies[vf->vf_index]
                                                : NULL;
        bool vfio = policy && policy->device_type == VDPAD_DEV_VFIO;
        bool vdpa = policy && policy->type != VDPAD_TYPE_NONE;
        bool is_vfio = !strcmp(vf->driver, "vfio-pci");

        /* Whoever has it may be one whose policy cannot be read at present. */
        if (pf->frozen && vf->driver[0]) {
            continue;
        }

        /* What no policy covers is only bound if we made it, and what
         * somebody gave to vfio-pci is left to him, unless it is to carry a
         * vDPA device. */
        if (vfio ? is_vfio : vf->driver[0] && !(is_vfio && ours && vdpa)) {
            continue;
        }
        if (!policy && !ours) {
            continue;
        }
        if (vfio && find_dev(p, vf)) {
            hindrance.dev = find_dev(p, vf);
            continue;
        }
        if (vfio && !have_vfio(p, pf, &hindrance.no_vfio)) {
            continue;
        }
        vdpad_copy(act.object, sizeof act.object, vf->bdf);
        vdpad_copy(act.word, sizeof act.word, vfio ? "vfio-pci" : "");
        vdpad_copy(act.from, sizeof act.from, vfio ? "" : vf->driver);

        enum vdpad_ask outcome = vdpad_ask_act(
            p, VDPAD_LANE_DEV + (uint32_t) vf->vf_index % 4, &act, text,
            "VF has driver %s, policy %.100s wants %s",
            vf->driver[0] ? vf->driver : "(none)",
            policy ? policy->name : "(none)",
            vfio ? "vfio-pci" : "its network driver");

        /* One VF that fails is its device's matter, not the PF's. */
        if (outcome == VDPAD_ASK_DUE || outcome == VDPAD_ASK_IN_FLIGHT
            || outcome == VDPAD_ASK_OBSERVING) {
            vdpad_fold(&pf->state, pf->reason, outcome, VDPAD_STATE_APPLYING,
                       text);
        }
    }
    return hindrance;
}
