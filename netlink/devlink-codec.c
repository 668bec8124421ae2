/* SPDX-License-Identifier: Apache-2.0 */
#include "devlink-codec.h"

#include <errno.h>
#include <string.h>

#include "attrs.h"
#include "uapi.h"

#define ATTR_MAX DEVLINK_ATTR_PORT_PCI_SF_NUMBER

static const struct nla_policy policy[ATTR_MAX + 1] = {
    [DEVLINK_ATTR_BUS_NAME] = VDPAD_POLICY_TEXT,
    [DEVLINK_ATTR_DEV_NAME] = VDPAD_POLICY_TEXT,
    [DEVLINK_ATTR_PORT_INDEX] = VDPAD_POLICY_U32,
    [DEVLINK_ATTR_PORT_NETDEV_IFINDEX] = VDPAD_POLICY_U32,
    [DEVLINK_ATTR_PORT_NETDEV_NAME] = VDPAD_POLICY_TEXT,
    [DEVLINK_ATTR_ESWITCH_MODE] = VDPAD_POLICY_U16,
    [DEVLINK_ATTR_ESWITCH_INLINE_MODE] = VDPAD_POLICY_U8,
    [DEVLINK_ATTR_ESWITCH_ENCAP_MODE] = VDPAD_POLICY_U8,
    [DEVLINK_ATTR_PORT_FLAVOUR] = VDPAD_POLICY_U16,
    [DEVLINK_ATTR_INFO_DRIVER_NAME] = VDPAD_POLICY_TEXT,
    [DEVLINK_ATTR_INFO_VERSION_RUNNING] = VDPAD_POLICY_NEST,
    [DEVLINK_ATTR_INFO_VERSION_NAME] = VDPAD_POLICY_TEXT,
    [DEVLINK_ATTR_INFO_VERSION_VALUE] = VDPAD_POLICY_TEXT,
    [DEVLINK_ATTR_PORT_PCI_PF_NUMBER] = VDPAD_POLICY_U16,
    [DEVLINK_ATTR_PORT_PCI_VF_NUMBER] = VDPAD_POLICY_U16,
    [DEVLINK_ATTR_PORT_FUNCTION] = VDPAD_POLICY_NEST,
    [DEVLINK_ATTR_PORT_EXTERNAL] = VDPAD_POLICY_U8,
    [DEVLINK_ATTR_PORT_CONTROLLER_NUMBER] = VDPAD_POLICY_U32,
    [DEVLINK_ATTR_PORT_PCI_SF_NUMBER] = VDPAD_POLICY_U32,
};

static const struct nla_policy
    function_policy[DEVLINK_PORT_FUNCTION_ATTR_HW_ADDR + 1] = {
        /* MAX_ADDR_LEN; InfiniBand's have 20. */
        [DEVLINK_PORT_FUNCTION_ATTR_HW_ADDR] = VDPAD_POLICY_BYTES(1, 32),
    };

static int
parse(struct nlattr *tb[], const void *payload, size_t len, uint8_t cmd)
{
    return vdpad_attrs_parse_genl(tb, ATTR_MAX, payload, len, policy, cmd);
}

/* Copies the handle of an instance.  Instances whose handle does not fit are
 * skipped: PCI functions' do. */
static int
take_handle(struct nlattr *tb[], char *bus, size_t bus_size, char *dev,
            size_t dev_size)
{
    if (!tb[DEVLINK_ATTR_BUS_NAME] || !tb[DEVLINK_ATTR_DEV_NAME]) {
        return -EBADMSG;
    }
    return vdpad_attr_text(tb[DEVLINK_ATTR_BUS_NAME], bus, bus_size)
                   && vdpad_attr_text(tb[DEVLINK_ATTR_DEV_NAME], dev, dev_size)
               ? 0
               : VDPAD_CODEC_SKIP;
}

int
vdpad_devlink_decode_dev(const void *payload, size_t len,
                         struct vdpad_eswitch *row)
{
    struct nlattr *tb[ATTR_MAX + 1];
    int error = parse(tb, payload, len, DEVLINK_CMD_NEW);

    if (error) {
        return error;
    }
    memset(row, 0, sizeof *row);
    row->mode = VDPAD_ESWITCH_NONE;
    row->inline_mode = -1;
    row->encap_mode = -1;
    return take_handle(tb, row->bus, sizeof row->bus, row->dev,
                       sizeof row->dev);
}

int
vdpad_devlink_decode_eswitch(const void *payload, size_t len,
                             struct vdpad_eswitch *row)
{
    struct nlattr *tb[ATTR_MAX + 1];
    int error = parse(tb, payload, len, DEVLINK_CMD_ESWITCH_GET);

    if (error) {
        return error;
    }
    if (tb[DEVLINK_ATTR_ESWITCH_MODE]) {
        row->mode = nla_get_u16(tb[DEVLINK_ATTR_ESWITCH_MODE]);
    }
    if (tb[DEVLINK_ATTR_ESWITCH_INLINE_MODE]) {
        row->inline_mode = nla_get_u8(tb[DEVLINK_ATTR_ESWITCH_INLINE_MODE]);
    }
    if (tb[DEVLINK_ATTR_ESWITCH_ENCAP_MODE]) {
        row->encap_mode = nla_get_u8(tb[DEVLINK_ATTR_ESWITCH_ENCAP_MODE]);
    }
    return 0;
}

/* Each running version has a nest of its own: "fw.version" is the one people
 * know, "fw" what drivers that have only one number say. */
static int
take_firmware(const void *payload, size_t len, struct vdpad_eswitch *row)
{
    const struct nlattr *attrs =
        (const struct nlattr *) (const void *) ((const char *) payload
                                                + GENL_HDRLEN);
    const struct nlattr *attr;
    int left;

    nla_for_each_attr(attr, attrs, (int) (len - GENL_HDRLEN), left)
    {
        struct nlattr *tb[ATTR_MAX + 1];
        char name[32];

        if (nla_type(attr) != DEVLINK_ATTR_INFO_VERSION_RUNNING) {
            continue;
        }
        if (vdpad_attrs_parse_nested(tb, ATTR_MAX, attr, policy)) {
            return -EBADMSG;
        }
        vdpad_attr_text(tb[DEVLINK_ATTR_INFO_VERSION_NAME], name, sizeof name);
        if (!strcmp(name, "fw.version")
            || (!strcmp(name, "fw") && !row->fw_version[0])) {
            vdpad_attr_text(tb[DEVLINK_ATTR_INFO_VERSION_VALUE],
                            row->fw_version, sizeof row->fw_version);
        }
    }
    return 0;
}

int
vdpad_devlink_decode_info(const void *payload, size_t len,
                          struct vdpad_eswitch *row)
{
    struct nlattr *tb[ATTR_MAX + 1];
    int error = parse(tb, payload, len, DEVLINK_CMD_INFO_GET);

    if (error) {
        return error;
    }
    vdpad_attr_text(tb[DEVLINK_ATTR_INFO_DRIVER_NAME], row->driver,
                    sizeof row->driver);
    return tb[DEVLINK_ATTR_INFO_VERSION_RUNNING]
               ? take_firmware(payload, len, row)
               : 0;
}

static int32_t
number_or_none(const struct nlattr *attr, uint32_t value)
{
    return attr && value <= INT32_MAX ? (int32_t) value : -1;
}

int
vdpad_devlink_decode_port(const void *payload, size_t len,
                          struct vdpad_dlport *row)
{
    struct nlattr *tb[ATTR_MAX + 1];
    const struct nlattr *attr;
    int error = parse(tb, payload, len, DEVLINK_CMD_PORT_NEW);

    if (error == VDPAD_CODEC_SKIP) {
        /* What dumps of ports are answered with before 6.8
         * (devlink_nl_cmd_port_get_dumpit(), net/core/devlink.c of 5.15). */
        error = parse(tb, payload, len, DEVLINK_CMD_NEW);
    }
    if (error) {
        return error;
    }
    if (!tb[DEVLINK_ATTR_PORT_INDEX]) {
        return -EBADMSG;
    }
    memset(row, 0, sizeof *row);
    error = take_handle(tb, row->bus, sizeof row->bus, row->dev,
                        sizeof row->dev);
    if (error) {
        return error;
    }
    row->index = nla_get_u32(tb[DEVLINK_ATTR_PORT_INDEX]);
    attr = tb[DEVLINK_ATTR_PORT_FLAVOUR];
    row->flavour = number_or_none(attr, vdpad_attr_u16(attr, 0));
    attr = tb[DEVLINK_ATTR_PORT_CONTROLLER_NUMBER];
    row->controller = number_or_none(attr, vdpad_attr_u32(attr, 0));
    attr = tb[DEVLINK_ATTR_PORT_PCI_PF_NUMBER];
    row->pf = number_or_none(attr, vdpad_attr_u16(attr, 0));
    attr = tb[DEVLINK_ATTR_PORT_PCI_VF_NUMBER];
    row->vf = number_or_none(attr, vdpad_attr_u16(attr, 0));
    attr = tb[DEVLINK_ATTR_PORT_PCI_SF_NUMBER];
    row->sf = number_or_none(attr, vdpad_attr_u32(attr, 0));
    row->external = vdpad_attr_u8(tb[DEVLINK_ATTR_PORT_EXTERNAL], 0) != 0;
    attr = tb[DEVLINK_ATTR_PORT_NETDEV_IFINDEX];
    row->ifindex = attr ? number_or_none(attr, nla_get_u32(attr)) : 0;
    vdpad_attr_text(tb[DEVLINK_ATTR_PORT_NETDEV_NAME], row->ifname,
                    sizeof row->ifname);
    if (tb[DEVLINK_ATTR_PORT_FUNCTION]) {
        struct nlattr *function[DEVLINK_PORT_FUNCTION_ATTR_HW_ADDR + 1];

        error = vdpad_attrs_parse_nested(function,
                                         DEVLINK_PORT_FUNCTION_ATTR_HW_ADDR,
                                         tb[DEVLINK_ATTR_PORT_FUNCTION],
                                         function_policy);
        if (error) {
            return error;
        }
        row->has_hw_addr = vdpad_attr_mac(
            function[DEVLINK_PORT_FUNCTION_ATTR_HW_ADDR], row->hw_addr);
    }
    return 0;
}

int
vdpad_devlink_decode_event(const void *payload, size_t len,
                           unsigned int *classes)
{
    struct nlattr *tb[ATTR_MAX + 1];
    struct genlmsghdr header;
    int error = vdpad_attrs_parse_after(tb, ATTR_MAX, payload, len,
                                        sizeof header, policy);

    if (error) {
        return error;
    }
    memcpy(&header, payload, sizeof header);
    switch (header.cmd) {
    case DEVLINK_CMD_NEW:
    case DEVLINK_CMD_DEL:
    case DEVLINK_CMD_SET:
    case DEVLINK_CMD_PORT_NEW:
    case DEVLINK_CMD_PORT_DEL:
    case DEVLINK_CMD_PORT_SET:
        /* The kernel does not announce a change of the e-switch's mode, but
         * ports come and go with it. */
        *classes = 1u << VDPAD_ESWITCH | 1u << VDPAD_DLPORT;
        break;

    default:
        /* Parameters, traps, health, rates: not observed. */
        *classes = 0;
        break;
    }
    return 0;
}

int
vdpad_devlink_encode_handle(struct nl_msg *msg, const char *bus,
                            const char *dev)
{
    return nla_put_string(msg, DEVLINK_ATTR_BUS_NAME, bus)
                   || nla_put_string(msg, DEVLINK_ATTR_DEV_NAME, dev)
               ? -EMSGSIZE
               : 0;
}

int
vdpad_devlink_encode_eswitch(struct nl_msg *msg, const char *bus,
                             const char *dev, int mode, int inline_mode,
                             int encap)
{
    int error = vdpad_devlink_encode_handle(msg, bus, dev);

    if (!error && mode >= 0
        && nla_put_u16(msg, DEVLINK_ATTR_ESWITCH_MODE, (uint16_t) mode)) {
        error = -EMSGSIZE;
    }
    if (!error && inline_mode >= 0
        && nla_put_u8(msg, DEVLINK_ATTR_ESWITCH_INLINE_MODE,
                      (uint8_t) inline_mode)) {
        error = -EMSGSIZE;
    }
    if (!error && encap >= 0
        && nla_put_u8(msg, DEVLINK_ATTR_ESWITCH_ENCAP_MODE, (uint8_t) encap)) {
        error = -EMSGSIZE;
    }
    return error;
}

int
vdpad_devlink_encode_hw_addr(struct nl_msg *msg, const char *bus,
                             const char *dev, uint32_t port,
                             const uint8_t mac[6])
{
    struct nlattr *nest;

    if (vdpad_devlink_encode_handle(msg, bus, dev)
        || nla_put_u32(msg, DEVLINK_ATTR_PORT_INDEX, port)) {
        return -EMSGSIZE;
    }
    /* The kernel wants the flag NLA_F_NESTED here (nla_parse_nested() of a
     * strict policy), which libnl 3.7 sets. */
    nest = nla_nest_start(msg, DEVLINK_ATTR_PORT_FUNCTION);
    if (!nest || nla_put(msg, DEVLINK_PORT_FUNCTION_ATTR_HW_ADDR, 6, mac)) {
        return -EMSGSIZE;
    }
    nla_nest_end(msg, nest);
    return 0;
}
