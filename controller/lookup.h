/* SPDX-License-Identifier: Apache-2.0 */
/* Finding rows in pictures and snapshots. */
#ifndef VDPAD_LOOKUP_H
#define VDPAD_LOOKUP_H 1

#include <vdpad/config.h>
#include <vdpad/store.h>

#include "observed.h"

/* Each returns NULL when there is no such row.  Strings are borrowed. */
const struct vdpad_pci *vdpad_find_pci(const struct vdpad_observed *,
                                       const char *bdf);
const struct vdpad_link *vdpad_find_link(const struct vdpad_observed *,
                                         int32_t ifindex);
const struct vdpad_feature *vdpad_find_feature(const struct vdpad_observed *,
                                               int32_t ifindex);
const struct vdpad_flow *vdpad_find_flow(const struct vdpad_observed *,
                                         int32_t ifindex);
const struct vdpad_kflow *vdpad_find_kflow(const struct vdpad_observed *,
                                           int32_t ifindex);
const struct vdpad_qdisc *vdpad_find_qdisc(const struct vdpad_observed *,
                                           int32_t ifindex);
const struct vdpad_module *vdpad_find_module(const struct vdpad_observed *,
                                             const char *name);
/* The PCI ones among devlink instances and management devices. */
const struct vdpad_eswitch *vdpad_find_eswitch(const struct vdpad_observed *,
                                               const char *bdf);
const struct vdpad_mgmtdev *vdpad_find_mgmtdev(const struct vdpad_observed *,
                                               const char *bdf);
/* By the parent VF, whatever the name. */
const struct vdpad_vdpa *vdpad_find_vdpa_of(const struct vdpad_observed *,
                                            const char *bdf);
const struct vdpad_vbus *vdpad_find_vbus_of(const struct vdpad_observed *,
                                            const char *bdf);
/* By name. */
const struct vdpad_vdpa *vdpad_find_vdpa(const struct vdpad_observed *,
                                         const char *name);
const struct vdpad_vbus *vdpad_find_vbus(const struct vdpad_observed *,
                                         const char *name);
const struct vdpad_holder *vdpad_find_holders(const struct vdpad_observed *,
                                              const char *chardev,
                                              size_t *ret_n);

/* Holders of a char device that no vDPA device shows any more: of one that is
 * being removed.  Its driver takes the node out of sysfs and then waits for
 * them, and its number is not given away meanwhile (vhost_vdpa_remove(),
 * drivers/vhost/vdpa.c of 6.12). */
const struct vdpad_holder *
vdpad_find_late_holders(const struct vdpad_observed *, size_t *ret_n);

/* The uplink of the PF 'bdf', and the devlink port and representor of its VF
 * 'vf_index' ('*ret_port' may come back NULL with a representor found by its
 * phys_port_name: drivers without devlink ports). */
const struct vdpad_link *vdpad_find_uplink(const struct vdpad_observed *,
                                           const char *bdf);
const struct vdpad_link *
vdpad_find_representor(const struct vdpad_observed *, const char *bdf,
                       int32_t vf_index, const struct vdpad_dlport **ret_port);

/* The netdev that is called like 'bridge' and is none of the kernel's Open
 * vSwitch: a bridge of that name would have to have its local port by that
 * name, too. */
const struct vdpad_link *vdpad_find_rival(const struct vdpad_observed *,
                                          const char *bridge);

/* Whether 'iface' is the end of a tunnel. */
bool vdpad_iface_is_tunnel(const struct vdpad_db_iface *iface);

/* Whether the netdev that is called like 'iface' is what it puts into its
 * bridge: not if it is a patch port or a tunnel, whose names are free. */
bool vdpad_iface_has_netdev(const struct vdpad_db_iface *iface);

const struct vdpad_db_iface *vdpad_find_iface(const struct vdpad_snapshot *,
                                              const char *name);

/* Whether we made 'iface' and nobody else has taken it over: it has our mark,
 * and OVN, which marks what it plugs itself, has none on it. */
bool vdpad_iface_is_ours(const struct vdpad_db_iface *iface);

/* The iface-id of the key of ours that had declared the port of 'iface', if
 * that key still stands but is refused: its wishes are unknown then, not
 * withdrawn.  NULL: there is none such. */
const char *vdpad_refused_declaration(const struct vdpad_config *,
                                      const struct vdpad_db_iface *iface);

const struct vdpad_db_bridge *vdpad_find_bridge(const struct vdpad_snapshot *,
                                                const char *name);

#endif
