/* SPDX-License-Identifier: Apache-2.0 */
/* Steps on PFs, their VFs, and netdevs: see fake-steps.c. */
#include "fake-steps.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>

#define BIT(CLASS) (1u << (CLASS))

/* Largest MTU that mlx5 accepts. */
#define MAX_MTU 9978

int
sim_set_numvfs(struct sim *sim, struct sim_pf *pf, const struct vdpad_act *act,
               struct vdpad_error *why)
{
    if (act->number < 0 || act->number > pf->totalvfs) {
        return vdpad_error_set(why, -ERANGE, "%s: sriov_numvfs %lld of %d",
                               pf->bdf, (long long) act->number, pf->totalvfs);
    }
    if (act->number && act->number == pf->numvfs) {
        return vdpad_error_set(why, -ESTALE, "%s: has %d VFs by now", pf->bdf,
                               pf->numvfs);
    }
    if (act->number == pf->numvfs) {
        return 0;
    }
    if (!pf->driver[0]) {
        return vdpad_error_set(why, -ENOENT, "%s: no driver bound", pf->bdf);
    }
    if (act->number && pf->numvfs) {
        return vdpad_error_set(why, -EBUSY, "%s: %d VFs already enabled",
                               pf->bdf, pf->numvfs);
    }
    pf->numvfs = (int32_t) act->number;
    for (int i = 0; i < pf->totalvfs; i++) {
        struct sim_vf *vf = &pf->vfs[i];

        vf->wanted = i < pf->numvfs;
        vf->appears_ns = 0;
        if (sim->vf_delay_ns) {
            vf->appears_ns = sim->now_ns + sim->vf_delay_ns * (i + 1);
        }
        memset(vf->mac, 0, sizeof vf->mac);
    }
    sim_touch(sim, BIT(VDPAD_PCI));
    return 0;
}

int
sim_set_mode(struct sim *sim, struct sim_pf *pf, const struct vdpad_act *act,
             struct vdpad_error *why)
{
    if (act->number != VDPAD_ESWITCH_LEGACY
        && act->number != VDPAD_ESWITCH_SWITCHDEV) {
        return vdpad_error_set(why, -EOPNOTSUPP, "%s: unknown e-switch mode",
                               pf->bdf);
    }
    if (act->number == pf->mode) {
        return 0;
    }
    if (sim->order == SIM_ORDER_VFS_FIRST && !pf->numvfs
        && act->number == VDPAD_ESWITCH_SWITCHDEV) {
        return vdpad_error_set(why, -EOPNOTSUPP,
                               "%s: switchdev needs "
                               "SR-IOV to be enabled",
                               pf->bdf);
    }
    if (sim->order == SIM_ORDER_MODE_FIRST && pf->numvfs) {
        return vdpad_error_set(why, -EOPNOTSUPP,
                               "%s: the e-switch mode "
                               "cannot change while VFs exist",
                               pf->bdf);
    }
    /* mlx5 unregisters the management devices meanwhile. */
    for (int i = 0; i < SIM_VDPAS; i++) {
        struct sim_pf *owner = NULL;

        if (sim->vdpas[i].used && sim_find_vf(sim, sim->vdpas[i].dev, &owner)
            && owner == pf) {
            sim_delete_vdpa(sim, &sim->vdpas[i]);
        }
    }
    pf->mode = (int32_t) act->number;
    sim_touch(sim, BIT(VDPAD_ESWITCH) | BIT(VDPAD_DLPORT) | BIT(VDPAD_LINK)
                       | BIT(VDPAD_MGMTDEV));
    return 0;
}

bool
sim_is_unbound_first(const struct vdpad_act *act, const struct sim_vf *vf)
{
    return vf && vf->driver[0]
           && (act->word[0] ? strcmp(vf->driver, act->word) != 0
                            : !strcmp(vf->driver, act->from));
}

int
sim_probe_vf(struct sim *sim, const struct vdpad_act *act,
             struct vdpad_error *why)
{
    struct sim_pf *pf = NULL;
    struct sim_vf *vf = sim_find_vf(sim, act->object, &pf);
    const char *driver;

    if (!vf) {
        return vdpad_error_set(why, -ENODEV, "%s: no such device",
                               act->object);
    }
    driver = act->word[0] ? act->word : pf->vf_driver;
    if (strcmp(driver, pf->vf_driver)
        && !(!strcmp(driver, "vfio-pci") && sim_is_loaded(sim, "vfio_pci"))) {
        return vdpad_error_set(why, -ENOENT, "%s: no driver %s", vf->bdf,
                               driver);
    }
    if (!act->word[0] && vf->driver[0] && !sim_is_unbound_first(act, vf)) {
        return 0;
    }
    if (act->word[0] && !strcmp(vf->driver, act->word)) {
        return vdpad_error_set(why, -ESTALE, "%s: has driver %s by now",
                               vf->bdf, vf->driver);
    }
    if (sim_is_unbound_first(act, vf)) {
        vf->driver[0] = '\0';
        sim_settle(sim);
    }
    sim_text(vf->driver_override, sizeof vf->driver_override, "%s", act->word);
    if (!vf->driver[0]) {
        /* Without sriov_drivers_autoprobe too: an override is set for the
         * time of the probe. */
        sim_text(vf->driver, sizeof vf->driver, "%s", driver);
        sim_touch(sim, BIT(VDPAD_PCI));
    }
    return 0;
}

int
sim_unbind_vf(struct sim *sim, const struct vdpad_act *act,
              struct vdpad_error *why)
{
    struct sim_vf *vf = sim_find_vf(sim, act->object, NULL);

    if (!vf) {
        return vdpad_error_set(why, -ENODEV, "%s: no such device",
                               act->object);
    }
    if (vf->driver[0]) {
        vf->driver[0] = '\0';
        sim_touch(sim, BIT(VDPAD_PCI));
    }
    return 0;
}

int
sim_set_hw_addr(struct sim_pf *pf, const struct vdpad_act *act,
                struct vdpad_error *why)
{
    int64_t i = act->number - 1;

    if (i < 0 || i >= pf->totalvfs || !pf->vfs[i].has_port) {
        return vdpad_error_set(why, -ENODEV, "%s: no devlink port %lld",
                               pf->bdf, (long long) act->number);
    }
    memcpy(pf->vfs[i].mac, act->mac, 6);
    return 0;
}

int
sim_change_netdev(struct sim *sim, const struct vdpad_act *act,
                  struct vdpad_error *why)
{
    struct sim_netdev *dev = sim_find_ifindex(sim, act->ifindex);

    if (!dev || strcmp(dev->link.name, act->object)) {
        return vdpad_error_set(why, -ESTALE, "%s: not netdev %d any more",
                               act->object, act->ifindex);
    }
    if (act->kind == VDPAD_ACT_LINK_UP) {
        dev->link.flags = act->number ? dev->link.flags | IFF_UP
                                      : dev->link.flags & ~(uint32_t) IFF_UP;
        dev->carrier = act->number;
        sim_touch(sim, BIT(VDPAD_LINK));
    } else if (act->kind == VDPAD_ACT_LINK_MTU) {
        if (act->number < 68 || act->number > MAX_MTU) {
            return vdpad_error_set(why, -EINVAL,
                                   "%s: mtu %s than device "
                                   "%simum",
                                   act->object,
                                   act->number < 68 ? "less" : "greater",
                                   act->number < 68 ? "min" : "max");
        }
        dev->link.mtu = (uint32_t) act->number;
        sim_touch(sim, BIT(VDPAD_LINK));
    } else if (act->kind == VDPAD_ACT_VPORT_DEL) {
        dev->link.master = 0; /* In the kernel datapath, if in anything. */
        sim_touch(sim, BIT(VDPAD_LINK));
    } else if (act->kind == VDPAD_ACT_FILTER_DEL) {
        uint32_t foreign = dev->flow.foreign_flows;

        memset(&dev->flow, 0, sizeof dev->flow);
        dev->flow.sw_flows = dev->flow.foreign_flows = foreign;
    } else if (act->kind == VDPAD_ACT_QDISC_DEL) {
        if (act->number && dev->flow.foreign_flows) {
            return vdpad_error_set(why, -EBUSY,
                                   "chain 0 has a filter of priority 2 that "
                                   "is not Open vSwitch's");
        }
        if (dev->has_qdisc) {
            dev->has_qdisc = false;
            memset(&dev->flow, 0, sizeof dev->flow);
        }
    } else if (!dev->has_feature) {
        return vdpad_error_set(why, -EOPNOTSUPP,
                               "%s: hw-tc-offload cannot "
                               "be changed",
                               act->object);
    } else {
        dev->feature = act->number;
        sim_touch(sim, BIT(VDPAD_FEATURE));
    }
    return 0;
}
