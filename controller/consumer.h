/* SPDX-License-Identifier: Apache-2.0 */
/* Ports that others have made for their virtual machines and containers. */
#ifndef VDPAD_CONSUMER_H
#define VDPAD_CONSUMER_H 1

#include "world.h"

/* On the Interface of every representor that we track, whoever made it. */
#define VDPAD_OFFLOAD_KEY_NAME "vdpa-offload"

/* Which program has made 'iface', by the keys that it leaves there: "os-vif",
 * "ovn-kubernetes", "ovn", "ovs-cni"; NULL: ours, or not told. */
const char *vdpad_consumer(const struct vdpad_db_iface *iface);

/* The keys of external_ids (and of the port's other_config) by which such
 * programs talk with each other; NULL at the end. */
extern const char *const vdpad_consumer_keys[];

enum vdpad_iface_life {
    VDPAD_IFACE_ALIVE,  /* Its netdev is there, or it needs none, or that
                          * cannot be told. */
    VDPAD_IFACE_ORPHAN, /* It has no netdev: not started yet, or gone. */
    VDPAD_IFACE_DEAD,   /* It was the representor of a VF, which has
                          * gone. */
};

/* Whether 'iface', which 'world' has, still stands for something. */
enum vdpad_iface_life vdpad_iface_life(const struct vdpad_world *world,
                                       const struct vdpad_db_iface *iface);

#endif
