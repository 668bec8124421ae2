/* SPDX-License-Identifier: Apache-2.0 */
/* Planning of physical functions: the number of VFs, the e-switch mode; and
 * the way back. */
#include <errno.h>
#include <string.h>

#include "lookup.h"
#include "plan-internal.h"
#include "util.h"

/* What must be seen before a PF counts as restored. */
#define PF_CLASSES                                            \
    (1u << VDPAD_PCI | 1u << VDPAD_ESWITCH | 1u << VDPAD_LINK \
     | 1u << VDPAD_DLPORT | 1u << VDPAD_FEATURE)

/* Why VFs that no vDPA device is on are kept. */
#define UNREADABLE                                                        \
    "a policy that is refused, or is in another database, may need them " \
    "(config/show)"

static const char *
mode_name(int32_t mode)
{
    return mode == VDPAD_ESWITCH_SWITCHDEV  ? "switchdev"
           : mode == VDPAD_ESWITCH_LEGACY   ? "legacy"
           : mode == VDPAD_ESWITCH_INACTIVE ? "switchdev_inactive"
                                            : "none";
}

/* A device of 'pf' that is to be removed by itself, port and all, before its
 * VF goes. */
static const struct vdpad_dev *
find_removal(const struct vdpad_planner *p, const struct vdpad_pf *pf)
{
    for (size_t i = 0; i < p->world->n_devs; i++) {
        const struct vdpad_dev *dev = &p->world->devs[i];

        if (dev->pf == pf && dev->intent == VDPAD_INTENT_REMOVE) {
            return dev;
        }
    }
    return NULL;
}

/* Drivers differ in whether they take a mode change with VFs or without: after
 * each refusal it is tried the other way round.  But the VFs are not taken
 * away again and again for a driver that wants neither.  EBUSY is not about
 * the order: only mlx5 says so, when it has TC rules (see explain_busy(),
 * netlink/step.c). */
#define MODE_REFUSALS 7

static bool
is_mode_first(const struct vdpad_planner *p, const struct vdpad_pf *pf)
{
    const struct vdpad_memory_entry *e = vdpad_ask_memory(
        p, VDPAD_ACT_ESWITCH_MODE, pf->pci->bdf);

    return e && e->refusals % 2 == 1 && e->refusals <= MODE_REFUSALS;
}

/* Whether 'pf' may get an e-switch, in legacy mode, with its first VF: with
 * mlx5 of 5.15 it has none before (eswitch_devlink_esw_mode_check() and
 * mlx5_eswitch_enable(), drivers/net/ethernet/mellanox/mlx5/core/
 * eswitch_offloads.c and eswitch.c; 6.1 always has one). */
static bool
may_get_eswitch(const struct vdpad_pf *pf)
{
    return pf->eswitch && pf->eswitch->mode == VDPAD_ESWITCH_NONE
           && !pf->pci->numvfs;
}

static bool
has_mode(const struct vdpad_pf *pf, int32_t mode)
{
    return pf->eswitch
           && (pf->eswitch->mode == mode
               || (mode == VDPAD_ESWITCH_LEGACY && may_get_eswitch(pf)));
}

static bool
is_mode_right(const struct vdpad_pf *pf)
{
    return pf->want_mode == VDPAD_ESWITCH_NONE || has_mode(pf, pf->want_mode);
}

static void
ask_mode(struct vdpad_planner *p, struct vdpad_pf *pf)
{
    const struct vdpad_observed_class *seen =
        &p->world->observed->class_[VDPAD_ESWITCH];
    bool has_eswitch = pf->eswitch && pf->eswitch->mode != VDPAD_ESWITCH_NONE;
    char reason[VDPAD_REASON_SIZE];

    if (!pf->eswitch && !seen->fresh) {
        vdpad_fold_state(&pf->state, pf->reason, VDPAD_STATE_WAITING,
                         "its e-switch cannot be seen%s%s",
                         seen->error ? ": " : " yet",
                         seen->error ? seen->why.text : "");
        return;
    }
    /* If the mode's turn is first, the refusal has to tell. */
    if (!has_eswitch && !(may_get_eswitch(pf) && is_mode_first(p, pf))) {
        vdpad_fold_state(&pf->state, pf->reason, VDPAD_STATE_BLOCKED,
                         "driver %s offers no e-switch for %s: vDPA with "
                         "offload needs one (firmware, or another driver)",
                         pf->pci->driver[0] ? pf->pci->driver : "(none)",
                         pf->pci->bdf);
        return;
    }
    vdpad_text(reason, sizeof reason,
               "policy %.100s wants e-switch mode %s, it is %s",
               pf->mode_policy->name, mode_name(pf->want_mode),
               mode_name(pf->eswitch->mode));
    vdpad_pf_remember(p, pf, VDPAD_REC_PF_MODE,
                      has_eswitch ? pf->eswitch->mode : VDPAD_ESWITCH_LEGACY,
                      pf->record ? pf->record->mode : -1,
                      vdpad_ask_pf(p, pf, VDPAD_ACT_ESWITCH_MODE,
                                   pf->want_mode, reason));
}

/* Nothing must grab the VFs before the e-switch is as it should be. */
static void
ask_numvfs(struct vdpad_planner *p, struct vdpad_pf *pf, int32_t number,
           const char *reason)
{
    const struct vdpad_record_pf *r = pf->record;

    if (number > 0 && pf->pci->autoprobe == 1 && !is_mode_right(pf)) {
        vdpad_pf_remember(
            p, pf, VDPAD_REC_PF_AUTOPROBE, 1, r ? r->autoprobe : -1,
            vdpad_ask_pf(p, pf, VDPAD_ACT_AUTOPROBE, 0,
                         "VFs are bound after the e-switch has changed "
                         "its mode"));
    }

    enum vdpad_ask outcome = vdpad_ask_pf(p, pf, VDPAD_ACT_NUMVFS, number,
                                          reason);

    vdpad_pf_remember(p, pf, VDPAD_REC_PF_NUMVFS, pf->pci->numvfs,
                      r ? r->numvfs : -1, outcome);
    if (outcome == VDPAD_ASK_DUE && number > 0) {
        if (!r || r->vfs_asked != number) {
            vdpad_ask_rec(p, VDPAD_REC_VFS_ASKED, pf->pci->bdf, "", "",
                          number);
        }
        if (r && r->vfs_made > 0 && !vdpad_vfs_may_return(p, pf)) {
            vdpad_ask_rec(p, VDPAD_REC_VFS_MADE, pf->pci->bdf, "", "", -1);
        }
    }
}

/* VFs of ours that are seen not to be there, and are not about to be made: who
 * makes some meanwhile is another. */
static void
let_count_go(struct vdpad_planner *p, struct vdpad_pf *pf)
{
    const struct vdpad_step *step = vdpad_find_planned(p, VDPAD_ACT_NUMVFS,
                                                       pf->pci->bdf);

    vdpad_prove_vfs(p, pf);
    if (vdpad_vfs_may_return(p, pf)) {
        if (pf->managed && pf->want_numvfs <= 0 && p->world->db_connected
            && !step) {
            ask_numvfs(p, pf, 0,
                       "its VFs went by themselves: they are not to come "
                       "back");
        }
    } else if (pf->record && pf->record->numvfs == 0 && pf->pci->numvfs == 0
               && (!step || step->deferred)) {
        vdpad_pf_let_go(p, pf, VDPAD_REC_PF_NUMVFS);
    }
}

static void
plan_numvfs(struct vdpad_planner *p, struct vdpad_pf *pf)
{
    int32_t have = pf->pci->numvfs;
    int32_t want = pf->want_numvfs;
    bool ours = pf->record && vdpad_record_has_vfs(pf->record);
    const char *unproven = vdpad_vfs_unproven(pf);
    char text[VDPAD_REASON_SIZE];
    char reason[VDPAD_REASON_SIZE];

    if (want >= 0 && vdpad_is_in_flight(p, VDPAD_ACT_NUMVFS, pf->pci->bdf)) {
        /* VFs come and go one by one: how many there are meanwhile means
         * nothing. */
        vdpad_text(reason, sizeof reason,
                   "policy %.100s wants %d VFs: their number is being changed",
                   pf->numvfs_policy->name, want);
        ask_numvfs(p, pf, want, reason);
        return;
    }
    if (want < 0 || have == want || (have > want && !ours && !unproven)) {
        return;
    }
    vdpad_text(reason, sizeof reason,
               "policy %.100s wants %d VFs, there are %d",
               pf->numvfs_policy->name, want, have);
    if (unproven || vdpad_number_is_in_doubt(pf, want)) {
        vdpad_fold_state(&pf->state, pf->reason, VDPAD_STATE_WAITING,
                         "%.200s; %s", reason,
                         unproven ? unproven : VDPAD_FORMER_REASON);
    } else if (have == 0) {
        if (!is_mode_right(pf) && is_mode_first(p, pf)) {
            ask_mode(p, pf);
        } else {
            ask_numvfs(p, pf, want, reason);
        }
    } else if (!ours) {
        vdpad_fold_state(&pf->state, pf->reason, VDPAD_STATE_BLOCKED,
                         "%s; another program made them: set numvfs to 0 "
                         "when nothing needs them, or add "
                         "externally-managed=true",
                         reason);
    } else if (vdpad_memory_vfs_changed(p->memory, pf->pci->bdf, have)) {
        /* Two that set the number in turn would take each other's VFs away
         * for ever. */
        vdpad_fold_state(&pf->state, pf->reason, VDPAD_STATE_BLOCKED,
                         "%.200s; another program has changed it: set "
                         "num-vfs=%d or externally-managed=true, or have "
                         "it undone: ovs-appctl -t ovs-vdpad reconcile",
                         reason, have);
    } else if (!p->world->db_connected) {
        vdpad_fold_state(&pf->state, pf->reason, VDPAD_STATE_WAITING,
                         "%.200s; that is done when the database is connected "
                         "again",
                         reason);
    } else if (!vdpad_pf_users_known(p, pf, VDPAD_ACT_NUMVFS,
                                     VDPAD_STATE_APPLYING)) {
        return;
    } else if (vdpad_pf_is_needed(p, pf, VDPAD_ACT_NUMVFS, text)) {
        vdpad_fold_state(&pf->state, pf->reason, VDPAD_STATE_BLOCKED,
                         "%.200s; the kernel wants all VFs removed first and "
                         "%.100s",
                         reason, text);
    } else if (vdpad_pf_may_be_needed(p, pf)) {
        vdpad_fold_state(&pf->state, pf->reason, VDPAD_STATE_BLOCKED,
                         "%.200s; the kernel wants all VFs removed first, "
                         "and " UNREADABLE,
                         reason);
    } else if (find_removal(p, pf)) {
        vdpad_fold_state(&pf->state, pf->reason, VDPAD_STATE_APPLYING,
                         "%.200s; waits for the removal of %.60s", reason,
                         find_removal(p, pf)->name);
    } else {
        /* The kernel refuses to go from one number to another
         * (sriov_numvfs_store(), drivers/pci/iov.c of 6.12). */
        ask_numvfs(p, pf, 0, reason);
    }
}

/* No policy asks for a mode any more. */
static void
give_mode_back(struct vdpad_planner *p, struct vdpad_pf *pf)
{
    const struct vdpad_record_pf *r = pf->record;

    if (!r || !vdpad_pf_may_give_back(p, pf) || r->mode < 0 || !pf->eswitch) {
        return;
    }
    for (size_t i = 0; i < p->world->n_devs; i++) {
        const struct vdpad_dev *dev = &p->world->devs[i];

        if ((dev->pf == pf && dev->record)
            || vdpad_step_takes(dev, pf, VDPAD_ACT_ESWITCH_MODE)) {
            return;
        }
    }

    const struct vdpad_memory_entry *e = vdpad_ask_memory(
        p, VDPAD_ACT_ESWITCH_MODE, pf->pci->bdf);

    if (has_mode(pf, r->mode)) {
        vdpad_pf_let_go(p, pf, VDPAD_REC_PF_MODE);
    } else if (!(pf->pci->numvfs > 0 && e && e->refusals)) {
        /* VFs that a policy wants are not taken away for it: refused once
         * because of them, it waits until they go. */
        vdpad_ask_pf(p, pf, VDPAD_ACT_ESWITCH_MODE, r->mode,
                     "no policy asks for another mode any more: restored");
    }
}

static void
plan_mode(struct vdpad_planner *p, struct vdpad_pf *pf)
{
    char text[VDPAD_REASON_SIZE];
    bool ours = pf->record && vdpad_record_has_vfs(pf->record);

    if (pf->want_mode == VDPAD_ESWITCH_NONE) {
        give_mode_back(p, pf);
        return;
    }
    if (is_mode_right(pf)
        || !vdpad_pf_users_known(p, pf, VDPAD_ACT_ESWITCH_MODE,
                                 VDPAD_STATE_APPLYING)) {
        return;
    }
    if (pf->pci->numvfs > 0 && is_mode_first(p, pf) && ours
        && p->world->db_connected
        && !vdpad_pf_is_needed(p, pf, VDPAD_ACT_ESWITCH_MODE, text)
        && !vdpad_pf_may_be_needed(p, pf)) {
        ask_numvfs(p, pf, 0,
                   "the driver does not change the e-switch mode "
                   "while there are VFs");
        return;
    }
    if (vdpad_pf_is_needed(p, pf, VDPAD_ACT_ESWITCH_MODE, text)) {
        vdpad_fold_state(&pf->state, pf->reason, VDPAD_STATE_BLOCKED,
                         "e-switch is %s, policy %.60s wants %s; the change "
                         "would remove the vDPA devices and %.120s",
                         pf->eswitch ? mode_name(pf->eswitch->mode) : "none",
                         pf->mode_policy->name, mode_name(pf->want_mode),
                         text);
        return;
    }
    if (pf->pci->numvfs > 0 && vdpad_pf_may_be_needed(p, pf)) {
        vdpad_fold_state(&pf->state, pf->reason, VDPAD_STATE_BLOCKED,
                         "e-switch is %s, policy %.60s wants %s; the change "
                         "would disturb the VFs, and " UNREADABLE,
                         pf->eswitch ? mode_name(pf->eswitch->mode) : "none",
                         pf->mode_policy->name, mode_name(pf->want_mode));
        return;
    }
    ask_mode(p, pf);
}

/* Whether a step on 'pf' or its uplink is under way: then what is seen of them
 * may be what was there before it. */
static bool
is_changing(const struct vdpad_planner *p, const struct vdpad_pf *pf)
{
    return vdpad_pf_is_busy(p, pf, VDPAD_ACT_N)
           || (pf->uplink
               && (vdpad_is_in_flight(p, VDPAD_ACT_FEATURE, pf->uplink->name)
                   || vdpad_is_in_flight(p, VDPAD_ACT_LINK_MTU,
                                         pf->uplink->name)));
}

static void
plan_restore(struct vdpad_planner *p, struct vdpad_pf *pf)
{
    static const struct vdpad_record_pf untouched = {
        .numvfs = -1,
        .vfs_asked = -1,
        .vfs_made = -1,
        .mode = -1,
        .autoprobe = -1,
        .mtu = -1,
        .tc_offload = -1,
    };
    const struct vdpad_record_pf *r = pf->record ? pf->record : &untouched;
    const struct vdpad_memory_entry *failed = vdpad_ask_memory(
        p, VDPAD_ACT_ESWITCH_MODE, pf->pci->bdf);
    bool mode_left = r->mode >= 0 && pf->eswitch && !has_mode(pf, r->mode);
    bool vfs_left = r->numvfs >= 0
                    && (pf->pci->numvfs != r->numvfs
                        || vdpad_vfs_may_return(p, pf));
    enum vdpad_act_kind kind = mode_left ? VDPAD_ACT_ESWITCH_MODE
                                         : VDPAD_ACT_NUMVFS;
    enum vdpad_ask outcome;
    char text[VDPAD_REASON_SIZE];

    for (size_t i = 0; i < p->world->n_devs; i++) {
        const struct vdpad_dev *dev = &p->world->devs[i];

        if (dev->pf == pf && dev->record) {
            vdpad_fold_state(&pf->state, pf->reason, VDPAD_STATE_REMOVING,
                             "waits for the removal of %s", dev->name);
            return;
        }
    }
    if (!vdpad_ask_pictures(p, PF_CLASSES, &outcome, text)) {
        vdpad_fold(&pf->state, pf->reason, outcome, VDPAD_STATE_REMOVING,
                   text);
        return;
    }
    if (is_changing(p, pf)) {
        vdpad_fold_state(&pf->state, pf->reason, VDPAD_STATE_REMOVING,
                         "a step from before is still under way");
        return;
    }
    if (vfs_left && vdpad_vfs_unproven(pf)) {
        vdpad_fold_state(&pf->state, pf->reason, VDPAD_STATE_REMOVING, "%s",
                         vdpad_vfs_unproven(pf));
        return;
    }
    if (vfs_left
        && vdpad_memory_vfs_changed(p->memory, pf->pci->bdf,
                                    pf->pci->numvfs)) {
        vdpad_fold_state(&pf->state, pf->reason, VDPAD_STATE_BLOCKED,
                         "no policy needs it, but another program has set the "
                         "number of its VFs to %d: set it to 0 when nothing "
                         "needs them, or have that done: ovs-appctl -t "
                         "ovs-vdpad reconcile",
                         pf->pci->numvfs);
        return;
    }
    if ((mode_left || vfs_left)
        && !vdpad_pf_users_known(p, pf, kind, VDPAD_STATE_REMOVING)) {
        return;
    }
    if ((mode_left || vfs_left) && vdpad_pf_is_needed(p, pf, kind, text)) {
        vdpad_fold_state(&pf->state, pf->reason, VDPAD_STATE_BLOCKED,
                         "no policy needs it, but %s", text);
        return;
    }
    if (!(vfs_left && r->numvfs == 0) && !vdpad_restore_vfs(p, pf)) {
        /* With VFs that go, their drivers do. */
    } else if (mode_left
               && !(vfs_left && failed
                    && vdpad_memory_is_refusal(failed->error.code))) {
        vdpad_ask_pf(p, pf, VDPAD_ACT_ESWITCH_MODE, r->mode,
                     "no policy needs it: restored");
    } else if (vfs_left && r->numvfs == 0) {
        vdpad_ask_pf(p, pf, VDPAD_ACT_NUMVFS, 0,
                     "no policy needs it: restored");
    } else if (r->autoprobe >= 0 && pf->pci->autoprobe != r->autoprobe) {
        vdpad_ask_pf(p, pf, VDPAD_ACT_AUTOPROBE, r->autoprobe,
                     "no policy needs it: restored");
    } else if (pf->record && vdpad_restore_uplink(p, pf)) {
        if (r->in_doubt) {
            vdpad_fold_state(&pf->state, pf->reason, VDPAD_STATE_REMOVING,
                             "%s", VDPAD_FORMER_REASON);
        } else {
            vdpad_ask_rec(p, VDPAD_REC_PF_DEL, pf->pci->bdf, "", "", 0);
        }
    }
    if (pf->state == VDPAD_STATE_APPLYING) {
        pf->state = VDPAD_STATE_REMOVING;
    }
}

/* Whether any VF of 'pf' is to carry a vDPA device. */
static bool
wants_vdpa(const struct vdpad_pf *pf)
{
    for (int32_t i = 0; i < pf->n_vf_policies; i++) {
        if (pf->vf_policies[i]
            && pf->vf_policies[i]->type != VDPAD_TYPE_NONE) {
            return true;
        }
    }
    return false;
}

/* Waits for what an external manager, or the kernel, is to bring about. */
static void
check_pf(struct vdpad_pf *pf)
{
    if (pf->pci->numvfs > 0 && (int32_t) pf->n_vfs < pf->pci->numvfs) {
        vdpad_fold_state(&pf->state, pf->reason, VDPAD_STATE_WAITING,
                         "%zu of %d VFs have appeared", pf->n_vfs,
                         pf->pci->numvfs);
    } else if (pf->external && pf->pci->numvfs == 0) {
        vdpad_fold_state(&pf->state, pf->reason, VDPAD_STATE_WAITING,
                         "externally managed, and it has no VFs yet");
    } else if (pf->external && wants_vdpa(pf) && pf->eswitch
               && pf->eswitch->mode == VDPAD_ESWITCH_LEGACY) {
        vdpad_fold_state(&pf->state, pf->reason, VDPAD_STATE_WAITING,
                         "externally managed, and its e-switch is in legacy "
                         "mode: whoever manages it must set switchdev");
    } else if (!pf->external && pf->want_numvfs < 0 && !pf->pci->numvfs) {
        vdpad_fold_state(&pf->state, pf->reason, VDPAD_STATE_BLOCKED,
                         "it has no VFs and no policy says how many: add "
                         "num-vfs=N");
    }
}

/* The drivers of its VFs, and its uplink unless that is another's. */
static void
plan_drivers(struct vdpad_planner *p, struct vdpad_pf *pf)
{
    vdpad_plan_vfs(p, pf);
    pf->is_usable = pf->state == VDPAD_STATE_READY;
    if (!pf->external) {
        vdpad_plan_uplink(p, pf);

        /* Devices wait for the uplink, but not for ever. */
        pf->is_usable &= pf->state != VDPAD_STATE_APPLYING;
    }
}

void
vdpad_plan_pf(struct vdpad_planner *p, struct vdpad_pf *pf)
{
    if (!pf->managed) {
        if (!pf->record && !vdpad_has_given_vfs(p, pf)) {
            return;
        }
        pf->state = VDPAD_STATE_READY;
        let_count_go(p, pf);
        if (pf->frozen) {
            vdpad_fold_state(&pf->state, pf->reason, VDPAD_STATE_BLOCKED,
                             "it cannot be told whether a policy needs it "
                             "(config/show); kept as it is");
        } else if (!p->world->db_connected) {
            vdpad_fold_state(&pf->state, pf->reason, VDPAD_STATE_WAITING,
                             "to be restored when the database is connected "
                             "again");
        } else {
            plan_restore(p, pf);
        }
        return;
    }

    pf->state = VDPAD_STATE_READY;
    if (!p->world->db) {
        return;
    }
    if (!pf->pci->driver[0]) {
        /* Whatever is asked of it would fail, and be tried again ever more
         * seldom. */
        vdpad_fold_state(&pf->state, pf->reason, VDPAD_STATE_WAITING,
                         "no driver is bound to it: `echo %s > "
                         "/sys/bus/pci/drivers_probe`",
                         pf->pci->bdf);
        let_count_go(p, pf);
        return;
    }
    if (!pf->external) {
        plan_numvfs(p, pf);
        if (pf->state == VDPAD_STATE_READY) {
            check_pf(pf);
        }
        if (pf->state == VDPAD_STATE_READY) {
            plan_mode(p, pf);
        }
    } else {
        check_pf(pf);
    }
    let_count_go(p, pf);
    /* What is built on it would go with that. */
    (void) vdpad_fold_begun(p, &pf->state, pf->reason, VDPAD_ACT_NUMVFS,
                            pf->pci->bdf);
    (void) vdpad_fold_begun(p, &pf->state, pf->reason, VDPAD_ACT_ESWITCH_MODE,
                            pf->pci->bdf);
    if (pf->state == VDPAD_STATE_READY) {
        plan_drivers(p, pf);
    }
}
