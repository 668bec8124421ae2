/* SPDX-License-Identifier: Apache-2.0 */
/* What the files cmd-export*.c share. */
#ifndef VDPAD_CMD_EXPORT_H
#define VDPAD_CMD_EXPORT_H 1

#include "cmd-call.h"

#define VDPAD_CHARDEV_PREFIX "vhost-vdpa-"

/* What an export of one device tells ages without events. */
#define VDPAD_MASK_EXPORT (VDPAD_MASK(VDPAD_LINK) | VDPAD_MASK(VDPAD_VBUS))

/* Whether 'dev' may be told to others: it is as it is to be.  If not, 'call'
 * is answered. */
bool vdpad_export_can(struct vdpad_call *call, const struct vdpad_dev *dev);

/* Whether 'name' is 'prefix' and a number, as the kernel names char devices
 * and virtio devices. */
bool vdpad_export_is_numbered(const char *name, const char *prefix);

/* Commands of cmd-export-kube.c. */
void vdpad_export_deviceinfo(struct vdpad_call *call);
void vdpad_export_device_plugin(struct vdpad_call *call);

#endif
