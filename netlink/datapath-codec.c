/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath-codec.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/openvswitch.h>
#include <string.h>

#include <netlink/msg.h>

#include "attrs.h"

/* genlmsghdr and ovs_header. */
#define HEADER_SIZE (sizeof(struct genlmsghdr) + sizeof(struct ovs_header))

/* What dumps consist of: the commands have the same numbers in all three
 * families, and which of the two it is differs (6.12: OVS_DP_CMD_GET,
 *OVS_FLOW_CMD_NEW). */
#define CMD_NEW 1
#define CMD_GET 3

/* Reads the two headers and the attributes of a message. */
static int
parse(struct nlattr *tb[], int max, const void *payload, size_t len,
      int32_t *ret_ifindex, const struct nla_policy *policy)
{
    struct genlmsghdr genl;
    struct ovs_header ovs;
    int error = vdpad_attrs_parse_after(tb, max, payload, len, HEADER_SIZE,
                                        policy);

    if (error) {
        return error;
    }
    memcpy(&genl, payload, sizeof genl);
    memcpy(&ovs, (const char *) payload + sizeof genl, sizeof ovs);
    *ret_ifindex = ovs.dp_ifindex;
    return genl.cmd == CMD_NEW || genl.cmd == CMD_GET ? 0 : VDPAD_CODEC_SKIP;
}

int
vdpad_datapath_decode(const void *payload, size_t len,
                      struct vdpad_datapath *datapath)
{
    static const struct nla_policy policy[OVS_DP_ATTR_NAME + 1] = {
        [OVS_DP_ATTR_NAME] = VDPAD_POLICY_TEXT,
    };
    struct nlattr *tb[OVS_DP_ATTR_NAME + 1];
    int error;

    memset(datapath, 0, sizeof *datapath);
    error = parse(tb, OVS_DP_ATTR_NAME, payload, len, &datapath->ifindex,
                  policy);
    if (error) {
        return error;
    }
    vdpad_attr_text(tb[OVS_DP_ATTR_NAME], datapath->name,
                    sizeof datapath->name);
    return datapath->ifindex > 0 ? 0 : -EBADMSG;
}

int
vdpad_vport_decode(const void *payload, size_t len, struct vdpad_vport *vport)
{
    static const struct nla_policy policy[OVS_VPORT_ATTR_NETNSID + 1] = {
        [OVS_VPORT_ATTR_PORT_NO] = VDPAD_POLICY_U32,
        [OVS_VPORT_ATTR_NAME] = VDPAD_POLICY_TEXT,
        [OVS_VPORT_ATTR_IFINDEX] = VDPAD_POLICY_U32,
        [OVS_VPORT_ATTR_NETNSID] = VDPAD_POLICY_U32,
    };
    struct nlattr *tb[OVS_VPORT_ATTR_NETNSID + 1];
    int32_t datapath;
    int error;

    memset(vport, 0, sizeof *vport);
    error = parse(tb, OVS_VPORT_ATTR_NETNSID, payload, len, &datapath, policy);
    if (error) {
        return error;
    }
    if (!tb[OVS_VPORT_ATTR_PORT_NO]) {
        return -EBADMSG;
    }
    vport->port = nla_get_u32(tb[OVS_VPORT_ATTR_PORT_NO]);
    vdpad_attr_text(tb[OVS_VPORT_ATTR_NAME], vport->name, sizeof vport->name);
    /* In another namespace its ifindex means nothing here. */
    vport->is_away = tb[OVS_VPORT_ATTR_NETNSID] != NULL;
    if (!vport->is_away) {
        vport->ifindex = (int32_t) vdpad_attr_u32(tb[OVS_VPORT_ATTR_IFINDEX],
                                                  0);
    }
    return 0;
}

static const struct nla_policy flow_policy[OVS_FLOW_ATTR_UFID + 1] = {
    [OVS_FLOW_ATTR_KEY] = VDPAD_POLICY_NEST,
    [OVS_FLOW_ATTR_ACTIONS] = VDPAD_POLICY_NEST,
    [OVS_FLOW_ATTR_MASK] = VDPAD_POLICY_NEST,
    [OVS_FLOW_ATTR_USED] = VDPAD_POLICY_U64,
    /* It may grow at its end. */
    [OVS_FLOW_ATTR_STATS] = { .type = NLA_UNSPEC, .minlen = 16 },
    [OVS_FLOW_ATTR_UFID] = VDPAD_POLICY_BYTES(1, 256),
};

/* FNV-1a, twice with different beginnings: only has to tell flows apart. */
static void
hash_key(const struct nlattr *key, uint8_t hash[16])
{
    uint64_t h[2] = { UINT64_C(0xcbf29ce484222325),
                      UINT64_C(0x84222325cbf29ce4) };
    const uint8_t *bytes = nla_data(key);

    for (int i = 0; i < nla_len(key); i++) {
        for (size_t j = 0; j < 2; j++) {
            h[j] = (h[j] ^ bytes[i]) * UINT64_C(0x100000001b3);
        }
    }
    memcpy(hash, h, 16);
}

static int
take_flow(struct nlattr *tb[], struct vdpad_kernel_flow *flow)
{
    static const struct nla_policy policy[OVS_KEY_ATTR_IN_PORT + 1] = {
        [OVS_KEY_ATTR_IN_PORT] = VDPAD_POLICY_U32,
    };
    struct nlattr *key[OVS_KEY_ATTR_IN_PORT + 1];
    uint64_t stats[2];

    if (!tb[OVS_FLOW_ATTR_KEY]
        || vdpad_attrs_parse_nested(key, OVS_KEY_ATTR_IN_PORT,
                                    tb[OVS_FLOW_ATTR_KEY], policy)) {
        return -EBADMSG;
    }
    if (key[OVS_KEY_ATTR_IN_PORT]) {
        flow->has_in_port = true;
        flow->in_port = nla_get_u32(key[OVS_KEY_ATTR_IN_PORT]);
    }
    if (tb[OVS_FLOW_ATTR_UFID]
        && nla_len(tb[OVS_FLOW_ATTR_UFID]) == (int) sizeof flow->ufid) {
        flow->has_ufid = true;
        memcpy(flow->ufid, nla_data(tb[OVS_FLOW_ATTR_UFID]),
               sizeof flow->ufid);
    } else {
        hash_key(tb[OVS_FLOW_ATTR_KEY], flow->ufid);
    }
    flow->used_ms = -1;
    if (tb[OVS_FLOW_ATTR_STATS]) {
        memcpy(stats, nla_data(tb[OVS_FLOW_ATTR_STATS]), sizeof stats);
        flow->packets = stats[0];
        flow->bytes = stats[1];
    }
    if (tb[OVS_FLOW_ATTR_USED]) {
        flow->used_ms = (int64_t) (nla_get_u64(tb[OVS_FLOW_ATTR_USED])
                                   & INT64_MAX);
    }
    return 0;
}

int
vdpad_kernel_flow_decode(const void *payload, size_t len,
                         struct vdpad_kernel_flow *flow)
{
    struct nlattr *tb[OVS_FLOW_ATTR_UFID + 1];
    int32_t datapath;
    int error;

    memset(flow, 0, sizeof *flow);
    error = parse(tb, OVS_FLOW_ATTR_UFID, payload, len, &datapath,
                  flow_policy);
    return error ? error : take_flow(tb, flow);
}

/* Levels of actions within actions, the outermost included: as many as the
 * kernel takes (OVS_COPY_ACTIONS_MAX_DEPTH, net/openvswitch/flow_netlink.c of
 * 6.12). */
#define MAX_DEPTH 17

int
vdpad_kernel_flow_detail(const void *payload, size_t len,
                         const struct vdpad_vports *ports, int64_t now_ms,
                         struct vdpad_flow_detail *detail)
{
    struct nlattr *tb[OVS_FLOW_ATTR_UFID + 1];
    const struct vdpad_vport *port;
    struct vdpad_kernel_flow flow;
    struct vdpad_flow_match match;
    struct vdpad_ftext text;
    int error;

    memset(detail, 0, sizeof *detail);
    memset(&flow, 0, sizeof flow);
    error = parse(tb, OVS_FLOW_ATTR_UFID, payload, len, &detail->pos.ifindex,
                  flow_policy);
    if (!error) {
        error = take_flow(tb, &flow);
    }
    if (!error) {
        error = vdpad_datapath_decode_key(tb[OVS_FLOW_ATTR_KEY],
                                          tb[OVS_FLOW_ATTR_MASK], ports,
                                          &match);
    }
    if (error) {
        return error;
    }
    port = flow.has_in_port ? vdpad_vport_find(ports, flow.in_port) : NULL;
    detail->where = VDPAD_FLOW_IN_KERNEL;
    detail->ifindex = port ? port->ifindex : 0;
    detail->has_ufid = flow.has_ufid;
    memcpy(detail->pos.ufid, flow.ufid, sizeof flow.ufid);
    if (flow.has_ufid) {
        memcpy(detail->ufid, flow.ufid, sizeof flow.ufid);
    }
    detail->sw_packets = flow.packets;
    detail->sw_bytes = flow.bytes;
    detail->age_ms = detail->used_ms = -1;
    if (flow.used_ms >= 0) {
        detail->used_ms = now_ms > flow.used_ms ? now_ms - flow.used_ms : 0;
    }
    detail->uses = vdpad_match_uses(&match);
    vdpad_ftext_begin(&text, detail->match, sizeof detail->match);
    vdpad_match_text(&text, &match);
    vdpad_ftext_end(&text);

    vdpad_ftext_begin(&text, detail->actions, sizeof detail->actions);
    if (tb[OVS_FLOW_ATTR_ACTIONS] && nla_len(tb[OVS_FLOW_ATTR_ACTIONS])) {
        struct vdpad_datapath_actions a = { .text = &text, .ports = ports };

        error = vdpad_datapath_take_actions(tb[OVS_FLOW_ATTR_ACTIONS],
                                            MAX_DEPTH, &a);
        detail->uses |= a.uses;
        memcpy(detail->outputs, a.outputs, sizeof detail->outputs);
    } else {
        vdpad_ftext_add(&text, "drop");
    }
    vdpad_ftext_end(&text);
    return error;
}

const struct vdpad_vport *
vdpad_vport_find(const struct vdpad_vports *ports, uint32_t port)
{
    size_t low = 0, high = ports->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (ports->ports[middle].port < port) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < ports->n && ports->ports[low].port == port
               ? &ports->ports[low]
               : NULL;
}

static int
put_header(struct nl_msg *msg, int32_t ifindex)
{
    struct ovs_header header = { .dp_ifindex = ifindex };

    return nlmsg_append(msg, &header, sizeof header, NLMSG_ALIGNTO) ? -EMSGSIZE
                                                                    : 0;
}

int
vdpad_datapath_encode_dump(struct nl_msg *msg, int32_t ifindex)
{
    return put_header(msg, ifindex);
}

int
vdpad_kernel_flow_encode_dump(struct nl_msg *msg, int32_t ifindex,
                              bool is_brief)
{
    int error = put_header(msg, ifindex);

    return error || !is_brief ? error
           : nla_put_u32(msg, OVS_FLOW_ATTR_UFID_FLAGS,
                         OVS_UFID_F_OMIT_MASK | OVS_UFID_F_OMIT_ACTIONS)
               ? -EMSGSIZE
               : 0;
}

int
vdpad_vport_encode_name(struct nl_msg *msg, int32_t ifindex, const char *name)
{
    int error = put_header(msg, ifindex);

    return error                                            ? error
           : nla_put_string(msg, OVS_VPORT_ATTR_NAME, name) ? -EMSGSIZE
                                                            : 0;
}

int
vdpad_vport_encode_number(struct nl_msg *msg, int32_t ifindex, uint32_t port)
{
    int error = put_header(msg, ifindex);

    return error                                            ? error
           : nla_put_u32(msg, OVS_VPORT_ATTR_PORT_NO, port) ? -EMSGSIZE
                                                            : 0;
}
