/* SPDX-License-Identifier: Apache-2.0 */
/* The external_ids of the Interface of a representor: those that are ours to
 * set, and those of others, which survive whatever becomes of the row. */
#ifndef VDPAD_PLAN_IDS_H
#define VDPAD_PLAN_IDS_H 1

#include "plan-internal.h"

#define VDPAD_PORT_IDS_MAX 8

struct vdpad_port_ids {
    size_t n;
    struct vdpad_kv kv[VDPAD_PORT_IDS_MAX];
    char mac[18];
};

/* The keys that the Interface of 'dev' should have, as far as they are ours to
 * set; they borrow from 'dev' and from themselves.  vdpa-iface-id remembers
 * that its iface-id is from our configuration: one that a cloud agent wrote
 * onto our port is none of our business. */
void vdpad_wanted_ids(const struct vdpad_dev *dev, struct vdpad_port_ids *ids);

/* Whether 'spec' (NULL: none) names VLANs.  vdpa-vlan on the Interface
 * remembers that those of its Port are from there. */
static inline bool
vdpad_spec_has_vlan(const struct vdpad_port_spec *spec)
{
    return spec && (spec->tag >= 0 || spec->n_trunks);
}

/* The value of 'key', NULL: it is not among them. */
const char *vdpad_find_id(const struct vdpad_port_ids *, const char *key);

/* Whether 'key' of 'ids', those of the former row of a device, stays with the
 * device. */
bool vdpad_id_is_kept(const struct vdpad_map *ids, const char *key);

/* Brings the keys of 'iface', our Interface of 'dev', in line. */
void vdpad_plan_ids(struct vdpad_planner *, struct vdpad_dev *dev,
                    const struct vdpad_db_iface *iface);

/* Representors have exchanged their names, so that the row of 'dev' is that of
 * another device up to now, and 'old' (NULL: none) its own: what was written
 * there by others comes along, and what its key asked for if that is 'refused'
 * at present. */
void vdpad_exchange_ids(struct vdpad_planner *, struct vdpad_dev *dev,
                        const struct vdpad_db_iface *old, bool refused);

#endif
