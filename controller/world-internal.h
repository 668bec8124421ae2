/* SPDX-License-Identifier: Apache-2.0 */
/* Between world.c (joins), resolve.c (which policy covers what) and
 * resolve-port.c (which device a declared port has). */
#ifndef VDPAD_WORLD_INTERNAL_H
#define VDPAD_WORLD_INTERNAL_H 1

#include "world.h"

/* Adds a problem to 'world'. */
void vdpad_world_problem(struct vdpad_world *world, const char *key,
                         const char *word, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* How a policy that the record knows, or that is configured, stands. */
enum vdpad_policy_status {
    VDPAD_POLICY_APPLIED,
    VDPAD_POLICY_SUSPENDED,
    VDPAD_POLICY_REFUSED, /* Its key stands, but cannot be applied. */
    VDPAD_POLICY_UNSURE,  /* A netdev that it names cannot be found: which
                             * PF it means is not known at present. */
    VDPAD_POLICY_GONE,    /* Its key was taken out of this database. */
    VDPAD_POLICY_LOST,    /* The database is another one, or none. */
};

struct vdpad_resolver {
    struct vdpad_world *world;
    bool *refused; /* Per policy of the configuration. */
    bool *unsure;  /* Likewise. */
};

/* Decides which policies are refused in view of the host, adding a problem
 * for each. */
void vdpad_resolve_policies(struct vdpad_resolver *);

/* Fills what 'pf' is wanted to be. */
void vdpad_resolve_pf(const struct vdpad_resolver *, struct vdpad_pf *pf);

/* Adds a problem for each range that names VFs which 'pf', whose VFs are
 * joined already, does not have and is not wanted to have. */
void vdpad_resolve_ranges(struct vdpad_resolver *, const struct vdpad_pf *pf);

/* The policy that covers VF 'index' of 'pf'; NULL: none. */
const struct vdpad_policy *vdpad_resolve_vf(const struct vdpad_resolver *,
                                            const struct vdpad_pf *pf,
                                            int32_t index);

/* Status of the policy called 'name'. */
enum vdpad_policy_status vdpad_resolve_status(const struct vdpad_resolver *,
                                              const char *name);

/* Assigns the port specifications to devices. */
void vdpad_resolve_ports(struct vdpad_world *world);

#endif
