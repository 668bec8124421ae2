/* SPDX-License-Identifier: Apache-2.0 */
/* Generic netlink family "ethtool": features
 * (include/uapi/linux/ethtool_netlink.h). */
#ifndef VDPAD_NETLINK_ETHTOOL_CODEC_H
#define VDPAD_NETLINK_ETHTOOL_CODEC_H 1

#include <stdbool.h>

#include <vdpad/model.h>

struct nl_msg;

/* Decodes a message with the features of a netdev, whose bit sets are in the
 * verbose form (bits by name), to what it says of hw-tc-offload.  A netdev
 * without that feature, and a message with compact bit sets, are skipped.
 * 'payload' is a genlmsghdr with its attributes, aligned to 4.  Returns 0,
 * VDPAD_CODEC_SKIP or -EBADMSG. */
int vdpad_ethtool_decode_features(const void *payload, size_t len,
                                  struct vdpad_feature *row);

/* Decodes the answer to a request to set hw-tc-offload: stores in
 * '*is_refused' whether it is not as wanted afterwards, which the kernel does
 * not call an error (ethnl_set_features(), net/ethtool/features.c of 5.15 to
 * 6.12).  'payload' as above.  Returns 0, VDPAD_CODEC_SKIP or -EBADMSG. */
int vdpad_ethtool_decode_set(const void *payload, size_t len,
                             bool *is_refused);

/* Appends the attributes of a request to 'msg'.  Returns 0 or -EMSGSIZE.  (A
 * dump of the features of all netdevs needs no attributes.) */
int vdpad_ethtool_encode_set(struct nl_msg *msg, int32_t ifindex, bool on);

#endif
