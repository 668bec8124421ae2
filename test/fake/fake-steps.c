/* SPDX-License-Identifier: Apache-2.0 */
/* Steps, and the kernel's rules about them.  Where a rule comes from is said
 * in docs/kernel-behaviours.md; test/conformance proves each on the kernel
 * itself as well. */
#include "fake-sim.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#define BIT(CLASS) (1u << (CLASS))

/* Largest MTU that mlx5 accepts. */
#define MAX_MTU 9978

bool
sim_is_genl_act(int32_t kind)
{
    return kind == VDPAD_ACT_ESWITCH_MODE || kind == VDPAD_ACT_FEATURE
           || kind == VDPAD_ACT_VDPA_ADD || kind == VDPAD_ACT_VDPA_DEL
           || kind == VDPAD_ACT_VDPA_SET_MAC || kind == VDPAD_ACT_PORT_HW_ADDR
           || kind == VDPAD_ACT_VPORT_DEL;
}

bool
sim_is_frozen(const struct sim *sim)
{
    for (int i = 0; i < SIM_BLOCKS; i++) {
        if (sim->blocks[i].used && !sim->blocks[i].done
            && sim->blocks[i].freezes) {
            return true;
        }
    }
    return false;
}

/* Whether VDPA_DEL 'act' means 'vdpa', which has its name. */
static bool
is_where_expected(const struct vdpad_act *act, const struct sim_vdpa *vdpa)
{
    const char *vf = strchr(act->word, '/');

    return !vf || !strcmp(vdpa->dev, vf + 1);
}

/* Whether VF_PROBE 'act' takes 'vf' (may be NULL) away from its driver. */
static bool
is_unbound_first(const struct vdpad_act *act, const struct sim_vf *vf)
{
    return vf && vf->driver[0]
           && (act->word[0] ? strcmp(vf->driver, act->word) != 0
                            : !strcmp(vf->driver, act->from));
}

/* Whether 'act' takes 'vdpa' away from its bus driver. */
static bool
disturbs(struct sim *sim, const struct vdpad_act *act,
         const struct sim_vdpa *vdpa)
{
    struct sim_pf *pf = NULL;

    switch ((enum vdpad_act_kind) act->kind) {
    case VDPAD_ACT_VDPA_DEL:
        return !strcmp(vdpa->name, act->object)
               && is_where_expected(act, vdpa);
    case VDPAD_ACT_VDPA_UNBIND:
        return !strcmp(vdpa->name, act->object);
    case VDPAD_ACT_VDPA_BIND:
        return !strcmp(vdpa->name, act->object)
               && strcmp(vdpa->driver, act->word);
    case VDPAD_ACT_VF_UNBIND:
        return !strcmp(vdpa->dev, act->object);
    case VDPAD_ACT_VF_PROBE:
        return !strcmp(vdpa->dev, act->object)
               && is_unbound_first(act, sim_find_vf(sim, act->object, &pf));
    case VDPAD_ACT_NUMVFS:
    case VDPAD_ACT_ESWITCH_MODE:
        if (!sim_find_vf(sim, vdpa->dev, &pf)
            || strcmp(pf->bdf, act->object)) {
            return false;
        }
        return act->kind == VDPAD_ACT_NUMVFS ? !act->number
                                             : act->number != pf->mode;
    case VDPAD_ACT_MODULE_LOAD:
    case VDPAD_ACT_AUTOPROBE:
    case VDPAD_ACT_FEATURE:
    case VDPAD_ACT_VDPA_ADD:
    case VDPAD_ACT_VDPA_SET_MAC:
    case VDPAD_ACT_LINK_UP:
    case VDPAD_ACT_LINK_MTU:
    case VDPAD_ACT_QDISC_DEL:
    case VDPAD_ACT_FILTER_DEL:
    case VDPAD_ACT_PORT_HW_ADDR:
    case VDPAD_ACT_VPORT_DEL:
    case VDPAD_ACT_N:
    default:
        return false;
    }
}

static bool
is_away(const struct sim *sim, const struct sim_vdpa *vdpa)
{
    return vdpa->netdev >= 0 && sim->netdevs[vdpa->netdev].away;
}

/* The first device that 'act' would take away from a holder, or, with
 * 'also_away', from another namespace; NULL: none. */
static struct sim_vdpa *
find_held(struct sim *sim, const struct vdpad_act *act, bool also_away)
{
    for (int i = 0; i < SIM_VDPAS; i++) {
        struct sim_vdpa *vdpa = &sim->vdpas[i];

        if (vdpa->used
            && (sim_find_holder(sim, vdpa)
                || (also_away && is_away(sim, vdpa)))
            && disturbs(sim, act, vdpa)) {
            return vdpa;
        }
    }
    return NULL;
}

/* The VF that 'act' would take away from who has its VFIO device open; NULL:
 * none. */
static const struct sim_vf *
find_vfio_held(struct sim *sim, const struct vdpad_act *act)
{
    const struct sim_pf *pf = sim_find_pf(sim, act->object);
    const struct sim_vf *vf = sim_find_vf(sim, act->object, NULL);

    if (act->kind == VDPAD_ACT_VF_UNBIND
        || (act->kind == VDPAD_ACT_VF_PROBE && is_unbound_first(act, vf))) {
        return vf && vf->vfio_pid ? vf : NULL;
    }
    if (!pf
        || !((act->kind == VDPAD_ACT_NUMVFS && !act->number)
             || (act->kind == VDPAD_ACT_ESWITCH_MODE
                 && act->number != pf->mode))) {
        return NULL;
    }
    for (vf = pf->vfs; vf < pf->vfs + pf->totalvfs; vf++) {
        if (vf->vfio_pid) {
            return vf;
        }
    }
    return NULL;
}

static int
load_module(struct sim *sim, const char *name, struct vdpad_error *why)
{
    int i = sim_module_index(name);

    if (i < 0) {
        return vdpad_error_set(why, -EINVAL, "%s: not a module of ours", name);
    }
    if (sim->modules[i] == VDPAD_MODULE_MISSING) {
        return vdpad_error_set(why, -ENOENT, "%s: no such module", name);
    }
    if (sim->modules[i] == VDPAD_MODULE_LOADED) {
        return 0;
    }
    if (strcmp(name, "vdpa") && strstr(name, "vdpa")) {
        int error = load_module(sim, "vdpa", why);

        if (error) {
            return error;
        }
    }
    return sim_set_module(sim, name, VDPAD_MODULE_LOADED);
}

static int
set_numvfs(struct sim *sim, struct sim_pf *pf, const struct vdpad_act *act,
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

static int
set_mode(struct sim *sim, struct sim_pf *pf, const struct vdpad_act *act,
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

static int
probe_vf(struct sim *sim, const struct vdpad_act *act, struct vdpad_error *why)
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
    if (!act->word[0] && vf->driver[0] && !is_unbound_first(act, vf)) {
        return 0;
    }
    if (is_unbound_first(act, vf)) {
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

static int
unbind_vf(struct sim *sim, const struct vdpad_act *act,
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

/* Finds the management device "bus/dev" or "dev". */
static bool
find_mgmtdev(struct sim *sim, const char *handle, const struct sim_vf **ret_vf)
{
    *ret_vf = NULL;
    if (!strncmp(handle, "pci/", 4)) {
        const struct sim_vf *vf = sim_find_vf(sim, handle + 4, NULL);

        *ret_vf = vf;
        return vf && sim_has_mgmtdev(sim, vf);
    }
    for (int i = 0; i < SIM_MGMTDEVS; i++) {
        if (sim->mgmtdevs[i].used && !strcmp(sim->mgmtdevs[i].dev, handle)) {
            return true;
        }
    }
    return false;
}

/* The driver that a new device on the vdpa bus gets by itself: the one that
 * was loaded first. */
static const char *
first_vdpa_driver(const struct sim *sim)
{
    int vhost = sim_module_index("vhost_vdpa");
    int virtio = sim_module_index("virtio_vdpa");
    bool has_vhost = sim->modules[vhost] == VDPAD_MODULE_LOADED;
    bool has_virtio = sim->modules[virtio] == VDPAD_MODULE_LOADED;

    if (has_vhost && has_virtio) {
        return sim->load_order[vhost] < sim->load_order[virtio]
                   ? "vhost_vdpa"
                   : "virtio_vdpa";
    }
    return has_vhost ? "vhost_vdpa" : has_virtio ? "virtio_vdpa" : "";
}

static int
add_vdpa(struct sim *sim, const struct vdpad_act *act, struct vdpad_error *why)
{
    static const uint8_t zero[6];
    const struct sim_vf *vf;
    struct sim_vdpa *vdpa = NULL;
    const char *slash;

    if (!sim_is_loaded(sim, "vdpa")) {
        return vdpad_error_set(why, -EOPNOTSUPP,
                               "vdpa: no such generic "
                               "netlink family (module not loaded)");
    }
    if (act->mtu && act->mtu < 68) {
        return vdpad_error_set(why, -ERANGE, "%s: mtu: integer out of range",
                               act->object);
    }
    if (!find_mgmtdev(sim, act->word, &vf)) {
        return vdpad_error_set(why, -ENODEV,
                               "%s: Fail to find the specified "
                               "management device",
                               act->word);
    }
    for (int i = 0; i < SIM_VDPAS; i++) {
        struct sim_vdpa *other = &sim->vdpas[i];

        if (!other->used) {
            vdpa = vdpa ? vdpa : other;
        } else if (!strcmp(other->name, act->object)) {
            return vdpad_error_set(why, -EEXIST,
                                   "%s: Failed to add vdpa "
                                   "device",
                                   act->object);
        } else if (vf && !strcmp(other->dev, vf->bdf)) {
            return vdpad_error_set(why, -ENOSPC, "%s: has its one device",
                                   act->word);
        }
    }
    if (vf && 2u * act->max_vqp + 1 > sim->max_vqs) {
        return vdpad_error_set(why, -EINVAL, "%s: max_vqp %u is too large",
                               act->object, act->max_vqp);
    }
    if (!vdpa) {
        return vdpad_error_set(why, -ENOSPC, "the simulation is full");
    }
    memset(vdpa, 0, sizeof *vdpa);
    vdpa->used = true;
    vdpa->chardev = vdpa->virtio = vdpa->netdev = -1;
    memcpy(vdpa->name, act->object, sizeof vdpa->name);
    slash = strchr(act->word, '/');
    sim_text(vdpa->bus, sizeof vdpa->bus, "%s", slash ? "pci" : "");
    sim_text(vdpa->dev, sizeof vdpa->dev, "%s", slash ? slash + 1 : act->word);
    if (act->has_mac) {
        memcpy(vdpa->mac, act->mac, 6);
    } else if (vf) {
        memcpy(vdpa->mac, vf->mac, 6);
    }
    vdpa->has_mac = memcmp(vdpa->mac, zero, 6);
    vdpa->mtu = act->mtu ? act->mtu : 1500;
    vdpa->max_vqp = act->max_vqp ? act->max_vqp : 1;
    sim_bind_vdpa(sim, vdpa, first_vdpa_driver(sim));
    return 0;
}

/* Steps on one vDPA device. */
static int
change_vdpa(struct sim *sim, const struct vdpad_act *act,
            struct vdpad_error *why)
{
    struct sim_vdpa *vdpa = sim_find_vdpa(sim, act->object);

    if (!vdpa) {
        return vdpad_error_set(why, -ENODEV, "%s: device not found",
                               act->object);
    }
    if (act->kind == VDPAD_ACT_VDPA_DEL) {
        if (!is_where_expected(act, vdpa)) {
            return vdpad_error_set(why, -ESTALE, "%s: not on %s", act->object,
                                   act->word);
        }
        sim_delete_vdpa(sim, vdpa);
    } else if (act->kind == VDPAD_ACT_VDPA_UNBIND) {
        if (vdpa->driver[0] || vdpa->dying) {
            sim_bind_vdpa(sim, vdpa, "");
        }
    } else if (act->kind == VDPAD_ACT_VDPA_SET_MAC) {
        /* No event tells of this. */
        memcpy(vdpa->mac, act->mac, 6);
        vdpa->has_mac = true;
    } else if (strcmp(vdpa->driver, act->word)) {
        if (!sim_is_loaded(sim, act->word)
            || (strcmp(act->word, "vhost_vdpa")
                && strcmp(act->word, "virtio_vdpa"))) {
            return vdpad_error_set(why, -ENODEV,
                                   "%s: no driver %s on the "
                                   "vdpa bus",
                                   act->object, act->word);
        }
        sim_bind_vdpa(sim, vdpa, act->word);
    }
    return 0;
}

static int
change_netdev(struct sim *sim, const struct vdpad_act *act,
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

static int
set_hw_addr(struct sim_pf *pf, const struct vdpad_act *act,
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

/* Does 'act' now, whoever holds what. */
static int
do_act(struct sim *sim, const struct vdpad_act *act, struct vdpad_error *why)
{
    struct sim_pf *pf = sim_find_pf(sim, act->object);
    int error;

    switch ((enum vdpad_act_kind) act->kind) {
    case VDPAD_ACT_MODULE_LOAD:
        error = load_module(sim, act->object, why);
        break;
    case VDPAD_ACT_AUTOPROBE:
    case VDPAD_ACT_NUMVFS:
    case VDPAD_ACT_ESWITCH_MODE:
    case VDPAD_ACT_PORT_HW_ADDR:
        if (!pf) {
            error = vdpad_error_set(why, -ENODEV, "%s: no such device",
                                    act->object);
        } else if (act->kind == VDPAD_ACT_AUTOPROBE) {
            pf->autoprobe = act->number ? 1 : 0;
            error = 0;
        } else if (act->kind == VDPAD_ACT_NUMVFS) {
            error = set_numvfs(sim, pf, act, why);
        } else if (act->kind == VDPAD_ACT_ESWITCH_MODE) {
            error = set_mode(sim, pf, act, why);
        } else {
            error = set_hw_addr(pf, act, why);
            sim_touch(sim, BIT(VDPAD_DLPORT));
        }
        break;
    case VDPAD_ACT_VF_PROBE:
        error = probe_vf(sim, act, why);
        break;
    case VDPAD_ACT_VF_UNBIND:
        error = unbind_vf(sim, act, why);
        break;
    case VDPAD_ACT_VDPA_ADD:
        error = add_vdpa(sim, act, why);
        break;
    case VDPAD_ACT_VDPA_DEL:
    case VDPAD_ACT_VDPA_SET_MAC:
    case VDPAD_ACT_VDPA_BIND:
    case VDPAD_ACT_VDPA_UNBIND:
        error = change_vdpa(sim, act, why);
        break;
    case VDPAD_ACT_FEATURE:
    case VDPAD_ACT_LINK_UP:
    case VDPAD_ACT_LINK_MTU:
    case VDPAD_ACT_QDISC_DEL:
    case VDPAD_ACT_VPORT_DEL:
    case VDPAD_ACT_FILTER_DEL:
        error = change_netdev(sim, act, why);
        break;
    case VDPAD_ACT_N:
    default:
        error = vdpad_error_set(why, -EINVAL, "unknown step");
        break;
    }
    sim_settle(sim);
    return error;
}

static int
block(struct sim *sim, const struct vdpad_act *act, struct sim_vdpa *vdpa,
      int *ret_block, struct vdpad_error *why)
{
    for (int i = 0; i < SIM_BLOCKS; i++) {
        struct sim_block *b = &sim->blocks[i];

        if (!b->used) {
            memset(b, 0, sizeof *b);
            b->used = true;
            b->act = *act;
            /* Unbinding through sysfs holds the device's lock alone; the
             * rest runs under the vdpa core's. */
            b->freezes = act->kind != VDPAD_ACT_VDPA_UNBIND
                         && act->kind != VDPAD_ACT_VDPA_BIND;
            vdpa->dying = true;
            vdpa->is_unlinked = b->freezes;
            vdpa->driver[0] = '\0';
            sim_touch(sim, BIT(VDPAD_VBUS));
            *ret_block = i;
            return SIM_BLOCKED;
        }
    }
    return vdpad_error_set(why, -ENOMEM, "too many blocked steps");
}

int
sim_apply(struct sim *sim, const struct vdpad_act *act, bool guard,
          int *ret_block, struct vdpad_error *why)
{
    struct sim_vdpa *held = find_held(sim, act, guard && !act->force);
    const struct sim_vf *vf = find_vfio_held(sim, act);

    if (vf && guard && !act->force) {
        return vdpad_error_set(why, -EBUSY, "%s: in use by pid %d (qemu)",
                               vf->bdf, vf->vfio_pid);
    }

    if (held && guard && !act->force) {
        const struct sim_holder *h = sim_find_holder(sim, held);

        if (!h) {
            return vdpad_error_set(why, -EBUSY,
                                   "%s: in use: its netdev is "
                                   "in another network namespace",
                                   held->name);
        }
        if (!h->command[0]) {
            return vdpad_error_set(why, -EBUSY,
                                   "%s: in use: features are negotiated, "
                                   "though no process is seen to have it "
                                   "open",
                                   held->name);
        }
        return vdpad_error_set(why, -EBUSY, "%s: in use by pid %d (%s)",
                               held->name, h->pid, h->command);
    }
    return held ? block(sim, act, held, ret_block, why)
                : do_act(sim, act, why);
}

void
sim_run_blocks(struct sim *sim)
{
    for (int i = 0; i < SIM_BLOCKS; i++) {
        struct sim_block *b = &sim->blocks[i];

        if (b->used && !b->done && !find_held(sim, &b->act, false)) {
            b->error = do_act(sim, &b->act, &b->why);
            b->done = true;
            if (b->is_orphan) {
                memset(b, 0, sizeof *b);
            }
        }
    }
}

void
sim_orphan_blocks(struct sim *sim)
{
    for (int i = 0; i < SIM_BLOCKS; i++) {
        struct sim_block *b = &sim->blocks[i];

        b->is_orphan = b->used;
        if (b->done) {
            memset(b, 0, sizeof *b);
        }
    }
}

bool
sim_block_is_done(struct sim *sim, int i, int *ret_error,
                  struct vdpad_error *why)
{
    struct sim_block *b = &sim->blocks[i];

    if (!b->done) {
        return false;
    }
    *ret_error = b->error;
    if (b->error && why) {
        *why = b->why;
    }
    memset(b, 0, sizeof *b);
    return true;
}
