/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures of the simulated host, and what others do to it. */
#include "fake-sim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BIT(CLASS) (1u << (CLASS))

/* As in linux/devlink.h. */
#define FLAVOUR_PHYSICAL 0
#define FLAVOUR_PCI_VF 4
/* devlink port index of the uplink; those of VFs are index + 1. */
#define UPLINK_PORT 65535u
/* CSUM, GUEST_CSUM, MTU, MAC, HOST_TSO4, HOST_TSO6, MRG_RXBUF, STATUS,
 * CTRL_VQ, MQ, CTRL_MAC_ADDR, VERSION_1, ACCESS_PLATFORM of virtio_net. */
#define FEATURES UINT64_C(0x300c3982b)

/* Appends 'row', whose size the class knows. */
static void
put(struct vdpad_picture *p, const void *row)
{
    p->rows = realloc(p->rows, (p->n + 1) * p->row_size);
    if (!p->rows) {
        abort();
    }
    memcpy((char *) p->rows + p->n++ * p->row_size, row, p->row_size);
}

static void
put_modules(const struct sim *sim, struct vdpad_picture *p)
{
    for (int i = 0; vdpad_module_names[i]; i++) {
        struct vdpad_module row = { .state = sim->modules[i] };

        sim_text(row.name, sizeof row.name, "%s", vdpad_module_names[i]);
        put(p, &row);
    }
}

static void
put_pci(const struct sim_pf *pf, struct vdpad_picture *p)
{
    struct vdpad_pci row = {
        .vf_index = -1,
        .vendor = 0x15b3,
        .device = 0x101d,
        /* The driver takes them away and brings as many back. */
        .numvfs = pf->reset_ns ? 0 : pf->numvfs,
        .totalvfs = pf->totalvfs,
        .autoprobe = pf->autoprobe,
        .iommu_group = -1,
    };

    memcpy(row.bdf, pf->bdf, sizeof row.bdf);
    memcpy(row.driver, pf->driver, sizeof row.driver);
    put(p, &row);
    for (int i = 0; i < pf->totalvfs; i++) {
        const struct sim_vf *vf = &pf->vfs[i];
        struct vdpad_pci vrow = {
            .vf_index = i,
            .vendor = 0x15b3,
            .device = 0x101e,
            .numvfs = -1,
            .totalvfs = -1,
            .autoprobe = -1,
            .iommu_group = -1,
        };

        if (vf->present) {
            memcpy(vrow.bdf, vf->bdf, sizeof vrow.bdf);
            memcpy(vrow.pf, pf->bdf, sizeof vrow.pf);
            memcpy(vrow.driver, vf->driver, sizeof vrow.driver);
            memcpy(vrow.driver_override, vf->driver_override,
                   sizeof vrow.driver_override);
            put(p, &vrow);
        }
    }
}

static void
put_dlports(const struct sim *sim, const struct sim_pf *pf, int pf_index,
            struct vdpad_picture *p)
{
    const struct vdpad_link *uplink = &sim->netdevs[pf->uplink].link;
    struct vdpad_dlport row = {
        .index = UPLINK_PORT,
        .flavour = FLAVOUR_PHYSICAL,
        .controller = -1,
        .pf = -1,
        .vf = -1,
        .sf = -1,
        .ifindex = uplink->ifindex,
    };

    sim_text(row.bus, sizeof row.bus, "pci");
    sim_text(row.dev, sizeof row.dev, "%s", pf->bdf);
    memcpy(row.ifname, uplink->name, sizeof row.ifname);
    put(p, &row);
    for (int i = 0; i < pf->totalvfs; i++) {
        const struct sim_vf *vf = &pf->vfs[i];
        struct vdpad_dlport vrow = {
            .index = (uint32_t) i + 1,
            .flavour = FLAVOUR_PCI_VF,
            .controller = 0,
            .pf = pf_index,
            .vf = i,
            .sf = -1,
            .has_hw_addr = true,
        };

        if (!vf->has_port) {
            continue;
        }
        memcpy(vrow.bus, row.bus, sizeof vrow.bus);
        memcpy(vrow.dev, row.dev, sizeof vrow.dev);
        memcpy(vrow.hw_addr, vf->mac, 6);
        if (vf->rep >= 0) {
            const struct vdpad_link *rep = &sim->netdevs[vf->rep].link;

            vrow.ifindex = rep->ifindex;
            memcpy(vrow.ifname, rep->name, sizeof vrow.ifname);
        }
        put(p, &vrow);
    }
}

static void
put_eswitches(const struct sim_pf *pf, struct vdpad_picture *p)
{
    struct vdpad_eswitch row = {
        .mode = pf->mode,
        .inline_mode = 0,
        .encap_mode = 1,
    };

    sim_text(row.bus, sizeof row.bus, "pci");
    sim_text(row.dev, sizeof row.dev, "%s", pf->bdf);
    memcpy(row.driver, pf->driver, sizeof row.driver);
    sim_text(row.fw_version, sizeof row.fw_version, "22.38.1002");
    put(p, &row);
    for (int i = 0; i < pf->totalvfs; i++) {
        const struct sim_vf *vf = &pf->vfs[i];
        struct vdpad_eswitch vrow = {
            .mode = VDPAD_ESWITCH_NONE,
            .inline_mode = -1,
            .encap_mode = -1,
        };

        if (vf->present && !strcmp(vf->driver, "mlx5_core")) {
            sim_text(vrow.bus, sizeof vrow.bus, "pci");
            sim_text(vrow.dev, sizeof vrow.dev, "%s", vf->bdf);
            memcpy(vrow.driver, vf->driver, sizeof vrow.driver);
            put(p, &vrow);
        }
    }
}

static void
put_pf_rows(struct sim *sim, enum vdpad_class class_, struct vdpad_picture *p)
{
    for (int i = 0; i < SIM_PFS; i++) {
        const struct sim_pf *pf = &sim->pfs[i];

        if (!pf->used) {
            continue;
        }
        if (class_ == VDPAD_PCI) {
            put_pci(pf, p);
        } else if (class_ == VDPAD_DLPORT) {
            put_dlports(sim, pf, i, p);
        } else {
            put_eswitches(pf, p);
        }
    }
}

static void
put_netdev_rows(const struct sim *sim, enum vdpad_class class_,
                struct vdpad_picture *p)
{
    for (int i = 0; i < SIM_NETDEVS; i++) {
        const struct sim_netdev *dev = &sim->netdevs[i];

        if (!dev->used || dev->away) {
            continue;
        }
        if (class_ == VDPAD_LINK) {
            struct vdpad_link row = dev->link;

            row.carrier = dev->carrier;
            put(p, &row);
        } else if (class_ == VDPAD_FEATURE && dev->has_feature) {
            struct vdpad_feature row = {
                .ifindex = dev->link.ifindex,
                .supported = true,
                .active = dev->feature,
            };

            memcpy(row.name, dev->link.name, sizeof row.name);
            put(p, &row);
        } else if (class_ == VDPAD_QDISC && dev->has_qdisc) {
            struct vdpad_qdisc row = {
                .ifindex = dev->link.ifindex,
            };

            put(p, &row);
        } else if (class_ == VDPAD_FLOW && dev->has_qdisc) {
            struct vdpad_flow row = dev->flow;

            row.ifindex = dev->link.ifindex;
            sim_count_flows(sim, &row);
            put(p, &row);
        } else if (class_ == VDPAD_KFLOW) {
            struct vdpad_kflow row = dev->kflow;

            row.ifindex = dev->link.ifindex;
            sim_count_kflows(sim, &row);
            if (row.flows) {
                put(p, &row);
            }
        } else if (class_ == VDPAD_TCPRIO && dev->has_qdisc) {
            /* One of Open vSwitch's priorities is enough. */
            struct vdpad_tcprio row = {
                .ifindex = dev->link.ifindex,
                .prio = 2,
                .filters = dev->flow.hw_flows + dev->flow.sw_flows,
                .hw_filters = dev->flow.hw_flows,
            };

            row.ovs_filters = row.filters - dev->flow.foreign_flows;
            if (row.filters) {
                put(p, &row);
            }
        }
    }
}

static void
put_mgmtdevs(const struct sim *sim, struct vdpad_picture *p)
{
    if (!sim_is_loaded(sim, "vdpa")) {
        return;
    }
    for (int i = 0; i < SIM_PFS * SIM_VFS; i++) {
        const struct sim_vf *vf = &sim->pfs[i / SIM_VFS].vfs[i % SIM_VFS];
        struct vdpad_mgmtdev row = {
            .classes = 1u << 1,
            .features = FEATURES,
            .max_vqs = sim->max_vqs,
        };

        if (sim_has_mgmtdev(sim, vf)) {
            sim_text(row.bus, sizeof row.bus, "pci");
            sim_text(row.dev, sizeof row.dev, "%s", vf->bdf);
            put(p, &row);
        }
    }
    for (int i = 0; i < SIM_MGMTDEVS; i++) {
        struct vdpad_mgmtdev row = {
            .classes = 1u << 1,
            .features = FEATURES,
            .max_vqs = 3,
        };

        if (sim->mgmtdevs[i].used) {
            memcpy(row.dev, sim->mgmtdevs[i].dev, sizeof row.dev);
            put(p, &row);
        }
    }
}

static void
put_vdpas(const struct sim *sim, struct vdpad_picture *p)
{
    for (int i = 0; i < SIM_VDPAS; i++) {
        const struct sim_vdpa *v = &sim->vdpas[i];
        struct vdpad_vdpa row = {
            .id = 1,
            .vendor = 0x15b3,
            .max_vqs = 2u * v->max_vqp + 1,
            .max_vq_size = 256,
        };

        if (!v->used) {
            continue;
        }
        memcpy(row.name, v->name, sizeof row.name);
        memcpy(row.bus, v->bus, sizeof row.bus);
        memcpy(row.dev, v->dev, sizeof row.dev);
        if (!sim->has_no_config) {
            row.has_config = row.has_mtu = row.has_status = true;
            row.has_mac = v->has_mac;
            memcpy(row.mac, v->mac, 6);
            row.mtu = v->mtu;
            row.status = 1;
            row.has_max_vqp = v->max_vqp > 1;
            row.max_vqp = row.has_max_vqp ? v->max_vqp : 0;
            row.has_negotiated = sim_find_holder(sim, v) != NULL;
            row.negotiated = row.has_negotiated ? FEATURES : 0;
        }
        put(p, &row);
    }
}

static void
put_vbus(const struct sim *sim, struct vdpad_picture *p)
{
    for (int i = 0; i < SIM_VDPAS; i++) {
        const struct sim_vdpa *v = &sim->vdpas[i];
        struct vdpad_vbus row = { .netdev_away = false };

        if (!v->used || v->is_unlinked) {
            continue;
        }
        memcpy(row.name, v->name, sizeof row.name);
        if (v->bus[0]) {
            sim_text(row.parent, sizeof row.parent, "%s", v->dev);
        }
        memcpy(row.driver, v->driver, sizeof row.driver);
        if (v->chardev >= 0 && !v->dying) {
            sim_text(row.chardev, sizeof row.chardev, "vhost-vdpa-%d",
                     v->chardev);
        }
        if (v->virtio >= 0) {
            sim_text(row.virtio, sizeof row.virtio, "virtio%d", v->virtio);
        }
        if (v->netdev >= 0) {
            const struct sim_netdev *dev = &sim->netdevs[v->netdev];

            row.netdev_away = dev->away;
            if (!dev->away) {
                memcpy(row.netdev, dev->link.name, sizeof row.netdev);
            }
        }
        put(p, &row);
    }
}

static void
put_holders(const struct sim *sim, struct vdpad_picture *p)
{
    for (int i = 0; i < SIM_HOLDERS; i++) {
        const struct sim_holder *h = &sim->holders[i];
        struct vdpad_holder row = { .pid = h->pid };

        if (h->used && h->command[0]) {
            sim_text(row.chardev, sizeof row.chardev, "vhost-vdpa-%d",
                     h->chardev);
            memcpy(row.command, h->command, sizeof row.command);
            row.memlock = UINT64_MAX;
            put(p, &row);
        }
    }
}

static void
put_fact(struct vdpad_picture *p, const char *prefix, const char *name,
         const char *value)
{
    struct vdpad_host row = { .name = "" };

    sim_text(row.name, sizeof row.name, "%s%s", prefix, name);
    sim_text(row.value, sizeof row.value, "%s", value);
    put(p, &row);
}

static void
put_host(const struct sim *sim, struct vdpad_picture *p)
{
    put_fact(p, "", "kernel", "6.12.0-fake");
    put_fact(p, "", "kernel-config", "/boot/config-6.12.0-fake");
    put_fact(p, "", "pid-namespace", "initial");
    put_fact(p, "", "libvirt", "9.0.0");
    put_fact(p, "", "libvirt-source", "virtqemud, pid 9");
    put_fact(p, "qemu/", "/usr/bin/qemu-system-x86_64", "7.2.22");
    for (int i = 0; vdpad_config_names[i]; i++) {
        put_fact(p, "CONFIG_", vdpad_config_names[i],
                 !strcmp(sim->unset_config, vdpad_config_names[i]) ? "n"
                                                                   : "y");
    }
    if (sim->vswitchd) {
        char pid[16];

        sim_text(pid, sizeof pid, "%d", sim->vswitchd);
        put_fact(p, "vswitchd/", pid, "100");
    }
}

void
sim_picture(struct sim *sim, enum vdpad_class class_,
            struct vdpad_picture *picture)
{
    *picture = (struct vdpad_picture){
        .class_ = class_,
        .row_size = vdpad_row_size(class_),
    };
    switch (class_) {
    case VDPAD_MODULE:
        put_modules(sim, picture);
        break;
    case VDPAD_PCI:
    case VDPAD_ESWITCH:
    case VDPAD_DLPORT:
        put_pf_rows(sim, class_, picture);
        break;
    case VDPAD_LINK:
    case VDPAD_FEATURE:
    case VDPAD_QDISC:
    case VDPAD_FLOW:
    case VDPAD_KFLOW:
    case VDPAD_TCPRIO:
        put_netdev_rows(sim, class_, picture);
        break;
    case VDPAD_MGMTDEV:
        put_mgmtdevs(sim, picture);
        break;
    case VDPAD_VDPA:
        put_vdpas(sim, picture);
        break;
    case VDPAD_VBUS:
        put_vbus(sim, picture);
        break;
    case VDPAD_HOLDER:
        put_holders(sim, picture);
        break;
    case VDPAD_HOST:
        put_host(sim, picture);
        break;
    case VDPAD_N_CLASSES:
    default:
        abort();
    }
    if (vdpad_picture_sort(picture)) {
        abort();
    }
}

int
sim_set_module(struct sim *sim, const char *name, int32_t state)
{
    int i = sim_module_index(name);

    if (i < 0) {
        return -ENOENT;
    }
    sim->modules[i] = state;
    sim->load_order[i] = ++sim->load_count;
    sim_touch(sim, BIT(VDPAD_MODULE));
    if (strstr(name, "vdpa")) {
        sim_touch(sim, BIT(VDPAD_MGMTDEV) | BIT(VDPAD_VBUS) | BIT(VDPAD_VDPA));
    }
    sim_settle(sim);
    if (state == VDPAD_MODULE_LOADED && strlen(name) > 5
        && !strcmp(name + strlen(name) - 5, "_vdpa")) {
        /* A new driver takes the devices that have none. */
        for (int j = 0; j < SIM_VDPAS; j++) {
            struct sim_vdpa *vdpa = &sim->vdpas[j];

            if (vdpa->used && !vdpa->driver[0] && !vdpa->dying
                && strcmp(name, "mlx5_vdpa")) {
                sim_bind_vdpa(sim, vdpa, name);
            }
        }
    }
    return 0;
}

int
sim_rename(struct sim *sim, const char *ifname, const char *new_name)
{
    struct sim_netdev *dev = sim_find_netdev(sim, ifname);

    if (!dev) {
        return -ENODEV;
    }
    if (sim_find_netdev(sim, new_name)) {
        return -EEXIST;
    }
    sim_text(dev->link.name, sizeof dev->link.name, "%s", new_name);
    sim_touch(sim, BIT(VDPAD_LINK) | BIT(VDPAD_DLPORT) | BIT(VDPAD_FEATURE)
                       | BIT(VDPAD_VBUS));
    return 0;
}

int
sim_reset_pf(struct sim *sim, const char *bdf, int64_t return_ns)
{
    struct sim_pf *pf = sim_find_pf(sim, bdf);

    if (!pf) {
        return -ENODEV;
    }
    pf->reset_ns = return_ns;
    sim_settle(sim);
    return 0;
}

int
sim_vanish(struct sim *sim, const char *object)
{
    struct sim_pf *pf = sim_find_pf(sim, object);
    struct sim_vf *vf = sim_find_vf(sim, object, NULL);
    struct sim_vdpa *vdpa = sim_find_vdpa(sim, object);
    struct sim_netdev *dev = sim_find_netdev(sim, object);

    if (pf) {
        for (int i = 0; i < pf->totalvfs; i++) {
            pf->vfs[i].wanted = false;
        }
        sim_settle(sim);
        memset(&sim->netdevs[pf->uplink], 0, sizeof sim->netdevs[pf->uplink]);
        memset(pf, 0, sizeof *pf);
    } else if (vf) {
        vf->wanted = false;
    } else if (vdpa) {
        sim_delete_vdpa(sim, vdpa);
    } else if (dev) {
        for (int i = 0; i < SIM_PFS * SIM_VFS; i++) {
            struct sim_vf *v = &sim->pfs[i / SIM_VFS].vfs[i % SIM_VFS];

            if (v->rep == dev - sim->netdevs) {
                v->rep = -1;
                v->rep_ns = INT64_MAX;
            }
        }
        memset(dev, 0, sizeof *dev);
    } else {
        return -ENODEV;
    }
    sim_touch(sim, (1u << VDPAD_N_CLASSES) - 1);
    sim_settle(sim);
    return 0;
}

int
sim_set_qdisc(struct sim *sim, const char *ifname, bool present)
{
    struct sim_netdev *dev = sim_find_netdev(sim, ifname);

    if (!dev) {
        return -ENODEV;
    }
    /* Nobody listens to events of qdiscs. */
    dev->has_qdisc = present;
    return 0;
}

int
sim_set_flow(struct sim *sim, const char *ifname,
             const struct vdpad_flow *flow)
{
    bool found = false;

    for (int i = 0; i < SIM_NETDEVS; i++) {
        struct sim_netdev *dev = &sim->netdevs[i];

        if (dev->used && !dev->away
            && (!strcmp(ifname, "*")
                    ? strstr(dev->link.port_name, "vf") != NULL
                    : !strcmp(ifname, dev->link.name))) {
            dev->has_qdisc = true;
            dev->flow = *flow;
            found = true;
        }
    }
    sim_touch(sim, BIT(VDPAD_QDISC) | BIT(VDPAD_FLOW));
    return found ? 0 : -ENODEV;
}
