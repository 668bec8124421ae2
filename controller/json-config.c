/* SPDX-License-Identifier: Apache-2.0 */
/* Policies and ports of the configuration, as understood. */
#include <stdlib.h>
#include <string.h>

#include "fields.h"
#include "json-rows.h"
#include "table.h"

#define SET(OBJECT, KEY, VALUE) vdpad_json_set(OBJECT, KEY, VALUE)

json_t *
vdpad_json_selector(const struct vdpad_pf_selector *selector)
{
    struct vdpad_text_stream out;
    json_t *value;

    vdpad_text_open(&out);
    fputs(selector->name, out.stream);
    for (size_t i = 0; i < selector->n_ranges; i++) {
        const struct vdpad_range *range = &selector->ranges[i];

        fprintf(out.stream, "%c%d", i ? ',' : '#', range->first);
        if (range->last != range->first) {
            fprintf(out.stream, "-%d", range->last);
        }
    }
    char *text = vdpad_text_close(&out);
    value = vdpad_json_text(text);
    free(text);
    return value;
}

static json_t *
mac_mode(const struct vdpad_policy *policy)
{
    switch (policy->mac_mode) {
    case VDPAD_MAC_STABLE:
        return vdpad_json_text("stable");
    case VDPAD_MAC_BASE:
        return vdpad_json_mac(policy->base_mac);
    case VDPAD_MAC_KEEP:
    default:
        return vdpad_json_text("keep");
    }
}

/* A PCI id, null for any. */
static json_t *
pci_id(uint32_t id)
{
    return id ? vdpad_json_format("%04x", id) : json_null();
}

json_t *
vdpad_json_policy(const struct vdpad_policy *policy)
{
    json_t *o = json_object(), *pfs = json_array();

    for (size_t i = 0; i < policy->n_pfs; i++) {
        vdpad_json_add(pfs, vdpad_json_selector(&policy->pfs[i]));
    }
    SET(o, "name", vdpad_json_text(policy->name));
    SET(o, "pf", pfs);
    SET(o, "vendor", pci_id(policy->vendor));
    SET(o, "device-id", pci_id(policy->device));
    SET(o, "num-vfs", vdpad_json_optional(policy->num_vfs, -1));
    SET(o, "externally-managed", vdpad_json_bool(policy->externally_managed));
    SET(o, "eswitch-mode",
        policy->eswitch_mode == VDPAD_ESWITCH_NONE
            ? json_null()
            : vdpad_json_text(vdpad_eswitch_mode_name(policy->eswitch_mode)));
    SET(o, "device-type",
        vdpad_json_text(policy->device_type == VDPAD_DEV_VFIO ? "vfio-pci"
                                                              : "netdev"));
    SET(o, "vdpa-type", vdpad_json_text(vdpad_type_name(policy->type)));
    SET(o, "max-vqp",
        policy->max_vqp < 0 ? vdpad_json_text("max")
                            : vdpad_json_optional(policy->max_vqp, 0));
    SET(o, "mtu", vdpad_json_optional(policy->mtu, 0));
    SET(o, "mac", mac_mode(policy));
    SET(o, "name-template", vdpad_json_text(policy->name_template));
    SET(o, "priority", vdpad_json_int(policy->priority));
    SET(o, "suspended", vdpad_json_bool(policy->suspended));
    SET(o, "text", vdpad_json_text(policy->text));
    return o;
}

json_t *
vdpad_json_port_spec(const struct vdpad_port_spec *port)
{
    json_t *o = json_object(), *trunks = json_array();

    for (size_t i = 0; i < port->n_trunks; i++) {
        vdpad_json_add(trunks, vdpad_json_int(port->trunks[i]));
    }
    SET(o, "iface-id", vdpad_json_text(port->iface_id));
    SET(o, "device", vdpad_json_text(port->device));
    SET(o, "vf", vdpad_json_text(port->vf));
    SET(o, "policy", vdpad_json_text(port->policy));
    SET(o, "mac", port->has_mac ? vdpad_json_mac(port->mac) : json_null());
    SET(o, "mtu", vdpad_json_optional(port->mtu, 0));
    SET(o, "tag", vdpad_json_optional(port->tag, -1));
    SET(o, "trunks", trunks);
    SET(o, "bridge", vdpad_json_text(port->bridge));
    SET(o, "iface-id-ver", vdpad_json_text(port->iface_id_ver));
    SET(o, "vm-uuid", vdpad_json_text(port->vm_uuid));
    SET(o, "text", vdpad_json_text(port->text));
    return o;
}
