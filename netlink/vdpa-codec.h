/* SPDX-License-Identifier: Apache-2.0 */
/* Generic netlink family "vdpa" (include/uapi/linux/vdpa.h,
 * drivers/vdpa/vdpa.c).
 *
 * The decoders take the payload of a message (a genlmsghdr and its attributes,
 * aligned to 4); they return 0, VDPAD_CODEC_SKIP or -EBADMSG and write the row
 * only on 0. */
#ifndef VDPAD_NETLINK_VDPA_CODEC_H
#define VDPAD_NETLINK_VDPA_CODEC_H 1

#include <vdpad/action.h>

struct nl_msg;

/* A management device. */
int vdpad_vdpa_decode_mgmtdev(const void *payload, size_t len,
                              struct vdpad_mgmtdev *row);

/* A device, without its configuration.  A name longer than a row takes is
 * cut: such a device cannot be ours, but it is there. */
int vdpad_vdpa_decode_dev(const void *payload, size_t len,
                          struct vdpad_vdpa *row);

/* Adds the configuration of the device that 'row' describes and sets its
 * has_config. */
int vdpad_vdpa_decode_config(const void *payload, size_t len,
                             struct vdpad_vdpa *row);

/* Append the attributes of a request to 'msg'.  Return 0 or -EMSGSIZE.
 * 'act->word' of an addition is "BUS/DEV", or "DEV" for a management device
 * without a bus. */
int vdpad_vdpa_encode_name(struct nl_msg *msg, const char *name);
int vdpad_vdpa_encode_add(struct nl_msg *msg, const struct vdpad_act *act);
int vdpad_vdpa_encode_set_mac(struct nl_msg *msg, const struct vdpad_act *act);

#endif
