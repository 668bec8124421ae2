/* SPDX-License-Identifier: Apache-2.0 */
/* The simulated host as JSON: the oracle of tests that see the daemon from
 * outside. */
#include "fake-private.h"

#include <net/if.h>
#include <string.h>

#include <jansson.h>

static json_t *
mac_json(const uint8_t mac[6])
{
    return json_sprintf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1],
                        mac[2], mac[3], mac[4], mac[5]);
}

/* 'text', or null when it is empty. */
static json_t *
text_json(const char *text)
{
    return text[0] ? json_string(text) : json_null();
}

static json_t *
netdev_json(const struct sim_netdev *dev)
{
    return json_pack("{s:s, s:i, s:o, s:o, s:i, s:b, s:b, s:b, s:b, s:b}",
                     "name", dev->link.name, "ifindex", dev->link.ifindex,
                     "port_name", text_json(dev->link.port_name), "mac",
                     mac_json(dev->link.mac), "mtu", (int) dev->link.mtu, "up",
                     (dev->link.flags & IFF_UP) != 0, "qdisc", dev->has_qdisc,
                     "away", dev->away, "tc_offload", dev->feature,
                     "switch_id", dev->link.switch_id_len != 0);
}

static json_t *
slot_json(const struct sim *sim, int32_t slot)
{
    return slot < 0 ? json_null() : netdev_json(&sim->netdevs[slot]);
}

static json_t *
pf_json(const struct sim *sim, const struct sim_pf *pf)
{
    json_t *vfs = json_array();

    for (int i = 0; i < pf->totalvfs; i++) {
        const struct sim_vf *vf = &pf->vfs[i];

        if (vf->present) {
            json_array_append_new(
                vfs,
                json_pack("{s:s, s:i, s:o, s:o, s:o, s:o, s:o, s:b}", "bdf",
                          vf->bdf, "index", i, "driver", text_json(vf->driver),
                          "driver_override", text_json(vf->driver_override),
                          "mac", mac_json(vf->mac), "netdev",
                          slot_json(sim, vf->netdev), "representor",
                          slot_json(sim, vf->rep), "mgmtdev",
                          sim_has_mgmtdev(sim, vf)));
        }
    }
    return json_pack("{s:s, s:o, s:i, s:i, s:i, s:s, s:o, s:o}", "bdf",
                     pf->bdf, "driver", text_json(pf->driver), "numvfs",
                     pf->numvfs, "totalvfs", pf->totalvfs, "autoprobe",
                     pf->autoprobe, "mode",
                     pf->mode == VDPAD_ESWITCH_SWITCHDEV ? "switchdev"
                                                         : "legacy",
                     "uplink", slot_json(sim, pf->uplink), "vfs", vfs);
}

static json_t *
vdpa_json(const struct sim *sim, const struct sim_vdpa *v)
{
    const struct sim_holder *h = sim_find_holder(sim, v);

    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:i, s:i, s:o, s:o, s:o,"
                     " s:b}",
                     "name", v->name, "bus", v->bus, "dev", v->dev, "driver",
                     text_json(v->driver), "mac",
                     v->has_mac ? mac_json(v->mac) : json_null(), "mtu",
                     v->mtu, "max_vqp", v->max_vqp, "chardev",
                     v->chardev < 0
                         ? json_null()
                         : json_sprintf("vhost-vdpa-%d", v->chardev),
                     "netdev", slot_json(sim, v->netdev), "holder",
                     h ? json_integer(h->pid) : json_null(), "dying",
                     v->dying);
}

char *
fake_kernel_dump(struct vdpad_kernel *kernel)
{
    static const char *const states[] = { "missing", "loadable", "loaded" };
    const struct fake_kernel *k = fake_kernel_cast(kernel);
    const struct sim *sim = k->sim;
    json_t *pfs = json_array(), *vdpas = json_array();
    json_t *modules = json_object(), *steps = json_object();
    json_t *all;
    char *text;

    for (int i = 0; i < SIM_PFS; i++) {
        if (sim->pfs[i].used) {
            json_array_append_new(pfs, pf_json(sim, &sim->pfs[i]));
        }
    }
    for (int i = 0; i < SIM_VDPAS; i++) {
        if (sim->vdpas[i].used) {
            json_array_append_new(vdpas, vdpa_json(sim, &sim->vdpas[i]));
        }
    }
    for (int i = 0; vdpad_module_names[i]; i++) {
        json_object_set_new(modules, vdpad_module_names[i],
                            json_string(states[sim->modules[i]]));
    }
    for (int i = 0; i < VDPAD_ACT_N; i++) {
        json_object_set_new(steps, vdpad_act_name(i),
                            json_integer(k->n_steps[i]));
    }
    all = json_pack("{s:o, s:o, s:o, s:o, s:b}", "pfs", pfs, "vdpa", vdpas,
                    "modules", modules, "steps", steps, "frozen",
                    sim_is_frozen(sim));
    text = json_dumps(all, JSON_INDENT(1));
    json_decref(all);
    return text;
}
