/* SPDX-License-Identifier: Apache-2.0 */
/* The commands that show the chain: pf/list, device/list, device/show,
 * representor/list, port/list. */
#include <stdlib.h>

#include "cmd-call.h"
#include "json-rows.h"

#define N_ELEMS(ARRAY) (sizeof(ARRAY) / sizeof(ARRAY)[0])

static void
pf_list(struct vdpad_call *call)
{
    static const struct vdpad_column columns[] = {
        { "PF", "pf" },           { "DRIVER", "driver" },
        { "UPLINK", "uplink" },   { "MODE", "eswitch_mode" },
        { "VFS", "num_vfs" },     { "OF", "total_vfs" },
        { "MTU", "mtu" },         { "UP", "up" },
        { "CARRIER", "carrier" }, { "HW-TC", "hw_tc_offload" },
        { "POLICY", "policy" },   { "STATE", "state" },
        { "REASON", "reason" },
    };
    const struct vdpad_world *world = vdpad_call_world(call);
    json_t *rows = json_array();

    for (size_t i = 0; i < world->n_pfs; i++) {
        vdpad_json_add(rows, vdpad_json_pf(&world->pfs[i]));
    }
    vdpad_call_reply_table(call, rows, columns, N_ELEMS(columns));
}

static void
device_list(struct vdpad_call *call)
{
    static const struct vdpad_column columns[] = {
        { "NAME", "name" },
        { "VF", "vf" },
        { "TYPE", "vdpa_type" },
        { "CHARDEV", "chardev" },
        { "NETDEV", "netdev" },
        { "MAC", "mac" },
        { "REPRESENTOR", "representor" },
        { "BRIDGE", "bridge" },
        { "OFPORT", "ofport" },
        { "IFACE-ID", "iface_id" },
        { "POLICY", "policy" },
        { "OFFLOAD", "offload.verdict" },
        { "HW PACKETS", "offload.hw_packets" },
        { "SW PACKETS", "offload.sw_packets" },
        { "IN USE BY", "in_use_by" },
        { "STATE", "state" },
        { "REASON", "reason" },
    };
    const struct vdpad_world *world = vdpad_call_world(call);
    json_t *rows = json_array();

    for (size_t i = 0; i < world->n_devs; i++) {
        vdpad_json_add(rows,
                       vdpad_json_device(world, &world->devs[i], call->looks));
    }
    vdpad_call_reply_table(call, rows, columns, N_ELEMS(columns));
}

static void
device_show(struct vdpad_call *call)
{
    const struct vdpad_dev *dev = vdpad_call_device(call, call->argv[0]);

    if (dev) {
        vdpad_call_reply_sheet(call, vdpad_json_device(vdpad_call_world(call),
                                                       dev, call->looks));
    }
}

static void
representor_list(struct vdpad_call *call)
{
    static const struct vdpad_column columns[] = {
        { "REPRESENTOR", "representor" },
        { "IFINDEX", "ifindex" },
        { "PF", "pf" },
        { "VF", "vf_index" },
        { "DEVICE", "device" },
        { "UP", "up" },
        { "CARRIER", "carrier" },
        { "MTU", "mtu" },
        { "HW-TC", "hw_tc_offload" },
        { "INGRESS", "ingress_qdisc" },
        { "BRIDGE", "bridge" },
        { "OFPORT", "ofport" },
        { "IFACE-ID", "iface_id" },
    };

    vdpad_call_reply_table(call,
                           vdpad_json_representors(vdpad_call_world(call)),
                           columns, N_ELEMS(columns));
}

/* The tag of a port, or its trunks as ranges: there may be thousands. */
static json_t *
vlan_text(const json_t *port)
{
    const json_t *trunks = json_object_get(port, "trunks");
    size_t n = json_array_size(trunks);
    struct vdpad_text_stream out;

    if (!n) {
        return json_incref(json_object_get(port, "tag"));
    }
    vdpad_text_open(&out);
    for (size_t i = 0, next; i < n; i = next) {
        json_int_t first = json_integer_value(json_array_get(trunks, i));
        json_int_t last = first;

        for (next = i + 1;
             next < n
             && json_integer_value(json_array_get(trunks, next)) == last + 1;
             next++) {
            last++;
        }
        fprintf(out.stream, "%s%d", i ? "," : "", (int) first);
        if (last > first) {
            fprintf(out.stream, "-%d", (int) last);
        }
    }
    char *text = vdpad_text_close(&out);
    json_t *value = vdpad_json_text(text);

    free(text);
    return value;
}

static void
port_list(struct vdpad_call *call)
{
    static const struct vdpad_column columns[] = {
        { "PORT", "port" },         { "BRIDGE", "bridge" },
        { "OFPORT", "ofport" },     { "VLAN", "vlan" },
        { "IFACE-ID", "iface_id" }, { "MAC", "attached_mac" },
        { "DEVICE", "device" },     { "OWNER", "owner" },
        { "MADE BY", "made_by" },   { "LINK", "link_state" },
        { "STATE", "state" },       { "REASON", "reason" },
    };
    json_t *rows = vdpad_json_ports(vdpad_call_world(call));

    for (size_t i = 0; !call->json && i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i);

        vdpad_json_set(row, "vlan", vlan_text(row));
    }
    vdpad_call_reply_table(call, rows, columns, N_ELEMS(columns));
}

const struct vdpad_command vdpad_commands_list[] = {
    { "pf/list", "[--json]", 0, 0, VDPAD_MASK(VDPAD_LINK), pf_list },
    { "device/list", "[--json]", 0, 0,
      VDPAD_MASK_SHOWN | VDPAD_MASK_KFLOW_LATER, device_list },
    { "device/show", "NAME [--json]", 1, 1,
      VDPAD_MASK_SHOWN | VDPAD_MASK_KFLOW_LATER, device_show },
    { "representor/list", "[--json]", 0, 0,
      VDPAD_MASK(VDPAD_LINK) | VDPAD_MASK(VDPAD_QDISC), representor_list },
    { "port/list", "[--json]", 0, 0, VDPAD_MASK_DB, port_list },
    { .name = NULL },
};
