/* SPDX-License-Identifier: Apache-2.0 */
#include "consumer.h"

#include <string.h>

#include "lookup.h"
#include "util.h"

const char *const vdpad_consumer_keys[] = {
    "iface-id-ver",   "iface-status",    "vm-uuid",
    "attached_mac",   "sandbox",         "ip_addresses",
    "vf-netdev-name", "vf-is-vfio",      "encap-ip",
    "ovn-plugged",    "k8s.ovn.org/nad", "k8s.ovn.org/network",
    "contIface",      "contNetns",       NULL,
};

const char *
vdpad_consumer(const struct vdpad_db_iface *iface)
{
    /* The first that matches: OVN's mark is the strongest, and others beside
     * os-vif may name a VM. */
    static const char *const marks[][2] = {
        { VDPAD_OVN_PLUGGED_KEY, "ovn" },
        { "sandbox", "ovn-kubernetes" },
        { "vf-netdev-name", "ovn-kubernetes" },
        { "contNetns", "ovs-cni" },
        { "vm-uuid", "os-vif" },
    };

    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        if (!vdpad_iface_is_ours(iface)
            && vdpad_map_get(&iface->external_ids, marks[i][0])) {
            return marks[i][1];
        }
    }
    return NULL;
}

enum vdpad_iface_life
vdpad_iface_life(const struct vdpad_world *world,
                 const struct vdpad_db_iface *iface)
{
    const struct vdpad_observed *o = world->observed;
    const struct vdpad_link *links = VDPAD_OBSERVED_ROWS(o, VDPAD_LINK,
                                                         vdpad_link);

    /* A number means that ovs-vswitchd has found it. */
    if (!o->class_[VDPAD_LINK].known || !o->class_[VDPAD_LINK].fresh
        || !world->db_connected || iface->ofport > 0
        || (iface->type[0] && strcmp(iface->type, "system") != 0)) {
        return VDPAD_IFACE_ALIVE;
    }
    for (size_t i = 0; i < VDPAD_OBSERVED_N(o, VDPAD_LINK); i++) {
        if (!strcmp(links[i].name, iface->name)) {
            return VDPAD_IFACE_ALIVE;
        }
    }
    return vdpad_map_get(&iface->external_ids, VDPAD_OFFLOAD_KEY_NAME)
               ? VDPAD_IFACE_DEAD
               : VDPAD_IFACE_ORPHAN;
}
