/* SPDX-License-Identifier: Apache-2.0 */
#include "vdpa-codec.h"

#include <errno.h>
#include <string.h>

#include "attrs.h"
#include "uapi.h"

#define ATTR_MAX VDPA_ATTR_DEV_FEATURES

static const struct nla_policy policy[ATTR_MAX + 1] = {
    [VDPA_ATTR_MGMTDEV_BUS_NAME] = VDPAD_POLICY_TEXT,
    [VDPA_ATTR_MGMTDEV_DEV_NAME] = VDPAD_POLICY_TEXT,
    [VDPA_ATTR_MGMTDEV_SUPPORTED_CLASSES] = VDPAD_POLICY_U64,
    [VDPA_ATTR_DEV_NAME] = VDPAD_POLICY_TEXT,
    [VDPA_ATTR_DEV_ID] = VDPAD_POLICY_U32,
    [VDPA_ATTR_DEV_VENDOR_ID] = VDPAD_POLICY_U32,
    [VDPA_ATTR_DEV_MAX_VQS] = VDPAD_POLICY_U32,
    [VDPA_ATTR_DEV_MAX_VQ_SIZE] = VDPAD_POLICY_U16,
    [VDPA_ATTR_DEV_NET_CFG_MACADDR] = VDPAD_POLICY_BYTES(6, 6),
    /* The header says u8, kernels send u16: vdpa_dev_net_config_fill() of
     * 5.15 to 6.12. */
    [VDPA_ATTR_DEV_NET_STATUS] = VDPAD_POLICY_BYTES(1, 2),
    [VDPA_ATTR_DEV_NET_CFG_MAX_VQP] = VDPAD_POLICY_U16,
    [VDPA_ATTR_DEV_NET_CFG_MTU] = VDPAD_POLICY_U16,
    [VDPA_ATTR_DEV_NEGOTIATED_FEATURES] = VDPAD_POLICY_U64,
    [VDPA_ATTR_DEV_MGMTDEV_MAX_VQS] = VDPAD_POLICY_U32,
    [VDPA_ATTR_DEV_SUPPORTED_FEATURES] = VDPAD_POLICY_U64,
};

static int
parse(struct nlattr *tb[], const void *payload, size_t len, uint8_t cmd)
{
    return vdpad_attrs_parse_genl(tb, ATTR_MAX, payload, len, policy, cmd);
}

int
vdpad_vdpa_decode_mgmtdev(const void *payload, size_t len,
                          struct vdpad_mgmtdev *row)
{
    struct nlattr *tb[ATTR_MAX + 1];
    char bus[sizeof row->bus], dev[sizeof row->dev];
    int error = parse(tb, payload, len, VDPA_CMD_MGMTDEV_NEW);

    if (error) {
        return error;
    }
    if (!tb[VDPA_ATTR_MGMTDEV_DEV_NAME]) {
        return -EBADMSG;
    }
    /* Cut, they would name another one. */
    if (!vdpad_attr_text(tb[VDPA_ATTR_MGMTDEV_BUS_NAME], bus, sizeof bus)
        || !vdpad_attr_text(tb[VDPA_ATTR_MGMTDEV_DEV_NAME], dev, sizeof dev)) {
        return VDPAD_CODEC_SKIP;
    }
    memset(row, 0, sizeof *row);
    memcpy(row->bus, bus, sizeof bus);
    memcpy(row->dev, dev, sizeof dev);
    row->classes = vdpad_attr_u64(tb[VDPA_ATTR_MGMTDEV_SUPPORTED_CLASSES], 0);
    row->features = vdpad_attr_u64(tb[VDPA_ATTR_DEV_SUPPORTED_FEATURES], 0);
    row->max_vqs = vdpad_attr_u32(tb[VDPA_ATTR_DEV_MGMTDEV_MAX_VQS], 0);
    return 0;
}

int
vdpad_vdpa_decode_dev(const void *payload, size_t len, struct vdpad_vdpa *row)
{
    struct nlattr *tb[ATTR_MAX + 1];
    int error = parse(tb, payload, len, VDPA_CMD_DEV_NEW);

    if (error) {
        return error;
    }
    if (!tb[VDPA_ATTR_DEV_NAME] || !tb[VDPA_ATTR_DEV_ID]) {
        return -EBADMSG;
    }
    memset(row, 0, sizeof *row);
    vdpad_attr_text(tb[VDPA_ATTR_DEV_NAME], row->name, sizeof row->name);
    vdpad_attr_text(tb[VDPA_ATTR_MGMTDEV_BUS_NAME], row->bus, sizeof row->bus);
    vdpad_attr_text(tb[VDPA_ATTR_MGMTDEV_DEV_NAME], row->dev, sizeof row->dev);
    row->id = nla_get_u32(tb[VDPA_ATTR_DEV_ID]);
    row->vendor = vdpad_attr_u32(tb[VDPA_ATTR_DEV_VENDOR_ID], 0);
    row->max_vqs = vdpad_attr_u32(tb[VDPA_ATTR_DEV_MAX_VQS], 0);
    row->max_vq_size = vdpad_attr_u16(tb[VDPA_ATTR_DEV_MAX_VQ_SIZE], 0);
    return 0;
}

int
vdpad_vdpa_decode_config(const void *payload, size_t len,
                         struct vdpad_vdpa *row)
{
    struct nlattr *tb[ATTR_MAX + 1];
    const struct nlattr *status;
    int error = parse(tb, payload, len, VDPA_CMD_DEV_CONFIG_GET);

    if (error) {
        return error;
    }
    row->has_config = true;
    row->has_mac = vdpad_attr_mac(tb[VDPA_ATTR_DEV_NET_CFG_MACADDR], row->mac);
    row->has_mtu = tb[VDPA_ATTR_DEV_NET_CFG_MTU] != NULL;
    row->mtu = vdpad_attr_u16(tb[VDPA_ATTR_DEV_NET_CFG_MTU], 0);
    row->has_max_vqp = tb[VDPA_ATTR_DEV_NET_CFG_MAX_VQP] != NULL;
    row->max_vqp = vdpad_attr_u16(tb[VDPA_ATTR_DEV_NET_CFG_MAX_VQP], 0);
    status = tb[VDPA_ATTR_DEV_NET_STATUS];
    row->has_status = status != NULL;
    if (status) {
        row->status = nla_len(status) == 1 ? nla_get_u8(status)
                                           : nla_get_u16(status);
    }
    row->has_negotiated = tb[VDPA_ATTR_DEV_NEGOTIATED_FEATURES] != NULL;
    row->negotiated = vdpad_attr_u64(tb[VDPA_ATTR_DEV_NEGOTIATED_FEATURES], 0);
    return 0;
}

int
vdpad_vdpa_encode_name(struct nl_msg *msg, const char *name)
{
    return nla_put_string(msg, VDPA_ATTR_DEV_NAME, name) ? -EMSGSIZE : 0;
}

static int
put_mgmtdev(struct nl_msg *msg, const char *handle)
{
    const char *slash = strchr(handle, '/');
    char bus[VDPAD_WORD_SIZE];

    if (slash) {
        size_t len = (size_t) (slash - handle);

        if (len >= sizeof bus) {
            return -EMSGSIZE;
        }
        memcpy(bus, handle, len);
        bus[len] = '\0';
        if (nla_put_string(msg, VDPA_ATTR_MGMTDEV_BUS_NAME, bus)) {
            return -EMSGSIZE;
        }
    }
    return nla_put_string(msg, VDPA_ATTR_MGMTDEV_DEV_NAME,
                          slash ? slash + 1 : handle)
               ? -EMSGSIZE
               : 0;
}

int
vdpad_vdpa_encode_add(struct nl_msg *msg, const struct vdpad_act *act)
{
    int error = put_mgmtdev(msg, act->word);

    if (!error) {
        error = vdpad_vdpa_encode_name(msg, act->object);
    }
    if (!error && act->has_mac
        && nla_put(msg, VDPA_ATTR_DEV_NET_CFG_MACADDR, 6, act->mac)) {
        error = -EMSGSIZE;
    }
    if (!error && act->mtu
        && nla_put_u16(msg, VDPA_ATTR_DEV_NET_CFG_MTU, act->mtu)) {
        error = -EMSGSIZE;
    }
    if (!error && act->max_vqp
        && nla_put_u16(msg, VDPA_ATTR_DEV_NET_CFG_MAX_VQP, act->max_vqp)) {
        error = -EMSGSIZE;
    }
    return error;
}

int
vdpad_vdpa_encode_set_mac(struct nl_msg *msg, const struct vdpad_act *act)
{
    int error = vdpad_vdpa_encode_name(msg, act->object);

    if (!error && nla_put(msg, VDPA_ATTR_DEV_NET_CFG_MACADDR, 6, act->mac)) {
        error = -EMSGSIZE;
    }
    return error;
}
