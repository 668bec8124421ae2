/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's messages about devices (lib/kobject_uevent.c): "ACTION@PATH"
 * and then "KEY=VALUE" words, each ended by a NUL. */
#ifndef VDPAD_NETLINK_UEVENT_CODEC_H
#define VDPAD_NETLINK_UEVENT_CODEC_H 1

#include <vdpad/model.h>

/* Sets '*classes' to the mask of classes that the 'len' bytes at 'data' touch
 * (0: none of ours).  Returns 0 or -EBADMSG. */
int vdpad_uevent_decode(const void *data, size_t len, unsigned int *classes);

#endif
