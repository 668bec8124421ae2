/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of the kernel's interface that the headers of older distributions
 * lack.  They are part of the kernel's ABI and cannot change. */
#ifndef VDPAD_NETLINK_UAPI_H
#define VDPAD_NETLINK_UAPI_H 1

#include <linux/devlink.h>
#include <linux/ethtool_netlink.h>
#include <linux/genetlink.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>
#include <linux/vdpa.h>

/* include/uapi/linux/vdpa.h of 6.12. */
#define VDPAD_VDPA_CMD_DEV_ATTR_SET 8

/* include/uapi/linux/rtnetlink.h: the ifindex that stands for a shared
 * block. */
#ifndef TCM_IFINDEX_MAGIC_BLOCK
#define TCM_IFINDEX_MAGIC_BLOCK 0xFFFFFFFFU
#endif

#endif
