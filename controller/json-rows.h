/* SPDX-License-Identifier: Apache-2.0 */
/* The joined chain as JSON: one object per PF, device, representor and port.
 * Text tables are made of the same objects. */
#ifndef VDPAD_JSON_ROWS_H
#define VDPAD_JSON_ROWS_H 1

#include "json.h"
#include "offload.h"
#include "world.h"

json_t *vdpad_json_pf(const struct vdpad_pf *pf);

/* 'looks' tells what is known of the device's offload. */
json_t *vdpad_json_device(const struct vdpad_world *world,
                          const struct vdpad_dev *dev,
                          const struct vdpad_looks *looks);

/* What 'looks' knows of 'dev' of 'world'. */
void vdpad_device_offload(const struct vdpad_world *world,
                          const struct vdpad_dev *dev,
                          const struct vdpad_looks *looks,
                          struct vdpad_offload *ret);

/* All representors of VFs, those without a device of ours too. */
json_t *vdpad_json_representors(const struct vdpad_world *world);

/* All ports that have to do with us: those of tracked representors, those that
 * bear our mark, and those that a vdpa-port-* key asks for. */
json_t *vdpad_json_ports(const struct vdpad_world *world);

json_t *vdpad_json_policy(const struct vdpad_policy *policy);
json_t *vdpad_json_port_spec(const struct vdpad_port_spec *port);

/* "0000:65:00.0#0-3,6" of a pf= word. */
json_t *vdpad_json_selector(const struct vdpad_pf_selector *selector);

/* Bridge and port of 'iface', which 'world' has. */
const struct vdpad_db_port *vdpad_port_of(const struct vdpad_world *world,
                                          const struct vdpad_db_iface *iface);
const struct vdpad_db_bridge *
vdpad_bridge_of(const struct vdpad_world *world,
                const struct vdpad_db_iface *iface);

/* "vhost", "virtio" or "none". */
const char *vdpad_type_name(enum vdpad_vdpa_type type);

#endif
