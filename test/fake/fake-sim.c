/* SPDX-License-Identifier: Apache-2.0 */
#include "fake-sim.h"

#include <errno.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define BIT(CLASS) (1u << (CLASS))

void
sim_text(char *dst, size_t size, const char *format, ...)
{
    va_list args;

    memset(dst, 0, size);
    va_start(args, format);
    (void) vsnprintf(dst, size, format, args);
    va_end(args);
}

void
sim_touch(struct sim *sim, uint32_t mask)
{
    sim->dirty |= mask;
}

uint32_t
sim_take_dirty(struct sim *sim)
{
    uint32_t mask = sim->dirty;

    sim->dirty = 0;
    return mask;
}

void
sim_init(struct sim *sim)
{
    memset(sim, 0, sizeof *sim);
    sim->size = sizeof *sim;
    sim->last_ifindex = 1;
    sim->last_chardev = sim->last_virtio = -1;
    sim->max_vqs = 17;
    for (int i = 0; vdpad_module_names[i]; i++) {
        sim->modules[i] = VDPAD_MODULE_LOADABLE;
    }
    sim->modules[sim_module_index("mlx5_core")] = VDPAD_MODULE_LOADED;
}

int
sim_module_index(const char *name)
{
    for (int i = 0; vdpad_module_names[i]; i++) {
        if (!strcmp(vdpad_module_names[i], name)) {
            return i;
        }
    }
    return -1;
}

bool
sim_is_loaded(const struct sim *sim, const char *module)
{
    int i = sim_module_index(module);

    return i >= 0 && sim->modules[i] == VDPAD_MODULE_LOADED;
}

/* Finders. */

struct sim_pf *
sim_find_pf(struct sim *sim, const char *bdf)
{
    for (int i = 0; i < SIM_PFS; i++) {
        if (sim->pfs[i].used && !strcmp(sim->pfs[i].bdf, bdf)) {
            return &sim->pfs[i];
        }
    }
    return NULL;
}

struct sim_vf *
sim_find_vf(struct sim *sim, const char *bdf, struct sim_pf **ret_pf)
{
    for (int i = 0; i < SIM_PFS; i++) {
        struct sim_pf *pf = &sim->pfs[i];

        for (int j = 0; pf->used && j < pf->totalvfs; j++) {
            if (pf->vfs[j].present && !strcmp(pf->vfs[j].bdf, bdf)) {
                if (ret_pf) {
                    *ret_pf = pf;
                }
                return &pf->vfs[j];
            }
        }
    }
    return NULL;
}

struct sim_vdpa *
sim_find_vdpa(struct sim *sim, const char *name)
{
    for (int i = 0; i < SIM_VDPAS; i++) {
        if (sim->vdpas[i].used && !strcmp(sim->vdpas[i].name, name)) {
            return &sim->vdpas[i];
        }
    }
    return NULL;
}

struct sim_netdev *
sim_find_netdev(struct sim *sim, const char *name)
{
    for (int i = 0; i < SIM_NETDEVS; i++) {
        struct sim_netdev *dev = &sim->netdevs[i];

        if (dev->used && !dev->away && !strcmp(dev->link.name, name)) {
            return dev;
        }
    }
    return NULL;
}

struct sim_netdev *
sim_find_ifindex(struct sim *sim, int32_t ifindex)
{
    for (int i = 0; i < SIM_NETDEVS; i++) {
        struct sim_netdev *dev = &sim->netdevs[i];

        if (dev->used && !dev->away && dev->link.ifindex == ifindex) {
            return dev;
        }
    }
    return NULL;
}

const struct sim_holder *
sim_find_holder(const struct sim *sim, const struct sim_vdpa *vdpa)
{
    for (int i = 0; i < SIM_HOLDERS; i++) {
        if (sim->holders[i].used && vdpa->chardev >= 0
            && sim->holders[i].chardev == vdpa->chardev) {
            return &sim->holders[i];
        }
    }
    return NULL;
}

/* Netdevs. */

/* Returns the slot of a new netdev called 'name', or NAME_1, … if that is
 * taken; -1 when there is no room. */
static int32_t
add_netdev(struct sim *sim, const char *name)
{
    char unique[VDPAD_IFNAME_SIZE];

    sim_text(unique, sizeof unique, "%s", name);
    for (int n = 1; sim_find_netdev(sim, unique); n++) {
        sim_text(unique, sizeof unique, "%.10s_%d", name, n);
    }
    for (int i = 0; i < SIM_NETDEVS; i++) {
        struct sim_netdev *dev = &sim->netdevs[i];

        if (!dev->used) {
            memset(dev, 0, sizeof *dev);
            dev->used = true;
            dev->link.ifindex = ++sim->last_ifindex;
            memcpy(dev->link.name, unique, sizeof unique);
            dev->link.mtu = 1500;
            dev->link.flags = IFF_BROADCAST | IFF_MULTICAST;
            sim_touch(sim, BIT(VDPAD_LINK) | BIT(VDPAD_FEATURE));
            return i;
        }
    }
    return -1;
}

static void
del_netdev(struct sim *sim, int32_t *slot)
{
    if (*slot >= 0) {
        memset(&sim->netdevs[*slot], 0, sizeof sim->netdevs[*slot]);
        *slot = -1;
        sim_touch(sim, BIT(VDPAD_LINK) | BIT(VDPAD_FEATURE) | BIT(VDPAD_QDISC)
                           | BIT(VDPAD_FLOW));
    }
}

/* The PCI address with routing id 'rid' in the domain of 'pf'. */
static void
format_bdf(char bdf[VDPAD_BDF_SIZE], const struct sim_pf *pf, uint32_t rid)
{
    const char *colon = strchr(pf->bdf, ':');
    int domain_len = colon ? (int) (colon - pf->bdf) : 0;

    sim_text(bdf, VDPAD_BDF_SIZE, "%.*s:%02x:%02x.%x", domain_len, pf->bdf,
             rid >> 8 & 0xff, rid >> 3 & 0x1f, rid & 7);
}

int
sim_add_pf(struct sim *sim, const char *bdf, int32_t totalvfs,
           const char *uplink)
{
    unsigned int domain, bus, device, function;
    uint32_t rid, next;
    struct sim_pf *pf = NULL;
    struct sim_netdev *dev;
    int index = 0;

    if (sscanf(bdf, "%x:%x:%x.%x", &domain, &bus, &device, &function) != 4
        || totalvfs < 0 || totalvfs > SIM_VFS || sim_find_pf(sim, bdf)) {
        return -EINVAL;
    }
    while (index < SIM_PFS && sim->pfs[index].used) {
        index++;
    }
    if (index == SIM_PFS) {
        return -ENOSPC;
    }
    pf = &sim->pfs[index];
    rid = bus << 8 | device << 3 | function;
    next = rid + 2;
    for (int i = 0; i < SIM_PFS; i++) {
        const struct sim_pf *other = &sim->pfs[i];

        if (other->used && !strncmp(other->bdf, bdf, 7)) {
            uint32_t end = other->first_rid + (uint32_t) other->totalvfs;

            next = end > next ? end : next;
        }
    }
    memset(pf, 0, sizeof *pf);
    pf->used = true;
    sim_text(pf->bdf, sizeof pf->bdf, "%s", bdf);
    sim_text(pf->driver, sizeof pf->driver, "mlx5_core");
    sim_text(pf->vf_driver, sizeof pf->vf_driver, "mlx5_core");
    pf->totalvfs = totalvfs;
    pf->autoprobe = 1;
    pf->mode = VDPAD_ESWITCH_LEGACY;
    pf->first_rid = next;
    for (int i = 0; i < SIM_VFS; i++) {
        pf->vfs[i].netdev = pf->vfs[i].rep = -1;
        format_bdf(pf->vfs[i].bdf, pf, next + (uint32_t) i);
    }
    pf->uplink = add_netdev(sim, uplink);
    if (pf->uplink < 0) {
        memset(pf, 0, sizeof *pf);
        return -ENOSPC;
    }
    dev = &sim->netdevs[pf->uplink];
    dev->has_feature = true;
    dev->carrier = true;
    dev->link.flags |= IFF_UP;
    sim_text(dev->link.port_name, sizeof dev->link.port_name, "p%d", index);
    sim_text(dev->link.parent_bus, sizeof dev->link.parent_bus, "pci");
    sim_text(dev->link.parent_dev, sizeof dev->link.parent_dev, "%s", bdf);
    memcpy(dev->link.mac,
           (uint8_t[6]){ 0x0c, 0x42, 0xa1, 0, 0, (uint8_t) index }, 6);
    sim_touch(sim, BIT(VDPAD_PCI) | BIT(VDPAD_ESWITCH) | BIT(VDPAD_DLPORT));
    return 0;
}

int
sim_add_mgmtdev(struct sim *sim, const char *name)
{
    for (int i = 0; i < SIM_MGMTDEVS; i++) {
        struct sim_mgmtdev *m = &sim->mgmtdevs[i];

        if (!m->used) {
            m->used = true;
            sim_text(m->dev, sizeof m->dev, "%s", name);
            sim_touch(sim, BIT(VDPAD_MGMTDEV));
            return 0;
        }
    }
    return -ENOSPC;
}

/* vDPA devices on their bus. */

bool
sim_has_mgmtdev(const struct sim *sim, const struct sim_vf *vf)
{
    return vf->present && !strcmp(vf->driver, "mlx5_core")
           && sim_is_loaded(sim, "vdpa") && sim_is_loaded(sim, "mlx5_vdpa");
}

void
sim_bind_vdpa(struct sim *sim, struct sim_vdpa *vdpa, const char *driver)
{
    if (vdpa->netdev >= 0) {
        del_netdev(sim, &vdpa->netdev);
    }
    vdpa->chardev = vdpa->virtio = -1;
    vdpa->dying = false;
    sim_text(vdpa->driver, sizeof vdpa->driver, "%s", driver);
    sim_touch(sim, BIT(VDPAD_VBUS) | BIT(VDPAD_VDPA));
    if (!strcmp(driver, "vhost_vdpa")) {
        vdpa->chardev = ++sim->last_chardev;
    } else if (!strcmp(driver, "virtio_vdpa")) {
        vdpa->virtio = ++sim->last_virtio;
        vdpa->netdev = add_netdev(sim, "eth0");
        if (vdpa->netdev >= 0) {
            struct vdpad_link *link = &sim->netdevs[vdpa->netdev].link;

            memcpy(link->mac, vdpa->mac, 6);
            link->mtu = vdpa->mtu;
            sim_text(link->parent_bus, sizeof link->parent_bus, "virtio");
            sim_text(link->parent_dev, sizeof link->parent_dev, "virtio%d",
                     vdpa->virtio);
        }
    }
}

void
sim_delete_vdpa(struct sim *sim, struct sim_vdpa *vdpa)
{
    sim_bind_vdpa(sim, vdpa, "");
    memset(vdpa, 0, sizeof *vdpa);
    sim_touch(sim, BIT(VDPAD_VBUS) | BIT(VDPAD_VDPA));
}

int
sim_hold(struct sim *sim, const char *name, int32_t pid, const char *command)
{
    struct sim_vdpa *vdpa = sim_find_vdpa(sim, name);

    if (!vdpa || vdpa->chardev < 0) {
        return -ENODEV;
    }
    if (sim_find_holder(sim, vdpa)) {
        return -EBUSY;
    }
    for (int i = 0; i < SIM_HOLDERS; i++) {
        struct sim_holder *h = &sim->holders[i];

        if (!h->used) {
            h->used = true;
            h->pid = pid;
            h->chardev = vdpa->chardev;
            sim_text(h->command, sizeof h->command, "%s",
                     command ? command : "");
            return 0;
        }
    }
    return -ENOSPC;
}

int
sim_release(struct sim *sim, const char *name)
{
    struct sim_vdpa *vdpa = sim_find_vdpa(sim, name);
    int error = -ENOENT;

    for (int i = 0; vdpa && i < SIM_HOLDERS; i++) {
        struct sim_holder *h = &sim->holders[i];

        if (h->used && h->chardev == vdpa->chardev) {
            memset(h, 0, sizeof *h);
            error = 0;
        }
    }
    sim_run_blocks(sim);
    sim_settle(sim);
    return error;
}

int
sim_set_away(struct sim *sim, const char *name, bool away)
{
    struct sim_vdpa *vdpa = sim_find_vdpa(sim, name);

    if (!vdpa || vdpa->netdev < 0) {
        return -ENODEV;
    }
    sim->netdevs[vdpa->netdev].away = away;
    sim_touch(sim, BIT(VDPAD_LINK) | BIT(VDPAD_FEATURE));
    return 0;
}

/* What follows from the rest. */

static void
settle_rep(struct sim *sim, struct sim_pf *pf, int index)
{
    int pf_index = (int) (pf - sim->pfs);
    struct sim_vf *vf = &pf->vfs[index];
    struct sim_netdev *dev;
    char name[VDPAD_IFNAME_SIZE];

    vf->rep_ns = 0;
    sim_text(name, sizeof name, "pf%dvf%d", pf_index, index);
    vf->rep = add_netdev(sim, name);
    if (vf->rep < 0) {
        return;
    }
    dev = &sim->netdevs[vf->rep];
    dev->has_feature = dev->feature = true;
    memcpy(dev->link.port_name, name, sizeof name);
    sim_text(dev->link.parent_bus, sizeof dev->link.parent_bus, "pci");
    sim_text(dev->link.parent_dev, sizeof dev->link.parent_dev, "%s", pf->bdf);
    memcpy(dev->link.mac,
           (uint8_t[6]){ 0x0e, 0x42, 0xa1, 1, (uint8_t) pf_index,
                         (uint8_t) index },
           6);
    if (sim->rename_delay_ns) {
        dev->rename_ns = sim->now_ns + sim->rename_delay_ns;
        sim_text(dev->new_name, sizeof dev->new_name, "enp%df%dr%d", 101,
                 pf_index, index);
    }
    sim_touch(sim, BIT(VDPAD_DLPORT));
}

static void
settle_nic(struct sim *sim, struct sim_pf *pf, int index)
{
    struct sim_vf *vf = &pf->vfs[index];
    bool wanted = vf->present && !strcmp(vf->driver, "mlx5_core");

    if (wanted && vf->netdev < 0) {
        char name[VDPAD_IFNAME_SIZE];

        sim_text(name, sizeof name, "v%df%d", (int) (pf - sim->pfs), index);
        vf->netdev = add_netdev(sim, name);
        if (vf->netdev >= 0) {
            struct vdpad_link *link = &sim->netdevs[vf->netdev].link;

            sim->netdevs[vf->netdev].has_feature = true;
            memcpy(link->mac, vf->mac, 6);
            sim_text(link->parent_bus, sizeof link->parent_bus, "pci");
            sim_text(link->parent_dev, sizeof link->parent_dev, "%s", vf->bdf);
        }
        sim_touch(sim, BIT(VDPAD_MGMTDEV) | BIT(VDPAD_ESWITCH));
    } else if (!wanted && vf->netdev >= 0) {
        del_netdev(sim, &vf->netdev);
        sim_touch(sim, BIT(VDPAD_MGMTDEV) | BIT(VDPAD_ESWITCH));
    }
}

static void
settle_vf(struct sim *sim, struct sim_pf *pf, int index)
{
    struct sim_vf *vf = &pf->vfs[index];
    bool present = vf->wanted && !pf->reset_ns
                   && sim->now_ns >= vf->appears_ns;
    bool has_port = present && pf->mode == VDPAD_ESWITCH_SWITCHDEV;

    if (present != vf->present) {
        vf->present = present;
        sim_touch(sim, BIT(VDPAD_PCI));
        vf->driver[0] = vf->driver_override[0] = '\0';
        vf->vfio_pid = 0;
        if (present && pf->autoprobe) {
            sim_text(vf->driver, sizeof vf->driver, "%s", pf->vf_driver);
        }
    }
    settle_nic(sim, pf, index);
    if (has_port != vf->has_port) {
        vf->has_port = has_port;
        sim_touch(sim, BIT(VDPAD_DLPORT));
        vf->rep_ns = 0;
        if (has_port && sim->rep_delay_ns) {
            vf->rep_ns = sim->now_ns + sim->rep_delay_ns * (index + 1);
        }
    }
    if (!has_port) {
        del_netdev(sim, &vf->rep);
    } else if (vf->rep < 0 && sim->now_ns >= vf->rep_ns) {
        settle_rep(sim, pf, index);
    }
}

static void
settle_vdpas(struct sim *sim)
{
    for (int i = 0; i < SIM_VDPAS; i++) {
        struct sim_vdpa *vdpa = &sim->vdpas[i];
        struct sim_vf *vf;

        if (!vdpa->used || strcmp(vdpa->bus, "pci")) {
            continue;
        }
        vf = sim_find_vf(sim, vdpa->dev, NULL);
        if (!vf || !sim_has_mgmtdev(sim, vf)) {
            sim_delete_vdpa(sim, vdpa);
        }
    }
}

void
sim_settle(struct sim *sim)
{
    for (int i = 0; i < SIM_PFS; i++) {
        struct sim_pf *pf = &sim->pfs[i];
        struct vdpad_link *link;

        if (!pf->used) {
            continue;
        }
        if (pf->reset_ns && sim->now_ns >= pf->reset_ns) {
            pf->reset_ns = 0;
        }
        for (int j = 0; j < pf->totalvfs; j++) {
            settle_vf(sim, pf, j);
        }
        link = &sim->netdevs[pf->uplink].link;
        link->switch_id_len = 0;
        memset(link->switch_id, 0, sizeof link->switch_id);
        if (pf->mode == VDPAD_ESWITCH_SWITCHDEV) {
            link->switch_id_len = 4;
            memcpy(link->switch_id, (uint8_t[4]){ 0xca, 0xfe, 0, (uint8_t) i },
                   4);
        }
        for (int j = 0; j < pf->totalvfs; j++) {
            if (pf->vfs[j].rep >= 0) {
                struct vdpad_link *rep = &sim->netdevs[pf->vfs[j].rep].link;

                rep->switch_id_len = link->switch_id_len;
                memcpy(rep->switch_id, link->switch_id, sizeof rep->switch_id);
            }
        }
    }
    settle_vdpas(sim);
    for (int i = 0; i < SIM_NETDEVS; i++) {
        struct sim_netdev *dev = &sim->netdevs[i];

        if (dev->used && dev->rename_ns && sim->now_ns >= dev->rename_ns) {
            dev->rename_ns = 0;
            (void) sim_rename(sim, dev->link.name, dev->new_name);
        }
    }
}

void
sim_advance(struct sim *sim, int64_t now_ns)
{
    int64_t next = sim_next_ns(sim);

    sim->now_ns = now_ns;
    if (next <= now_ns) {
        sim_settle(sim);
    }
}

static void
sooner(int64_t *next, int64_t when)
{
    if (when > 0 && when < *next) {
        *next = when;
    }
}

int64_t
sim_next_ns(const struct sim *sim)
{
    int64_t next = INT64_MAX;

    for (int i = 0; i < SIM_PFS; i++) {
        const struct sim_pf *pf = &sim->pfs[i];

        if (!pf->used) {
            continue;
        }
        sooner(&next, pf->reset_ns);
        for (int j = 0; j < pf->totalvfs; j++) {
            const struct sim_vf *vf = &pf->vfs[j];

            if (vf->wanted && !vf->present && !pf->reset_ns) {
                sooner(&next, vf->appears_ns);
            }
            if (vf->has_port && vf->rep < 0) {
                sooner(&next, vf->rep_ns);
            }
        }
    }
    for (int i = 0; i < SIM_NETDEVS; i++) {
        if (sim->netdevs[i].used) {
            sooner(&next, sim->netdevs[i].rename_ns);
        }
    }
    return next;
}
