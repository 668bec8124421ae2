/* SPDX-License-Identifier: Apache-2.0 */
#include "link-codec.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>

#include <netlink/msg.h>

#include "attrs.h"
#include "uapi.h"

#define ATTR_MAX IFLA_PARENT_DEV_BUS_NAME

static const struct nla_policy policy[ATTR_MAX + 1] = {
    [IFLA_IFNAME] = VDPAD_POLICY_TEXT,
    [IFLA_MTU] = VDPAD_POLICY_U32,
    [IFLA_LINK] = VDPAD_POLICY_U32,
    [IFLA_MASTER] = VDPAD_POLICY_U32,
    [IFLA_LINKINFO] = VDPAD_POLICY_NEST,
    /* It grows at its end. */
    [IFLA_STATS64] = { .type = NLA_UNSPEC, .minlen = 32 },
    [IFLA_PHYS_SWITCH_ID] = VDPAD_POLICY_BYTES(1, 32),
    [IFLA_CARRIER] = VDPAD_POLICY_U8,
    [IFLA_PHYS_PORT_NAME] = VDPAD_POLICY_TEXT,
    [IFLA_EVENT] = VDPAD_POLICY_U32,
    [IFLA_PARENT_DEV_NAME] = VDPAD_POLICY_TEXT,
    [IFLA_PARENT_DEV_BUS_NAME] = VDPAD_POLICY_TEXT,
};

/* What IFLA_INFO_DATA is made of depends on the kind. */
static const struct nla_policy info_policy[IFLA_INFO_DATA + 1] = {
    [IFLA_INFO_KIND] = VDPAD_POLICY_TEXT,
    [IFLA_INFO_DATA] = { .type = NLA_UNSPEC },
};

static const struct nla_policy bond_policy[IFLA_BOND_MODE + 1] = {
    [IFLA_BOND_MODE] = VDPAD_POLICY_U8,
};

static int
decode_info(const struct nlattr *nest, struct vdpad_link *row)
{
    struct nlattr *info[IFLA_INFO_DATA + 1];
    struct nlattr *bond[IFLA_BOND_MODE + 1];
    int error = vdpad_attrs_parse_nested(info, IFLA_INFO_DATA, nest,
                                         info_policy);

    if (error) {
        return error;
    }
    vdpad_attr_text(info[IFLA_INFO_KIND], row->kind, sizeof row->kind);
    if (!info[IFLA_INFO_DATA] || strcmp(row->kind, "bond") != 0) {
        return 0;
    }
    error = vdpad_attrs_parse_nested(bond, IFLA_BOND_MODE,
                                     info[IFLA_INFO_DATA], bond_policy);
    if (!error) {
        row->bond_mode = vdpad_attr_u8(bond[IFLA_BOND_MODE], 0);
    }
    return error;
}

static int
parse(struct nlattr *tb[], const void *payload, size_t len,
      struct ifinfomsg *header)
{
    int error = vdpad_attrs_parse_after(tb, ATTR_MAX, payload, len,
                                        sizeof *header, policy);

    if (!error) {
        memcpy(header, payload, sizeof *header);
        if (header->ifi_index <= 0) {
            error = -EBADMSG;
        }
    }
    return error;
}

int
vdpad_link_decode(const void *payload, size_t len, struct vdpad_link *row)
{
    struct nlattr *tb[ATTR_MAX + 1];
    struct ifinfomsg header;
    const struct nlattr *attr;
    int error = parse(tb, payload, len, &header);

    if (error) {
        return error;
    }
    if (!tb[IFLA_IFNAME]) {
        return -EBADMSG;
    }
    memset(row, 0, sizeof *row);
    row->ifindex = header.ifi_index;
    row->flags = header.ifi_flags;
    vdpad_attr_text(tb[IFLA_IFNAME], row->name, sizeof row->name);
    if (tb[IFLA_LINKINFO]) {
        error = decode_info(tb[IFLA_LINKINFO], row);
        if (error) {
            return error;
        }
    }
    row->mtu = vdpad_attr_u32(tb[IFLA_MTU], 0);
    row->master = (int32_t) vdpad_attr_u32(tb[IFLA_MASTER], 0);
    /* rtnl_fill_link_netnsid() of 4.0 to 6.12 adds the namespace where the
     * number means something, if that is another one. */
    if (!tb[IFLA_LINK_NETNSID]) {
        row->lower = (int32_t) vdpad_attr_u32(tb[IFLA_LINK], 0);
    }
    (void) vdpad_attr_mac(tb[IFLA_ADDRESS], row->mac);
    row->carrier = vdpad_attr_u8(tb[IFLA_CARRIER], 0) != 0;
    attr = tb[IFLA_PHYS_SWITCH_ID];
    if (attr) {
        row->switch_id_len = (uint8_t) nla_len(attr);
        memcpy(row->switch_id, nla_data(attr), row->switch_id_len);
    }
    vdpad_attr_text(tb[IFLA_PHYS_PORT_NAME], row->port_name,
                    sizeof row->port_name);
    vdpad_attr_text(tb[IFLA_PARENT_DEV_BUS_NAME], row->parent_bus,
                    sizeof row->parent_bus);
    vdpad_attr_text(tb[IFLA_PARENT_DEV_NAME], row->parent_dev,
                    sizeof row->parent_dev);
    attr = tb[IFLA_STATS64];
    if (attr) {
        /* Attributes are aligned to 4, these numbers to 8. */
        uint64_t stats[4];

        memcpy(stats, nla_data(attr), sizeof stats);
        row->rx_packets = stats[0];
        row->rx_bytes = stats[2];
    }
    return 0;
}

int
vdpad_link_decode_event(uint16_t type, const void *payload, size_t len,
                        unsigned int *classes)
{
    struct nlattr *tb[ATTR_MAX + 1];
    struct ifinfomsg header;
    int error;

    *classes = 0;
    if (type != RTM_NEWLINK && type != RTM_DELLINK) {
        return 0;
    }
    error = parse(tb, payload, len, &header);
    if (error) {
        return error;
    }
    /* Bridges announce their ports under a family of their own: changes of
     * forwarding states and the like. */
    if (header.ifi_family != AF_UNSPEC) {
        return 0;
    }
    *classes = 1u << VDPAD_LINK;
    if (type == RTM_DELLINK) {
        *classes |= 1u << VDPAD_FEATURE | 1u << VDPAD_QDISC | 1u << VDPAD_FLOW;
    } else if (header.ifi_change == UINT32_MAX
               || vdpad_attr_u32(tb[IFLA_EVENT], 0) == IFLA_EVENT_FEATURES) {
        /* A new device (register_netdevice() of 4.0 to 6.12 says that all
         * flags changed), or its features changed. */
        *classes |= 1u << VDPAD_FEATURE;
    }
    return 0;
}

static int
put_header(struct nl_msg *msg, int32_t ifindex, uint32_t flags,
           uint32_t change)
{
    struct ifinfomsg header = {
        .ifi_family = AF_UNSPEC,
        .ifi_index = ifindex,
        .ifi_flags = flags,
        .ifi_change = change,
    };

    return nlmsg_append(msg, &header, sizeof header, NLMSG_ALIGNTO) ? -EMSGSIZE
                                                                    : 0;
}

int
vdpad_link_encode_dump(struct nl_msg *msg)
{
    return put_header(msg, 0, 0, 0);
}

int
vdpad_link_encode_get(struct nl_msg *msg, int32_t ifindex)
{
    return put_header(msg, ifindex, 0, 0);
}

int
vdpad_link_encode_up(struct nl_msg *msg, int32_t ifindex, bool up)
{
    return put_header(msg, ifindex, up ? IFF_UP : 0, IFF_UP);
}

int
vdpad_link_encode_mtu(struct nl_msg *msg, int32_t ifindex, uint32_t mtu)
{
    int error = put_header(msg, ifindex, 0, 0);

    return error ? error : nla_put_u32(msg, IFLA_MTU, mtu) ? -EMSGSIZE : 0;
}

int
vdpad_link_encode_name(struct nl_msg *msg, int32_t ifindex, const char *name)
{
    int error = put_header(msg, ifindex, 0, 0);

    return error                                    ? error
           : nla_put_string(msg, IFLA_IFNAME, name) ? -EMSGSIZE
                                                    : 0;
}
