/* SPDX-License-Identifier: Apache-2.0 */
/* Steps on vDPA devices, their bus drivers, and modules: see fake-steps.c. */
#include "fake-steps.h"

#include <errno.h>
#include <string.h>

int
sim_load_module(struct sim *sim, const char *name, struct vdpad_error *why)
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
        int error = sim_load_module(sim, "vdpa", why);

        if (error) {
            return error;
        }
    }
    return sim_set_module(sim, name, VDPAD_MODULE_LOADED);
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

int
sim_add_vdpa(struct sim *sim, const struct vdpad_act *act,
             struct vdpad_error *why)
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

bool
sim_is_where_expected(const struct vdpad_act *act, const struct sim_vdpa *vdpa)
{
    const char *vf = strchr(act->word, '/');

    return !vf || !strcmp(vdpa->dev, vf + 1);
}

/* Steps on one vDPA device. */
int
sim_change_vdpa(struct sim *sim, const struct vdpad_act *act,
                struct vdpad_error *why)
{
    struct sim_vdpa *vdpa = sim_find_vdpa(sim, act->object);

    if (!vdpa) {
        return vdpad_error_set(why, -ENODEV, "%s: device not found",
                               act->object);
    }
    if (act->kind == VDPAD_ACT_VDPA_DEL) {
        if (!sim_is_where_expected(act, vdpa)) {
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
