/* SPDX-License-Identifier: Apache-2.0 */
/* Ports of Open vSwitch's kernel datapath that nobody can name any more.
 *
 * The datapath finds its ports by a hash of the name that they had when they
 * were added (ovs_vport_locate(), net/openvswitch/vport.c of 6.12).  A netdev
 * that is renamed meanwhile is found neither by its old name nor by its new
 * one: ovs-vswitchd gives the port up, leaves it in the datapath, and cannot
 * add the netdev under its new name (EEXIST). */
#include <errno.h>
#include <linux/openvswitch.h>
#include <stdlib.h>

#include "attrs.h"
#include "observe-datapath.h"
#include "step.h"

/* The port of 'datapath' that 'ifindex' is, in '*port'; '*is_found' false:
 * none. */
static int
find_port(struct vdpad_datapaths *d, const struct vdpad_datapath *datapath,
          int32_t ifindex, uint32_t *port, bool *is_found,
          struct vdpad_error *why)
{
    struct vdpad_vports ports;
    int error = vdpad_datapath_ports(d, datapath, &ports, why);

    if (error) {
        return error;
    }
    *is_found = false;
    for (size_t i = 0; i < ports.n && !*is_found; i++) {
        *is_found = ports.ports[i].ifindex == ifindex;
        *port = ports.ports[i].port;
    }
    free((void *) (uintptr_t) ports.ports);
    return 0;
}

static int
delete_port(struct vdpad_datapaths *d, const struct vdpad_datapath *datapath,
            uint32_t port, const char *name, struct vdpad_error *why)
{
    struct nl_msg *msg = vdpad_nl_genl_msg(&d->vport, OVS_VPORT_CMD_GET,
                                           OVS_VPORT_VERSION, 0);
    int error = vdpad_vport_encode_name(msg, datapath->ifindex, name);

    error = vdpad_nl_call(d->nl, msg, error, NULL, NULL, why,
                          "port %.15s of datapath %.15s", name,
                          datapath->name);
    if (error != -ENODEV) {
        return error; /* Or found: whoever put it there can find it, too. */
    }
    msg = vdpad_nl_genl_msg(&d->vport, OVS_VPORT_CMD_DEL, OVS_VPORT_VERSION,
                            0);
    error = vdpad_vport_encode_number(msg, datapath->ifindex, port);
    return vdpad_nl_call(d->nl, msg, error, NULL, NULL, why,
                         "delete port %u (%.15s) of datapath %.15s", port,
                         name, datapath->name);
}

int
vdpad_step_vport_del(struct vdpad_observer *observer,
                     const struct vdpad_act *act, struct vdpad_error *why)
{
    struct vdpad_datapaths d;
    int error = vdpad_datapaths_read(observer, &d, why);
    bool is_found = false;

    for (size_t i = 0; !error && !is_found && i < d.n; i++) {
        uint32_t port = 0;

        error = find_port(&d, &d.items[i], act->ifindex, &port, &is_found,
                          why);
        if (!error && is_found) {
            error = delete_port(&d, &d.items[i], port, act->object, why);
        }
    }
    vdpad_datapaths_clear(&d);
    return error;
}
