/* SPDX-License-Identifier: Apache-2.0 */
/* Planning of the removal of vDPA devices. */
#include <errno.h>
#include <net/if.h>

#include "plan-internal.h"
#include "util.h"

/* What proves together that a device has gone. */
#define GONE_CLASSES \
    (1u << VDPAD_PCI | 1u << VDPAD_VDPA | 1u << VDPAD_VBUS | 1u << VDPAD_LINK)

/* Deletes our device.  The kernel sleeps for as long as somebody holds it, so
 * a forced deletion has a batch of its own. */
static void
plan_delete(struct vdpad_planner *p, struct vdpad_dev *dev, bool forced)
{
    struct vdpad_act act = { .kind = VDPAD_ACT_VDPA_DEL, .force = forced };
    uint32_t lane = forced
                        ? VDPAD_LANE_FORCED + (uint32_t) (dev - p->world->devs)
                        : vdpad_dev_lane(dev);

    vdpad_copy(act.object, sizeof act.object, dev->name);
    /* Another program may give the name to a device of its own meanwhile. */
    vdpad_text(act.word, sizeof act.word, "pci/%s", dev->record->vf);
    vdpad_ask_dev(p, dev, lane, &act,
                  forced ? "teardown --force" : "no policy wants it");
}

void
vdpad_plan_removal(struct vdpad_planner *p, struct vdpad_dev *dev)
{
    bool forced = vdpad_memory_is_forced(p->memory, dev->policy_name);
    bool ours = dev->record->name[0] != '\0';
    bool left = false; /* Something to wait for. */
    enum vdpad_ask outcome;
    char use[VDPAD_REASON_SIZE];

    dev->state = VDPAD_STATE_READY;
    if (!p->world->db_connected) {
        vdpad_fold_state(&dev->state, dev->reason, VDPAD_STATE_WAITING,
                         "to be removed when the database is connected "
                         "again");
        return;
    }
    vdpad_fold_state(&dev->state, dev->reason, VDPAD_STATE_REMOVING,
                     "no policy wants it");
    if (vdpad_dev_is_late(dev, use)) {
        vdpad_fold_state(&dev->state, dev->reason, VDPAD_STATE_BLOCKED,
                         "its removal waits in the kernel until it is let go "
                         "of: %.120s",
                         use);
        if (!forced) {
            return;
        }
    } else if (!forced && vdpad_dev_in_use(dev, use)) {
        vdpad_fold_state(&dev->state, dev->reason, VDPAD_STATE_BLOCKED,
                         "to be removed, but %.120s; stop it, or `teardown "
                         "--force %.60s`",
                         use, dev->policy_name);
        return;
    }
    if (!forced && !vdpad_ask_holders(p)) {
        if (vdpad_are_holders_unseen(p, use)) {
            dev->state = VDPAD_STATE_WAITING;
            vdpad_text(dev->reason, sizeof dev->reason,
                       "to be removed, but %.200s", use);
        }
        return;
    }
    if (vdpad_plan_detach(p, dev)) {
        return;
    }
    /* Open vSwitch's is an ingress qdisc, and has none but its filters. */
    if (dev->qdisc && !dev->qdisc->clsact && !dev->iface && dev->rep && ours) {
        struct vdpad_act act = { .kind = VDPAD_ACT_QDISC_DEL,
                                 .ifindex = dev->rep->ifindex,
                                 .number = 1 };

        vdpad_copy(act.object, sizeof act.object, dev->rep->name);

        enum vdpad_ask asked = vdpad_ask_dev(
            p, dev, VDPAD_LANE_LINK, &act,
            "left behind by ovs-vswitchd when the port went");
        const struct vdpad_memory_entry *failed = vdpad_ask_memory(
            p, VDPAD_ACT_QDISC_DEL, act.object);

        /* With filters of others in it, it is theirs by now. */
        left = !(asked == VDPAD_ASK_DEFERRED && failed
                 && failed->error.code == -EBUSY);
    }
    if (ours && dev->owner == VDPAD_OWNER_US && (dev->vdpa || dev->vbus)) {
        plan_delete(p, dev, forced);
        left = true;
    }
    if (left) {
        return;
    }
    if (ours
        && vdpad_fold_begun(p, &dev->state, dev->reason, VDPAD_ACT_VDPA_ADD,
                            dev->record->name)) {
        return; /* It is not there yet, and will be. */
    }
    if (ours && dev->record->in_doubt) {
        vdpad_text(dev->reason, sizeof dev->reason, "%s", VDPAD_FORMER_REASON);
        return;
    }
    if (!vdpad_ask_pictures(p, GONE_CLASSES, &outcome, use)) {
        vdpad_fold(&dev->state, dev->reason, outcome, VDPAD_STATE_REMOVING,
                   use);
        return;
    }
    if (dev->vdpa || dev->vbus || !dev->vf || !dev->rep
        || !(dev->rep->flags & IFF_UP) || dev->pf->record || dev->iface) {
        vdpad_ask_rec(p, VDPAD_REC_DEV_DEL, dev->record->vf, "", "", 0);
    } else {
        struct vdpad_act act = { .kind = VDPAD_ACT_LINK_UP,
                                 .ifindex = dev->rep->ifindex };

        vdpad_copy(act.object, sizeof act.object, dev->rep->name);
        vdpad_ask_dev(p, dev, VDPAD_LANE_LINK, &act, "its device is gone");
    }
}
