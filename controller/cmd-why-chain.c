/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of the chain from the PF to the vDPA device. */
#include <inttypes.h>
#include <net/if.h>
#include <string.h>

#include "cmd-why.h"
#include "fields.h"
#include "util.h"

/* VIRTIO_NET_S_LINK_UP of the virtio specification. */
#define NET_STATUS_LINK_UP 1

#define MASK(CLASS) (1u << (CLASS))
#define OK VDPAD_CHECK_OK
#define FAIL VDPAD_CHECK_FAIL
#define UNKNOWN VDPAD_CHECK_UNKNOWN

static void
vdpa_modules(const struct vdpad_check_input *in, struct vdpad_finding *f)
{
    const struct vdpad_policy *policy = in->dev->policy;
    const struct vdpad_pf *pf = in->dev->pf;
    const char *names[5] = { "vdpa", NULL };
    size_t n = 1;

    if (policy && policy->type == VDPAD_TYPE_NONE) {
        vdpad_skip(f);
        return;
    }
    if (policy && policy->type == VDPAD_TYPE_VHOST) {
        names[n++] = "vhost_vdpa";
    } else if (policy) {
        names[n++] = "virtio_vdpa";
        names[n++] = "virtio_net";
    }
    if (pf && !strcmp(pf->pci->driver, "mlx5_core")) {
        names[n++] = "mlx5_vdpa";
    }
    vdpad_check_modules(in, f, names,
                        "boot a kernel that has them (Debian's lack "
                        "CONFIG_MLX5_VDPA), or install NVIDIA's drivers");
}

static void
eswitch_mode(const struct vdpad_check_input *in, struct vdpad_finding *f)
{
    const struct vdpad_pf *pf = in->dev->pf;
    char word[VDPAD_SHELL_SIZE];

    if (!pf) {
        vdpad_found(f, FAIL,
                    "the device has no PCI parent, hence no "
                    "e-switch: only software can switch its packets");
    } else if (pf->eswitch) {
        bool ok = pf->eswitch->mode == VDPAD_ESWITCH_SWITCHDEV;

        vdpad_found(f, ok ? OK : FAIL, "the e-switch of %s is in mode %s",
                    pf->pci->bdf, vdpad_eswitch_mode_name(pf->eswitch->mode));
    } else if (vdpad_check_knows(in, VDPAD_ESWITCH, f)) {
        vdpad_found(f, FAIL, "%s has no devlink instance", pf->pci->bdf);
        vdpad_remedy(f, "see that its driver is bound: pf/list");
        return;
    }
    if (f->result == FAIL && pf) {
        vdpad_remedy(f, "%sdevlink dev eswitch set pci/%s mode switchdev",
                     pf->policy && !pf->external
                         ? "set eswitch-mode=switchdev in its policy, or: "
                         : "",
                     vdpad_shell_word(pf->pci->bdf, word));
    }
}

static bool
wants_vdpa(const struct vdpad_dev *dev)
{
    return !dev->policy || dev->policy->type != VDPAD_TYPE_NONE;
}

static void
vdpa_device(const struct vdpad_check_input *in, struct vdpad_finding *f)
{
    const struct vdpad_dev *dev = in->dev;

    if (!wants_vdpa(dev)) {
        vdpad_skip(f);
    } else if (dev->vdpa || dev->vbus) {
        vdpad_found(f, OK, "it exists");
    } else if (vdpad_check_knows(in, VDPAD_VBUS, f)) {
        vdpad_found(f, FAIL, "there is no such vDPA device%s%s",
                    dev->reason[0] ? ": " : "", dev->reason);
        vdpad_remedy(
            f, "%s",
            dev->policy
                ? "ovs-appctl -t ovs-vdpad plan"
                : "give its VF to a policy: ovs-vsctl set Open_vSwitch "
                  ". external_ids:vdpa-policy-NAME=...");
    }
}

static void
vdpa_driver(const struct vdpad_check_input *in, struct vdpad_finding *f)
{
    const struct vdpad_dev *dev = in->dev;
    const char *want = !dev->policy                            ? NULL
                       : dev->policy->type == VDPAD_TYPE_VHOST ? "vhost_vdpa"
                                                               : "virtio_vdpa";

    if (!dev->vbus || !wants_vdpa(dev)) {
        vdpad_skip(f);
        return;
    }
    bool ok = want ? !strcmp(dev->vbus->driver, want)
                   : dev->vbus->driver[0] != '\0';
    vdpad_found(f, ok ? OK : FAIL, "bound to %s%s%s",
                dev->vbus->driver[0] ? dev->vbus->driver : "no driver",
                ok || !want ? "" : ", wanted ", ok || !want ? "" : want);
    if (!ok) {
        vdpad_remedy(f, "ovs-appctl -t ovs-vdpad plan");
    }
}

/* Whether a guest is there, where one is expected. */
static void
vdpa_holder(const struct vdpad_check_input *in, struct vdpad_finding *f)
{
    const struct vdpad_dev *dev = in->dev;
    const char *iface_id = dev->iface
                               ? vdpad_map_get(&dev->iface->external_ids,
                                               "iface-id")
                               : NULL;

    if (!dev->vbus || strcmp(dev->vbus->driver, "vhost_vdpa") != 0) {
        vdpad_skip(f);
    } else if (dev->n_holders) {
        vdpad_found(f, OK, "/dev/%s is held by pid %d (%s)",
                    dev->vbus->chardev, dev->holders[0].pid,
                    dev->holders[0].command);
    } else if (vdpad_dev_is_driven(dev)
               && in->world->observed->class_[VDPAD_VDPA].at_ns
                      >= in->world->observed->class_[VDPAD_HOLDER].at_ns) {
        vdpad_found(f, UNKNOWN,
                    "no process is seen to hold /dev/%s, but features are "
                    "negotiated: somebody does",
                    dev->vbus->chardev);
    } else if (vdpad_check_knows(in, VDPAD_HOLDER, f)) {
        vdpad_found(f, iface_id ? FAIL : UNKNOWN,
                    "no process holds /dev/%s%s%s%s", dev->vbus->chardev,
                    iface_id ? ", though its port is logical port " : "",
                    iface_id ? iface_id : "", iface_id ? "" : ": it is free");
        if (iface_id) {
            vdpad_remedy(f, "start the guest, or see why it ended: virsh "
                            "list --all");
        }
    }
}

/* vhost-vdpa pins the guest's memory and counts it against the limit of who
 * opened the device (vhost_vdpa_pa_map(), drivers/vhost/vdpa.c of 6.12).  The
 * usual limit without any setting is 8 MiB, and no guest is as small as
 * this. */
#define MEMLOCK_MIN (UINT64_C(64) << 20)

static const struct vdpad_holder *
small_holder(const struct vdpad_dev *dev)
{
    for (size_t i = 0; i < dev->n_holders; i++) {
        uint64_t limit = dev->holders[i].memlock;

        if (limit && limit < MEMLOCK_MIN) {
            return &dev->holders[i];
        }
    }
    return NULL;
}

static void
memlock(const struct vdpad_check_input *in, struct vdpad_finding *f)
{
    const struct vdpad_dev *dev = in->dev;
    const struct vdpad_holder *h = small_holder(dev);

    if (!dev->n_holders) {
        vdpad_skip(f);
    } else if (h && !(dev->vdpa && dev->vdpa->negotiated)) {
        vdpad_found(f, FAIL,
                    "pid %d (%s) may lock %" PRIu64 " KiB of memory, less "
                    "than any guest has",
                    h->pid, h->command, h->memlock >> 10);
        vdpad_remedy(f,
                     "prlimit --pid %d --memlock=unlimited, and start the "
                     "guest anew with that (libvirt sets it by itself)",
                     h->pid);
    } else if (dev->holders[0].memlock == UINT64_MAX) {
        vdpad_found(f, OK, "pid %d may lock memory without limit",
                    dev->holders[0].pid);
    } else if (dev->holders[0].memlock) {
        vdpad_found(f, OK, "pid %d may lock %" PRIu64 " KiB of memory",
                    dev->holders[0].pid, dev->holders[0].memlock >> 10);
    } else {
        vdpad_found(f, UNKNOWN, "the limits of pid %d cannot be read",
                    dev->holders[0].pid);
    }
}

/* mlx5_vdpa maps memory by itself; vfio-pci and other drivers need the
 * platform's IOMMU. */
static void
iommu(const struct vdpad_check_input *in, struct vdpad_finding *f)
{
    const struct vdpad_dev *dev = in->dev;

    if (!dev->vf) {
        vdpad_skip(f);
    } else if (dev->vf->iommu_group >= 0) {
        vdpad_found(f, OK, "%s is in IOMMU group %d", dev->vf->bdf,
                    dev->vf->iommu_group);
    } else if (!strcmp(dev->vf->driver, "mlx5_core")) {
        vdpad_found(f, OK,
                    "%s has no IOMMU group, which mlx5_vdpa does not need",
                    dev->vf->bdf);
    } else {
        vdpad_found(f, UNKNOWN,
                    "%s has no IOMMU group: vfio-pci does not work, and "
                    "vhost-vdpa only with drivers that map memory by "
                    "themselves",
                    dev->vf->bdf);
        vdpad_remedy(f, "enable VT-d or AMD-Vi in the firmware and boot with "
                        "intel_iommu=on iommu=pt");
    }
}

/* Whether anything drives the device: negotiated features appear, or the
 * driver has set its status. */
static void
negotiated(const struct vdpad_check_input *in, struct vdpad_finding *f)
{
    const struct vdpad_dev *dev = in->dev;

    if (!dev->vdpa || !wants_vdpa(dev)) {
        vdpad_skip(f);
    } else if (!dev->vdpa->has_config) {
        vdpad_found(f, UNKNOWN,
                    "the kernel does not tell whether a guest's "
                    "driver has negotiated features%s",
                    dev->n_holders ? "" : "; nobody holds the device");
    } else if (dev->vdpa->has_negotiated && dev->vdpa->negotiated) {
        vdpad_found(f, OK, "a driver has negotiated features 0x%llx",
                    (unsigned long long) dev->vdpa->negotiated);
    } else {
        /* Without memory it cannot. */
        vdpad_found(f, dev->n_holders && !small_holder(dev) ? FAIL : UNKNOWN,
                    "no driver has negotiated features yet%s",
                    dev->n_holders ? "" : ", and nobody holds the device");
        vdpad_remedy(f, "start the guest, and see that its virtio_net is "
                        "bound");
    }
}

static void
vdpa_link(const struct vdpad_check_input *in, struct vdpad_finding *f)
{
    const struct vdpad_vdpa *vdpa = in->dev->vdpa;
    const struct vdpad_link *rep = in->dev->rep;

    /* It follows the representor, which has a check of its own. */
    if (!vdpa || !wants_vdpa(in->dev)
        || (in->dev->pf && !(rep && rep->flags & IFF_UP))) {
        vdpad_skip(f);
    } else if (!vdpa->has_status) {
        vdpad_found(f, UNKNOWN, "the device tells no link status");
    } else {
        bool up = vdpa->status & NET_STATUS_LINK_UP;

        vdpad_found(f, up ? OK : FAIL, "its link is %s", up ? "up" : "down");
        if (!up) {
            vdpad_remedy(f, "bring its representor and its uplink up");
        }
    }
}

static void
device_state(const struct vdpad_check_input *in, struct vdpad_finding *f)
{
    const struct vdpad_dev *dev = in->dev;

    /* What is being done needs no remedy yet; if it does not succeed, that is
     * another state. */
    vdpad_found(f,
                dev->state == VDPAD_STATE_READY ? OK
                : dev->state == VDPAD_STATE_BLOCKED
                        || dev->state == VDPAD_STATE_FAILED
                    ? FAIL
                    : UNKNOWN,
                "%s%s%s", vdpad_state_name(dev->state),
                dev->reason[0] ? ": " : "", dev->reason);
    if (f->result == FAIL) {
        vdpad_remedy(f, "ovs-appctl -t ovs-vdpad %s",
                     dev->intent == VDPAD_INTENT_FREEZE ? "config/show"
                                                        : "plan");
    }
}

const struct vdpad_check vdpad_checks_chain[] = {
    { "state", device_state, 0 },
    { "vdpa-modules", vdpa_modules, 0 },
    { "iommu", iommu, 0 },
    { "eswitch-mode", eswitch_mode, MASK(VDPAD_ESWITCH) },
    { "vdpa-device", vdpa_device, 0 },
    { "vdpa-driver", vdpa_driver, 0 },
    { "chardev-label", vdpad_check_chardev_label, 0 },
    { "vdpa-holder", vdpa_holder, 0 },
    { "memlock", memlock, 0 },
    { "vdpa-negotiated", negotiated, MASK(VDPAD_VDPA) },
    { "vdpa-link", vdpa_link, MASK(VDPAD_VDPA) },
    { NULL, NULL, 0 },
};
