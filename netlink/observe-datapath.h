/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to Open vSwitch's kernel datapath; blocking, for helper processes
 * only. */
#ifndef VDPAD_NETLINK_OBSERVE_DATAPATH_H
#define VDPAD_NETLINK_OBSERVE_DATAPATH_H 1

#include "datapath-codec.h"
#include "observe.h"

struct vdpad_datapaths {
    struct vdpad_nl *nl;
    struct vdpad_genl_family datapath, vport, flow;
    size_t n;
    struct vdpad_datapath *items;
};

/* Reads which kernel datapaths there are into '*d', cleared by the caller in
 * any case.  A kernel without openvswitch has none.  Returns 0 or a negative
 * errno with 'why', like all of these. */
int vdpad_datapaths_read(struct vdpad_observer *observer,
                         struct vdpad_datapaths *d, struct vdpad_error *why);
void vdpad_datapaths_clear(struct vdpad_datapaths *d);

/* The ports of 'datapath', with printable names; the caller frees
 * ret_ports->ports. */
int vdpad_datapath_ports(struct vdpad_datapaths *d,
                         const struct vdpad_datapath *datapath,
                         struct vdpad_vports *ret_ports,
                         struct vdpad_error *why);

/* Hands each flow's message to 'cb'; 'is_brief': without mask and actions. */
int vdpad_datapath_flows(struct vdpad_datapaths *d,
                         const struct vdpad_datapath *datapath, bool is_brief,
                         vdpad_nl_message_cb *cb, void *aux,
                         struct vdpad_error *why);

#endif
