/* SPDX-License-Identifier: Apache-2.0 */
#include "json-rows.h"

#include <net/if.h>
#include <string.h>

#include "consumer.h"
#include "fields.h"
#include "lookup.h"

#define SET(OBJECT, KEY, VALUE) vdpad_json_set(OBJECT, KEY, VALUE)
#define TEXT(VALUE) vdpad_json_text(VALUE)

const char *
vdpad_type_name(enum vdpad_vdpa_type type)
{
    switch (type) {
    case VDPAD_TYPE_VHOST:
        return "vhost";
    case VDPAD_TYPE_VIRTIO:
        return "virtio";
    case VDPAD_TYPE_NONE:
    default:
        return "none";
    }
}

const struct vdpad_db_port *
vdpad_port_of(const struct vdpad_world *world,
              const struct vdpad_db_iface *iface)
{
    return &world->db->ports[iface->port];
}

const struct vdpad_db_bridge *
vdpad_bridge_of(const struct vdpad_world *world,
                const struct vdpad_db_iface *iface)
{
    return &world->db->bridges[vdpad_port_of(world, iface)->bridge];
}

/* "pci/0000:65:00.2"; "vdpasim_net" without a bus. */
static json_t *
handle(const char *bus, const char *dev)
{
    return vdpad_json_format("%s%s%s", bus, bus[0] ? "/" : "", dev);
}

static json_t *
hex(const uint8_t *bytes, size_t n)
{
    char text[2 * 32 + 1] = "";

    for (size_t i = 0; i < n && i < 32; i++) {
        static const char digits[] = "0123456789abcdef";
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    return TEXT(text);
}

static json_t *
state(enum vdpad_state state_)
{
    return TEXT(vdpad_state_name(state_));
}

/* Why it is in this state: null when ready. */
static json_t *
reason(enum vdpad_state state_, const char *text)
{
    return TEXT(state_ == VDPAD_STATE_FOREIGN && !text[0]
                    ? "no valid policy covers it"
                    : text);
}

/* hw-tc-offload, null where the netdev has no such feature. */
static json_t *
feature(const struct vdpad_feature *feature_)
{
    return feature_ ? vdpad_json_bool(feature_->active) : json_null();
}

json_t *
vdpad_json_pf(const struct vdpad_pf *pf)
{
    const struct vdpad_pci *pci = pf->pci;
    const struct vdpad_eswitch *eswitch = pf->eswitch;
    const struct vdpad_link *uplink = pf->uplink;
    json_t *o = json_object();

    SET(o, "pf", TEXT(pci->bdf));
    SET(o, "driver", TEXT(pci->driver));
    SET(o, "vendor", vdpad_json_format("%04x", pci->vendor));
    SET(o, "device", vdpad_json_format("%04x", pci->device));
    SET(o, "num_vfs", vdpad_json_optional(pci->numvfs, -1));
    SET(o, "total_vfs", vdpad_json_optional(pci->totalvfs, -1));
    SET(o, "vfs_seen", vdpad_json_int((int64_t) pf->n_vfs));
    SET(o, "autoprobe",
        pci->autoprobe < 0 ? json_null()
                           : vdpad_json_bool(pci->autoprobe > 0));
    SET(o, "eswitch_mode",
        eswitch ? TEXT(vdpad_eswitch_mode_name(eswitch->mode)) : json_null());
    SET(o, "firmware", TEXT(eswitch ? eswitch->fw_version : NULL));
    SET(o, "uplink", TEXT(uplink ? uplink->name : NULL));
    SET(o, "ifindex", vdpad_json_optional(uplink ? uplink->ifindex : 0, 0));
    SET(o, "up",
        uplink ? vdpad_json_bool(uplink->flags & IFF_UP) : json_null());
    SET(o, "carrier", uplink ? vdpad_json_bool(uplink->carrier) : json_null());
    SET(o, "mtu", vdpad_json_optional(uplink ? uplink->mtu : 0, 0));
    SET(o, "switch_id",
        uplink ? hex(uplink->switch_id, uplink->switch_id_len) : json_null());
    SET(o, "hw_tc_offload", feature(pf->uplink_feature));
    SET(o, "policy", TEXT(pf->policy ? pf->policy->name : NULL));
    SET(o, "managed", vdpad_json_bool(pf->managed));
    SET(o, "externally_managed", vdpad_json_bool(pf->external));
    SET(o, "state", state(pf->state));
    SET(o, "reason", reason(pf->state, pf->reason));
    return o;
}

/* What the device is, or else what its policy wants it to be. */
static json_t *
type_of(const struct vdpad_dev *dev)
{
    const char *driver = dev->vbus ? dev->vbus->driver : "";

    if (!strcmp(driver, "vhost_vdpa")) {
        return TEXT("vhost");
    } else if (!strcmp(driver, "virtio_vdpa")) {
        return TEXT("virtio");
    }
    return dev->policy ? TEXT(vdpad_type_name(dev->policy->type))
                       : json_null();
}

/* The driver on the vDPA bus; of a VF that is to have no vDPA device, its own
 * driver. */
static json_t *
driver_of(const struct vdpad_dev *dev)
{
    if (dev->vbus) {
        return TEXT(dev->vbus->driver);
    } else if (dev->vf && dev->policy
               && dev->policy->type == VDPAD_TYPE_NONE) {
        return TEXT(dev->vf->driver);
    }
    return json_null();
}

static json_t *
mgmtdev_of(const struct vdpad_dev *dev)
{
    if (dev->vdpa) {
        return handle(dev->vdpa->bus, dev->vdpa->dev);
    }
    return dev->mgmtdev ? handle(dev->mgmtdev->bus, dev->mgmtdev->dev)
                        : json_null();
}

/* A zero address stands for none: the driver in the guest makes one up. */
static bool
is_mac(const uint8_t mac[6])
{
    static const uint8_t zero[6];

    return memcmp(mac, zero, sizeof zero) != 0;
}

static json_t *
mac_of(const struct vdpad_dev *dev)
{
    if (dev->vdpa && dev->vdpa->has_mac && is_mac(dev->vdpa->mac)) {
        return vdpad_json_mac(dev->vdpa->mac);
    } else if (dev->dlport && dev->dlport->has_hw_addr
               && is_mac(dev->dlport->hw_addr)) {
        return vdpad_json_mac(dev->dlport->hw_addr);
    }
    return json_null();
}

static json_t *
holders_of(const struct vdpad_dev *dev)
{
    json_t *array = json_array();

    for (size_t i = 0; i < dev->n_holders; i++) {
        json_t *holder = json_object();

        SET(holder, "pid", vdpad_json_int(dev->holders[i].pid));
        SET(holder, "command", TEXT(dev->holders[i].command));
        vdpad_json_add(array, holder);
    }
    return array;
}

static json_t *
owner_of(const struct vdpad_dev *dev)
{
    switch (dev->owner) {
    case VDPAD_OWNER_US:
        return TEXT("ovs-vdpad");
    case VDPAD_OWNER_FOREIGN:
        return TEXT("foreign");
    case VDPAD_OWNER_NONE:
    default:
        return json_null();
    }
}

static const char *
rep_name(const struct vdpad_dev *dev)
{
    return dev->rep ? dev->rep->name : dev->dlport ? dev->dlport->ifname : "";
}

static int32_t
rep_ifindex(const struct vdpad_dev *dev)
{
    return dev->rep      ? dev->rep->ifindex
           : dev->dlport ? dev->dlport->ifindex
                         : 0;
}

/* bridge, port, ofport and iface_id of 'iface', which may be NULL. */
static void
set_attachment(json_t *o, const struct vdpad_world *world,
               const struct vdpad_db_iface *iface)
{
    SET(o, "bridge", TEXT(iface ? vdpad_bridge_of(world, iface)->name : NULL));
    SET(o, "port", TEXT(iface ? vdpad_port_of(world, iface)->name : NULL));
    SET(o, "ofport",
        vdpad_json_optional(iface ? iface->ofport : VDPAD_OFPORT_NONE,
                            VDPAD_OFPORT_NONE));
    SET(o, "iface_id",
        TEXT(iface ? vdpad_map_get(&iface->external_ids, "iface-id") : NULL));
}

void
vdpad_device_offload(const struct vdpad_world *world,
                     const struct vdpad_dev *dev,
                     const struct vdpad_looks *looks,
                     struct vdpad_offload *ret)
{
    vdpad_looks_get(looks, world, dev, ret);
}

json_t *
vdpad_json_device(const struct vdpad_world *world, const struct vdpad_dev *dev,
                  const struct vdpad_looks *looks)
{
    const struct vdpad_vbus *vbus = dev->vbus;
    const struct vdpad_vdpa *vdpa = dev->vdpa;
    struct vdpad_offload offload;
    json_t *o = json_object();

    vdpad_device_offload(world, dev, looks, &offload);
    SET(o, "name", TEXT(dev->name));
    SET(o, "mgmtdev", mgmtdev_of(dev));
    SET(o, "pf", TEXT(dev->pf ? dev->pf->pci->bdf : NULL));
    SET(o, "vf", TEXT(dev->vf ? dev->vf->bdf : NULL));
    SET(o, "vf_index", vdpad_json_optional(dev->vf_index, -1));
    SET(o, "controller",
        vdpad_json_optional(dev->dlport ? dev->dlport->controller : -1, -1));
    SET(o, "vdpa_type", type_of(dev));
    SET(o, "driver", driver_of(dev));
    SET(o, "chardev",
        vbus && vbus->chardev[0] ? vdpad_json_format("/dev/%s", vbus->chardev)
                                 : json_null());
    SET(o, "netdev", TEXT(vbus ? vbus->netdev : NULL));
    SET(o, "mac", mac_of(dev));
    SET(o, "mtu",
        vdpa && vdpa->has_mtu ? vdpad_json_int(vdpa->mtu) : json_null());
    SET(o, "max_vqp",
        vdpa && vdpa->has_max_vqp ? vdpad_json_int(vdpa->max_vqp)
                                  : json_null());
    SET(o, "representor", TEXT(rep_name(dev)));
    SET(o, "ifindex", vdpad_json_optional(rep_ifindex(dev), 0));
    set_attachment(o, world, dev->iface);
    SET(o, "policy", TEXT(dev->policy_name));
    SET(o, "owner", owner_of(dev));
    SET(o, "state", state(dev->state));
    SET(o, "reason", reason(dev->state, dev->reason));
    SET(o, "in_use_by", holders_of(dev));
    SET(o, "offload", vdpad_offload_json(&offload));
    return o;
}

static json_t *
representor(const struct vdpad_world *world, const struct vdpad_dev *dev)
{
    const struct vdpad_dlport *port = dev->dlport;
    const struct vdpad_link *rep = dev->rep;
    json_t *o = json_object();

    SET(o, "representor", TEXT(rep_name(dev)));
    SET(o, "ifindex", vdpad_json_optional(rep_ifindex(dev), 0));
    SET(o, "pf",
        dev->pf ? TEXT(dev->pf->pci->bdf) : TEXT(port ? port->dev : NULL));
    SET(o, "controller",
        vdpad_json_optional(port ? port->controller : -1, -1));
    SET(o, "vf_index",
        vdpad_json_optional(port ? port->vf : dev->vf_index, -1));
    SET(o, "vf", TEXT(dev->vf ? dev->vf->bdf : NULL));
    SET(o, "device", TEXT(dev->name));
    SET(o, "up", rep ? vdpad_json_bool(rep->flags & IFF_UP) : json_null());
    SET(o, "carrier", rep ? vdpad_json_bool(rep->carrier) : json_null());
    SET(o, "mtu", vdpad_json_optional(rep ? rep->mtu : 0, 0));
    SET(o, "hw_tc_offload", feature(dev->rep_feature));
    SET(o, "ingress_qdisc",
        !rep || !world->observed->class_[VDPAD_QDISC].known
            ? json_null()
            : vdpad_json_bool(dev->qdisc != NULL));
    set_attachment(o, world, dev->iface);
    SET(o, "rx_packets", rep ? vdpad_json_u64(rep->rx_packets) : json_null());
    return o;
}

json_t *
vdpad_json_representors(const struct vdpad_world *world)
{
    const struct vdpad_dlport *ports = VDPAD_OBSERVED_ROWS(world->observed,
                                                           VDPAD_DLPORT,
                                                           vdpad_dlport);
    size_t n_ports = VDPAD_OBSERVED_N(world->observed, VDPAD_DLPORT);
    json_t *rows = json_array();

    for (size_t i = 0; i < world->n_devs; i++) {
        const struct vdpad_dev *dev = &world->devs[i];

        if (dev->rep || dev->dlport) {
            vdpad_json_add(rows, representor(world, dev));
        }
    }
    for (size_t i = 0; i < n_ports; i++) {
        bool known = ports[i].flavour != VDPAD_FLAVOUR_PCI_VF;

        for (size_t d = 0; d < world->n_devs && !known; d++) {
            known = world->devs[d].dlport == &ports[i];
        }
        if (!known) {
            /* A representor that belongs to no device. */
            const struct vdpad_dev nobody = { .dlport = &ports[i],
                                              .vf_index = -1 };
            vdpad_json_add(rows, representor(world, &nobody));
        }
    }
    return rows;
}

/* One port of 'iface' (NULL: not attached), for 'dev' (NULL: none), asked for
 * by 'spec' (NULL: by no key). */
/* What programs like os-vif and OVN-Kubernetes have written on a port, which
 * is theirs alone. */
static json_t *
consumer_keys(const struct vdpad_db_iface *iface,
              const struct vdpad_db_port *port)
{
    json_t *o = json_object();

    for (const char *const *key = vdpad_consumer_keys; iface && *key; key++) {
        const char *value = vdpad_map_get(&iface->external_ids, *key);

        if (value) {
            SET(o, *key, TEXT(value));
        }
    }
    const char *transient = port ? vdpad_map_get(&port->other_config,
                                                 "transient")
                                 : NULL;
    if (transient) {
        SET(o, "transient", TEXT(transient));
    }
    return o;
}

static json_t *
port_row(const struct vdpad_world *world, const struct vdpad_db_iface *iface,
         const struct vdpad_dev *dev, const struct vdpad_port_spec *spec)
{
    const struct vdpad_map none = { 0, NULL };
    const struct vdpad_map *ids = iface ? &iface->external_ids : &none;
    const struct vdpad_db_port *port = iface ? vdpad_port_of(world, iface)
                                             : NULL;
    json_t *trunks = json_array();
    json_t *o = json_object();
    bool is_others = !iface && dev && dev->state == VDPAD_STATE_READY
                     && !dev->want_attach;

    for (size_t i = 0; port && i < port->n_trunks; i++) {
        vdpad_json_add(trunks, vdpad_json_int(port->trunks[i]));
    }
    set_attachment(o, world, iface);
    if (!iface && spec) {
        SET(o, "iface_id", TEXT(spec->iface_id));
    }
    SET(o, "tag", vdpad_json_optional(port ? port->tag : -1, -1));
    SET(o, "trunks", trunks);
    SET(o, "attached_mac", TEXT(vdpad_map_get(ids, "attached-mac")));
    SET(o, "mtu", vdpad_json_optional(iface ? iface->mtu : 0, 0));
    SET(o, "link_state", TEXT(iface ? iface->link_state : NULL));
    SET(o, "device", TEXT(dev ? dev->name : NULL));
    SET(o, "key",
        spec ? vdpad_json_format("%s%s", VDPAD_KEY_PORT, spec->iface_id)
             : json_null());
    SET(o, "owner",
        !iface ? json_null()
               : TEXT(vdpad_iface_is_ours(iface) ? "ovs-vdpad" : "foreign"));
    SET(o, "made_by", TEXT(iface ? vdpad_consumer(iface) : NULL));
    SET(o, "consumer_keys", consumer_keys(iface, port));
    SET(o, "state",
        dev && !is_others ? state(dev->state)
                          : TEXT(spec ? "waiting" : "removing"));
    if (iface && iface->error[0]) {
        SET(o, "reason", TEXT(iface->error));
    } else if (is_others) {
        SET(o, "reason",
            TEXT(VDPAD_KEY_ATTACH "=none: another program is to attach it"));
    } else if (dev) {
        SET(o, "reason", TEXT(dev->reason));
    } else if (spec) {
        SET(o, "reason", TEXT("no device is assigned to it: see status"));
    } else {
        SET(o, "reason", TEXT("ours, but no device belongs to it any more"));
    }
    return o;
}

json_t *
vdpad_json_ports(const struct vdpad_world *world)
{
    json_t *rows = json_array();

    for (size_t i = 0; i < world->n_devs; i++) {
        const struct vdpad_dev *dev = &world->devs[i];

        if (dev->iface || dev->port_spec) {
            vdpad_json_add(rows,
                           port_row(world, dev->iface, dev, dev->port_spec));
        }
    }
    for (size_t i = 0; world->db && i < world->db->n_ifaces; i++) {
        const struct vdpad_db_iface *iface = &world->db->ifaces[i];
        bool done = !vdpad_iface_is_ours(iface);

        for (size_t d = 0; d < world->n_devs && !done; d++) {
            done = world->devs[d].iface == iface;
        }
        if (!done) {
            vdpad_json_add(rows, port_row(world, iface, NULL, NULL));
        }
    }
    for (size_t i = 0; i < world->config->n_ports; i++) {
        const struct vdpad_port_spec *spec = &world->config->ports[i];
        bool done = false;

        for (size_t d = 0; d < world->n_devs && !done; d++) {
            done = world->devs[d].port_spec == spec;
        }
        if (!done) {
            vdpad_json_add(rows, port_row(world, NULL, NULL, spec));
        }
    }
    return rows;
}
