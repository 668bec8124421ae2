/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of the host, and of the chain from the PF to the vDPA device. */
#include <net/if.h>
#include <string.h>

#include "cmd-why.h"
#include "fields.h"
#include "util.h"

/* VIRTIO_NET_S_LINK_UP of the virtio specification. */
#define NET_STATUS_LINK_UP 1

#define OK VDPAD_CHECK_OK
#define FAIL VDPAD_CHECK_FAIL
#define UNKNOWN VDPAD_CHECK_UNKNOWN

static const struct vdpad_module *
find_module(const struct vdpad_world *world, const char *name)
{
    const struct vdpad_module *rows = VDPAD_OBSERVED_ROWS(world->observed,
                                                          VDPAD_MODULE,
                                                          vdpad_module);

    for (size_t i = 0; i < VDPAD_OBSERVED_N(world->observed, VDPAD_MODULE);
         i++) {
        if (!strcmp(rows[i].name, name)) {
            return &rows[i];
        }
    }
    return NULL;
}

/* Finds out whether all 'names' (NULL at the end) can be had.  'remedy' says
 * what to do about a missing one. */
static void
check_modules(const struct vdpad_check_input *in, struct vdpad_finding *f,
              const char *const *names, const char *remedy)
{
    char text[VDPAD_REASON_SIZE] = "";
    bool missing = false;

    if (!vdpad_check_knows(in, VDPAD_MODULE, f)) {
        return;
    }
    for (; *names; names++) {
        const struct vdpad_module *module = find_module(in->world, *names);
        int32_t state = module ? module->state : VDPAD_MODULE_MISSING;
        size_t used = strlen(text);

        vdpad_text(text + used, sizeof text - used, "%s%s %s",
                   used ? ", " : "", *names, vdpad_module_state_name(state));
        missing = missing || state == VDPAD_MODULE_MISSING;
    }
    vdpad_found(f, missing ? FAIL : OK, "%s", text);
    if (missing) {
        vdpad_remedy(f, "%s", remedy);
    }
}

static void
flower_modules(const struct vdpad_check_input *in, struct vdpad_finding *f)
{
    static const char *const names[] = {
        "cls_flower",
        "act_mirred",
        "sch_ingress",
        NULL,
    };

    check_modules(in, f, names,
                  "boot a kernel with CONFIG_NET_CLS_FLOWER, "
                  "CONFIG_NET_ACT_MIRRED and CONFIG_NET_SCH_INGRESS");
}

static void
hw_offload(const struct vdpad_check_input *in, struct vdpad_finding *f)
{
    const char *value;

    if (!in->world->db) {
        vdpad_found(f, UNKNOWN, "the database was not read yet");
        return;
    }
    value = vdpad_map_get(&in->world->db->other_config, "hw-offload");
    vdpad_found(f, value && !strcmp(value, "true") ? OK : FAIL,
                "other_config:hw-offload is %s", value ? value : "not set");
    if (f->result == FAIL) {
        vdpad_remedy(f, "ovs-vsctl set Open_vSwitch . "
                        "other_config:hw-offload=true && systemctl restart "
                        "openvswitch-switch");
    }
}

static void
tc_policy(const struct vdpad_check_input *in, struct vdpad_finding *f)
{
    const char *value;

    if (!in->world->db) {
        vdpad_found(f, UNKNOWN, "the database was not read yet");
        return;
    }
    value = vdpad_map_get(&in->world->db->other_config, "tc-policy");
    if (!value || !strcmp(value, "none")) {
        vdpad_found(f, OK, "other_config:tc-policy is %s",
                    value ? value : "not set");
    } else if (!strcmp(value, "skip_sw")) {
        vdpad_found(f, UNKNOWN,
                    "other_config:tc-policy is skip_sw, which "
                    "keeps connection tracking out of hardware");
    } else {
        vdpad_found(f, FAIL, "other_config:tc-policy is %s", value);
    }
    if (f->result != OK) {
        vdpad_remedy(f, "ovs-vsctl remove Open_vSwitch . other_config "
                        "tc-policy && systemctl restart openvswitch-switch");
    }
}

const struct vdpad_check vdpad_checks_host[] = {
    { "flower-modules", flower_modules },
    { "hw-offload", hw_offload },
    { "tc-policy", tc_policy },
    { NULL, NULL },
};

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
    check_modules(in, f, names,
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
        vdpad_remedy(f,
                     "set eswitch-mode=switchdev in its policy, or: "
                     "devlink dev eswitch set pci/%s mode switchdev",
                     vdpad_shell_word(pf->pci->bdf, word));
    }
}

static void
uplink_up(const struct vdpad_check_input *in, struct vdpad_finding *f)
{
    const struct vdpad_pf *pf = in->dev->pf;
    const struct vdpad_link *uplink = pf ? pf->uplink : NULL;
    char word[VDPAD_SHELL_SIZE];

    if (!pf) {
        vdpad_skip(f);
    } else if (uplink) {
        bool up = uplink->flags & IFF_UP;

        vdpad_found(f, up && uplink->carrier ? OK : FAIL, "uplink %s is %s%s",
                    uplink->name, up ? "up" : "down",
                    uplink->carrier ? "" : " and has no carrier");
        if (!up) {
            vdpad_remedy(f, "ip link set dev %s up",
                         vdpad_shell_word(uplink->name, word));
        } else if (!uplink->carrier) {
            vdpad_remedy(f, "check the cable and the far side");
        }
    } else if (vdpad_check_knows(in, VDPAD_LINK, f)) {
        vdpad_found(f, FAIL, "%s has no uplink netdev", pf->pci->bdf);
        vdpad_remedy(f, "see that its driver is bound: pf/list");
    }
}

static void
uplink_hw_tc(const struct vdpad_check_input *in, struct vdpad_finding *f)
{
    const struct vdpad_pf *pf = in->dev->pf;
    char word[VDPAD_SHELL_SIZE];

    if (!pf || !pf->uplink) {
        vdpad_skip(f);
    } else if (pf->uplink_feature) {
        vdpad_found(f, pf->uplink_feature->active ? OK : FAIL,
                    "hw-tc-offload of uplink %s is %s", pf->uplink->name,
                    pf->uplink_feature->active ? "on" : "off");
        if (!pf->uplink_feature->active) {
            vdpad_remedy(f, "ethtool -K %s hw-tc-offload on",
                         vdpad_shell_word(pf->uplink->name, word));
        }
    } else if (vdpad_check_knows(in, VDPAD_FEATURE, f)) {
        vdpad_found(f, FAIL, "uplink %s has no hw-tc-offload",
                    pf->uplink->name);
        vdpad_remedy(f, "boot a kernel whose driver for it can offload "
                        "flower (for mlx5: CONFIG_MLX5_CLS_ACT)");
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

/* Whether anything drives the device: negotiated features appear, or the
 * driver has set its status. */
static void
negotiated(const struct vdpad_check_input *in, struct vdpad_finding *f)
{
    const struct vdpad_dev *dev = in->dev;

    if (!dev->vdpa || !wants_vdpa(dev)) {
        vdpad_skip(f);
    } else if (!dev->vdpa->has_negotiated) {
        vdpad_found(f, UNKNOWN,
                    "the kernel does not tell whether a guest's "
                    "driver has negotiated features%s",
                    dev->n_holders ? "" : "; nobody holds the device");
    } else if (dev->vdpa->negotiated) {
        vdpad_found(f, OK, "a driver has negotiated features 0x%llx",
                    (unsigned long long) dev->vdpa->negotiated);
    } else {
        vdpad_found(f, dev->n_holders ? FAIL : UNKNOWN,
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

    if (!vdpa || !wants_vdpa(in->dev)) {
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

    vdpad_found(f,
                dev->state == VDPAD_STATE_READY     ? OK
                : dev->state == VDPAD_STATE_FOREIGN ? UNKNOWN
                                                    : FAIL,
                "%s%s%s", vdpad_state_name(dev->state),
                dev->reason[0] ? ": " : "", dev->reason);
    if (f->result == FAIL) {
        vdpad_remedy(f, "ovs-appctl -t ovs-vdpad plan");
    }
}

const struct vdpad_check vdpad_checks_chain[] = {
    { "state", device_state },
    { "vdpa-modules", vdpa_modules },
    { "eswitch-mode", eswitch_mode },
    { "uplink-up", uplink_up },
    { "uplink-hw-tc-offload", uplink_hw_tc },
    { "vdpa-device", vdpa_device },
    { "vdpa-driver", vdpa_driver },
    { "vdpa-negotiated", negotiated },
    { "vdpa-link", vdpa_link },
    { NULL, NULL },
};
