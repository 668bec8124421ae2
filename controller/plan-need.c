/* SPDX-License-Identifier: Apache-2.0 */
/* Who needs what a physical function carries. */
#include <string.h>

#include "plan-internal.h"
#include "util.h"

bool
vdpad_step_takes(const struct vdpad_dev *dev, const struct vdpad_pf *pf,
                 enum vdpad_act_kind kind)
{
    return (dev->vbus || dev->vdpa)
           && (dev->pf == pf
               || (kind == VDPAD_ACT_ESWITCH_MODE && !dev->pf && dev->vbus
                   && !strcmp(dev->vbus->parent, pf->pci->bdf)));
}

bool
vdpad_pf_is_needed(const struct vdpad_planner *p, const struct vdpad_pf *pf,
                   enum vdpad_act_kind kind, char text[VDPAD_REASON_SIZE])
{
    for (size_t i = 0; i < p->world->n_devs; i++) {
        const struct vdpad_dev *dev = &p->world->devs[i];
        char use[VDPAD_REASON_SIZE];

        if (!vdpad_step_takes(dev, pf, kind)) {
            continue;
        }
        if (!p->world->db_connected) {
            vdpad_text(text, VDPAD_REASON_SIZE,
                       "the database is not "
                       "connected");
            return true;
        }
        if (vdpad_dev_in_use(dev, use)) {
            vdpad_text(text, VDPAD_REASON_SIZE, "%.100s is %s", dev->name,
                       use);
            return true;
        }
        if (dev->owner == VDPAD_OWNER_FOREIGN) {
            vdpad_text(text, VDPAD_REASON_SIZE,
                       "%.100s was made by another "
                       "program",
                       dev->name);
            return true;
        }
        if (dev->intent == VDPAD_INTENT_FREEZE) {
            vdpad_text(text, VDPAD_REASON_SIZE,
                       "%.100s is kept for policy "
                       "%.100s",
                       dev->name, dev->policy_name);
            return true;
        }
    }
    return false;
}

bool
vdpad_pf_may_be_needed(const struct vdpad_planner *p,
                       const struct vdpad_pf *pf)
{
    const struct vdpad_observed *o = p->world->observed;
    const struct vdpad_pci *rows = VDPAD_OBSERVED_ROWS(o, VDPAD_PCI,
                                                       vdpad_pci);

    for (size_t i = 0; pf->frozen && i < VDPAD_OBSERVED_N(o, VDPAD_PCI); i++) {
        if (rows[i].vf_index >= 0 && rows[i].driver[0]
            && !strcmp(rows[i].pf, pf->pci->bdf)) {
            return true;
        }
    }
    return false;
}

bool
vdpad_pf_users_known(struct vdpad_planner *p, struct vdpad_pf *pf,
                     enum vdpad_act_kind kind, enum vdpad_state working)
{
    char text[VDPAD_REASON_SIZE];

    if (vdpad_pf_is_needed(p, pf, kind, text)) {
        return true;
    }
    for (size_t i = 0; i < p->world->n_devs; i++) {
        const struct vdpad_dev *dev = &p->world->devs[i];

        if (vdpad_step_takes(dev, pf, kind) && !vdpad_ask_holders(p)) {
            vdpad_fold_holders(p, &pf->state, pf->reason, working,
                               "its e-switch or its VFs are to be changed");
            return false;
        }
    }
    return true;
}
