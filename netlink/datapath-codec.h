/* SPDX-License-Identifier: Apache-2.0 */
/* Open vSwitch's kernel datapath: the generic netlink families ovs_datapath,
 * ovs_vport and ovs_flow (include/uapi/linux/openvswitch.h). */
#ifndef VDPAD_NETLINK_DATAPATH_CODEC_H
#define VDPAD_NETLINK_DATAPATH_CODEC_H 1

#include <vdpad/flow-query.h>
#include <vdpad/model.h>

#include "flow-text.h"

struct nl_msg;
struct nlattr;

struct vdpad_datapath {
    int32_t ifindex; /* Of its local port, which names it in requests. */
    char name[VDPAD_IFNAME_SIZE];
};

struct vdpad_vport {
    uint32_t port;
    int32_t ifindex; /* 0: not told (kernels before 4.15), or away. */
    bool is_away;    /* In another network namespace, as a container's
                      * internal port: no name or number of ours is its. */
    char name[VDPAD_IFNAME_SIZE];
};

/* A flow without its actions. */
struct vdpad_kernel_flow {
    bool has_ufid;
    uint8_t ufid[16]; /* Of a flow that has none: a hash of its key. */
    bool has_in_port;
    uint32_t in_port;
    uint64_t packets, bytes;
    int64_t used_ms; /* CLOCK_MONOTONIC; -1: never. */
};

/* Decode the payload of a message (a genlmsghdr, an ovs_header and attributes,
 * aligned to 4).  Return 0, VDPAD_CODEC_SKIP or -EBADMSG. */
int vdpad_datapath_decode(const void *payload, size_t len,
                          struct vdpad_datapath *datapath);
int vdpad_vport_decode(const void *payload, size_t len,
                       struct vdpad_vport *vport);
int vdpad_kernel_flow_decode(const void *payload, size_t len,
                             struct vdpad_kernel_flow *flow);

/* The ports of one datapath, to be named in texts. */
struct vdpad_vports {
    const struct vdpad_vport *ports; /* Sorted by number. */
    size_t n;
};
/* NULL: none of that number. */
const struct vdpad_vport *vdpad_vport_find(const struct vdpad_vports *ports,
                                           uint32_t port);

/* The same as vdpad_kernel_flow_decode() with match, actions, uses and
 * outputs.  'now_ms' is CLOCK_MONOTONIC. */
int vdpad_kernel_flow_detail(const void *payload, size_t len,
                             const struct vdpad_vports *ports, int64_t now_ms,
                             struct vdpad_flow_detail *detail);

/* Parts of that.  'mask' NULL: all of the key matters. */
int vdpad_datapath_decode_key(const struct nlattr *key,
                              const struct nlattr *mask,
                              const struct vdpad_vports *ports,
                              struct vdpad_flow_match *match);
/* One OVS_KEY_ATTR_* that is no nest, from its 'len' bytes at 'data', added to
 * 'key'.  Returns VDPAD_CODEC_SKIP for one that the key has no place for. */
int vdpad_datapath_take_attr(int type, const void *data, size_t len,
                             struct vdpad_flow_key *key);
/* OVS_KEY_ATTR_TUNNEL. */
int vdpad_datapath_take_tunnel(const struct nlattr *nest,
                               struct vdpad_tunnel *tunnel);

struct vdpad_datapath_actions {
    struct vdpad_ftext *text;
    const struct vdpad_vports *ports;
    uint32_t uses;
    size_t n_outputs;
    int32_t outputs[VDPAD_FLOW_OUTPUTS];
};
/* Writes the actions nested in 'nest', in which there may be others in turn,
 * up to 'depth' levels.  Returns 0 or -EBADMSG. */
int vdpad_datapath_take_actions(const struct nlattr *nest, int depth,
                                struct vdpad_datapath_actions *a);

/* Append what follows the genlmsghdr of a dump to 'msg'.  'ifindex' of the
 * datapath; 0: of all (datapaths only).  'is_brief': flows without mask and
 * actions.  Return 0 or -EMSGSIZE. */
int vdpad_datapath_encode_dump(struct nl_msg *msg, int32_t ifindex);
int vdpad_kernel_flow_encode_dump(struct nl_msg *msg, int32_t ifindex,
                                  bool is_brief);
/* The same for a request about one port of the datapath 'ifindex'. */
int vdpad_vport_encode_name(struct nl_msg *msg, int32_t ifindex,
                            const char *name);
int vdpad_vport_encode_number(struct nl_msg *msg, int32_t ifindex,
                              uint32_t port);

#endif
