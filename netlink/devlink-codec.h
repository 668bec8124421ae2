/* SPDX-License-Identifier: Apache-2.0 */
/* Generic netlink family "devlink" (include/uapi/linux/devlink.h).
 *
 * The decoders take the payload of a message (a genlmsghdr and its attributes,
 * aligned to 4); they return 0, VDPAD_CODEC_SKIP or -EBADMSG. */
#ifndef VDPAD_NETLINK_DEVLINK_CODEC_H
#define VDPAD_NETLINK_DEVLINK_CODEC_H 1

#include <vdpad/model.h>

struct nl_msg;

/* An instance as a dump of them tells it: fills 'row' with its handle, no
 * e-switch. */
int vdpad_devlink_decode_dev(const void *payload, size_t len,
                             struct vdpad_eswitch *row);

/* Add to 'row' what an instance answers about its e-switch, its driver and
 * its firmware. */
int vdpad_devlink_decode_eswitch(const void *payload, size_t len,
                                 struct vdpad_eswitch *row);
int vdpad_devlink_decode_info(const void *payload, size_t len,
                              struct vdpad_eswitch *row);

/* A port. */
int vdpad_devlink_decode_port(const void *payload, size_t len,
                              struct vdpad_dlport *row);

/* Sets '*classes' to the mask of classes that a message of the multicast group
 * "config" touches (0: none of ours). */
int vdpad_devlink_decode_event(const void *payload, size_t len,
                               unsigned int *classes);

/* Append the attributes of a request to 'msg'.  Return 0 or -EMSGSIZE. */
int vdpad_devlink_encode_handle(struct nl_msg *msg, const char *bus,
                                const char *dev);
/* E-switch: a negative 'mode', 'inline_mode' or 'encap' is left out. */
int vdpad_devlink_encode_eswitch(struct nl_msg *msg, const char *bus,
                                 const char *dev, int mode, int inline_mode,
                                 int encap);
int vdpad_devlink_encode_hw_addr(struct nl_msg *msg, const char *bus,
                                 const char *dev, uint32_t port,
                                 const uint8_t mac[6]);

#endif
