/* SPDX-License-Identifier: Apache-2.0 */
/* Who uses a device.  Character devices are never opened to find out: opening
 * one resets the vDPA device (vhost_vdpa_open(), drivers/vhost/vdpa.c).
 * Instead the open files of all processes are looked at, by device number,
 * since the name of the node is another in a chroot or container. */
#ifndef VDPAD_NETLINK_HOLDERS_H
#define VDPAD_NETLINK_HOLDERS_H 1

#include <stdbool.h>
#include <stddef.h>

#include <vdpad/error.h>
#include <vdpad/model.h>

#include "observe.h"
#include "rows.h"

/* Appends one row for each process and vhost-vdpa character device that it has
 * open.  Returns 0 or a negative errno with 'why': -EACCES when the files of
 * some process may not be looked at, -ENOTSUP when there may be processes that
 * we do not see (a PID namespace). */
int vdpad_holders_observe(struct vdpad_rows *rows, struct vdpad_error *why);

/* Whether nothing uses the vDPA device 'name', or the VF 'vf' and the vDPA
 * devices on it, or any VF of the PF 'pf' and the vDPA devices on them, or
 * these and the vDPA devices on 'pf' itself and its subfunctions.  Users are
 * processes that have its vhost-vdpa or VFIO character device open,
 * network namespaces that its virtio netdev has been moved to, and whoever has
 * negotiated features on it by way of vhost-vdpa.
 * All but the first also refuse while some vDPA device is in the middle of
 * being removed and held by someone, since it may be theirs; the first, too,
 * if 'name' has no driver.
 * Returns 0, -EBUSY when there is a user, named in 'why', or another negative
 * errno when that cannot be known. */
int vdpad_holders_check_vdpa(struct vdpad_observer *, const char *name,
                             struct vdpad_error *why);
int vdpad_holders_check_vf(struct vdpad_observer *, const char *vf,
                           struct vdpad_error *why);
int vdpad_holders_check_vfs(struct vdpad_observer *, const char *pf,
                            struct vdpad_error *why);
int vdpad_holders_check_pf(struct vdpad_observer *, const char *pf,
                           struct vdpad_error *why);

/* Writes to 'text' of 'size' bytes a guess at what keeps the kernel waiting: a
 * process that holds a character device which belongs to no vDPA device any
 * more.  "" when there is nothing of the kind. */
void vdpad_holders_suspect(char *text, size_t size);

#endif
