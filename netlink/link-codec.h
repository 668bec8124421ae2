/* SPDX-License-Identifier: Apache-2.0 */
/* rtnetlink: links (include/uapi/linux/if_link.h). */
#ifndef VDPAD_NETLINK_LINK_CODEC_H
#define VDPAD_NETLINK_LINK_CODEC_H 1

#include <vdpad/model.h>

struct nl_msg;

/* Decodes the payload of an RTM_NEWLINK message (an ifinfomsg with its
 * attributes, aligned to 4).  Returns 0 or -EBADMSG. */
int vdpad_link_decode(const void *payload, size_t len, struct vdpad_link *row);

/* Sets '*classes' to the mask of classes that a message of the group
 * RTNLGRP_LINK, of type 'type', touches.  Returns 0 or -EBADMSG. */
int vdpad_link_decode_event(uint16_t type, const void *payload, size_t len,
                            unsigned int *classes);

/* Append header and attributes of a request to 'msg'.  Return 0 or
 * -EMSGSIZE. */
int vdpad_link_encode_dump(struct nl_msg *msg);
int vdpad_link_encode_get(struct nl_msg *msg, int32_t ifindex);
int vdpad_link_encode_up(struct nl_msg *msg, int32_t ifindex, bool up);
int vdpad_link_encode_mtu(struct nl_msg *msg, int32_t ifindex, uint32_t mtu);
int vdpad_link_encode_name(struct nl_msg *msg, int32_t ifindex,
                           const char *name);

#endif
