/* SPDX-License-Identifier: Apache-2.0 */
/* Planning of the uplinks of physical functions; and which values of these
 * are remembered, to be given back. */
#include "plan-internal.h"
#include "util.h"

void
vdpad_pf_remember(struct vdpad_planner *p, const struct vdpad_pf *pf,
                  enum vdpad_rec_kind kind, int32_t present, int32_t recorded,
                  enum vdpad_ask outcome)
{
    if (recorded < 0 && outcome == VDPAD_ASK_DUE) {
        vdpad_ask_rec(p, kind, pf->pci->bdf, "", "", present);
    }
}

/* What shows the values of a PF. */
#define LET_GO_CLASSES                                        \
    (1u << VDPAD_PCI | 1u << VDPAD_LINK | 1u << VDPAD_ESWITCH \
     | 1u << VDPAD_FEATURE)

/* Whether the value is about to be another one than is seen. */
static bool
is_changing(const struct vdpad_planner *p, const struct vdpad_pf *pf,
            enum vdpad_rec_kind kind)
{
    enum vdpad_act_kind act = kind == VDPAD_REC_PF_MODE
                                  ? VDPAD_ACT_ESWITCH_MODE
                              : kind == VDPAD_REC_PF_AUTOPROBE
                                  ? VDPAD_ACT_AUTOPROBE
                              : kind == VDPAD_REC_PF_MTU ? VDPAD_ACT_LINK_MTU
                              : kind == VDPAD_REC_PF_TC  ? VDPAD_ACT_FEATURE
                                                         : VDPAD_ACT_NUMVFS;
    bool on_uplink = act == VDPAD_ACT_LINK_MTU || act == VDPAD_ACT_FEATURE;

    return vdpad_is_in_flight(
        p, act, on_uplink && pf->uplink ? pf->uplink->name : pf->pci->bdf);
}

void
vdpad_pf_let_go(struct vdpad_planner *p, const struct vdpad_pf *pf,
                enum vdpad_rec_kind kind)
{
    char text[VDPAD_REASON_SIZE];
    enum vdpad_ask outcome;

    /* Nor when a step has just ended and is not seen yet, or a helper of an
     * earlier daemon may still do one. */
    if (is_changing(p, pf, kind) || pf->record->in_doubt
        || !vdpad_ask_pictures(p, LET_GO_CLASSES, &outcome, text)) {
        return;
    }
    vdpad_ask_rec(p, kind, pf->pci->bdf, "", "", -1);
}

bool
vdpad_pf_may_give_back(const struct vdpad_planner *p,
                       const struct vdpad_pf *pf)
{
    return pf->record && !pf->frozen && p->world->db_connected;
}

/* Asks for a step on the uplink and folds it into the state of 'pf'. */
static enum vdpad_ask
ask_uplink(struct vdpad_planner *p, struct vdpad_pf *pf,
           enum vdpad_act_kind kind, int64_t number, enum vdpad_state working,
           const char *reason)
{
    struct vdpad_act act = { .kind = (int32_t) kind,
                             .number = number,
                             .ifindex = pf->uplink->ifindex };
    char text[VDPAD_REASON_SIZE];

    vdpad_copy(act.object, sizeof act.object, pf->uplink->name);

    enum vdpad_ask outcome = vdpad_ask_act(p, VDPAD_LANE_LINK, &act, text,
                                           "%s", reason);

    vdpad_fold(&pf->state, pf->reason, outcome, working, text);
    return outcome;
}

/* Whether a device on 'pf' that a policy has, or that is still to be removed,
 * sends more than 'mtu' bytes (-1: anything at all) through the uplink.  While
 * it is there, and somebody may use it, the uplink stays. */
static bool
is_relied_on(const struct vdpad_planner *p, const struct vdpad_pf *pf,
             int32_t mtu)
{
    for (size_t i = 0; i < p->world->n_devs; i++) {
        const struct vdpad_dev *dev = &p->world->devs[i];
        int32_t has = dev->vdpa && dev->vdpa->has_mtu ? dev->vdpa->mtu
                      : dev->rep                      ? (int32_t) dev->rep->mtu
                                                      : 0;

        if (dev->pf == pf && dev->intent != VDPAD_INTENT_NONE
            && (dev->vdpa || dev->vbus) && has > mtu) {
            return true;
        }
    }
    return false;
}

void
vdpad_plan_uplink(struct vdpad_planner *p, struct vdpad_pf *pf)
{
    const struct vdpad_link *uplink = pf->uplink;
    const struct vdpad_feature *feature = pf->uplink_feature;
    const struct vdpad_record_pf *r = vdpad_pf_may_give_back(p, pf)
                                          ? pf->record
                                          : NULL;

    if (!uplink) {
        return;
    }
    if (pf->want_mode == VDPAD_ESWITCH_SWITCHDEV) {
        if (feature && feature->supported && !feature->active) {
            vdpad_pf_remember(
                p, pf, VDPAD_REC_PF_TC, 0,
                pf->record ? pf->record->tc_offload : -1,
                ask_uplink(p, pf, VDPAD_ACT_FEATURE, 1, VDPAD_STATE_APPLYING,
                           "hw-tc-offload of the uplink is off"));
        }
    } else if (r && r->tc_offload >= 0 && feature) {
        if (feature->active == (r->tc_offload != 0)) {
            vdpad_pf_let_go(p, pf, VDPAD_REC_PF_TC);
        } else if (!is_relied_on(p, pf, -1)) {
            ask_uplink(p, pf, VDPAD_ACT_FEATURE, r->tc_offload,
                       VDPAD_STATE_APPLYING,
                       "no policy needs hw-tc-offload: restored");
        }
    }
    if (pf->want_mtu > 0) {
        if (uplink->mtu < (uint32_t) pf->want_mtu) {
            char reason[VDPAD_REASON_SIZE];

            vdpad_text(reason, sizeof reason,
                       "MTU %d is wanted behind it, the uplink has %u",
                       pf->want_mtu, uplink->mtu);
            vdpad_pf_remember(p, pf, VDPAD_REC_PF_MTU, (int32_t) uplink->mtu,
                              pf->record ? pf->record->mtu : -1,
                              ask_uplink(p, pf, VDPAD_ACT_LINK_MTU,
                                         pf->want_mtu, VDPAD_STATE_APPLYING,
                                         reason));
        }
    } else if (r && r->mtu >= 0) {
        if (uplink->mtu == (uint32_t) r->mtu) {
            vdpad_pf_let_go(p, pf, VDPAD_REC_PF_MTU);
        } else if (!is_relied_on(p, pf, r->mtu)) {
            ask_uplink(p, pf, VDPAD_ACT_LINK_MTU, r->mtu, VDPAD_STATE_APPLYING,
                       "no policy asks for an MTU any more: restored");
        }
    }
}

bool
vdpad_restore_uplink(struct vdpad_planner *p, struct vdpad_pf *pf)
{
    const struct vdpad_record_pf *r = pf->record;
    char reason[VDPAD_REASON_SIZE];

    if (!pf->uplink) {
        return true;
    }
    vdpad_text(reason, sizeof reason, "no policy needs %s: restored",
               pf->pci->bdf);
    if (r->tc_offload >= 0 && pf->uplink_feature
        && pf->uplink_feature->active != (r->tc_offload != 0)) {
        ask_uplink(p, pf, VDPAD_ACT_FEATURE, r->tc_offload,
                   VDPAD_STATE_REMOVING, reason);
    } else if (r->mtu >= 0 && pf->uplink->mtu != (uint32_t) r->mtu) {
        ask_uplink(p, pf, VDPAD_ACT_LINK_MTU, r->mtu, VDPAD_STATE_REMOVING,
                   reason);
    } else {
        return true;
    }
    return false;
}
