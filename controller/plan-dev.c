/* SPDX-License-Identifier: Apache-2.0 */
/* Planning of vDPA devices: modules, creation, bus driver, representor. */
#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "lookup.h"
#include "plan-internal.h"
#include "util.h"

/* Feature bits of virtio_net (virtio 1.2, 5.1.3). */
#define F_MAC 5
#define F_MQ 22

static const char *
bus_driver(const struct vdpad_dev *dev)
{
    return dev->policy->type == VDPAD_TYPE_VIRTIO ? "virtio_vdpa"
                                                  : "vhost_vdpa";
}

static void
ask_named(struct vdpad_planner *p, struct vdpad_dev *dev, uint32_t lane,
          enum vdpad_act_kind kind, const char *word, const char *reason)
{
    struct vdpad_act act = { .kind = (int32_t) kind };

    vdpad_copy(act.object, sizeof act.object, dev->name);
    vdpad_copy(act.word, sizeof act.word, word);
    vdpad_ask_dev(p, dev, lane, &act, reason);
}

/* True when module 'name' is there; else says what is to be done. */
static bool
need_module(struct vdpad_planner *p, struct vdpad_dev *dev, const char *name,
            const char *remedy)
{
    const struct vdpad_module *m = vdpad_find_module(p->world->observed, name);
    struct vdpad_act act = { .kind = VDPAD_ACT_MODULE_LOAD };

    if (!m) {
        vdpad_fold_state(&dev->state, dev->reason, VDPAD_STATE_WAITING,
                         "kernel modules are not observed yet");
        return false;
    }
    if (m->state == VDPAD_MODULE_LOADED) {
        return true;
    }
    if (m->state == VDPAD_MODULE_MISSING) {
        vdpad_fold_state(&dev->state, dev->reason, VDPAD_STATE_BLOCKED,
                         "this kernel has no module %s%s", name, remedy);
        return false;
    }
    vdpad_copy(act.object, sizeof act.object, name);

    const struct vdpad_step *planned = vdpad_find_planned(
        p, VDPAD_ACT_MODULE_LOAD, name);

    if (planned) {
        const struct vdpad_memory_entry *failed = vdpad_ask_memory(
            p, VDPAD_ACT_MODULE_LOAD, name);

        vdpad_fold_state(
            &dev->state, dev->reason,
            planned->deferred ? VDPAD_STATE_FAILED : VDPAD_STATE_APPLYING,
            "module %s is not loaded%s%.200s", name,
            planned->deferred ? ": " : "",
            planned->deferred && failed ? failed->error.text : "");
    } else {
        char reason[VDPAD_REASON_SIZE];

        vdpad_text(reason, sizeof reason, "module %s is not loaded", name);
        vdpad_ask_dev(p, dev, VDPAD_LANE_MODULE, &act, reason);
    }
    return false;
}

static bool
need_modules(struct vdpad_planner *p, struct vdpad_dev *dev)
{
    static const char package_remedy[] =
        ": it was built without it, or the package that has it is not "
        "installed (Ubuntu: linux-modules-extra)";
    static const char mlx5_remedy[] =
        ": Debian's kernels are built without it; those of Ubuntu (package "
        "linux-modules-extra) and RHEL and NVIDIA's drivers have it";
    bool mlx5 = !strcmp(dev->pf->pci->driver, "mlx5_core");
    bool ok = need_module(p, dev, "vdpa", package_remedy);

    ok &= need_module(p, dev, bus_driver(dev), package_remedy);
    if (dev->policy->type == VDPAD_TYPE_VIRTIO) {
        ok &= need_module(p, dev, "virtio_net", "");
    }
    if (mlx5) {
        ok &= need_module(p, dev, "mlx5_vdpa", mlx5_remedy);
    }
    return ok;
}

/* Whether the device may be changed in a way that its user would notice. */
static bool
is_free(struct vdpad_planner *p, struct vdpad_dev *dev, const char *change)
{
    char use[VDPAD_REASON_SIZE];

    if (!p->world->db_connected && dev->vbus && dev->vbus->driver[0]) {
        vdpad_fold_state(&dev->state, dev->reason, VDPAD_STATE_WAITING,
                         "%.200s; that is done when the database is connected "
                         "again",
                         change);
        return false;
    }
    /* What the last picture has in use is so until a newer one says otherwise
     * (see ctl.c, HOLDER_POLL_NS): else it would go to and fro. */
    if (vdpad_dev_in_use(dev, use)) {
        vdpad_fold_state(&dev->state, dev->reason, VDPAD_STATE_BLOCKED,
                         "%.160s, which must wait: %.120s", change, use);
        return false;
    }
    if (!vdpad_ask_holders(p)) {
        vdpad_fold_holders(p, &dev->state, dev->reason, VDPAD_STATE_APPLYING,
                           change);
        return false;
    }
    return true;
}

/* Whether the device is, or may be, under way with the name that it had been
 * given before. */
static bool
is_being_made(const struct vdpad_planner *p, const struct vdpad_dev *dev)
{
    const struct vdpad_record_dev *r = dev->record;

    return r && r->name[0] && strcmp(r->name, dev->name) != 0
           && (r->in_doubt
               || vdpad_is_in_flight(p, VDPAD_ACT_VDPA_ADD, r->name));
}

static void
plan_create(struct vdpad_planner *p, struct vdpad_dev *dev)
{
    const struct vdpad_memory_entry *failed = vdpad_ask_memory(
        p, VDPAD_ACT_VF_PROBE, dev->vf->bdf);
    struct vdpad_act act = { .kind = VDPAD_ACT_VDPA_ADD };
    char reason[VDPAD_REASON_SIZE];
    bool known = dev->record && !strcmp(dev->record->name, dev->name)
                 && !strcmp(dev->record->policy, dev->policy->name);

    if (!dev->mgmtdev && !strcmp(dev->vf->driver, "vfio-pci")
        && !(dev->pf->record && dev->pf->record->numvfs == 0)
        && !vdpad_record_find_vf(p->world->record, dev->vf->bdf)) {
        vdpad_fold_state(&dev->state, dev->reason, VDPAD_STATE_BLOCKED,
                         "VF %s, made by others, was given to vfio-pci: "
                         "`echo %s > /sys/bus/pci/drivers/vfio-pci/unbind`",
                         dev->vf->bdf, dev->vf->bdf);
        return;
    }
    if (!dev->mgmtdev && failed && failed->failures) {
        vdpad_fold_state(&dev->state, dev->reason, VDPAD_STATE_FAILED,
                         "VF %s has driver %s: %.200s", dev->vf->bdf,
                         dev->vf->driver, failed->error.text);
        return;
    }
    if (!dev->mgmtdev) {
        vdpad_fold_state(&dev->state, dev->reason, VDPAD_STATE_WAITING,
                         "driver %s has not registered a vDPA management "
                         "device for VF %s (vdpa mgmtdev show)",
                         dev->vf->driver, dev->vf->bdf);
        return;
    }
    if (vdpad_find_vbus(p->world->observed, dev->name)
        || vdpad_find_vdpa(p->world->observed, dev->name)
        || vdpad_find_planned(p, VDPAD_ACT_VDPA_ADD, dev->name)) {
        vdpad_fold_state(&dev->state, dev->reason, VDPAD_STATE_BLOCKED,
                         "another VF's device is already called %s; change "
                         "the policy's name= template",
                         dev->name);
        return;
    }
    if (is_being_made(p, dev)) {
        vdpad_fold_state(&dev->state, dev->reason, VDPAD_STATE_APPLYING,
                         "it is being made as %.100s%s%s", dev->record->name,
                         dev->record->in_doubt ? ": " : "",
                         dev->record->in_doubt ? VDPAD_FORMER_REASON : "");
        return;
    }
    vdpad_copy(act.object, sizeof act.object, dev->name);
    vdpad_text(act.word, sizeof act.word, "pci/%s", dev->vf->bdf);
    act.has_mac = dev->want_mac;
    memcpy(act.mac, dev->mac, sizeof act.mac);
    act.mtu = (uint16_t) dev->mtu;
    act.max_vqp = (uint16_t) dev->max_vqp;
    vdpad_text(reason, sizeof reason,
               "policy %.100s wants a vDPA device on "
               "VF %s",
               dev->policy->name, dev->vf->bdf);

    enum vdpad_ask outcome = vdpad_ask_dev(p, dev, vdpad_dev_lane(dev), &act,
                                           reason);

    if (outcome == VDPAD_ASK_DEFERRED && known && !dev->record->in_doubt) {
        /* It is seen not to be there: who makes it meanwhile is another. */
        vdpad_ask_rec(p, VDPAD_REC_DEV, dev->vf->bdf, dev->policy->name, "",
                      0);
    }
    if (outcome != VDPAD_ASK_DUE) {
        return;
    }
    if (!known) {
        /* Only now: what is recorded and not made may be made by others, and
         * would count as ours. */
        vdpad_ask_rec(p, VDPAD_REC_DEV, dev->vf->bdf, dev->policy->name,
                      dev->name, 0);
    }

    /* In the same batch, so that 254 devices need no second round; without
     * the device it fails and is forgotten. */
    vdpad_text(reason, sizeof reason, "policy %.100s wants driver %s",
               dev->policy->name, bus_driver(dev));
    ask_named(p, dev, vdpad_dev_lane(dev), VDPAD_ACT_VDPA_BIND,
              bus_driver(dev), reason);
}

/* Whether a device without 'feature' (a virtio feature bit) would have it if
 * it were made with a value for it: then its absence is an answer, too. */
static bool
could_have(const struct vdpad_dev *dev, unsigned int feature)
{
    return dev->mgmtdev && dev->mgmtdev->features & UINT64_C(1) << feature;
}

/* What of an existing device differs from what is wanted and can only be
 * given to a new one; "" : nothing.  Values that the kernel does not tell
 * count as right. */
static void
find_difference(const struct vdpad_dev *dev, char text[VDPAD_REASON_SIZE])
{
    const struct vdpad_vdpa *v = dev->vdpa;

    text[0] = '\0';
    if (!v || !v->has_config) {
        return;
    }
    if (dev->mtu && v->has_mtu && v->mtu != dev->mtu) {
        vdpad_text(text, VDPAD_REASON_SIZE, "mtu is %u, wanted %d", v->mtu,
                   dev->mtu);
    } else if (dev->max_vqp && v->has_max_vqp && v->max_vqp != dev->max_vqp) {
        vdpad_text(text, VDPAD_REASON_SIZE, "max-vqp is %u, wanted %d",
                   v->max_vqp, dev->max_vqp);
    } else if (dev->max_vqp > 1 && !v->has_max_vqp && could_have(dev, F_MQ)) {
        /* The kernel tells no number for a single pair. */
        vdpad_text(text, VDPAD_REASON_SIZE, "max-vqp is 1, wanted %d",
                   dev->max_vqp);
    } else if (dev->want_mac && !v->has_mac && could_have(dev, F_MAC)) {
        vdpad_text(text, VDPAD_REASON_SIZE,
                   "it has no MAC address, and one "
                   "is wanted");
    }
}

static bool
mac_differs(const struct vdpad_dev *dev)
{
    /* A device that was made without an address on a VF without one tells
     * none (no VIRTIO_NET_F_MAC). */
    return dev->want_mac && dev->vdpa && dev->vdpa->has_config
           && (!dev->vdpa->has_mac
               || memcmp(dev->vdpa->mac, dev->mac, sizeof dev->mac) != 0);
}

/* Whether the device was made with the values that are wanted now, and its
 * driver did not heed them: it would not heed them again. */
static bool
is_in_vain(const struct vdpad_planner *p, const struct vdpad_dev *dev)
{
    const struct vdpad_memory_made *made = vdpad_memory_find_made(p->memory,
                                                                  dev->name);

    return made && made->mtu == dev->mtu && made->max_vqp == dev->max_vqp
           && made->has_mac == dev->want_mac
           && !memcmp(made->mac, dev->mac, sizeof made->mac);
}

/* Deletes a device of ours to make it anew with other values. */
static void
plan_replace(struct vdpad_planner *p, struct vdpad_dev *dev,
             const char *difference)
{
    char reason[VDPAD_REASON_SIZE];

    if (is_in_vain(p, dev)) {
        vdpad_fold_state(&dev->state, dev->reason, VDPAD_STATE_BLOCKED,
                         "%.200s; that was asked for and the driver did not "
                         "heed it",
                         difference);
    } else if (dev->owner != VDPAD_OWNER_US) {
        vdpad_fold_state(&dev->state, dev->reason, VDPAD_STATE_BLOCKED,
                         "%s, and another program made the device: `vdpa dev "
                         "del %s` lets it be made anew",
                         difference, dev->name);
    } else if (is_free(p, dev, difference)) {
        char parent[VDPAD_BDF_SIZE + 4];

        vdpad_text(reason, sizeof reason, "%.200s: made anew", difference);
        vdpad_text(parent, sizeof parent, "pci/%s", dev->vf->bdf);
        ask_named(p, dev, vdpad_dev_lane(dev), VDPAD_ACT_VDPA_DEL, parent,
                  reason);
    }
}

/* Whether a netdev was made with the device's address: it would keep that
 * (virtnet_probe() and virtnet_config_changed_work(),
 * drivers/net/virtio_net.c), and so would the card's rules for it
 * (setup_steering(), drivers/vdpa/mlx5/net/mlx5_vnet.c of 6.12). */
static bool
has_read_mac(const struct vdpad_dev *dev)
{
    return dev->vbus && !strcmp(dev->vbus->driver, "virtio_vdpa");
}

/* Before 6.12 the kernel cannot change it (VDPA_CMD_DEV_ATTR_SET). */
static void
plan_mac(struct vdpad_planner *p, struct vdpad_dev *dev)
{
    const struct vdpad_memory_entry *failed = vdpad_ask_memory(
        p, VDPAD_ACT_VDPA_SET_MAC, dev->name);
    struct vdpad_act act = { .kind = VDPAD_ACT_VDPA_SET_MAC, .has_mac = true };

    if (!is_free(p, dev, "another MAC address is wanted")) {
        return;
    }
    if ((failed && failed->failures) || has_read_mac(dev)) {
        plan_replace(p, dev, "another MAC address is wanted");
        return;
    }
    vdpad_copy(act.object, sizeof act.object, dev->name);
    memcpy(act.mac, dev->mac, sizeof act.mac);
    vdpad_ask_dev(p, dev, vdpad_dev_lane(dev), &act,
                  "another MAC address is wanted");
}

/* A step that was begun for another intent may still change the device, which
 * is as wanted for now. */
static void
fold_in_flight(const struct vdpad_planner *p, struct vdpad_dev *dev)
{
    static const enum vdpad_act_kind kinds[] = {
        VDPAD_ACT_VDPA_BIND,
        VDPAD_ACT_VDPA_UNBIND,
        VDPAD_ACT_VDPA_DEL,
    };

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        (void) vdpad_fold_begun(p, &dev->state, dev->reason, kinds[i],
                                dev->name);
    }
}

static void
plan_existing(struct vdpad_planner *p, struct vdpad_dev *dev)
{
    const char *driver = bus_driver(dev);
    char text[VDPAD_REASON_SIZE];

    if (!dev->record || strcmp(dev->record->policy, dev->policy->name)) {
        /* Adopted, or come under another policy. */
        vdpad_ask_rec(p, VDPAD_REC_DEV, dev->vf->bdf, dev->policy->name,
                      dev->record ? dev->record->name : "", 0);
    }
    if (vdpad_dev_is_late(dev, text)) {
        vdpad_fold_state(&dev->state, dev->reason, VDPAD_STATE_BLOCKED,
                         "another program removes it, which waits in the "
                         "kernel until it is let go of: %.120s",
                         text);
        return;
    }
    find_difference(dev, text);
    if (text[0]) {
        plan_replace(p, dev, text);
        return;
    }
    if (mac_differs(dev)) {
        plan_mac(p, dev);
        return;
    }
    if (!dev->vbus) {
        /* Or it is about to go, and its user keeps it from that. */
        (void) vdpad_ask_holders(p);
        vdpad_fold_state(&dev->state, dev->reason, VDPAD_STATE_WAITING,
                         "%s has not appeared on the vdpa bus yet", dev->name);
        return;
    }
    if (strcmp(dev->vbus->driver, driver)) {
        vdpad_text(text, sizeof text, "driver is %s, policy %.60s wants %s",
                   dev->vbus->driver[0] ? dev->vbus->driver : "(none)",
                   dev->policy->name, driver);
        if (is_free(p, dev, text)) {
            ask_named(p, dev, vdpad_dev_lane(dev), VDPAD_ACT_VDPA_BIND, driver,
                      text);
        }
        return;
    }
    if (dev->policy->type == VDPAD_TYPE_VHOST && !dev->vbus->chardev[0]) {
        vdpad_fold_state(&dev->state, dev->reason, VDPAD_STATE_WAITING,
                         "its char device has not appeared yet");
    } else if (dev->policy->type == VDPAD_TYPE_VIRTIO && !dev->vbus->netdev[0]
               && !dev->vbus->netdev_away) {
        vdpad_fold_state(&dev->state, dev->reason, VDPAD_STATE_WAITING,
                         "its netdev has not appeared yet (module virtio_net, "
                         "features)");
    }
    fold_in_flight(p, dev);
}

/* The representor: hw-tc-offload, MTU, up.  Attached by plan-db.c. */
static void
plan_representor(struct vdpad_planner *p, struct vdpad_dev *dev)
{
    const struct vdpad_link *rep = dev->rep;
    struct vdpad_act act = { 0 };

    if (!rep) {
        vdpad_fold_state(&dev->state, dev->reason, VDPAD_STATE_WAITING,
                         "the representor of VF %d of %s has not appeared "
                         "yet",
                         dev->vf_index, dev->pf->pci->bdf);
        return;
    }
    act.ifindex = rep->ifindex;
    vdpad_copy(act.object, sizeof act.object, rep->name);
    if (dev->rep_feature && dev->rep_feature->supported
        && !dev->rep_feature->active) {
        act.kind = VDPAD_ACT_FEATURE;
        act.number = 1;
        vdpad_ask_dev(p, dev, VDPAD_LANE_LINK, &act,
                      "hw-tc-offload of the representor is off");
    }
    if (dev->mtu && rep->mtu != (uint32_t) dev->mtu) {
        char reason[VDPAD_REASON_SIZE];

        act.kind = VDPAD_ACT_LINK_MTU;
        act.number = dev->mtu;
        vdpad_text(reason, sizeof reason,
                   "representor's MTU is %u, wanted "
                   "%d",
                   rep->mtu, dev->mtu);
        vdpad_ask_dev(p, dev, VDPAD_LANE_LINK, &act, reason);
    }
    if (dev->want_attach && !(rep->flags & IFF_UP)) {
        act.kind = VDPAD_ACT_LINK_UP;
        act.number = 1;
        vdpad_ask_dev(p, dev, VDPAD_LANE_LINK, &act, "representor is down");
    }
}

/* Whether the VF itself is ready to carry a device. */
static bool
check_vf(struct vdpad_planner *p, struct vdpad_dev *dev)
{
    const struct vdpad_pf *pf = dev->pf;

    if (!dev->vf) {
        vdpad_fold_state(&dev->state, dev->reason, VDPAD_STATE_WAITING,
                         "VF %d of %s does not exist yet", dev->vf_index,
                         pf->pci->bdf);
        return false;
    }
    if (dev->vf->driver[0]
        && vdpad_fold_begun(p, &dev->state, dev->reason, VDPAD_ACT_VF_PROBE,
                            dev->vf->bdf)) {
        return false;
    }
    if (!dev->vf->driver[0]) {
        const struct vdpad_memory_entry *e = vdpad_ask_memory(
            p, VDPAD_ACT_VF_PROBE, dev->vf->bdf);

        vdpad_fold_state(&dev->state, dev->reason,
                         e && e->failures ? VDPAD_STATE_FAILED
                                          : VDPAD_STATE_WAITING,
                         "VF %s has no driver yet%s%.200s", dev->vf->bdf,
                         e && e->failures ? ": " : "",
                         e && e->failures ? e->error.text : "");
        return false;
    }

    /* The control queue counts, and a single pair does without. */
    uint32_t queues = dev->mgmtdev ? dev->mgmtdev->max_vqs : 0;
    int32_t most = queues > 2 ? (int32_t) ((queues - 1) / 2) : 1;

    if (queues && dev->max_vqp > most) {
        vdpad_fold_state(&dev->state, dev->reason, VDPAD_STATE_BLOCKED,
                         VDPAD_KEY_POLICY
                         "%.60s: max-vqp=%d is more than the "
                         "%d queue pairs of pci/%s; ask for at most that, or "
                         "max-vqp=max",
                         dev->policy->name, dev->max_vqp, most, dev->vf->bdf);
        return false;
    }
    return true;
}

void
vdpad_plan_dev(struct vdpad_planner *p, struct vdpad_dev *dev)
{
    const struct vdpad_pf *pf = dev->pf;

    if (dev->intent == VDPAD_INTENT_NONE) {
        return;
    }
    dev->state = VDPAD_STATE_READY;
    if (dev->intent == VDPAD_INTENT_FREEZE) {
        vdpad_fold_state(&dev->state, dev->reason, VDPAD_STATE_BLOCKED,
                         "policy %.100s %s; kept as it is", dev->policy_name,
                         dev->frozen_by);
        return;
    }
    if (pf->state == VDPAD_STATE_BLOCKED || pf->state == VDPAD_STATE_FAILED
        || pf->state == VDPAD_STATE_APPLYING
        || pf->state == VDPAD_STATE_WAITING) {
        vdpad_fold_state(&dev->state, dev->reason, pf->state, "%s: %.280s",
                         pf->pci->bdf, pf->reason);
    }

    /* A PF that is not as it should be does not make its devices worse; but
     * while it changes, nothing is built on it. */
    bool settled = pf->is_usable
                   || (dev->vbus && pf->state == VDPAD_STATE_BLOCKED);

    if (!settled || !check_vf(p, dev) || !need_modules(p, dev)) {
        vdpad_plan_row(p, dev);
        return;
    }
    if (dev->vdpa || dev->vbus) {
        plan_existing(p, dev);
    } else {
        plan_create(p, dev);
    }
    plan_representor(p, dev);
    vdpad_plan_port(p, dev);
}
