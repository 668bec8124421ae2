/* SPDX-License-Identifier: Apache-2.0 */
/* Single steps, for fake-steps*.c alone.  Each is done whoever holds what, and
 * returns 0 or a negative errno with 'why'. */
#ifndef TEST_FAKE_STEPS_H
#define TEST_FAKE_STEPS_H 1

#include "fake-sim.h"

/* fake-steps-eswitch.c */
int sim_set_numvfs(struct sim *sim, struct sim_pf *pf,
                   const struct vdpad_act *act, struct vdpad_error *why);
int sim_set_mode(struct sim *sim, struct sim_pf *pf,
                 const struct vdpad_act *act, struct vdpad_error *why);
int sim_probe_vf(struct sim *sim, const struct vdpad_act *act,
                 struct vdpad_error *why);
int sim_unbind_vf(struct sim *sim, const struct vdpad_act *act,
                  struct vdpad_error *why);
int sim_set_hw_addr(struct sim_pf *pf, const struct vdpad_act *act,
                    struct vdpad_error *why);
int sim_change_netdev(struct sim *sim, const struct vdpad_act *act,
                      struct vdpad_error *why);
/* Whether VF_PROBE 'act' takes 'vf' (may be NULL) away from its driver. */
bool sim_is_unbound_first(const struct vdpad_act *act,
                          const struct sim_vf *vf);

/* fake-steps-vdpa.c */
int sim_load_module(struct sim *sim, const char *name,
                    struct vdpad_error *why);
int sim_add_vdpa(struct sim *sim, const struct vdpad_act *act,
                 struct vdpad_error *why);
/* VDPA_DEL, VDPA_SET_MAC, VDPA_BIND and VDPA_UNBIND. */
int sim_change_vdpa(struct sim *sim, const struct vdpad_act *act,
                    struct vdpad_error *why);
/* Whether VDPA_DEL 'act' means 'vdpa', which has its name. */
bool sim_is_where_expected(const struct vdpad_act *act,
                           const struct sim_vdpa *vdpa);

#endif
