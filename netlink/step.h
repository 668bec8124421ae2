/* SPDX-License-Identifier: Apache-2.0 */
/* Steps that change the kernel, done by blocking calls: for helper processes
 * only. */
#ifndef VDPAD_NETLINK_STEP_H
#define VDPAD_NETLINK_STEP_H 1

#include <vdpad/action.h>
#include <vdpad/error.h>

#include "observe.h"

/* Does 'act'.  Returns 0 or a negative errno with 'why': -EBUSY "NAME is in
 * use …" for what would take a device away from its user,
 * unless 'act->force'; -ESTALE when its netdev has another name by now; -EIO
 * when the kernel's answer was lost; -EAGAIN when a look before the step was
 * disturbed; otherwise what the kernel said, but -EREMOTEIO for what has a
 * meaning of its own here or to vdpad_done_cb: mlx5 says ETIMEDOUT when its
 * firmware is late, EAGAIN when that lacks resources (wait_func(),
 * cmd_status_to_err(), drivers/net/ethernet/mellanox/mlx5/core/cmd.c of 6.1
 * to 6.12), and mlx5_vdpa EAGAIN for less than two virtqueues
 * (mlx5_vdpa_dev_add(), drivers/vdpa/mlx5/net/mlx5_vnet.c). */
int vdpad_step(struct vdpad_observer *observer, const struct vdpad_act *act,
               struct vdpad_error *why);

/* Whether a step of 'kind' needs generic netlink. */
bool vdpad_step_is_genl(enum vdpad_act_kind kind);

/* Whether a step of 'kind' may take minutes. */
bool vdpad_step_is_slow(enum vdpad_act_kind kind);

int vdpad_step_vport_del(struct vdpad_observer *, const struct vdpad_act *,
                         struct vdpad_error *);

/* Those that write to sysfs. */
int vdpad_step_autoprobe(const struct vdpad_act *, struct vdpad_error *);
int vdpad_step_numvfs(struct vdpad_observer *, const struct vdpad_act *,
                      struct vdpad_error *);
int vdpad_step_vf_probe(struct vdpad_observer *, const struct vdpad_act *,
                        struct vdpad_error *);
int vdpad_step_vf_unbind(struct vdpad_observer *, const struct vdpad_act *,
                         struct vdpad_error *);
int vdpad_step_vdpa_bind(struct vdpad_observer *, const struct vdpad_act *,
                         struct vdpad_error *);
int vdpad_step_vdpa_unbind(struct vdpad_observer *, const struct vdpad_act *,
                           struct vdpad_error *);

#endif
